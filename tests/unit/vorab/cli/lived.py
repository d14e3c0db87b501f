"""A log on which a site loses its pressure: readings, and all that the real processors made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from streams.hosts.instance import Instance, Layout
from streams.hosts.registry import Tables
from streams.recount.story import read_all
from vorab import pipeline, settings, topics
from vorab.clock import SECOND
from vorab.frame import Frame, Reading, encode, pack
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Customer, Device, Record, Tick, from_wire, to_wire

PARTITIONS: Final = 2
T0: Final = 1_795_000_000 * SECOND
DOWN: Final = 8
"""Of ten heat pumps at the mill, so many lose their pressure."""
MINUTES: Final = 56
KINDS: Final = ("detect", "cases", "incidents", "customers")

Edit = Callable[[Record], Record | None]
"""What becomes of a record; None takes it out."""


def devices() -> list[Device]:
    """Ten heat pumps at the mill, two elsewhere."""
    return [
        Device(
            id=f"main/hp-{n}", device=f"hp-{n}", model="heat-pump", customer=f"c-{n % 5}", site="mill" if n < 10 else "away",
            name=f"Heat pump {n}",
        )
        for n in range(12)
    ]  # fmt: skip


def readings(second: int) -> Iterator[Outgoing]:
    """A reading of each, and a time after it."""
    now = T0 + second * SECOND
    rows: list[list[Reading]] = [[] for _ in range(PARTITIONS)]
    for n, device in enumerate(devices()):
        low = n < DOWN and 300 + n <= second < 900 + 30 * n
        value = round((0.6 if low else 1.6) + second % 70 / 1_000, 3)
        row = Reading(device.key, now, now, 0, {"pressure": value}, {"pressure": "bar"}, 1, second)
        rows[topics.partition_of(device.key, PARTITIONS)].append(row)
    for partition, some in enumerate(rows):
        yield Outgoing(topics.READINGS, partition, None, encode(pack(some, now)))
        yield Outgoing(topics.READINGS, partition, None, encode(Frame(now + 5 * SECOND)))
        _, tick, headers = to_wire(Tick(id=f"t{second}", at=now + 5 * SECOND), "urn:vorab:test")
        yield Outgoing(topics.REPLIES, partition, None, tick, headers)


def live(path: Path) -> None:
    """Write readings every ten seconds, and each time let one processor after another read its inputs to their ends."""
    found = settings.load(None, overrides={"log": f"sqlite:///{path}", "state_dir": str(path.parent)})
    people = [Customer(id=f"main/c-{n}", customer=f"c-{n}") for n in range(5)]
    registry = Tables(devices(), people)
    with SqliteLog(path, fsync=False) as log:
        log.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
        append_all(log, [outgoing(record) for record in (*devices(), *people)])
        layout = Layout(log.partitions)
        crew = [Instance(kind, partition, registry, layout, {}) for kind in pipeline.kinds(found, KINDS) for partition in range(PARTITIONS)]
        positions = {(instance.kind.name, each.topic, instance.partition): 0 for instance in crew for each in instance.kind.inputs}
        for second in range(0, MINUTES * 60, 10):
            append_all(log, readings(second))
            for instance in crew:
                for each in instance.kind.inputs:
                    at = instance.kind.name, each.topic, instance.partition
                    for entry in log.read({at[1:]: positions[at]}, limit=5_000):
                        instance.take(each.topic, entry.offset, entry.value, entry.headers)
                        positions[at] = entry.offset + 1
                append_all(log, instance.work().outputs)


def outgoing(record: Record) -> Outgoing:
    """As its writer would append it."""
    key, value, headers = to_wire(record, "urn:vorab:test")
    return Outgoing(record.TOPIC, topics.partition_of(key.decode(), PARTITIONS), key, value, headers)


def records(path: Path, topic: str) -> list[Record]:
    """What stands on a topic, without ticks."""
    with SqliteLog(path, read_only=True) as log:
        found = [from_wire(entry.value, entry.headers) for entry in read_all(log, topic, range(PARTITIONS))]
    return [record for record in found if not isinstance(record, Tick)]


def copy(source: Path, target: Path, edit: Edit) -> None:
    """The log again, as `edit` would have it."""
    with SqliteLog(source, read_only=True) as one, SqliteLog(target, fsync=False) as other:
        other.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
        for topic in topics.TOPICS:
            for entry in read_all(one, topic, range(PARTITIONS)):
                value = entry.value
                if topic != topics.READINGS:
                    record = from_wire(entry.value, entry.headers)
                    changed = edit(record)
                    if changed is None:
                        continue
                    value = entry.value if changed is record else to_wire(changed, "")[1]
                other.append(Outgoing(topic, entry.partition, entry.key, value, entry.headers))
        other.flush()
