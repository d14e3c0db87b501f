"""A booking as an iCalendar file (RFC 5545, RFC 5546): a stable UID, a SEQUENCE that goes up, UTC times, so that no zone has to be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vorab.clock import MINUTE, Micros, to_datetime
from vorab.records import Booking, BookingStatus, Meeting

WORDS: Final = {
    "de": {Meeting.PHONE: "Anruf von unserem Service", Meeting.VISIT: "Besuch von unserem Service", "case": "Vorgang"},
    "en": {Meeting.PHONE: "Call from our service team", Meeting.VISIT: "Visit from our service team", "case": "Reference"},
}
ALARMS: Final[dict[Meeting, Micros]] = {Meeting.PHONE: 10 * MINUTE, Meeting.VISIT: 60 * MINUTE}
"""So long before it begins the calendar says so."""
MEDIA_TYPE: Final = "text/calendar; charset=utf-8; method={method}"


def method(booking: Booking) -> str:
    """PUBLISH while it stands, CANCEL once it does not."""
    return "CANCEL" if booking.status in {BookingStatus.CANCELLED, BookingStatus.CLOSED} else "PUBLISH"


def calendar(booking: Booking, organizer: str, *, language: str = "en", url: str = "") -> bytes:
    """The file of a booking as it stands; `organizer` is a URI (mailto: or https:) of the business, never of a customer.

    Raises:
        ValueError: it never came about, so there is no time to tell.
    """
    from icalendar import Alarm, Calendar, Event, vCalAddress, vDuration, vUri  # noqa: PLC0415 - only who makes a file loads it

    if booking.start is None or booking.end is None:
        raise ValueError("this booking never came about")
    words, cancelled = WORDS.get(language, WORDS["en"]), method(booking) == "CANCEL"
    event = Event()
    event.add("uid", f"{booking.booking}@vorab")
    event.add("sequence", booking.sequence)
    event.add("dtstamp", to_datetime(booking.at))
    event.add("dtstart", to_datetime(booking.start))
    event.add("dtend", to_datetime(booking.end))
    event.add("summary", words[booking.how])
    if booking.case:
        event.add("description", f"{words['case']} {booking.case[:8]}")
    if url:
        event.add("url", vUri(url))
    event.add("organizer", vCalAddress(organizer))
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    if not cancelled:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", words[booking.how])
        alarm.add("trigger", vDuration(-timedelta(microseconds=ALARMS[booking.how])))
        event.add_component(alarm)
    found = Calendar()
    found.add("prodid", "-//vorab//calls and visits//EN")
    found.add("version", "2.0")
    found.add("method", method(booking))
    found.add_component(event)
    return bytes(found.to_ical())
