"""Any nested JSON by declared paths, without code: `vorab.payloads.JsonMap` says where everything stands.

Signals that lie in the same list make one row per element; signals outside of lists make one row. Values of one device at one instant
share a row, unless a signal would stand twice in it. A path that leads nowhere, or to null, is no value. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from ingest.decoders import moments
from ingest.decoders.rows import MAX_NAME, MAX_ROWS, MAX_SIGNALS, U32_MAX, U64_MAX, Row, Sender, check_name, check_value, counter
from ingest.decoders.values import Reader, said
from ingest.dialects.words import ident
from ingest.units import unit
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.payloads import JsonMap, Mark, Pick, Step, Steps, lists_of, parts_of, steps
from vorab.topics import ID

_MISSING: Final[Any] = object()
MOST_LOOKS: Final = 2_400
"""Places of one message that are looked at: a signal of an element is one, the element itself two, its own time or device two each."""


class _Spot(NamedTuple):
    """A path as seen from the elements of a list: how many `*` it passes, and what follows the last of them."""

    depth: int
    tail: Steps

    def find(self, trail: list[tuple[Any, Step]]) -> Any:
        """What stands there, with `trail` the element at each depth and its key; `_MISSING` where nothing does."""
        node, key = trail[self.depth]
        tail = self.tail
        if len(tail) == 1:
            [step] = tail
            if type(step) is str:
                return node.get(step, _MISSING) if type(node) is dict else _MISSING
            if step is Mark.NAME:
                return key
        return _walk(node, tail)


def _spot(path: str) -> _Spot:
    parts = parts_of(steps(path))
    return _Spot(len(parts) - 1, parts[-1])


def look(node: Any, path: Steps) -> Any:
    """What stands at a path without lists in between; None where nothing does."""
    found = _walk(node, path)
    return None if found is _MISSING else found


def _walk(node: Any, tail: Steps) -> Any:
    for step in tail:
        if isinstance(step, str):
            node = node.get(step, _MISSING) if isinstance(node, dict) else _MISSING
        elif isinstance(step, int) and isinstance(node, list) and -len(node) <= step < len(node):
            node = node[step]
        else:
            return _MISSING
    return node


class _Signal(NamedTuple):
    name: str
    named: _Spot | None
    """Where the payload says the name."""
    spot: _Spot
    read: Reader
    unit: str


class _Group(NamedTuple):
    """What lies in the same list."""

    lists: tuple[Steps, ...]
    signals: list[_Signal]
    spread: Steps | None
    """The object whose values all become signals, as seen from the element."""

    def sees(self, path: str | None) -> _Spot | None:
        """The spot of a path, if it can be seen from an element of this list."""
        if path is None:
            return None
        spot = _spot(path)
        return spot if lists_of(steps(path)) == self.lists[: spot.depth] else None


class Mapped:
    """One declared map, compiled."""

    def __init__(self, spec: JsonMap, zone: str = "") -> None:
        """`zone` is that of ISO times without one, where the map names none."""
        groups: dict[tuple[Steps, ...], _Group] = {}
        for name, pick in spec.signals.items():
            lists = lists_of(steps(pick.path))
            groups.setdefault(lists, _Group(lists, [], None)).signals.append(_signal(name, pick))
        if spec.values is not None:
            whole = steps(spec.values)
            lists = lists_of(whole)
            groups[lists] = groups.get(lists, _Group(lists, [], None))._replace(spread=parts_of(whole)[-1])
        self._readers = [_Rows(group, spec, zone) for group in groups.values()]

    def rows(self, parsed: object, sender: Sender) -> list[Row]:
        """The rows of a parsed payload, oldest first for each device; raises Rejected."""
        heap = Heap(sender)
        for reader in self._readers:
            reader.add(parsed, sender, heap)
        return heap.rows()


def _signal(name: str, pick: Pick) -> _Signal:
    return _Signal(name, None if pick.name is None else _spot(pick.name), _spot(pick.path), said(name, pick), unit(pick.unit))


class _Rows:
    """Reads the rows of one group."""

    def __init__(self, group: _Group, spec: JsonMap, zone: str) -> None:
        self._group = group
        self._time = group.sees(None if spec.time is None else spec.time.path)
        self._unit = spec.time.unit if spec.time else ""
        name = (spec.time.zone if spec.time else "") or zone
        self._zone = ZoneInfo(name) if name else None
        self._boot, self._seq = group.sees(spec.boot), group.sees(spec.seq)
        self._device, self._sender = group.sees(spec.device), group.sees(spec.sender)
        special = (self._time, self._boot, self._seq, self._device, self._sender)
        # These have a meaning of their own, and are no signals where all of an object are.
        self._taken = {spot.tail for spot in special if spot is not None and spot.depth == len(group.lists)}

    def add(self, parsed: object, sender: Sender, heap: Heap) -> None:
        once = self._time is None or self._time.depth == 0
        worth = 2 + sum(1 + (signal.named is not None) for signal in self._group.signals) + 2 * (not once) + 2 * (self._device is not None)
        shared: tuple[Micros | None, int] | None = None
        for trail in _elements([(parsed, "")], self._group.lists, heap):
            heap.look(worth)
            device = "" if self._device is None else self._child(trail, sender)
            if self._sender is not None:
                self._check_sender(trail, sender)
            values, units = self._values(trail, heap)
            if values:
                if shared is None:
                    at, quality = self._at(trail)
                    shared = (at, quality) if once else None
                else:
                    at, quality = shared  # one time for all of them
                boot = None if self._boot is None else _count("boot", self._boot, trail, U32_MAX)
                seq = None if self._seq is None else _count("seq", self._seq, trail, U64_MAX)
                heap.add(Row(at, values, units, boot, seq, device=device, quality=quality))

    def _values(self, trail: list[tuple[Any, Step]], heap: Heap) -> tuple[dict[str, Value], dict[str, str]]:
        values: dict[str, Value] = {}
        units: dict[str, str] = {}
        for name, named, spot, read, measured_in in self._group.signals:
            found = spot.find(trail)
            value = None if found is _MISSING else read(found)
            if value is None:
                continue
            own = name if named is None else _name(named.find(trail))
            values[own] = value
            if measured_in:
                units[own] = measured_in
        if self._group.spread is not None:
            found = _walk(trail[-1][0], self._group.spread)
            if isinstance(found, dict):
                for own, value in self._spread(found, self._group.spread, "", heap):
                    values.setdefault(own, value)
                    if len(values) > MAX_SIGNALS:
                        break
        if len(values) > MAX_SIGNALS:
            raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {MAX_SIGNALS} signals")
        return values, units

    def _spread(self, found: Any, tail: Steps, prefix: str, heap: Heap) -> Iterator[tuple[str, Value]]:
        for key, value in found.items() if isinstance(found, dict) else enumerate(found):
            heap.look(1)
            if value is None:
                continue
            here = (*tail, key)
            if here in self._taken:
                continue
            name = f"{prefix}{key}"
            if isinstance(value, dict | list):
                yield from self._spread(value, here, f"{name[: MAX_NAME + 1]}.", heap)
            else:
                check_name(name)
                check_value(name, value)
                yield name, value

    def _at(self, trail: list[tuple[Any, Step]]) -> tuple[Micros | None, int]:
        found = _MISSING if self._time is None else self._time.find(trail)
        if found is _MISSING or found is None:
            return None, 0
        return moments.iso(found, self._zone) if self._unit == "iso" else (moments.counted(found, self._unit), 0)

    def _child(self, trail: list[tuple[Any, Step]], sender: Sender) -> str:
        found = _MISSING if self._device is None else self._device.find(trail)
        return "" if found is _MISSING or found is None else child(found, sender)

    def _check_sender(self, trail: list[tuple[Any, Step]], sender: Sender) -> None:
        found = _MISSING if self._sender is None else self._sender.find(trail)
        if found is not _MISSING and found not in (None, sender.device, sender.key):
            raise Rejected(Reason.IDENTITY_MISMATCH, "the payload names another sender than its topic")


def _elements(trail: list[tuple[Any, Step]], lists: tuple[Steps, ...], heap: Heap) -> Iterator[list[tuple[Any, Step]]]:
    if not lists:
        yield trail
        return
    found = _walk(trail[-1][0], lists[0])
    items: Iterator[tuple[Step, Any]] = iter(())
    if isinstance(found, list):
        items = iter(enumerate(found))
    elif isinstance(found, dict):
        items = iter(found.items())
    inner = lists[1:]
    for key, node in items:
        if inner:
            heap.look(1)
            yield from _elements([*trail, (node, key)], inner, heap)
        else:
            yield [*trail, (node, key)]


def _name(found: object) -> str:
    if not isinstance(found, str):
        raise Rejected(Reason.BAD_NAME, "a value without a name")
    check_name(found)
    return found


def _count(name: str, spot: _Spot | None, trail: list[tuple[Any, Step]], largest: int) -> int | None:
    found = None if spot is None else spot.find(trail)
    return None if found is None or found is _MISSING else counter(name, found, largest)


def child(name: object, sender: Sender) -> str:
    """The id of a device behind the sender: below the sender's own, so that nobody speaks for another; raises Rejected (BAD_NAME)."""
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise Rejected(Reason.BAD_NAME, "the name of the device is neither text nor a whole number")
    made = ident(sender.device, str(name))
    if not ID.fullmatch(made):
        raise Rejected(Reason.BAD_NAME, f"the name of the device, {str(name)[:60]!r}, is too long")
    return made


class Heap:
    """Rows by device and instant."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._rows: dict[tuple[str, Micros], list[Row]] = {}
        self._count = self._looks = 0

    def look(self, places: int) -> None:
        """So many places more will be looked at; raises Rejected (TOO_LARGE)."""
        self._looks += places
        if self._looks > MOST_LOOKS:
            raise Rejected(Reason.TOO_LARGE, f"more than {MOST_LOOKS} places to look at")

    def add(self, row: Row) -> None:
        """Keep a row, in the last row of its instant where it fits; raises Rejected (TOO_LARGE, TOO_MANY_SIGNALS)."""
        key = (row.device, self._sender.received_at if row.at is None else row.at)
        there = self._rows.get(key)
        if there is not None and _fit(there[-1], row):
            there[-1] = _merged(there[-1], row)
            return
        self._count += 1
        if self._count > MAX_ROWS:
            raise Rejected(Reason.TOO_LARGE, f"more than {MAX_ROWS} rows")
        if there is None:
            self._rows[key] = [row]
        else:
            # A second row with the same count and time would pass for the first one come again.
            there.append(row if row.boot is None and row.seq is None else row._replace(boot=None, seq=None))

    def rows(self) -> list[Row]:
        """All of them, by device and time."""
        return [row for key in sorted(self._rows) for row in self._rows[key]]


def _fit(there: Row, row: Row) -> bool:
    same = there.at == row.at and there.quality == row.quality and there.relative == row.relative
    counts = row.seq is None or there.seq is None or (there.boot, there.seq) == (row.boot, row.seq)
    return same and counts and there.values.keys().isdisjoint(row.values)


def _merged(there: Row, row: Row) -> Row:
    if len(there.values) + len(row.values) > MAX_SIGNALS:
        raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {MAX_SIGNALS} signals at one instant")
    # Both are of this message and nobody else's: a copy for each that is added would take long where many are.
    there.values.update(row.values)  # type: ignore[attr-defined]  # a dict, made by the decoder
    there.units.update(row.units)  # type: ignore[attr-defined]  # the same
    return there if row.seq is None else there._replace(boot=row.boot, seq=row.seq)
