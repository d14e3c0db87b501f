"""The hours of a team: exact on the days on which clocks are changed, and within what a customer calls day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vorab.callbacks import hours as module
from vorab.callbacks.hours import Hours, Span
from vorab.callbacks.wishes import suits
from vorab.clock import DAY, HOUR, MINUTE, Micros, parse_iso, to_datetime, to_micros
from vorab.records import Meeting, Wishes
from vorab.settings import Callbacks, span_of

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def hours(*spans: str, zone: str = "Europe/Berlin", length: int = 30) -> Hours:
    """One person, every day."""
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    return Hours(Callbacks(team=1, days=days, hours=list(spans), zone=zone, slot_min=length), Meeting.PHONE)


def on(found: Hours, day: date) -> list[str]:
    """What clocks on the wall show at the beginning of each slot of a day."""
    first = to_micros(datetime.combine(day, time(), tzinfo=found.zone))
    slots = found.slots(first - DAY, first + 2 * DAY)
    shown = [to_datetime(slot.start).astimezone(found.zone) for slot in slots]
    return [f"{moment:%H:%M%z}" for moment in shown if moment.date() == day]


def test_an_hour_that_is_skipped_has_no_slots() -> None:
    """In spring one to four are two hours."""
    assert on(hours("01:00-04:00", length=60), SPRING) == ["01:00+0100", "03:00+0200"]
    assert on(hours("02:30-04:00"), SPRING) == ["03:00+0200", "03:30+0200"]


def test_an_hour_that_is_doubled_has_them_twice() -> None:
    """In autumn one to four are four hours, also where the team goes home within them."""
    assert on(hours("01:00-04:00", length=60), AUTUMN) == ["01:00+0200", "02:00+0200", "02:00+0100", "03:00+0100"]
    assert on(hours("01:30-02:30"), AUTUMN) == ["01:30+0200", "02:00+0200", "02:00+0100"]


def test_nine_is_nine_in_summer_and_in_winter() -> None:
    """The instant differs by an hour."""
    found = hours("09:00-10:00", length=60)
    summer, winter = (found.at(parse_iso(text)) for text in ("2026-07-01T09:00:00+02:00", "2026-12-01T09:00:00+01:00"))
    assert summer is not None
    assert winter is not None


def test_hours_that_do_not_know_of_summer_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: an office whose clocks are an hour off UTC all year."""

    def always_winter(day: date, minute: int, zone: ZoneInfo, fold: int = 0) -> Micros:  # noqa: ARG001 - the shape
        return to_micros(datetime.combine(day, time(), tzinfo=ZoneInfo("UTC"))) + minute * MINUTE - HOUR

    monkeypatch.setattr(module, "instant", always_winter)
    with pytest.raises(AssertionError):
        test_nine_is_nine_in_summer_and_in_winter()


def greedy(found: Hours, spans: list[str], day: date) -> list[Micros]:
    """The slots of a day counted minute by minute: each run of minutes whose clocks show an hour of work, cut from its beginning."""
    starts: list[Micros] = []
    for opens, closes in sorted(map(span_of, spans)):
        run, length = 0, found.length // MINUTE
        first = to_micros(datetime.combine(day, time(), tzinfo=ZoneInfo("UTC"))) - DAY
        for minute in range(first, first + 3 * DAY, MINUTE):
            local = to_datetime(minute).astimezone(found.zone)
            works = local.date() == day and opens <= local.hour * 60 + local.minute < closes
            run = run + 1 if works else 0
            if run == length:
                starts.append(minute - (length - 1) * MINUTE)
                run = 0
    return sorted(starts)


@given(
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata"]),
    st.sampled_from([SPRING, AUTUMN, date(2026, 4, 5), date(2026, 10, 4), date(2026, 3, 8), date(2026, 11, 1), date(2026, 6, 15)]),
    st.integers(0, 16), st.integers(1, 30), st.sampled_from([20, 30, 45, 60, 95]),
)  # fmt: skip
def test_slots_are_what_counting_minutes_finds(zone: str, day: date, opens: int, quarters: int, length: int) -> None:
    """On every day clocks are changed, somewhere on earth, by an hour or by half of one."""
    spans = [f"{opens // 4:02d}:{opens % 4 * 15:02d}-{(opens + quarters) // 4:02d}:{(opens + quarters) % 4 * 15:02d}"]
    found = hours(*spans, zone=zone, length=length)
    first = to_micros(datetime.combine(day, time(), tzinfo=ZoneInfo("UTC"))) - DAY
    slots = [slot for slot in found.slots(first, first + 3 * DAY) if to_datetime(slot.start).astimezone(found.zone).date() == day]
    assert [slot.start for slot in slots] == greedy(found, spans, day)
    assert all(found.at(slot.start) == slot for slot in slots)


@pytest.mark.parametrize(
    ("start", "fine"),
    [("06:30", False), ("06:45", False), ("07:00", True), ("21:30", True), ("21:45", False), ("23:00", False)],
)
def test_a_slot_lies_in_no_quiet_hour(start: str, fine: bool) -> None:
    """Not with its beginning, and not with its end."""
    at = parse_iso(f"2026-11-24T{start}:00+01:00")
    wishes = Wishes(zone="Europe/Berlin", quiet_from="22:00", quiet_until="07:00")
    assert suits(Span(at, at + 30 * MINUTE, 1), wishes) is fine


def test_quiet_hours_are_those_of_the_customer() -> None:
    """At nine in Berlin it is three in the morning in New York, and quiet hours that begin when they end are none."""
    at = parse_iso("2026-11-24T09:00:00+01:00")
    slot = Span(at, at + 30 * MINUTE, 1)
    assert not suits(slot, Wishes(zone="America/New_York", quiet_from="22:00", quiet_until="07:00"))
    assert suits(slot, Wishes(zone="America/New_York", quiet_from="00:00", quiet_until="00:00"))


def test_nobody_works_on_a_day_that_is_closed() -> None:
    """Public holidays are dates."""
    found = Hours(Callbacks(team=1, closed=[date(2026, 12, 25)]), Meeting.PHONE)
    first = parse_iso("2026-12-24T00:00:00+01:00")
    days = {to_datetime(slot.start).astimezone(BERLIN).date() for slot in found.slots(first, first + 6 * DAY)}
    assert days == {date(2026, 12, 24), date(2026, 12, 28), date(2026, 12, 29)}
    assert timedelta(minutes=30) == timedelta(microseconds=found.length)


@pytest.mark.parametrize(
    "wrong",
    [{"hours": ["18:00-08:00"]}, {"hours": ["8-18"]}, {"hours": ["08:00-12:00", "11:00-14:00"]}, {"days": ["monday"]}, {"zone": "Mars"},
     {"team_at": ["noon=1"]}],
)  # fmt: skip
def test_hours_that_cannot_be_are_refused_at_start(wrong: dict[str, object]) -> None:
    """Over midnight, without minutes, overlapping, unknown days and zones."""
    with pytest.raises(ValidationError):
        Callbacks.model_validate(wrong)
