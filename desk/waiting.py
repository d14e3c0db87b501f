"""Somebody is on the line: what whoever takes the call needs, in one answer."""

from __future__ import annotations

from typing import Any

from desk.advice import next_best
from desk.bookings import Bookings, booking_json, slots_json
from desk.cases import first_words
from desk.contacts import Contact
from desk.context import Context
from desk.queries import CaseFile
from desk.words import sentence
from vorab.topics import key_of


def on_the_line(context: Context, contact: Contact) -> dict[str, Any]:
    """The customer, the open case that matters most, the first sentence to say, what to do next, and when somebody could call."""
    queries, bookings = context.queries, Bookings(context)
    device = queries.device(key_of(contact.tenant, contact.device)) if contact.device else None
    name = contact.customer or (device.customer if device else "")
    key = key_of(contact.tenant, name)
    known = queries.customer(key) if name else None
    mine = [each.key for each in queries.registry.devices_of(key, 10_000)] if name else [key_of(contact.tenant, contact.device or "")]
    files = [file for cases in queries.registry.open_cases(mine).values() for case in cases if (file := queries.case(case))]
    files.sort(key=lambda file: (file.last.key != key_of(contact.tenant, contact.device or ""), file.last.priority, file.last.opened_at))
    customer = {"customer": name, "language": known.language, "vulnerable": known.vulnerable} if known else None
    return {
        "customer": customer,
        "case": _said(files[0]) if files else None,
        "others": [file.case for file in files[1:]],
        "bookings": [booking_json(each) for each in bookings.of_customer(key)] if name else [],
        "slots": {how.value: slots_json(bookings.free(key, how)) for how in bookings.ways},
    }


def _said(file: CaseFile) -> dict[str, Any]:
    last, following = file.last, next_best(file)
    return {
        "case": file.case,
        "device": last.key,
        "name": last.name or last.device,
        "cause": last.cause,
        "priority": last.priority,
        "status": last.status.value,
        "queue": last.queue,
        "sentence": sentence(file),
        "first_sentence": first_words(file) or sentence(file),
        "next": {"do": following.do, "why": following.why} if following else None,
    }
