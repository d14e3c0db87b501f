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
    "limit": "<f8",
    "clear": "<f8",  # cleared when on the inner side of this
    "hold": "<i8",  # µs
    "need": "<i4",  # readings in a row
    "count": "<i4",  # readings in the run
    "since": "<i8",  # first reading of the run
    "active": "|b1",
    "onset": "<i8",  # of the episode that is raised
    "detected": "<i8",
}


@dataclass(frozen=True, slots=True)
class Episodes:
    """What a call found: rows (in the order of `runs`) that raised or cleared, with onset and time of detection, µs."""

    raised: NDArray[np.intp]
    cleared: NDArray[np.intp]
    onset: Longs
    detected: Longs
    """Per row of `runs`; of the episode that is raised or cleared there."""
    count: NDArray[np.intp]
    """Readings in the run, per row."""


def update(state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
    """Judge readings sorted by slot: times in µs, values finite. None when nothing was raised or cleared."""
    slots, of, index = runs.slots, state.of, runs.index
    sign = of["sign"][slots]
    value = values * sign
    hot = value > of["limit"][slots] * sign
    active = of["active"][slots]
    heads, tails = runs.slots[runs.firsts], runs.lasts
    if not hot.any() and not active.any():
        of["count"][heads] = 0
        return None

    carried, since_then = of["count"][slots], of["since"][slots]
    cold = runs.last_where(~hot)
    whole = cold < 0  # the run began before this call, or with the first row
    count = np.where(whole, carried + (index - runs.start + 1), index - cold)
    first = np.where(whole, runs.start, np.minimum(cold + 1, index))
    since = np.where(whole & (carried > 0), since_then, at[first])

    fire = hot & (count >= of["need"][slots]) & (at - since >= of["hold"][slots])
    calm = ~hot & (value < of["clear"][slots] * sign)
    decided = runs.last_where(fire | calm)
    now = np.where(decided < 0, active, fire[decided])
    was = runs.before(now, active)
    raised, cleared = fire & ~was, calm & was
    of["count"][heads] = count[tails]
    of["since"][heads] = since[tails]
    if not raised.any() and not cleared.any():
        return None

    begun = runs.last_where(raised)
    onset = np.where(begun < 0, of["onset"][slots], since[begun])
    detected = np.where(begun < 0, of["detected"][slots], at[begun])
    of["active"][heads] = now[tails]
    of["onset"][heads] = onset[tails]
    of["detected"][heads] = detected[tails]
    return Episodes(np.flatnonzero(raised), np.flatnonzero(cleared), onset, detected, count)
