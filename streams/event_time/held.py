"""Rows that wait: a bounded store of rows of frames, given back as a frame in whatever order they are asked for.

Rows stay as they came, in blocks of the same signals, so that whoever reads a frame can read them. Of each row a few numbers stand in
one array beside, in the order of arrival; `serial` numbers them. Checkpoints write pieces of neighbouring rows; a piece is written again
only while rows join or leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.detect.rows import believed, part
from streams.detectors.columns import Slots
from vorab.frame import Block, Frame, decode, encode

WAITING: Final = np.dtype(
    [
        ("device", "<i8"),
        ("measured", "<i8"),
        ("boot", "<i8"),
        ("seq", "<u8"),
        ("due", "<i8"),  # released when the clock of arrivals passes this
        ("past", "?"),
        ("serial", "<i8"),
        ("piece", "<i8"),
        ("block", "<i8"),
        ("place", "<i8"),
    ]
)
PIECE_ROWS: Final = 1024
PIECE_BYTES: Final = 300_000
"""Where a piece ends; with the numbers beside, it stays below 512 KiB."""
MOST_BLOCKS: Final = 256
NAME: Final = "held"


class Held:
    """The rows that wait."""

    def __init__(self) -> None:
        self.rows: NDArray[Any] = np.zeros(0, WAITING)
        self._blocks: dict[int, Block] = {}
        self._next_block = 0
        self.serial = 0
        """The number of the next row."""
        self._piece, self._piece_rows, self._piece_bytes = 0, 0, 0
        self._changed: set[int] = set()
        self._written: set[int] = set()

    def __len__(self) -> int:
        """How many rows wait."""
        return len(self.rows)

    def add(self, blocks: Sequence[Block], block: Slots, place: Slots, rows: NDArray[Any]) -> None:
        """Take rows in the order of arrival: where each stands in these blocks, and its numbers, serial included."""
        rows = rows.copy()
        for i in np.unique(block).tolist():
            mine = np.flatnonzero(block == i)
            self._blocks[self._next_block] = part(blocks[i], place[mine], mine, rows["device"][mine])
            rows["block"][mine], rows["place"][mine] = self._next_block, np.arange(len(mine))
            self._next_block += 1
        sizes = np.array([_size(each) for each in blocks])[block].tolist()
        pieces = []
        for size in sizes:
            if self._piece_rows >= PIECE_ROWS or self._piece_bytes + size > PIECE_BYTES:
                self._piece, self._piece_rows, self._piece_bytes = self._piece + 1, 0, 0
            self._piece_rows, self._piece_bytes = self._piece_rows + 1, self._piece_bytes + size
            pieces.append(self._piece)
        rows["piece"] = pieces
        self._changed.update(pieces)
        self.serial = int(rows["serial"][-1]) + 1
        self.rows = np.concatenate([self.rows, rows])

    def take(self, serials: Sequence[int]) -> Frame:
        """Give these rows back as a frame, in this order, whose devices are slots; they wait no longer."""
        at = np.searchsorted(self.rows["serial"], np.array(serials, np.int64))
        rows = self.rows[at]
        self._changed.update(np.unique(rows["piece"]).tolist())
        keep = np.ones(len(self.rows), bool)
        keep[at] = False
        self.rows = self.rows[keep]
        frame = Frame(0, [], self._gather(rows, rows["device"]))
        self._tidy()
        return frame

    def drop(self, serials: Sequence[int]) -> None:
        """Let rows go."""
        if serials:
            self.take(serials)

    def _gather(self, rows: NDArray[Any], devices: NDArray[Any]) -> list[Block]:
        return [part(self._blocks[block], rows["place"][mine], mine, devices[mine]) for block, mine in _by_block(rows)]

    def _tidy(self) -> None:
        """Blocks of which nothing waits are let go, many small ones of one shape become one."""
        if not len(self.rows):
            self._blocks.clear()
        elif len(self._blocks) > MOST_BLOCKS:
            used = np.unique(self.rows["block"]).tolist()
            self._blocks = {i: self._blocks[i] for i in used}
            if len(used) > MOST_BLOCKS // 2:
                self._merge()

    def _merge(self) -> None:
        shapes: dict[Any, list[Block]] = {}
        places: dict[Any, list[Slots]] = {}
        rows = self.rows
        for block, mine in _by_block(rows):
            shape = _shape(self._blocks[block])
            shapes.setdefault(shape, []).append(part(self._blocks[block], rows["place"][mine], mine, rows["device"][mine]))
            places.setdefault(shape, []).append(mine)
        self._blocks.clear()
        for shape, parts in shapes.items():
            mine = np.concatenate(places[shape])
            self._blocks[self._next_block] = _joined(parts)
            rows["block"][mine], rows["place"][mine] = self._next_block, np.arange(len(mine))
            self._next_block += 1

    # ------------------------------------------------------------------------------------------------- state

    def dirty(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The pieces that changed; `keys` are the devices by slot."""
        out: dict[str, bytes] = {}
        for piece in sorted(self._changed):
            rows = self.rows[self.rows["piece"] == piece]
            if len(rows):
                out[f"{NAME}/{piece}"] = self._pack(rows, keys)
                self._written.add(piece)
            elif piece in self._written:
                out[f"{NAME}/{piece}"] = b""
                self._written.discard(piece)
        self._changed.clear()
        return out

    def _pack(self, rows: NDArray[Any], keys: Sequence[str]) -> bytes:
        slots, devices = np.unique(rows["device"], return_inverse=True)
        frame = Frame(0, [keys[slot] for slot in slots.tolist()], self._gather(rows, devices))
        beside = {name: rows[name].tobytes() for name in ("due", "past", "serial")}
        return msgspec.msgpack.encode({"frame": encode(frame), **beside})

    def restore(self, blocks: Mapping[str, bytes], slot: Callable[[str], int]) -> None:
        """Take over rows; `slot` gives a device's slot."""
        got = []
        for name in sorted((name for name in blocks if name.startswith(NAME + "/")), key=lambda name: int(name.rpartition("/")[2])):
            kept: dict[str, bytes] = msgspec.msgpack.decode(blocks[name])
            frame, piece = decode(kept["frame"]), int(name.rpartition("/")[2])
            rows = np.zeros(frame.n, WAITING)
            for field, dtype in (("due", "<i8"), ("past", "?"), ("serial", "<i8")):
                rows[field] = np.frombuffer(kept[field], dtype)
            devices = np.array([slot(key) for key in frame.devices], np.int64)
            for block in frame.blocks:
                mine = block.row.astype(np.intp)
                rows["device"][mine], rows["measured"][mine] = devices[block.device], believed(block)
                rows["boot"][mine], rows["seq"][mine] = 0 if block.boot is None else block.boot, 0 if block.seq is None else block.seq
                rows["block"][mine], rows["place"][mine] = self._next_block, np.arange(len(block))
                self._blocks[self._next_block] = part(block, np.arange(len(block)), mine, devices[block.device])
                self._next_block += 1
            rows["piece"] = piece
            self._written.add(piece)
            self._piece, self._piece_rows = piece + 1, 0
            got.append(rows)
        if got:
            self.rows = np.concatenate(got)
            self.serial = int(self.rows["serial"].max()) + 1


def _by_block(rows: NDArray[Any]) -> Iterator[tuple[int, Slots]]:
    """Each block with the rows that stand in it."""
    order = np.argsort(rows["block"], kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(rows["block"][order])) + 1):
        if len(mine):
            yield int(rows["block"][mine[0]]), mine


def _size(block: Block) -> int:
    """About how many bytes a row of a block takes; words have at most 255 characters."""
    return 64 + 10 * len(block.signals) + 1024 * len(block.text)


def _shape(block: Block) -> Any:
    signals = tuple((name, column.dtype.str) for name, column in block.signals.items())
    return signals, tuple(block.units.items()), block.boot is None, block.seq is None, tuple(block.text)


def _joined(parts: Sequence[Block]) -> Block:
    first = parts[0]

    def whole(get: Callable[[Block], Any]) -> Any:
        return np.concatenate([get(each) for each in parts])

    return Block(
        row=whole(lambda each: each.row),
        device=whole(lambda each: each.device),
        measured_at=whole(lambda each: each.measured_at),
        received_at=whole(lambda each: each.received_at),
        quality=whole(lambda each: each.quality),
        boot=None if first.boot is None else whole(lambda each: each.boot),
        seq=None if first.seq is None else whole(lambda each: each.seq),
        signals={name: whole(lambda each: each.signals[name]) for name in first.signals},  # noqa: B023 - called at once
        units=first.units,
        text={name: [word for each in parts for word in each.text[name]] for name in first.text},
    )
