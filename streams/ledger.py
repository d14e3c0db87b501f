"""ledger: symptoms, case events and contacts of customers in, lead times out; the fold of one device is `streams.ledger_book`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

import msgspec

from streams.ledger_book import KEPT, Book
from vorab.clock import DAY, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import CaseEvent, Command, Record, Symptom
from vorab.topics import CASES, COMMANDS, LEAD_TIMES, SYMPTOMS

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Book).decode


class Ledger:
    """The processor of one partition."""

    name: ClassVar[str] = "ledger"
    inputs: ClassVar[tuple[Input, ...]] = (Input(SYMPTOMS), Input(CASES), Input(COMMANDS, gating=False))
    outputs: ClassVar[tuple[str, ...]] = (LEAD_TIMES,)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 1

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}
        self._changed: set[str] = set()
        self._today = 0
        """Days since 1970; once a day what is long over is let go."""

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Fold a record."""
        if not isinstance(record, Symptom | CaseEvent | Command):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        book = self._books.setdefault(record.key, Book(record.tenant, record.device))
        self._changed.add(record.key)
        return [Out(LEAD_TIMES, line) for line in book.take(record)]

    def due(self, now: Micros) -> Iterable[Out]:
        """Let go what is long over; there is nothing to say about it."""
        if now // DAY > self._today:
            self._today = now // DAY
            for key, book in list(self._books.items()):
                if book.forget(self._today * DAY - KEPT):
                    self._changed.add(key)
                if book.empty:
                    del self._books[key]
                    self._changed.add(key)
        return ()

    def dirty(self) -> Mapping[str, bytes]:
        """One block per device that changed."""
        blocks = {key: _encode(self._books[key]) if key in self._books else b"" for key in sorted(self._changed)}
        self._changed.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over the devices."""
        self._books = {key: _decode(block) for key, block in blocks.items() if block}


def kind() -> Kind:
    """What hosts need to run it."""
    return kind_of(Ledger, lambda _partition, _registry: Ledger())
