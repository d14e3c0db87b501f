"""The log in one SQLite file, for running everything in one process; also holds the processors' state beside the records."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, Self

from vorab.clock import Clock, Micros, SystemClock
from vorab.errors import ConfigError
from vorab.log import Confirmed, Entry, Outgoing, Position
from vorab.log.sqlite_file import MAX_PARTITIONS, MAX_TOPICS, lock, open_writer
from vorab.log.sqlite_read import Readers
from vorab.log.sqlite_retention import TICKS_KEPT, Ticks, enforce, trim
from vorab.log.sqlite_tail import Tail
from vorab.log.sqlite_writer import OVERHEAD_BYTES, Heads, Job, Owner, Writer
from vorab.topics import TOPICS, Topic

# How often a reader in another process than the writer looks for new records.
POLL_S: Final = 0.02


class SqliteLog:
    """`EventLog` on a file, plus `transact` and `load_state`: outputs, state and offsets in one transaction.

    Appends and transactions of all threads share group commits; a record is visible to readers once it is committed.
    With `read_only` it looks on while another process writes, and sees new records within about 20 ms.
    """

    def __init__(self, path: str | Path, *, fsync: bool = True, read_only: bool = False, clock: Clock | None = None) -> None:
        """Open, and make the file where it is missing (not read-only).

        Raises:
            ConfigError: another process writes this file, it is no log, or of a newer version.
            Unavailable: the file cannot be opened now.
        """
        self.path = Path(path)
        self.read_only = read_only
        self._file = Readers(self.path)
        self._news = threading.Condition()
        self.commits = 0
        """How often records were committed; see `wait`."""
        self._tail = Tail()
        self._heads = Heads({}, {})
        self._ticks = Ticks()
        self._closed = False
        self._writer: Writer | None = None
        if read_only:
            self._refresh()
            return
        self._lock = lock(self.path)
        try:
            self._db = open_writer(self.path, fsync=fsync)
        except BaseException:
            self._lock.close()
            raise
        self._refresh()
        self._writer = Writer(self._db, self._heads, clock or SystemClock(), self._committed)

    # ------------------------------------------------------------------------------------------- topics

    def create(self, topics: Mapping[str, int], *, recorded_partitions: int | None = None) -> None:
        """Make sure these topics exist with so many partitions; the file remembers how many of them are for recorded time.

        Raises:
            ConfigError: a topic, or the number of recorded partitions, is another one in the file.
        """

        def make(db: sqlite3.Connection) -> None:
            for topic, partitions in topics.items():
                if not 0 < partitions <= MAX_PARTITIONS:
                    raise ConfigError(f"{topic}: {partitions} partitions; a topic has 1 to {MAX_PARTITIONS}", key="topics.partitions")
                db.execute("INSERT OR IGNORE INTO topics (name, partitions) VALUES (?, ?)", (topic, partitions))
                number, found = db.execute("SELECT id, partitions FROM topics WHERE name = ?", (topic,)).fetchone()
                _same(f"partitions of {topic}", found, partitions, self.path, "topics.partitions")
                if number > MAX_TOPICS:
                    raise ConfigError(f"{self.path} holds {MAX_TOPICS} topics already", key="topics")
            if recorded_partitions is not None:
                db.execute("INSERT OR IGNORE INTO meta VALUES ('recorded_partitions', ?)", (recorded_partitions,))
                (found,) = db.execute("SELECT value FROM meta WHERE name = 'recorded_partitions'").fetchone()
                _same("recorded partitions", found, recorded_partitions, self.path, "topics.recorded_partitions")

        self._writing().call(make)
        self._refresh()

    @property
    def recorded_partitions(self) -> int:
        """How many partitions at the end of each topic are for recorded time, as `create` was told first; 0 if never."""
        return self._file.meta("recorded_partitions")

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; raises ConfigError where there is no such topic."""
        return len(self._next(topic))

    def _next(self, topic: str) -> list[int]:
        found = self._heads.next.get(topic)
        if found is None and self.read_only:
            self._refresh()
            found = self._heads.next.get(topic)
        if found is None:
            raise ConfigError(f"{self.path} has no topic {topic}", key="topics", hint="`vorab topics` creates them")
        return found

    def _refresh(self) -> None:
        """Learn the topics of the file and where each partition ends; what is known already stays."""
        for number, name, partitions in self._file.topics():
            if name not in self._heads.next:
                self._heads.topics[name] = number
                self._heads.next[name] = [self._file.end(number, partition) for partition in range(partitions)]

    # ------------------------------------------------------------------------------------------ writing

    def append(self, record: Outgoing, confirmed: Confirmed | None = None) -> None:
        """Hand over one record; see the port."""
        self._check(record)
        weight = OVERHEAD_BYTES + len(record.value or b"")
        self._writing().give(Job((record,), confirmed, {}, {}, None, weight))

    def together(self) -> AbstractContextManager[None]:
        """Nothing: the writer takes what it finds as one transaction anyway."""
        return nullcontext()

    def transact(
        self,
        records: Sequence[Outgoing],
        *,
        state: Mapping[Owner, Mapping[str, bytes]] | None = None,
        offsets: Mapping[tuple[str, str, int], int] | None = None,
        confirmed: Confirmed | None = None,
    ) -> None:
        """Hand over records, blocks of state by (processor, partition) and next offsets by (processor, topic, partition), all or nothing.

        Returns when it is queued; `confirmed` is told once for all of it. An empty block is deleted.

        Raises:
            Unavailable: the log cannot take it now.
        """
        for record in records:
            self._check(record)
        weight = OVERHEAD_BYTES + sum(OVERHEAD_BYTES + len(record.value or b"") for record in records)
        weight += sum(len(value) for blocks in (state or {}).values() for value in blocks.values())
        self._writing().give(Job(tuple(records), confirmed, state or {}, offsets or {}, None, weight))

    def load_state(self, processor: str, partition: int) -> tuple[dict[str, bytes], dict[str, int]]:
        """The blocks of state a processor saved for a partition, and the next offset per topic."""
        return self._file.state(processor, partition)

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until everything handed over so far is committed or has failed; raises Unavailable after the timeout."""
        self._writing().flush(timeout_s)

    def enforce(self, now: Micros, table: Mapping[str, Topic] = TOPICS) -> int:
        """Delete what is older (wall time, µs) than its topic keeps it, and compact; returns how many records went.

        Called rarely (an hour apart); works in small transactions between those of the others.
        """
        gone = 0
        for topic, number in list(self._heads.topics.items()):
            if topic in table:
                for partition in range(self.partitions(topic)):
                    gone += enforce(self._writing().call, table[topic], number, partition, now)
        return gone

    def forget_ticks(self, now: Micros, kept: Micros = TICKS_KEPT) -> int:
        """Delete the ticks older (wall time, µs) than `kept`, but for the last of each partition; returns how many went.

        Offsets then have gaps. Called every few minutes, always by the same thread.
        """
        gone = 0
        for topic, number in list(self._heads.topics.items()):
            for partition in range(self.partitions(topic)):
                gone += self._ticks.forget(self._file.connection(), self._writing().call, (number, partition), now - kept)
        return gone

    def trim(self, topic: str, partition: int, before: int) -> None:
        """Delete the records of a partition before an offset, but for its last."""
        trim(self._writing().call, self._heads.topics[topic], partition, min(before, self.end(topic, partition) - 1))

    def _check(self, record: Outgoing) -> None:
        if not 0 <= record.partition < self.partitions(record.topic):
            raise ConfigError(f"{record.topic} has no partition {record.partition}", key="topics.partitions")

    def _writing(self) -> Writer:
        if self._writer is None:
            raise ConfigError(f"{self.path} is open for reading only", key="log")
        return self._writer

    def _committed(self, entries: Sequence[Entry]) -> None:
        if entries:
            with self._news:
                for entry in entries:
                    self._tail.add(entry)
                self.commits += 1
                self._news.notify_all()

    # ------------------------------------------------------------------------------------------ reading

    def read(self, positions: Mapping[Position, int], *, limit: int = 500, wait_s: float = 0.0) -> Sequence[Entry]:
        """Records at or after the given next offsets; see the port. Partitions that are behind share the limit."""
        behind = self._behind(positions)
        if not behind and wait_s > 0:
            behind = self._wait_behind(positions, wait_s)
        found: list[Entry] = []
        for i, position in enumerate(behind):
            share = max(1, (limit - len(found)) // (len(behind) - i))
            if len(found) < limit:
                found.extend(self._read_one(position, positions[position], share))
        return found

    def wait(self, seen: int, timeout_s: float) -> int:
        """Wait for a commit of records after the `commits` seen before, or the timeout; returns the new count. Writing process only."""
        with self._news:
            self._news.wait_for(lambda: self.commits != seen or self._closed, timeout_s)
            return self.commits

    def _behind(self, positions: Mapping[Position, int]) -> list[Position]:
        if self.read_only:
            return [place for place, offset in positions.items() if self._end(place) > offset]
        return [(topic, partition) for (topic, partition), offset in positions.items() if self._next(topic)[partition] > offset]

    def _wait_behind(self, positions: Mapping[Position, int], wait_s: float) -> list[Position]:
        if self.read_only:
            return self._poll(positions, wait_s)
        behind: list[Position] = []

        def any_behind() -> bool:
            behind[:] = self._behind(positions)
            return bool(behind) or self._closed

        with self._news:
            self._news.wait_for(any_behind, wait_s)
        return behind

    def _poll(self, positions: Mapping[Position, int], wait_s: float) -> list[Position]:
        pause = threading.Event()
        seen = None
        for _ in range(max(1, round(wait_s / POLL_S))):
            version = self._file.version()
            if version != seen and (behind := self._behind(positions)):
                return behind
            seen = version
            pause.wait(POLL_S)
        return self._behind(positions)

    def _read_one(self, position: Position, offset: int, limit: int) -> list[Entry]:
        with self._news:
            remembered = self._tail.read(position, offset, limit)
        return remembered if remembered is not None else self._file.read(position, self._heads.topics[position[0]], offset, limit)

    def ends(self, topic: str) -> Mapping[int, int]:
        """The next offset of each partition."""
        following = self._next(topic)
        if self.read_only:
            return {partition: self._end((topic, partition)) for partition in range(len(following))}
        return dict(enumerate(following))

    def end(self, topic: str, partition: int) -> int:
        """The next offset of one partition, without making a table of all."""
        return self._end((topic, partition)) if self.read_only else self._next(topic)[partition]

    def begins(self, topic: str) -> Mapping[int, int]:
        """The first offset still kept of each partition."""
        return {partition: self._file.begin(self._heads.topics[topic], partition, end) for partition, end in self.ends(topic).items()}

    def _end(self, position: Position) -> int:
        topic, partition = position
        self._next(topic)
        return self._file.end(self._heads.topics[topic], partition)

    # ----------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Commit what waits, wake the readers and let go of the file."""
        with self._news:
            if self._closed:
                return
            self._closed = True
            self._news.notify_all()
        if self._writer is not None:
            self._writer.close()
        self._file.close()
        if not self.read_only:
            self._db.close()
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _same(what: str, found: int, wanted: int, path: Path, key: str) -> None:
    if found != wanted:
        raise ConfigError(f"{what}: {wanted} wanted, {found} in {path}", key=key, hint="set it back, or start with a new log")
