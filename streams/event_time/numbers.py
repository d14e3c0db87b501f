"""The numbers of devices whose rows follow each other, for all of them at once: which do not, and which was the last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.detect.rows import Rows
from streams.detectors.columns import Runs

Bools = NDArray[np.bool_]
Longs = NDArray[np.int64]


def irregular(of: dict[str, NDArray[Any]], rows: Rows, runs: Runs, times: Longs) -> Bools:
    """Rows, sorted by device, whose number is not the one after the last."""
    assert rows.seq is not None  # noqa: S101 - asked only then
    out = np.zeros(len(times), bool)
    some = slice(None) if rows.numbered is None else np.flatnonzero(runs.sort(rows.numbered))
    mine = runs if rows.numbered is None else Runs(runs.slots[some], apart=rows.apart)
    seqs = runs.sort(rows.seq)[some]
    boots = np.zeros(len(seqs), np.int64) if rows.boot is None else runs.sort(rows.boot)[some]
    slots = mine.slots
    last = mine.before(seqs, of["seq"][slots])
    same = mine.before(boots, of["boot"][slots].astype(np.int64)) == boots
    again = seqs == last
    if np.count_nonzero(again):  # one message may make several rows; they arrive together
        seen, received = runs.before(times, of["seen"][runs.slots])[some], runs.sort(rows.received)[some]
        again &= (times[some] > seen) & (received == mine.before(received, of["said"][slots]))
    begins = ~of["numbered"][slots] & mine.new
    begins &= (seqs == 0) | (of["grace"][slots] == 0)  # where rows wait, numbers before the first that came may come yet
    out[some] = ~((same & ((seqs == last + np.uint64(1)) | again)) | begins)
    return out


def remember(of: dict[str, NDArray[Any]], rows: Rows, runs: Runs, at: NDArray[np.intp] | None) -> None:
    """The last numbers of devices whose rows follow each other; `at` are the rows in this order, None for the order of `runs`."""
    assert rows.seq is not None  # noqa: S101 - asked only then
    heads, tails = runs.unique, runs.lasts
    order = at if at is not None else runs.order
    seqs = rows.seq if order is None else rows.seq[order]
    boots = None if rows.boot is None else rows.boot if order is None else rows.boot[order]
    if rows.numbered is not None:
        numbered = rows.numbered if order is None else rows.numbered[order]
        tails = runs.last_where(numbered)[tails]
        heads, tails = heads[tails >= 0], tails[tails >= 0]
    received = rows.received if order is None else rows.received[order]
    of["seq"][heads], of["said"][heads], of["numbered"][heads] = seqs[tails], received[tails], True
    of["boot"][heads] = 0 if boots is None else boots[tails]
