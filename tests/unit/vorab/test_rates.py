"""Exact intervals of rates and ratios, against published values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vorab.rates import mean_interval, rate_ratio


@pytest.mark.parametrize(("count", "low", "high"), [
    (0, 0.0, 3.688879), (1, 0.02531781, 5.571643), (10, 4.795389, 18.39036), (137, 4.753125 * 24.19893, 6.692709 * 24.19893),
])  # fmt: skip
def test_the_interval_of_a_count_is_the_published_one(count: int, low: float, high: float) -> None:
    """Garwood's table, and the first example of R's poisson.test."""
    assert mean_interval(count) == pytest.approx((low, high), rel=1e-6)


def test_the_interval_of_a_ratio_is_the_published_one() -> None:
    """The second example of R's poisson.test: 11 in 800 against 21 in 3011."""
    found = rate_ratio(21, 3011, 11, 800)
    assert (found.ratio, found.low, found.high) == pytest.approx((1.971488, 0.8584264, 4.2772659), rel=1e-6)


def _tail(second: int, both: int, p: float) -> float:
    return sum(math.comb(both, k) * p**k * (1 - p) ** (both - k) for k in range(second, both + 1))


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0.1, 100), st.floats(0.1, 100))
def test_p_is_twice_the_smaller_tail(first: int, second: int, first_days: float, second_days: float) -> None:
    """Summed term by term; and it is below 0.05 exactly where the interval leaves 1 out."""
    found = rate_ratio(first, first_days, second, second_days)
    both, even = first + second, second_days / (first_days + second_days)
    expected = min(1.0, 2 * min(_tail(second, both, even), 1 - _tail(second + 1, both, even)))
    assert found.p == pytest.approx(expected, rel=1e-6, abs=1e-9)
    if abs(found.p - 0.05) > 1e-6:
        assert (found.p < 0.05) == (not found.low <= 1 <= found.high)


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_a_comparison_turned_round_is_turned_round(first: int, second: int) -> None:
    """The same p; low and high change places."""
    one, other = rate_ratio(first, 3.0, second, 5.0), rate_ratio(second, 5.0, first, 3.0)
    assert one.p == pytest.approx(other.p, rel=1e-6, abs=1e-12)
    if first and second:
        assert (one.low, one.high) == pytest.approx((1 / other.high, 1 / other.low), rel=1e-6)


def test_large_counts_are_no_other_matter() -> None:
    """A hundred thousand each: the interval is the normal one."""
    low, high = mean_interval(100_000)
    assert (low, high) == pytest.approx((100_000 - 1.96 * 316.2, 100_000 + 1.96 * 316.2), rel=1e-4)
    assert rate_ratio(100_000, 1.0, 100_000, 1.0).p == pytest.approx(1.0, abs=0.01)


def test_nothing_on_either_side_says_nothing() -> None:
    """No symptom at all: no ratio; only on one side: an open end."""
    assert math.isnan(rate_ratio(0, 1.0, 0, 1.0).ratio)
    assert rate_ratio(0, 1.0, 9, 1.0).high == math.inf
