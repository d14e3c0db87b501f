"""The diary of one tenant: what is asked in, what became of it out. One place decides, so no slot is given away twice."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

import msgspec

from vorab import ids
from vorab.callbacks.hours import Span
from vorab.callbacks.shelf import Held, Shelf
from vorab.callbacks.wishes import whenever
from vorab.clock import DAY, HOUR, MINUTE, Micros
from vorab.records import Booking, BookingKind, BookingStatus, Meeting, Slot, SlotKind, SlotReason, Wishes
from vorab.settings import Callbacks

MEMORY: Final[Micros] = 7 * DAY
"""A booking that is over is remembered so long; one that nobody speaks of any more has then lapsed."""
MOST_SEEN: Final = 100
"""Requests that are remembered of a booking."""
LATE: Final[Micros] = DAY
"""What was asked longer ago is refused: what it was about may be forgotten."""


class Entry(Held):
    """A booking as it stands."""

    customer: str
    case: str
    device: str
    wishes: bytes
    status: str = BookingStatus.OPEN.value
    sequence: int = 0
    attempts: int = 0
    soonest: bool = False
    reminded: bool = False
    changed_at: Micros = 0
    seen: list[str] = msgspec.field(default_factory=list)
    """What was asked about it: the same again changes nothing."""

    @property
    def open(self) -> bool:
        """Whether it is still to come."""
        return self.status == BookingStatus.OPEN

    @property
    def meeting(self) -> Meeting:
        """How people meet."""
        return Meeting(self.how)


class Diary:
    """The bookings of a tenant, and the only one who makes them."""

    def __init__(self, tenant: str, options: Callbacks) -> None:
        self.tenant, self._options = tenant, options
        self.entries: dict[str, Entry] = {}
        self.shelf = Shelf(options)
        self.changed: set[str] = set()
        self._open: dict[str, Entry] = {}
        self._due: list[tuple[Micros, str]] = []

    def put(self, entry: Entry) -> None:
        """Take over a booking."""
        self.entries[entry.booking] = entry
        if entry.open:
            self._open[entry.booking] = entry
            self.shelf.hold(entry)
        self._schedule(entry)

    def ask(self, asked: Slot, now: Micros) -> Iterator[Booking]:
        """Do what is asked, or say why not; nothing where it was asked before."""
        entry = self.entries.get(asked.booking)
        if entry is not None and asked.id in entry.seen:
            return
        if asked.at < now - LATE:
            yield self._refused(asked, SlotReason.LATE)
        elif entry is not None and entry.customer != asked.customer:
            yield self._refused(asked, SlotReason.UNKNOWN)
        elif asked.kind is SlotKind.BOOK:
            yield self._book(asked, entry or self._new(asked), now)
        elif entry is None or entry.status == BookingStatus.NONE:
            self._touch(entry or self._new(asked), now)  # so that the same is refused again when there is such a booking
            yield self._refused(asked, SlotReason.UNKNOWN)
        else:
            yield self._change(asked, entry, now) if entry.open else self._refused(asked, SlotReason.OVER, entry)
        if asked.booking in self.entries:
            seen = self.entries[asked.booking].seen
            seen[:] = [*seen[1 - MOST_SEEN :], asked.id]
            self.changed.add(asked.booking)

    # ------------------------------------------------------------------------------------------------- what is asked

    def _new(self, asked: Slot) -> Entry:
        made = Entry(asked.booking, asked.how.value, 0, 0, asked.customer, asked.case, asked.device, b"", BookingStatus.NONE.value)
        self.entries[asked.booking] = made
        return made

    def _book(self, asked: Slot, made: Entry, now: Micros) -> Booking:
        if made.status != BookingStatus.NONE:
            return self._refused(asked, SlotReason.ALREADY if made.open else SlotReason.OVER, made)
        made.how, made.case, made.device = asked.how.value, asked.case, asked.device
        made.wishes = asked.wishes.model_dump_json().encode()
        self._touch(made, now)
        other = next((each for each in self._open.values() if asked.case and each.case == asked.case and each.how == asked.how), None)
        if other is not None:
            return self._refused(asked, SlotReason.ALREADY, made, detail=other.booking)
        found = self._wanted(asked, made, now)
        if isinstance(found, SlotReason):
            return self._refused(asked, found, made, now)
        made.status, made.soonest = BookingStatus.OPEN.value, asked.start is None
        self._hold(made, found, now)
        before = sum(each.how == made.how and each.start <= made.start for each in self._open.values()) if made.soonest else 0
        return self._fact(BookingKind.BOOKED, made, asked.id, now, by=asked.by, position=before)

    def _change(self, asked: Slot, entry: Entry, now: Micros) -> Booking:
        match asked.kind:
            case SlotKind.MOVE:
                found = self._wanted(asked, entry, now)
                if isinstance(found, SlotReason):
                    return self._refused(asked, found, entry, now)
                self._move(entry, found, now)
                return self._fact(BookingKind.MOVED, entry, asked.id, now, by=asked.by)
            case SlotKind.CANCEL:
                entry.sequence += 1
                self._end(entry, BookingStatus.CANCELLED, now)
                return self._fact(BookingKind.CANCELLED, entry, asked.id, now, by=asked.by)
            case SlotKind.REACHED:
                self._end(entry, BookingStatus.DONE, now)
                return self._fact(BookingKind.REACHED, entry, asked.id, now, by=asked.by)
        return self._missed(asked, entry, now)

    def _missed(self, asked: Slot, entry: Entry, now: Micros) -> Booking:
        entry.attempts += 1
        if entry.attempts >= self._options.attempts:
            self._end(entry, BookingStatus.CLOSED, now)
            return self._fact(BookingKind.CLOSED, entry, asked.id, now, by=asked.by)
        if entry.meeting is Meeting.PHONE:  # nobody's visit is moved without a word with them
            later = now + self._options.again_min * MINUTE
            slot = next(self.shelf.all_free(Meeting.PHONE, later, whenever(_wishes(entry)), entry.booking), None)
            if slot is not None:
                self._move(entry, slot, now)
        self._touch(entry, now)
        return self._fact(BookingKind.NOT_REACHED, entry, asked.id, now, by=asked.by)

    def _wanted(self, asked: Slot, entry: Entry, now: Micros) -> Span | SlotReason:
        if asked.start is None:
            wishes = asked.wishes if asked.kind is SlotKind.BOOK else _wishes(entry)
            return next(self.shelf.all_free(entry.meeting, now, wishes, entry.booking), SlotReason.FULL)
        first, until = self.shelf.reach(now)
        slot = self.shelf.slot(entry.meeting, asked.start)
        if asked.start < first:
            return SlotReason.PAST
        if slot is None or slot.end > until:
            return SlotReason.NO_SLOT
        if entry.open and entry.start == slot.start:
            return SlotReason.ALREADY
        return slot if self.shelf.room(entry.meeting, slot, entry.booking) else SlotReason.TAKEN

    # ----------------------------------------------------------------------------------------------------- deadlines

    @property
    def deadline(self) -> Micros | None:
        """The next."""
        while self._due:
            at, booking = self._due[0]
            entry = self.entries.get(booking)
            if entry is not None and self._deadline(entry) == at:
                return at
            heapq.heappop(self._due)  # it was put off, or is gone
        return None

    def fire(self) -> Iterator[Booking]:
        """Do what is due at the next deadline."""
        at, booking = heapq.heappop(self._due)
        entry = self.entries[booking]
        if not entry.open:
            del self.entries[booking]
            self.changed.add(booking)
            return
        if self._reminder(entry) == at:
            entry.reminded = True
            self.changed.add(booking)
            self._schedule(entry)
            yield self._fact(BookingKind.REMINDED, entry, booking, at, mark=entry.sequence)
            return
        self._end(entry, BookingStatus.CLOSED, at)
        yield self._fact(BookingKind.LAPSED, entry, booking, at)

    def _reminder(self, entry: Entry) -> Micros | None:
        before = round(self._options.remind_h * HOUR)
        if not before or entry.reminded or entry.meeting is not Meeting.VISIT or entry.start - before <= entry.changed_at:
            return None  # who has booked only just now needs none
        return entry.start - before

    def _deadline(self, entry: Entry) -> Micros:
        if not entry.open:
            return entry.changed_at + MEMORY
        return self._reminder(entry) or max(entry.end, entry.changed_at) + MEMORY

    def _schedule(self, entry: Entry) -> None:
        heapq.heappush(self._due, (self._deadline(entry), entry.booking))

    # --------------------------------------------------------------------------------------------------------- state

    def _hold(self, entry: Entry, slot: Span, now: Micros) -> None:
        entry.start, entry.end = slot.start, slot.end
        self._open[entry.booking] = entry
        self.shelf.hold(entry)
        self._touch(entry, now)

    def _move(self, entry: Entry, slot: Span, now: Micros) -> None:
        self.shelf.release(entry)
        entry.sequence += 1
        entry.reminded = False
        self._hold(entry, slot, now)

    def _end(self, entry: Entry, status: BookingStatus, now: Micros) -> None:
        self.shelf.release(entry)
        del self._open[entry.booking]
        entry.status = status.value
        self._touch(entry, now)

    def _touch(self, entry: Entry, now: Micros) -> None:
        entry.changed_at = now
        self.changed.add(entry.booking)
        self._schedule(entry)

    # --------------------------------------------------------------------------------------------------------- words

    def _fact(
        self, kind: BookingKind, entry: Entry, because: str, at: Micros, *, by: str = "", position: int = 0, mark: int | None = None
    ) -> Booking:
        return Booking(
            id=ids.booking_event_id(entry.booking, kind, because if mark is None else f"{because} {mark}"),
            tenant=self.tenant, customer=entry.customer, booking=entry.booking, kind=kind, status=BookingStatus(entry.status),
            case=entry.case, device=entry.device, how=entry.meeting, start=entry.start or None, end=entry.end or None,
            sequence=entry.sequence, soonest=entry.soonest, position=position, attempts=entry.attempts, at=at, because=because, by=by,
        )  # fmt: skip

    def _refused(self, asked: Slot, reason: SlotReason, entry: Entry | None = None, now: Micros | None = None, detail: str = "") -> Booking:
        start, end = (entry.start, entry.end) if entry is not None and entry.open else (None, None)
        free = self.shelf.free(entry.meeting, now, _wishes(entry)) if entry is not None and now is not None else []
        return Booking(
            id=ids.booking_event_id(asked.booking, BookingKind.REFUSED, asked.id), tenant=self.tenant, customer=asked.customer,
            booking=asked.booking, kind=BookingKind.REFUSED, status=BookingStatus(entry.status) if entry else BookingStatus.NONE,
            case=asked.case, device=asked.device, how=entry.meeting if entry else asked.how, sequence=entry.sequence if entry else 0,
            attempts=entry.attempts if entry else 0, reason=reason, free=tuple(slot.start for slot in free), at=asked.at, because=asked.id,
            by=asked.by, detail=detail, start=start, end=end,
        )  # fmt: skip


def _wishes(entry: Entry) -> Wishes:
    return Wishes.model_validate_json(entry.wishes)


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Entry).decode
