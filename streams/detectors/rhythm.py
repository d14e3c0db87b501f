"""Rhythm: what a series usually does at this hour of the day and of the week, and how far a reading is from that.

A series has a centre and a spread. Each hour of the day keeps how far from the centre readings of that hour are, each hour of the week
what is left of that, and each hour of the day how far readings usually are from both together. All are learned by elapsed time, not by
readings, and believed in the more the more days and weeks there have been. How much of the series its hours explain is followed too:
a server that does as it pleases has no rhythm, and what its hours say should not count.

Hours are those of UTC: a series knows no place. Where clocks are changed, the rhythm is learned anew within some days.

Pure: NumPy only, no clock, one pass, no look-ahead, under 1 KB per series. Additions, multiplications, divisions and comparisons per
element, so a result does not depend on the size of the batch it came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Slots
from streams.detectors.shape import Floats, Longs
from vorab.clock import DAY, HOUR

DAILY: Final = 24
WEEKLY: Final = 168
MONDAY: Final = 72
"""Hours from the Monday before 1970-01-01 until then."""
WIDE: Final = 1e3
"""Spreads from the centre a reading is taken for at most."""
FAR: Final = 5.0
"""Spreads, or usual distances of an hour, of which a reading teaches at most: a wild one must not own them."""
FLAT: Final = 1e-3
"""Smallest spread as a share of the centre."""
RESOLUTION: Final = 1e-9

# Columns of the numbers of a slot.
COUNT, FIRST, LAST, CENTRE, SPREAD, ALL, REST = range(7)
WIDTH: Final = 7
# Columns of the hours of a slot.
WEEK: Final = DAILY
USUAL: Final = DAILY + WEEKLY
HOURS: Final = DAILY + WEEKLY + DAILY


@dataclass(frozen=True)
class RhythmConfig:
    """Settings, in round numbers."""

    slow: float = 3_000.0
    """Readings over which centre and spread are averaged."""
    memory: float = 2_000.0
    """Readings over which it is averaged how much the hours explain."""
    day_pace: float = 0.24
    """Share of a new day in what an hour of the day is taken for, once there have been `young` days."""
    week_pace: float = 1.2
    """The same for the hour of the week, and for both in the first days; an hour of the week comes seldom. At most a half per reading."""
    first_pace: float = 2.4
    """The same for the usual distance, on the first day."""
    young: int = 5
    """Days."""
    reach: float = 2.0
    """Spreads by which an hour can be mistaken: a reading further away teaches as if it were so far."""
    least: float = 0.1
    """Smallest usual distance of an hour, in spreads: what stands still at night may move once."""
    most: float = 8.0
    """Usual distances a reading counts at most."""
    warm_up: int = 2
    """Days after which an hour has been seen before."""


@dataclass(frozen=True, slots=True)
class Felt:
    """What a call found, one row per reading."""

    off: Floats
    """How far the reading is from what is usual at this hour, in usual distances; 0 on the first two days."""
    explained: Floats
    """Share of the variance of the series that its hours explain: 0 and less is none, 1 is all of it."""


class Rhythm:
    """For any number of series. A slot is a series: the caller keeps the map. Slots are made by :meth:`grow`."""

    def __init__(self, config: RhythmConfig | None = None, slots: int = 0) -> None:
        self.config = config or RhythmConfig()
        self._numbers: Floats = np.zeros((0, WIDTH))
        self._hours: NDArray[np.float32] = np.zeros((0, HOURS), np.float32)
        self.grow(slots)

    @property
    def bytes_per_slot(self) -> int:
        """Size of the state of a series."""
        return 8 * WIDTH + 4 * HOURS

    def grow(self, n: int) -> None:
        """Make sure that slots 0 to n - 1 exist; never shrinks."""
        have = len(self._numbers)
        if n > have:
            more = ((0, max(n, 2 * have) - have), (0, 0))  # doubling, so that growing one by one is cheap
            self._numbers, self._hours = np.pad(self._numbers, more), np.pad(self._hours, more)

    def clear(self, slots: Slots) -> None:
        """Forget these slots, so that they can hold other series."""
        self._numbers[slots], self._hours[slots] = 0.0, 0.0

    def snapshot(self, slots: Slots) -> bytes:
        """State of these slots, in this order, for :meth:`restore`."""
        return self._numbers[slots].astype("<f8").tobytes() + self._hours[slots].astype("<f4").tobytes()

    def restore(self, slots: Slots, state: bytes) -> None:
        """Put a snapshot back, into any slots, as many as it was taken of. Raises ValueError when it is not as long as that."""
        if len(state) != self.bytes_per_slot * len(slots):
            raise ValueError(f"not a snapshot of {len(slots)} slots of a rhythm")
        self._numbers[slots] = np.frombuffer(state, "<f8", WIDTH * len(slots)).reshape(len(slots), WIDTH)
        self._hours[slots] = np.frombuffer(state, "<f4", -1, 8 * WIDTH * len(slots)).reshape(len(slots), HOURS)

    def update(self, slots: Slots, at: Longs, values: Floats) -> Felt:
        """Take one reading each of some series: unique slots, times (µs), and values no larger than 1e100."""
        config, numbers = self.config, np.ascontiguousarray(self._numbers[slots].T)
        count = numbers[COUNT]
        fresh = count == 0.0
        for column, start in ((FIRST, at), (LAST, at), (CENTRE, values)):
            numbers[column] = np.where(fresh, start, numbers[column])
        days = np.maximum((at - numbers[FIRST]) // DAY, 0.0)
        weeks = days // 7.0
        passed = np.minimum(np.maximum(at - numbers[LAST], 0.0), float(HOUR)) / HOUR
        week_hour = (at // HOUR + MONDAY) % WEEKLY
        hour = week_hour % DAILY
        by_day, by_week, usual = (self._hours[slots, place].astype(np.float64) for place in (hour, WEEK + week_hour, USUAL + hour))

        away = values - numbers[CENTRE]
        spread = np.maximum(numbers[SPREAD], FLAT * np.abs(numbers[CENTRE]) + RESOLUTION)
        place = _within(away / spread, WIDE)
        error = place - by_day * (days / (days + 1.0)) - by_week * (weeks / (weeks + 2.0))
        distance = np.maximum(usual, config.least)
        off = np.where(days >= config.warm_up, _within(error / distance, config.most), 0.0)

        pace = np.maximum(1.0 / (count + 1.0), 1.0 / config.memory)
        numbers[ALL] += pace * (_within(place, 4.0) ** 2 - numbers[ALL])
        numbers[REST] += pace * (_within(error, 3.0 * distance) ** 2 - numbers[REST])
        explained = 1.0 - numbers[REST] / np.maximum(numbers[ALL], RESOLUTION)
        pace, known = np.maximum(1.0 / (count + 1.0), 1.0 / config.slow), count >= 50.0
        numbers[CENTRE] += pace * np.where(known, _within(away, FAR * spread), away)
        numbers[SPREAD] += pace * (np.where(known, np.minimum(np.abs(away), FAR * spread), np.abs(away)) - numbers[SPREAD])

        quick = np.minimum(config.week_pace * passed, 0.5)
        steady = np.where(days >= config.young, np.minimum(config.day_pace * passed, 0.5), quick)
        by_day += steady * _within(place - by_day, config.reach)
        by_week += quick * _within(place - by_day - by_week, config.reach)
        first = np.minimum(config.first_pace * passed, 0.5) * (np.abs(error) - usual)
        usual += np.where(days >= 1.0, steady * (np.minimum(np.abs(error), FAR * distance) - usual), first)
        self._hours[slots, hour], self._hours[slots, WEEK + week_hour], self._hours[slots, USUAL + hour] = by_day, by_week, usual
        numbers[LAST] = at
        numbers[COUNT] += 1.0
        self._numbers[slots] = numbers.T
        return Felt(off, explained)


def _within(values: Floats, limit: Floats | float) -> Floats:
    """Cut to the limit on either side."""
    return np.maximum(np.minimum(values, limit), -limit)
