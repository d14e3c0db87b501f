"""A firmware that makes devices fail is told on both hosts, killed in between; what devices say stands in a compacted topic."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from streams.firmwares import GRACE, LONG
from streams.hosts.embedded import EmbeddedHost
from streams.hosts.registry import Tables
from tests.integration.house import soon
from tests.parts.base import PATIENCE_S, REPOSITORY
from tests.parts.fixtures import NewKafka
from vorab import pipeline, provision, topics
from vorab.clock import DAY, MINUTE, SECOND, Micros, SystemClock
from vorab.log import EventLog, Outgoing, append_all, open_log
from vorab.log.sqlite import SqliteLog
from vorab.records import Facts, Record, Severity, Symptom, SymptomState, Tick, from_wire, to_wire
from vorab.settings import Settings

PARTITIONS = 3
T0: Micros = 1_795_003_200 * SECOND // DAY * DAY
KINDS = ("firmwares", "rollouts")
DEVICES = [f"pump-{i}" for i in range(90)]
MOVED = DEVICES[::2]

Running = Callable[[], AbstractContextManager[None]]


def settings(address: str) -> Settings:
    """Few partitions."""
    return Settings.model_validate({"log": address, "topics": {"partitions": PARTITIONS}})


def outgoing(record: Record, partition: int | None = None) -> Outgoing:
    """A record, in the partition of its key or in a given one."""
    key, value, headers = to_wire(record, "urn:test")
    place = topics.partition_of(record.key, PARTITIONS) if partition is None else partition
    return Outgoing(record.TOPIC or topics.SYMPTOMS, place, key or None, value, headers)


def says(devices: list[str], firmware: str, at: Micros) -> list[Outgoing]:
    """Devices say what they run, twice, as those do that connect again."""
    return [
        outgoing(Facts(id=f"main/{name}", device=name, model="pump", firmware=firmware, at=at + again))
        for name in devices
        for again in (0, 1)
    ]


def hour(number: int, failing: list[str]) -> list[Outgoing]:
    """An hour in which these devices fail, and time."""
    start = T0 + number * LONG
    found = [
        outgoing(
            Symptom(
                id=f"{name}-{number}", device=name, state=SymptomState.RAISED, rule="r", rule_version="1", detector="threshold", cause="c",
                severity=Severity.MAJOR, onset=start + MINUTE, detected_at=start + 30 * MINUTE,
            )
        )
        for name in failing
    ]  # fmt: skip
    ticks = [Tick(id=f"{partition}-{number}", at=start + LONG + GRACE + MINUTE) for partition in range(PARTITIONS)]
    return found + [outgoing(each, partition) for partition, each in enumerate(ticks)]


def told(log: EventLog) -> list[tuple[str, SymptomState]]:
    """What is said about firmwares; each once."""
    ends = log.ends(topics.SYMPTOMS)
    at = dict.fromkeys(((topics.SYMPTOMS, partition) for partition in ends), 0)
    found = {}
    while behind := {position: offset for position, offset in at.items() if offset < ends[position[1]]}:
        for entry in log.read(behind, limit=2_000, wait_s=1.0):
            at[entry.topic, entry.partition] = entry.offset + 1
            record = from_wire(entry.value, entry.headers)
            if isinstance(record, Symptom) and record.detector == "rollout":
                found[record.device, record.state] = record
    return sorted(found)


def story(log: EventLog, run: Running) -> None:
    """Half the pumps move and fail; whoever counts is killed; they are moved back."""
    raised, cleared = ("firmware:pump:2", SymptomState.RAISED), ("firmware:pump:2", SymptomState.CLEARED)
    append_all(log, says(DEVICES, "1", T0 - DAY))

    def live(first: int, last: int, failing: int) -> None:
        for number in range(first, last):
            before = sum(log.ends(topics.FIRMWARES).values())
            append_all(log, hour(number, MOVED[number * 3 : number * 3 + failing]))
            if number:  # with the first hour, time begins
                soon(lambda: sum(log.ends(topics.FIRMWARES).values()) >= before + PARTITIONS, "the hours")  # noqa: B023 - asked at once

    with run():
        live(0, 2, 0)
        append_all(log, says(MOVED, "2", T0 + 2 * LONG + MINUTE))
        live(2, 6, 3)
    with run():
        live(6, 14, 3)
        soon(lambda: told(log) == [raised], "the symptom")
    with run():
        append_all(log, says(MOVED, "1", T0 + 14 * LONG + MINUTE))
        live(14, 19, 0)
        soon(lambda: told(log) == sorted([raised, cleared]), "its end")


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
