"""A pump that goes its own way is told on both hosts, killed in between: its peers stand in other partitions."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from streams.hosts.embedded import EmbeddedHost
from streams.hosts.registry import Tables
from tests.integration.house import soon
from tests.integration.test_gaps_and_alarms import DEVICES, PARTITIONS, outgoing, place
from tests.parts.base import PATIENCE_S, REPOSITORY
from tests.parts.fixtures import NewKafka
from vorab import pipeline, provision, topics
from vorab.clock import MINUTE, SECOND, Micros, SystemClock
from vorab.frame import Reading, encode, pack
from vorab.log import EventLog, Outgoing, append_all, open_log
from vorab.log.sqlite import SqliteLog
from vorab.records import Device, Symptom, SymptomState, from_wire
from vorab.settings import Settings

LONG = 15 * MINUTE
T0: Micros = 1_795_000_500 * SECOND // LONG * LONG
KINDS = ("detect", "cohorts")
RULES = """
rules:
  - id: pump-unlike-others
    title: {en: Pump is unlike others, de: Die Pumpe ist anders als andere}
    detector: peer
    cause: unlike
    signal: t
    peers: 8
    count: 2
"""
REGISTRY = [Device(id=f"main/{name}", device=name, model="pump") for name in DEVICES]

Running = Callable[[], AbstractContextManager[None]]


def settings(address: str, folder: Path) -> Settings:
    """Few partitions and one rule."""
    rules = folder / "rules.yaml"
    rules.write_text(RULES)
    return Settings.model_validate({"log": address, "topics": {"partitions": PARTITIONS}, "streams": {"rules": [str(rules)]}})


def readings(first: int, last: int, *odd: int) -> list[Outgoing]:
    """A frame per partition and five minutes for these buckets; the first pump is hot in the odd ones."""
    found = []
    for minute in range(first * 15, last * 15, 5):
        at = T0 + minute * MINUTE
        for partition in range(PARTITIONS):
            mine = [
                Reading(f"main/{name}", at, at, 0, {"t": 20.0 + i / 10 + 30 * (i == 0 and minute // 15 in odd)}, {}, None, None)
                for i, name in enumerate(DEVICES)
                if place(name) == partition
            ]
            kind = (("content-type", b"application/vnd.vorab.frame"),)
            found.append(Outgoing(topics.READINGS, partition, None, encode(pack(mine, at)), kind))
    return found


def told(log: EventLog) -> list[tuple[str, SymptomState, int]]:
    """Device, state and the bucket in which it began; each once."""
    ends = log.ends(topics.SYMPTOMS)
    at = dict.fromkeys(((topics.SYMPTOMS, partition) for partition in ends), 0)
    found = set()
    while behind := {position: offset for position, offset in at.items() if offset < ends[position[1]]}:
        for entry in log.read(behind, limit=2_000, wait_s=1.0):
            at[entry.topic, entry.partition] = entry.offset + 1
            record = from_wire(entry.value, entry.headers)
            if isinstance(record, Symptom):
                found.add((record.device, record.state, (record.onset - T0) // LONG))
    return sorted(found)


def more(log: EventLog, count: int) -> bool:
    """Whether partitions have told, and been told, so often."""
    return sum(log.ends(topics.COHORTS).values()) >= count


def story(log: EventLog, run: Running) -> None:
    """As live, a bucket at a time: odd ones raise it, whoever reads is killed, a quiet one clears it."""
    raised, cleared = (DEVICES[0], SymptomState.RAISED, 4), (DEVICES[0], SymptomState.CLEARED, 4)
    append_all(log, [outgoing(device, place(device.device)) for device in REGISTRY])

    def live(first: int, last: int) -> None:
        for bucket in range(first, last):
            before = sum(log.ends(topics.COHORTS).values())
            append_all(log, readings(bucket, bucket + 1, 4, 5, 6))
            if bucket:  # each partition tells of the bucket before
                soon(partial(more, log, before + PARTITIONS), "the summaries")

    with run():
        live(0, 8)
        soon(lambda: told(log) == [raised], "the symptom")
    with run():
        live(8, 11)
        soon(lambda: told(log) == sorted([raised, cleared]), "its end")


def test_on_the_embedded_host(tmp_path: Path) -> None:
    """A new host from the checkpoint each time."""
    chosen = settings(f"sqlite:///{tmp_path}/log.db", tmp_path)
    with SqliteLog(tmp_path / "log.db") as log:
        provision.create_topics(log, chosen)

        @contextmanager
        def run() -> Iterator[None]:
            done = threading.Event()
            host = EmbeddedHost(log, pipeline.kinds(chosen, KINDS), Tables(REGISTRY), SystemClock(), checkpoint_s=0.1)
            thread = threading.Thread(target=host.run, args=(done,))
            thread.start()
            yield
            done.set()
            thread.join(PATIENCE_S)

        story(log, run)


def test_nobody_asks_about_cohorts_where_no_rule_does(tmp_path: Path) -> None:
    """A house without such a rule runs one processor less."""
    chosen = settings(f"sqlite:///{tmp_path}/log.db", tmp_path)
    plain = Settings.model_validate({"log": chosen.log})

    assert "cohorts" in [kind.name for kind in pipeline.kinds(chosen)]
    assert "cohorts" not in [kind.name for kind in pipeline.kinds(plain)]


@pytest.mark.slow
def test_on_faust(tmp_path: Path, new_kafka: NewKafka) -> None:
    """A worker of its own each time, killed with kill -9."""
    chosen = settings(new_kafka().log_address, tmp_path)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
    only = [part for name in KINDS for part in ("--only", name)]
    rules = ["--rules", str(chosen.streams.rules[0])]
    command = [sys.executable, "-m", "vorab", "streams", "--log", chosen.log, "--state-dir", str(tmp_path), *only, *rules]
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
