"""Callbacks: the single writer of calls and visits that customers book. What is asked comes to one place per tenant, one after the other.

Its only input is `vorab.slots`, where `cases` also says what time it is: so the order of the log decides everything, and a replay from
the beginning makes the same records, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

from vorab import ids, topics
from vorab.callbacks.diary import Diary, decode, encode
from vorab.clock import DAY, Micros, iso
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import Booking, BookingKind, Command, CommandKind, Meeting, Notification, Record, Slot, Stage
from vorab.settings import Callbacks as Options

WRITTEN: Final = Stage.PERSON_NEEDED
"""What is written when nobody could be reached: that somebody looks after it, with the link where a call can be booked."""
EXPIRES: Final[Micros] = 2 * DAY

NOTED: Final[Mapping[BookingKind, str]] = {
    BookingKind.BOOKED: "{how} booked for {start}",
    BookingKind.MOVED: "{how} moved to {start}",
    BookingKind.CANCELLED: "{how} of {start} cancelled",
    BookingKind.REACHED: "{how} made",
    BookingKind.NOT_REACHED: "not reached ({attempts}), next {how}: {start}",
    BookingKind.CLOSED: "not reached {attempts} times: closed in writing",
    BookingKind.REMINDED: "reminder of the {how} of {start} is due",
    BookingKind.LAPSED: "nobody has said what became of the {how} of {start}",
}
"""What the case is told; what was refused is the asker's business."""


class Callbacks:
    """The diaries of the tenants of a partition."""

    name: ClassVar[str] = "callbacks"
    inputs: ClassVar[tuple[Input, ...]] = (Input(topics.SLOTS),)
    outputs: ClassVar[tuple[str, ...]] = (topics.BOOKINGS, topics.COMMANDS, topics.NOTIFICATIONS)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 1

    def __init__(self, options: Options) -> None:
        self._options = options
        self._diaries: dict[str, Diary] = {}

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Do what is asked, or refuse it; raises Rejected for recorded devices, whose time nobody lives in."""
        if not isinstance(record, Slot):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        if record.tenant == topics.RECORDED_TENANT:
            raise Rejected(Reason.BAD_VALUE, "nobody can be called in recorded time")
        return [out for fact in self._diary(record.tenant).ask(record, now) for out in _told(fact)]

    def due(self, now: Micros) -> Iterable[Out]:
        """Fire the deadlines before `now`, over all tenants in their order."""
        out: list[Out] = []
        while True:
            waiting = [(at, tenant) for tenant, diary in self._diaries.items() if (at := diary.deadline) is not None and at < now]
            if not waiting:
                return out
            out += [each for fact in self._diaries[min(waiting)[1]].fire() for each in _told(fact)]

    def dirty(self) -> Mapping[str, bytes]:
        """One block per booking that changed."""
        blocks: dict[str, bytes] = {}
        for tenant, diary in self._diaries.items():
            for booking in sorted(diary.changed):
                entry = diary.entries.get(booking)
                blocks[f"{tenant}/{booking}"] = encode(entry) if entry is not None else b""
            diary.changed.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over the diaries."""
        for name, block in blocks.items():
            if block:
                self._diary(name.partition("/")[0]).put(decode(block))

    def _diary(self, tenant: str) -> Diary:
        diary = self._diaries.get(tenant)
        if diary is None:
            diary = self._diaries[tenant] = Diary(tenant, self._options)
        return diary


def _told(fact: Booking) -> Iterator[Out]:
    """A fact, and who else hears of it: the case, and the customer whom nobody could reach."""
    yield Out(topics.BOOKINGS, fact)
    if not (fact.case and fact.device) or fact.kind not in NOTED:
        return
    how = "call" if fact.how is Meeting.PHONE else "visit"
    wished = fact.kind is BookingKind.BOOKED and fact.how is Meeting.PHONE
    kind = CommandKind.CALL if wished else CommandKind.NOTE
    when = iso(fact.start)[:16].replace("T", " ") + " UTC" if fact.start is not None else ""
    yield Out(
        topics.COMMANDS,
        Command(
            id=ids.command_id(topics.key_of(fact.tenant, fact.device), kind, fact.id), tenant=fact.tenant, device=fact.device, kind=kind,
            case=fact.case, at=fact.at, by=fact.by or "callbacks", because=fact.id,
            detail=NOTED[fact.kind].format(how=how, start=when, attempts=fact.attempts),
        ),
    )  # fmt: skip
    if fact.kind is BookingKind.CLOSED:
        yield Out(
            topics.NOTIFICATIONS,
            Notification(
                id=ids.notification_id(fact.key, fact.booking, WRITTEN), tenant=fact.tenant, customer=fact.customer, case=fact.case,
                device=fact.device, stage=WRITTEN, at=fact.at, expires_at=fact.at + EXPIRES, because=fact.id,
                params={"attempts": fact.attempts},
            ),
        )  # fmt: skip


def kind(options: Options) -> Kind:
    """What hosts need to run it."""
    return kind_of(Callbacks, lambda _partition, _registry: Callbacks(options))
