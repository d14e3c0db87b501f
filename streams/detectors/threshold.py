"""Threshold with hysteresis, duration and count, for any number of series at once.

A run is a row of readings beyond the limit without one inside it. It is raised by its first reading at which it is long enough in
readings and in the device's own time; once raised it stays so until a reading lies beyond the clear value on the way back.
All readings of a call are judged in one pass: who was last inside, and who last raised or cleared, are running maxima.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Columns, Runs

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

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
    look = hot | of["busy"][runs.slots]
    if not look.any():
        return None
    rows = np.flatnonzero(look) if len(runs.firsts) == len(look) else np.flatnonzero(runs.any(look))
    runs, at, values, hot = Runs(runs.slots[rows]), at[rows], values[rows], hot[rows]

    slots, index, heads, tails = runs.slots, runs.index, runs.slots[runs.firsts], runs.lasts
    active, carried = of["active"][slots], of["count"][slots]
    cold = runs.last_where(~hot)
    whole = cold < 0  # the run began before this call, or with the slot's first row
    count = np.where(whole, carried + (index - runs.start + 1), index - cold)
    first = np.where(whole, runs.start, np.minimum(cold + 1, index))
    since = np.where(whole & (carried > 0), of["since"][slots], at[first])

    fire = hot & (count >= of["need"][slots]) & (at - since >= of["hold"][slots])
    calm = ~hot & (values * of["sign"][slots] < of["inner"][slots])
    decided = runs.last_where(fire | calm)
    now = np.where(decided < 0, active, fire[decided])
    was = runs.before(now, active)
    raised, cleared = fire & ~was, calm & was
    of["count"][heads] = count[tails]
    of["since"][heads] = since[tails]
    of["active"][heads] = now[tails]
    of["busy"][heads] = now[tails] | (count[tails] > 0)
    if not raised.any() and not cleared.any():
        return None

    begun = runs.last_where(raised)
    onset = np.where(begun < 0, of["onset"][slots], since[begun])
    detected = np.where(begun < 0, of["detected"][slots], at[begun])
    of["onset"][heads] = onset[tails]
    of["detected"][heads] = detected[tails]
    changed = np.flatnonzero(raised | cleared)
    return Episodes(rows[changed], raised[changed], onset[changed], detected[changed], count[changed])
