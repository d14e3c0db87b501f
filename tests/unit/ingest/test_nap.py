"""The rest between two reads: none when idle, longer the more arrives, never above the longest."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.nap import Pace, nap
from vorab.clock import HOUR, MINUTE, SECOND, Micros

MOST: Micros = 5_000
RATES = st.floats(0, 1e7)

Nap = Callable[[float, Micros], Micros]


def idle_waits(chosen: Nap) -> bool:
    """Whether a message of a quiet hour is followed by a rest."""
    return any(chosen(rate, MOST) for rate in (0.0, 1 / 3600, 1.0, 100.0))


@given(RATES, RATES)
def test_more_messages_never_mean_a_shorter_rest(one: float, other: float) -> None:
    """Monotone in the rate, and within the bounds."""
    low, high = sorted((one, other))
    assert 0 <= nap(low, MOST) <= nap(high, MOST) <= MOST


def test_idle_is_no_rest() -> None:
    """Known bad: the fixed rest of before, which every single message would have to sit out."""
    assert not idle_waits(nap)
    assert idle_waits(lambda _rate, most: most)


@given(RATES)
def test_no_longest_rest_is_no_rest(rate: float) -> None:
    """`linger_ms = 0` switches it off."""
    assert nap(rate, 0) == 0


@pytest.mark.parametrize(("rate", "low", "high"), [(1_000, 1_000, 3_000), (10_000, 2_500, 5_000), (200_000, 4_500, 5_000)])
def test_between_idle_and_busy_it_is_chosen(rate: int, low: Micros, high: Micros) -> None:
    """A thousand a second rest half of the longest; a busy worker nearly the longest."""
    pace = Pace(MOST)
    chosen = 0
    for _ in range(1_000):
        step = max(chosen, SECOND // rate)
        chosen = pace.read(max(1, rate * step // SECOND), step)
    assert low <= chosen <= high


@given(st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, MINUTE)), max_size=30), st.integers(HOUR, 24 * HOUR))
def test_the_first_message_of_a_quiet_hour_leaves_at_once_whatever_was_before(reads: list[tuple[int, Micros]], quiet: Micros) -> None:
    """A storm is forgotten after an hour of silence."""
    pace = Pace(MOST)
    for messages, since in reads:
        assert 0 <= pace.read(messages, since) <= MOST
    assert pace.read(1, quiet) == 0


def test_a_burst_is_known_within_a_few_reads() -> None:
    """Ten reads of fifty messages a millisecond apart after a quiet hour: from then on it rests."""
    pace = Pace(MOST)
    pace.read(1, HOUR)
    assert [pace.read(50, 1_000) for _ in range(10)][-1] > 1_500


def test_a_clock_that_stands_still_makes_no_endless_rate() -> None:
    """Reads within the same microsecond count as many messages, not as infinitely many."""
    pace = Pace(MOST)
    for _ in range(100):
        pace.read(1, 0)
    assert pace.rate <= 1_001
