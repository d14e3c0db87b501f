"""Many messages at once: payloads of one shape become columns without an object per message.

`quick` takes the common case (one flat JSON object with plain values) and leaves everything else to the decoders; both ways give the same rows.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from ingest.decoders.flat import MS, RESERVED
from ingest.decoders.rows import MAX_SIGNALS, MAX_TEXT, SIGNAL
from ingest.timing import ARRIVAL, CLAMPED, MEASURED, NEWEST, OLDEST
from vorab.clock import Micros
from vorab.frame import I8, SIGNAL_TYPES, U1, U4, U8, Reading, shape_of

ROWS_PER_MESSAGE: Final = 1024
"""Room for the rows of one message in a rank."""
_ISOLATE: Final = 8
"""A group this small that will not become columns goes to the decoders one by one."""
_I64: Final = 2.0**63


@dataclass(slots=True)
class Columns:
    """Rows of one shape, of any devices, in the order in which they arrived."""

    rank: NDArray[np.int64]
    """Orders the rows of one pass: message index times `ROWS_PER_MESSAGE`, plus the row within the message."""
    number: NDArray[np.int64]
    """The number of the device, as the topic map counts."""
    measured_at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    quality: NDArray[np.uint8]
    boot: NDArray[np.uint32] | None = None
    seq: NDArray[np.uint64] | None = None
    signals: dict[str, NDArray[Any]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    text: dict[str, list[str]] = field(default_factory=dict)


class Layout(NamedTuple):
    """Where in an object with these keys everything stands."""

    size: int
    ts: int | None
    boot: int | None
    seq: int | None
    identity: tuple[int, ...]
    signals: tuple[tuple[str, int], ...]
    """By name, so that equal shapes are equal bytes."""


@functools.lru_cache(maxsize=4096)
def layout_of(keys: tuple[str, ...]) -> Layout | None:
    """The layout of an object with these keys; None when it needs the decoder."""
    at = {key: i for i, key in enumerate(keys)}
    signals = sorted((key, i) for key, i in at.items() if key not in RESERVED)
    if not 0 < len(signals) <= MAX_SIGNALS or not all(SIGNAL.fullmatch(name) for name, _ in signals):
        return None
    identity = tuple(at[name] for name in ("device", "device_id") if name in at)
    return Layout(len(keys), at.get("ts"), at.get("boot"), at.get("seq"), identity, tuple(signals))


class Quick(NamedTuple):
    """Messages of live devices that say what they are by their topic alone."""

    places: list[int]
    """Index of each message among the arrivals."""
    numbers: list[int]
    payloads: list[bytes]


_CODES: Final[dict[type, str]] = {float: "f8", int: "i8", bool: "b1", str: "text"}


def quick(found: Quick, received_at: Micros, devices: Sequence[tuple[str, str]], payload_bytes: int) -> tuple[list[Columns], list[int]]:
    """Columns of the messages that need no second look, and the places (in `found`) of those that do.

    `devices` gives id and key by device number.
    """
    made: list[Columns] = []
    left: list[int] = []
    if not found.payloads:
        return made, left
    objects = _parse(found.payloads, payload_bytes)
    by_keys: dict[tuple[str, ...], list[int]] = {}
    keys = [tuple(parsed) if type(parsed) is dict else () for parsed in objects]
    if keys.count(keys[0]) == len(keys):
        by_keys[keys[0]] = list(range(len(keys)))
    else:
        for i, key in enumerate(keys):
            by_keys.setdefault(key, []).append(i)
    colons = [payload.count(b":") for payload in found.payloads]
    for key, group in by_keys.items():
        layout = layout_of(key)
        if layout is None:
            left += group
            continue
        # As many colons as keys: no key stands twice (the parser would let the last one win), no text needs a closer look.
        plain = [i for i in group if colons[i] == layout.size]
        if len(plain) != len(group):
            left += [i for i in group if colons[i] != layout.size]
        _Group(found, objects, received_at, devices, layout).add(plain, made, left)
    return made, left


def _parse(payloads: list[bytes], payload_bytes: int) -> list[Any]:
    if max(map(len, payloads)) <= payload_bytes:
        try:
            return list(map(orjson.loads, payloads))
        except orjson.JSONDecodeError:
            pass
    # Each payload is parsed alone, always: joined ones could shift what a hostile payload leaves open into its neighbour.
    return [_parsed(payload) if len(payload) <= payload_bytes else None for payload in payloads]


def _parsed(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None


class _Group(NamedTuple):
    """Messages with the same keys."""

    found: Quick
    objects: list[Any]
    received_at: Micros
    devices: Sequence[tuple[str, str]]
    layout: Layout

    def add(self, group: list[int], made: list[Columns], left: list[int]) -> None:
        """Turn these messages into columns, or leave them to the decoders."""
        if not group:
            return
        columns = list(zip(*[self.objects[i].values() for i in group], strict=True))
        kinds = [set(map(type, column)) for column in columns]
        if any(len(kind) > 1 for kind in kinds):
            by_types: dict[tuple[type, ...], list[int]] = {}
            for i, types in zip(group, zip(*[map(type, column) for column in columns], strict=True), strict=True):
                by_types.setdefault(types, []).append(i)
            for same in by_types.values():
                self.add(same, made, left)
            return
        built = self._build(group, columns, [kind.pop() for kind in kinds])
        if built is not None:
            made.append(built)
        elif len(group) <= _ISOLATE:
            left += group
        else:
            # Something in here needs a closer look: find it by halves, so that one odd payload does not slow its neighbours.
            half = len(group) // 2
            self.add(group[:half], made, left)
            self.add(group[half:], made, left)

    def _build(self, group: list[int], columns: list[tuple[Any, ...]], kinds: list[type]) -> Columns | None:
        layout, found = self.layout, self.found
        signals: dict[str, NDArray[Any]] = {}
        text: dict[str, list[str]] = {}
        for name, i in layout.signals:
            column = columns[i]
            code = _CODES.get(kinds[i])
            if code == "f8":
                # Beyond ±2^63 stands infinity, or a whole number that does not fit; the decoder knows which.
                values = np.array(column)
                if not (values.max() < _I64 and values.min() > -_I64):
                    return None
                signals[name] = values
            elif code == "text":
                if max(map(len, column)) > MAX_TEXT:
                    return None
                text[name] = list(column)
            elif code is None or (array := _array(column, SIGNAL_TYPES[code])) is None:
                return None
            else:
                signals[name] = array
        whole = len(group) == len(found.places)
        numbers = found.numbers if whole else [found.numbers[i] for i in group]
        if layout.identity and not self._same_identity(numbers, columns):
            return None
        timed = self._times(columns, kinds)
        if timed is None:
            return None
        measured_at, quality = timed
        boot = seq = None
        if layout.boot is not None and (kinds[layout.boot] is not int or (boot := _array(columns[layout.boot], U4)) is None):
            return None
        if layout.seq is not None and (kinds[layout.seq] is not int or (seq := _array(columns[layout.seq], U8)) is None):
            return None
        return Columns(
            rank=np.array(found.places if whole else [found.places[i] for i in group], I8) * ROWS_PER_MESSAGE,
            number=np.array(numbers, I8),
            measured_at=measured_at,
            received_at=np.full(len(group), self.received_at, I8),
            quality=quality,
            boot=boot,
            seq=seq,
            signals=signals,
            text=text,
        )

    def _same_identity(self, numbers: list[int], columns: list[tuple[Any, ...]]) -> bool:
        names = [self.devices[number] for number in numbers]
        return all(said in name for i in self.layout.identity for said, name in zip(columns[i], names, strict=True))

    def _times(self, columns: list[tuple[Any, ...]], kinds: list[type]) -> tuple[NDArray[np.int64], NDArray[np.uint8]] | None:
        received_at, ts = self.received_at, self.layout.ts
        if ts is None:
            n = len(columns[0])
            return np.full(n, received_at, I8), np.full(n, ARRIVAL, U1)
        if kinds[ts] is float:
            stamps = np.array(columns[ts]) * MS
            at = np.rint(np.clip(stamps, -_I64 / 2, _I64 / 2)).astype(I8)
        elif kinds[ts] is int and max(columns[ts]) < _MOST_MS and min(columns[ts]) > -_MOST_MS:
            at = np.array(columns[ts], I8) * MS
        else:
            return None
        low, high = received_at - OLDEST, received_at + NEWEST
        if at.min() >= low and at.max() <= high:
            return at, np.full(len(at), MEASURED, U1)
        good = (at >= low) & (at <= high)
        return np.where(good, at, received_at), np.where(good, MEASURED, CLAMPED).astype(U1)


_MOST_MS: Final = 2**62 // MS


def _array(column: tuple[Any, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    try:
        return np.array(column, dtype)
    except OverflowError:
        return None


class Placed(NamedTuple):
    """A decoded row with its place in the pass."""

    rank: int
    number: int
    reading: Reading


def slow(rows: Sequence[Placed]) -> list[Columns]:
    """Columns of rows that came out of the decoders."""
    groups: dict[Any, list[Placed]] = {}
    for row in rows:
        groups.setdefault(shape_of(row.reading), []).append(row)
    made = []
    for shape, same in groups.items():
        readings = [row.reading for row in same]
        signals: dict[str, NDArray[Any]] = {}
        text: dict[str, list[str]] = {}
        for name, code in shape.signals:
            column: list[Any] = [reading.values[name] for reading in readings]
            if code == "text":
                text[name] = column
            else:
                signals[name] = np.array(column, SIGNAL_TYPES[code])
        made.append(
            Columns(
                rank=np.array([row.rank for row in same], I8),
                number=np.array([row.number for row in same], I8),
                measured_at=np.array([reading.measured_at for reading in readings], I8),
                received_at=np.array([reading.received_at for reading in readings], I8),
                quality=np.array([reading.quality for reading in readings], U1),
                boot=np.array([reading.boot for reading in readings], U4) if shape.has_boot else None,
                seq=np.array([reading.seq for reading in readings], U8) if shape.has_seq else None,
                signals=signals,
                units=dict(shape.units),
                text=text,
            )
        )
    return made
