"""Sparkplug in bulk: many messages at once give what they give one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import MethodType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.columns import Columns
from ingest.dialects.batch import Batch
from ingest.dialects.sparkplug import bulk, sparkplug_pb2
from ingest.dialects.sparkplug.dialect import Sparkplug
from ingest.intake import Intake
from ingest.packets import Arrivals, Extra, Properties
from ingest.plan import Plan
from ingest.topicmap import TopicMap
from vorab import topics
from vorab.clock import SECOND, Micros
from vorab.frame import Reading, decode, unpack
from vorab.settings import TopicMapEntry

NOW = 1_795_464_000 * SECOND
MS = NOW // 1000
_UNITS = ("Cel", "", "kPa")
_KINDS = ((10, 10, 10), (10, 3, 11), (9, 4, 8), (1, 6, 13))
_ODD: tuple[dict[str, Any], ...] = (
    {"is_null": True}, {"is_historical": True}, {"timestamp": 7}, {"alias": 9}, {"name": "new", "datatype": 10}, {"string_value": "x"}
)  # fmt: skip

Message = tuple[bytes, bytes]
Metric = dict[str, Any]


def slow(_self: Sparkplug, batch: Batch) -> tuple[list[Columns], int]:
    """One by one."""
    for position in range(len(batch.topics)):
        batch.slowly(position)
    return [], 0


def intake(share: tuple[int, int] = (0, 1)) -> Intake:
    """A worker that hears Sparkplug, in several passes where many messages come."""
    plan = Plan(partitions=4, rejected_partitions=4, share=share, frame_rows=200)
    return Intake(plan, TopicMap([TopicMapEntry(filter="spBv1.0/#", dialect="sparkplug")], 4, 0))


def slow_intake(share: tuple[int, int] = (0, 1)) -> Intake:
    """The same without bulk."""
    made = intake(share)
    one: Any = made._hearing.dialects["sparkplug"]
    one.hear_all = MethodType(slow, one)
    return made


def bytes_of(metrics: list[dict[str, Any]], seq: int | None, timestamp: int | None = MS) -> bytes:
    """A payload."""
    made = sparkplug_pb2.Payload(timestamp=timestamp, seq=seq)
    for metric in metrics:
        made.metrics.add(**metric)
    data: bytes = made.SerializeToString()
    return data


class Plant:
    """Nodes with devices that mostly do as they should."""

    def __init__(self, seed: int, odd: float) -> None:
        self.dice, self.odd = random.Random(seed), odd
        self.seq, self.turn = [0] * 3, [0] * 3
        usual = self.dice.choice(_KINDS)
        self.kinds = [[self.dice.choice(_KINDS) if self.dice.random() < odd else usual for _ in range(3)] for _ in range(3)]
        self.named = [[self.dice.random() < odd for _ in range(3)] for _ in range(3)]
        self.timed = self.dice.random() < 0.5

    def births(self, node: int) -> Iterator[Message]:
        """NBIRTH and all DBIRTHs; each time the aliases mean something else."""
        self.seq[node] = 0
        self.turn[node] += 1
        own: list[Metric] = [{"name": "bdSeq", "datatype": 8, "long_value": 1}]
        own.append({"name": "Node Control/Rebirth", "datatype": 11, "boolean_value": False})
        yield b"spBv1.0/G/NBIRTH/n%d" % node, bytes_of(own, 0)
        for child in range(3):
            metrics: list[Metric] = []
            for k, kind in enumerate(self.kinds[node][child]):
                metric: Metric = {"name": f"m{k}", "datatype": kind, "properties": self._unit(k), **self._value(kind)}
                metrics.append(metric | ({} if self.named[node][child] else {"alias": self._alias(node, child, k)}))
            yield b"spBv1.0/G/DBIRTH/n%d/d%d" % (node, child), bytes_of(metrics, self._next(node))

    def data(self) -> Iterator[Message]:
        """One message, sometimes an odd one."""
        node, child = self.dice.randrange(3), self.dice.randrange(3)
        if self._oddly(8):
            yield from self.births(node)
        when = self.dice.choice([MS, MS - 10**10, 0]) if self._oddly() else MS + self.dice.randrange(1000)
        metrics = []
        for k, kind in enumerate(self.kinds[node][child]):
            metric: Metric = {"name": f"m{k}"} if self.named[node][child] else {"alias": self._alias(node, child, k)}
            metric |= self._value(kind)
            if self.timed:
                metric["timestamp"] = when
            if self._oddly():
                metric |= self.dice.choice(_ODD)
            metrics.append(metric)
        seq: int | None = self._next(node)
        if self._oddly(4):
            seq = self.dice.choice([None, (self.seq[node] + 1) & 255, 300])
        if self._oddly(8):
            yield b"spBv1.0/G/NDEATH/n%d" % node, bytes_of([{"name": "bdSeq", "datatype": 8, "long_value": 1}], None)
        yield b"spBv1.0/G/DDATA/n%d/d%d" % (node, child), bytes_of(metrics, seq, None if self._oddly() else when)

    def _oddly(self, rarely: int = 1) -> bool:
        return self.dice.random() < self.odd / rarely

    def _alias(self, node: int, child: int, k: int) -> int:
        return child * 30 + (k + self.turn[node]) % 3

    def _next(self, node: int) -> int:
        self.seq[node] = (self.seq[node] + 1) & 255
        return self.seq[node]

    def _value(self, kind: int) -> Metric:
        dice, odd = self.dice, self._oddly()
        if kind == 10:
            return {"double_value": dice.choice([float("nan"), float("inf"), 1e300]) if odd else dice.random()}
        if kind == 9:
            return {"float_value": dice.random()}
        if kind == 11:
            return {"boolean_value": dice.random() < 0.5}
        if kind in {4, 8, 13}:
            return {"long_value": dice.choice([2**64 - 3, 2**63, 2**63 - 1]) if odd else dice.randrange(128)}
        return {"int_value": dice.choice([2**32 - 3, 65_533]) if odd else 200 + dice.randrange(100)}

    @staticmethod
    def _unit(k: int) -> Any:
        value = sparkplug_pb2.PropertyValue(type=12, string_value=_UNITS[k])
        return sparkplug_pb2.PropertySet(keys=["engUnit"], values=[value])


def arrivals(messages: list[Message], dice: random.Random | None = None) -> Arrivals:
    """These messages in one read; some stored, some with properties."""
    made = Arrivals()
    for i, (topic, payload) in enumerate(messages):
        made.topics.append(topic)
        made.payloads.append(payload)
        made.mids.append(b"")
        if dice is not None and dice.random() < 0.1:
            made.extra[i] = Extra(retain=dice.random() < 0.3, properties=Properties("application/x-protobuf"))
    return made


def told(worker: Intake, reads: list[Arrivals]) -> tuple[list[tuple[int, list[Reading]]], list[tuple[str, bytes | None]]]:
    """Rows by partition, in order, and all other records."""
    rows, others = [], []
    for i, read in enumerate(reads):
        found = [*worker.take(read, NOW + i * SECOND), worker.due(NOW + i * SECOND)]
        for record in (record for taken in found for record in taken.records):
            if record.topic == topics.READINGS:
                rows.append((record.partition, unpack(decode(record.value or b""))))
            else:
                others.append((record.topic, record.value))
    return sorted(rows, key=lambda one: one[0]), others


@given(st.integers(0, 2**64), st.sampled_from([0.0, 0.01, 0.2]), st.sampled_from([(0, 1), (0, 2), (1, 2)]), st.booleans())
@settings(deadline=None)
def test_many_at_once_give_what_they_give_one_by_one(seed: int, odd: float, share: tuple[int, int], extras: bool) -> None:
    """Rows, presence, facts and refusals, each in its order, for any mixture of plain and odd messages."""
    plant = Plant(seed, odd)
    reads = []
    opening = [message for node in range(3) for message in plant.births(node)]
    for size in (3, 150, 5, 60):
        messages = [*opening, *(message for _ in range(size) for message in plant.data())]
        opening = []
        reads.append(arrivals(messages, plant.dice if extras else None))
    assert told(intake(share), reads) == told(slow_intake(share), reads)


def test_plain_data_never_goes_the_long_way() -> None:
    """The figure of the benchmark is that of the way that is meant."""
    plant, worker = Plant(1, 0.0), intake()
    worker.take(arrivals([message for node in range(3) for message in plant.births(node)]), NOW)
    worker.take(arrivals([message for _ in range(100) for message in plant.data()]), NOW)
    one: Any = worker._hearing.dialects["sparkplug"]
    one.hear = None
    for i in range(5):
        [*passes] = worker.take(arrivals([message for _ in range(100) for message in plant.data()]), NOW + i)
        assert sum(taken.rows for taken in passes) == 100


@pytest.mark.parametrize("bad", ["sequence", "memory"])
def test_known_bad_bulks_are_caught(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    """Known bad: a bulk that does not look at the numbers, and one that remembers aliases over a birth."""
    if bad == "memory":
        monkeypatch.setattr(bulk.Bulk, "forget", lambda _self, _node: None)
    else:

        def blind(_self: bulk.Bulk, _batch: Batch, known: Any) -> Any:
            return known.layout >= 0

        monkeypatch.setattr(bulk.Bulk, "_in_sequence", blind)
    assert told(intake(), story(bad)) != told(slow_intake(), story(bad))


@pytest.mark.parametrize("bad", ["sequence", "memory"])
def test_the_stories_that_catch_them_end_well(bad: str) -> None:
    """With the bulk as it is."""
    assert told(intake(), story(bad)) == told(slow_intake(), story(bad))


def story(bad: str) -> list[Arrivals]:
    """Births, data, and data of which one message is missing or before which there is a new birth."""
    plant = Plant(1, 0.0)
    plant.kinds = [[(10, 10, 10)] * 3] * 3
    births = [message for node in range(3) for message in plant.births(node)]
    first, second = ([message for _ in range(100) for message in plant.data()] for _ in range(2))
    if bad == "sequence":
        del second[50]
    else:
        again = [message for node in range(3) for message in plant.births(node)]
        second = [*second, *again, *(message for _ in range(100) for message in plant.data())]
    return [arrivals(births), arrivals(first), arrivals(second), arrivals([message for _ in range(100) for message in plant.data()])]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of topics makes it forget and learn again, and nothing is lost."""
    monkeypatch.setattr(bulk, "_MOST", 5)
    plant, worker = Plant(3, 0.0), intake()
    worker.take(arrivals([message for node in range(3) for message in plant.births(node)]), NOW)
    now: Micros = NOW
    for _ in range(10):
        now += SECOND
        found = worker.take(arrivals([message for _ in range(30) for message in plant.data()]), now)
        assert sum(taken.rows for taken in found) == 30
        assert not any(taken.reasons for taken in found)
