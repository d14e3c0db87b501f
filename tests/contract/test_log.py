"""The log port: one suite, both adapters; Kafka is a real broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.parts.base import PATIENCE_S, wait_until
from tests.parts.fixtures import NewKafka
from tests.parts.kafka import Kafka
from vorab.errors import ConfigError, Unavailable
from vorab.log import Entry, EventLog, Outgoing, append_all, open_log
from vorab.log.kafka import KafkaLog

APPEND_FOREVER = """
import sys
from vorab.log import Outgoing, open_log
with open_log(sys.argv[1]) as log:
    i = 0
    while True:
        def confirmed(error, i=i):
            if error is None:
                sys.stdout.write(f"{i}\\n")
                sys.stdout.flush()
        log.append(Outgoing(sys.argv[2], i % 2, b"k", str(i).encode()), confirmed)
        i += 1
        if i % 500 == 0:
            log.flush()
"""


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a log."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'log.db'}"
    return str(request.getfixturevalue("kafka").log_address)


@pytest.fixture
def log(address: str) -> Iterator[EventLog]:
    """An open log."""
    with open_log(address) as events:
        yield events


def test_what_is_appended_together_arrives_as_if_it_were_not(log: EventLog, topic: str) -> None:
    """Many records, a topic not written to before among them, an error in between: all are confirmed, in order, and later ones too."""
    other = f"contract-{uuid.uuid4().hex}"
    log.create({other: 1})
    confirmed: list[BaseException | None] = []
    for _ in range(2):
        with suppress(ZeroDivisionError), log.together():
            for i in range(300):
                log.append(Outgoing(topic, i % 3, None, str(i).encode()), confirmed.append)
                if i % 100 == 50:
                    log.append(Outgoing(other, 0, None, b"x"), confirmed.append)
            raise ZeroDivisionError
    log.append(Outgoing(topic, 0, None, b"last"), confirmed.append)
    log.flush()
    assert confirmed == [None] * (2 * 303 + 1)
    values = [entry.value for entry in log.read({(topic, 1): 0}, limit=500, wait_s=10)]
    assert values[:100] == [str(i).encode() for i in range(1, 300, 3)]


@pytest.fixture
def topic(log: EventLog) -> str:
    """A topic of the test's own with three partitions."""
    name = f"contract-{uuid.uuid4().hex}"
    log.create({name: 3})
    return name


def everything(log: EventLog, topic: str, partition: int = 0, start: int = 0, *, limit: int = 500) -> list[Entry]:
    """All records of a partition from an offset to where it ends now."""
    found: list[Entry] = []
    end = log.ends(topic)[partition]
    while start < end:
        entries = log.read({(topic, partition): start}, limit=limit, wait_s=10)
        assert entries, f"nothing at {start} although the end is {end}"
        found += entries
        start = entries[-1].offset + 1
    return found


def test_what_goes_in_comes_out(log: EventLog, topic: str) -> None:
    """Key, value and headers come back byte for byte, without key too, with offsets from 0 and a wall time."""
    headers = (("ce_id", b"1"), ("empty", b""), ("twice", b"a"), ("twice", b"b"))
    sent = [
        Outgoing(topic, 1, b"main/d", b"\x00\xff" * 10, headers),
        Outgoing(topic, 1, None, b"{}"),
        Outgoing(topic, 1, b"gone", None),
        Outgoing(topic, 1, b"large", b"x" * 600_000),
    ]
    append_all(log, sent)
    found = everything(log, topic, 1)
    assert [(each.topic, each.partition, each.offset) for each in found] == [(topic, 1, i) for i in range(4)]
    assert [Outgoing(each.topic, each.partition, each.key, each.value, each.headers) for each in found] == sent
    assert all(1_700_000_000_000_000 < each.appended_at < 4_000_000_000_000_000 for each in found)


def test_order_per_partition_and_offsets_without_gaps(log: EventLog, topic: str) -> None:
    """Many records: each partition keeps the order of the calls, offsets rise by one, small reads see the same as large ones."""
    append_all(log, [Outgoing(topic, i % 3, b"k", str(i).encode()) for i in range(1_500)])
    assert log.ends(topic) == {0: 500, 1: 500, 2: 500}
    assert log.begins(topic) == {0: 0, 1: 0, 2: 0}
    for partition in range(3):
        found = everything(log, topic, partition, limit=60)
        assert [each.offset for each in found] == list(range(500))
        assert [each.value for each in found] == [str(i).encode() for i in range(partition, 1_500, 3)]
    assert [each.offset for each in everything(log, topic, 2, 497)] == [497, 498, 499]


def test_reading_several_partitions_misses_nothing(log: EventLog, topic: str) -> None:
    """Positions of several partitions move on together; each record comes once, in the order of its partition."""
    append_all(log, [Outgoing(topic, i % 3, b"k", str(i).encode()) for i in range(300)])
    positions = {(topic, p): 0 for p in range(3)}
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    while sum(map(len, seen.values())) < 300:
        entries = log.read(positions, limit=50, wait_s=10)
        assert 0 < len(entries) <= 50
        for each in entries:
            positions[each.topic, each.partition] = each.offset + 1
            seen[each.partition].append(each.offset)
    assert all(offsets == list(range(100)) for offsets in seen.values())


def test_a_reader_may_go_back_and_change_what_it_reads(log: EventLog, topic: str) -> None:
    """Offsets are the reader's: it may repeat, skip, and read other partitions next time."""
    append_all(log, [Outgoing(topic, p, b"k", f"{p}/{i}".encode()) for p in range(2) for i in range(5)])
    for positions in ({(topic, 0): 3}, {(topic, 0): 1}, {(topic, 1): 4}, {(topic, 0): 4, (topic, 1): 4}):
        wanted = {position: [f"{position[1]}/{i}".encode() for i in range(offset, 5)] for position, offset in positions.items()}
        found: dict[tuple[str, int], list[bytes | None]] = {position: [] for position in positions}
        where = dict(positions)
        while found != wanted:
            entries = log.read(where, wait_s=10)
            assert entries, f"{found} of {wanted}"
            for each in entries:
                found[each.topic, each.partition].append(each.value)
                where[each.topic, each.partition] = each.offset + 1


def test_nothing_new_is_nothing(log: EventLog, topic: str) -> None:
    """Reading at the end, or of no partition at all, answers with nothing."""
    append_all(log, [Outgoing(topic, 0, b"k", b"v")])
    assert list(log.read({(topic, 0): 1}, wait_s=0.1)) == []
    assert list(log.read({(topic, 2): 0})) == []
    assert list(log.read({}, wait_s=0.0)) == []


def test_a_waiting_reader_is_woken(log: EventLog, topic: str) -> None:
    """A reader that waits gets a record appended meanwhile by another thread."""
    found: list[Entry] = []
    ready = threading.Event()

    def wait() -> None:
        log.read({(topic, 0): 0})  # connects
        ready.set()
        found.extend(log.read({(topic, 0): 0}, wait_s=60))

    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait(PATIENCE_S)
    append_all(log, [Outgoing(topic, 0, b"k", b"v")])
    thread.join(60)
    assert [each.value for each in found] == [b"v"]


def test_every_append_is_confirmed_once(log: EventLog, topic: str) -> None:
    """Each confirmation comes once, per partition in the order of the calls, and flush waits for all of them."""
    told: list[tuple[int, BaseException | None]] = []
    for i in range(200):

        def confirmed(error: BaseException | None, i: int = i) -> None:
            told.append((i, error))

        log.append(Outgoing(topic, i % 3, b"k", b"v"), confirmed)
    log.flush()
    assert sorted(told, key=lambda each: each[0]) == [(i, None) for i in range(200)]
    for partition in range(3):
        assert [i for i, _ in told if i % 3 == partition] == list(range(partition, 200, 3))


def test_several_threads_append_and_read(log: EventLog, topic: str) -> None:
    """Appending threads do not lose each other's records, and reading threads each keep their own place."""
    values = [str(i).encode() for i in range(200)]
    found: dict[int, list[bytes | None]] = {}

    def append(partition: int) -> None:
        append_all(log, [Outgoing(topic, partition, b"k", value) for value in values])

    def read(partition: int) -> None:
        entries: list[Entry] = []
        while len(entries) < 200:
            entries += log.read({(topic, partition): len(entries)}, wait_s=10)
        found[partition] = [each.value for each in entries]

    threads = [threading.Thread(target=do, args=(p,)) for p in range(3) for do in (append, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == dict.fromkeys(range(3), values)


def test_topics_are_made_once_and_counts_are_checked(log: EventLog, topic: str) -> None:
    """Creating again changes nothing; another number of partitions, an unknown topic and a partition too many are said clearly."""
    log.create({topic: 3})
    assert log.partitions(topic) == 3
    with pytest.raises(ConfigError, match="4 wanted, 3 in"):
        log.create({topic: 4})
    with pytest.raises(ConfigError, match="no topic"):
        log.partitions("contract-nobody-made-this")
    with pytest.raises(ConfigError, match="no partition 3"):
        log.append(Outgoing(topic, 3, b"k", b"v"))
    with pytest.raises(ConfigError, match="no topic"):
        log.append(Outgoing("contract-nobody-made-this", 0, b"k", b"v"))


def test_a_closed_log_says_so(address: str) -> None:
    """Appending to a closed log is refused; what was appended before is there."""
    topic = f"contract-{uuid.uuid4().hex}"
    events = open_log(address)
    events.create({topic: 3})
    events.append(Outgoing(topic, 0, b"k", b"v"))
    events.close()
    events.close()
    with pytest.raises(Unavailable, match="closed"):
        events.append(Outgoing(topic, 0, b"k", b"v"))
    with open_log(address) as again:
        assert again.ends(topic)[0] == 1


def test_what_was_confirmed_survives_kill_9(address: str, request: pytest.FixtureRequest) -> None:
    """A writer is killed in full flight: every record it saw confirmed is in the log, in order, without gaps."""
    topic = f"contract-{uuid.uuid4().hex}"
    with open_log(address) as events:
        events.create({topic: 3})
    child = subprocess.Popen([sys.executable, "-c", APPEND_FOREVER, address, topic], stdout=subprocess.PIPE, text=True)
    request.addfinalizer(child.kill)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(700)]
    child.send_signal(signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.wait()
    child.stdout.close()
    with open_log(address) as events:
        kept = [int(each.value or b"") for p in range(2) for each in everything(events, topic, p)]
    assert set(range(max(told) + 1)) <= set(kept)
    assert len(told) >= 700


@pytest.mark.kafka
def test_a_broker_that_is_away_is_unavailable_and_comes_back(new_kafka: NewKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the broker is dead appends wait and then say Unavailable; when it is back the same log works, and nothing confirmed is gone."""
    monkeypatch.setattr("vorab.log.kafka_send.MAX_RECORDS", 5)
    monkeypatch.setattr("vorab.log.kafka_send.BLOCK_S", 0.2)
    broker = new_kafka()
    with open_log(broker.log_address) as log:
        log.create({"t": 1})
        append_all(log, [Outgoing("t", 0, b"k", b"before")])
        broker.kill()
        told: list[BaseException | None] = []
        for i in range(5):
            log.append(Outgoing("t", 0, b"k", str(i).encode()), told.append)
        with pytest.raises(Unavailable, match="behind"):
            log.append(Outgoing("t", 0, b"k", b"one too many"))
        with pytest.raises(Unavailable):
            log.flush(0.1)
        broker.start()
        log.flush(60)
        assert told == [None] * 5
        assert [each.value for each in everything(log, "t")] == [b"before", b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.kafka
def test_after_a_failure_the_producer_is_built_anew(new_kafka: NewKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records Kafka did not take in time fail, each told once, and the next append goes through a new producer."""
    monkeypatch.setattr("vorab.log.kafka_send.DELIVERY_MS", 1_500)
    monkeypatch.setattr("vorab.log.kafka_send.REQUEST_MS", 1_000)
    broker = new_kafka()
    with open_log(broker.log_address) as log:
        assert isinstance(log, KafkaLog)
        log.create({"t": 1})
        append_all(log, [Outgoing("t", 0, b"k", b"before")])
        first = log._appender._producer
        broker.kill()
        with pytest.raises(Unavailable):
            append_all(log, [Outgoing("t", 0, b"k", b"lost"), Outgoing("t", 0, b"k", b"lost too")])
        broker.start()
        append_all(log, [Outgoing("t", 0, b"k", b"after")])
        assert log._appender._producer is not first
        values = [each.value for each in everything(log, "t")]
        assert (values[0], values[-1]) == (b"before", b"after")


@pytest.mark.kafka
def test_what_waits_behind_a_failure_fails_too(new_kafka: NewKafka) -> None:
    """Kafka stands still: one request is out and more wait behind it; each is told once, none waits for ever."""
    broker = new_kafka()
    told: list[BaseException | None] = []
    with open_log(broker.log_address, patience_s=8.0) as log:
        log.create({"t": 1})
        append_all(log, [Outgoing("t", 0, b"k", b"before")])
        os.kill(broker.child.pid, signal.SIGSTOP)
        try:
            log.append(Outgoing("t", 0, b"k", b"out"), told.append)
            out = threading.Event()
            out.wait(0.5)  # what follows must not share its request
            for i in range(20):
                log.append(Outgoing("t", 0, b"k", b"%d" % i), told.append)
            wait_until(lambda: len(told) == 21, "everybody being told")
        finally:
            os.kill(broker.child.pid, signal.SIGCONT)
    assert all(isinstance(error, Unavailable) for error in told)


@pytest.mark.kafka
def test_topics_are_kept_as_the_table_says(kafka: Kafka) -> None:
    """Retention and compaction of the table reach the broker."""
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType

    from vorab import topics as names
    from vorab.clock import DAY

    prefix = f"contract-{uuid.uuid4().hex}"
    alias = {f"{prefix}.{topic}": topic for topic in (names.READINGS, names.DEVICES)}
    with KafkaLog(kafka.bootstrap) as log:
        log.create(dict.fromkeys(alias, 1), alias=alias)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in alias]
        found = str(admin.describe_configs(asked))
    finally:
        admin.close()
    assert str(7 * DAY // 1000) in found
    assert "compact" in found
