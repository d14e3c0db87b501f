"""Packed binary by declared places, without code: `vorab.layouts.Packed` says where each field lies.

The layout becomes as few `struct` calls as its fields allow, once, when the topic map is read. Pure.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from ingest.decoders import strict
from ingest.decoders.mapped import Heap, child, look
from ingest.decoders.moments import PER
from ingest.decoders.rows import U32_MAX, U64_MAX, Row, Sender, check_count, check_value, counter, micros
from ingest.decoders.values import measured, nothing
from ingest.units import unit
from vorab.clock import SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.layouts import SIZED, Packed, PackedSignal, PackedTime, Place
from vorab.payloads import steps

Raw = int | float | bool | str

_CODES: Final = {
    "u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d", "bool": "B",
}  # fmt: skip
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class _Cut(NamedTuple):
    """Bytes to take out of a payload, and how a `struct` reads them."""

    at: int
    code: str
    order: str
    """`<` or `>`."""

    @property
    def end(self) -> int:
        return self.at + struct.calcsize(self.order + self.code)


class _Field(NamedTuple):
    """A cut, and what its raw content is."""

    cut: _Cut
    value: Callable[[Any], Raw]


def _field(name: str, place: Place, order: str, start: int) -> _Field:
    """The field of a place, with offsets from `start`."""
    big = (place.order or order) == "big"
    at, mark = place.at + start, ">" if big else "<"
    if place.type == "bits":
        return _Field(_Cut(at, f"{place.width}s", mark), _bits(place, "big" if big else "little"))
    if place.type == "bool":
        return _Field(_Cut(at + (place.bit or 0) // 8, "B", mark), _flag(place.bit))
    if place.type in {"u24", "i24"}:
        signed, way = place.type == "i24", "big" if big else "little"
        return _Field(_Cut(at, "3s", mark), lambda raw: int.from_bytes(raw, way, signed=signed))  # type: ignore[arg-type]  # big or little
    if place.type in SIZED:
        return _Field(_Cut(at, f"{place.size}s", mark), _SIZED[place.type](name, big))
    return _Field(_Cut(at, _CODES[place.type], mark), _as_it_is)


def _as_it_is(raw: float) -> float:
    return raw


def _bits(place: Place, way: Any) -> Callable[[bytes], int]:
    shift, mask = place.bit or 0, (1 << place.bits) - 1
    sign = 1 << (place.bits - 1) if place.signed else 0

    def read(raw: bytes) -> int:
        found = (int.from_bytes(raw, way) >> shift) & mask
        return (found ^ sign) - sign

    return read


def _flag(bit: int | None) -> Callable[[int], bool]:
    mask = 0xFF if bit is None else 1 << bit % 8
    return lambda raw: bool(raw & mask)


def _bcd(name: str, big: bool) -> Callable[[bytes], int]:  # noqa: FBT001 - one of a table of readers
    def read(raw: bytes) -> int:
        digits = (raw if big else raw[::-1]).hex()
        if not digits.isdecimal():
            raise Rejected(Reason.BAD_VALUE, f"{name}: {digits} is no binary-coded decimal")
        return int(digits)

    return read


def _text(name: str, _big: bool) -> Callable[[bytes], str]:  # noqa: FBT001 - one of a table of readers
    def read(raw: bytes) -> str:
        try:
            return raw.rstrip(b"\0 ").decode()
        except UnicodeDecodeError:
            raise Rejected(Reason.BAD_UTF8, f"{name} is not UTF-8") from None

    return read


def _hex(_name: str, big: bool) -> Callable[[bytes], str]:  # noqa: FBT001 - one of a table of readers
    return lambda raw: (raw if big else raw[::-1]).hex()


_SIZED: Final[dict[str, Callable[[str, bool], Callable[[Any], Raw]]]] = {"bcd": _bcd, "text": _text, "hex": _hex}


class _Plan:
    """Takes fields out of bytes with as few calls as do not read a byte twice."""

    def __init__(self, fields: Sequence[_Field]) -> None:
        self._structs: list[struct.Struct] = []
        self._index: dict[_Cut, int] = {}
        left = sorted({field.cut for field in fields})
        while left:
            left = self._cover(left)
        self._readers = [(self._index[field.cut], field.value) for field in fields]

    def _cover(self, cuts: list[_Cut]) -> list[_Cut]:
        order, reached, code, later = cuts[0].order, 0, "", []
        for cut in cuts:
            if cut.order != order or cut.at < reached:
                later.append(cut)
                continue
            code += f"{cut.at - reached}x{cut.code}"
            reached = cut.end
            self._index[cut] = len(self._index)
        self._structs.append(struct.Struct(order + code))
        return later

    def read(self, data: bytes, start: int) -> list[Raw]:
        """The raw values, in the order of the fields."""
        taken: list[Any] = []
        for part in self._structs:
            taken += part.unpack_from(data, start)
        return [value(taken[i]) for i, value in self._readers]


class Layout:
    """One declared layout, compiled."""

    def __init__(self, spec: Packed) -> None:
        self._spec, self.reach = spec, spec.reach
        self._when = None if spec.when is None else _Plan([_field("when", spec.when, spec.order, 0)])
        places = {name: place for name, place in spec.fields().items() if name != "when"}
        shared = {name: place for name, place in places.items() if place.of == "payload"}
        own = {name: place for name, place in places.items() if place.of == "record"}
        self._place = {name: i for i, name in enumerate((*shared, *own))}
        self._boot, self._seq, self._device = (self._place.get(name) for name in ("boot", "seq", "device"))
        self._shared = _Plan([_field(_short(name), place, spec.order, 0) for name, place in shared.items()])
        self._own = _Plan([_field(_short(name), place, spec.order, 0) for name, place in own.items()])
        self._signals = [
            (self._place[f"signals.{name}"], name, _value(name, signal), unit(signal.unit)) for name, signal in spec.signals.items()
        ]
        self._at = None if spec.time is None else _time(spec.time)

    def fits(self, data: bytes) -> bool:
        """Whether this layout is meant."""
        when = self._spec.when
        if when is None or self._when is None:
            return True
        return len(data) >= when.at + when.width and self._when.read(data, 0) == [when.equals]

    def rows(self, data: bytes, sender: Sender) -> list[Row]:
        """The rows of a payload; raises Rejected."""
        starts = self._starts(len(data))
        shared, heap = self._shared.read(data, 0), Heap(sender)
        heap.look(len(starts) * (2 + len(self._signals) + 2 * (self._device is not None)))
        for i, start in enumerate(starts):
            heap.add(self._row(shared + self._own.read(data, start), i, sender))
        return heap.rows()

    def _starts(self, size: int) -> range:
        spec = self._spec
        if spec.length is not None and size != spec.length:
            raise Rejected(Reason.BAD_SHAPE, f"{size} bytes, the layout has {spec.length}")
        if size < self.reach:
            raise Rejected(Reason.BAD_SHAPE, f"{size} bytes, the layout needs {self.reach}")
        if not spec.stride:
            return range(spec.header, spec.header + 1)
        room = size - spec.header - spec.trailer
        if room % spec.stride:
            raise Rejected(Reason.BAD_SHAPE, f"{room} bytes of records are not whole records of {spec.stride}")
        check_count(room // spec.stride)
        return range(spec.header, spec.header + room, spec.stride)

    def _row(self, raw: list[Raw], i: int, sender: Sender) -> Row:
        values: dict[str, Value] = {}
        units: dict[str, str] = {}
        for place, name, read, measured_in in self._signals:
            value = read(raw[place])
            if value is not None:
                values[name] = value
                if measured_in:
                    units[name] = measured_in
        at, relative = (None, False) if self._at is None else self._at(raw[self._place["time"]], i, sender.received_at)
        boot = None if self._boot is None else counter("boot", raw[self._boot], U32_MAX)
        seq = None if self._seq is None else counter("seq", raw[self._seq], U64_MAX)
        device = "" if self._device is None else child(raw[self._device], sender)
        return Row(at, values, units, boot, seq, relative, device)


def _short(name: str) -> str:
    return name.removeprefix("signals.")


def _value(name: str, spec: PackedSignal) -> Callable[[Raw], Value | None]:
    empty, number = nothing(spec), measured(name, spec)

    def read(raw: Raw) -> Value | None:
        if empty(raw):
            return None
        made: Value = raw if isinstance(raw, str | bool) else number(raw)
        check_value(name, made)
        return made

    return read


def _time(spec: PackedTime) -> Callable[[Raw, int, Micros], tuple[Micros, bool]]:
    per, every = PER[spec.unit], round(spec.every_s * SECOND)
    since = (spec.since - _EPOCH) // dt.timedelta(microseconds=1)

    def read(raw: Raw, i: int, received_at: Micros) -> tuple[Micros, bool]:
        if isinstance(raw, str) or raw != raw or raw in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            raise Rejected(Reason.BAD_TIME, f"{raw} is no time")
        counted = micros(raw, per)
        return (received_at - counted + i * every, True) if spec.ago else (since + counted + i * every, False)

    return read


class Reader:
    """The layouts of one entry of the topic map, compiled."""

    def __init__(self, specs: Sequence[Packed]) -> None:
        self._layouts = [(spec.path and steps(spec.path), spec.encoding, Layout(spec)) for spec in specs]
        self._json = any(spec.path for spec in specs)

    def parse(self, payload: bytes) -> object:
        """The bytes, or the JSON they stand in; raises Rejected."""
        if not payload:
            raise Rejected(Reason.EMPTY, "no payload")
        return strict.parse(payload) if self._json else payload

    def rows(self, parsed: object, sender: Sender) -> list[Row]:
        """The rows by the first layout that is meant; raises Rejected."""
        for path, encoding, layout in self._layouts:
            found = look(parsed, path) if path else parsed
            data = _decoded(found, encoding)
            if layout.fits(data):
                return layout.rows(data, sender)
        raise Rejected(Reason.UNSUPPORTED, "no layout of this entry is meant for this payload")


def _decoded(found: object, encoding: str) -> bytes:
    if isinstance(found, bytes) and encoding == "raw":
        return found
    if not isinstance(found, str | bytes):
        raise Rejected(Reason.BAD_SHAPE, f"there is no {encoding} text at the path of the layout")
    try:
        text = found.decode("ascii") if isinstance(found, bytes) else found
        if encoding == "hex":
            return bytes.fromhex(text)
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        raise Rejected(Reason.BAD_VALUE, f"not {encoding}") from None
