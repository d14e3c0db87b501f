"""gaps: readings in, missing sequence numbers out; vectorised over frames, row by row only where a number is not the one expected.

Per device stand its boot and its last number in columns; almost every row says the next number and moves only that. What else there is to
know (numbers that are missing, boots before this one) stands in `streams.gap_book`, for those devices that have any.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.detect.rows import Rows, rows_of
from streams.detectors.columns import Columns, Runs
from streams.gap_book import Book, Count, Said
from vorab import ids
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import Gap, Record
from vorab.topics import GAPS, READINGS

_LAYOUT: Final = {"boot": "<i8", "first": "<u8", "last": "<u8", "began": "<i8"}
_BLOCK: Final = 1024

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Book).decode


class Gaps:
    """The processor of one partition."""

    name: ClassVar[str] = "gaps"
    inputs: ClassVar[tuple[Input, ...]] = (Input(READINGS),)
    outputs: ClassVar[tuple[str, ...]] = (GAPS,)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 1

    def __init__(self) -> None:
        self._columns = Columns("devices", _LAYOUT, _BLOCK)
        self._keys: list[str] = []
        self._slots: dict[str, int] = {}
        self._books: dict[int, Book] = {}
        self._changed: set[int] = set()
        """Slots whose book is another one than on the log."""
        self._timers: list[tuple[Micros, int]] = []
        """Deadline and slot; of a slot the first counts, others may be out of date."""

    # ----------------------------------------------------------------------------------------------- events

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Fold a frame."""
        if not isinstance(record, Frame):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        if not any(block.seq is not None and len(block) for block in record.blocks):
            return []
        rows = rows_of(record, lambda _name: False)
        if rows.seq is None:
            return []
        some = np.arange(len(rows)) if rows.numbered is None else np.flatnonzero(rows.numbered)
        return self._fold(record, rows, rows.seq[some], some)

    def due(self, now: Micros) -> Iterable[Out]:
        """Numbers that are late by now, and numbers that have come."""
        outs: list[Out] = []
        while self._timers and self._timers[0][0] < now:
            _, slot = heapq.heappop(self._timers)
            book = self._books.get(slot)
            if book is not None and (said := book.tell(now)):
                outs += self._outs(slot, said)
                self._settle(slot, book)
        return outs

    # ----------------------------------------------------------------------------------------------- rows

    def _fold(self, frame: Frame, rows: Rows, seq: NDArray[np.uint64], some: NDArray[np.intp]) -> list[Out]:
        boot = np.zeros(len(some), np.int64) if rows.boot is None else rows.boot[some]
        received = rows.received[some]
        slots, known = self._slots_of(frame.devices, rows.device[some])
        runs, of = Runs(slots), self._columns.of
        boots, seqs, times = runs.sort(boot), runs.sort(seq), runs.sort(received)
        last = runs.before(seqs, of["last"][runs.slots])
        same = runs.before(boots, of["boot"][runs.slots]) == boots
        expected = same & ((seqs == last + np.uint64(1)) | (seqs == last)) & runs.sort(known)
        odd = runs.any(~expected)
        heads, tails = ~odd[runs.firsts], runs.lasts
        moved = runs.unique[heads]
        of["last"][moved] = seqs[tails[heads]]
        self._columns.touch(moved)
        if not odd.any():
            return []
        outs: list[Out] = []
        at = np.flatnonzero(odd)
        for slot, *row in zip(runs.slots[at].tolist(), boots[at].tolist(), seqs[at].tolist(), times[at].tolist(), strict=True):
            outs += self._see(slot, *row)
        return outs

    def _slots_of(self, devices: list[str], device: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Per row the slot of its device, and whether it was heard before; only of devices that count."""
        present = np.unique(device)
        place, known = np.zeros(len(devices), np.intp), np.zeros(len(devices), bool)
        for i in present.tolist():
            slot = self._slots.get(devices[i], -1)
            known[i] = slot >= 0
            if slot < 0:
                slot = self._slots[devices[i]] = self._columns.grow(1)
                self._keys.append(devices[i])
                self._columns.of["boot"][slot] = -1
            place[i] = slot
        return place[device], known[device]

    def _see(self, slot: int, boot: int, seq: int, at: Micros) -> list[Out]:
        """One row of a device of which something in this frame was not expected."""
        of = self._columns.of
        book = self._books.get(slot)
        if of["boot"][slot] < 0:
            book = Book(Count(boot, seq, seq, at))
        elif book is None:
            book = Book(Count(int(of["boot"][slot]), int(of["first"][slot]), int(of["last"][slot]), int(of["began"][slot])))
        book.now.last = max(book.now.last, int(of["last"][slot])) if of["boot"][slot] == book.now.boot else book.now.last
        said = list(book.see(boot, seq, at))
        now = book.now
        of["boot"][slot], of["first"][slot], of["last"][slot], of["began"][slot] = now.boot, now.first, now.last, now.began
        self._columns.touch(np.array([slot]))
        self._settle(slot, book)
        return self._outs(slot, said)

    def _settle(self, slot: int, book: Book) -> None:
        """Keep the book if there is anything in it, and set its timer."""
        if book.plain:
            if self._books.pop(slot, None) is not None:
                self._changed.add(slot)
            return
        self._changed.add(slot)
        self._books[slot] = book
        deadline = book.deadline
        if deadline is not None:
            heapq.heappush(self._timers, (deadline, slot))

    def _outs(self, slot: int, said: Iterable[Said]) -> list[Out]:
        key = self._keys[slot]
        tenant, _, device = key.partition("/")
        return [
            Out(
                GAPS,
                Gap(
                    id=ids.gap_id(key, each.boot, each.first, each.last, filled=each.filled),
                    tenant=tenant,
                    device=device,
                    boot=each.boot,
                    first=each.first,
                    last=each.last,
                    filled=each.filled,
                    at=each.at,
                ),
            )
            for each in said
        ]

    # ----------------------------------------------------------------------------------------------- state

    def dirty(self) -> Mapping[str, bytes]:
        """Columns in blocks, and one block per device with missing numbers."""
        columns = self._columns
        blocks = {name: columns.pack(first, last, keys=self._keys[first:last]) for name, first, last in columns.take_changed()}
        for slot in self._changed:
            book = self._books.get(slot)
            blocks[f"open/{slot}"] = b"" if book is None else _encode(book)
        self._changed = set()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over columns and books."""
        numbered = sorted((int(name.rpartition("/")[2]), name) for name in blocks if name.startswith("devices/"))
        for _, name in numbered:
            beside: dict[str, Any] = self._columns.unpack(name, blocks[name])
            self._keys += beside["keys"]
        self._slots = {key: slot for slot, key in enumerate(self._keys)}
        for name, block in blocks.items():
            if name.startswith("open/") and block:
                slot, book = int(name.rpartition("/")[2]), _decode(block)
                self._books[slot] = book
                if (deadline := book.deadline) is not None:
                    self._timers.append((deadline, slot))
        heapq.heapify(self._timers)


def kind() -> Kind:
    """What hosts need to run it."""
    return kind_of(Gaps, lambda _partition, _registry: Gaps())
