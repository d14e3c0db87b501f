"""When a rule looks: days of the week and hours on the clock of a place, exact where clocks are changed.

Hours are half-open intervals of wall time. An instant lies within when what the clocks of the zone show at that instant lies within; so
an hour that is skipped in spring does not exist, and one that is doubled in autumn counts both times. `docs/rules.md` gives examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, field_validator

from streams.rules.zones import LAST_YEAR, UTC, Zone, known, zone_named
from vorab.clock import DAY, MINUTE

Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_THURSDAY: Final = 3
"""1970-01-01 was one."""
_WHOLE: Final = 24 * 60
"""Minutes of a day."""
_WEEK: Final = r"(mon|tue|wed|thu|fri|sat|sun)"
_SPAN: Final = r"^\s*([01]?\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]?\d|2[0-3]):([0-5]\d)|(24):(00))\s*$"
_LAST_DAY: Final = (date(LAST_YEAR + 1, 1, 1) - date(1970, 1, 1)).days
"""Times outside 1970 to 2199 lie within no hours; a device whose clock says so is not to eat our memory."""
_MARGIN: Final = 400
"""Days a table is made longer than asked for, so that it is not made anew for each frame."""


def _days(value: object) -> object:
    """`mon-fri`, `[sat, sun]`, `fri-mon, wed` as the numbers of the days, Monday is 0."""
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    found: set[int] = set()
    for part in parts:
        if isinstance(part, int) and 0 <= part < len(DAYS):
            found.add(part)
            continue
        match = re.fullmatch(rf"\s*{_WEEK}(?:\s*-\s*{_WEEK})?\s*", str(part).lower())
        if not match:
            raise ValueError(f"{str(part).strip()!r} is no day; mon, tue, wed, thu, fri, sat, sun and spans such as mon-fri are")
        first = DAYS.index(match[1])
        last = DAYS.index(match[2]) if match[2] else first
        found.update((first + i) % len(DAYS) for i in range((last - first) % len(DAYS) + 1))
    return tuple(sorted(found))


def _hours(value: object) -> object:
    """`22:00-06:00` or a list of such as (first minute of the day, first minute after it); past midnight is beyond 1440."""
    parts = value if isinstance(value, list | tuple) else [value]
    out: list[tuple[int, int]] = []
    for part in parts:
        if isinstance(part, list | tuple) and len(part) == 2:
            out.append((int(part[0]), int(part[1])))
            continue
        match = re.match(_SPAN, str(part))
        if not match:
            raise ValueError(f"{part!r} is no span of hours; 22:00-06:00 and 08:00-24:00 are")
        first = int(match[1]) * 60 + int(match[2])
        last = int(match[3] or match[5]) * 60 + int(match[4] or match[6])
        if first == last:
            raise ValueError(f"{part!r} begins when it ends; the whole day is 00:00-24:00")
        out.append((first, last if last > first else last + _WHOLE))
    return tuple(sorted(out))


def _say_days(days: Sequence[int]) -> list[str]:
    return [DAYS[day] for day in days]


def _say_hours(hours: Sequence[tuple[int, int]]) -> list[str]:
    return [f"{_clock(first)}-{_clock(last)}" for first, last in hours]


def _clock(minute: int) -> str:
    hour, minute = divmod(minute if minute == _WHOLE else minute % _WHOLE, 60)
    return f"{hour:02d}:{minute:02d}"


Days = Annotated[
    tuple[int, ...],
    BeforeValidator(_days),
    PlainSerializer(_say_days, when_used="json"),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": rf"^\s*{_WEEK}", "examples": ["mon-fri"]},
                {"type": "array", "items": {"type": "string", "pattern": rf"^\s*{_WEEK}"}, "minItems": 1, "examples": [["sat", "sun"]]},
            ]
        }
    ),
]
Hours = Annotated[
    tuple[tuple[int, int], ...],
    BeforeValidator(_hours),
    PlainSerializer(_say_hours, when_used="json"),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _SPAN, "examples": ["22:00-06:00"]},
                {"type": "array", "items": {"type": "string", "pattern": _SPAN}, "minItems": 1},
            ]
        }
    ),
]


class When(BaseModel):
    """When a rule looks; a reading outside is passed over by it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    days: Days = Field(tuple(range(7)), validate_default=False, description="Days on which the hours begin: mon-fri, or [sat, sun].")
    hours: Hours = Field(((0, _WHOLE),), validate_default=False, description="On the clock: 22:00-06:00 (into the next day), or several.")
    zone: str = Field("", description="Time zone (Europe/Berlin); none: of the device's registry entry, and UTC where it says nothing.")
    without: tuple[date, ...] = Field((), alias="except", description="Dates on which the hours do not begin: 2026-12-24.")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name:
            zone_named(name)
        return name

    def zone_of(self, of_device: str) -> str:
        """The name of the zone for a device whose registry entry names this one, or none."""
        return self.zone or (of_device if known(of_device) else UTC)


class Schedule:
    """A `When`, to ask for any number of instants at once. Keeps tables of the years it was asked for."""

    def __init__(self, when: When) -> None:
        self.when = when
        self._first_day = self._last_day = 0
        self._starts: Longs = np.zeros(0, np.int64)
        self._ends: Longs = np.zeros(0, np.int64)

    def inside(self, times: Longs, zone: Zone) -> Bools:
        """Whether these instants (µs UTC) lie within, by the clocks of the zone."""
        return self._stretch(zone.wall(times)) >= 0

    def ended(self, before: Longs, times: Longs, zone: Zone) -> Longs:
        """When the stretch of hours in which `before` lies ended (µs UTC), where it has by `times`; else 0.

        Hours that touch, over midnight too, are one stretch. Where `before` lies in none, as it does after a change of
        the rule, the answer is `before` itself.
        """
        if not len(times):
            return np.zeros(0, np.int64)
        walls, now = zone.wall(before), zone.wall(times)
        self._reach(np.concatenate([walls, now]))
        stretch = self._stretch(walls)
        none = stretch < 0
        ends = zone.passed(self._ends[np.where(none, 0, stretch)], before) if len(self._ends) else before
        ends = np.where(none, before, ends)
        return np.where(times >= ends, ends, 0)

    def _stretch(self, walls: Longs) -> NDArray[np.intp]:
        """Per wall time the number of its stretch, -1 where it is in none."""
        self._reach(walls)
        found = np.searchsorted(self._starts, walls, side="right") - 1
        within = found >= 0
        within[within] = walls[within] < self._ends[found[within]]
        return np.where(within, found, -1)

    def _reach(self, walls: Longs) -> None:
        if not len(walls):
            return
        first, last = (min(max(int(wall // DAY), 0), _LAST_DAY) for wall in (walls.min(), walls.max()))
        first, last = first - 1, last + 1
        if self._first_day == self._last_day:
            self._first_day, self._last_day = first - _MARGIN, last + _MARGIN
        elif first < self._first_day or last >= self._last_day:
            self._first_day, self._last_day = min(first - _MARGIN, self._first_day), max(last + _MARGIN, self._last_day)
        else:
            return
        self._lay_out()

    def _lay_out(self) -> None:
        """All stretches of the table's days; those that touch become one."""
        days = np.arange(self._first_day, self._last_day, dtype=np.int64)
        mine = np.isin((days + _THURSDAY) % len(DAYS), self.when.days)
        mine &= ~np.isin(days, [(each - date(1970, 1, 1)).days for each in self.when.without])
        days = days[mine]
        starts = np.concatenate([days * DAY + first * MINUTE for first, _ in self.when.hours])
        ends = np.concatenate([days * DAY + last * MINUTE for _, last in self.when.hours])
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], np.maximum.accumulate(ends[order])
        opens = np.ones(len(starts), bool)
        opens[1:] = starts[1:] > ends[:-1]
        closes = np.append(opens[1:], True)[: len(ends)]
        self._starts, self._ends = starts[opens], ends[closes]


ALWAYS: Final = 0
"""The number of no schedule."""


class Calendar:
    """Schedules and zones by number, so that rows of many rules and places are asked for together.

    Numbers are given in order of asking and hold for this process only: write them anew after a restart.
    """

    def __init__(self) -> None:
        self._number: dict[tuple[str, str], int] = {}
        self._pairs: list[tuple[Schedule, Zone]] = []
        self._schedules: dict[str, Schedule] = {}

    def number(self, when: When | None, of_device: str = "") -> int:
        """The number of a rule's hours at a device whose registry entry names this zone; ALWAYS where the rule has none."""
        if when is None:
            return ALWAYS
        text, name = when.model_dump_json(), when.zone_of(of_device)
        found = self._number.get((text, name))
        if found is None:
            schedule = self._schedules.setdefault(text, Schedule(when))
            self._pairs.append((schedule, zone_named(name)))
            found = self._number[text, name] = len(self._pairs)
        return found

    def inside(self, numbers: NDArray[Any], times: Longs) -> Bools:
        """Per row whether its time (µs UTC) lies within the hours of its number."""
        out = np.ones(len(times), bool)
        for (schedule, zone), rows in self._each(numbers):
            out[rows] = schedule.inside(times[rows], zone)
        return out

    def ended(self, numbers: NDArray[Any], before: Longs, times: Longs) -> Longs:
        """Per row when the hours around `before` ended, where they have by its time; else 0. See `Schedule.ended`."""
        out = np.zeros(len(times), np.int64)
        for (schedule, zone), rows in self._each(numbers):
            out[rows] = schedule.ended(before[rows], times[rows], zone)
        return out

    def _each(self, numbers: NDArray[Any]) -> Iterable[tuple[tuple[Schedule, Zone], NDArray[np.intp]]]:
        for number in np.unique(numbers).tolist():
            if number != ALWAYS:
                yield self._pairs[number - 1], np.flatnonzero(numbers == number)
