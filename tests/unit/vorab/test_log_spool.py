"""Records on a disk of our own while the log is away: none lost, none overtaken, never more than there is room for."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.bridge import Append, Bridge, Effect
from tests.parts.away import AwayLog
from tests.parts.base import wait_until
from vorab.errors import ConfigError, Unavailable
from vorab.log import EventLog, Outgoing, append_all
from vorab.log.spool import SpooledLog
from vorab.log.sqlite import SqliteLog

PARTITIONS = 3
MB = 1 << 20


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long waits between attempts."""
    monkeypatch.setattr("vorab.log.spool.WAIT_S", 0.02)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """The real log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        made.create({"t": PARTITIONS})
        yield made


def record(n: int, partition: int | None = None) -> Outgoing:
    """A numbered record."""
    return Outgoing("t", n % PARTITIONS if partition is None else partition, b"k", b"%d" % n, (("n", b"%d" % n),))


def written(log: EventLog) -> dict[int, list[int]]:
    """The numbers in each partition."""
    found: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}
    ends = log.ends("t")
    at = {("t", partition): 0 for partition in range(PARTITIONS)}
    while behind := {place: offset for place, offset in at.items() if offset < ends[place[1]]}:
        for entry in log.read(behind, limit=1000):
            at["t", entry.partition] = entry.offset + 1
            assert entry.key == b"k"
            assert entry.headers == (("n", entry.value),)
            found[entry.partition].append(int(entry.value or b""))
    return found


def firsts(numbers: list[int]) -> list[int]:
    """Each number where it stands first."""
    return list(dict.fromkeys(numbers))


class Owner:
    """Appends as ingest does: through the bridge, which gives again what failed."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.bridge = Bridge(most_messages=10**9, most_records=10**9)
        self._results: list[tuple[int, BaseException | None]] = []
        self._news = threading.Condition()
        self.confirmed: list[int] = []
        self._number: dict[int, int] = {}

    def give(self, *records: Outgoing) -> None:
        """Records of one read."""
        self._do(self.bridge.received([], records, 1, 0))
        self.work()

    def work(self) -> None:
        """Take what the log has said."""
        with self._news:
            results, self._results = self._results, []
        for token, error in results:
            if error is None:
                self.confirmed.append(self._number[token])
                self._do(self.bridge.confirmed(token))
            else:
                self.bridge.failed(token)

    def again(self) -> None:
        """Take what the log has said, and give again what failed."""
        self.work()
        self._do(self.bridge.retry())

    def settle(self) -> None:
        """Until the log, or the disk, has everything."""

        def quiet() -> bool:
            self.again()
            return not self.bridge.records

        wait_until(quiet, "everything confirmed")

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Append):
                self._number[effect.token] = int(effect.record.value or b"")
                try:
                    self._log.append(effect.record, self._teller(effect.token))
                except Unavailable as error:
                    self._teller(effect.token)(error)

    def _teller(self, token: int) -> Callable[[BaseException | None], None]:
        def told(error: BaseException | None) -> None:
            with self._news:
                self._results.append((token, error))

        return told


def drained(spool: SpooledLog) -> None:
    """Wait until everything is handed on."""
    wait_until(lambda: spool.bytes == 0, "an empty spool")


# ------------------------------------------------------------------------------------------------ stories


def test_while_the_log_is_there_the_disk_is_not_touched(log: SqliteLog, tmp_path: Path) -> None:
    """Records go where they went before."""
    with SpooledLog(log, tmp_path / "spool", MB, fsync=False) as spool:
        append_all(spool, [record(n) for n in range(30)])
        assert spool.bytes == 0
        assert spool._disk.ends("spool") == {0: 0}
    assert written(log) == {p: list(range(p, 30, PARTITIONS)) for p in range(PARTITIONS)}


def test_what_comes_while_it_is_away_is_confirmed_and_handed_on(log: SqliteLog, tmp_path: Path) -> None:
    """Confirmed by the disk, in order once the log is back, before anything newer of the partition."""
    away = threading.Event()
    with SpooledLog(AwayLog(log, away.is_set), tmp_path / "spool", MB, fsync=False) as spool:
        owner = Owner(spool)
        owner.give(*(record(n) for n in range(6)))
        owner.settle()
        away.set()
        owner.give(*(record(n) for n in range(6, 12)))
        owner.settle()
        assert sorted(owner.confirmed) == list(range(12))
        assert spool.bytes > 0
        assert sum(map(len, written(log).values())) == 6
        away.clear()
        owner.give(*(record(n) for n in range(12, 18)))
        owner.settle()
        drained(spool)
    assert written(log) == {p: list(range(p, 18, PARTITIONS)) for p in range(PARTITIONS)}


def test_the_next_run_hands_on_what_this_one_left(log: SqliteLog, tmp_path: Path) -> None:
    """Before its own records of the partition."""
    with SpooledLog(AwayLog(log, lambda: True), tmp_path / "spool", MB, fsync=False) as spool:
        owner = Owner(spool)
        owner.give(*(record(n) for n in range(9)))
        owner.settle()
    with SpooledLog(log, tmp_path / "spool", MB, fsync=False) as spool:
        owner = Owner(spool)
        owner.give(*(record(n) for n in range(9, 12)))
        owner.settle()
        drained(spool)
    assert written(log) == {p: list(range(p, 12, PARTITIONS)) for p in range(PARTITIONS)}


def test_a_full_disk_holds_back_as_if_there_were_none(log: SqliteLog, tmp_path: Path) -> None:
    """Refused, kept by the bridge, and taken in order when there is room again; the file does not outgrow its bound."""
    away = threading.Event()
    away.set()
    with SpooledLog(AwayLog(log, away.is_set), tmp_path / "spool", 2_000, fsync=False) as spool:
        owner = Owner(spool)
        for n in range(60):
            owner.give(record(n))
        for _ in range(20):
            owner.again()
        assert spool.bytes <= 2_000
        assert owner.bridge.records > 0
        away.clear()
        owner.settle()
        drained(spool)
    assert {p: firsts(found) for p, found in written(log).items()} == {p: list(range(p, 60, PARTITIONS)) for p in range(PARTITIONS)}


def test_what_is_handed_on_leaves_the_disk(log: SqliteLog, tmp_path: Path) -> None:
    """Its records are deleted, all but the last, so that its file is used again."""
    away = threading.Event()
    away.set()
    with SpooledLog(AwayLog(log, away.is_set), tmp_path / "spool", MB, fsync=False) as spool:
        owner = Owner(spool)
        owner.give(*(record(n) for n in range(300)))
        owner.settle()
        away.clear()
        drained(spool)
        wait_until(lambda: spool._disk.begins("spool") == {0: 299}, "an empty disk")
    assert sum(map(len, written(log).values())) == 300


def test_two_workers_do_not_share_a_spool(log: SqliteLog, tmp_path: Path) -> None:
    """The second one is told so."""
    with SpooledLog(log, tmp_path / "spool", MB, fsync=False), pytest.raises(ConfigError):
        SpooledLog(log, tmp_path / "spool", MB, fsync=False)


# ------------------------------------------------------------------------------------------------ whatever happens

events = st.lists(st.one_of(st.integers(1, 6), st.sampled_from(["away", "back", "settle", "restart"])), max_size=25)


@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(events, st.integers(500, 5_000))
def test_nothing_is_lost_and_nothing_is_overtaken(tmp_path_factory: pytest.TempPathFactory, script: list[int | str], room: int) -> None:
    """Fuzzed: outages, restarts and a small disk; in the end each partition has every record, each first where it belongs."""
    folder, away, n = tmp_path_factory.mktemp("spool"), threading.Event(), 0
    with SqliteLog(folder / "log.db", fsync=False) as log:
        log.create({"t": PARTITIONS})
        spool = SpooledLog(AwayLog(log, away.is_set), folder / "spool", room, fsync=False)
        owner = Owner(spool)
        for event in [*script, "back", "settle"]:
            if isinstance(event, int):
                owner.give(*(record(i) for i in range(n, n + event)))
                n += event
            elif event == "away":
                away.set()
            elif event == "back":
                away.clear()
            elif event == "settle" and not away.is_set():
                owner.settle()
            elif event == "restart" and not owner.bridge.records:
                spool.close()
                spool = SpooledLog(AwayLog(log, away.is_set), folder / "spool", room, fsync=False)
                owner = Owner(spool)
        drained(spool)
        spool.close()
        assert {p: firsts(found) for p, found in written(log).items()} == {p: list(range(p, n, PARTITIONS)) for p in range(PARTITIONS)}


WORKER = """
    import sys
    from pathlib import Path
    from tests.parts.away import AwayLog
    from vorab.log import Outgoing
    from vorab.log.spool import SpooledLog
    from vorab.log.sqlite import SqliteLog
    from tests.unit.vorab.test_log_spool import Owner, record

    folder, first = Path(sys.argv[1]), int(sys.argv[2])
    log = SqliteLog(folder / "log.db", fsync=False)
    log.create({"t": 3})
    spool = SpooledLog(AwayLog(log, (folder / "away").exists), folder / "spool", 1 << 20)
    owner, told = Owner(spool), 0
    for n in range(first, first + 100_000):
        owner.give(record(n))
        if owner.bridge.troubled:
            owner.settle()
        while told < len(owner.confirmed):
            print(owner.confirmed[told], flush=True)
            told += 1
"""


def test_a_kill_takes_nothing_that_was_confirmed(tmp_path: Path) -> None:
    """Killed hard five times, while the log is away and while it is back: what was confirmed stands in the log, in order."""
    chance, confirmed, first = random.Random(7), set[int](), 0
    for turn in range(5):
        (tmp_path / "away").touch()
        command = [sys.executable, "-c", textwrap.dedent(WORKER), str(tmp_path), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            said = (int(line) for line in child.stdout if line.rstrip("\n").isdigit() and line.endswith("\n"))
            confirmed.update(itertools.islice(said, chance.randrange(50, 300)))
            if turn % 2:
                (tmp_path / "away").unlink()
                for _ in range(chance.randrange(1, 300)):
                    confirmed.add(int(child.stdout.readline()))
            child.kill()
            confirmed |= {int(line) for line in child.stdout if line.endswith("\\n")}
        first = max(confirmed) + 1_000
    with SqliteLog(tmp_path / "log.db", fsync=False) as log:
        with SpooledLog(log, tmp_path / "spool", MB) as spool:
            drained(spool)
        found = written(log)
    for partition, numbers in found.items():
        assert firsts(numbers) == sorted(set(numbers))
        assert {n for n in confirmed if n % PARTITIONS == partition} <= set(numbers)
    assert len(confirmed) > 250


def test_a_spool_that_confirms_too_early_is_caught(log: SqliteLog, tmp_path: Path) -> None:
    """The check is not vacuous: a variant that confirms before its disk has the record loses it."""

    class Hasty(SpooledLog):
        """Confirms at once and forgets."""

        def append(self, record: Outgoing, confirmed: Callable[[BaseException | None], None] | None = None) -> None:  # noqa: ARG002
            if confirmed is not None:
                confirmed(None)

    with Hasty(AwayLog(log, lambda: True), tmp_path / "spool", MB, fsync=False) as spool:
        owner = Owner(spool)
        owner.give(record(1))
        owner.settle()
        assert owner.confirmed == [1]
        drained(spool)
    assert sum(map(len, written(log).values())) == 0
