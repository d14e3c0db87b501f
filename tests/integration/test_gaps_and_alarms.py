"""Missing numbers and alarms of others on both hosts, killed in between: each gap and each case once, whoever runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from streams.hosts.embedded import EmbeddedHost
from streams.hosts.registry import Tables
from tests.integration.house import soon
from tests.parts.base import PATIENCE_S, REPOSITORY
from tests.parts.fixtures import NewKafka
from vorab import ids, pipeline, provision, topics
from vorab.clock import SECOND, Micros, SystemClock
from vorab.frame import Reading, encode, pack
from vorab.log import EventLog, Outgoing, append_all, open_log
from vorab.log.sqlite import SqliteLog
from vorab.records import Alarm, CaseEvent, CaseKind, Gap, Record, Severity, Tick, from_wire, to_wire
from vorab.settings import Settings

PARTITIONS = 3
KINDS = ("gaps", "alarms", "cases")
T0: Micros = 1_795_000_000 * SECOND
DEVICES = tuple(f"pump-{i}" for i in range(12))

Running = Callable[[], AbstractContextManager[None]]


def settings(address: str) -> Settings:
    """Few partitions."""
    return Settings.model_validate({"log": address, "topics": {"partitions": PARTITIONS}})


def place(device: str) -> int:
    """The partition of a device."""
    return topics.partition_of(f"main/{device}", PARTITIONS)


def rows(at_s: int, *numbers: int) -> list[Outgoing]:
    """A frame per partition in which every device says these numbers."""
    found = []
    for partition in range(PARTITIONS):
        at = T0 + at_s * SECOND
        mine = [
            Reading(f"main/{device}", at, at, 0, {"t": 1.0}, {}, 1, seq)
            for device in DEVICES
            if place(device) == partition
            for seq in numbers
        ]
        found.append(
            Outgoing(topics.READINGS, partition, None, encode(pack(mine, at)), (("content-type", b"application/vnd.vorab.frame"),))
        )
    return found


def outgoing(record: Record, partition: int, topic: str = "") -> Outgoing:
    """As its writer hands it over."""
    key, value, headers = to_wire(record, "urn:vorab:test")
    return Outgoing(topic or record.TOPIC, partition, key, value, headers)


def alarms(at_s: int, *, active: bool) -> list[Outgoing]:
    """Every device is too hot, or no longer."""
    found = []
    for device in DEVICES:
        at, key = T0 + at_s * SECOND, f"main/{device}"
        alarm = Alarm(
            id=ids.alarm_id(key, "alertmanager", "TooHot", T0, active=active), device=device, name="TooHot", source="alertmanager",
            active=active, severity=Severity.MAJOR, since=T0, at=at,
        )  # fmt: skip
        found.append(outgoing(alarm, place(device)))
    return found


def time_goes_on(at_s: int) -> list[Outgoing]:
    """Ticks where cases wait for time."""
    at = T0 + at_s * SECOND
    ticks = (topics.SYMPTOMS, topics.REPLIES)
    return [outgoing(Tick(id=f"tick/{at}", at=at), p, topic)._replace(key=None) for topic in ticks for p in range(PARTITIONS)]


def written(log: EventLog, topic: str) -> list[Record]:
    """The records of a topic, each once."""
    ends = log.ends(topic)
    at = dict.fromkeys(((topic, partition) for partition in ends), 0) | {(topic, p): first for p, first in log.begins(topic).items()}
    found: dict[str, Record] = {}
    while behind := {position: offset for position, offset in at.items() if offset < ends[position[1]]}:
        for entry in log.read(behind, limit=2_000, wait_s=1.0):
            at[topic, entry.partition] = entry.offset + 1
            record = from_wire(entry.value, entry.headers)
            found.setdefault(record.id, record)
    return [record for record in found.values() if not isinstance(record, Tick)]


def gaps(log: EventLog) -> list[tuple[str, int, int, bool]]:
    """What is told of missing numbers."""
    found = [record for record in written(log, topics.GAPS) if isinstance(record, Gap)]
    return sorted((gap.device, gap.first, gap.last, gap.filled) for gap in found)


def cases(log: EventLog, kind: CaseKind) -> list[str]:
    """Devices with a case of which this is told."""
    return sorted(event.device for event in written(log, topics.CASES) if isinstance(event, CaseEvent) and event.kind is kind)


def story(log: EventLog, run: Running) -> None:
    """Numbers 3 to 5 are late; everybody is too hot for a while; whoever reads it is killed after each part."""
    every = sorted(DEVICES)
    append_all(log, [*rows(0, 1, 2), *rows(1, 6), *alarms(2, active=True), *rows(30, 7), *time_goes_on(30)])
    with run():
        soon(lambda: len(gaps(log)) == len(every), "the gaps")
        soon(lambda: cases(log, CaseKind.OPENED) == every, "the cases")
    append_all(log, [*alarms(40, active=True), *rows(60, 3, 4, 5, 7), *alarms(61, active=False), *rows(90, 8), *time_goes_on(90)])
    with run():
        soon(lambda: len(gaps(log)) == 2 * len(every), "the gaps being filled")
        soon(lambda: cases(log, CaseKind.SYMPTOM_CLEARED) == every, "the end of the alarms")
    assert gaps(log) == [(device, 3, 5, filled) for device in every for filled in (False, True)]
    assert cases(log, CaseKind.OPENED) == every
    opened = [event for event in written(log, topics.CASES) if isinstance(event, CaseEvent) and event.kind is CaseKind.OPENED]
    assert {(event.cause, event.opened_at) for event in opened} == {("too_hot", T0 + 2 * SECOND)}


def test_on_the_embedded_host(tmp_path: Path) -> None:
    """A new host from the checkpoint each time."""
    chosen = settings(f"sqlite:///{tmp_path}/log.db")
    with SqliteLog(tmp_path / "log.db") as log:
        provision.create_topics(log, chosen)

        @contextmanager
        def run() -> Iterator[None]:
            done = threading.Event()
            host = EmbeddedHost(log, pipeline.kinds(chosen, KINDS), Tables(), SystemClock(), checkpoint_s=0.1)
            thread = threading.Thread(target=host.run, args=(done,))
            thread.start()
            yield
            done.set()
            thread.join(PATIENCE_S)

        story(log, run)


@pytest.mark.slow
def test_on_faust(tmp_path: Path, new_kafka: NewKafka) -> None:
    """A worker of its own each time, killed with kill -9."""
    chosen = settings(new_kafka().log_address)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
    only = [part for name in KINDS for part in ("--only", name)]
    command = [sys.executable, "-m", "vorab", "streams", "--log", chosen.log, "--state-dir", str(tmp_path), *only]
    with open_log(chosen.log) as log:
        provision.create_topics(log, chosen)

        @contextmanager
        def run() -> Iterator[None]:
            with (tmp_path / "streams.log").open("a") as output:
                child = subprocess.Popen(command, env={**clean, "VORAB_TOPICS_PARTITIONS": str(PARTITIONS)}, stderr=output, cwd=REPOSITORY)
            try:
                yield
            finally:
                child.kill()
                child.wait(PATIENCE_S)

        story(log, run)
