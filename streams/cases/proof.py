"""Proof: a case is well when its symptoms were seen to clear and stayed clear while the device kept speaking. Silence is never proof.

Detectors clear a symptom only on readings, and say when a device falls silent. So a symptom that is clear on a device that speaks
is seen to be clear, up to the limit of the silence rule; policy asks for longer than that (`stays`). And it asks for so many readings
after the machine's answer, of which not all say the same (`readings`): a sensor that stands still at a good value shows nothing.
"""

from __future__ import annotations

from typing import Final

from streams.cases.policy import Line
from streams.cases.state import REMEMBERED, Case, DeviceState, Phase, Seen, Timer
from vorab.clock import MINUTE, Micros
from vorab.records import Proof, Symptom

SILENCE: Final = "silence"
"""The detector whose symptoms say that nothing is heard."""

GRAIN: Final = 10 * MINUTE
"""Detect tells what it has read at least so often, where there is anything to read."""

WATCHED: Final = frozenset(
    {Phase.OBSERVING, Phase.CONSENT, Phase.APPROVAL, Phase.WAITING, Phase.QUEUED, Phase.ERRAND, Phase.PERSON, Phase.PROVING}
)
"""Phases in which a case becomes well by staying clear; an action under way has to be answered first."""


def add(case: Case, seen: Seen) -> None:
    """Fold another symptom into a case: it is no longer clear. Only the latest of the cleared ones are kept."""
    case.symptoms.append(seen)
    cleared = [seen for seen in case.symptoms if not seen.open]
    for old in cleared[:-REMEMBERED]:
        case.symptoms.remove(old)
    case.clear_at, case.healed = None, False
    case.proven_since = case.proven_until = None
    for each in case.symptoms:
        forget(each)
    case.timers.pop(Timer.STAYS, None)


def forget(seen: Seen) -> None:
    """What readings have shown of a symptom counts no more."""
    seen.readings = seen.changes = seen.until = 0


def silent(state: DeviceState, case: Case) -> bool:
    """Whether the device is silent; a case about this very silence has its own symptom for that."""
    return any(case.seen(symptom) is None for symptom in state.silent)


def clear(case: Case) -> bool:
    """Whether the case may be taken for well: all symptoms are clear, and where a remedy is to be proven, readings showed it."""
    if case.phase is Phase.PROVING and not all(seen.proven for seen in case.symptoms):
        return False
    return case.clear_at is not None


def since(state: DeviceState, case: Case) -> Micros:
    """Readings after this may prove it: since it is clear, is heard, and has answered that it is done."""
    moments = [case.clear_at or 0, state.spoke_at]
    if case.phase is Phase.PROVING and case.done_at is not None:
        moments.append(case.done_at)
    return max(moments)


def confirm(state: DeviceState, case: Case, symptom: Symptom) -> None:
    """Count readings that came since a symptom cleared, those that count."""
    seen = case.seen(symptom.confirms)
    if seen is None or seen.open or symptom.since is None or case.clear_at is None:
        return
    begins = since(state, case)
    if case.proven_since != begins:
        case.proven_since, case.proven_until = begins, None
        for each in case.symptoms:
            forget(each)
    if symptom.since >= max(begins, seen.until):  # what is told again, after a restart, is not counted again
        seen.readings += symptom.readings
        seen.changes += symptom.changes
        seen.until = symptom.time
        case.proven_until = max(case.proven_until or 0, seen.until)


def enough(state: DeviceState, case: Case, line: Line) -> bool:
    """Whether so many readings, and not all the same, have shown that each of its symptoms is gone, and nearly as long as policy asks for.

    While vorab itself hears nothing, nothing is shown, however much time has passed when it hears again.
    """
    wanted = [seen for seen in case.symptoms if seen.proven and not seen.unread and _lately(case, seen)]
    if not line.readings or not wanted:
        return True
    begins = since(state, case)
    long_enough = case.proven_until is not None and case.proven_until >= begins + max(line.stays // 2, line.stays - GRAIN)
    return long_enough and case.proven_since == begins and all(seen.readings >= line.readings and seen.changes > 0 for seen in wanted)


def _lately(case: Case, seen: Seen) -> bool:
    # What cleared before the last attempt was proven or disproven then.
    return seen.cleared_at is None or case.acted_at is None or seen.cleared_at >= case.acted_at or case.clear_at == seen.cleared_at


def shown_by(case: Case) -> Proof | None:
    """The readings that show it is gone; None where none do."""
    if case.clear_at is None or case.proven_since is None or case.proven_until is None:
        return None
    read = [seen for seen in case.symptoms if seen.readings]
    return Proof(
        before=min(seen.onset for seen in case.symptoms), since=case.proven_since, until=case.proven_until,
        readings=max((seen.readings for seen in read), default=0), changes=max((seen.changes for seen in read), default=0),
    )  # fmt: skip


def watch(state: DeviceState, case: Case, line: Line, at: Micros) -> None:
    """Set the deadlines of a proof by what is known at `at`: well when it stays clear, disproved when it does not clear in time."""
    if case.phase not in WATCHED:
        return
    wished = case.phase is Phase.PERSON and case.call_wished
    quiet = case.clear_at is not None and clear(case) and not wished and not silent(state, case)
    if quiet and enough(state, case, line):
        case.timers[Timer.STAYS] = max(at, since(state, case) + line.stays)
        case.timers.pop(Timer.WITHIN, None)
        return
    case.timers.pop(Timer.STAYS, None)
    if case.phase is Phase.PROVING and case.done_at is not None:
        # Clear, but not shown by enough readings: for that there is as long again as it has to stay clear.
        case.timers[Timer.WITHIN] = max(at, case.done_at + line.within + (line.stays if quiet else 0))
