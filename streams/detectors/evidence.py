"""The last readings of every series: a ring per slot, so that a symptom can show what it was decided on."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Columns, Runs
from vorab.clock import Micros

DEPTH: Final = 24
LAYOUT: Final[dict[str, str | tuple[str, int]]] = {
    "ring_at": ("<i8", DEPTH),
    "ring_value": ("<f8", DEPTH),
    "written": "<i8",  # readings ever
    "last_at": "<i8",  # time of the last one
}


def remember(state: Columns, runs: Runs, at: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Put readings, sorted by slot, into the rings."""
    slots = runs.slots
    written = state.of["written"][slots]
    heads, tails = slots[runs.firsts], runs.lasts
    state.of["written"][heads] = written[runs.firsts] + (tails - runs.firsts + 1)
    state.of["last_at"][heads] = at[tails]
    if len(heads) == len(slots):
        place = written % DEPTH
    else:
        nth = runs.index - runs.start
        keep = np.repeat(tails - runs.firsts, tails - runs.firsts + 1) - nth < DEPTH
        place = (written + nth) % DEPTH
        if not keep.all():  # a slot's older readings of this call would only be overwritten
            slots, place, at, values = slots[keep], place[keep], at[keep], values[keep]
    place = slots * DEPTH + place
    state.of["ring_at"].reshape(-1)[place] = at
    state.of["ring_value"].reshape(-1)[place] = values


def recall(
    state: Columns, runs: Runs, at: NDArray[np.int64], values: NDArray[np.float64], row: int, most: int
) -> tuple[list[Micros], list[float]]:
    """The last `most` readings up to a row of this call, oldest first: times and values. Ask before `remember`."""
    here = min(row - int(runs.start[row]) + 1, most)
    slot = int(runs.slots[row])
    written = int(state.of["written"][slot])
    old = min(most - here, written, DEPTH)
    times, numbers = at[row + 1 - here : row + 1].tolist(), values[row + 1 - here : row + 1].tolist()
    if old:
        places = np.arange(written - old, written) % DEPTH
        times = state.of["ring_at"][slot, places].tolist() + times
        numbers = state.of["ring_value"][slot, places].tolist() + numbers
    return times, numbers
