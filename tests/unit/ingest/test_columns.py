"""Cutting the rows of a read into frames that the log takes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ingest.columns import ROWS_PER_MESSAGE, Columns, Placed, frames_of
from vorab.frame import I8, U1, Reading


def slow(place: int, i: int = 0) -> Placed:
    """A row that came out of a decoder, of the message at this place."""
    rank = place * ROWS_PER_MESSAGE + i
    return Placed(rank, 0, Reading("main/d", rank, rank, 0, {"slow": rank}))


def quick(places: list[int]) -> Columns:
    """Rows of messages that took the quick way."""
    ranks = np.array(places, I8) * ROWS_PER_MESSAGE
    n = len(places)
    return Columns(ranks, np.zeros(n, I8), ranks, ranks, np.zeros(n, U1), signals={"quick": ranks})


@pytest.mark.parametrize("turned", [False, True])
def test_many_rows_are_cut_between_messages_and_each_stands_once(*, turned: bool) -> None:
    """Also when what a dialect read one by one came behind messages that arrived later; no message stands in two frames."""
    rows = [slow(place, i) for place in range(0, 400, 2) for i in range(20)]
    if turned:
        rows = rows[2_500:] + rows[:2_500]
    made = quick(list(range(1, 400, 2)))
    frames = [[int(rank) for columns in frame for rank in columns.rank] for frame in frames_of([made], rows)]
    assert len(frames) > 1
    assert sorted(rank for frame in frames for rank in frame) == sorted([*(row.rank for row in rows), *made.rank.tolist()])
    messages = [{rank // ROWS_PER_MESSAGE for rank in frame} for frame in frames]
    assert sum(map(len, messages)) == 400
    assert all(max(one) < min(after) for one, after in itertools.pairwise(messages)), "in the order of arrival"
