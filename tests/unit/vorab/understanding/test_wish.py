"""The time somebody names, resolved against now and their zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vorab.clock import DAY, to_datetime, to_micros
from vorab.understanding.wish import wish

BERLIN = "Europe/Berlin"
WEDNESDAY = to_micros(datetime(2026, 11, 25, 10, 20, tzinfo=ZoneInfo(BERLIN)))


def said(text: str, now: int = WEDNESDAY, zone: str = BERLIN) -> str:
    """A window in words."""
    found = wish(text, now, zone)
    start, end = (to_datetime(each).astimezone(ZoneInfo(zone)) for each in found) if found else (None, None)
    return f"{start:%a %d %H:%M} {end:%H:%M}" if start and end else "none"


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("um fünf", "Wed 25 17:00 17:30"),
        ("at five", "Wed 25 17:00 17:30"),
        ("um 17:30 Uhr", "Wed 25 17:30 18:00"),
        ("call me at 7pm", "Wed 25 19:00 19:30"),
        ("halb drei", "Wed 25 14:30 15:00"),
        ("half two", "Wed 25 14:30 15:00"),
        ("nach 17 Uhr", "Wed 25 17:00 20:00"),
        ("any time after 4pm", "Wed 25 16:00 20:00"),
        ("ab sechse", "Wed 25 18:00 20:00"),
        ("zwischen 9 und 11", "Wed 25 10:20 11:00"),
        ("tomorrow between 9 and 11", "Thu 26 09:00 11:00"),
        ("morgen Vormittag", "Thu 26 09:00 12:00"),
        ("am Morgen", "Wed 25 10:20 12:00"),
        ("heute Abend", "Wed 25 17:00 20:00"),
        ("tonight", "Wed 25 17:00 20:00"),
        ("morgen", "Thu 26 08:00 18:00"),
        ("übermorgen ab 8", "Fri 27 08:00 20:00"),
        ("Donnerstagvormittag", "Thu 26 09:00 12:00"),
        ("on Friday", "Fri 27 08:00 18:00"),
        ("am 14. ab 10 Uhr", "Mon 14 10:00 20:00"),
        ("next week Tuesday at 3", "Tue 01 15:00 15:30"),
        ("um 8", "Thu 26 08:00 08:30"),
        ("statt um 9 um 11", "Wed 25 11:00 11:30"),
        ("at six instead of four", "Wed 25 18:00 18:30"),
        ("Um drei kann ich nicht, geht auch fünf?", "Wed 25 17:00 17:30"),
        ("I'm in a meeting till 3, phone me after that", "Wed 25 15:00 20:00"),
        ("Guten Morgen, rufen Sie mich unter 0171 2345678 an", "none"),
        ("bitte anrufen", "none"),
        ("um 99 Uhr", "none"),
    ],
)
def test_a_named_time_is_a_window(text: str, window: str) -> None:
    """As a person at the other end would take it."""
    assert said(text) == window


def test_an_hour_is_the_persons_hour() -> None:
    """Five in New York is not five in Berlin, and the day clocks change has its own five."""
    assert said("at five", zone="America/New_York") == "Wed 25 17:00 17:30"
    assert wish("at five", WEDNESDAY, "America/New_York") != wish("at five", WEDNESDAY, BERLIN)
    changing = to_micros(datetime(2026, 10, 24, 20, 0, tzinfo=ZoneInfo(BERLIN)))
    assert said("morgen um zehn", now=changing) == "Sun 25 10:00 10:30"


@given(st.text(max_size=300), st.integers(0, 4_000_000_000 * 1_000_000))
def test_any_text_names_a_window_ahead_or_none(text: str, now: int) -> None:
    """Never an error, never a window that is over, never one far away in time."""
    found = wish(text, now, BERLIN)

    assert found is None or (found.start < found.end and found.end > now and found.start < now + 400 * DAY)


def test_an_unknown_zone_names_nothing() -> None:
    """Rather no time than a wrong one."""
    assert wish("um fünf", WEDNESDAY, "Nowhere/At-all") is None
