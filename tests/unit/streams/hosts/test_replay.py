"""The log read once more gives what the live run wrote: byte for byte, on the same offsets, also where ticks were forgotten since."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.detect.processor import Detect, detect_kind
from streams.hosts import embedded
from streams.hosts import replay as module
from streams.hosts.embedded import EmbeddedHost
from streams.hosts.instance import Layout
from streams.hosts.replay import Replay, offset_at
from streams.rules.ruleset import RuleSet
from streams.trials.backtest import silence_limits
from tests.unit.streams.detecting import T0, Registered, rule
from vorab import topics
from vorab.clock import HOUR, MINUTE, SECOND, Micros, SystemClock
from vorab.frame import Frame, Reading, encode, pack
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.log.sqlite_tail import Tail
from vorab.processor import Out, Processor
from vorab.records import Symptom

pytestmark = pytest.mark.slow

PARTITIONS = 3
MINUTES = 125
RULES = RuleSet(
    [
        rule("threshold", "high", above=0.9, clear=0.7, count=2),
        rule("threshold", "long", below=0.3, **{"for": "90 s"}),
        rule("silence", "gone", after="5 min"),
        rule("silence", "long-gone", after="20 min"),
        rule("learned", "odd", signals=["t"]),
    ]
)
DEVICES = [f"d{i}" for i in range(12)]


def readings(chance: random.Random, minutes: int) -> dict[int, list[tuple[Micros, list[Reading]]]]:
    """An evening in frames, per partition: devices that come and go, late rows, repeated rows, and a pipeline that is away once."""
    found: dict[int, list[tuple[Micros, list[Reading]]]] = {partition: [] for partition in range(PARTITIONS)}
    asleep: dict[str, int] = {}
    for second in range(0, minutes * 60, 10):
        if 40 * 60 <= second < 47 * 60:
            continue  # an outage
        now = T0 + second * SECOND
        rows: dict[int, list[Reading]] = {}
        for device in DEVICES:
            if chance.random() < 0.004:
                asleep[device] = second + chance.choice([200, 600, 2_000])
            if asleep.get(device, 0) > second or chance.random() < 0.3:
                continue
            key = topics.key_of("main", device)
            late = chance.choice([0, 0, 0, 0, 3, 40])
            one = Reading(key, now - late * SECOND, now, 0, {"t": round(chance.random(), 3)}, {"t": "bar"}, 1, second)
            rows.setdefault(topics.partition_of(key, PARTITIONS), []).extend([one, one] if chance.random() < 0.05 else [one])
        for partition, some in rows.items():
            if partition != 1 or not 80 * 60 <= second < 115 * 60:  # nobody speaks there for half an hour
                found[partition].append((now, some))
    return found


def records(minutes: int = MINUTES) -> list[Outgoing]:
    """The same as records of the log, with a tick a second where nothing is said."""
    out: list[Outgoing] = []
    for partition, frames in readings(random.Random(7), minutes).items():
        at = T0
        for now, rows in frames:
            out += [tick(partition, each) for each in range(at, now, SECOND) if not T0 + 40 * MINUTE <= each < T0 + 47 * MINUTE]
            out.append(Outgoing(topics.READINGS, partition, None, encode(pack(rows, now))))
            at = now + SECOND
        out += [tick(partition, each) for each in range(at, T0 + minutes * MINUTE, SECOND)]
    return out


def tick(partition: int, at: Micros) -> Outgoing:
    """Time goes on."""
    return Outgoing(topics.READINGS, partition, None, encode(Frame(at)))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log on which the readings stand, and detect ran live: a record at a time, as they come."""
    path = tmp_path_factory.mktemp("lived") / "log.db"
    with SqliteLog(path, fsync=False) as events:
        events.create(dict.fromkeys((topics.READINGS, topics.SYMPTOMS, topics.REJECTED), PARTITIONS))
        append_all(events, records())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(embedded, "LIMIT", 1)
            live(events)
    return path


@pytest.fixture
def log(tmp_path: Path, lived: Path) -> Iterator[SqliteLog]:
    """A copy of it."""
    shutil.copytree(lived.parent, tmp_path / "copy")
    with SqliteLog(tmp_path / "copy" / lived.name, fsync=False) as events:
        yield events


def live(events: SqliteLog, grace: Micros = 0) -> None:
    """Run the embedded host until detect has read all there is."""
    stop = threading.Event()
    host = EmbeddedHost(events, [detect_kind(RULES, grace)], Registered(), SystemClock(), on_crash=lambda *_: None)
    thread = threading.Thread(target=host.run, args=(stop,), daemon=True)
    thread.start()
    try:
        for _ in range(10_000):
            seen = events.commits
            if finished(events) == set(range(PARTITIONS)):
                return
            if not thread.is_alive():
                break
            events.wait(seen, 0.02)
        pytest.fail("the live run never came to its end")
    finally:
        stop.set()
        thread.join(240)


def finished(events: SqliteLog) -> set[int]:
    """The partitions whose last second was passed on: all before it was judged."""
    last = T0 + MINUTES * MINUTE - SECOND
    found = set()
    for partition in range(PARTITIONS):
        end = events.end(topics.SYMPTOMS, partition)
        for entry in events.read({(topics.SYMPTOMS, partition): max(0, end - 1)}, limit=1):
            if entry.key is None and f"/{last}".encode() in (entry.value or b""):
                found.add(partition)
    return found


def symptoms(events: SqliteLog, partition: int) -> list[tuple[bytes | None, bytes | None, Any]]:
    """What stands in the topic of symptoms, in its order."""
    entries = events.read({(topics.SYMPTOMS, partition): 0}, limit=100_000)
    return [(each.key, each.value, each.headers) for each in entries if each.key is not None]


def test_how_much_is_read_at_once_changes_nothing(lived: Path, tmp_path: Path) -> None:
    """A host that catches up reads hundreds of ticks together: they are as many seconds, not one outage."""
    with SqliteLog(lived, read_only=True) as first, SqliteLog(tmp_path / "other.db", fsync=False) as other:
        other.create(dict.fromkeys((topics.READINGS, topics.SYMPTOMS, topics.REJECTED), PARTITIONS))
        append_all(other, records())
        live(other)

        assert [symptoms(other, p) for p in range(PARTITIONS)] == [symptoms(first, p) for p in range(PARTITIONS)]


def once_more(events: SqliteLog, rules: RuleSet = RULES, grace: Micros = 0) -> Replay:
    """A backtest over the whole log."""
    replay = Replay(events, [detect_kind(rules, grace)], Registered(), Layout(events.partitions), limits=silence_limits(rules))
    begins, ends = replay.places()
    for _ in replay.run(begins, ends):
        pass
    return replay


def differing(events: SqliteLog, replay: Replay) -> int:
    """In how many partitions a backtest said something else than the live run."""
    mine = [[(each.key, each.value, each.headers) for each in replay.outputs[0] if each.partition == p] for p in range(PARTITIONS)]
    return sum(mine[p] != symptoms(events, p) for p in range(PARTITIONS))


def test_a_backtest_says_what_the_live_run_said(log: SqliteLog) -> None:
    """The same offsets, the same keys, bodies and headers in the same order, of what was read and of what was not."""
    replay = once_more(log)

    assert differing(log, replay) == 0
    kinds = {each.detector for each in replay.symptoms()[0]}
    assert kinds >= {"threshold", "silence"}
    assert len(replay.outputs[0]) > 100
    assert (len(replay.devices), replay.first, replay.now) == (len(DEVICES), T0, T0 + MINUTES * MINUTE - SECOND)


def test_ticks_that_were_forgotten_are_told_anew(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log forgets ticks after minutes; without them, a partition in which nobody spoke would look like one nobody listened to."""
    log.forget_ticks(SystemClock().now() + HOUR, 0)
    monkeypatch.setattr(log, "_tail", Tail())  # memory still has them

    assert differing(log, once_more(log)) == 0
    monkeypatch.setattr(Replay, "_fill", lambda *_: None)
    assert differing(log, once_more(log)) > 0, "known bad: to read only what is left"


def test_readings_wait_for_earlier_ones_as_they_did_live(tmp_path: Path) -> None:
    """A grace is part of what decides: with it the backtest says the same, and without it something else."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as events:
        events.create(dict.fromkeys((topics.READINGS, topics.SYMPTOMS, topics.REJECTED), PARTITIONS))
        append_all(events, records())
        live(events, 30 * SECOND)

        assert differing(events, once_more(events, grace=30 * SECOND)) == 0
        assert differing(events, once_more(events)) > 0, "known bad: to forget the grace"


def no_ticks(self: Detect, now: Micros) -> Iterable[Out]:  # noqa: ARG001 - it does not look at them
    """Known bad: time is never told."""
    return ()


def judged_by_arrival(self: Processor, topic: str, offset: int, record: Any, now: Micros) -> Iterable[Out]:
    """Known bad: what a reading says of its own time is not believed."""
    if isinstance(record, Frame):
        for block in record.blocks:
            block.measured_at = block.received_at
    yield from STEP(self, topic, offset, record, now)


def cut_shows(self: Processor, topic: str, offset: int, record: Any, now: Micros) -> Iterable[Out]:
    """Known bad: what is said depends on where the reading stood."""
    for out in STEP(self, topic, offset, record, now):
        if isinstance(out.record, Symptom):
            yield out._replace(record=out.record.model_copy(update={"explanation": f"read with {len(NOW)} others"}))
    NOW.append(now)


STEP: Any = Detect.step
NOW: list[Micros] = []


@pytest.mark.parametrize(("name", "bad"), [("due", no_ticks), ("step", judged_by_arrival), ("step", cut_shows)])
def test_a_backtest_that_is_not_the_live_run_is_caught(log: SqliteLog, monkeypatch: pytest.MonkeyPatch, name: str, bad: Any) -> None:
    """Known bad: without ticks, by arrival instead of the device's time, or by how readings were cut into reads."""
    monkeypatch.setattr(Detect, name, bad)

    assert differing(log, once_more(log)) > 0


def test_a_run_ends_where_it_is_told(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a time means: the frames that were written before it, in every partition, however many are read at once."""
    monkeypatch.setattr(module, "LIMIT", 7)
    replay = Replay(log, [detect_kind(RULES)], Registered(), Layout(log.partitions), limits=silence_limits(RULES))
    begins, ends = replay.places()
    until = T0 + 60 * MINUTE
    shorter = {place: offset_at(log, place, until, begins[place], end) for place, end in ends.items()}
    steps = list(replay.run(begins, shorter))

    assert replay.now == until - SECOND
    assert all(each.time <= until for each in replay.symptoms()[0])
    expected = [value for p in range(PARTITIONS) for _, value, _ in symptoms(log, p)]
    assert {each.value for each in replay.outputs[0]} <= set(expected)
    assert steps[-1] == (sum(shorter.values()), sum(shorter.values()))
    assert steps == sorted(steps)


def test_devices_are_compared_over_partitions(lived: Path) -> None:
    """What partitions tell each other finds them at the same time, whoever is read first; other rules beside know nothing of it."""
    peers = RuleSet([rule("peer", "unlike", signal="t", beyond=0.2, count=1, peers=4)])
    registry = Registered(**dict.fromkeys(DEVICES, "pump"))
    with SqliteLog(lived, read_only=True) as log:
        found = []
        for limit in (7, 500):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "LIMIT", limit)
                replay = Replay(log, [detect_kind(peers), detect_kind(RULES)], registry, Layout(lambda _: PARTITIONS))
                for _ in replay.run(*replay.places()):
                    pass
            found.append(sorted(each.model_dump_json() for each in replay.symptoms()[0]))

    assert found[0] == found[1]
    assert len(found[0]) > 10


def test_two_sets_of_rules_run_side_by_side(log: SqliteLog) -> None:
    """Each as if it were alone."""
    other = RuleSet([rule("threshold", "high", above=0.95)])
    replay = Replay(log, [detect_kind(other), detect_kind(RULES)], Registered(), Layout(log.partitions), limits=silence_limits(RULES))
    for _ in replay.run(*replay.places()):
        pass

    assert [each.value for each in replay.outputs[0]] == [each.value for each in once_more(log, other).outputs[0]]
    assert [each.value for each in replay.outputs[1]] == [each.value for each in once_more(log).outputs[0]]
