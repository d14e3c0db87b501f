"""Two workers of detect on a real Kafka, killed in the middle of traffic: state and symptoms are those of a fold over a ledger.

The ledger is what the test wrote, frame by frame. Both workers are `vorab streams --only detect` as anybody runs it; the state
is looked at as a new worker would find it, in the changelog. Counts and invariants are asserted, never latencies.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from kafka import KafkaAdminClient

from tests.chaos.fleet import AGAIN, KINDS, PARTITIONS, RULES, Changelog, Fleet, Judged, judged, oracle, states, told, written
from tests.parts.base import Child, wait_until
from tests.parts.fixtures import NewKafka
from tests.parts.kafka import Kafka
from tests.system.figures import say
from vorab import topics
from vorab.errors import EXIT_CRASH
from vorab.log import open_log
from vorab.testing import CRASH_EXIT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS: Final = 6
FROZEN_S: Final = 15
PACE_S: Final = 0.15
"""Between turns of the fleet: 400 messages a second."""
FIRST_LIVES: Final = ("faust.manifest:5", "faust.blocks:7")
"""Where each worker dies first: outputs and blocks are confirmed, and the record that says so is not."""


class Worker:
    """`vorab streams --only detect`, or a build with a safeguard taken out."""

    def __init__(self, folder: Path, number: int, log: str, variant: str = "", env: Mapping[str, str] | None = None) -> None:
        self.name = f"detect-{number}"
        self._state = folder / self.name
        entry = ["-m", "tests.chaos.bad_streams", variant] if variant else ["-m", "vorab"]
        arguments = ["streams", "--only", "detect", "--log", log, "--rules", str(folder / "rules.yaml"), "--group", "pair"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
        own = {"VORAB_TOPICS_PARTITIONS": str(PARTITIONS), "VORAB_STREAMS_CHECKPOINT_S": "0.5", **(env or {})}
        self.child = Child(
            f"{self.name}-{os.getpid()}-{id(self)}",
            [sys.executable, *entry, *arguments, "--state-dir", str(self._state)],
            env={**clean, **own},
        )
        self.lives = 0
        self.ends: list[int | None] = []
        """How each life ended."""

    def start(self, crash: str = "") -> None:
        """Start, anew where it was there before; with a point at which it dies in this life."""
        if self.lives:
            self.ends.append(self.child.exit_code)
        (self._state / "streams.json").unlink(missing_ok=True)
        kept, self.child.env = self.child.env, {**self.child.env, **({"VORAB_CRASH": crash} if crash else {})}
        self.child.start()
        self.child.env = kept
        self.lives += 1

    def revive(self) -> bool:
        """Start it again where it ended itself, as a supervisor would."""
        if self.child.exit_code in {EXIT_CRASH, CRASH_EXIT}:
            self.start()
            return True
        return False

    @property
    def is_ready(self) -> bool:
        """Whether it has joined the group."""
        file = self._state / "streams.json"
        try:
            port = json.loads(file.read_text())["metrics_port"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return True
        except (OSError, ValueError, urllib.error.URLError):
            return False

    @property
    def assigned(self) -> int:
        """How often partitions were assigned to it, in all its lives."""
        return self.child.log.read_text(errors="replace").count("partitions assigned") if self.child.log.exists() else 0


class Pair:
    """The workers, the fleet that never stops talking, and the log between them."""

    def __init__(self, folder: Path, kafka: Kafka, variant: str = "", env: Mapping[str, str] | None = None, again: float = AGAIN) -> None:
        (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
        self.address, self.bootstrap = kafka.log_address, kafka.bootstrap
        self.fleet = Fleet(again)
        self.workers = [Worker(folder, number, self.address, variant, env) for number in range(2)]
        self._quiet = threading.Event()
        self._speaker = threading.Thread(target=self._speak)
        with open_log(self.address) as log:
            log.create(dict.fromkeys((topics.READINGS, topics.SYMPTOMS, topics.DEVICES, topics.CUSTOMERS, topics.REJECTED), PARTITIONS))

    def _speak(self) -> None:
        with open_log(self.address) as log:
            while not self._quiet.wait(PACE_S):
                self.fleet.speak(log)
            self.fleet.end(log)
            log.flush()

    def begin(self) -> None:
        """The fleet begins to talk."""
        self._speaker.start()

    def finish(self) -> None:
        """The fleet falls silent, and time goes on a little."""
        self._quiet.set()
        if self._speaker.is_alive():
            self._speaker.join()

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = 120) -> None:
        """Wait, and start again who ended himself."""

        def checked() -> bool:
            for worker in self.workers:
                if not worker.revive() and not worker.child.running:
                    raise RuntimeError(
                        f"{worker.name} ended with {worker.child.exit_code} while waiting for {what}:\n{worker.child.tail()}"
                    )
            return bool(condition())

        wait_until(checked, what, timeout_s=timeout_s, every_s=0.1)

    def ready(self) -> None:
        """Wait until all of them take part."""
        self.until(lambda: all(worker.is_ready for worker in self.workers), "all workers taking part")

    def more(self, turns: int = 10) -> None:
        """Wait until the fleet has said so much more."""
        since = self.fleet.turn
        self.until(lambda: self.fleet.turn >= since + turns, "the fleet going on")

    def settle(self, timeout_s: float = 180) -> Judged:
        """Wait until the state knows all that was written; what stands there then."""
        changelog = Changelog("pair-detect-state-changelog")
        ends = {partition: len(frames) for partition, frames in enumerate(self.fleet.ledger.frames)}
        with open_log(self.address, read_only=True) as log:

            def known() -> bool:
                changelog.read(log)
                return all(changelog.offset(partition) >= end for partition, end in ends.items())

            self.until(known, "the state knowing everything", timeout_s)
            found = {key: row for p in range(PARTITIONS) for key, row in states(changelog.blocks(p), p).items()}
            assert written(log) == self.fleet.ledger.frames, "the log is what the test wrote"
            return judged(told(log), found)

    def committed(self) -> dict[int, int]:
        """Where the group stands."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            found = admin.list_group_offsets({"pair-detect": None})["pair-detect"]
        finally:
            admin.close()
        return {place.partition: entry.offset for place, entry in found.items() if place.topic == topics.READINGS}


@contextmanager
def pair(folder: Path, kafka: Kafka, variant: str = "", env: Mapping[str, str] | None = None, again: float = AGAIN) -> Iterator[Pair]:
    """They run while the test lasts."""
    made = Pair(folder, kafka, variant, env, again)
    try:
        yield made
    finally:
        made.finish()
        for worker in made.workers:
            worker.child.kill()


def differing(one: Judged, other: Judged) -> list[str]:
    """Devices whose state, and symptoms whose body, are not the same."""
    devices = [key for key in sorted({*one.states, *other.states}) if one.states.get(key) != other.states.get(key)]
    bodies = [name for name in sorted({*one.symptoms, *other.symptoms}) if one.symptoms.get(name) != other.symptoms.get(name)]
    return [*devices, *bodies, *other.differing]


def test_two_workers_killed_and_frozen_in_the_middle_of_traffic(tmp_path: Path, new_kafka: NewKafka) -> None:
    """Six kills by turns, each a rebalance, and one worker frozen until the other has its partitions: every device as the oracle says."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    with pair(tmp_path, new_kafka()) as house:
        for worker, crash in zip(house.workers, FIRST_LIVES, strict=True):
            worker.start(crash)
        house.begin()
        house.until(lambda: all(worker.lives > 1 for worker in house.workers), "both dying at their instant")
        for i in range(KILLS):
            house.ready()
            house.more(chance.randrange(1, 25))  # the moment is meant to be any
            victim = house.workers[i % 2]
            victim.child.kill()
            victim.start()
        house.ready()
        zombie, heir = house.workers
        before = heir.assigned
        zombie.child.pause()
        since = time.monotonic()
        wait_until(lambda: heir.assigned > before, "the other worker taking over", timeout_s=90, every_s=0.1)
        wait_until(lambda: time.monotonic() - since > FROZEN_S, "the worker being frozen for long enough", timeout_s=90, every_s=0.1)
        lives = zombie.lives
        zombie.child.resume()
        house.until(lambda: zombie.lives > lives, "the worker noticing that it was away")
        house.ready()
        house.more(20)
        house.finish()
        found = house.settle()
        ends = {partition: len(frames) for partition, frames in enumerate(house.fleet.ledger.frames)}
        house.until(lambda: house.committed() == ends, "everything being committed: no gap is left in the offsets")
        rebalances = sum(worker.assigned for worker in house.workers)
        ledger = house.fleet.ledger
    wanted = oracle(ledger)
    wrong = differing(wanted, found)
    devices = sum(key.startswith("main/") for key in wanted.states)
    kills = sum(worker.ends.count(-9) for worker in house.workers)
    points = sum(worker.ends.count(CRASH_EXIT) for worker in house.workers)
    say(f"\nseed {seed}: kill -9 of workers {kills}, at crash points {points}, frozen for {FROZEN_S} s 1, assigned anew {rebalances}; "
        f"{devices} devices, {ledger.rows} messages of 3 signals, {ledger.again} frames twice; {len(wanted.symptoms)} symptoms of "
        f"{len(wanted.detectors)} detectors, {found.repeats} written twice, {len(wanted.cases)} cases; differing {len(wrong)}")  # fmt: skip
    assert kills == KILLS
    assert points == len(FIRST_LIVES)
    assert wrong == []
    assert found.cases == wanted.cases, "repeated symptoms open no case anew"
    assert set(found.cases.values()) == {1}
    assert devices == len(house.fleet.machines)
    assert set(wanted.detectors) == set(KINDS)
    assert ledger.again > 0
    assert found.repeats > 0, "what was written before a kill is written again after it: else nothing was tested"


@pytest.mark.parametrize("variant", ["", "ack-before-state", "state-twice"])
def test_two_workers_without_a_safeguard_are_caught(tmp_path: Path, new_kafka: NewKafka, variant: str) -> None:
    """Builds that acknowledge before they save, or apply what they know once more, end with states the oracle does not have."""
    with pair(tmp_path, new_kafka(), variant, env={"VORAB_STREAMS_CHECKPOINT_S": "3"}, again=0.0) as house:
        for worker, crash in zip(house.workers, ("faust.manifest:3", "faust.acks:3"), strict=True):
            worker.start(crash)
        house.ready()
        house.begin()
        house.until(lambda: all(worker.lives > 1 for worker in house.workers), "both dying, one before its state is there and one after")
        house.ready()
        house.more()
        house.finish()
        found = house.settle()
    wrong = differing(oracle(house.fleet.ledger), found)
    say(f"\n{variant or 'as shipped'}: {sum(name.startswith('main/') for name in wrong)} devices and "
        f"{sum('symptom' in name for name in wrong)} symptoms differ")  # fmt: skip
    assert bool(wrong) == bool(variant)
