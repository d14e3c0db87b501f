"""Quiet hours through zones, midnights and the two odd nights of the year."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.quiet import quiet_until, zone_of
from vorab.clock import HOUR, MINUTE, SECOND, Micros, parse_iso, to_datetime

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "start", "end", "ends"),
    [
        # an ordinary night
        ("2026-11-23T21:59:59+01:00", "22:00", "07:00", None),
        ("2026-11-23T22:00:00+01:00", "22:00", "07:00", "2026-11-24T07:00:00+01:00"),
        ("2026-11-24T00:00:00+01:00", "22:00", "07:00", "2026-11-24T07:00:00+01:00"),
        ("2026-11-24T06:59:59.999999+01:00", "22:00", "07:00", "2026-11-24T07:00:00+01:00"),
        ("2026-11-24T07:00:00+01:00", "22:00", "07:00", None),
        # a nap
        ("2026-11-24T13:30:00+01:00", "13:00", "14:00", "2026-11-24T14:00:00+01:00"),
        ("2026-11-24T14:00:00+01:00", "13:00", "14:00", None),
        # none at all
        ("2026-11-24T03:00:00+01:00", "00:00", "00:00", None),
        # clocks go forward on 29 March 2026: the night is an hour shorter
        ("2026-03-28T22:00:00+01:00", "22:00", "07:00", "2026-03-29T07:00:00+02:00"),
        # … and 02:30 is never shown: it counts as the moment of the jump
        ("2026-03-29T01:59:59+01:00", "22:00", "02:30", "2026-03-29T03:00:00+02:00"),
        ("2026-03-29T03:00:00+02:00", "22:00", "02:30", None),
        ("2026-03-29T03:00:00+02:00", "02:30", "07:00", "2026-03-29T07:00:00+02:00"),
        ("2026-03-29T01:59:59+01:00", "02:30", "07:00", None),
        # clocks go back on 25 October 2026: the night is an hour longer, 02:30 comes twice
        ("2026-10-24T22:00:00+02:00", "22:00", "07:00", "2026-10-25T07:00:00+01:00"),
        ("2026-10-25T02:30:00+02:00", "22:00", "02:30", "2026-10-25T02:30:00+01:00"),
        ("2026-10-25T02:00:00+01:00", "22:00", "02:30", "2026-10-25T02:30:00+01:00"),
        ("2026-10-25T02:30:00+01:00", "22:00", "02:30", None),
        ("2026-10-25T02:30:00+02:00", "02:30", "07:00", "2026-10-25T07:00:00+01:00"),
        # what cannot be read counts as the usual night
        ("2026-11-24T03:00:00+01:00", "late", "25:00", "2026-11-24T07:00:00+01:00"),
    ],
)
def test_the_night_ends_when_the_customer_gets_up(now: str, start: str, end: str, ends: str | None) -> None:
    """Exact to the microsecond, also where the clock jumps."""
    expected = parse_iso(ends) if ends else None
    assert quiet_until(parse_iso(now), BERLIN, start, end) == expected


def test_every_customer_has_their_own_night() -> None:
    """At the same moment one sleeps and another has lunch."""
    now = parse_iso("2026-11-24T03:00:00Z")
    assert quiet_until(now, zone_of("Europe/Berlin"), "22:00", "07:00") is not None
    assert quiet_until(now, zone_of("Asia/Singapore"), "22:00", "07:00") is None


def test_a_zone_that_does_not_exist_counts_as_the_default() -> None:
    """Late is better than in the night."""
    assert zone_of("Mars/Olympus") == zone_of("Europe/Berlin")
    assert zone_of("../../etc/passwd") == zone_of("Europe/Berlin")


FACES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "UTC", "Pacific/Apia"]
)
MOMENTS = st.integers(parse_iso("2026-01-01T00:00:00Z"), parse_iso("2027-12-31T00:00:00Z"))


def face(at: Micros, zone: ZoneInfo) -> str:
    """What a clock on the customer's wall shows."""
    return to_datetime(at).astimezone(zone).strftime("%H:%M")


@given(MOMENTS, FACES, FACES, ZONES)
def test_a_night_ends_and_does_not_last_longer_than_a_day(now: Micros, start: str, end: str, name: str) -> None:
    """The end lies ahead, is the end, and a clock on the wall shows it or has just jumped over it."""
    zone = zone_of(name)
    ends = quiet_until(now, zone, start, end)
    if ends is None:
        return
    assert now < ends <= now + 25 * HOUR
    assert face(ends, zone) == end or face(ends - SECOND, zone) < end < face(ends, zone)


@given(MOMENTS, FACES, FACES, ZONES)
def test_whoever_is_quiet_by_the_clock_on_the_wall_is_quiet(now: Micros, start: str, end: str, name: str) -> None:
    """The plain comparison of clock faces never calls a moment quiet that we call awake, an hour around a jump aside."""
    zone = zone_of(name)
    offsets = {to_datetime(now + step).astimezone(zone).utcoffset() for step in (-90 * MINUTE, 0, 90 * MINUTE)}
    if len(offsets) > 1 or start == end:
        return
    shown = face(now, zone)
    by_wall = start <= shown < end if start < end else shown >= start or shown < end
    assert (quiet_until(now, zone, start, end) is not None) == by_wall
