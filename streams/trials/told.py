"""The cases that symptoms would have made, who would have been told of them, and who at night. Pure.

Episodes of one cause on one device make a case as `streams.cases` would open it; it is told to the customer when the policy would
tell it. Whether a remedy would have helped, only the machine knows: a case for which the policy has a remedy counts as told, so the
figures are the most that can come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

from streams.cases.policy import OBSERVE, Line, Policy
from streams.trials.backtest import Episode
from vorab.clock import Micros, to_datetime
from vorab.processor import Registry
from vorab.records import Purpose, Symptom
from vorab.topics import key_of

NIGHT_FROM: Final = 22
NIGHT_UNTIL: Final = 7
"""Hours of the local clock between which a message is one at night."""


@dataclass(slots=True)
class Case:
    """One cause on one device, as long as it lasts."""

    device: str
    """Key."""
    cause: str
    opened: Micros
    symptoms: list[Episode] = field(default_factory=list)
    clear_at: Micros | None = None
    """Since when none of its symptoms is there any more."""
    over_at: Micros | None = None
    told_at: Micros | None = None
    customer: str = ""
    """Key of who would be told; empty: nobody."""
    at_night: bool = False


@dataclass(frozen=True, slots=True)
class House:
    """What decides who is told of what, and when it is night for them."""

    policy: Policy
    registry: Registry
    zone: Callable[[str], tzinfo]
    """The zone of a customer's time zone; of an empty one where it is not known."""
    everyone: bool = False
    """Whether each device stands for a customer of its own, because nobody knows any."""

    def customer(self, device: str) -> tuple[str, tzinfo] | None:
        """Who is told of a device (by key), and where they live."""
        if self.everyone:
            return device, self.zone("")
        entry = self.registry.device(device)
        if entry is None or not entry.customer:
            return None
        key = key_of(entry.tenant, entry.customer)
        known = self.registry.customer(key)
        if known is None:
            return key, self.zone("")
        return (key, self.zone(known.time_zone)) if known.purposes.get(Purpose.SERVICE, False) else None

    def line(self, symptom: Symptom) -> Line:
        """What the policy says of the case that a symptom opens."""
        entry = self.registry.device(symptom.key)
        model = entry.model if entry is not None else ""
        return self.policy.decide(
            tenant=symptom.tenant, model=model, cause=symptom.cause, detector=symptom.detector, severity=symptom.severity
        )


def is_night(at: Micros, zone: tzinfo) -> bool:
    """Whether the local clock shows 22:00 to 07:00."""
    hour = to_datetime(at).astimezone(zone).hour
    return hour >= NIGHT_FROM or hour < NIGHT_UNTIL


def cases(found: Iterable[Episode], house: House, end: Micros) -> list[Case]:
    """The cases these symptoms make, in the order in which they open; `end` (µs) is when the recording ends."""
    by_cause: dict[tuple[str, str], list[Episode]] = {}
    for each in found:
        by_cause.setdefault((each.raised.key, each.raised.cause), []).append(each)
    made = [case for (device, cause), some in by_cause.items() for case in _cases_of(device, cause, some, house, end)]
    return sorted(made, key=lambda case: (case.opened, case.device, case.cause))


def _cases_of(device: str, cause: str, found: Sequence[Episode], house: House, end: Micros) -> list[Case]:
    made: list[Case] = []
    line: Line | None = None
    for each in sorted(found, key=lambda episode: episode.raised.detected_at):
        at = each.raised.detected_at
        case = made[-1] if made else None
        if case is None or line is None or (case.over_at is not None and at > case.over_at):
            line = house.line(each.raised)
            case = Case(device, cause, at)
            made.append(case)
        case.symptoms.append(each)
        ends = [episode.until for episode in case.symptoms]
        if None in ends:
            case.clear_at = case.over_at = None
        else:
            case.clear_at = max(until for until in ends if until is not None)
            case.over_at = case.clear_at + line.stays + line.close
    for case in made:
        _tell(case, house, end)
    return made


def _tell(case: Case, house: House, end: Micros) -> None:
    line = house.line(case.symptoms[0].raised)
    wait = line.settle if line.do != OBSERVE else line.observe
    who = house.customer(case.device)
    if wait is None or who is None:
        return
    at = case.opened + wait
    resolved = case.clear_at is not None and case.clear_at + line.stays <= at
    if at <= end and not resolved:
        case.told_at, (case.customer, zone) = at, who
        case.at_night = is_night(at, zone)
