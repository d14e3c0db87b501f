"""Schedules: days and hours on the clock of a place, held against an oracle that walks minute by minute."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.rules import zones
from streams.rules.schedule import Calendar, Longs, Schedule, When
from streams.rules.zones import Zone, known, zone_named
from vorab.clock import DAY, HOUR, MINUTE, Micros, to_micros

CHANGING = (
    "Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Chicago", "America/Denver", "America/Halifax", "America/Havana",
    "America/Los_Angeles", "America/New_York", "America/Nuuk", "America/Santiago", "America/Scoresbysund", "America/St_Johns",
    "America/Toronto", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem", "Atlantic/Azores", "Australia/Adelaide",
    "Australia/Lord_Howe", "Australia/Sydney", "Europe/Berlin", "Europe/Chisinau", "Europe/Dublin", "Europe/Lisbon", "Europe/London",
    "Europe/Moscow", "Pacific/Auckland", "Pacific/Chatham",
)  # fmt: skip
YEARS = {"America/Asuncion": 2023, "Europe/Moscow": 2009, "America/Scoresbysund": 2023, "Africa/Casablanca": 2025}
"""Zones that do not change their clocks any more, or do so at odd times, are looked at in a year in which they did."""


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """The minutes of a year (2026 where not said) at which the clocks of a zone are changed."""
    zone, start = ZoneInfo(name), datetime(YEARS.get(name, 2026), 1, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=i) for i in range(366 * 24)]
    found = []
    for hour, then in pairwise(hours):
        if hour.astimezone(zone).utcoffset() != then.astimezone(zone).utcoffset():
            minutes = [hour + timedelta(minutes=i) for i in range(61)]
            found += [b for a, b in pairwise(minutes) if a.astimezone(zone).utcoffset() != b.astimezone(zone).utcoffset()]
    return tuple(found)


@cache
def walk(name: str, change: datetime) -> tuple[tuple[Micros, datetime], ...]:
    """Every minute of the day of a change and some of its neighbours': its instant, and what the clocks show."""
    zone = ZoneInfo(name)
    minutes = [change + timedelta(minutes=i) for i in range(-10 * 60, 26 * 60)]
    return tuple((to_micros(minute), minute.astimezone(zone).replace(tzinfo=None)) for minute in minutes)


def when(**words: Any) -> When:
    """Hours as people write them; `without` is the word `except`."""
    return When.model_validate({"except" if word == "without" else word: value for word, value in words.items()})


def within(hours: When, wall: datetime) -> bool:
    """The oracle: is this what the clocks show during the hours that begin on this day, or began on the one before?"""
    day, minute = wall.date(), wall.hour * 60 + wall.minute
    return any(
        each.weekday() in hours.days and each not in hours.without and any(first <= late < last for first, last in hours.hours)
        for each, late in ((day, minute), (day - timedelta(days=1), minute + 1440))
    )


def hours_around(change: datetime, name: str) -> Iterator[When]:
    """Hours that begin or end to the minute where the clocks are changed, in the middle of what is skipped or doubled, and over it."""
    zone = ZoneInfo(name)
    before = (change - timedelta(microseconds=1)).astimezone(zone).replace(tzinfo=None) + timedelta(microseconds=1)
    after = change.astimezone(zone).replace(tzinfo=None)
    middle = before + (after - before) / 2
    minute = timedelta(minutes=1)
    marks = {mark for each in (before, middle, after) for mark in (each - minute, each, each + minute)}
    far = after + timedelta(hours=7)
    for mark in sorted(marks):
        for first, last in ((mark, far), (far, mark)):
            yield when(hours=f"{first:%H:%M}-{last:%H:%M}", zone=name)
    yield when(days=[before.strftime("%a")], zone=name)
    yield when(hours="22:00-06:00", zone=name, without=[after.date() - timedelta(days=1)])


def wrong_minutes(kind: type[Schedule], zone: Zone, change: datetime) -> Iterator[Micros]:
    """The minutes at which, or a microsecond before which, a schedule differs from the oracle."""
    minutes = walk(zone.name, change)
    times = np.array([at for at, _ in minutes])
    for hours in hours_around(change, zone.name):
        expected = np.array([within(hours, wall) for _, wall in minutes])
        schedule = kind(hours)
        yield from times[schedule.inside(times, zone) != expected]
        # Half-open: the microsecond before a minute belongs to the minute before.
        yield from times[1:][schedule.inside(times[1:] - 1, zone) != expected[:-1]]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGING)
def test_hours_are_exact_to_the_minute_on_both_days_on_which_clocks_are_changed(name: str) -> None:
    """Thirty zones, every change of a year, all minutes of three days, hours that begin or end right there."""
    found = changes(name)
    assert len(found) >= 2
    for change in found:
        assert not list(wrong_minutes(Schedule, zone_named(name), change))


class OneOffsetPerDay(Zone):
    """Known-bad: takes the offset of noon for the whole day."""

    def wall(self, times: Longs) -> Longs:
        """Right on all days but two."""
        noon = (times + 5 * HOUR) // DAY * DAY + DAY // 2
        return super().wall(noon) + times - noon


class Closed(Schedule):
    """Known-bad: the last minute counts as within."""

    def inside(self, times: Longs, zone: Zone) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """One instant too many."""
        return super().inside(times, zone) | super().inside(times - 1, zone)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGING)
def test_the_matrix_sees_what_is_wrong_by_an_hour_or_by_a_microsecond(name: str) -> None:
    """An offset per day, or a closed interval, does not pass in any zone."""
    assert any(wrong_minutes(Closed, zone_named(name), changes(name)[0]))
    assert any(any(wrong_minutes(Schedule, OneOffsetPerDay(name), change)) for change in changes(name))


@pytest.mark.parametrize("name", CHANGING[::6])
def test_a_stretch_ends_when_the_clocks_have_passed_its_end_for_good(name: str) -> None:
    """After the second of two doubled hours; where the end is skipped, at the moment the clocks are changed."""
    for change in changes(name):
        minutes = walk(name, change)
        times = np.array([at for at, _ in minutes])
        for hours in hours_around(change, name):
            # The stretches of wall time, numbered by a walk over a calendar that knows no changes.
            wall, number, was = minutes[0][1] - timedelta(hours=3), 0, False
            stretch: dict[datetime, int] = {}
            while wall < minutes[-1][1] + timedelta(hours=3):
                is_within = within(hours, wall)
                number += is_within and not was
                stretch[wall], was = number if is_within else 0, is_within
                wall += timedelta(minutes=1)
            labels = np.array([stretch[wall] for _, wall in minutes])
            for label in set(labels.tolist()) - {0, labels[-1]}:
                mine = np.flatnonzero(labels == label)
                end = int(times[mine[-1]]) + MINUTE
                ended = Schedule(hours).ended(np.full(len(times), times[mine[0]]), times, zone_named(name))
                assert ended.tolist() == [end if at >= end else 0 for at in times.tolist()]


wheres = st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "UTC", "Asia/Kolkata"])
whens = st.builds(
    lambda days, hours, zone, without: when(days=sorted(days), hours=hours, zone=zone, without=without),
    st.sets(st.integers(0, 6), min_size=1),
    st.lists(
        st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] != pair[1] % 1440)
        .map(lambda pair: f"{pair[0] // 60:02d}:{pair[0] % 60:02d}-{pair[1] // 60:02d}:{pair[1] % 60:02d}"),
        min_size=1, max_size=3,
    ),
    wheres,
    st.lists(st.dates(date(2020, 1, 1), date(2027, 1, 1)), max_size=2),
)  # fmt: skip
times_of_life = st.integers(to_micros(datetime(2019, 12, 1, tzinfo=UTC)), to_micros(datetime(2027, 2, 1, tzinfo=UTC)))


@given(st.lists(whens, min_size=1, max_size=3), st.lists(st.tuples(st.integers(0, 3), times_of_life), min_size=1, max_size=30))
def test_a_calendar_answers_for_many_schedules_as_each_would_alone(several: list[When], rows: list[tuple[int, Micros]]) -> None:
    """Whatever was asked for before, and in which order: tables grow, answers stay; 0 is always within."""
    calendar = Calendar()
    given_numbers = [calendar.number(hours) for hours in several]
    numbers = np.array([0 if place == 3 else given_numbers[place % len(several)] for place, _ in rows])
    times = np.array([at for _, at in rows])
    together = calendar.inside(numbers, times).tolist()

    one_by_one = Calendar()
    again = [one_by_one.number(hours) for hours in several]
    for (place, at), answer in reversed(list(zip(rows, together, strict=True))):
        if place == 3:
            assert answer
            continue
        hours = several[place % len(several)]
        alone = one_by_one.inside(np.array([again[place % len(several)]]), np.array([at]))
        wall = datetime.fromtimestamp(at // 1_000_000, ZoneInfo(hours.zone)).replace(tzinfo=None, microsecond=at % 1_000_000)
        assert alone.tolist() == [answer] == [within(hours, wall)]


def us(text: str) -> Micros:
    """An instant."""
    return to_micros(datetime.fromisoformat(text))


def inside(hours: When, *texts: str) -> list[bool]:
    """Whether instants lie within."""
    found: list[bool] = Schedule(hours).inside(np.array([us(text) for text in texts]), zone_named(hours.zone_of(""))).tolist()
    return found


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    """From Friday evening to Saturday morning is Friday's; a date that is left out takes its night along, and only that."""
    nights = when(days="fri", hours="22:00-06:00", zone="Europe/Berlin", without=["2026-11-27"])

    assert inside(nights, "2026-11-20T22:00+01:00", "2026-11-21T05:59+01:00", "2026-11-21T06:00+01:00") == [True, True, False]
    assert inside(nights, "2026-11-21T22:00+01:00", "2026-11-20T05:00+01:00", "2026-11-27T23:00+01:00") == [False, False, False]
    assert inside(nights, "2026-11-28T05:00+01:00", "2026-12-04T23:00+01:00") == [False, True]


def test_the_skipped_hour_does_not_exist_and_the_doubled_one_counts_twice() -> None:
    """On 29 March 2026 there is no 02:30 in Berlin, on 25 October there are two."""
    two = when(hours="02:00-03:00", zone="Europe/Berlin")

    assert inside(two, "2026-03-29T00:59+00:00", "2026-03-29T01:00+00:00", "2026-03-29T01:59+00:00") == [False, False, False]
    assert inside(two, "2026-10-24T23:59+00:00", "2026-10-25T00:00+00:00", "2026-10-25T01:59+00:00", "2026-10-25T02:00+00:00") == [
        False, True, True, False,
    ]  # fmt: skip


def test_days_that_touch_are_one_stretch() -> None:
    """What is raised on Monday is not ended at midnight when the rule looks from Monday to Friday."""
    schedule, zone = Schedule(when(days="mon-fri", zone="Europe/Berlin")), zone_named("Europe/Berlin")
    before = np.array([us("2026-11-23T20:00+01:00")] * 3)
    times = np.array([us("2026-11-24T09:00+01:00"), us("2026-11-27T23:59+01:00"), us("2026-11-30T08:00+01:00")])

    assert schedule.ended(before, times, zone).tolist() == [0, 0, us("2026-11-28T00:00+01:00")]
    always = Schedule(when(hours="00:00-24:00"))
    assert always.ended(before[:1], before[:1] + 3650 * DAY, zone).tolist() == [0]


def test_what_was_raised_in_no_hours_ended_when_it_was_last_judged() -> None:
    """So it is after the hours of a rule were changed."""
    schedule, zone = Schedule(when(hours="22:00-06:00")), zone_named("UTC")
    noon = np.array([us("2026-11-23T12:00+00:00")])

    assert schedule.ended(noon, noon + HOUR, zone).tolist() == noon.tolist()
    never = Schedule(when(days="mon", without=[date(2026, 11, 23)]))
    assert never.inside(noon, zone).tolist() == [False]


def test_the_zone_is_the_rules_or_the_devices_or_utc() -> None:
    """A registry entry may name a zone that nobody knows; then it says nothing."""
    assert When(zone="Asia/Tokyo").zone_of("Europe/Berlin") == "Asia/Tokyo"
    assert [When().zone_of(name) for name in ("Europe/Berlin", "", "Moon/Tycho", "../etc/passwd")] == ["Europe/Berlin", "UTC", "UTC", "UTC"]
    assert not known("")


def test_clocks_that_say_1970_or_9999_cost_no_memory() -> None:
    """A device that has forgotten the time is judged by rules without hours only, as far as nobody can know."""
    schedule, zone = Schedule(When()), zone_named("Europe/Berlin")
    odd = np.array([-(10**17), 0, us("2026-11-23T12:00+00:00"), 7 * 10**15, 2 * 10**17])

    assert schedule.inside(odd, zone).tolist() == [False, True, True, True, False]
    assert len(schedule._starts) == 1


@pytest.mark.parametrize(
    ("given_words", "reason"),
    [
        ({"days": "someday"}, "'someday' is no day"),
        ({"days": []}, "at least 1 item"),
        ({"hours": "25:00-06:00"}, "no span of hours"),
        ({"hours": "06:00"}, "no span of hours"),
        ({"hours": "06:00-06:00"}, "begins when it ends"),
        ({"zone": "Europe/Bärlin"}, "there is no time zone"),
        ({"except": ["Christmas"]}, "date"),
        ({"hour": "22:00-06:00"}, "Extra inputs"),
    ],
)
def test_mistakes_are_told(given_words: dict[str, object], reason: str) -> None:
    """Each with what was expected."""
    with pytest.raises(ValidationError, match=reason):
        When.model_validate(given_words)


def test_a_schedule_is_read_as_people_write_it_and_written_as_it_was_read() -> None:
    """Spans of days and hours, over the end of week and day."""
    found = when(days="fri-mon, wed", hours=["22:00-06:00", "8:00-24:00"])

    assert found.days == (0, 2, 4, 5, 6)
    assert found.hours == ((480, 1440), (1320, 1800))
    assert When.model_validate_json(found.model_dump_json(by_alias=True)) == found
    assert '"08:00-24:00","22:00-06:00"' in found.model_dump_json()


def test_the_zone_data_come_along() -> None:
    """A slim machine has no /usr/share/zoneinfo: the package is one of ours."""
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())

    assert any(line.startswith("tzdata") for line in project["project"]["dependencies"])
    assert (zones.FIRST_YEAR, zones.LAST_YEAR) == (1970, 2199)
