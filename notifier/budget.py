"""The contact budget: how many messages a person gets in a day, a week and a month, whatever they are about. Pure.

Windows roll: in no span of 24 hours (7 days, 30 days), wherever it begins, a person is told more often than agreed. What was said counts,
what may have been said counts as said, and what is being said at this moment counts until it is known that it was not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vorab.clock import DAY, Micros
from vorab.records import Limit, Notification, Purpose, Urgency

SPANS: Final[Mapping[Limit, Micros]] = {
    Limit.A_DAY: DAY,
    Limit.A_WEEK: 7 * DAY,
    Limit.A_MONTH: 30 * DAY,
    Limit.ADVERTISING_A_MONTH: 30 * DAY,
}
LONGEST: Final = max(SPANS.values())
_TIMES: Final = {
    Limit.A_DAY: "a day",
    Limit.A_WEEK: "a week",
    Limit.A_MONTH: "a month",
    Limit.ADVERTISING_A_MONTH: "a month of advertising",
}
SAFETY: Final = "safety"


@dataclass(frozen=True, slots=True)
class Contact:
    """A message that a person has got, may have got, or is getting."""

    notification: str
    at: Micros | None
    """When it was known to be out; None: it is on its way."""
    advertising: bool = False


def passes(note: Notification, policy: Sequence[str]) -> bool:
    """Whether a message is said whatever the budget: its urgency or its stage is one the operator lets pass."""
    return (note.urgency is Urgency.SAFETY and SAFETY in policy) or note.stage.value in policy


def free_at(budget: Mapping[Limit, int], contacts: Sequence[Contact], note: Notification, now: Micros) -> tuple[Micros, str]:
    """From when a message is within budget (`now` where it is already), and which limit it waits for."""
    found, why = now, ""
    for limit, most in budget.items():
        if limit is Limit.ADVERTISING_A_MONTH and note.purpose is not Purpose.ADVERTISING:
            continue
        times = _counted(limit, contacts, note.id, now)
        if len(times) >= most and (free := times[-most] + SPANS[limit]) > found:
            found, why = free, f"{most} {_TIMES[limit]}"
    return found, why


def room(budget: Mapping[Limit, int], contacts: Sequence[Contact], now: Micros) -> int | None:
    """How many messages are within budget now; None: any number."""
    whole = [(limit, most) for limit, most in budget.items() if limit is not Limit.ADVERTISING_A_MONTH]
    return min((max(0, most - len(_counted(limit, contacts, "", now))) for limit, most in whole), default=None)


def _counted(limit: Limit, contacts: Sequence[Contact], but: str, now: Micros) -> list[Micros]:
    """When what counts for a limit was said, the earliest first; a message does not count against itself."""
    begins = now - SPANS[limit]
    ours = (c for c in contacts if c.notification != but and (c.advertising or limit is not Limit.ADVERTISING_A_MONTH))
    return sorted(now if c.at is None else c.at for c in ours if c.at is None or c.at > begins)
