"""The story of each device as the log tells it: what its processor read, and what it wrote.

Knows a processor by its `inputs` and `outputs` alone, so another kind of record that it reads is one more input here. What it wrote is
read before what it read: all that it wrote came of something that then stands there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.hosts.instance import Layout, read_record
from streams.hosts.merge import BEGINNING
from vorab import topics
from vorab.clock import Micros
from vorab.cloudevents import attributes, edition_of
from vorab.errors import Rejected
from vorab.frame import Frame
from vorab.log import Entry, EventLog
from vorab.processor import Kind
from vorab.records import Record

LIMIT: Final = 2_000
WAIT_S: Final = 5.0
SAID_ELSEWHERE: Final = frozenset({topics.CASES_BY_CUSTOMER, topics.CASES_BY_GROUP, topics.REJECTED})
"""Outputs that repeat a record under another key, or are about input that was refused."""


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


class Item(NamedTuple):
    """A record that was read."""

    time: Micros
    """Where its input stood with it; of an input that is not gating, its own time."""
    rank: int
    place: Place
    gating: bool
    record: Record


class Told(NamedTuple):
    """A record that was written."""

    place: Place
    record: Record
    edition: str = ""
    """Which wording of policy decided it, where that is known."""


@dataclass(slots=True)
class Story:
    """One device."""

    key: str
    partition: int
    items: list[Item] = field(default_factory=list)
    facts: list[Told] = field(default_factory=list)
    """What was written to the topic that stands for the processor's order: case events."""
    orders: list[Told] = field(default_factory=list)
    """What else was written: questions for a permit, actions, recalls."""
    until: Micros = BEGINNING
    """The time up to which everything was written."""
    kept_since: dict[str, Micros] = field(default_factory=dict)
    """Of outputs that retention took something from: the time of the first record that is still there."""


class Shelf:
    """Reads the stories of a partition, or of one device."""

    def __init__(self, log: EventLog, kind: Kind, layout: Layout, device: str = "") -> None:
        """`device` is a key (`tenant/device`); empty is all of them."""
        self._log, self._kind, self._layout, self._device = log, kind, layout, device
        self._facts = kind.ticks[0]
        inputs = {each.topic for each in kind.inputs}
        written = [topic for topic in kind.outputs if topic not in SAID_ELSEWHERE]
        self._beside = [topic for topic in written if topic not in inputs and _by_device(topic)]
        # A question stands where it is answered, in a partition of its own key.
        self._asked = [
            (entry, record)
            for topic in written
            if topic not in self._beside
            for entry in self._entries(topic)
            if (record := self._own(topic, entry)) is not None
        ]

    def partitions(self) -> list[int]:
        """Those that hold what is asked for."""
        if self._device:
            return [self._layout.partition_of(self._facts, self._device)]
        return list(range(self._layout.input_partitions(self._kind)))

    def stories(self, partition: int) -> dict[str, Story]:
        """By key of the device."""
        found: dict[str, Story] = {}
        until, since = self._written(found, partition)
        everybody: list[Item] = []
        for rank, each in enumerate(self._kind.inputs):
            seen = BEGINNING
            for entry in self._entries(each.topic, partition):
                time, record = self._record(each.topic, entry)
                if time is None:
                    continue
                seen = max(seen, time)
                if record is None:
                    continue
                place = Place(each.topic, partition, entry.offset)
                item = Item(seen if each.gating else time, rank, place, each.gating, record)
                key = _device_of(record)
                if key:
                    found.setdefault(key, Story(key, partition)).items.append(item)
                else:
                    everybody.append(item)
        for story in found.values():
            story.until, story.kept_since = until, since
            story.items.extend(everybody)
        return {key: story for key, story in found.items() if not self._device or key == self._device}

    def _written(self, found: dict[str, Story], partition: int) -> tuple[Micros, dict[str, Micros]]:
        """Sort in what was written; the time up to which all of it was, and since when outputs are kept that are not kept whole."""
        tick, last = BEGINNING, BEGINNING
        since: dict[str, Micros] = {}
        for topic in (self._facts, *(topic for topic in self._beside if topic != self._facts)):
            cut = self._log.begins(self._layout.name(topic)).get(partition, 0) > 0
            for entry in self._entries(topic, partition):
                time, record = self._record(topic, entry)
                if time is None:
                    continue
                if cut:
                    since.setdefault(topic, time)
                if record is None:
                    tick = max(tick, time) if topic == self._facts and not entry.key else tick
                    continue
                last = max(last, time) if topic == self._facts else last
                self._sort(found, partition, topic, entry, record)
        for entry, record in self._asked:
            if self._layout.partition_of(self._facts, _device_of(record)) == partition:
                self._sort(found, partition, entry.topic, entry, record)
        return (tick if tick != BEGINNING else last), since

    def _sort(self, found: dict[str, Story], partition: int, topic: str, entry: Entry, record: Record) -> None:
        key = _device_of(record)
        story = found.setdefault(key, Story(key, partition))
        told = Told(Place(topic, entry.partition, entry.offset), record, edition_of(entry.headers))
        (story.facts if topic == self._facts else story.orders).append(told)

    def _own(self, topic: str, entry: Entry) -> Record | None:
        """A record of a topic that others write as well, if the processor wrote it about a device that is asked for."""
        try:
            if attributes(entry.headers).source != f"urn:vorab:{self._kind.name}":
                return None
        except Rejected:
            return None
        _, record = self._record(topic, entry)
        return record if record is not None and _device_of(record) and self._device in {"", _device_of(record)} else None

    def _entries(self, topic: str, partition: int | None = None) -> Iterator[Entry]:
        name = self._layout.name(topic)
        places = range(self._layout.partitions(name)) if partition is None else [partition]
        for entry in read_all(self._log, name, places):
            yield entry._replace(topic=topic)

    def _record(self, topic: str, entry: Entry) -> tuple[Micros | None, Record | None]:
        """A record's time and the record; no record where it is a tick, cannot be read, or is another device's."""
        if self._device and entry.key and entry.key.decode() != self._device and _by_device(topic):
            try:
                return attributes(entry.headers).time, None
            except Rejected:
                return None, None
        time, taken = read_record(topic, entry.value, entry.headers)
        if taken is None or isinstance(taken.record, Rejected | Frame):
            return time, None
        return time, taken.record


def read_all(log: EventLog, topic: str, partitions: Iterable[int]) -> Iterator[Entry]:
    """All that stands in these partitions now."""
    begins, ends = log.begins(topic), log.ends(topic)
    for partition in partitions:
        at, end = begins.get(partition, 0), ends.get(partition, 0)
        while at < end:
            entries = log.read({(topic, partition): at}, limit=LIMIT, wait_s=WAIT_S)
            if not entries:  # what is missing at the end was deleted
                break
            for entry in entries:
                if entry.offset < end:
                    yield entry
            at = entries[-1].offset + 1


def _by_device(topic: str) -> bool:
    return topic not in topics.TOPICS or topics.TOPICS[topic].keyed is topics.Keyed.DEVICE


def _device_of(record: Record) -> str:
    """The key of the device a record is about; empty where it is about none."""
    device = getattr(record, "device", "")
    return topics.key_of(record.tenant, device) if device else ""
