"""Calls and visits on the desk: what is booked, what is free, and how something is asked of the diary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import sqlalchemy as sa

from desk import store as tables
from desk.patience import awaited
from desk.store import Store
from vorab import ids, topics
from vorab.callbacks.hours import Span
from vorab.callbacks.shelf import Held, Shelf
from vorab.callbacks.wishes import wishes_of
from vorab.clock import Clock, Micros, iso
from vorab.records import Booking, BookingKind, BookingStatus, Customer, Meeting, Record, Slot, SlotKind
from vorab.settings import Callbacks, Settings

WAIT_STEPS: Final = 40
ANSWERS: Final[dict[SlotKind, tuple[BookingKind, ...]]] = {
    SlotKind.BOOK: (BookingKind.BOOKED,),
    SlotKind.MOVE: (BookingKind.MOVED,),
    SlotKind.CANCEL: (BookingKind.CANCELLED,),
    SlotKind.REACHED: (BookingKind.REACHED,),
    SlotKind.NOT_REACHED: (BookingKind.NOT_REACHED, BookingKind.CLOSED),
}
"""What comes of each, or it is refused."""


class Known(Protocol):
    """What this needs of `desk.queries`."""

    store: Store

    def customer(self, key: str) -> Customer | None:
        """The registry's entry."""


class Asked(Protocol):
    """What this needs of `desk.context`."""

    @property
    def queries(self) -> Known:
        """The tables."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def clock(self) -> Clock:
        """The time."""


def booking_row(last: Booking) -> dict[str, object]:
    """A booking as a row."""
    return {
        "booking": last.booking, "customer": last.key, "case": last.case, "status": last.status.value,
        "body": last.model_dump_json(exclude_none=True),
    }  # fmt: skip


def booking_json(last: Booking) -> dict[str, Any]:
    """A booking as one object."""
    return {
        "booking": last.booking, "customer": last.customer, "tenant": last.tenant, "case": last.case, "how": last.how.value,
        "status": last.status.value, "last": last.kind.value, "start": _iso(last.start), "end": _iso(last.end), "sequence": last.sequence,
        "attempts": last.attempts, **({"position": last.position} if last.position else {}), "at": iso(last.at), "by": last.by,
    }  # fmt: skip


def slots_json(slots: Sequence[Span]) -> list[dict[str, str]]:
    """Free slots as a list."""
    return [{"start": iso(slot.start), "end": iso(slot.end)} for slot in slots]


class About(NamedTuple):
    """What a request is about."""

    case: str = ""
    device: str = ""
    """Its key."""
    how: Meeting = Meeting.PHONE
    start: Micros | None = None
    """None: as soon as possible,"""
    first: Micros | None = None
    until: Micros | None = None
    """within these."""


class Bookings:
    """Questions, and requests to the diary."""

    def __init__(self, context: Asked) -> None:
        self._context = context

    @property
    def options(self) -> Callbacks:
        """Who works when."""
        return self._context.settings.streams.callbacks

    @property
    def ways(self) -> tuple[Meeting, ...]:
        """How one can meet here."""
        return tuple(how for how, team in ((Meeting.PHONE, self.options.team), (Meeting.VISIT, self.options.visit_team)) if team)

    def one(self, booking: str) -> Booking | None:
        """A booking as it stands."""
        return next(iter(self._where(tables.bookings.c.booking == booking)), None)

    def of_case(self, case: str, *, only_open: bool = False) -> list[Booking]:
        """The bookings about a case, the latest first."""
        found = sorted(self._where(tables.bookings.c.case == case), key=lambda each: -each.at)
        return [each for each in found if each.status is BookingStatus.OPEN or not only_open]

    def of_customer(self, customer: str) -> list[Booking]:
        """The open bookings of a customer (by key), the soonest first."""
        b = tables.bookings.c
        return sorted(self._where(b.customer == customer, b.status == BookingStatus.OPEN.value), key=lambda each: each.start or 0)

    def free(
        self, customer: str, how: Meeting = Meeting.PHONE, first: Micros | None = None, until: Micros | None = None, most: int = 0
    ) -> list[Span]:
        """Free slots for a customer (by key), as far as the desk knows; the diary has the last word."""
        if how not in self.ways:
            return []
        b = tables.bookings.c
        tenant = customer.partition("/")[0]
        rows = self._where(b.status == BookingStatus.OPEN.value, b.customer.like(f"{tenant}/%"))
        shelf = Shelf(self.options, [Held(row.booking, row.how.value, row.start or 0, row.end or 0) for row in rows])
        wishes = wishes_of(self._context.queries.customer(customer), first, until)
        return shelf.free(how, self._context.clock.now(), wishes, most)

    def request(self, kind: SlotKind, booking: str, customer: str, nonce: str, by: str, about: About) -> Slot:
        """What is asked, with what is known of the customer (by key); the same nonce is the same request."""
        tenant, _, name = customer.partition("/")
        return Slot(
            id=ids.slot_id(booking, kind, nonce), tenant=tenant, kind=kind, booking=booking, customer=name, case=about.case,
            device=about.device.partition("/")[2], how=about.how, start=about.start, at=self._context.clock.now(), by=by,
            wishes=wishes_of(self._context.queries.customer(customer), about.first, about.until),
        )  # fmt: skip

    def answer(self, asked: Slot) -> Booking | None:
        """What became of it; None where the diary takes longer than two seconds."""
        wanted = [ids.booking_event_id(asked.booking, kind, asked.id) for kind in (*ANSWERS[asked.kind], BookingKind.REFUSED)]
        r = tables.records.c
        query = sa.select(r.body).where(r.id.in_(wanted), r.kind.like("io.vorab.booking.%"))
        row = awaited(self._context.clock, lambda: self._context.queries.store.row(query), WAIT_STEPS)
        return None if row is None else Booking.model_validate_json(row["body"])

    def _where(self, *where: sa.ColumnElement[bool]) -> list[Booking]:
        rows = self._context.queries.store.rows(sa.select(tables.bookings.c.body).where(*where))
        return [Booking.model_validate_json(row["body"]) for row in rows]


def is_recorded(record: Record) -> bool:
    """Whether something lives in recorded time, where nobody can be called."""
    return record.tenant == topics.RECORDED_TENANT


def _iso(at: Micros | None) -> str | None:
    return None if at is None else iso(at)
