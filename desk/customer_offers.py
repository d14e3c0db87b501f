"""What the customer page says about calls: up to three free slots, or the one that is booked. Reading only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from desk.bookings import Bookings, is_recorded
from desk.context import Context
from desk.customer_words import language_of
from desk.queries import CaseFile
from vorab.clock import Micros
from vorab.links import Claims
from vorab.records import Booking, Customer, Meeting
from vorab.words import Times

WORDS: Final[dict[str, dict[str, str]]] = {
    "de": {
        "choose": "Wann sollen wir Sie anrufen?",
        "booked": "Wir rufen Sie {when} an.",
        "thanks": "Danke. Wir rufen Sie {when} an.",
        "thanks_more": "Sie müssen nichts weiter tun.",
        "taken": "Diese Zeit ist gerade vergeben worden",
        "taken_more": "Gehen Sie bitte zurück und wählen Sie eine andere.",
        "asked": "Wir haben Ihren Wunsch",
        "asked_more": "Gleich steht auf der Seite, wann wir anrufen.",
        "cancel": "Doch nicht anrufen",
        "cancelled": "Wir rufen Sie nicht an.",
        "cancelled_more": "Auf der Seite können Sie eine andere Zeit wählen.",
        "calendar": "In meinen Kalender",
    },
    "en": {
        "choose": "When may we call you?",
        "booked": "We will call you {when}.",
        "thanks": "Thank you. We will call you {when}.",
        "thanks_more": "You do not need to do anything else.",
        "taken": "This time has just been taken",
        "taken_more": "Please go back and choose another one.",
        "asked": "We have your wish",
        "asked_more": "In a moment the page shows when we will call.",
        "cancel": "Do not call me",
        "cancelled": "We will not call you.",
        "cancelled_more": "On the page you can choose another time.",
        "calendar": "Into my calendar",
    },
}


@dataclass(frozen=True, slots=True)
class Offered:
    """What the page shows."""

    words: dict[str, str]
    slots: tuple[tuple[Micros, str], ...] = ()
    """Beginning, and as it is said."""
    booked: str = ""


def offered(context: Context, file: CaseFile, claims: Claims, customer: Customer | None, times: Times) -> Offered:
    """A call that is booked, or slots to choose from; neither where nobody calls."""
    bookings, words = Bookings(context), WORDS[language_of(customer)]
    if Meeting.PHONE not in bookings.ways or is_recorded(file.last):
        return Offered(words)
    booked = open_call(bookings, file)
    if booked is not None and booked.start is not None:
        return Offered(words, booked=words["booked"].replace("{when}", times.when(booked.start)))
    return Offered(words, tuple((slot.start, times.when(slot.start)) for slot in bookings.free(claims.customer)))


def open_call(bookings: Bookings, file: CaseFile) -> Booking | None:
    """The call about a case that is still to come."""
    return next((each for each in bookings.of_case(file.case, only_open=True) if each.how is Meeting.PHONE), None)
