"""What detectors share that take one reading of each series at a time: episodes out of masks, and events counted in a window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Columns, Slots
from streams.detectors.shape import Bools, Change, Episodes, Layout, Longs
from vorab.clock import Micros

NOBODY: Final[Bools] = np.zeros(0, bool)
PARTS: Final = 4
"""A window is counted in so many parts, and the one that has begun."""
WINDOW: Final[Layout] = {
    "part": "<i8",  # number of the part that has begun
    "events": ("<u4", PARTS + 1),  # in it, and in those before it, newest first
    "since": "<i8",  # µs, first event after a window without any
}


def tell(
    state: Columns,
    rows: Slots,
    slots: Slots,
    at: Longs,
    raised: Bools,
    onset: Longs,
    cleared: Bools,
    numbers: Mapping[str, NDArray[Any]],
    adapted: Bools = NOBODY,
) -> Episodes | None:
    """Write down and give what began and ended; every column has one entry per row of `rows`, no slot occurs twice.

    `adapted` marks those that end without proof, beside the `cleared`; None when nothing changed.
    """
    ended = cleared | adapted if len(adapted) else cleared
    hit = (raised | ended).nonzero()[0]
    if not len(hit):
        return None
    of, mine, up = state.of, slots[hit], raised[hit]
    begun = np.where(up, onset[hit], of["onset"][mine])
    detected = np.where(up, at[hit], of["detected"][mine])
    of["active"][mine] = up
    of["onset"][mine], of["detected"][mine] = np.where(up, begun, 0), np.where(up, detected, 0)  # what is over takes no memory
    change = np.where(up, np.int8(Change.RAISED), np.int8(Change.CLEARED))
    if len(adapted):
        change[adapted[hit] & ~up] = Change.ADAPTED
    return Episodes(rows[hit], change, begun, detected, {name: column[hit] for name, column in numbers.items()})


def count_events(state: Columns, slots: Slots, at: Longs, happened: Bools, within: Micros) -> tuple[Longs, Longs]:
    """Events of each slot in the last `within` (µs) at least, and 1.25 times that at most; and since when there have been any.

    A sliding window in five counters: events that came within the time are never missed, those further apart than 1.25 times it
    never counted together. A reading from before the part that has begun counts as of now. No slot occurs twice.
    """
    of = state.of
    now = at // max(within // PARTS, 1)
    part, events, since = of["part"][slots], of["events"][slots], of["since"][slots]
    ahead = now - part
    moved = (ahead > 0).nonzero()[0]
    if len(moved):
        source = np.arange(PARTS + 1) - np.minimum(ahead[moved], PARTS + 1)[:, None]
        events[moved] = np.where(source >= 0, np.take_along_axis(events[moved], np.maximum(source, 0), axis=1), 0)
        of["part"][slots[moved]] = now[moved]
    before = events.sum(axis=1, dtype=np.int64)
    events[:, 0] += happened
    since = np.where(happened & (before == 0), at, since)
    of["events"][slots], of["since"][slots] = events, since
    return before + happened, since
