"""The SQLite log: what the port does not say: one writer, readers beside it, group commit, state, retention, failures."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.parts.base import PATIENCE_S
from vorab.clock import DAY, MINUTE, ManualClock
from vorab.errors import ConfigError, Unavailable
from vorab.frame import Frame, Reading, encode, pack
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.log.sqlite_tail import Tail
from vorab.records import Tick, to_wire
from vorab.topics import Keyed, Topic

WRITE_ONE = """
import sys
from vorab.frame import Frame, Reading, encode, pack
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
with SqliteLog(sys.argv[1]) as log:
    append_all(log, [Outgoing("t", 0, b"k", b"from outside")])
"""


def out(value: bytes, partition: int = 0, key: bytes | None = b"k") -> Outgoing:
    """A record for topic t."""
    return Outgoing("t", partition, key, value, (("h", b"1"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log of a test lives."""
    return tmp_path / "log.db"


def test_a_second_writer_is_refused_in_words(path: Path) -> None:
    """Two processes writing one file is a mistake in the settings, said at start with the pid of the other."""
    with SqliteLog(path):
        done = subprocess.run([sys.executable, "-c", WRITE_ONE, str(path)], capture_output=True, text=True, check=False)
        assert "ConfigError: another process writes" in done.stderr
        with pytest.raises(ConfigError, match="pid"):
            SqliteLog(path)
    with SqliteLog(path) as log:
        log.create({"t": 1})


def test_a_reader_in_another_process_sees_what_is_committed(path: Path) -> None:
    """A read-only opener follows a log that another process writes, and cannot write."""
    with SqliteLog(path) as log:
        log.create({"t": 1})
    with SqliteLog(path, read_only=True) as reader:
        assert reader.read({("t", 0): 0}) == []
        found: list[bytes | None] = []
        thread = threading.Thread(target=lambda: found.extend(each.value for each in reader.read({("t", 0): 0}, wait_s=60)))
        thread.start()
        subprocess.run([sys.executable, "-c", WRITE_ONE, str(path)], check=True)
        thread.join(60)
        assert found == [b"from outside"]
        assert (reader.ends("t"), reader.begins("t"), reader.end("t", 0)) == ({0: 1}, {0: 0}, 1)
        with pytest.raises(ConfigError, match="reading only"):
            reader.append(out(b"x"))


def test_a_log_that_is_not_there_cannot_be_looked_at(path: Path) -> None:
    """Reading makes no file."""
    with pytest.raises(ConfigError, match="no log at"):
        SqliteLog(path, read_only=True)
    assert not path.exists()


def test_a_file_that_is_no_log_is_refused(path: Path) -> None:
    """A wrong path is a mistake in the settings, not a crash later."""
    path.write_bytes(b"certainly not a database, but long enough to look like one" * 20)
    with pytest.raises(ConfigError, match="is not a log"):
        SqliteLog(path)


def test_a_log_of_a_newer_vorab_is_refused(path: Path) -> None:
    """A newer layout is not guessed at."""
    SqliteLog(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 99 WHERE name = 'format'")
    db.close()
    with pytest.raises(ConfigError, match="newer vorab"):
        SqliteLog(path)


def test_the_file_remembers_counts(path: Path) -> None:
    """Partition counts and those of recorded time belong to the file; other settings are refused."""
    with SqliteLog(path) as log:
        assert log.recorded_partitions == 0
        log.create({"t": 6}, recorded_partitions=2)
    with SqliteLog(path) as log:
        assert (log.partitions("t"), log.recorded_partitions) == (6, 2)
        with pytest.raises(ConfigError, match="partitions of t: 4 wanted, 6 in"):
            log.create({"t": 4})
        with pytest.raises(ConfigError, match="recorded partitions"):
            log.create({"t": 6}, recorded_partitions=1)
        with pytest.raises(ConfigError, match="no topic u"):
            log.partitions("u")
        with pytest.raises(ConfigError, match="no partition 6"):
            log.append(out(b"x", partition=6))


def test_what_waits_shares_one_commit(path: Path) -> None:
    """While one commit runs the next group gathers: far fewer commits than records, and every record confirmed once."""
    with SqliteLog(path) as log:
        log.create({"t": 1})
        entered, leave = threading.Event(), threading.Event()

        def hold(error: BaseException | None) -> None:
            assert error is None
            entered.set()
            leave.wait(PATIENCE_S)

        log.append(out(b"first"), hold)
        assert entered.wait(PATIENCE_S)
        confirmed: list[BaseException | None] = []
        for i in range(300):
            log.append(out(str(i).encode()), confirmed.append)
        before = log.commits
        leave.set()
        log.flush()
        assert confirmed == [None] * 300
        assert log.commits == before + 1
        assert [each.offset for each in log.read({("t", 0): 0}, limit=1000)] == list(range(301))


def test_a_full_queue_blocks_and_then_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: appending waits for room, and gives up with Unavailable."""
    monkeypatch.setattr("vorab.log.sqlite_writer.MAX_BYTES", 1_000)
    monkeypatch.setattr("vorab.log.sqlite_writer.BLOCK_S", 0.05)
    with SqliteLog(path) as log:
        log.create({"t": 1})
        leave = threading.Event()

        def hold(_: BaseException | None) -> None:
            leave.wait(PATIENCE_S)

        log.append(out(b"x" * 900), hold)
        with pytest.raises(Unavailable, match="behind"):
            log.append(out(b"y" * 900))
        leave.set()
        log.flush()
        assert len(log.read({("t", 0): 0})) == 1


def test_outputs_state_and_offsets_are_one(path: Path) -> None:
    """All of a transaction is there after reopening, an empty block is gone, and a failed transaction leaves nothing."""
    with SqliteLog(path) as log:
        log.create({"t": 1})
        log.transact([out(b"a")], state={("p", 0): {"one": b"1", "two": b"2"}}, offsets={("p", "in", 0): 7})
        log.transact([out(b"b")], state={("p", 0): {"one": b"", "two": b"3"}}, offsets={("p", "in", 0): 8})
        log.flush()
    with SqliteLog(path) as log:
        assert log.load_state("p", 0) == ({"two": b"3"}, {"in": 8})
        failures: list[BaseException | None] = []
        bad: dict[str, bytes] = {"two": "no bytes, and no text either".__len__}  # type: ignore[dict-item]
        with pytest.raises(TypeError):
            log.transact([out(b"c")], state={("p", 0): bad}, confirmed=failures.append)
        log.append(out(b"d"))
        log.flush()
        assert [each.value for each in log.read({("t", 0): 0})] == [b"a", b"b", b"d"]
        assert log.load_state("p", 0) == ({"two": b"3"}, {"in": 8})


def test_a_failed_commit_fails_every_record_in_it_and_no_other(path: Path) -> None:
    """When the disk says no, those waiting learn it, offsets do not move, and the next group works again."""
    with SqliteLog(path) as log:
        log.create({"t": 1})
        log._db.execute("PRAGMA max_page_count = 20")
        failures: list[BaseException | None] = []
        log.append(out(b"x" * 500_000), failures.append)
        log.flush()
        assert isinstance(failures[0], Unavailable)
        assert "full" in str(failures[0])
        with pytest.raises(Unavailable):
            append_all(log, [out(b"x" * 500_000)])
        append_all(log, [out(b"small")])
        assert [(each.offset, each.value) for each in log.read({("t", 0): 0})] == [(0, b"small")]


def test_old_records_go_but_the_end_is_kept(path: Path) -> None:
    """Retention by age deletes what is too old; offsets go on rising after everything was old and the file was reopened."""
    clock = ManualClock(10 * DAY)
    table = {"t": Topic("t", Keyed.DEVICE, 7, "")}
    with SqliteLog(path, clock=clock) as log:
        log.create({"t": 2})
        append_all(log, [out(b"%d" % i) for i in range(5)])
        clock.advance(6 * DAY)
        append_all(log, [out(b"new")])
        assert log.enforce(clock.now(), table) == 0
        assert log.enforce(clock.now() + 2 * DAY, table) == 5
        assert log.begins("t") == {0: 5, 1: 0}
        assert log.enforce(clock.now() + 20 * DAY, table) == 0
    with SqliteLog(path) as log:
        append_all(log, [out(b"after")])
        assert [(each.offset, each.value) for each in log.read({("t", 0): 0})] == [(5, b"new"), (6, b"after")]


def test_compaction_keeps_the_last_of_each_key(path: Path) -> None:
    """A compacted topic keeps one record per key; deleted keys are forgotten after a day."""
    clock = ManualClock(10 * DAY)
    table = {"t": Topic("t", Keyed.DEVICE, None, "")}
    with SqliteLog(path, clock=clock) as log:
        log.create({"t": 1})
        append_all(log, [out(b"%d" % i, key=b"%d" % (i % 3)) for i in range(9)])
        append_all(log, [Outgoing("t", 0, b"0", None), out(b"last", key=b"9")])
        assert log.enforce(clock.now(), table) == 7
        assert log.enforce(clock.now() + 2 * DAY, table) == 1
    with SqliteLog(path) as log:
        kept = [(each.offset, each.key, each.value) for each in log.read({("t", 0): 0})]
        assert kept == [(7, b"1", b"7"), (8, b"2", b"8"), (10, b"9", b"last")]


def test_the_tail_in_memory_is_bounded(path: Path) -> None:
    """Reading is the same whether memory or the file answers, and memory forgets the oldest."""
    with SqliteLog(path) as log:
        log.create({"t": 2})
        log._tail = Tail(limit_bytes=20_000)
        append_all(log, [out(b"%d" % i, partition=i % 2) for i in range(200)])
        assert log._tail.read(("t", 0), 0, 10) is None
        assert log._tail.read(("t", 0), 99, 10) is not None
        for start in (0, 50, 99, 100):
            values = [each.value for each in log.read({("t", 1): start}, limit=1000)]
            assert values == [b"%d" % (2 * i + 1) for i in range(start, 100)]


def test_a_closed_log_takes_nothing(path: Path) -> None:
    """After close, appending says so; closing twice is fine."""
    log = SqliteLog(path)
    log.create({"t": 1})
    log.append(out(b"x"))
    log.close()
    log.close()
    with pytest.raises(Unavailable, match="closed"):
        log.append(out(b"x"))
    with SqliteLog(path) as again:
        assert again.ends("t") == {0: 1}


FRAME_TICK = encode(Frame(5))


def tick(partition: int = 0) -> Outgoing:
    """A tick as it stands on a JSON topic."""
    _, value, headers = to_wire(Tick(id="tick/t/0/5", at=5), "urn:vorab:test")
    return Outgoing("t", partition, None, value, headers)


def test_ticks_go_after_minutes_but_for_the_last(path: Path) -> None:
    """Ticks in either form are deleted, no record is, and the last tick stays; readers and the next offset see only gaps."""
    clock = ManualClock(DAY)
    with SqliteLog(path, clock=clock) as log:
        log.create({"t": 2})
        ticks = [tick(), Outgoing("t", 0, None, FRAME_TICK)]
        full = Outgoing("t", 0, None, encode(pack([Reading("main/d", 1, 1, 0, {"a": 1.0})], 5)))
        append_all(log, [*ticks, out(b"one"), full, *ticks, out(b"io.vorab.tick.v1"), *(tick(1) for _ in range(3))])
        assert log.forget_ticks(clock.now() + 9 * MINUTE) == 0
        clock.advance(5 * MINUTE)
        append_all(log, [tick()])
        assert log.forget_ticks(clock.now() + 6 * MINUTE) == 5
        assert log.forget_ticks(clock.now() + 6 * MINUTE) == 0
    with SqliteLog(path, clock=clock) as log:
        assert [each.offset for each in log.read({("t", 0): 0})] == [2, 3, 5, 6, 7]
        assert [each.offset for each in log.read({("t", 0): 4})] == [5, 6, 7]
        assert [each.offset for each in log.read({("t", 1): 0})] == [2]
        assert log.forget_ticks(clock.now() + 20 * MINUTE) == 1
        append_all(log, [tick(), tick(1)])
        assert [each.offset for each in log.read({("t", 0): 0, ("t", 1): 0})] == [2, 3, 6, 7, 8, 2, 3]


def test_deleting_every_old_tick_would_be_noticed(path: Path) -> None:
    """Known bad: without the last tick a partition of ticks alone begins at offset 0 again after it was reopened."""
    clock = ManualClock(DAY)
    with SqliteLog(path, clock=clock) as log:
        log.create({"t": 1})
        append_all(log, [tick(), tick()])
        log.forget_ticks(clock.now() + 20 * MINUTE)
        assert log.ends("t") == {0: 2}

        def all_of_them(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM records")

        log._writing().call(all_of_them)
    with SqliteLog(path, clock=clock) as log:
        assert log.ends("t") == {0: 0}
