"""Data of known devices as columns, with the same answer as one by one. Pure.

A node whose messages of this pass are all plain data, in sequence, of devices and metrics that are known, is read without an object per
message. Where one message of a node is anything else, that node's messages are walked in the order of arrival, and what one of them changes
holds for the next. Nodes know nothing of each other, so it does not matter which of them comes first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.columns import ROWS_PER_MESSAGE, Columns
from ingest.dialects.batch import Batch
from ingest.dialects.sparkplug.forms import Form, Forms, Part, Reads
from ingest.dialects.sparkplug.payload import BITS, BOOLEAN, DOUBLE, FLOAT, SIGNED, UINT64
from ingest.dialects.sparkplug.session import Device, Known, Node
from ingest.timing import settle_all
from vorab.clock import Micros
from vorab.frame import B1, F8, I8, U1

_MOST: Final = 200_000
"""Topics remembered (five forms of each, and one kind of columns for ten of them); beyond it everything is forgotten and learned again."""
_KINDS: Final = {FLOAT: F8, DOUBLE: F8, BOOLEAN: B1}
_NEW: Final = -2
_ODD: Final = -1

Find = Callable[[bytes], tuple[Node, Device] | None]
Array = NDArray[np.int64]


class _Column(NamedTuple):
    part: int
    signal: str
    datatype: int


class _Shape(NamedTuple):
    """What the rows look like, whatever form they came in."""

    signals: tuple[tuple[str, np.dtype[Any]], ...]
    """Name and type, by name, so that equal shapes are equal bytes."""
    units: tuple[tuple[str, str], ...]
    timed: bool
    """Whether they have a time."""


class _Layout(NamedTuple):
    """Payloads of one form whose metrics mean the same."""

    columns: tuple[_Column, ...]
    shape: _Shape


class _Hot(NamedTuple):
    """A topic of data whose device is known."""

    node: Node
    device: Device


@dataclass(slots=True)
class _Pass:
    """What is known of each message of a batch, by position."""

    hot: Array
    seq: Array
    layout: Array
    row: Array
    reads: Array


class Bulk:
    """What is remembered to read data quickly."""

    def __init__(self) -> None:
        self._forms = Forms()
        self._epoch = -1
        self._clear()

    def _clear(self) -> None:
        self._ids: dict[bytes, int] = {}
        """Of hot topics; an id is never used again."""
        self._hot: list[_Hot] = []
        self._numbers, self._homes = np.zeros(64, I8), np.zeros(64, I8)
        """Of the device (negative: another worker writes it) and of the node of each hot topic."""
        self._places: dict[bytes, int] = {}
        """A number for the node of each topic."""
        self._nodes: dict[bytes, int] = {}
        self._layouts: list[_Layout] = []
        self._same: dict[tuple[int, _Layout], int] = {}
        self._met = 0
        self._forms.forget()

    def forget(self, node: Node) -> None:
        """A birth, a death or a command: what was remembered of this node is void."""
        for topic in node.topics:
            self._ids.pop(topic, None)
        node.topics.clear()

    def take(self, batch: Batch, find: Find) -> tuple[list[Columns], int]:
        """Columns of the messages of a batch that need no second look, and how many these were; the others go `batch.slowly`.

        `find` tells node and device of a topic as they stand now; None where there is no such device to read quickly.
        """
        if batch.epoch != self._epoch or max(len(self._hot), len(self._places), 10 * len(self._layouts), self._met // 5) > _MOST:
            self._epoch = batch.epoch
            self._clear()
        reads = self._forms.read(batch.payloads)
        known = self._known(batch, reads, find)
        taken = self._in_sequence(batch, known) if reads else np.zeros(len(batch.topics), bool)
        if not taken.all():
            self._walk(batch, known, taken)
        columns = self._columns(batch, reads, known, taken) if reads else []
        return columns, int(taken.sum())

    # ------------------------------------------------------------------------------------------- what is known

    def _known(self, batch: Batch, reads: list[Reads], find: Find) -> _Pass:
        n = len(batch.topics)
        hot = np.array(list(map(self._ids.get, batch.topics, itertools.repeat(_ODD))), I8)
        known = _Pass(hot, np.full(n, _ODD), np.full(n, _ODD), np.zeros(n, I8), np.zeros(n, I8))
        for i, some in enumerate(reads):
            places = some.positions
            for position in places[known.hot[places] < 0].tolist():
                known.hot[position] = self._heat(batch.topics[position], batch, find)
            known.seq[places] = some.seqs
            known.row[places] = np.arange(len(places))
            known.reads[places] = i
            known.layout[places] = self._layouts_of(some, known.hot[places])
        return known

    def _heat(self, topic: bytes, batch: Batch, find: Find) -> int:
        before = self._ids.get(topic)
        if before is not None:
            return before
        found = find(topic)
        if found is None:
            return _ODD
        node, device = found
        made = self._ids[topic] = len(self._hot)
        if made == len(self._numbers):
            self._numbers = np.concatenate([self._numbers, self._numbers])
            self._homes = np.concatenate([self._homes, self._homes])
        self._hot.append(_Hot(node, device))
        self._numbers[made], self._homes[made] = batch.number(topic, device.ident), self._home(topic)
        node.topics.append(topic)
        return made

    def _layouts_of(self, reads: Reads, hot: Array) -> Array:
        form = reads.form
        slots = list(map(form.slots.get, hot.tolist(), itertools.repeat(0)))
        found = np.where((form.aliases[slots] == reads.aliases).all(axis=1), form.met[slots], _NEW)
        for row in np.flatnonzero((found == _NEW) & (hot >= 0)).tolist():
            found[row] = self._layout(int(hot[row]), form, reads.aliases[row].tolist())
            form.remember(int(hot[row]), int(found[row]), reads.aliases[row])
            self._met += 1
        return np.where(reads.good, found, _ODD)

    def _layout(self, hot: int, form: Form, data: list[int]) -> int:
        """What these metrics are for this device; negative where that needs a closer look."""
        device = self._hot[hot].device
        aliases, beyond = _aliases(form, data)
        columns: list[_Column] = []
        units: dict[str, str] = {}
        for i, (part, alias) in enumerate(zip(form.parts, aliases, strict=True)):
            known = device.names.get(part.name) if part.name else device.aliases.get(alias)
            if known is None or not _plain(known, part) or (beyond and known.datatype == UINT64):
                return _ODD
            if known.signal:
                columns.append(_Column(i, known.signal, known.datatype))
                if known.unit:
                    units[known.signal] = known.unit
        columns.sort(key=lambda column: column.signal)
        if len({column.signal for column in columns}) < len(columns):
            return _ODD
        timed = form.timestamp is not None or any(part.timestamp is not None for part in form.parts)
        shape = _Shape(tuple((column.signal, _KINDS.get(column.datatype, I8)) for column in columns), tuple(sorted(units.items())), timed)
        layout = _Layout(tuple(columns), shape)
        found = self._same.setdefault((form.number, layout), len(self._layouts))
        if found == len(self._layouts):
            self._layouts.append(layout)
        return found

    # ------------------------------------------------------------------------------------------- in sequence

    def _in_sequence(self, batch: Batch, known: _Pass) -> NDArray[np.bool_]:
        """The messages of the nodes all of whose messages are plain and have their turn."""
        nodes = self._homes[known.hot]
        for position in np.flatnonzero(known.hot < 0).tolist():
            nodes[position] = self._home(batch.topics[position])
        n = len(nodes)
        order = np.argsort(nodes, kind="stable")
        ordered = nodes[order]
        edges = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [n]])
        starts, counts = edges[:-1], edges[1:] - edges[:-1]
        firsts = known.hot[order[starts]].tolist()
        steady = [self._hot[hot].node if hot >= 0 else None for hot in firsts]
        nexts = np.array([_ODD if node is None or node.held else node.next for node in steady], I8)
        expected = (np.repeat(nexts - starts, counts) + np.arange(n)) & 255
        good = (known.layout[order] >= 0) & (known.seq[order] == expected)
        whole = np.logical_and.reduceat(good, starts) & (nexts >= 0)
        ends = ((nexts + counts) & 255).tolist()
        for node, end, ok in zip(steady, ends, whole.tolist(), strict=True):
            if ok and node is not None:
                node.next = end
        if whole.all():
            return np.ones(n, bool)
        taken = np.empty(n, bool)
        taken[order] = np.repeat(whole, counts)
        return taken

    def _home(self, topic: bytes) -> int:
        """A number for the node of a topic."""
        known = self._places.get(topic)
        if known is None:
            levels = topic.split(b"/")
            name = b"/".join([*levels[1:2], *levels[3:4]])
            known = self._places[topic] = self._nodes.setdefault(name, len(self._nodes))
        return known

    def _walk(self, batch: Batch, known: _Pass, taken: NDArray[np.bool_]) -> None:
        """One by one, in the order of arrival: what can be taken is, and the others go the long way."""
        hots, seqs, layouts = known.hot.tolist(), known.seq.tolist(), known.layout.tolist()
        for position in np.flatnonzero(~taken).tolist():
            hot = hots[position]
            if hot >= 0 and layouts[position] >= 0 and self._ids.get(batch.topics[position]) == hot:
                node = self._hot[hot].node
                if node.next == seqs[position] and not node.held:
                    node.next = (node.next + 1) & 255
                    taken[position] = True
                    continue
            batch.slowly(position)

    # ------------------------------------------------------------------------------------------- columns

    def _columns(self, batch: Batch, reads: list[Reads], known: _Pass, taken: NDArray[np.bool_]) -> list[Columns]:
        picked = np.flatnonzero(taken)
        numbers = self._numbers[known.hot[picked]]
        if (numbers < 0).any():
            own = numbers >= 0
            picked, numbers = picked[own], numbers[own]
        layouts = known.layout[picked]
        shapes: dict[_Shape, list[int]] = {}
        for layout in set(layouts.tolist()):
            shape = self._layouts[layout].shape
            if shape.signals:
                shapes.setdefault(shape, []).append(layout)
        places = np.array(batch.places, I8) if not isinstance(batch.places, range) else np.arange(batch.places.start, batch.places.stop)
        made = []
        for shape, same in shapes.items():
            some = slice(None) if len(same) == len(shapes) == 1 else np.flatnonzero(np.isin(layouts, same))
            made.append(self._made(shape, reads, known, picked[some], places, numbers[some], batch.received_at))
        return made

    def _made(
        self, shape: _Shape, reads: list[Reads], known: _Pass, picked: Array, places: Array, numbers: Array, received_at: Micros
    ) -> Columns:
        """Rows of one shape out of several forms, in the order of arrival."""
        n = len(picked)
        at, rows, of = np.empty(n, I8), known.row[picked], known.reads[picked]
        layouts = known.layout[picked]
        signals: dict[str, NDArray[Any]] = {name: np.empty(n, kind) for name, kind in shape.signals}
        for layout in set(layouts.tolist()):
            here = np.flatnonzero(layouts == layout)
            some, mine = reads[int(of[here[0]])], rows[here]
            at[here] = received_at if some.at is None else some.at[mine] * 1000
            for part, signal, datatype in self._layouts[layout].columns:
                signals[signal][here] = _typed(some.values[part][mine], datatype)
        measured_at, quality = settle_all(at if shape.timed else None, n, received_at)
        return Columns(
            rank=places[picked] * ROWS_PER_MESSAGE,
            number=numbers,
            measured_at=measured_at,
            received_at=np.full(n, received_at, I8),
            quality=quality.astype(U1, copy=False),
            signals=signals,
            units=dict(shape.units),
        )


def _aliases(form: Form, data: list[int]) -> tuple[list[int], int]:
    """The alias of each part (0 where it has none), and whether a whole number is beyond 63 bits."""
    at, found = 0, []
    for part in form.parts:
        alias = 0
        if part.alias is not None:
            for i in range(part.alias.size):
                alias |= (data[at + i] & 0x7F) << 7 * i
            at += part.alias.size
        found.append(alias & (2**64 - 1))
    return found, data[at]


def _plain(known: Known, part: Part) -> bool:
    """Whether a value travels as its datatype says."""
    if part.field in {10, 11}:
        return known.datatype in BITS
    if part.field in {12, 13}:
        return known.datatype in {FLOAT, DOUBLE}
    return known.datatype == BOOLEAN


def _typed(raw: NDArray[Any], datatype: int) -> NDArray[Any]:
    if datatype in {FLOAT, DOUBLE}:
        return raw.astype(F8)
    if datatype == BOOLEAN:
        truth: NDArray[np.bool_] = raw != 0
        return truth
    bits = BITS[datatype]
    if bits < 64:
        raw = raw & np.uint64((1 << bits) - 1)
    whole: NDArray[np.int64] = raw.astype(I8)  # of 64 bits it wraps, and so it should
    if datatype in SIGNED and bits < 64:
        half = np.int64(1 << (bits - 1))
        whole = (whole ^ half) - half
    return whole
