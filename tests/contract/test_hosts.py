"""The hosts: one suite, both of them, with a small processor whose every output shows its place among all; Kafka is a real broker.

Workers are processes of their own and are killed with kill -9, at points named in the code and at any moment.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from streams.hosts.instance import Instance, Layout
from streams.hosts.registry import Tables
from tests.contract.sample import POISON, TALLY, outgoing, reply, symptom, tick
from tests.parts.base import PATIENCE_S
from tests.parts.kafka import Kafka
from vorab import topics
from vorab.clock import SECOND
from vorab.errors import EXIT_CRASH
from vorab.log import EventLog, Outgoing, append_all
from vorab.log.kafka import KafkaLog
from vorab.log.sqlite import SqliteLog
from vorab.records import CaseEvent, Rejection, Tick, from_wire
from vorab.testing import CRASH_EXIT

PARTITIONS: Final = 4
TOPICS: Final = (topics.SYMPTOMS, topics.REPLIES, topics.COMMANDS, topics.CASES, topics.REJECTED)
END: Final = 10_000 * SECOND
ROUNDS_S: Final = 240
QUIET: Final = 120
"""Looks of a quarter of a second without anything new, after which a known-bad worker is done: it was long up by then."""
SEED: Final = 20261123


def story(n: int, seed: int = SEED) -> list[list[Outgoing]]:
    """Symptoms and replies of four partitions, some late in their topic, a poisoned one, ticks between and a last one; per partition."""
    dice = random.Random(seed)
    found: list[list[Outgoing]] = []
    for partition in range(PARTITIONS):
        device = next(name for name in map("d{}".format, range(1_000)) if topics.partition_of(f"main/{name}", PARTITIONS) == partition)
        records = []
        for i in range(n):
            at = i * SECOND + dice.randrange(-2, 3) * SECOND + 10 * SECOND
            make = symptom if dice.random() < 0.6 else reply
            records.append(outgoing(make(device, i, at), partition))
            if dice.random() < 0.1:
                records.append(tick(dice.choice((topics.SYMPTOMS, topics.REPLIES)), partition, at))
        records.insert(n // 2, outgoing(symptom(device, n, SECOND).model_copy(update={"id": POISON}), partition))
        records += [tick(topic, partition, END) for topic in (topics.SYMPTOMS, topics.REPLIES)]
        found.append(records)
    return found


Said = tuple[str, str, int, int]
"""(because, kind, running number, time): what a case event of the sample says."""


def oracle(records: Sequence[Sequence[Outgoing]]) -> list[list[Said]]:
    """What must come out, by running the processor alone over each topic to its end: no host, no batches, no crash."""
    said = []
    for partition, stream in enumerate(records):
        instance = Instance(TALLY, partition, Tables(), Layout(lambda _: PARTITIONS), {})
        offsets = dict.fromkeys(TOPICS, 0)
        for record in sorted(stream, key=lambda each: each.topic):
            instance.take(record.topic, offsets[record.topic], record.value, record.headers)
            offsets[record.topic] += 1
        outputs = [from_wire(each.value, each.headers) for each in instance.work().outputs]
        said.append([_said(each) for each in outputs if isinstance(each, CaseEvent)])
    return said


def _said(event: CaseEvent) -> Said:
    return event.because, event.kind.value, event.seq, event.at


@dataclass
class Outcome:
    """What stands in the topics of cases and of the refused."""

    cases: list[list[tuple[str, Said]]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    """Per partition, in the order of the log: (id, what it says)."""
    rejected: set[str] = field(default_factory=set)
    marks: list[list[int]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])

    def first(self) -> list[list[Said]]:
        """Each event once, where it stands first, as readers who go by id see it."""
        found = []
        for partition in self.cases:
            once: dict[str, Said] = {}
            for key, said in partition:
                once.setdefault(key, said)
            found.append(list(once.values()))
        return found

    def repeats_differ(self) -> bool:
        """Whether an id stands twice with different words."""
        return any(len(set(partition)) != len({key for key, _ in partition}) for partition in self.cases)


class Ground:
    """A log, and workers on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[str]] = []
        self.positions: dict[tuple[str, int], int] = {}
        self.outcome = Outcome()

    names: Mapping[str, str] = {topic: topic for topic in TOPICS}

    def command(self) -> list[str]:
        """How a worker is started."""
        raise NotImplementedError

    def reader(self) -> EventLog:
        """A log to look at while workers run."""
        raise NotImplementedError

    def start(self, *, crash: str = "", bad: str = "") -> subprocess.Popen[str]:
        """Start a worker, that dies at a named point or is a known-bad variant."""
        env = os.environ | {"VORAB_CRASH": crash, "VORAB_BAD": bad}
        output = (self.folder / f"worker-{len(self.workers)}.log").open("w")
        with output:
            worker = subprocess.Popen([sys.executable, "-m", "tests.contract.worker", *self.command()], env=env, stderr=output, text=True)
        self.workers.append(worker)
        return worker

    def crash_at(self, point: str, bad: str = "") -> None:
        """Let a worker run until it dies at a named point; one that found itself stuck (exit 70) is started again."""
        for _ in range(3):
            code = self.start(crash=point, bad=bad).wait(PATIENCE_S)
            if code == CRASH_EXIT:
                return
            assert code == EXIT_CRASH, self.words()
        pytest.fail(f"never came to {point}\n{self.words()}")

    def append(self, records: Sequence[Outgoing]) -> None:
        """Append input."""
        raise NotImplementedError

    def look(self, log: EventLog) -> int:
        """Read what is new; how many different case events there are."""
        for entry in log.read(self.positions, limit=2_000, wait_s=0.25):
            self.positions[entry.topic, entry.partition] = entry.offset + 1
            record = from_wire(entry.value, entry.headers)
            if isinstance(record, CaseEvent):
                self.outcome.cases[entry.partition].append((record.id, _said(record)))
            elif isinstance(record, Tick):
                self.outcome.marks[entry.partition].append(record.at)
            elif isinstance(record, Rejection):
                self.outcome.rejected.add(record.id)
        return len({key for partition in self.outcome.cases for key, _ in partition})

    def stop(self) -> list[int]:
        """End all workers in order; their exit codes."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        return [worker.wait(PATIENCE_S) for worker in self.workers]

    def kill_all(self) -> None:
        """At the end of a test, whatever happened."""
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def words(self) -> str:
        """The last words of the workers, for a failure's message."""
        return "\n".join(f"{file.name}: {file.read_text()[-1500:]}" for file in sorted(self.folder.glob("worker-*.log"))[-3:])


class Embedded(Ground):
    """The embedded host on a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "log.db"
        with SqliteLog(self.path, fsync=False) as log:
            log.create(dict.fromkeys(TOPICS, PARTITIONS))
        self.positions = {(topic, p): 0 for topic in (topics.CASES, topics.REJECTED) for p in range(PARTITIONS)}

    def command(self) -> list[str]:
        """One process writes."""
        return ["embedded", str(self.path)]

    def reader(self) -> EventLog:
        """Looking on from another process."""
        return SqliteLog(self.path, read_only=True)

    def append(self, records: Sequence[Outgoing]) -> None:
        """Only while no worker runs."""
        with SqliteLog(self.path, fsync=False) as log:
            append_all(log, records)


class OnKafka(Ground):
    """The Faust host on a broker, with topics and a group of the test's own."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        super().__init__(folder)
        self.bootstrap = bootstrap
        self.group = f"contract-{uuid.uuid4().hex[:12]}"
        self.names = {topic: f"{self.group}.{topic}" for topic in TOPICS}
        with KafkaLog(bootstrap) as log:
            log.create(dict.fromkeys(self.names.values(), PARTITIONS))
        self.positions = {(self.names[topic], p): 0 for topic in (topics.CASES, topics.REJECTED) for p in range(PARTITIONS)}

    def command(self) -> list[str]:
        """A worker of the group."""
        renames = [f"{topic}={name}" for topic, name in self.names.items()]
        return ["faust", self.bootstrap, self.group, str(self.folder / f"state-{len(self.workers)}"), *renames]

    def reader(self) -> EventLog:
        """Any client may look."""
        return KafkaLog(self.bootstrap)

    def append(self, records: Sequence[Outgoing]) -> None:
        """At any time."""
        with KafkaLog(self.bootstrap) as log:
            append_all(log, [record._replace(topic=self.names[record.topic]) for record in records])


@pytest.fixture(params=["embedded", pytest.param("faust", marks=pytest.mark.kafka)])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    """Both hosts."""
    kafka: Kafka | None = request.getfixturevalue("kafka") if request.param == "faust" else None
    found = OnKafka(tmp_path, kafka.bootstrap) if kafka else Embedded(tmp_path)
    yield found
    found.kill_all()


def shuffled(records: Sequence[Sequence[Outgoing]], seed: int) -> list[Outgoing]:
    """One stream of all records in which every topic of every partition keeps its order, and nothing else does."""
    dice = random.Random(seed)
    queues: dict[tuple[str, int], list[Outgoing]] = {}
    for stream in records:
        for record in stream:
            queues.setdefault((record.topic, record.partition), []).append(record)
    rest = [list(reversed(queue)) for queue in queues.values()]
    found = []
    while rest:
        queue = dice.choice(rest)
        found.append(queue.pop())
        rest = [each for each in rest if each]
    return found


def finish(ground: Ground, log: EventLog, wanted: int, **variant: str) -> None:
    """Keep a worker running until all outputs are there (or, for a known-bad variant, until nothing more comes), then stop in order."""
    still = 0
    before = -1
    for _ in range(ROUNDS_S * 4):
        if not any(worker.poll() is None for worker in ground.workers):
            ground.start(**variant)
        found = ground.look(log)
        still = 0 if found != before else still + 1
        before = found
        if found >= wanted or (variant and still > QUIET):
            break
    else:
        pytest.fail(f"{before} of {wanted} outputs\n{ground.words()}")
    codes = ground.stop()
    while ground.look(log) != before:
        before = ground.look(log)
    # A worker that had nothing left to do may be told to end before it listens.
    assert codes[-1] in {0, -signal.SIGTERM}, ground.words()


def test_the_outcome_is_the_processors_alone(ground: Ground) -> None:
    """Without disturbance: every output once, in the order of time, the poisoned record refused once, ticks rising."""
    records = story(60)
    ground.append(shuffled(records, 1))
    expected = oracle(records)
    with ground.reader() as log:
        finish(ground, log, sum(map(len, expected)))
    assert [[said for _, said in partition] for partition in ground.outcome.cases] == expected
    assert len(ground.outcome.rejected) == PARTITIONS
    assert all(marks == sorted(set(marks)) and marks for marks in ground.outcome.marks)


@pytest.mark.slow
def test_killed_again_and_again_nothing_is_lost_or_told_otherwise(ground: Ground) -> None:
    """Killed at every point between output, state and acknowledgement, and at any moment: the same outputs by id, in the same order."""
    records = story(150)
    arrivals = shuffled(records, 2)
    expected = oracle(records)
    wanted = sum(map(len, expected))
    points = (
        [f"embedded.commit:{n}" for n in (1, 2, 5, 3)]
        if isinstance(ground, Embedded)
        else [f"faust.{point}:{n}" for point, n in (("outputs", 3), ("blocks", 1), ("manifest", 1), ("manifest", 2), ("acks", 2))]
    )
    dice = random.Random(SEED)
    with ground.reader() as log:
        for i, point in enumerate(points):
            ground.append(arrivals[i * len(arrivals) // (len(points) + 3) : (i + 1) * len(arrivals) // (len(points) + 3)])
            ground.crash_at(point)
        ground.append(arrivals[len(points) * len(arrivals) // (len(points) + 3) :])
        for _ in range(3):
            worker = ground.start()
            before = ground.look(log)
            for _ in range(dice.randrange(20)):
                if ground.look(log) > before + 5:
                    break
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        finish(ground, log, wanted)
    assert ground.outcome.first() == expected
    assert not ground.outcome.repeats_differ()
    assert len(ground.outcome.rejected) == PARTITIONS
    if isinstance(ground, Embedded):
        assert [[said for _, said in partition] for partition in ground.outcome.cases] == expected
        assert all(marks == sorted(set(marks)) for marks in ground.outcome.marks)


def test_an_unexpected_error_ends_the_worker_and_loses_nothing(ground: Ground) -> None:
    """A defect ends the process with exit 70, nothing of the failed step written or acknowledged; the mended worker does the rest."""
    records = story(60)
    ground.append(shuffled(records, 7))
    expected = oracle(records)
    with ground.reader() as log:
        assert ground.start(bad="broken").wait(PATIENCE_S) == EXIT_CRASH
        assert "ZeroDivisionError" in ground.words()
        finish(ground, log, sum(map(len, expected)))
    assert ground.outcome.first() == expected
    assert not ground.outcome.repeats_differ()


@pytest.mark.kafka
@pytest.mark.slow
def test_a_worker_that_stood_still_does_not_go_on(kafka: Kafka, tmp_path: Path) -> None:
    """A worker stopped for longer than its session finds others at its work: it ends itself, and the outcome is the same."""
    ground = OnKafka(tmp_path, kafka.bootstrap)
    records = story(60)
    arrivals = shuffled(records, 8)
    expected = oracle(records)
    try:
        with ground.reader() as log:
            ground.append(arrivals[: len(arrivals) // 2])
            first = ground.start()
            while not ground.look(log):
                assert first.poll() is None, ground.words()
            first.send_signal(signal.SIGSTOP)
            ground.append(arrivals[len(arrivals) // 2 :])
            before = ground.look(log)
            ground.start()
            while ground.look(log) <= before:
                pass
            first.send_signal(signal.SIGCONT)
            assert first.wait(PATIENCE_S) == EXIT_CRASH
            finish(ground, log, sum(map(len, expected)))
        assert "standing still" in (tmp_path / "worker-0.log").read_text()
        assert ground.outcome.first() == expected
        assert not ground.outcome.repeats_differ()
    finally:
        ground.kill_all()


@pytest.mark.kafka
@pytest.mark.slow
def test_partitions_move_between_workers(kafka: Kafka, tmp_path: Path) -> None:
    """Workers come, go in order and are killed while input flows: partitions move with their state, and the outcome is the same."""
    ground = OnKafka(tmp_path, kafka.bootstrap)
    records = story(120)
    arrivals = shuffled(records, 3)
    expected = oracle(records)
    parts = [arrivals[i * len(arrivals) // 5 : (i + 1) * len(arrivals) // 5] for i in range(5)]
    try:
        with ground.reader() as log:

            def progress(more: int) -> None:
                before = ground.look(log)
                for _ in range(ROUNDS_S * 4):
                    if ground.look(log) >= before + more:
                        return
                pytest.fail(f"no progress\n{ground.words()}")

            first = ground.start()
            ground.append(parts[0])
            progress(5)
            second = ground.start()
            ground.append(parts[1])
            progress(5)
            first.terminate()
            ground.append(parts[2])
            assert first.wait(PATIENCE_S) == 0, ground.words()
            progress(5)
            ground.start()
            ground.append(parts[3])
            second.kill()
            progress(5)
            ground.append(parts[4])
            finish(ground, log, sum(map(len, expected)))
        assert ground.outcome.first() == expected
        assert not ground.outcome.repeats_differ()
    finally:
        ground.kill_all()


@pytest.mark.slow
@pytest.mark.parametrize("ground", ["embedded"], indirect=True)
def test_without_the_merge_the_outcome_differs(ground: Ground) -> None:
    """Known bad: records stepped as they come give another order, numbers and times."""
    records = story(60)
    ground.append(shuffled(records, 4))
    expected = oracle(records)
    with ground.reader() as log:
        finish(ground, log, sum(map(len, expected)), bad="no-merge")
    assert ground.outcome.first() != expected


@pytest.mark.parametrize("ground", ["embedded"], indirect=True)
def test_forgetting_what_was_sent_is_caught(ground: Ground) -> None:
    """Known bad: the embedded host without its memory of what left repeats outputs after a crash."""
    records = story(60)
    ground.append(shuffled(records, 5))
    wanted = sum(map(len, oracle(records)))
    with ground.reader() as log:
        # The first commit is in the file when the second one crashes, and no checkpoint knows of it.
        ground.crash_at("embedded.commit:2", bad="forget-sent")
        finish(ground, log, wanted, bad="forget-sent")
    assert sum(map(len, ground.outcome.cases)) > wanted


@pytest.mark.kafka
def test_acknowledging_before_outputs_is_caught(kafka: Kafka, tmp_path: Path) -> None:
    """Known bad: with state and acknowledgement before the outputs, a crash between them loses outputs for ever."""
    ground = OnKafka(tmp_path, kafka.bootstrap)
    try:
        records = story(60)
        ground.append(shuffled(records, 6))
        expected = oracle(records)
        with ground.reader() as log:
            ground.crash_at("faust.acks:1", bad="ack-first")
            finish(ground, log, sum(map(len, expected)), bad="ack-first")
        assert sum(map(len, ground.outcome.first())) < sum(map(len, expected))
    finally:
        ground.kill_all()
