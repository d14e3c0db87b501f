"""When time goes on by itself."""

from __future__ import annotations

from ingest.ticks import Ticker

EVERY = 1_000


def test_idle_partitions_tick_and_busy_ones_do_not() -> None:
    """A frame carries time as well; only who got none is told."""
    ticker = Ticker([0, 1], EVERY)
    ticker.start(10_000)
    ticker.written([1, 7], 10_600)
    assert ticker.due(10_999) == []
    assert ticker.due(11_000) == [0]
    assert ticker.due(11_100) == []
    assert ticker.due(11_600) == [1]


def test_after_a_connection_was_made_the_backlog_comes_first() -> None:
    """However long the worker was away: a full interval passes before the first tick, so that what waited is read before."""
    ticker = Ticker([0], EVERY)
    ticker.start(0)
    ticker.start(500_000)
    assert ticker.due(500_999) == []
    assert ticker.due(501_000) == [0]


def test_a_clock_that_was_set_back_does_not_stop_time_for_long() -> None:
    """The interval begins again instead of waiting for the old time to come round."""
    ticker = Ticker([0], EVERY)
    ticker.start(10_000)
    assert ticker.due(5_000) == []
    assert ticker.due(6_000) == [0]


def test_how_long_to_sleep() -> None:
    """Until the next is due; a worker without live partitions just waits."""
    ticker = Ticker([0, 1], EVERY)
    ticker.start(0)
    ticker.written([1], 300)
    assert (ticker.wait(400), ticker.wait(5_000)) == (600, 0)
    assert Ticker([], EVERY).wait(0) == EVERY
