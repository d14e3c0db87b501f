"""The embedded host: exactly once over crashes anywhere, refusals, unexpected errors, and a calm end."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.hosts import embedded
from streams.hosts.embedded import EmbeddedHost
from streams.hosts.merge import Merge
from streams.hosts.registry import Tables
from tests.contract.sample import POISON, TALLY, Tally, command, outgoing, reply, symptom, tick
from vorab import topics
from vorab.clock import HOUR, SECOND, ManualClock, SystemClock
from vorab.errors import ConfigError
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.log.sqlite_tail import Tail
from vorab.processor import Kind, Out
from vorab.records import CaseEvent, Record, Rejection, Tick, from_wire

PARTITIONS = 3
TIMEOUT_S = 240.0


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """A log with the sample's topics."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as events:
        names = (topics.SYMPTOMS, topics.REPLIES, topics.COMMANDS, topics.CASES, topics.REJECTED)
        events.create(dict.fromkeys(names, PARTITIONS))
        yield events


def story(n: int = 60) -> list[Outgoing]:
    """Symptoms and replies over all partitions, with ticks at the end."""
    records = []
    for i in range(n):
        partition = i % PARTITIONS
        make = symptom if i % 4 else reply
        records.append(outgoing(make(f"d{partition}", i, i * SECOND), partition))
    return records + [tick(topic, p, 1_000 * SECOND) for topic in (topics.SYMPTOMS, topics.REPLIES) for p in range(PARTITIONS)]


def cases(log: SqliteLog) -> list[list[tuple[str, str, int, int]]]:
    """Case events per device as (because, kind, seq, time); devices of several partitions may share one in the topic."""
    events = [each for records in written(log) for each in records if isinstance(each, CaseEvent)]
    found: list[list[tuple[str, str, int, int]]] = [[] for _ in range(PARTITIONS)]
    for each in events:
        found[int(each.device.removeprefix("d"))].append((each.because, each.kind.value, each.seq, each.at))
    return found


def marks(log: SqliteLog) -> list[list[int]]:
    """Times of the ticks per partition."""
    return [[each.time for each in records if isinstance(each, Tick)] for records in written(log)]


def written(log: SqliteLog) -> list[list[Record]]:
    """What stands in the topic of cases, per partition."""
    return [[from_wire(each.value, each.headers) for each in log.read({(topics.CASES, p): 0}, limit=10_000)] for p in range(PARTITIONS)]


def run(
    log: SqliteLog,
    until: Callable[[], bool],
    kinds: Sequence[Kind] = (TALLY,),
    on_crash: Callable[[Any, str], None] = lambda *_: None,
    checkpoint_s: float = 1.0,
) -> list[BaseException]:
    """Run a host until a condition holds or it ends by itself; returns what it died of."""
    stop, died = threading.Event(), []
    host = EmbeddedHost(log, kinds, Tables(), ManualClock(), checkpoint_s=checkpoint_s, on_crash=on_crash)

    def target() -> None:
        try:
            host.run(stop)
        except BaseException as error:  # noqa: BLE001 - what it died of is what is asked
            died.append(error)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    try:
        for _ in range(round(TIMEOUT_S / 0.01)):
            seen = log.commits
            if not thread.is_alive() or until():
                return died
            log.wait(seen, 0.01)
        pytest.fail("the condition never came true")
    finally:
        stop.set()
        thread.join(TIMEOUT_S)


def finished(log: SqliteLog, n: int) -> Callable[[], bool]:
    """Whether so many case events are there."""

    def done() -> bool:
        # Cheap first: there are at least as many records as case events.
        return sum(log.ends(topics.CASES).values()) >= n and sum(map(len, cases(log))) >= n

    return done


def undisturbed(tmp_path: Path, records: Iterable[Outgoing], n: int) -> list[list[tuple[str, str, int, int]]]:
    """What a run without disturbance writes."""
    with SqliteLog(tmp_path / "undisturbed.db", fsync=False) as events:
        events.create(dict.fromkeys((topics.SYMPTOMS, topics.REPLIES, topics.COMMANDS, topics.CASES, topics.REJECTED), PARTITIONS))
        append_all(events, records)
        assert run(events, finished(events, n)) == []
        return cases(events)


class KilledError(BaseException):
    """Stands for kill -9: nothing after it runs."""


@pytest.mark.parametrize("checkpoint_s", [0.0, 1e9])
@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_every_commit_every_output_is_written_once(
    log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, checkpoint_s: float
) -> None:
    """Dying before or after any commit, again and again, with checkpoints at every turn or none: the same outputs, each once."""
    records = story()
    expected = undisturbed(tmp_path, records, 105)
    append_all(log, records)
    monkeypatch.setattr(embedded, "LIMIT", 7)
    transact, deaths = SqliteLog.transact, 0
    for nth in range(1, 200):
        calls = 0

        def dying(self: SqliteLog, *args: Any, nth: int = nth, **more: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 1 + nth % 4 and where == "before":
                raise KilledError
            transact(self, *args, **more)
            if calls == 1 + nth % 4:
                self.flush()
                raise KilledError

        monkeypatch.setattr(SqliteLog, "transact", dying)
        died = run(log, finished(log, 105), checkpoint_s=checkpoint_s)
        deaths += bool(died)
        if finished(log, 105)():
            break
    else:
        pytest.fail("it never got through")
    assert deaths > 3
    assert cases(log) == expected
    assert all(each == sorted(set(each)) for each in marks(log))


def ticking(n: int = 60) -> list[Outgoing]:
    """The story with a tick behind every record, on both topics of its partition."""
    records = []
    for i, record in enumerate(story(n)[:n]):
        records += [record, *(tick(topic, i % PARTITIONS, i * SECOND) for topic in (topics.SYMPTOMS, topics.REPLIES))]
    return records + story(n)[n:]


@pytest.mark.parametrize("killed", [False, True])
def test_ticks_that_were_deleted_are_not_missed(log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool) -> None:
    """A host that reads a log with gaps, from the beginning or going on after a crash, writes what it would have written."""
    records = ticking()
    expected = undisturbed(tmp_path, records, 105)
    append_all(log, records)
    if killed:
        monkeypatch.setattr(embedded, "LIMIT", 20)
        monkeypatch.setattr(embedded._Crew, "checkpoint", lambda _, **__: None)  # what is repeated are the steps before the gaps
        run(log, finished(log, 20), checkpoint_s=1e9)
        monkeypatch.undo()
    assert log.forget_ticks(SystemClock().now() + HOUR, 0) > 100
    monkeypatch.setattr(log, "_tail", Tail())  # memory still has them
    assert run(log, finished(log, 105)) == []
    assert cases(log) == expected


def test_forgetting_what_was_sent_writes_it_twice(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: with outputs at once, late checkpoints and no memory of what was sent, a crash repeats outputs."""
    monkeypatch.setattr(embedded._Seat, "fresh", lambda _, outputs: list(outputs))
    monkeypatch.setattr(embedded._Crew, "checkpoint", lambda _, **__: None)
    append_all(log, story())
    run(log, finished(log, 105), checkpoint_s=1e9)
    run(log, finished(log, 210), checkpoint_s=1e9)
    found = [each for partition in cases(log) for each in partition]
    assert len(found) == 2 * len(set(found))
    assert any(each != sorted(each) for each in marks(log))


def test_a_command_is_saved_with_what_came_of_it(log: SqliteLog) -> None:
    """A step whose place was decided by arrival is never repeated: its state and offset are in the transaction of its outputs."""
    append_all(log, [outgoing(command("d1", 1, 5 * SECOND), 1)])
    run(log, finished(log, 1), checkpoint_s=1e9, on_crash=lambda *_: None)
    blocks, offsets = log.load_state("tally", 1)
    assert offsets[topics.COMMANDS] == 1
    assert blocks["count"] == b"1"


@pytest.mark.parametrize("remembers", [True, False])
def test_what_came_after_a_crash_does_not_change_what_was_done_before(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch, *, remembers: bool
) -> None:
    """Outputs left, nothing saved, killed, an older command came meanwhile: repeated steps stay as they were (known bad: not)."""
    append_all(
        log, [outgoing(symptom("d1", 1, 50 * SECOND), 1), tick(topics.REPLIES, 1, 51 * SECOND), tick(topics.SYMPTOMS, 1, 51 * SECOND)]
    )
    transact = SqliteLog.transact

    def dying(self: SqliteLog, *args: Any, **more: Any) -> None:
        transact(self, *args, **more)
        self.flush()
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(SqliteLog, "transact", dying)
        run(log, lambda: False, checkpoint_s=1e9)
    assert [each[0] for each in cases(log)[1]] == ["d1-symptom-1"]
    append_all(log, [outgoing(command("d1", 1, 47 * SECOND), 1)])
    if not remembers:
        monkeypatch.setattr("streams.hosts.merge.Merge.__init__", functools.partialmethod(_forgetful, Merge.__init__))
    run(log, finished(log, 2), checkpoint_s=1e9)
    assert ([each[:3] for each in cases(log)[1]] == [("d1-symptom-1", "noted", 1), ("d1-command-1", "noted", 2)]) is remembers


def _forgetful(self: Merge[Any], real: Callable[..., None], inputs: Any, saved: Any = None, _: int = 0) -> None:
    real(self, inputs, saved)


def test_a_refused_record_does_not_stop_the_rest(log: SqliteLog) -> None:
    """Poison goes to the topic of the refused, and what follows it is stepped."""
    poison = symptom("d0", 0, SECOND).model_copy(update={"id": POISON})
    append_all(log, [outgoing(poison, 0), *story(12)])
    assert run(log, finished(log, 21)) == []
    rejected = [from_wire(each.value, each.headers) for each in log.read({(topics.REJECTED, p): 0 for p in range(PARTITIONS)})]
    assert [(each.origin_offset, each.detail) for each in rejected if isinstance(each, Rejection)] == [(0, "poison")]


def test_an_unexpected_error_ends_the_process(log: SqliteLog) -> None:
    """A defect is not survived: the host says what it was doing and crashes; nothing of the step is written."""

    class Broken(Tally):
        def step(self, *_: Any) -> Iterable[Out]:
            raise ZeroDivisionError

    said: list[str] = []
    append_all(log, story(12))
    kind = Kind("broken", Broken.inputs, Broken.outputs, Broken.ticks, 1, lambda *_: Broken())
    died = run(log, lambda: False, kinds=(kind,), on_crash=lambda _, doing: said.append(doing))
    assert [type(each) for each in died] == [ZeroDivisionError]
    assert said == ["run the streams"]
    assert cases(log) == [[], [], []]


def test_inputs_of_different_size_are_a_mistake_in_the_settings(log: SqliteLog) -> None:
    """Keys of one device would meet in different partitions."""
    log.create({"other": PARTITIONS + 1})
    host = EmbeddedHost(log, [TALLY], Tables(), ManualClock(), renames={topics.REPLIES: "other"}, on_crash=lambda *_: None)
    assert host.check() == "the streams are starting"
    with pytest.raises(ConfigError, match="different numbers"):
        host.run(threading.Event())
    assert host.check() == "the streams are crashed"


def test_an_input_that_runs_ahead_is_held_back(log: SqliteLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """While one input says nothing, only so much of the other is kept in memory; nothing is lost by it."""
    expected = undisturbed(tmp_path, story(), 105)
    monkeypatch.setattr(embedded, "MAX_WAITING", 3)
    monkeypatch.setattr(embedded, "IDLE_S", 0.01)
    monkeypatch.setattr(embedded, "LIMIT", 5)
    records = story()
    append_all(log, [each for each in records if each.topic == topics.SYMPTOMS])
    most = []
    work = embedded._Crew.work

    def watched(self: embedded._Crew) -> int:
        found = work(self)
        most.append(max(seat.instance.waiting[topics.SYMPTOMS] for seat in self._seats))
        return found

    monkeypatch.setattr(embedded._Crew, "work", watched)
    run(log, lambda: len(most) > 30)
    assert max(most) <= 3 + 5
    append_all(log, [each for each in records if each.topic != topics.SYMPTOMS])
    assert run(log, finished(log, 105)) == []
    assert cases(log) == expected
