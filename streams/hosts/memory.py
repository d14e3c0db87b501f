"""Processors over a log in memory: the instances of the hosts, worked off in a fixed order, killed where one likes; for benches and tests.

What an instance had not saved when it was killed, it does again from its inputs: outputs then stand twice, as they do on Kafka.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from streams.hosts.instance import Instance, Layout
from vorab.clock import SECOND, Micros
from vorab.cloudevents import Headers
from vorab.processor import Kind, Registry
from vorab.records import Record, Tick, from_wire, to_wire

SOURCE: Final = "urn:vorab:memory"
TICK: Final = Tick.TYPE.encode()


class Seat(NamedTuple):
    """Where an instance sits."""

    kind: Kind
    partition: int


class MemoryHost:
    """Every partition of some processors."""

    def __init__(self, kinds: Sequence[Kind], registry: Registry, partitions: int = 12, tick_every: Micros = SECOND) -> None:
        self._kinds, self._registry, self._partitions = kinds, registry, partitions
        self._layout = Layout(lambda _topic: partitions, tick_every=tick_every)
        self._log: dict[tuple[str, int], list[tuple[bytes | None, Headers]]] = defaultdict(list)
        self.seats = [Seat(kind, partition) for kind in kinds for partition in range(partitions)]
        self._blocks: dict[tuple[str, int], dict[str, bytes]] = defaultdict(dict)
        self._instances: dict[tuple[str, int], Instance] = {}
        self._next: dict[tuple[str, str, int], int] = {}
        for seat in self.seats:
            self._build(seat)

    def put(self, record: Record, topic: str = "", key: str = "") -> None:
        """A record of somebody else."""
        topic = topic or record.TOPIC
        _, value, headers = to_wire(record, SOURCE)
        self._log[topic, self._layout.partition_of(topic, key or record.key)].append((value, headers))

    def tick(self, at: Micros, topics: Iterable[str]) -> None:
        """Time passes on these topics."""
        for topic in topics:
            for partition in range(self._partitions):
                _, value, headers = to_wire(Tick(id=f"{topic}/{partition}/{at}", at=at), SOURCE)
                self._log[topic, partition].append((value, headers))

    def work(self, only: Iterable[str] = ()) -> None:
        """Let all instances, or those of some processors, do whatever they can, until nothing is left."""
        wanted = set(only)
        moved = True
        while moved:
            moved = False
            for seat in self.seats:
                if not wanted or seat.kind.name in wanted:
                    moved = self._work(seat) or moved

    def save(self, seat: Seat) -> None:
        """A checkpoint."""
        name = seat.kind.name, seat.partition
        for block, value in self._instances[name].blocks().items():
            if value:
                self._blocks[name][block] = value
            else:
                self._blocks[name].pop(block, None)

    def kill(self, seat: Seat) -> None:
        """Everything it had not saved is gone; another one takes its place."""
        self._build(seat)

    def forget(self, seat: Seat) -> None:
        """The state itself is gone, but not how far its inputs were read: what must never happen."""
        name = seat.kind.name, seat.partition
        self._blocks[name] = {block: value for block, value in self._blocks[name].items() if block.startswith("@")}
        self._build(seat)

    def records(self, topic: str) -> Iterator[Record]:
        """What stands on a topic, without ticks, partition by partition."""
        for partition in range(self._partitions):
            for value, headers in self._log[topic, partition]:
                record = from_wire(value, headers)
                if not isinstance(record, Tick):
                    yield record

    def values(self, topic: str) -> set[bytes]:
        """The same as bytes, each once: what readers see that go by id, where nobody says two things under one."""
        entries = (entry for partition in range(self._partitions) for entry in self._log[topic, partition])
        return {value for value, headers in entries if value is not None and ("ce_type", TICK) not in headers}

    def _build(self, seat: Seat) -> None:
        name = seat.kind.name, seat.partition
        instance = Instance(seat.kind, seat.partition, self._registry, self._layout, dict(self._blocks[name]))
        self._instances[name] = instance
        for each in seat.kind.inputs:
            self._next[seat.kind.name, each.topic, seat.partition] = instance.offsets.get(each.topic, 0)

    def _work(self, seat: Seat) -> bool:
        instance = self._instances[seat.kind.name, seat.partition]
        moved = False
        for each in seat.kind.inputs:
            place = seat.kind.name, each.topic, seat.partition
            entries = self._log[each.topic, seat.partition]
            for offset in range(self._next[place], len(entries)):
                instance.take(each.topic, offset, *entries[offset])
                moved = True
            self._next[place] = len(entries)
        if moved:
            worked = instance.work()
            for topic, partition, _, value, headers in worked.outputs:
                self._log[topic, partition].append((value, headers))
            if worked.by_arrival:
                self.save(seat)
        return moved
