"""Threshold with hysteresis, duration and count, for any number of series at once.

A run is a row of readings beyond the limit without one inside it. It is raised by its first reading at which it is long enough in
readings and in the device's own time; once raised it stays so until a reading lies beyond the clear value on the way back.
All readings of a call are judged in one pass: who was last inside, and who last raised or cleared, are running maxima.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Columns, Runs

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Ints = NDArray[Any]
Bools = NDArray[np.bool_]

LAYOUT: Final[dict[str, str | tuple[str, int]]] = {
    "sign": "<f8",  # 1 above, -1 below
    "edge": "<f8",  # limit times sign: a value times sign beyond it is in a run
    "inner": "<f8",  # clear value times sign: below it is cleared
    "hold": "<i8",  # µs
    "need": "<i4",  # readings in a row
    "count": "<i4",  # readings in the run
    "since": "<i8",  # first reading of the run
    "busy": "|b1",  # in a run or raised; all others need no second look
    "active": "|b1",
    "onset": "<i8",  # of the episode that is raised
    "detected": "<i8",
}


@dataclass(frozen=True, slots=True)
class Episodes:
    """What a call found, one entry per row that raised or cleared."""

    rows: NDArray[np.intp]
    """Index into the rows of the call."""
    raised: NDArray[np.bool_]
    """Raised, else cleared."""
    onset: Longs
    detected: Longs
    count: NDArray[np.intp]
    """Readings in the run."""


def prepare(state: Columns, slot: int, sign: float, limit: float, clear: float | None) -> None:
    """Write the limits of a slot; without a clear value it clears where it is not beyond the limit."""
    edge = limit * sign
    state.of["sign"][slot], state.of["edge"][slot] = sign, edge
    state.of["inner"][slot] = np.nextafter(edge, np.inf) if clear is None else clear * sign


def update(state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
    """Judge readings sorted by slot: times in µs, values finite. None when nothing was raised or cleared."""
    of = state.of
    hot = values * of["sign"][runs.slots] > of["edge"][runs.slots]
    rows = runs.any(hot | of["busy"][runs.slots]).nonzero()[0]
    if not len(rows):
        return None
    runs, at, values, hot = Runs(runs.slots[rows], apart=runs.apart), at[rows], values[rows], hot[rows]

    slots, heads, tails = runs.slots, runs.unique, runs.lasts
    active, carried = of["active"][slots], of["count"][slots]
    count, since = _runs_of(runs, at, hot, carried, of["since"][slots])
    fire = hot & (count >= of["need"][slots]) & (at - since >= of["hold"][slots])
    calm = ~hot & (values * of["sign"][slots] < of["inner"][slots])
    if runs.apart:
        was, now = active, (active | fire) & ~calm
    else:
        decided = runs.last_where(fire | calm)
        now = np.where(decided < 0, active, fire[decided])
        was = runs.before(now, active)
    raised = fire & ~was
    changed = (raised | (calm & was)).nonzero()[0]
    of["count"][heads] = count[tails]
    of["since"][heads] = since[tails]
    of["active"][heads] = now[tails]
    of["busy"][heads] = now[tails] | (count[tails] > 0)
    if not len(changed):
        return None

    begun = runs.last_where(raised)[changed]
    mine = slots[changed]
    onset = np.where(begun < 0, of["onset"][mine], since[begun])
    detected = np.where(begun < 0, of["detected"][mine], at[begun])
    # Where a slot changed more than once, the last of its rows stands.
    of["onset"][mine], of["detected"][mine] = onset, detected
    return Episodes(rows[changed], raised[changed], onset, detected, count[changed])


def _runs_of(runs: Runs, at: Longs, hot: Bools, carried: Ints, since: Longs) -> tuple[Ints, Longs]:
    """Per row how many readings its run has, and since when; `carried` and `since` are what the slots had before."""
    if runs.apart:
        return np.where(hot, carried + 1, 0), np.where(carried > 0, since, at)
    index = runs.index
    cold = runs.last_where(~hot)
    whole = cold < 0  # the run began before this call, or with the slot's first row
    count = np.where(whole, carried + (index - runs.start + 1), index - cold)
    first = np.where(whole, runs.start, np.minimum(cold + 1, index))
    return count, np.where(whole & (carried > 0), since, at[first])
