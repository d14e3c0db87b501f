"""An office that calls back, for tests: what is asked comes one after the other, and what became of it is written down."""

from __future__ import annotations

from typing import Any, Final

from streams.callbacks import Callbacks
from vorab import ids, topics
from vorab.clock import Micros, parse_iso
from vorab.processor import Out
from vorab.records import Booking, Command, Meeting, Notification, Slot, SlotKind, Wishes, to_wire
from vorab.settings import Callbacks as Options

MONDAY: Final = parse_iso("2026-11-23T08:00:00+01:00")
BERLIN: Final = Wishes(zone="Europe/Berlin", quiet_from="22:00", quiet_until="07:00")


def clock(text: str, day: str = "2026-11-23") -> Micros:
    """A time in Berlin on that Monday."""
    zone = "+02:00" if "03-29" < day[5:] < "10-25" else "+01:00"
    return parse_iso(f"{day}T{text}:00{zone}")


def options(**changes: Any) -> Options:
    """One person, half an hour for each."""
    return Options.model_validate({"team": 1, "visit_team": 1, "hours": ["09:00-12:00", "13:00-17:00"], **changes})


def slot(kind: SlotKind, name: str, at: Micros, start: Micros | None = None, *, nonce: str = "", **more: Any) -> Slot:
    """Something a customer of this name asks; the same nonce is the same request."""
    booking = ids.booking_id(f"main/{name}", f"case-{name}", "1")
    return Slot.model_validate(
        {
            "id": ids.slot_id(booking, kind, nonce or str(at)), "kind": kind, "booking": booking, "customer": name, "case": f"case-{name}",
            "device": f"d-{name}", "start": start, "at": at, "wishes": BERLIN, "by": "customer", **more,
        }
    )  # fmt: skip


class Office:
    """The processor, fed by hand; `forgetful` starts it anew from its blocks after everything that happens."""

    def __init__(self, *, forgetful: bool = False, kind: type[Callbacks] = Callbacks, **changes: Any) -> None:
        self.options, self._kind, self._forgetful = options(**changes), kind, forgetful
        self.processor = kind(self.options)
        self.blocks: dict[str, bytes] = {}
        self.out: list[Out] = []
        self.now: Micros = 0

    def ask(self, kind: SlotKind, name: str, at: Micros, start: Micros | None = None, **more: Any) -> list[Booking]:
        """One request; what became of it."""
        return self.take(slot(kind, name, at, start, **more))

    def take(self, asked: Slot) -> list[Booking]:
        """The same for a request that is made already."""
        found = self.pass_time(asked.at) + self._keep(list(self.processor.step(topics.SLOTS, 0, asked, self.now)))
        return [out.record for out in found if isinstance(out.record, Booking) and out.record.because == asked.id]

    def book(self, name: str, at: Micros, start: Micros | None = None, **more: Any) -> Booking:
        """A booking is asked for."""
        [fact] = self.ask(SlotKind.BOOK, name, at, start, **more)
        return fact

    def pass_time(self, now: Micros) -> list[Out]:
        """Until then nothing is asked."""
        self.now = max(self.now, now)
        return self._keep(list(self.processor.due(self.now)))

    def free(self, at: Micros, how: Meeting = Meeting.PHONE, most: int = 3) -> list[Micros]:
        """What would be offered."""
        return [each.start for each in self.processor._diary("main").shelf.free(how, at, BERLIN, most)]

    @property
    def bookings(self) -> list[Booking]:
        """All facts."""
        return [out.record for out in self.out if isinstance(out.record, Booking)]

    @property
    def commands(self) -> list[Command]:
        """What cases were told."""
        return [out.record for out in self.out if isinstance(out.record, Command)]

    @property
    def written(self) -> list[Notification]:
        """What was written to customers."""
        return [out.record for out in self.out if isinstance(out.record, Notification)]

    @property
    def wire(self) -> list[bytes]:
        """Everything that left, byte for byte."""
        return [to_wire(out.record, "urn:vorab:callbacks")[1] for out in self.out]

    def _keep(self, out: list[Out]) -> list[Out]:
        self.out += out
        if self._forgetful:
            self.blocks.update(self.processor.dirty())
            self.processor = self._kind(self.options)
            self.processor.restore({name: block for name, block in self.blocks.items() if block})
        return out


def double_booked(facts: list[Booking], team: int = 1, how: Meeting = Meeting.PHONE) -> int:
    """Slots that stand in the calendars of more customers than there are people: what an outsider sees who reads the facts."""
    held: dict[str, tuple[Micros, Micros]] = {}
    wrong = 0
    for fact in facts:
        if fact.how is not how or fact.kind == "refused":
            continue
        held.pop(fact.booking, None)
        if fact.status == "open" and fact.start is not None and fact.end is not None:
            beside = sum(first < fact.end and fact.start < end for first, end in held.values())
            wrong += beside >= team
            held[fact.booking] = fact.start, fact.end
    return wrong
