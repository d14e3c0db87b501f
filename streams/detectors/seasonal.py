"""Seasonal deviation: a value that would be fine at another hour, or on another day of the week.

The day is cut into bins by the clocks of a place, working days and weekends apart. Each bin has a level and a variance, averaged over
days with exponential weights: what a bin has seen since it was entered is one observation, however many readings that were, since
readings of the same hour are not independent. A reading is judged in standard deviations of its bin, as a threshold is: so many, for so
long or so often. While an episode lasts nothing is learned; readings that stand out are cut to the limit before they are.
Where an episode outlasts the patience, what was learned is forgotten and learned anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from streams.detectors import threshold
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import Bools, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, say_duration
from streams.rules.zones import UTC, zone_named
from vorab.clock import DAY, MINUTE

Ints = NDArray[np.intp]

_THURSDAY: Final = 3
"""1970-01-01 was one."""
_SATURDAY: Final = 5
ENOUGH: Final = 3
"""Days a bin must have seen: with fewer, nobody knows how much they differ."""
SPEED: Final = 0.1
"""Share of a new day in level and variance, once there have been ten: a new season of the year is learned within weeks."""
QUIET: Final = 0.3
"""A bin's deviation is at least this share of what all bins have: a pump that stands still at night may be switched on once."""
RESOLUTION: Final = 1e-4
"""And at least this share of the level."""
USUAL: Final = 2.0
"""Deviations on either side that people are told as usual."""


class SeasonalRule(SignalRule):
    """A signal that is not what it usually is at this time."""

    detector: Literal["seasonal"]
    bins: Literal[12, 24, 48, 96] = Field(24, description="Parts of a day that are told apart.")
    weekend: bool = Field(True, description="Whether Saturday and Sunday are other days than the rest.")  # noqa: FBT003 - a default
    zone: str = Field(UTC, description="Time zone by whose clocks the day is cut: Europe/Berlin.")
    beyond: float = Field(5.0, gt=0, le=1000, description="Raised beyond so many standard deviations of the usual …")
    clear: float | None = Field(None, gt=0, description="… and cleared within so many; none: half of that.")
    count: int = Field(3, ge=1, le=10_000, description="How many readings in a row before it counts.")
    hold: Duration = Field(0, alias="for", description="How long, in the device's own time, before it counts.")
    warm_up: Duration = Field(7 * DAY, gt=0, description="How long is learned first; each part of the day needs three days in any case.")
    patience: Duration = Field(7 * DAY, gt=0, description="How long it lasts before it is the new normal.")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        zone_named(name)
        return name

    @field_validator("clear")
    @classmethod
    def _inside(cls, clear: float | None, info: Any) -> float | None:
        if clear is not None and clear > info.data.get("beyond", clear):
            raise ValueError(f"clear {clear:g} lies beyond {info.data['beyond']:g}: it would clear while it is raised")
        return clear


class _Usual(NamedTuple):
    """What the bins of some rows say."""

    level: Floats
    deviation: Floats
    known: Bools


class Seasonal(Detector):
    """One per cut of the day."""

    name: ClassVar[str] = "seasonal"
    block: ClassVar[int] = 512
    one_by_one: ClassVar[bool] = True

    def __init__(self, rule: SeasonalRule) -> None:
        self._bins, self._weekend, self._warm_up, self._patience = rule.bins, rule.weekend, rule.warm_up, rule.patience
        self._zone, self._long = zone_named(rule.zone), DAY // rule.bins
        wide = rule.bins * (2 if rule.weekend else 1)
        self.layout: Layout = {
            **threshold.LAYOUT,
            "level": ("<f4", wide),
            "variance": ("<f4", wide),
            "days": ("|u1", wide),  # seen by each bin, 255 at most
            "overall": "<f4",  # variance of all bins
            "first": "<i8",  # µs, first reading that was learned
            "visit": "<i8",  # number of the stretch of wall time of the bin it is in
            "n": "<i4",  # readings of this visit that were learned
            "base": "<f8",  # the first of them
            "sum": "<f8",  # of their differences from it
            "squares": "<f8",
        }

    @classmethod
    def shared(cls, rule: SeasonalRule) -> object:
        """What the columns mean."""
        return rule.bins, rule.weekend, rule.zone, rule.warm_up, rule.patience

    def prepare(
        self,
        state: Columns,
        slots: Slots,
        rule: SeasonalRule,
        bound: Callable[[Bound], float | None],  # noqa: ARG002 - it has no limits
        *,
        fresh: bool,  # noqa: ARG002 - old ones are given the same
    ) -> None:
        """Write the limits, in standard deviations."""
        of = state.of
        of["sign"][slots], of["edge"][slots] = 1.0, rule.beyond
        of["inner"][slots] = rule.beyond / 2 if rule.clear is None else rule.clear
        of["hold"][slots], of["need"][slots] = rule.hold, rule.count

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series, then learn from it."""
        of, slots = state.of, runs.slots
        visit = self._zone.wall(at) // self._long
        place = self._bin(visit)
        self._close(state, slots, visit)
        fresh = of["first"][slots] == 0
        of["first"][slots[fresh]] = at[fresh]
        usual = self._usual(state, slots, place, at)
        away = (values - usual.level) / usual.deviation
        was_active = of["active"][slots]
        found = threshold.update(state, runs, at, np.where(usual.known, np.abs(away), 0.0))
        stays = was_active & of["active"][slots] & (at - of["detected"][slots] >= self._patience)
        edge = of["edge"][slots]
        taken = np.where(usual.known, usual.level + usual.deviation * np.clip(away, -edge, edge), values)
        self._take(state, slots, visit, taken, ~of["active"][slots])
        rows, change = (np.zeros(0, np.intp), np.zeros(0, np.int8)) if found is None else (found.rows, found.change)
        if stays.any():
            self._forget(state, slots[stays])
            rows = np.concatenate([rows, np.flatnonzero(stays)])
            change = np.concatenate([change, np.full(np.count_nonzero(stays), Change.ADAPTED, np.int8)])
        if not len(rows):
            return None
        mine, level, wide = slots[rows], usual.level[rows], USUAL * usual.deviation[rows]
        numbers = {
            "low": np.where(usual.known[rows], level - wide, np.nan),
            "high": np.where(usual.known[rows], level + wide, np.nan),
            "away": away[rows],
            "bin": place[rows],
            "count": of["count"][mine],
        }
        return Episodes(rows, change, of["onset"][mine], of["detected"][mine], numbers)

    def _bin(self, visit: Longs) -> Ints:
        """The bin of a stretch of wall time."""
        day, place = np.divmod(visit, self._bins)
        return place + self._bins * ((day + _THURSDAY) % 7 >= _SATURDAY) if self._weekend else place

    def _close(self, state: Columns, slots: Slots, visit: Longs) -> None:
        """What a bin has seen since it was entered is one observation, once it is left."""
        of = state.of
        slots = slots[(of["visit"][slots] != visit) & (of["n"][slots] > 0)]
        if not len(slots):
            return
        place, n = self._bin(of["visit"][slots]), of["n"][slots]
        mean = of["sum"][slots] / n
        within = np.maximum(of["squares"][slots] / n - mean * mean, 0.0)
        mean += of["base"][slots]
        days, level, variance = of["days"][slots, place], of["level"][slots, place].astype(float), of["variance"][slots, place]
        away = np.where(days > 0, mean - level, 0.0)
        share = np.maximum(1.0 / (days + 1.0), SPEED)
        of["level"][slots, place] = np.where(days > 0, level + share * away, mean)
        of["variance"][slots, place] = variance + share * (within + away * away - variance)
        of["days"][slots, place] = np.minimum(days, 254) + 1
        overall = of["overall"][slots].astype(float)
        of["overall"][slots] = np.where(overall > 0, overall + SPEED / 4 * (within + away * away - overall), within + away * away)
        of["n"][slots] = 0

    def _usual(self, state: Columns, slots: Slots, place: Ints, at: Longs) -> _Usual:
        of = state.of
        level = of["level"][slots, place].astype(float)
        least = np.maximum(QUIET * QUIET * of["overall"][slots], (RESOLUTION * level) ** 2)
        deviation = np.sqrt(np.maximum(np.maximum(of["variance"][slots, place], least), 1e-30))
        return _Usual(level, deviation, (of["days"][slots, place] >= ENOUGH) & (at - of["first"][slots] >= self._warm_up))

    def _take(self, state: Columns, slots: Slots, visit: Longs, values: Floats, learns: Bools) -> None:
        """Learn these readings, those of slots with an episode left out."""
        of = state.of
        slots, visit, values = slots[learns], visit[learns], values[learns]
        begins = of["n"][slots] == 0
        base = np.where(begins, values, of["base"][slots])
        off = values - base
        of["base"][slots], of["visit"][slots] = base, visit
        of["sum"][slots] = np.where(begins, 0.0, of["sum"][slots]) + off
        of["squares"][slots] = np.where(begins, 0.0, of["squares"][slots]) + off * off
        of["n"][slots] += 1

    @staticmethod
    def _forget(state: Columns, slots: Slots) -> None:
        for name in ("active", "busy", "count", "days", "overall", "first", "n"):
            state.of[name][slots] = 0

    def say(self, rule: SeasonalRule, change: Change, told: Told) -> str:
        """What it is, and what it usually is at this time."""
        if change is Change.ADAPTED:
            return f"{told.signal} has been different for {say_duration(told.at - told.onset)}: what is usual is learned anew."
        place = int(told.numbers["bin"])
        long = self._long // MINUTE
        minute = place % rule.bins * long
        when = f"between {minute // 60:02d}:{minute % 60:02d} and {(minute + long) // 60:02d}:{(minute + long) % 60:02d}"
        days = "" if not rule.weekend else " at weekends" if place >= rule.bins else " on working days"
        now, usual = told.amount(told.value), f"{told.amount(told.numbers['low'])} to {told.amount(told.numbers['high'])}"
        if change is Change.CLEARED:
            return f"{told.signal} is back at {now}; {when}{days} it is usually {usual}."
        count = f", {told.numbers['count']:.0f} readings in a row" if told.numbers["count"] > 1 else ""
        return f"{told.signal} is {now}{count}; {when}{days} it is usually {usual}."
