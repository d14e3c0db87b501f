"""A log of readings by one dice, and what detect finds in them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from streams.detect.processor import detect_kind
from streams.hosts.instance import Instance, Layout
from streams.hosts.registry import Tables
from streams.recount.registry import Versions
from streams.recount.story import read_all
from streams.recount.symptoms import Finder, Found, Wanted
from streams.rules.ruleset import RuleSet
from tests.unit.streams.detecting import T0, rule
from vorab import topics
from vorab.clock import SECOND
from vorab.frame import Frame, Reading, encode, pack
from vorab.log import EventLog, Outgoing, append_all
from vorab.records import Device, Symptom, from_wire

PARTITIONS: Final = 2
RULES: Final = RuleSet(
    [
        rule("threshold", "high", above=0.9, clear=0.7, count=2),
        rule("threshold", "long", below=0.3, **{"for": "90 s"}),
        rule("silence", "gone", after="4 min"),
        rule("rate", "fast", signal="t", rise=2, fall=2, within="1 min"),
        rule("peer", "unlike", signal="t", beyond=0.2, count=1, peers=4),
    ]
)
LIVE: Final = RuleSet([each for each in RULES if each.id != "unlike"])


def readings(names: Sequence[str], minutes: int, seed: int) -> Iterator[Outgoing]:
    """Devices that come and go, late rows, a pipeline that is away once, and a tick between."""
    dice = random.Random(seed)
    asleep: dict[str, int] = {}
    for second in range(0, minutes * 60, 10):
        if 40 * 60 <= second < 46 * 60:
            continue  # an outage
        now = T0 + second * SECOND
        rows: list[list[Reading]] = [[] for _ in range(PARTITIONS)]
        for name in names:
            if dice.random() < 0.004:
                asleep[name] = second + dice.choice([200, 500, 1_500])
            if asleep.get(name, 0) > second or dice.random() < 0.2:
                continue
            key = topics.key_of("main", name)
            late = dice.choice([0, 0, 0, 0, 3, 40])
            row = Reading(key, now - late * SECOND, now, 0, {"t": round(dice.random(), 3)}, {"t": "bar"}, 1, second)
            rows[topics.partition_of(key, PARTITIONS)].append(row)
        for partition, some in enumerate(rows):
            if some:
                yield Outgoing(topics.READINGS, partition, None, encode(pack(some, now)))
            yield Outgoing(topics.READINGS, partition, None, encode(Frame(now + 5 * SECOND)))


def layout(log: EventLog) -> Layout:
    """Of such a log."""
    return Layout(log.partitions, tick_every=5 * SECOND)


def create(log: EventLog) -> None:
    """All topics that are used."""
    log.create(dict.fromkeys((topics.READINGS, topics.SYMPTOMS, topics.COHORTS, *topics.REGISTRY), PARTITIONS))


def live(log: EventLog, names: Sequence[str], minutes: int, seed: int) -> None:
    """Write readings, and let detect find what there is to find, a frame at a time."""
    create(log)
    append_all(log, readings(names, minutes, seed))
    registry = Tables([Device(id=f"main/{name}", device=name, model="pump") for name in names])
    for partition in range(PARTITIONS):
        instance = Instance(detect_kind(LIVE), partition, registry, layout(log), {})
        found: list[Outgoing] = []
        for entry in read_all(log, topics.READINGS, [partition]):
            instance.take(topics.READINGS, entry.offset, entry.value, entry.headers)
            found += instance.work().outputs
        append_all(log, found)


def symptoms(log: EventLog) -> list[Symptom]:
    """All that was said of symptoms."""
    found = [from_wire(each.value, each.headers) for each in read_all(log, topics.SYMPTOMS, range(PARTITIONS))]
    return [each for each in found if isinstance(each, Symptom)]


def find(log: EventLog, some: Iterable[Wanted]) -> dict[str, Found]:
    """What finding them anew comes to."""
    return Finder(log, layout(log), RULES, Versions.read(log, layout(log))).find(some)
