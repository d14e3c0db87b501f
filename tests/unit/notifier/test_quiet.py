"""Quiet hours through zones, midnights and the two odd nights of the year."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.pipeline import Defer, Facts, Send, Suppress, decide
from notifier.preferences import Preferences
from notifier.quiet import quiet_until, rest_until, zone_of
from tests.system.figures import say
from tests.unit.notifier.house import customer, note
from vorab.clock import DAY, HOUR, MINUTE, SECOND, Micros, parse_iso, to_datetime, to_micros
from vorab.records import Channel, DeliveryReason, QuietDay, Urgency

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


# ------------------------------------------------------------------------------- thirty zones, two odd nights a year each

THIRTY: Final = (
    "Africa/Cairo", "Africa/Casablanca", "America/Miquelon", "America/Chicago", "America/Denver", "America/Halifax", "America/Havana",
    "America/Los_Angeles", "America/New_York", "America/Detroit", "America/Santiago", "America/Scoresbysund", "America/St_Johns",
    "Antarctica/Troll", "Asia/Beirut", "Asia/Jerusalem", "Asia/Nicosia", "Atlantic/Azores", "Australia/Adelaide", "Australia/Lord_Howe",
    "Australia/Sydney", "Europe/Athens", "Europe/Berlin", "Europe/Chisinau", "Europe/Dublin", "Europe/London", "Pacific/Auckland",
    "Pacific/Chatham", "Pacific/Easter", "Pacific/Norfolk",
)  # fmt: skip
WINDOWS: Final = (("22:00", "07:00"), ("23:30", "00:30"), ("21:15", "02:30"), ("00:30", "03:15"), ("02:30", "06:00"))
Night = Callable[[Micros, ZoneInfo, str, str], Micros | None]


def jumps(zone: ZoneInfo, year: int = 2023) -> list[datetime]:
    """The hours of a year in which clocks are changed. 2023: the last in which all of these zones have two changes."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(365 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours[1:], offsets, offsets[1:], strict=False) if before != after]


def wall(zone: ZoneInfo, around: datetime) -> list[tuple[Micros, datetime]]:
    """Every minute of the days around a moment, and what a clock on the wall shows then."""
    minutes = [around + timedelta(minutes=n) for n in range(-52 * 60, 52 * 60)]
    return [(to_micros(minute), minute.astimezone(zone).replace(tzinfo=None)) for minute in minutes]


def night_of(day: date, start: str, end: str, shown: list[tuple[Micros, datetime]]) -> tuple[Micros, Micros]:
    """A night by the clock on the wall: from the first minute that shows its beginning to after the last one before its end."""
    first = datetime.combine(day, time.fromisoformat(start))
    last = datetime.combine(day + timedelta(days=int(start > end)), time.fromisoformat(end))
    return next(at for at, face in shown if face >= first), max(at for at, face in shown if face < last) + MINUTE


Odd = tuple[ZoneInfo, str, str, list[tuple[Micros, Micros]], list[Micros]]


@functools.cache
def odd_nights() -> list[Odd]:
    """Zone, window, its nights around a change of the clock, and the moments at their edges."""
    made: list[Odd] = []
    for name in THIRTY:
        zone = ZoneInfo(name)
        changes = jumps(zone)
        assert len(changes) >= 2, name
        for around in (changes[0], changes[-1]):
            shown, day = wall(zone, around), around.astimezone(zone).date()
            for start, end in WINDOWS:
                # Of a night that the jump swallows nothing is left.
                both = [night_of(day + timedelta(days=back), start, end, shown) for back in (-1, 0)]
                found = [(begins, ends) for begins, ends in both if begins < ends]
                edges = [edge + step for night in found for edge in night for step in (-MINUTE, -1, 0, 1, MINUTE)]
                made.append((zone, start, end, found, [*edges, to_micros(around) - MINUTE, to_micros(around)]))
    return made


def disturbed(quiet: Night) -> tuple[int, int]:
    """How many of these moments a reckoning of nights calls awake although they lie in a night, or ends in one; and of how many."""
    wrong = looked = 0
    for zone, start, end, found, moments in odd_nights():
        for now in moments:
            asleep = any(begins <= now < ends for begins, ends in found)
            until = quiet(now, zone, start, end)
            looked += 1
            wrong += (until is None and asleep) or (until is not None and any(begins <= until < ends for begins, ends in found))
    return wrong, looked


def by_the_face(now: Micros, zone: ZoneInfo, start: str, end: str) -> Micros | None:
    """Known-bad: compares clock faces, and reckons the end of the night by the offset that holds now."""
    local = to_datetime(now).astimezone(zone)
    shown = local.strftime("%H:%M")
    if not (start <= shown < end if start < end else shown >= start or shown < end):
        return None
    naive = datetime.combine(local.date() + timedelta(days=int(start > end and shown >= start)), time.fromisoformat(end))
    return to_micros((naive - (local.utcoffset() or timedelta())).replace(tzinfo=UTC))


def test_nobody_is_woken_in_thirty_zones_on_both_odd_nights_of_the_year() -> None:
    """Held against a clock on the wall that is looked at every minute; comparing faces (known-bad) wakes people."""
    wrong, looked = disturbed(quiet_until)
    say(f"{looked} moments at the edges of nights in {len(THIRTY)} zones; in the night, or kept into one: {wrong}")
    assert wrong == 0
    assert looked > 3_000
    assert disturbed(by_the_face)[0] > 0


def test_what_is_deferred_in_these_nights_is_looked_at_again_at_their_end_and_only_safety_is_sent_in_them() -> None:
    """At every edge: safety goes out, all else waits for the end, and is sent or dropped there."""
    sent = kept = 0
    for zone, start, end, found, moments in odd_nights():
        counts = Preferences(time_zone=zone.key, quiet_from=start, quiet_until=end)
        for now in moments[::3]:
            facts = Facts(now, customer(), counts, reachable=(Channel.MAIL,))
            message = note(at=now, expires_at=now + 2 * DAY)
            decision = decide(message, facts).decision
            asleep = any(begins <= now < ends for begins, ends in found)
            assert decide(message.model_copy(update={"urgency": Urgency.SAFETY}), facts).decision == Send(Channel.MAIL)
            if isinstance(decision, Defer):
                kept += 1
                assert decide(message, replace(facts, now=decision.due_at)).decision == Send(Channel.MAIL)
                gone = decide(message, replace(facts, now=decision.due_at, newer=True)).decision
                assert isinstance(gone, Suppress)
                assert gone.reason is DeliveryReason.SUPERSEDED
            else:
                sent += not asleep
                assert not asleep
    say(f"{kept} kept and looked at again at the end of the night, {sent} sent by day, 0 by night but safety")
    assert min(sent, kept) > 300


# ----------------------------------------------------------------------------------------------------------- quiet days


def feast(day: date) -> str:
    """Christmas and the day after."""
    return "Christmas" if (day.month, day.day) in {(12, 25), (12, 26)} else ""


@pytest.mark.parametrize(
    ("now", "ends", "why"),
    [
        ("2026-12-24T21:00:00+01:00", None, ""),
        ("2026-12-24T23:00:00+01:00", "2026-12-27T07:00:00+01:00", "Christmas"),
        ("2026-12-25T12:00:00+01:00", "2026-12-27T07:00:00+01:00", "Christmas"),
        ("2026-12-26T23:59:59+01:00", "2026-12-27T07:00:00+01:00", ""),
        ("2026-12-27T06:00:00+01:00", "2026-12-27T07:00:00+01:00", ""),
        ("2026-12-27T07:00:00+01:00", None, ""),
    ],
)
def test_a_quiet_day_and_its_nights_are_one_rest(now: str, ends: str | None, why: str) -> None:
    """Nobody is spoken to between two holidays, nor at midnight after the last."""
    found = rest_until(parse_iso(now), BERLIN, "22:00", "07:00", feast)
    assert found == ((parse_iso(ends), why) if ends else None)


def test_without_a_night_a_quiet_day_ends_at_midnight() -> None:
    """Where the person has no quiet hours."""
    assert rest_until(parse_iso("2026-12-26T12:00:00+01:00"), BERLIN, "00:00", "00:00", feast) == (
        parse_iso("2026-12-27T00:00:00+01:00"), "Christmas"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "zone", "region", "days", "reason"),
    [
        ("2026-11-01T12:00:00+01:00", "Europe/Berlin", "DE-BY", ("holiday",), "quiet_day"),  # All Saints, a Sunday too
        ("2026-06-04T12:00:00+02:00", "Europe/Berlin", "DE-BY", ("holiday",), "quiet_day"),  # Corpus Christi, in Bavaria
        ("2026-06-04T12:00:00+02:00", "Europe/Berlin", "DE-BE", ("holiday",), "mail"),  # … and not in Berlin
        ("2026-06-04T12:00:00+02:00", "Europe/Berlin", "DE-XX", ("holiday",), "mail"),  # a part nobody knows: the whole country's
        ("2026-06-04T12:00:00+02:00", "Europe/Berlin", "", ("holiday",), "mail"),
        ("2026-06-04T12:00:00+02:00", "Europe/Berlin", "QQ", ("holiday",), "mail"),
        ("2026-06-04T12:00:00+02:00", "Europe/Berlin", "DE-BY", (), "mail"),
        ("2026-11-26T12:00:00-05:00", "America/New_York", "US", ("holiday",), "quiet_day"),  # Thanksgiving
        ("2026-11-25T23:00:00-05:00", "America/New_York", "US", ("holiday",), "quiet_day"),  # and the night before it
        ("2026-11-25T12:00:00-05:00", "America/New_York", "US", ("holiday",), "mail"),
    ],
)
def test_the_public_holidays_of_a_persons_region_are_quiet(now: str, zone: str, region: str, days: tuple[str, ...], reason: str) -> None:
    """By their own calendar and their own clock, not ours."""
    pytest.importorskip("holidays", reason="needs the library holidays: pip install holidays")
    counts = Preferences(time_zone=zone, region=region, quiet_days=tuple(QuietDay(each) for each in days))
    at = parse_iso(now)
    decision = decide(note(at=at, expires_at=at + 4 * DAY), Facts(at, customer(), counts, reachable=(Channel.MAIL,))).decision
    assert (decision.reason.value if isinstance(decision, Defer) else str(getattr(decision, "channel", ""))) == reason
    if isinstance(decision, Defer):
        assert face(decision.due_at, ZoneInfo(zone)) == "07:00"
        assert decision.detail


def test_sundays_are_quiet_where_somebody_wishes_so() -> None:
    """A choice, not the default; safety does not wait."""
    sunday = parse_iso("2026-11-29T12:00:00+01:00")
    facts = Facts(sunday, customer(), Preferences(quiet_days=(QuietDay.SUNDAY,)), reachable=(Channel.MAIL,))
    message = note(at=sunday)
    assert decide(message, facts).decision == Defer(sunday + 19 * HOUR, DeliveryReason.QUIET_DAY, "Sunday")
    assert decide(message, replace(facts, preferences=Preferences())).decision == Send(Channel.MAIL)
    assert decide(message.model_copy(update={"urgency": Urgency.SAFETY}), facts).decision == Send(Channel.MAIL)
