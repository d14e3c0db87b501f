"""The timeline of a customer: which records belong to it, and the one order in which they stand. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from desk.timeline.entry import Entry
from desk.timeline.told import Around, mark_of, told
from vorab import topics
from vorab.records import (
    Answered,
    Booking,
    CaseEvent,
    Command,
    ContactState,
    Corrected,
    CustomerRecord,
    Delivery,
    Heard,
    Incident,
    Notification,
    Offer,
    Record,
    Request,
)

OF_CUSTOMERS: Final[tuple[type[CustomerRecord], ...]] = (
    Heard, Request, Answered, Corrected, Booking, Notification, Delivery, Offer, ContactState,
)  # fmt: skip
"""Records of a customer's own."""
RANKS: Final[dict[type[Record], int]] = {
    Heard: 0, Request: 0, Corrected: 1, Answered: 1, Booking: 2, CaseEvent: 3, Incident: 4, Notification: 5, Delivery: 6,
    Offer: 7, ContactState: 8,
}  # fmt: skip
"""At one time, what stands first: what people say, what follows from it, what is told, and what comes of that."""


def timeline(customer: str, records: Iterable[Record]) -> list[Entry]:
    """The entries of a customer (by key) in their order, whatever the order of the records and however often each is there.

    Ordered by time, at one time by `RANKS`, then by place in the case's own history, then by type and id.
    """
    known: dict[str, Record] = {}
    for record in records:
        mark = mark_of(record)
        other = known.get(mark)
        # One of each: of two that say different things under one name, which comes first must not count.
        if other is None or record.model_dump_json() < other.model_dump_json():
            known[mark] = record
    around = _around(customer, known.values())
    mine = [(record, mark) for mark, record in known.items() if belongs(record, customer, around.devices)]
    mine.sort(key=lambda row: (row[0].time, RANKS[type(row[0])], getattr(row[0], "seq", 0), row[1]))
    return [entry for record, _ in mine for entry in told(record, around)]


def belongs(record: Record, customer: str, cases: Iterable[str]) -> bool:
    """Whether a record has a place in the timeline of a customer who has these cases."""
    if isinstance(record, OF_CUSTOMERS):
        return record.key == customer
    if isinstance(record, Incident):
        return not record.customer and any(case in cases for case in record.children)
    return isinstance(record, CaseEvent) and topics.key_of(record.tenant, record.customer) == customer


def _around(customer: str, records: Iterable[Record]) -> Around:
    commands: dict[str, Command] = {}
    notes: dict[str, Notification] = {}
    devices: dict[str, str] = {}
    spoken: set[str] = set()
    for record in records:
        match record:
            case Command():
                commands[record.id] = record
            case CaseEvent() if topics.key_of(record.tenant, record.customer) == customer:
                devices[record.case] = record.key
            case Notification() if record.key == customer:
                notes[record.id] = record
            case Request() | Booking() | Heard() if record.key == customer:
                spoken.add(record.id)
    return Around(commands, notes, devices, frozenset(spoken))
