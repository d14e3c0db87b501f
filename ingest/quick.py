"""Many messages at once: payloads of one shape become columns without an object per message.

This takes the common case (one flat JSON object with plain values) and leaves everything else to the decoders; a message gives the
same rows either way, and a test holds that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from ingest.columns import ROWS_PER_MESSAGE, Columns
from ingest.decoders.flat import MS, RESERVED
from ingest.decoders.rows import MAX_SIGNALS, MAX_TEXT, SIGNAL
from ingest.timing import ARRIVAL, CLAMPED, MEASURED, NEWEST, OLDEST
from vorab.clock import Micros
from vorab.frame import F8, I8, SIGNAL_TYPES, U1, U4, U8

_ISOLATE: Final = 8
"""A group this small that will not become columns goes to the decoders one by one."""
_I64: Final = 2.0**63
_MOST_MS: Final = 2**62 // MS


class Layout(NamedTuple):
    """Where in an object with these keys everything stands."""

    size: int
    ts: int | None
    boot: int | None
    seq: int | None
    acked: int | None
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
    if "acked" in at and not {"boot", "seq"} <= at.keys():
        return None
    identity = tuple(at[name] for name in ("device", "device_id") if name in at)
    return Layout(len(keys), at.get("ts"), at.get("boot"), at.get("seq"), at.get("acked"), identity, tuple(signals))


class Plain(NamedTuple):
    """Messages of live devices that say what they are by their topic alone, as parallel lists."""

    places: Sequence[int]
    """Index of each message among the arrivals; a range where they stand side by side."""
    numbers: list[int]
    """The device's number."""
    payloads: list[bytes]


class Odd(Exception):
    """Not columns."""


def quick(plain: Plain, received_at: Micros, devices: Sequence[tuple[str, str]], most_bytes: int) -> tuple[list[Columns], list[int]]:
    """Columns of the messages that need no second look, and the positions (in `plain`) of those that do.

    `devices` gives id and key by device number; payloads above `most_bytes` are left.
    """
    made: list[Columns] = []
    left: list[int] = []
    if not plain.payloads:
        return made, left
    if max(map(len, plain.payloads)) <= most_bytes and (columns := _alike(plain, received_at, devices)) is not None:
        return [columns], left
    objects = _parse(plain.payloads, most_bytes)
    keys = [tuple(parsed) if type(parsed) is dict else () for parsed in objects]
    groups: dict[tuple[str, ...], list[int]] = {}
    if keys.count(keys[0]) == len(keys):
        groups[keys[0]] = list(range(len(keys)))
    else:
        for i, key in enumerate(keys):
            groups.setdefault(key, []).append(i)
    # As many colons as keys: no key stands twice (the parser would let the last one win). A text with a colon takes the long way.
    colons = [payload.count(b":") for payload in plain.payloads]
    for key, group in groups.items():
        layout = layout_of(key)
        if layout is None:
            left += group
            continue
        good = [i for i in group if colons[i] == layout.size]
        if len(good) != len(group):
            left += [i for i in group if colons[i] != layout.size]
        _Group(plain, objects, received_at, devices, layout).add(good, made, left)
    return made, left


class _Shape(NamedTuple):
    """How objects with the same keys are read all at once."""

    layout: Layout
    lines: Callable[[bytes], list[Any]]
    columns: tuple[Callable[[Any], Any], ...]


@functools.lru_cache(maxsize=256)
def _shape_of(keys: tuple[str, ...]) -> _Shape | None:
    layout = layout_of(keys)
    if layout is None:
        return None
    names = [f"f{i}" for i in range(len(keys))]
    made = msgspec.defstruct(
        "Row", [(name, Any) for name in names], rename=dict(zip(names, keys, strict=True)), forbid_unknown_fields=True, gc=False
    )
    return _Shape(layout, msgspec.json.Decoder(made).decode_lines, tuple(attrgetter(name) for name in names))


def _alike(plain: Plain, received_at: Micros, devices: Sequence[tuple[str, str]]) -> Columns | None:
    """The columns of messages that all have the keys and types of the first, read in one go; None where one is in any way different."""
    first = _parsed(plain.payloads[0])
    shape = _shape_of(tuple(first)) if type(first) is dict else None
    text = b"\n".join(plain.payloads)
    if shape is None or not _lines_are_whole(text, len(plain.payloads), shape.layout.size):
        return None
    try:
        rows = shape.lines(text)
        columns = [tuple(map(column, rows)) for column in shape.columns]
        kinds = [set(map(type, column)) for column in columns]
        if len(rows) == len(plain.payloads) and all(len(kind) == 1 for kind in kinds):
            group = _Group(plain, [], received_at, devices, shape.layout)
            return group.build(range(len(rows)), columns, [kind.pop() for kind in kinds])
    except (Odd, ValueError, OverflowError, RecursionError):
        pass
    return None


def _lines_are_whole(text: bytes, lines: int, keys: int) -> bool:
    """Whether each line can be but one object of so many keys, if the parser finds as many objects as lines.

    Joined payloads must not flow into each other: a hostile one could leave open what its neighbour closes. Every line begins with a
    brace, ends with one, and holds no line feed. Where a line ends, the last token was thus a closing brace (in a text the line feed
    would be an error) and the next is an opening one, which JSON has nowhere but between two values: so every line holds whole
    values, and as many values as lines are one each. As many colons as keys: none stands twice in one object.
    """
    inner = lines - 1
    braces = text.startswith(b"{") and text.endswith(b"}") and text.count(b"}\n{") == inner
    return braces and text.count(b"\n") == inner and text.count(b":") == lines * keys


def _parse(payloads: list[bytes], most_bytes: int) -> list[Any]:
    if max(map(len, payloads)) <= most_bytes:
        try:
            return list(map(orjson.loads, payloads))
        except orjson.JSONDecodeError:
            pass
    # Messages that differ are parsed one by one: nothing that one leaves open can reach its neighbour.
    return [_parsed(payload) if len(payload) <= most_bytes else None for payload in payloads]


def _parsed(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None


class _Group(NamedTuple):
    """Messages with the same keys."""

    plain: Plain
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
            # 21 and 21.5: the row decides its type, never its neighbours in the same read.
            by_types: dict[tuple[type, ...], list[int]] = {}
            for i, types in zip(group, zip(*[map(type, column) for column in columns], strict=True), strict=True):
                by_types.setdefault(types, []).append(i)
            for same in by_types.values():
                self.add(same, made, left)
            return
        try:
            made.append(self.build(group, columns, [kind.pop() for kind in kinds]))
        except (Odd, OverflowError):
            if len(group) <= _ISOLATE:
                left += group
                return
            # Something in here needs a closer look: find it by halves, so that one odd payload does not slow its neighbours.
            half = len(group) // 2
            self.add(group[:half], made, left)
            self.add(group[half:], made, left)

    def build(self, group: Sequence[int], columns: list[tuple[Any, ...]], kinds: list[type]) -> Columns:
        """The columns of messages of one shape whose values have the same types; raises Odd or OverflowError for a value that is none."""
        layout, plain = self.layout, self.plain
        whole = len(group) == len(plain.places)
        numbers = plain.numbers if whole else [plain.numbers[i] for i in group]
        if layout.identity:
            self._check_identity(numbers, columns)
        measured_at, quality = self._times(columns, kinds)
        made = Columns(
            rank=(indices_of(plain.places) if whole else np.array([plain.places[i] for i in group], I8)) * ROWS_PER_MESSAGE,
            number=np.array(numbers, I8),
            measured_at=measured_at,
            received_at=np.full(len(group), self.received_at, I8),
            quality=quality,
            boot=None if layout.boot is None else _counters(columns[layout.boot], kinds[layout.boot], U4),
            seq=None if layout.seq is None else _counters(columns[layout.seq], kinds[layout.seq], U8),
            acked=None if layout.acked is None else _counters(columns[layout.acked], kinds[layout.acked], U8),
        )
        if made.acked is not None and made.seq is not None and not made.seq.all():
            raise Odd
        for name, i in layout.signals:
            if kinds[i] is str:
                made.text[name] = _texts(columns[i])
            else:
                made.signals[name] = numbers_of(columns[i], kinds[i])
        return made

    def _check_identity(self, numbers: list[int], columns: list[tuple[Any, ...]]) -> None:
        names = [self.devices[number] for number in numbers]
        if not all(said in name for i in self.layout.identity for said, name in zip(columns[i], names, strict=True)):
            raise Odd

    def _times(self, columns: list[tuple[Any, ...]], kinds: list[type]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        received_at, ts, n = self.received_at, self.layout.ts, len(columns[0])
        if ts is None:
            return np.full(n, received_at, I8), np.full(n, ARRIVAL, U1)
        if kinds[ts] is float:
            at = np.rint(np.clip(np.array(columns[ts]), -_I64 / 2 / MS, _I64 / 2 / MS) * MS).astype(I8)
        elif kinds[ts] is int and max(columns[ts]) < _MOST_MS and min(columns[ts]) > -_MOST_MS:
            at = np.array(columns[ts], I8) * MS
        else:
            raise Odd
        low, high = received_at - OLDEST, received_at + NEWEST
        if at.min() >= low and at.max() <= high:
            return at, np.full(n, MEASURED, U1)
        good = (at >= low) & (at <= high)
        return np.where(good, at, received_at), np.where(good, MEASURED, CLAMPED).astype(U1)


def indices_of(places: Sequence[int]) -> NDArray[np.int64]:
    """Places as an array; quickly where they stand side by side."""
    return np.arange(places.start, places.stop, dtype=I8) if isinstance(places, range) else np.array(places, I8)


_CODES: Final[dict[type, str]] = {int: "i8", bool: "b1"}


def numbers_of(column: tuple[Any, ...], kind: type) -> NDArray[Any]:
    """A column of values of one type; raises Odd or OverflowError where it holds what the decoder has to look at."""
    if kind is float:
        values = np.array(column, F8)
        # Beyond ±2^63 stands a large number, or a whole one that does not fit and that the parser made a float; the decoder knows which.
        if not (values.max() < _I64 and values.min() > -_I64):
            raise Odd
        return values
    if kind not in _CODES:
        raise Odd
    return np.array(column, SIGNAL_TYPES[_CODES[kind]])


def _texts(column: tuple[Any, ...]) -> list[str]:
    if max(map(len, column)) > MAX_TEXT:
        raise Odd
    return list(column)


def _counters(column: tuple[Any, ...], kind: type, dtype: np.dtype[Any]) -> NDArray[Any]:
    if kind is not int:
        raise Odd
    return np.array(column, dtype)
