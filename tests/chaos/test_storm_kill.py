"""A storm on the embedded system that is killed with kill -9 in the middle of it: still one incident, and no more messages."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from streams.hosts.embedded import EmbeddedHost
from streams.hosts.registry import Tables
from tests.parts.base import REPOSITORY
from tests.system.figures import say
from vorab import topics
from vorab.bench import storm
from vorab.clock import SECOND, SystemClock
from vorab.log import Outgoing
from vorab.log.sqlite import SqliteLog
from vorab.records import Record, Tick, from_wire, to_wire
from vorab.settings import Incidents

DEVICES: Final = 300
PARTITIONS: Final = 4
PACE_S: Final = 0.1
"""Seconds on the wall for each second of the storm."""
ENDS_S: Final = 900.0


class OnLog:
    """The storm's devices on a real log."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    def put(self, record: Record) -> None:
        """A record of somebody else."""
        key, value, headers = to_wire(record, "urn:vorab:storm")
        self._log.append(Outgoing(record.TOPIC, topics.partition_of(record.key, PARTITIONS), key, value, headers))

    def tick(self, at: int, names: Iterable[str]) -> None:
        """Time passes."""
        _, value, headers = to_wire(Tick(id=str(at), at=at), "urn:vorab:storm")
        for name in names:
            for partition in range(PARTITIONS):
                self._log.append(Outgoing(name, partition, None, value, headers))

    def records(self, topic: str) -> Iterator[Record]:
        """What stands on a topic, without ticks."""
        places = {(topic, partition): 0 for partition in range(PARTITIONS)}
        while entries := self._log.read(places, limit=2_000):
            for entry in entries:
                places[topic, entry.partition] = entry.offset + 1
                record = from_wire(entry.value, entry.headers)
                if not isinstance(record, Tick):
                    yield record


def live(folder: Path) -> None:
    """Go on with the storm from the second it had come to, with everything that works on it in this process."""
    tale, progress, done = storm.storm(DEVICES), folder / "second", threading.Event()
    with SqliteLog(folder / "log.db") as log:
        log.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
        host = EmbeddedHost(log, storm.kinds(Incidents()), Tables(tale.devices, tale.customers), SystemClock(), checkpoint_s=0.3)
        thread = threading.Thread(target=host.run, args=(done,))
        thread.start()
        town, answered = OnLog(log), set[str]()
        for second in range(int(progress.read_text()) if progress.exists() else 0, storm.END):
            for symptom in sorted(tale.happens.get(second, []), key=lambda symptom: (symptom.time, symptom.id)):
                town.put(symptom)
            storm.answer(town, storm.START + second * SECOND, answered)
            town.tick(storm.START + (second + 1) * SECOND, (topics.SYMPTOMS, topics.REPLIES))
            log.flush()
            progress.write_text(str(second + 1))
            time.sleep(PACE_S)
        time.sleep(3)
        done.set()
        thread.join()


def figures(folder: Path) -> dict[str, Any]:
    """What came of it."""
    with SqliteLog(folder / "log.db") as log:
        return storm.figures(storm.storm(DEVICES), OnLog(log))


def test_a_storm_survives_kill_9(tmp_path: Path) -> None:
    """Killed three times while devices fail and recover: one incident, all linked, told once: that it is over."""
    chance = random.Random()
    command = [sys.executable, "-c", f"import pathlib; from tests.chaos.test_storm_kill import live; live(pathlib.Path({str(tmp_path)!r}))"]
    kills, ended = 0, False
    moments = sorted(chance.sample(range(2, storm.FAIL + storm.LASTS + storm.FAIL), 3))
    progress, until = tmp_path / "second", time.monotonic() + ENDS_S
    while not ended:
        child = subprocess.Popen(command, cwd=REPOSITORY)
        while child.poll() is None:
            second = int(progress.read_text() or 0) if progress.exists() else 0
            if kills < len(moments) and second >= moments[kills]:
                time.sleep(chance.uniform(0, PACE_S))
                child.send_signal(signal.SIGKILL)
                child.wait(10)
                kills += 1
                break
            assert time.monotonic() < until, f"the storm has not ended; it has come to second {second}"
            time.sleep(PACE_S / 4)
        else:
            assert child.returncode == 0
            ended = True
    found = figures(tmp_path)
    say(f"\nkilled at seconds {moments}: {found}")
    assert kills == len(moments)
    assert storm.passed(found, DEVICES)
