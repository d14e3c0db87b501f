"""Local time of any number of instants at once: how far the clocks of a zone are from UTC, looked up in tables made from zoneinfo."""

from __future__ import annotations

import functools
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from vorab.clock import DAY, SECOND, Micros, to_datetime

Longs = NDArray[np.int64]

UTC: Final = "UTC"
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199
"""Times before and after have the offset of the nearest end: no device of ours was or will be there, but its clock may say so."""


@functools.lru_cache(maxsize=4096)
def known(name: str) -> bool:
    """Whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return bool(name)


@functools.lru_cache(maxsize=1024)
def zone_named(name: str) -> Zone:
    """The zone, with whatever was looked up of it before.

    Raises:
        ValueError: there is no such zone.
    """
    if not known(name):
        raise ValueError(f"there is no time zone {name!r}, write for example Europe/Berlin")
    return Zone(name)


class Zone:
    """One zone: the instants at which its clocks are changed, for the years that were asked for so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._info = ZoneInfo(name)
        self._years: tuple[int, int] | None = None
        self._changes: Longs = np.zeros(0, np.int64)
        self._offsets: Longs = np.zeros(1, np.int64)
        self._walls: Longs = np.zeros(0, np.int64)

    def wall(self, times: Longs) -> Longs:
        """What the clocks show at these instants (µs UTC), as µs since 1970-01-01 00:00 on the wall."""
        self._reach(times)
        walls: Longs = times + self._offsets[np.searchsorted(self._changes, times, side="right")]
        return walls

    def passed(self, walls: Longs, near: Longs) -> Longs:
        """The instant from which on the clocks show this or later for good; `near` are instants of about then.

        Where the clocks are set back over it, that is the second time they show it; where they skip it, the moment they do.
        """
        self._reach(near)
        before = np.searchsorted(self._walls, walls, side="left")
        ends = np.append(self._changes, np.iinfo(np.int64).max)
        found: Longs = np.minimum(walls - self._offsets[before], ends[before])
        return found

    def _reach(self, times: Longs) -> None:
        if not len(times):
            return
        # A year more on either side, so that local time never looks beyond the table.
        first, last = _year(int(times.min())) - 1, _year(int(times.max())) + 1
        if self._years is not None:
            if self._years[0] <= first and last <= self._years[1]:
                return
            first, last = min(first, self._years[0]), max(last, self._years[1])
        first, last = max(first, FIRST_YEAR), min(last, LAST_YEAR)
        if self._years != (first, last):
            self._years = (first, last)
            self._look_up(first, last)

    def _look_up(self, first: int, last: int) -> None:
        """Find the changes between two years. No zone has ever changed its clocks twice within a day since 1970; a week is the least."""
        start, end = _start_of(first), _start_of(last + 1)
        offset = self._offset(start)
        changes, offsets = list[int](), [offset]
        for day in range(start + DAY, end + 1, DAY):
            after = self._offset(day)
            if after != offset:
                changes.append(self._change(day - DAY, day, offset))
                offsets.append(after)
                offset = after
        self._changes, self._offsets = np.array(changes, np.int64), np.array(offsets, np.int64)
        self._walls = self._changes + self._offsets[1:]

    def _change(self, before: Micros, after: Micros, offset: Micros) -> Micros:
        """The first instant with another offset; changes happen at whole seconds."""
        while after - before > SECOND:
            middle = before + (after - before) // (2 * SECOND) * SECOND
            before, after = (middle, after) if self._offset(middle) == offset else (before, middle)
        return after

    def _offset(self, at: Micros) -> Micros:
        found = to_datetime(at).astimezone(self._info).utcoffset()
        return 0 if found is None else round(found.total_seconds()) * SECOND


def _year(at: Micros) -> int:
    return FIRST_YEAR + int(np.clip(at, _start_of(FIRST_YEAR), _start_of(LAST_YEAR + 1) - 1)) // (365 * DAY + DAY // 4)


def _start_of(year: int) -> Micros:
    return int(np.datetime64(f"{year}-01-01", "us").astype(np.int64))
