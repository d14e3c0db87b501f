"""Columns and runs: blocks that changed, and one pass that stands for many rounds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.detectors import evidence
from streams.detectors.columns import Columns, Runs

LAYOUT: dict[str, str | tuple[str, int]] = {"a": "<i8", "wide": ("<f8", 3)}

rows = st.lists(st.tuples(st.integers(0, 4), st.integers(-50, 50), st.booleans()), min_size=1, max_size=40)


@given(st.lists(st.integers(0, 29), max_size=20))
def test_blocks_that_changed_restore_what_was_there(touched: list[int]) -> None:
    """Each block stands for its slots; what did not change is not written again."""
    columns = Columns("x", LAYOUT, 8)
    columns.grow(30)
    list(columns.take_changed())
    for value, slot in enumerate(touched):
        columns.of["a"][slot], columns.of["wide"][slot] = value, value / 2
        columns.touch(np.array([slot]))
    blocks = {name: columns.pack(first, last, note=name) for name, first, last in columns.take_changed()}

    fresh = Columns("x", LAYOUT, 8)
    for name, block in blocks.items():
        assert fresh.unpack(name, block)["note"] == name

    assert set(blocks) == {f"x/{slot // 8}" for slot in touched}
    assert not list(columns.take_changed())
    for slot in touched:
        assert fresh.of["a"][slot] == columns.of["a"][slot]
        assert (fresh.of["wide"][slot] == columns.of["wide"][slot]).all()


@given(rows)
def test_a_pass_over_runs_is_many_rounds(data: list[tuple[int, int, bool]]) -> None:
    """Sorted by slot in order of arrival; before, running maximum and last hit are what a loop would find."""
    slots, values, hits = (np.array(column) for column in zip(*data, strict=True))
    runs = Runs(slots)
    value, hit = runs.sort(values), runs.sort(hits)
    before, largest, last = runs.before(value, np.full(len(value), 99)), runs.running_max(value), runs.last_where(hit)

    seen: dict[int, list[int]] = {}
    for i, slot in enumerate(runs.slots.tolist()):
        mine = seen.setdefault(slot, [])
        assert before[i] == (value[mine[-1]] if mine else 99)
        mine.append(i)
        assert largest[i] == max(value[j] for j in mine)
        assert last[i] == max((j for j in mine if hit[j]), default=-1)
    assert {slot: value[mine].tolist() for slot, mine in seen.items()} == {slot: [v for s, v, _ in data if s == slot] for slot in seen}
    assert runs.any(hit).tolist() == [any(h for s, _, h in data if s == slot) for slot in runs.slots.tolist()]


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=60), min_size=1, max_size=6), st.integers(1, 24))
def test_a_ring_recalls_the_last_readings_however_they_came(calls: list[list[int]], most: int) -> None:
    """Readings of this call and of calls before, oldest first, never more than asked for."""
    columns = Columns("x", evidence.layout(24), 8)
    columns.grow(3)
    history: dict[int, list[int]] = {0: [], 1: [], 2: []}
    clock = 0
    for call in calls:
        runs = Runs(np.array(call))
        at = runs.sort(np.arange(clock, clock + len(call)))
        clock += len(call)
        for row, slot in enumerate(runs.slots.tolist()):
            history[slot].append(int(at[row]))
            [(times, values)] = evidence.recall(columns, runs, at, at.astype(float), np.array([row]), np.array([most]))
            assert times == history[slot][-most:]
            assert values == times
        evidence.remember(columns, runs, at, at.astype(float))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 3)), max_size=60))
def test_a_sparse_column_is_like_any_other(puts: list[tuple[int, int]]) -> None:
    """Whatever is put into it, one by one and many at once, is there again, also after it was packed; zeros take no room."""
    sparse, dense = Columns("x", {"a": "sparse"}, 16), Columns("x", {"a": "<i8"}, 16)
    for columns in (sparse, dense):
        columns.grow(41)
        for slot, value in puts:
            columns.of["a"][slot] = value
        some = np.array(sorted({slot for slot, _ in puts}), np.intp)
        columns.of["a"][some] = columns.of["a"][some] * 2
    fresh = Columns("x", {"a": "sparse"}, 16)
    for name, first, last in sparse.take_changed():
        fresh.unpack(name, sparse.pack(first, last))

    every = np.arange(41)
    assert sparse.of["a"][every].tolist() == dense.of["a"][every].tolist() == fresh.of["a"][every].tolist()
    assert len(Columns("x", {"a": "sparse"}, 16).pack(0, 0)) == len(sparse.pack(0, 0))
