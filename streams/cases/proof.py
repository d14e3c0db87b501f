"""Proof: a case is well when its symptoms were seen to clear and stayed clear while the device kept speaking. Silence is never proof.

Detectors clear a symptom only on readings, and say when a device falls silent. So a symptom that is clear on a device that speaks
is seen to be clear, up to the limit of the silence rule; policy asks for longer than that (`stays`).
"""

from __future__ import annotations

from typing import Final

from streams.cases.policy import Line
from streams.cases.state import REMEMBERED, Case, DeviceState, Phase, Seen, Timer
from vorab.clock import Micros

SILENCE: Final = "silence"
"""The detector whose symptoms say that nothing is heard."""

WATCHED: Final = frozenset({Phase.OBSERVING, Phase.CONSENT, Phase.APPROVAL, Phase.WAITING, Phase.QUEUED, Phase.PERSON, Phase.PROVING})
"""Phases in which a case becomes well by staying clear; an action under way has to be answered first."""


def add(case: Case, seen: Seen) -> None:
    """Fold another symptom into a case: it is no longer clear. Only the latest of the cleared ones are kept."""
    case.symptoms.append(seen)
    cleared = [seen for seen in case.symptoms if not seen.open]
    for old in cleared[:-REMEMBERED]:
        case.symptoms.remove(old)
    case.clear_at, case.healed = None, False
    case.timers.pop(Timer.STAYS, None)


def silent(state: DeviceState, case: Case) -> bool:
    """Whether the device is silent; a case about this very silence has its own symptom for that."""
    return any(case.seen(symptom) is None for symptom in state.silent)


def clear(case: Case) -> bool:
    """Whether the case may be taken for well: all symptoms are clear, and where a remedy is to be proven, readings showed it."""
    if case.phase is Phase.PROVING and not all(seen.proven for seen in case.symptoms):
        return False
    return case.clear_at is not None


def watch(state: DeviceState, case: Case, line: Line, at: Micros) -> None:
    """Set the deadlines of a proof by what is known at `at`: well when it stays clear, disproved when it does not clear in time."""
    if case.phase not in WATCHED:
        return
    wished = case.phase is Phase.PERSON and case.call_wished
    if case.clear_at is not None and clear(case) and not wished and not silent(state, case):
        since = max(case.clear_at, state.spoke_at)
        if case.phase is Phase.PROVING and case.done_at is not None:
            since = max(since, case.done_at)
        case.timers[Timer.STAYS] = max(at, since + line.stays)
        case.timers.pop(Timer.WITHIN, None)
        return
    case.timers.pop(Timer.STAYS, None)
    if case.phase is Phase.PROVING and case.done_at is not None:
        case.timers[Timer.WITHIN] = max(at, case.done_at + line.within)
