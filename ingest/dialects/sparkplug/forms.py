"""Payloads of one form, all at once: what differs between them are numbers at the same places. Pure.

Devices that report the same metrics send the same bytes but for a few: time, sequence number, alias and value. The first payload of a
form is read byte by byte and leaves a mask; whatever equals it under the mask is read as columns, without an object per message. The
protobuf library reads everything else, and a test holds that both read the same.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST: Final = 3
"""Fewer payloads of a form than this are not worth a column."""
MAX_BYTES: Final = 2048
MAX_METRICS: Final = 64
_LEARN: Final = 4
"""New forms of one size in one pass."""
_FORMS: Final = 8
"""Forms remembered of one size."""
_SIZES: Final = 1024
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LEVEL, _SAME, _ANY = 0x80, 0xFF, 0x00
"""Masks: the last byte of a number stays the last; the byte stays as it is; it may be any."""
_WEIGHTS: Final = np.array([1 << 7 * i for i in range(10)], np.uint64)
_MOST_MS: Final = 2**62 // 1000


class Span(NamedTuple):
    """Bytes from here, so many."""

    at: int
    size: int


class Part(NamedTuple):
    """Where in a payload of this form a metric stands."""

    name: str
    """Empty where it has none."""
    alias: Span | None
    timestamp: Span | None
    field: int
    """10 int, 11 long, 12 float, 13 double, 14 boolean."""
    value: Span


class Form:
    """One form of payloads."""

    def __init__(self, number: int, payload: bytes, mask: bytes, timestamp: Span | None, seq: Span, parts: Sequence[Part]) -> None:
        self.number, self.timestamp, self.seq, self.parts = number, timestamp, seq, tuple(parts)
        self.mask = np.frombuffer(mask, np.uint8)
        self.same = np.frombuffer(payload, np.uint8) & self.mask
        spans = [part.alias for part in self.parts if part.alias is not None]
        self.alias_places = np.array([place for span in spans for place in range(span.at, span.at + span.size)], np.int64)
        self.forget()

    def forget(self) -> None:
        """Nothing is known of any topic."""
        self.slots: dict[int, int] = {}
        """Where what the reader of the columns found out about a topic (by number) stands; 0: nowhere."""
        self.met = np.full(16, -1, np.int64)
        """What was found out ..."""
        self.aliases = np.full((16, len(self.alias_places) + 1), _SAME, np.uint8)
        """... and for which aliases that holds; the last byte of slot 0 equals none."""

    def remember(self, topic: int, found: int, aliases: NDArray[np.uint8]) -> None:
        """What was found out about a topic."""
        slot = self.slots.setdefault(topic, len(self.slots) + 1)
        if slot >= len(self.met):
            self.met = np.concatenate([self.met, self.met])
            self.aliases = np.concatenate([self.aliases, self.aliases])
        self.met[slot], self.aliases[slot] = found, aliases


class Reads(NamedTuple):
    """Payloads of one form, one row each."""

    form: Form
    positions: NDArray[np.int64]
    """In the batch."""
    good: NDArray[np.bool_]
    """Those that need no second look."""
    seqs: NDArray[np.int64]
    aliases: NDArray[np.uint8]
    """The bytes of all aliases, and one that is 1 where a whole number is beyond 63 bits."""
    at: NDArray[np.int64] | None
    """ms since 1970."""
    values: list[NDArray[Any]]
    """By part, as they travelled."""


class Forms:
    """The forms that were met."""

    def __init__(self) -> None:
        self._by_size: OrderedDict[int, list[Form]] = OrderedDict()
        self._numbers = itertools.count()

    def forget(self) -> None:
        """Whatever was found out about devices is void."""
        for forms in self._by_size.values():
            for form in forms:
                form.forget()

    def read(self, payloads: Sequence[bytes]) -> list[Reads]:
        """Whatever has a form that enough others share; the rest is in none of them."""
        found: list[Reads] = []
        if len(payloads) < LEAST:
            return found
        sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
        order = np.argsort(sizes, kind="stable")
        cuts = np.flatnonzero(np.diff(sizes[order])) + 1
        for low, high in itertools.pairwise([0, *cuts.tolist(), len(order)]):
            size = int(sizes[order[low]])
            if high - low >= LEAST and 0 < size <= MAX_BYTES:
                self._read(size, order[low:high], payloads, found)
        return found

    def _read(self, size: int, group: NDArray[np.int64], payloads: Sequence[bytes], found: list[Reads]) -> None:
        whole = len(group) == len(payloads)
        joined = b"".join(payloads if whole else [payloads[i] for i in group.tolist()])
        data = np.frombuffer(joined, np.uint8).reshape(len(group), size)
        forms = self._of(size)
        for form in list(forms):
            data, group = _part(form, data, group, found)
            if len(group) < LEAST:
                return
        for _ in range(_LEARN):
            made = learn(next(self._numbers), data[0].tobytes())
            if made is None:
                data, group = data[1:], group[1:]
            else:
                forms.insert(0, made)
                del forms[_FORMS:]
                data, group = _part(made, data, group, found)
            if len(group) < LEAST:
                return

    def _of(self, size: int) -> list[Form]:
        forms = self._by_size.get(size)
        if forms is None:
            forms = self._by_size[size] = []
            if len(self._by_size) > _SIZES:
                self._by_size.popitem(last=False)
        return forms


def _part(form: Form, data: NDArray[np.uint8], group: NDArray[np.int64], found: list[Reads]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read what has this form; hand back what has not."""
    fits = ((data & form.mask) == form.same).all(axis=1)
    if fits.all():
        found.append(_columns(form, data, group))
        return data[:0], group[:0]
    if fits.any():
        found.append(_columns(form, data[fits], group[fits]))
    return data[~fits], group[~fits]


def _columns(form: Form, data: NDArray[np.uint8], group: NDArray[np.int64]) -> Reads:
    n = len(data)
    good = np.ones(n, bool)
    seq = number_at(data, form.seq)
    good &= seq < 256
    values: list[NDArray[Any]] = []
    beyond = np.zeros(n, np.uint8)
    for part in form.parts:
        if part.field in {12, 13}:
            kind = "<f4" if part.field == 12 else "<f8"
            column = np.ascontiguousarray(data[:, part.value.at : part.value.at + part.value.size]).view(kind)[:, 0]
            good &= np.isfinite(column)
        else:
            column = number_at(data, part.value)
            if part.field == 10:
                column &= np.uint64(0xFFFFFFFF)
            elif part.field == 11:
                beyond |= (column >> np.uint64(63)).astype(np.uint8)
        values.append(column)
    at = _times(form, data, good)
    aliases = np.concatenate([data[:, form.alias_places], beyond[:, None]], axis=1)
    return Reads(form, group, good, seq.astype(np.int64), aliases, at, values)


def _times(form: Form, data: NDArray[np.uint8], good: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """The time of each message, if all its metrics have the same."""
    spans = {part.timestamp if part.timestamp is not None else form.timestamp for part in form.parts}
    columns = [number_at(data, span) for span in spans if span is not None]
    if not columns:
        return None
    if len(columns) < len(spans):
        good[:] = False
    first = columns[0]
    good &= (first != 0) & (first < np.uint64(_MOST_MS))
    for other in columns[1:]:
        good &= first == other
    return first.astype(np.int64)


def number_at(data: NDArray[np.uint8], span: Span) -> NDArray[np.uint64]:
    """The varints at a place, of all rows."""
    if span.size == 1:
        return (data[:, span.at] & np.uint8(0x7F)).astype(np.uint64)
    found: NDArray[np.uint64] = (data[:, span.at : span.at + span.size] & np.uint8(0x7F)) @ _WEIGHTS[: span.size]
    return found


# -------------------------------------------------------------------------------------------------- learning


class _Other(Exception):
    """Not for columns."""


def learn(number: int, payload: bytes) -> Form | None:
    """The form of a payload; None where it holds anything but plain numbers."""
    mask = bytearray([_SAME]) * len(payload)
    try:
        fields = _fields(payload, 0, len(payload))
        parts = []
        timestamp = seq = None
        for field, wire, span in fields:
            if field == 2 and wire == _BYTES:
                parts.append(_metric(payload, span, mask))
            elif field == 1 and wire == _VARINT and timestamp is None:
                timestamp = _level(mask, span)
            elif field == 3 and wire == _VARINT and seq is None:
                seq = _level(mask, span)
            else:
                return None
        if seq is None or not 0 < len(parts) <= MAX_METRICS:
            return None
    except (_Other, UnicodeDecodeError):
        return None
    return Form(number, payload, bytes(mask), timestamp, seq, parts)


def _metric(payload: bytes, whole: Span, mask: bytearray) -> Part:
    name, alias, timestamp = "", None, None
    value: tuple[int, Span] | None = None
    seen = set()
    for field, wire, span in _fields(payload, whole.at, whole.at + whole.size):
        if field in seen:
            raise _Other
        seen.add(field)
        if field == 1 and wire == _BYTES:
            name = payload[span.at : span.at + span.size].decode()
        elif field == 2 and wire == _VARINT:
            alias = _level(mask, span)
        elif field == 3 and wire == _VARINT:
            timestamp = _level(mask, span)
        elif field in {4, 6} and wire == _VARINT:
            pass  # the datatype is the birth's, and what is transient is a reading too
        elif field in {5, 7} and wire == _VARINT and not any(byte & 0x7F for byte in payload[span.at : span.at + span.size]):
            pass  # neither history nor null
        elif (field in {10, 11, 14} and wire == _VARINT) or (field, wire) in {(12, _FIXED32), (13, _FIXED64)}:
            if value is not None:
                raise _Other
            value = field, _level(mask, span) if wire == _VARINT else _any(mask, span)
        else:
            raise _Other
    if value is None or (not name and alias is None):
        raise _Other
    return Part(name, alias if not name else None, timestamp, *value)


def _fields(payload: bytes, at: int, end: int) -> list[tuple[int, int, Span]]:
    """Number, wire type and place of each field; raises _Other for what does not end where it should."""
    found: list[tuple[int, int, Span]] = []
    while at < end:
        tag, at = _varint(payload, at, end)
        wire = tag & 7
        start = at
        if wire == _VARINT:
            _, at = _varint(payload, at, end)
        elif wire == _BYTES:
            size, start = _varint(payload, at, end)
            at = start + size
        elif wire in {_FIXED32, _FIXED64}:
            at += 4 if wire == _FIXED32 else 8
        else:
            raise _Other
        if at > end or len(found) > 2 * MAX_METRICS:
            raise _Other
        found.append((tag >> 3, wire, Span(start, at - start)))
    return found


def _varint(payload: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = payload[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _Other


def _level(mask: bytearray, span: Span) -> Span:
    mask[span.at : span.at + span.size] = bytes([_LEVEL]) * span.size
    return span


def _any(mask: bytearray, span: Span) -> Span:
    mask[span.at : span.at + span.size] = bytes([_ANY]) * span.size
    return span
