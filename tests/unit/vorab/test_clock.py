"""Time: exact microseconds, and clocks that can be handed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vorab import clock
from vorab.errors import ConfigError


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_every_microsecond_survives_the_way_to_text_and_back(at: int) -> None:
    """No floating point is involved."""
    assert clock.parse_iso(clock.iso(at)) == at


def test_a_time_without_a_zone_is_an_error() -> None:
    """Guessing a zone would move an alert by hours."""
    with pytest.raises(ValueError, match="no time zone"):
        clock.parse_iso("2026-11-23T22:00:00")


def test_a_story_clock_can_be_handed_to_another_process() -> None:
    """The same text gives the same time everywhere."""
    ours = clock.StoryClock(clock.parse_iso("2026-11-23T22:00:00+01:00"), 570.0, clock.SystemClock().now())
    theirs = clock.clock_from(ours.spec)

    assert theirs.speed == ours.speed
    assert theirs.wall(ours.start + clock.HOUR) == pytest.approx(ours.wall(ours.start + clock.HOUR), abs=2)


def test_story_time_runs_faster_than_the_wall() -> None:
    """One night in a minute, and the way back to the wall is exact."""
    story = clock.StoryClock(start=0, speed=570.0, origin=1_000_000)

    assert story.wall(570 * clock.MINUTE) == 1_000_000 + clock.MINUTE


def test_a_clock_that_is_not_one_is_named() -> None:
    """The error shows how to write it."""
    with pytest.raises(ConfigError, match="START@SPEED/ORIGIN"):
        clock.clock_from("noon")
