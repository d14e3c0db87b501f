"""The last readings of every series: a ring per slot, so that a symptom can show what it was decided on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Columns, Runs, Slots
from vorab.clock import Micros

RINGS: Final = ("ring_at", "ring_value")

Readings = tuple[list[Micros], list[float]]
"""Times and values, oldest first."""


def layout(depth: int) -> dict[str, str | tuple[str, int]]:
    """The columns of rings of so many readings."""
    return {
        "ring_at": ("<i8", depth),
        "ring_value": ("<f8", depth),
        "written": "<u4",  # readings ever
        "last_at": "<i8",  # time of the last one
    }


def remember(state: Columns, runs: Runs, at: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Put readings, sorted by slot, into the rings."""
    slots, depth = runs.slots, state.of["ring_at"].shape[1]
    written = state.of["written"][slots]
    heads, tails = runs.unique, runs.lasts
    state.of["written"][heads] = written[runs.firsts] + (tails - runs.firsts + 1)
    state.of["last_at"][heads] = at[tails]
    if runs.apart:
        place = written % depth
    else:
        nth = runs.index - runs.start
        keep = np.repeat(tails - runs.firsts, tails - runs.firsts + 1) - nth < depth
        place = (written + nth) % depth
        if not keep.all():  # a slot's older readings of this call would only be overwritten
            slots, place, at, values = slots[keep], place[keep], at[keep], values[keep]
    place = slots * depth + place
    state.of["ring_at"].reshape(-1)[place] = at
    state.of["ring_value"].reshape(-1)[place] = values


def recall(state: Columns, runs: Runs, at: NDArray[np.int64], values: NDArray[np.float64], rows: Slots, most: Slots) -> list[Readings]:
    """For each of `rows` of this call the last readings of its slot up to it, at most so many, oldest first. Ask before `remember`."""
    depth = state.of["ring_at"].shape[1]
    slots = runs.slots[rows]
    written = state.of["written"][slots].astype(np.intp)
    here = np.minimum(rows - runs.start[rows] + 1, most)
    old = np.minimum(np.minimum(most - here, written), depth)
    # One line per row: of the width of the longest, filled from its end; first what stands in the ring, then what came with this call.
    back = np.arange(int((here + old).max(initial=0)))[::-1]
    came = back < here[:, None]
    places = slots[:, None] * depth + (written[:, None] + here[:, None] - 1 - back) % depth
    rows_of = np.where(came, rows[:, None] - back, 0)
    times = np.where(came, at[rows_of], state.of["ring_at"].reshape(-1)[places]).tolist()
    numbers = np.where(came, values[rows_of], state.of["ring_value"].reshape(-1)[places]).tolist()
    begins = (len(back) - here - old).tolist()
    return [(line[begin:], row[begin:]) for line, row, begin in zip(times, numbers, begins, strict=True)]


def kept(state: Columns, slot: int, most: int) -> Readings:
    """The last `most` readings of a slot, oldest first."""
    written, depth = int(state.of["written"][slot]), state.of["ring_at"].shape[1]
    places = np.arange(written - min(most, written, depth), written) % depth
    return state.of["ring_at"][slot, places].tolist(), state.of["ring_value"][slot, places].tolist()


def resize(state: Columns, first: int, rings: Mapping[str, NDArray[Any]]) -> None:
    """Take over rings of another depth, as they stood in the slots from `first` on: as many of the last readings as fit."""
    if not rings:
        return
    depth = state.of["ring_at"].shape[1]
    for slot, row in enumerate(zip(*(rings[name] for name in RINGS), strict=True), first):
        written, old = int(state.of["written"][slot]), len(row[0])
        kept = min(written, old, depth)
        places = np.arange(written - kept, written) % old
        for name, ring in zip(RINGS, row, strict=True):
            state.of[name][slot, :kept] = ring[places]
        state.of["written"][slot] = kept
