"""The one thread that writes the SQLite log: whatever waits when it is free goes into one transaction (group commit).

Under light load a record is committed at once; under heavy load one disk flush carries all that came during the last one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from vorab.clock import Clock
from vorab.errors import Unavailable, VorabError
from vorab.log import Confirmed, Entry, Outgoing
from vorab.log.sqlite_file import pack_headers, place

MAX_JOBS: Final = 10_000
MAX_BYTES: Final = 64 << 20
GROUP_BYTES: Final = 8 << 20
BLOCK_S: Final = 30.0
IDLE_S: Final = 2.0
OVERHEAD_BYTES: Final = 100

Owner = tuple[str, int]
"""(processor, partition)."""


class Job(NamedTuple):
    """What is committed whole or not at all."""

    records: Sequence[Outgoing]
    confirmed: Confirmed | None
    state: Mapping[Owner, Mapping[str, bytes]]
    offsets: Mapping[tuple[str, str, int], int]
    task: Callable[[sqlite3.Connection], None] | None
    weight: int


@dataclass(slots=True)
class Heads:
    """Where each partition ends: topic name → its number, and the next offset of each partition."""

    topics: dict[str, int]
    next: dict[str, list[int]]


class Writer:
    """Queue, group commit and confirmations."""

    def __init__(self, connection: sqlite3.Connection, heads: Heads, clock: Clock, committed: Callable[[Sequence[Entry]], None]) -> None:
        """`committed` is told of each group's records before their appenders are."""
        self._db, self._heads, self._clock, self._committed = connection, heads, clock, committed
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._space = threading.Condition(lock)
        self._jobs: list[Job] = []
        self._pending = 0
        self._bytes = 0
        self._given = 0
        self._done = 0
        self._closing = False
        self._broken: BaseException | None = None
        self._folded = True
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def give(self, job: Job) -> None:
        """Queue a job; blocks while too much waits.

        Raises:
            Unavailable: still too much waits after a while, or the writer is gone.
        """
        with self._work:
            while self._pending and (self._pending >= MAX_JOBS or self._bytes + job.weight > MAX_BYTES) and not self._gone:
                if not self._space.wait(BLOCK_S):
                    raise Unavailable(f"the log is behind: {self._pending} records wait")
            if self._gone:
                raise Unavailable(f"the log is closed{f': {self._broken}' if self._broken else ''}")
            self._jobs.append(job)
            self._pending += 1
            self._bytes += job.weight
            self._given += 1
            self._work.notify()

    def flush(self, timeout_s: float) -> None:
        """Wait until everything given so far is done; raises Unavailable after the timeout."""
        with self._space:
            until = self._given
            if not self._space.wait_for(lambda: self._done >= until or self._broken is not None, timeout_s):
                raise Unavailable(f"{until - self._done} records are not confirmed after {timeout_s:g} s")
            if self._done < until:
                raise Unavailable(f"the log's writer is gone: {self._broken}")

    def call(self, task: Callable[[sqlite3.Connection], None]) -> None:
        """Run something in a transaction of the writer's and wait for it; raises what it raises."""
        done = threading.Event()
        failed: list[BaseException] = []

        def told(error: BaseException | None) -> None:
            if error is not None:
                failed.append(error)
            done.set()

        self.give(Job((), told, {}, {}, task, OVERHEAD_BYTES))
        while not done.wait(1.0):
            if self._broken is not None:
                raise Unavailable(f"the log's writer is gone: {self._broken}")
        if failed:
            raise failed[0]

    def close(self) -> None:
        """Commit what waits and end."""
        with self._work:
            self._closing = True
            self._work.notify_all()
            self._space.notify_all()
        self._thread.join()

    @property
    def _gone(self) -> bool:
        return self._closing or self._broken is not None

    def _run(self) -> None:
        try:
            while (jobs := self._next()) is None or jobs:
                if jobs is None:
                    self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
                    self._folded = True
                    continue
                self._commit(jobs)
                with self._space:
                    self._pending -= len(jobs)
                    self._bytes -= sum(job.weight for job in jobs)
                    self._done += len(jobs)
                    self._space.notify_all()
        except BaseException as error:
            with self._space:
                self._broken = error
                self._space.notify_all()
            raise

    def _next(self) -> list[Job] | None:
        """What goes into the next transaction; None when there is time to tidy up, nothing when it is time to go."""
        with self._work:
            while not self._jobs and not self._closing:
                if not self._work.wait(None if self._folded else IDLE_S) and not self._jobs:
                    return None
            size = n = 0
            for job in self._jobs:
                if n and (size + job.weight > GROUP_BYTES or job.task or self._jobs[0].task):
                    break
                size += job.weight
                n += 1
            jobs, self._jobs = self._jobs[:n], self._jobs[n:]
            return jobs

    def _commit(self, jobs: Sequence[Job]) -> None:
        self._folded = False
        moved: dict[tuple[str, int], int] = {}
        failure: VorabError | None = None
        entries: list[Entry] = []
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if jobs[0].task:
                jobs[0].task(self._db)
            else:
                entries = self._write(jobs, moved)
            self._db.execute("COMMIT")
        except (sqlite3.Error, VorabError) as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            failure = error if isinstance(error, VorabError) else Unavailable(f"the log could not be written: {error}")
        else:
            for (topic, partition), following in moved.items():
                self._heads.next[topic][partition] = following
            self._committed(entries)
        for job in jobs:
            if job.confirmed:
                job.confirmed(failure)

    def _write(self, jobs: Sequence[Job], moved: dict[tuple[str, int], int]) -> list[Entry]:
        now = self._clock.now()
        numbers, heads = self._heads.topics, self._heads.next
        entries: list[Entry] = []
        rows: list[tuple[int, bytes | None, bytes | None, bytes | None, int]] = []
        for job in jobs:
            for topic, partition, key, value, headers in job.records:
                offset = moved.get((topic, partition))
                if offset is None:
                    offset = heads[topic][partition]
                moved[topic, partition] = offset + 1
                rows.append((place(numbers[topic], partition, offset), key, value, pack_headers(headers), now))
                entries.append(Entry(topic, partition, offset, key, value, headers, now))
        self._db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
        for job in jobs:
            if job.state:
                self._write_state(job.state)
            if job.offsets:
                self._db.executemany(
                    "INSERT OR REPLACE INTO offsets (processor, topic, partition, next) VALUES (?, ?, ?, ?)",
                    [(*owner, following) for owner, following in job.offsets.items()],
                )
        return entries

    def _write_state(self, state: Mapping[Owner, Mapping[str, bytes]]) -> None:
        kept = [(*owner, block, value) for owner, blocks in state.items() for block, value in blocks.items() if value]
        gone = [(*owner, block) for owner, blocks in state.items() for block, value in blocks.items() if not value]
        self._db.executemany("INSERT OR REPLACE INTO state (processor, partition, block, value) VALUES (?, ?, ?, ?)", kept)
        self._db.executemany("DELETE FROM state WHERE processor = ? AND partition = ? AND block = ?", gone)
