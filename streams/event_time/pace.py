"""How often a device speaks, and the holes between what it says: taken from the rows it was judged by, all devices of a call at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Runs
from vorab.clock import DAY, HOUR, SECOND, Micros

Longs = NDArray[np.int64]

HOLES: Final = 3
"""Holes remembered per device, the widest."""
BUCKET: Final = 8
"""Rows over which an interval is taken: a power of two."""
FIRST: Final = 2
"""The row that gives the first one, so that something is known soon."""
LEAST: Final[Micros] = 10 * SECOND
"""A shorter time without a reading is no hole, whatever the device's interval."""
WIDE: Final = 3
"""A hole is wider than so many usual intervals."""
UNUSUAL: Final[Micros] = HOUR
"""The first interval of a device is a hole where it is wider than this."""
OLDEST: Final[Micros] = 7 * DAY
"""Holes older than this are of no interest: ingest believes no time that far back."""
SLOWEST_MS: Final = 2**32 - 1


def judged(of: dict[str, NDArray[Any]], runs: Runs, times: Longs) -> None:
    """Devices were judged by rows, sorted by device, in their order; the same for one of them is `Clerk.advance`."""
    slots = runs.slots
    front = runs.before(times, of["front"][slots])
    step = times - front
    tally = of["tally"][slots] + (np.uint32(1) if runs.apart else (runs.index - runs.start + 1).astype(np.uint32))
    marks = np.flatnonzero((tally % BUCKET == 1) | (tally == FIRST))
    usual = of["usual"][slots].astype(np.int64)
    if len(marks):
        usual = _mark(of, runs, times, marks, tally[marks], usual)
    wide = np.flatnonzero((step > LEAST) & (front > 0))
    if len(wide):
        ms = usual[wide]
        wide = wide[step[wide] > np.where(ms > 0, np.maximum(LEAST, WIDE * 1000 * ms), UNUSUAL)]
        for row in wide.tolist():
            add_hole(of, int(slots[row]), int(front[row]), int(times[row]))
    heads, tails = runs.unique, runs.lasts
    of["front"][heads], of["tally"][heads] = times[tails], tally[tails]


def _mark(of: dict[str, NDArray[Any]], runs: Runs, times: Longs, marks: NDArray[np.intp], tally: NDArray[Any], usual: Longs) -> Longs:
    """Take the interval at every eighth row of a device; gives per row the usual one before it (ms)."""
    some = Runs(runs.slots[marks], apart=runs.apart)
    at = times[marks]
    since = some.before(at, of["mark"][some.slots])
    rows = np.where(tally == FIRST, 1, np.where(tally == BUCKET + 1, BUCKET + 1 - FIRST, BUCKET))  # as `rows_since`
    mean = np.where(since > 0, np.clip((at - since) // (rows * 1000), 1, SLOWEST_MS), 0)
    before = some.before(mean, of["pace"][some.slots].astype(np.int64))
    now = np.where(before > 0, np.minimum(mean, before), mean)
    heads, tails = some.unique, some.lasts
    of["mark"][heads], of["pace"][heads], of["usual"][heads] = at[tails], mean[tails], now[tails]
    if runs.apart:
        return usual
    hit = np.zeros(len(times), bool)
    hit[marks] = True
    full = np.zeros(len(times), np.int64)
    full[marks] = now
    last = runs.last_where(hit)
    earlier = np.empty_like(last)
    earlier[:1], earlier[1:] = -1, last[:-1]
    return np.where(runs.new | (earlier < 0), usual, full[earlier])


def rows_since(tally: int) -> int:
    """Over how many rows the interval is taken at this row."""
    return 1 if tally == FIRST else BUCKET + 1 - FIRST if tally == BUCKET + 1 else BUCKET


def widest(usual_ms: int) -> Micros:
    """The longest time between two readings that is no hole."""
    return max(LEAST, WIDE * usual_ms * 1000) if usual_ms else UNUSUAL


def add_hole(of: dict[str, NDArray[Any]], slot: int, start: Micros, end: Micros) -> None:
    """Remember a hole, in the place of one that is too old or the narrowest, if that is narrower."""
    ends = of["hole_to"][slot].tolist()
    widths = [have - since if have > end - OLDEST else 0 for since, have in zip(of["hole_from"][slot].tolist(), ends, strict=True)]
    at = int(np.argmin(widths))
    if end - start > widths[at]:
        of["hole_from"][slot, at], of["hole_to"][slot, at] = start, end
