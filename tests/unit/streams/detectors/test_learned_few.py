"""A few series in plain numbers are judged exactly as many in columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detectors import learned_few
from streams.detectors.learned import Learned
from streams.detectors.learned_config import Change, LearnedConfig

QUICK = LearnedConfig(settle=5, warm_up=20, warm_up_us=0, lives=1.0, hold=6, patience=40, doubt=15, calm=3)
"""As sensitive as can be, so that short histories see every turn of the method."""
SLOTS = np.array([2, 0])
values = st.one_of(
    st.floats(18.0, 22.0),
    st.sampled_from([20.0, 20.5, 40.0, -127.0, 65535.0, 1e200, -1e200, float("nan"), float("inf")]),
)


def _same(one: Any, other: Any) -> bool:
    return all(
        a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
    )


def _told(rows: list[tuple[int, float, float]], config: LearnedConfig = QUICK) -> tuple[list[int], bool]:
    """The changes that columns said, and whether plain numbers said all the same and kept the same."""
    columns, plain = Learned(config, 3, few=0), Learned(config, 3, few=2)
    changes, same, at = [], True, 0
    for step, *pair in rows:
        at += step
        times = np.array([at, at])
        one, other = columns.update(SLOTS, times, np.array(pair)), plain.update(SLOTS, times, np.array(pair))
        same = same and _same(one, other)
        changes += one.change.tolist()
    return changes, same and columns.snapshot(SLOTS) == plain.snapshot(SLOTS)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 600_000_000), values, values), max_size=120))
def test_plain_numbers_say_and_keep_to_the_bit_what_columns_do(rows: list[tuple[int, float, float]]) -> None:
    """Whatever the readings are, the verdicts and the state are those of columns."""
    assert _told(rows)[1]


def _long() -> list[tuple[int, float, float]]:
    random = np.random.default_rng(7)
    readings = random.normal(20.0, 0.5, (3_000, 2))
    for begin in range(100, 3_000, 150):
        readings[begin : begin + int(random.integers(1, 80))] += random.normal(0.0, 10.0)
    return [(300_000_000, *pair) for pair in readings.tolist()]


def test_the_long_story_has_every_change_in_it() -> None:
    """It raises, clears and adapts."""
    changes, same = _told(_long())
    assert same
    assert set(changes) == set(Change)


@pytest.mark.parametrize("turn", ["_run", "_learn_usual", "_remember"])
def test_plain_numbers_that_leave_out_a_turn_are_caught(monkeypatch: pytest.MonkeyPatch, turn: str) -> None:
    """Without this part of the method the comparison fails."""
    known = {"_run": (Change.NONE, False, 0), "_learn_usual": None, "_remember": 20.0}
    monkeypatch.setattr(learned_few, turn, lambda *_: known[turn])
    assert not _told(_long())[1]


def test_no_series_at_all_is_no_mistake() -> None:
    """Nothing asked, nothing said."""
    nothing = np.zeros(0, np.intp)
    assert not len(Learned(QUICK, 3).update(nothing, nothing.astype(np.int64), nothing.astype(float)).change)
