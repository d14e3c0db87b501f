"""A backtest over either log: the same frames, the same symptoms; Kafka is a real broker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.detect.processor import detect_kind
from streams.hosts.instance import Layout
from streams.hosts.replay import Replay, offset_at
from streams.rules.ruleset import RuleSet
from streams.trials.backtest import silence_limits
from tests.unit.streams.detecting import T0, Registered, rule
from vorab import topics
from vorab.clock import MINUTE, SECOND
from vorab.frame import Frame, Reading, encode, pack
from vorab.log import EventLog, Outgoing, append_all, open_log
from vorab.log.sqlite import SqliteLog

PARTITIONS = 2
RULES = RuleSet([rule("threshold", "high", above=0.9, count=2), rule("silence", "gone", after="5 min")])


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    """An open log."""
    address = f"sqlite:///{tmp_path / 'log.db'}"
    if request.param == "kafka":
        address = str(request.getfixturevalue("kafka").log_address)
    with open_log(address) as events:
        yield events


def records(name: str) -> list[Outgoing]:
    """Two hours of four devices, one of them silent for a while, and ticks."""
    out = []
    for second in range(0, 7_200, 10):
        now = T0 + second * SECOND
        for partition in range(PARTITIONS):
            rows = [
                Reading(f"main/d{i}", now, now, 0, {"t": (second * (i + 3) // 10) % 97 / 97})
                for i in range(4)
                if topics.partition_of(f"main/d{i}", PARTITIONS) == partition and not (i < 2 and 1_000 < second < 3_000)
            ]
            out.append(Outgoing(name, partition, None, encode(pack(rows, now) if rows else Frame(now))))
    return out


def replayed(log: EventLog, name: str, until: int | None = None) -> Replay:
    """A backtest over a topic of readings."""
    layout = Layout(lambda _: PARTITIONS, renames={topics.READINGS: name})
    replay = Replay(log, [detect_kind(RULES)], Registered(), layout, limits=silence_limits(RULES), tick=10 * SECOND)
    begins, ends = replay.places()
    if until is not None:
        ends = {place: offset_at(log, place, until, begins[place], end) for place, end in ends.items()}
    for _ in replay.run(begins, ends):
        pass
    return replay


def test_either_log_gives_the_same(log: EventLog, tmp_path: Path) -> None:
    """Symptoms byte for byte, whatever the log is kept by, to its end and up to a time."""
    name = f"contract-{uuid.uuid4().hex}"
    with SqliteLog(tmp_path / "other.db") as other:
        for each in (log, other):
            each.create({name: PARTITIONS})
            append_all(each, records(name))
        for until in (None, T0 + 60 * MINUTE):
            mine, theirs = replayed(log, name, until), replayed(other, name, until)

            assert sorted(mine.outputs[0], key=str) == sorted(theirs.outputs[0], key=str)
            assert (mine.rows, mine.now) == (theirs.rows, theirs.now)
            assert {each.detector for each in mine.symptoms()[0]} == {"threshold", "silence"}
