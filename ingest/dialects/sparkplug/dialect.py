"""The Sparkplug dialect: what each kind of message does to what is known of its node.

    NBIRTH    a session begins, or says again all it is; sequence numbers and names count from here
    DBIRTH    a device of it is there, with all its metrics
    NDATA, DDATA    values, by name or alias
    DDEATH    a device is gone
    NDEATH    the node and all its devices are gone, if the session that died is the one that is known, or if nothing more is heard of it

A message that comes too early waits up to two seconds for the one before it. If that never comes, or a number comes again, a restart may
have been missed, and what an alias means is open: data are refused until the node, asked for a new birth, has said it. A node that does not
offer `Node Control/Rebirth` could not be asked; its data are read on.

A refused message leaves everything as it was, but for its place in the sequence, which it has taken, the wish for a new birth, and the
note of a death.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from ingest.columns import Columns
from ingest.decoders.rows import FAR, MAX_SIGNALS, Row, micros
from ingest.dialects.batch import Batch
from ingest.dialects.sparkplug.bulk import Bulk
from ingest.dialects.sparkplug.commands import Commands
from ingest.dialects.sparkplug.payload import BOOLEAN, COMPRESSED, Metric, Payload, Written, first_of, read, value, write
from ingest.dialects.sparkplug.session import (
    BDSEQ,
    MAX_DEVICES,
    MAX_KNOWN,
    MAX_NODES,
    REBIRTH,
    Device,
    Held,
    Known,
    Node,
    about,
    device_of,
    signals_of,
)
from ingest.dialects.sparkplug.wishes import Wishes
from ingest.dialects.words import Heard, LeftOut, Order, Refused, Say, Seen, Word, ident
from vorab.clock import SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Quality, Value
from vorab.records import Action
from vorab.topics import ID

REORDER: Final[Micros] = 2 * SECOND
"""How long a message that is missing may take; brokers reorder within milliseconds, if at all."""
OVERTAKEN: Final[Micros] = SECOND // 4
"""A birth this soon after the death of the same session was either overtaken by it, and that session is over, or comes from a restart of a
node that begins to count its sessions anew. Who speaks later than this is alive."""
ASK_AFTER: Final[Micros] = 2 * SECOND
"""... and who does not is asked."""
REBORN: Final[Micros] = 30 * SECOND
"""Devices that were there before NBIRTH and are not born again within this time are gone."""
SILENT: Final[Micros] = 30 * SECOND
"""A node that says nothing for so long after the death of another session, and after it was asked for its birth, is gone: some clients
number their wills otherwise than their births, and a birth may have been missed."""
MAX_ROWS: Final = 1_000
"""Of one message, and of all that come at once because a gap was filled."""
MAX_AT_ONCE: Final = 1_000
"""Metrics of messages that have waited and are read together, unless it is one message."""
MAX_HELD: Final = 64
MAX_HELD_BYTES: Final = 16 << 20
_MS: Final = 1000
_HISTORICAL: Final = int(Quality.HISTORICAL)

_OF_NODES: Final = frozenset({"NBIRTH", "NDEATH", "NDATA", "NCMD"})
_OF_DEVICES: Final = frozenset({"DBIRTH", "DDEATH", "DDATA", "DCMD"})

Place = tuple[str, str]
"""Group and node."""


class Sparkplug:
    """The dialect."""

    name: ClassVar[str] = "sparkplug"
    filters: ClassVar[tuple[str, ...]] = ("spBv1.0/#",)

    def __init__(self) -> None:
        self._nodes: OrderedDict[Place, Node] = OrderedDict()
        self._dead: OrderedDict[Place, None] = OrderedDict()
        self._waiting: dict[Place, Node] = {}
        """Nodes with a gap, or with devices that have to be born again."""
        self._known = 0
        self._held_bytes = 0
        self._wishes = Wishes()
        self._commands = Commands()
        self._bulk = Bulk()

    # ----------------------------------------------------------------------------------------------- hearing

    def hear(self, heard: Heard) -> list[Word]:
        """What a message says; raises Rejected."""
        levels = heard.levels
        if len(levels) < 3 or levels[0] != "spBv1.0":
            raise Rejected(Reason.UNKNOWN_TOPIC, "not spBv1.0/{group}/{type}/{node}[/{device}]")
        if levels[1] == "STATE" or heard.retained:
            return []  # other hosts; and nothing of Sparkplug is kept by brokers: what was kept is old
        kind, size = levels[2], len(levels)
        if not (kind in _OF_NODES and size == 4) and not (kind in _OF_DEVICES and size == 5):
            raise Rejected(Reason.UNKNOWN_TOPIC, "not spBv1.0/{group}/{type}/{node}[/{device}]")
        group, name = levels[1], levels[3]
        child = levels[4] if size == 5 else ""
        if kind in {"NCMD", "DCMD"}:
            return self._overheard(heard, group, name)
        if not ID.fullmatch(ident(*levels[1:2], *levels[3:])) or not all(levels[1:]):
            raise Rejected(Reason.BAD_NAME, "group, node and device make no id: one is empty, or they are longer than 128 together")
        payload = read(heard.payload)
        if kind == "NBIRTH":
            return self._nbirth(heard, payload, group, name)
        if kind == "NDEATH":
            return self._ndeath(heard, payload, group, name)
        node = self._nodes.get((group, name))
        if node is not None and node.doubted:
            return self._in_doubt(node, heard, payload)
        if node is None or not node.born or node.lost:
            self._wishes.want(group, name, heard.received_at)
            raise Rejected(Reason.OUT_OF_SESSION, "the node's birth was not heard, or a message was missed since; a new birth is asked for")
        node.gone_at = None  # it speaks
        return self._in_turn(node, heard, payload, kind, child)

    def hear_all(self, batch: Batch) -> tuple[list[Columns], int]:
        """Data of known devices as columns, and how many messages these were; the others go the long way at their turn."""
        return self._bulk.take(batch, self._quick)

    def _quick(self, topic: bytes) -> tuple[Node, Device] | None:
        """Node and device of a topic of data, if they are known and nobody waits for an answer in it."""
        levels = topic.decode().split("/")
        if len(levels) < 4 or (levels[2], len(levels)) not in {("NDATA", 4), ("DDATA", 5)} or levels[0] != "spBv1.0":
            return None
        node = self._nodes.get((levels[1], levels[3]))
        device = node.devices.get(levels[4] if len(levels) > 4 else "") if node is not None else None
        if node is None or device is None or node.next < 0 or node.gone_at is not None or self._commands.waits_for(device.ident):
            return None
        return node, device

    def _overheard(self, heard: Heard, group: str, name: str) -> list[Word]:
        """A command, ours or another host's: what was asked just now need not be asked again."""
        metric = first_of(read(heard.payload).metrics, REBIRTH)
        if metric is not None and metric.raw:
            self._wishes.asked(group, name, heard.received_at, known=(group, name) in self._nodes)
        return []

    # ----------------------------------------------------------------------------------------------- the node

    def _nbirth(self, heard: Heard, payload: Payload, group: str, name: str) -> list[Word]:
        node, bdseq, now = self._nodes.get((group, name)), _bdseq(payload), heard.received_at
        if node is not None and node.died is not None and node.died[0] == bdseq and 0 <= now - node.died[1] <= OVERTAKEN:
            self._wishes.want(group, name, now, after=ASK_AFTER)
            return self._in_doubt(node, heard, payload)
        seq = _checked(payload.seq)
        device = device_of(ident(group, name), payload.metrics)
        rows, seen = _rows(device, payload)
        self._make_room(node, (group, name), len(device.names))
        # From here on nothing is refused any more.
        if node is None:
            node = self._nodes[group, name] = Node(group, name, device.ident)
        words = self._refuse_held(node, "a birth came before the message it waited for")
        anew = not node.born or (bdseq is not None and bdseq != node.bdseq)
        if anew:
            self._commands.died(node.ident)
            for child in node.present:
                self._commands.died(ident(group, name, child))
        if not node.born or anew:
            words.append(Seen(node.ident, online=True, evidence="birth"))
        self._known += len(device.names) - node.known
        rebirth = first_of(payload.metrics, REBIRTH)
        node.born, node.lost, node.obliging, node.bdseq, node.died = True, False, rebirth is not None, bdseq, None
        node.next, node.gone_at = -1 if seq is None else (seq + 1) & 255, None
        node.devices = {"": device}
        if node.present:
            node.births_due = now + REBORN
            self._waiting[group, name] = node
        self._dead.pop((group, name), None)
        self._wishes.born(group, name)
        self._changed(node)
        words.append(about(device, payload.metrics, f"{group}/{name}"))
        words += rows
        words += self._commands.born(node.ident, anew=anew)
        words += self._commands.seen(node.ident, seen)
        return words

    def _ndeath(self, heard: Heard, payload: Payload, group: str, name: str) -> list[Word]:
        node, bdseq, now = self._nodes.get((group, name)), _bdseq(payload), heard.received_at
        if node is None:
            self._make_room(None, (group, name), 0)
            node = self._nodes[group, name] = Node(group, name, ident(group, name), died=(bdseq, now))
            self._dead[group, name] = None
            return [Seen(node.ident, online=False, evidence="will")]
        node.died = bdseq, now
        if node.born and None not in {bdseq, node.bdseq} and bdseq != node.bdseq:
            if node.obliging:
                node.gone_at, self._waiting[group, name] = FAR, node
                self._wishes.want(group, name, now)
                self._changed(node)
            raise Rejected(Reason.OUT_OF_SESSION, f"the death of session {bdseq}, and this is session {node.bdseq}")
        return self._end(node) if node.born else self._refuse_held(node, "the session it came in died")

    def _end(self, node: Node) -> list[Word]:
        """Node and devices are gone."""
        group, name = node.group, node.name
        words = self._refuse_held(node, "the node died before the message it waited for came")
        gone = [node.ident, *(ident(group, name, child) for child in sorted(node.present))]
        for each in gone:
            self._commands.died(each)
        words += [Seen(each, online=False, evidence="will") for each in gone]
        self._known -= node.known
        node.born, node.next, node.births_due, node.gone_at = False, -1, None, None
        node.devices, node.present = {}, set()
        self._waiting.pop((group, name), None)
        self._dead[group, name] = None
        self._wishes.born(group, name)  # it cannot answer
        self._changed(node)
        return words

    # ----------------------------------------------------------------------------------------------- in sequence

    def _in_turn(self, node: Node, heard: Heard, payload: Payload, kind: str, child: str) -> list[Word]:
        seq = _checked(payload.seq)
        if node.next >= 0 and seq is not None and seq != node.next:
            return self._hold(node, Held(seq, heard, len(payload.metrics)))
        if seq is not None and node.next >= 0:
            node.next = (seq + 1) & 255
        words = self._apply(node, heard, payload, kind, child)
        if node.held:
            words += self._release(node, len(words), len(payload.metrics))
        return words

    def _apply(self, node: Node, heard: Heard, payload: Payload, kind: str, child: str) -> list[Word]:
        if kind == "DBIRTH":
            return self._dbirth(node, payload, child)
        if kind == "DDEATH":
            return self._ddeath(node, child)
        return self._data(node, heard, payload, child)

    def _hold(self, node: Node, held: Held) -> list[Word]:
        if not node.held:
            node.gap_since = held.heard.received_at
            self._waiting[node.group, node.name] = node
        node.held.append(held)
        self._held_bytes += len(held.heard.payload)
        words = self._release(node, metrics=held.metrics)
        # A number from behind is no message that overtook another: the node has begun to count anew, and its birth was missed.
        far = (held.seq - node.next) & 255 > MAX_HELD
        if far or len(node.held) > MAX_HELD or self._held_bytes > MAX_HELD_BYTES:
            words += self._give_up(node, held.heard.received_at)
        return words

    def _release(self, node: Node, already: int = 0, metrics: int = 0) -> list[Word]:
        """Whatever has its turn now; `already` words are to be said with it, and so many metrics have been read for it."""
        words: list[Word] = []
        while (ready := next((held for held in node.held if held.seq == node.next), None)) is not None:
            if already + len(words) and already + len(words) + _most_rows(ready.heard.payload) > MAX_ROWS:
                break  # the rest a second later
            if metrics and metrics + ready.metrics > MAX_AT_ONCE:
                break  # the same
            metrics += ready.metrics
            node.held.remove(ready)
            self._held_bytes -= len(ready.heard.payload)
            node.next = (ready.seq + 1) & 255
            words += self._late(node, ready.heard)
        return words

    def _late(self, node: Node, heard: Heard) -> list[Word]:
        """A message that has waited; refused now, it is told so."""
        try:
            return self._apply(node, heard, read(heard.payload), heard.levels[2], heard.levels[4] if len(heard.levels) > 4 else "")
        except Rejected as why:
            return [Refused(heard.topic, heard.payload, why)]

    def _give_up(self, node: Node, now: Micros) -> list[Word]:
        """What is missing will not come."""
        self._wishes.want(node.group, node.name, now)
        if node.obliging:
            node.lost, node.next = True, -1
            self._changed(node)
            return self._refuse_held(node, "a message before it never came; a new birth is asked for")
        words: list[Word] = []
        metrics = 0
        while node.held and node.born and (not metrics or metrics + node.held[0].metrics <= MAX_AT_ONCE):
            first = node.held.pop(0)
            metrics += first.metrics
            self._held_bytes -= len(first.heard.payload)
            node.next = (first.seq + 1) & 255
            words += self._late(node, first.heard)
        return words

    def _refuse_held(self, node: Node, why: str) -> list[Word]:
        held = [*node.doubted, *(one.heard for one in node.held)]
        node.doubted, node.doubted_metrics, node.held = [], 0, []
        self._held_bytes -= sum(len(one.payload) for one in held)
        return [Refused(one.topic, one.payload, Rejected(Reason.OUT_OF_SESSION, why)) for one in held]

    def _in_doubt(self, node: Node, heard: Heard, payload: Payload) -> list[Word]:
        """A birth that may be late, and what follows it: kept until a message proves that the session lives."""
        died_at = node.died[1] if node.died is not None else 0
        if not node.doubted or 0 <= heard.received_at - died_at <= OVERTAKEN:
            metrics = node.doubted_metrics + len(payload.metrics)
            full = len(node.doubted) >= MAX_HELD or (node.doubted and metrics > MAX_AT_ONCE)
            if full or self._held_bytes + len(heard.payload) > MAX_HELD_BYTES:
                raise Rejected(Reason.OUT_OF_SESSION, "too much of a session that may be over")
            node.doubted.append(heard)
            node.doubted_metrics = metrics
            self._held_bytes += len(heard.payload)
            return []
        before, metrics = node.doubted, node.doubted_metrics
        node.doubted, node.doubted_metrics, node.died = [], 0, None
        self._held_bytes -= sum(len(one.payload) for one in before)
        seq, words = _checked(payload.seq), list[Word]()
        later = metrics + len(payload.metrics) > MAX_AT_ONCE and seq is not None and heard.levels[2] != "NBIRTH"
        for one in before if later else (*before, heard):
            try:
                words += self.hear(one)
            except Rejected as why:
                words.append(Refused(one.topic, one.payload, why))
        if later and seq is not None:
            words += self._hold(node, Held(seq, heard, len(payload.metrics)))  # its turn is a second later
        return words

    # ----------------------------------------------------------------------------------------------- devices

    def _dbirth(self, node: Node, payload: Payload, child: str) -> list[Word]:
        device = device_of(ident(node.group, node.name, child), payload.metrics)
        rows, seen = _rows(device, payload)
        before = node.devices.get(child)
        if before is None and len(node.devices) > MAX_DEVICES:
            raise Rejected(Reason.TOO_LARGE, f"more than {MAX_DEVICES} devices of one node")
        more = len(device.names) - (len(before.names) if before else 0)
        if self._known + more > MAX_KNOWN:
            raise Rejected(Reason.TOO_LARGE, f"more than {MAX_KNOWN} metrics of all nodes")
        self._known += more
        words: list[Word] = []
        anew = before is not None or child not in node.present
        if child not in node.present:
            node.present.add(child)
            words.append(Seen(device.ident, online=True, evidence="birth"))
        node.devices[child] = device
        self._changed(node)
        words.append(about(device, payload.metrics, f"{node.group}/{node.name}/{child}"))
        words += rows
        words += self._commands.born(device.ident, anew=anew)
        words += self._commands.seen(device.ident, seen)
        return words

    def _ddeath(self, node: Node, child: str) -> list[Word]:
        gone = node.devices.pop(child, None)
        self._known -= len(gone.names) if gone else 0
        node.present.discard(child)
        name = ident(node.group, node.name, child)
        self._commands.died(name)
        self._changed(node)
        return [Seen(name, online=False, evidence="goodbye")]

    def _data(self, node: Node, heard: Heard, payload: Payload, child: str) -> list[Word]:
        device = node.devices.get(child)
        if device is None:
            self._wishes.want(node.group, node.name, heard.received_at)
            raise Rejected(Reason.OUT_OF_SESSION, "the device's birth was not heard; a new birth is asked for")
        known = [_known(device, metric) for metric in payload.metrics]
        if None in known:
            strange = payload.metrics[known.index(None)]
            self._wishes.want(node.group, node.name, heard.received_at)
            what = repr(strange.name[:60]) if strange.name else f"alias {strange.alias}"
            raise Rejected(Reason.OUT_OF_SESSION, f"no birth named the metric {what}; a new birth is asked for")
        rows, seen = _rows(device, payload, known)
        return [*rows, *self._commands.seen(device.ident, seen)]

    # ----------------------------------------------------------------------------------------------- time and commands

    def due(self, now: Micros) -> list[Word]:
        """Gaps that were never filled, devices that were not born again, and nodes to ask for a birth."""
        words: list[Word] = []
        for place, node in list(self._waiting.items()):
            if node.held:
                words += self._release(node)
            if node.held and now - node.gap_since >= REORDER and not any(held.seq == node.next for held in node.held):
                words += self._give_up(node, now)
            if node.births_due is not None and now >= node.births_due:
                node.births_due = None
                words += self._not_reborn(node)
            if node.gone_at is not None and now >= node.gone_at:
                words += self._end(node)
            if not node.held and node.births_due is None and node.gone_at is None:
                self._waiting.pop(place, None)
        self._commands.due(now)
        for group, name in self._wishes.due(now):
            asked = self._nodes.get((group, name))
            if asked is not None and asked.gone_at == FAR:
                asked.gone_at = now + SILENT
            words.append(Say("", f"spBv1.0/{group}/NCMD/{name}", write([Written(REBIRTH, BOOLEAN, value=True)], now // _MS)))
        return words

    def _not_reborn(self, node: Node) -> list[Word]:
        gone = sorted(node.present - node.devices.keys())
        node.present.difference_update(gone)
        return [Seen(ident(node.group, node.name, child), online=False, evidence="birth") for child in gone]

    def command(self, action: Action, address: str, now: Micros) -> Order:
        """`restart`, `set`, `rebirth`, `read` and `diagnose`, for a node or a device at `group/node[/device]`; raises Rejected."""
        levels = address.split("/")
        if len(levels) not in {2, 3} or not all(levels):
            raise Rejected(Reason.UNSUPPORTED, f"{address[:100]!r} is not group/node or group/node/device")
        node = self._nodes.get((levels[0], levels[1]))
        device = node.devices.get(levels[2] if len(levels) == 3 else "") if node is not None else None
        order = self._commands.order(action, address, ident(*levels), device, now)
        if node is not None:
            self._changed(node)
        return order

    # ----------------------------------------------------------------------------------------------- bounds

    def _make_room(self, node: Node | None, place: Place, names: int) -> None:
        """Refuse what would outgrow the memory; a dead node goes before that."""
        if self._known + names - (node.known if node else 0) > MAX_KNOWN:
            raise Rejected(Reason.TOO_LARGE, f"more than {MAX_KNOWN} metrics of all nodes")
        if place in self._nodes or len(self._nodes) < MAX_NODES:
            return
        if not self._dead:
            raise Rejected(Reason.TOO_LARGE, f"more than {MAX_NODES} nodes")
        gone, _ = self._dead.popitem(last=False)
        del self._nodes[gone]

    def _changed(self, node: Node) -> None:
        """What was remembered to read the node's data quickly is void."""
        self._bulk.forget(node)


def _most_rows(data: bytes) -> int:
    """A row has a metric with a time of its own, and that takes 12 bytes; what a compressed payload holds, it does not show."""
    return MAX_ROWS if COMPRESSED.encode() in data else len(data) // 12 + 1


def _checked(seq: int | None) -> int | None:
    if seq is not None and seq > 255:
        raise Rejected(Reason.BAD_VALUE, f"the sequence number {seq} is above 255")
    return seq


def _bdseq(payload: Payload) -> int | None:
    metric = first_of(payload.metrics, BDSEQ)
    return int(metric.raw) if metric is not None and isinstance(metric.raw, int | float) else None


def _known(device: Device, metric: Metric) -> Known | None:
    """What a metric is; one that the birth did not name, but that says its name and datatype by itself, is taken at its word."""
    known = device.known(metric)
    if known is None and metric.name and metric.datatype:
        return Known(metric.name, signals_of([metric.name])[metric.name], metric.datatype, "")
    return known


def _rows(device: Device, payload: Payload, known: Sequence[Known | None] | None = None) -> tuple[list[Word], Mapping[str, Value]]:
    """One row per time stamp, apart where it is history; and the values that are news, by metric. Raises Rejected.

    `known` is what each metric is; in a birth that is what it says of itself.
    """
    found: dict[tuple[int | None, bool, int], tuple[dict[str, Value], dict[str, str]]] = {}
    seen: dict[str, Value] = {}
    taken = left_out = 0
    stamp = payload.timestamp
    for metric, one in zip(payload.metrics, map(device.known, payload.metrics) if known is None else known, strict=True):
        given = None if one is None else value(one.name, metric.raw, one.datatype)
        if one is None or given is None:
            left_out += one is not None and metric.raw is not None
            continue
        if not metric.historical:
            seen[one.name] = given
        signal = one.signal
        if not signal:
            continue
        key = (metric.timestamp or stamp or None, metric.historical, taken // MAX_SIGNALS)
        row = found.get(key)
        if row is None:
            row = found[key] = ({}, {})
        row[0][signal] = given
        if one.unit:
            row[1][signal] = one.unit
        taken += 1
    if len(found) > MAX_ROWS:
        raise Rejected(Reason.TOO_LARGE, f"{len(found)} rows, at most {MAX_ROWS}")
    rows: list[Word] = [
        Row(None if at is None else micros(at, _MS), values, units, device=device.ident, quality=_HISTORICAL if historical else 0)
        for (at, historical, _), (values, units) in found.items()
    ]
    if left_out:
        rows.append(LeftOut(device.ident, left_out))
    return rows, seen
