"""A booking in a calendar: one entry for ever, that moves and goes with the booking, written as the standard says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from tests.unit.streams.callbacks.office import MONDAY, Office, clock, slot
from vorab.callbacks import ical as module
from vorab.callbacks.ical import calendar, method
from vorab.clock import to_datetime
from vorab.records import Booking, BookingKind, BookingStatus, Meeting, SlotKind

HOUSE = "mailto:service@example.org"
WANTED = (b"UID", b"SEQUENCE", b"DTSTART", b"DTEND", b"STATUS", b"ORGANIZER")


def life() -> list[Booking]:
    """Booked, moved, cancelled."""
    office = Office()
    office.book("ada", MONDAY, clock("09:00"))
    office.ask(SlotKind.MOVE, "ada", MONDAY + 1_000_000, clock("10:00"))
    office.ask(SlotKind.CANCEL, "ada", MONDAY + 2_000_000)
    return office.bookings


def entry(booking: Booking) -> dict[str, str]:
    """What a calendar program reads."""
    read = Calendar.from_ical(calendar(booking, HOUSE))
    [event] = read.walk("VEVENT")
    lines = [line.partition(b":") for line in event.to_ical().replace(b"\r\n ", b"").split(b"\r\n")]
    told = {name.decode(): value.decode() for name, _, value in lines if name in WANTED}
    return told | {"METHOD": str(read["METHOD"])}


def test_an_entry_moves_and_goes_with_its_booking() -> None:
    """The same UID, a SEQUENCE that goes up, UTC times, CANCEL in the end."""
    booked, moved, gone = map(entry, life())
    assert booked["UID"] == moved["UID"] == gone["UID"]
    assert [each["SEQUENCE"] for each in (booked, moved, gone)] == ["0", "1", "2"]
    assert [each["DTSTART"] for each in (booked, moved)] == ["20261123T080000Z", "20261123T090000Z"]
    assert [(each["METHOD"], each["STATUS"]) for each in (booked, moved, gone)] == [
        ("PUBLISH", "CONFIRMED"), ("PUBLISH", "CONFIRMED"), ("CANCEL", "CANCELLED"),
    ]  # fmt: skip
    assert gone["ORGANIZER"] == HOUSE


def test_an_entry_whose_sequence_stands_still_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: a calendar that is told the same SEQUENCE again keeps the old time."""
    whole = calendar
    monkeypatch.setattr(
        "tests.unit.streams.callbacks.test_ical.calendar", lambda booking, house: whole(booking.model_copy(update={"sequence": 0}), house)
    )
    with pytest.raises(AssertionError):
        test_an_entry_moves_and_goes_with_its_booking()


@given(
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=300), st.sampled_from(Meeting), st.sampled_from(["de", "en", "fr"])
)
def test_lines_are_as_the_standard_wants_them(url: str, how: Meeting, language: str) -> None:
    """At most 75 octets, ended by CRLF, whatever is written; a reader finds the same times."""
    booking = life()[0].model_copy(update={"how": how, "case": "ä" * 120})
    body = calendar(booking, HOUSE, language=language, url=f"https://example.org/{url}")
    lines = body.split(b"\r\n")
    assert lines[-1] == b""
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    [event] = Calendar.from_ical(body).walk("VEVENT")
    assert event.decoded("DTSTART") == to_datetime(booking.start or 0)
    assert len(event.walk("VALARM")) == 1


def test_the_words_are_the_customers() -> None:
    """German for whom we write German to, and nothing personal in either."""
    assert b"SUMMARY:Anruf von unserem Service" in calendar(life()[0], HOUSE, language="de")
    assert b"ada" not in calendar(life()[0].model_copy(update={"case": "c"}), HOUSE)


def test_what_never_came_about_is_in_no_calendar() -> None:
    """A refusal has no time."""
    office = Office()
    office.book("ada", MONDAY, clock("09:00"))
    [refused] = office.take(slot(SlotKind.BOOK, "bob", MONDAY, clock("09:00")))
    assert refused.kind is BookingKind.REFUSED
    with pytest.raises(ValueError, match="never came about"):
        calendar(refused, HOUSE)


def test_a_closed_booking_is_taken_out_of_the_calendar() -> None:
    """It will not take place any more; one that took place stays."""
    booking = life()[0]
    assert method(booking.model_copy(update={"status": BookingStatus.CLOSED})) == "CANCEL"
    assert method(booking.model_copy(update={"status": BookingStatus.DONE})) == "PUBLISH"
    assert module.ALARMS.keys() == set(Meeting)
