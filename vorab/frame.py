"""The frame: many readings of many devices of one partition in one record, in columns.

A MessagePack map with little-endian typed columns as binary; rows of the same signals stand together in blocks, and `row` keeps the
order of arrival across blocks. `docs/frame.md` shows the layout and how to read it in other languages.

    {"v": 1, "n": rows, "now": µs, "devices": [key, …],
     "blocks": [{"row": u4, "device": u4, "measured_at": i8, "received_at": i8, "quality": u1, "boot": u4?, "seq": u8?,
                 "signals": {name: {"f8"|"i8"|"b1": column}}, "units": {name: unit}, "text": {name: [str, …]}}]}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from vorab.clock import Micros
from vorab.errors import Reason, Rejected

VERSION: Final = 1

U1: Final = np.dtype("<u1")
U4: Final = np.dtype("<u4")
U8: Final = np.dtype("<u8")
I8: Final = np.dtype("<i8")
F8: Final = np.dtype("<f8")
B1: Final = np.dtype("?")

SIGNAL_TYPES: Final = {"f8": F8, "i8": I8, "b1": B1}
_CODES: Final = {F8: "f8", I8: "i8", B1: "b1"}

Value = float | int | bool | str


class Quality(IntFlag):
    """How far a time stamp can be trusted."""

    MEASURED = 0
    """The device's own time, within bounds."""
    ARRIVAL = 1
    """The device gave none: the time of arrival stands in."""
    CLAMPED = 2
    """The device's time was out of bounds and was replaced by the time of arrival."""
    ASSUMED_ZONE = 4
    """The device's time had no zone."""
    RECORDED = 8
    """Taken as it is: a recording, its time is the data's."""
    HISTORICAL = 16
    """Kept by the device or its gateway and handed in later: it says what was, not what is."""


class Reading(NamedTuple):
    """One row: one device at one instant."""

    device: str
    """Key of the device, `tenant/device`."""
    measured_at: Micros
    received_at: Micros
    quality: int
    values: Mapping[str, Value]
    units: Mapping[str, str] = {}
    boot: int | None = None
    seq: int | None = None


@dataclass(slots=True)
class Block:
    """Rows that carry the same signals, as columns of equal length."""

    row: NDArray[np.uint32]
    device: NDArray[np.uint32]
    """Index into the frame's devices."""
    measured_at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    quality: NDArray[np.uint8]
    boot: NDArray[np.uint32] | None = None
    seq: NDArray[np.uint64] | None = None
    signals: dict[str, NDArray[Any]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    text: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.row)


@dataclass(slots=True)
class Frame:
    """One record of `vorab.readings`; a frame without rows is a tick."""

    now: Micros
    devices: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Number of rows."""
        return sum(map(len, self.blocks))


def encode(frame: Frame) -> bytes:
    """The bytes of a frame."""
    return msgspec.msgpack.encode(
        {"v": VERSION, "n": frame.n, "now": frame.now, "devices": frame.devices, "blocks": [_pack(block) for block in frame.blocks]}
    )


def _pack(block: Block) -> dict[str, object]:
    out: dict[str, object] = {
        "row": block.row.astype(U4, copy=False).tobytes(),
        "device": block.device.astype(U4, copy=False).tobytes(),
        "measured_at": block.measured_at.astype(I8, copy=False).tobytes(),
        "received_at": block.received_at.astype(I8, copy=False).tobytes(),
        "quality": block.quality.astype(U1, copy=False).tobytes(),
        "signals": {name: {_CODES[column.dtype]: column.tobytes()} for name, column in block.signals.items()},
        "units": block.units,
        "text": block.text,
    }
    if block.boot is not None:
        out["boot"] = block.boot.astype(U4, copy=False).tobytes()
    if block.seq is not None:
        out["seq"] = block.seq.astype(U8, copy=False).tobytes()
    return out


class _WireBlock(msgspec.Struct):
    row: bytes
    device: bytes
    measured_at: bytes
    received_at: bytes
    quality: bytes
    signals: dict[str, dict[str, bytes]]
    boot: bytes | None = None
    seq: bytes | None = None
    units: dict[str, str] = {}
    text: dict[str, list[str]] = {}


class _WireFrame(msgspec.Struct):
    v: int
    n: int
    now: int
    devices: list[str] = []
    blocks: list[_WireBlock] = []


_decoder: Final = msgspec.msgpack.Decoder(_WireFrame)


def decode(data: bytes) -> Frame:
    """The frame of these bytes; unknown keys are tolerated, columns are read-only views.

    Raises:
        Rejected: not a frame, a newer version, or columns that do not fit together.
    """
    try:
        wire = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise Rejected(Reason.BAD_FRAME, str(error)) from None
    if wire.v != VERSION:
        raise Rejected(Reason.NEWER_VERSION, f"frame version {wire.v}")
    try:
        frame = Frame(wire.now, wire.devices, [_unpack(block, len(wire.devices)) for block in wire.blocks])
    except ValueError as error:
        raise Rejected(Reason.BAD_FRAME, str(error)) from None
    if frame.n != wire.n:
        raise Rejected(Reason.BAD_FRAME, f"{frame.n} rows where n says {wire.n}")
    return frame


def _unpack(wire: _WireBlock, devices: int) -> Block:
    signals: dict[str, NDArray[Any]] = {}
    for name, typed in wire.signals.items():
        for code, column in typed.items():
            if code in SIGNAL_TYPES:  # a type of tomorrow is skipped, not refused
                signals[name] = np.frombuffer(column, SIGNAL_TYPES[code])
    block = Block(
        row=np.frombuffer(wire.row, U4),
        device=np.frombuffer(wire.device, U4),
        measured_at=np.frombuffer(wire.measured_at, I8),
        received_at=np.frombuffer(wire.received_at, I8),
        quality=np.frombuffer(wire.quality, U1),
        boot=None if wire.boot is None else np.frombuffer(wire.boot, U4),
        seq=None if wire.seq is None else np.frombuffer(wire.seq, U8),
        signals=signals,
        units=wire.units,
        text=wire.text,
    )
    columns = [
        block.device,
        block.measured_at,
        block.received_at,
        block.quality,
        block.boot,
        block.seq,
        *signals.values(),
        *wire.text.values(),
    ]
    if any(column is not None and len(column) != len(block.row) for column in columns):
        msg = "columns of different length"
        raise ValueError(msg)
    if len(block) and int(block.device.max()) >= devices:
        msg = "a row of a device that is not in the frame"
        raise ValueError(msg)
    return block


class Shape(NamedTuple):
    """What rows of one block have in common."""

    signals: tuple[tuple[str, str], ...]
    """(name, "f8" | "i8" | "b1" | "text") in the order of the names."""
    units: tuple[tuple[str, str], ...]
    has_boot: bool
    has_seq: bool


def _code(value: Value) -> str:
    if isinstance(value, bool):
        return "b1"
    if isinstance(value, int):
        return "i8"
    return "f8" if isinstance(value, float) else "text"


def shape_of(reading: Reading) -> Shape:
    """The shape of a row."""
    values = reading.values
    return Shape(
        tuple((name, _code(values[name])) for name in sorted(values)),
        tuple(sorted((name, unit) for name, unit in reading.units.items() if unit)),
        reading.boot is not None,
        reading.seq is not None,
    )


def pack(readings: Iterable[Reading], now: Micros) -> Frame:
    """A frame of these rows in this order; `now` (µs) is the writer's time."""
    rows = list(readings)
    index: dict[str, int] = {}
    groups: dict[Shape, list[int]] = {}
    for i, reading in enumerate(rows):
        index.setdefault(reading.device, len(index))
        groups.setdefault(shape_of(reading), []).append(i)
    blocks = [_block(shape, at, [rows[i] for i in at], index) for shape, at in groups.items()]
    return Frame(now, list(index), blocks)


def _block(shape: Shape, at: Sequence[int], rows: Sequence[Reading], index: Mapping[str, int]) -> Block:
    signals: dict[str, NDArray[Any]] = {}
    text: dict[str, list[str]] = {}
    for name, code in shape.signals:
        column: list[Any] = [row.values[name] for row in rows]
        if code == "text":
            text[name] = column
        else:
            signals[name] = np.array(column, SIGNAL_TYPES[code])
    return Block(
        row=np.array(at, U4),
        device=np.array([index[row.device] for row in rows], U4),
        measured_at=np.array([row.measured_at for row in rows], I8),
        received_at=np.array([row.received_at for row in rows], I8),
        quality=np.array([row.quality for row in rows], U1),
        boot=np.array([row.boot for row in rows], U4) if shape.has_boot else None,
        seq=np.array([row.seq for row in rows], U8) if shape.has_seq else None,
        signals=signals,
        units=dict(shape.units),
        text=text,
    )


def unpack(frame: Frame) -> list[Reading]:
    """The rows of a frame in the order of arrival."""
    rows: list[tuple[int, Reading]] = []
    for block in frame.blocks:
        columns = {**{name: column.tolist() for name, column in block.signals.items()}, **block.text}
        boot = block.boot.tolist() if block.boot is not None else None
        seq = block.seq.tolist() if block.seq is not None else None
        measured, received, quality = block.measured_at.tolist(), block.received_at.tolist(), block.quality.tolist()
        devices = block.device.tolist()
        for i, row in enumerate(block.row.tolist()):
            values = {name: column[i] for name, column in columns.items()}
            rows.append(
                (
                    row,
                    Reading(
                        frame.devices[devices[i]], measured[i], received[i], quality[i], values, block.units,
                        boot[i] if boot else None, seq[i] if seq else None,
                    ),
                )
            )  # fmt: skip
    rows.sort(key=lambda pair: pair[0])
    return [reading for _, reading in rows]
