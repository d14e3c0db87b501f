"""How long the SQLite log keeps records: by age, or the last one per key; ticks a few minutes. The last record of a partition always stays.

That last record is where the partition's next offset is read from when the file is opened. The last tick stays too: what time a
partition has reached must not fall back for somebody who starts to read it.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from vorab.clock import DAY, MINUTE, Micros
from vorab.log.sqlite_file import OFFSETS, place
from vorab.topics import Topic

Call = Callable[[Callable[[sqlite3.Connection], None]], None]
"""Runs something in a transaction of the writer and waits for it."""
Position = tuple[int, int]
"""A topic's number and a partition."""

CHUNK: Final = 1_000
# A deleted key (a record without value) is remembered so long, for readers that are behind.
TOMBSTONES_KEPT: Final[Micros] = DAY
TICKS_KEPT: Final[Micros] = 10 * MINUTE
"""A tick says nothing that a later one does not say; these minutes are many times what a host repeats after a crash."""
SCANNED: Final = 5_000

# Only the oldest records are looked at: the writer must not walk through gigabytes that stay.
_OLD: Final = """
DELETE FROM records WHERE place IN (
    SELECT place FROM (
        SELECT place, appended_at FROM records WHERE place >= :first AND place <= :last ORDER BY place LIMIT :chunk)
    WHERE appended_at < :before AND place < (SELECT max(place) FROM records WHERE place >= :first AND place <= :last))
"""
_SUPERSEDED: Final = """
DELETE FROM records WHERE place IN (
    SELECT place FROM (
        SELECT place, value IS NULL AS deleted, appended_at, row_number() OVER (PARTITION BY key ORDER BY place DESC) AS age
            FROM records WHERE place >= :first AND place <= :last)
    WHERE (age > 1 OR (deleted AND appended_at < :before))
        AND place < (SELECT max(place) FROM records WHERE place >= :first AND place <= :last) LIMIT :chunk)
"""

# When a tick was appended, NULL for everything else: a record of the type of ticks, or a frame that begins with v = 1, n = 0.
# Neither is ever long, and what is long is not read: its bytes lie on pages of their own.
_TICKS: Final = """
SELECT place, CASE WHEN key IS NULL AND length(value) < 512
        AND (instr(headers, :tick) OR substr(value, 1, 7) = x'85A17601A16E00') THEN appended_at END
    FROM records WHERE place >= :first AND place <= :last ORDER BY place LIMIT :scanned
"""
TICK: Final = b"io.vorab.tick.v1"


class Ticks:
    """Deletes ticks; remembers how far it has looked, so that each record is looked at once per run. One thread at a time."""

    def __init__(self) -> None:
        self._next: dict[Position, int] = {}
        self._last: dict[Position, int] = {}

    def forget(self, db: sqlite3.Connection, call: Call, position: Position, before: Micros) -> int:
        """Delete the ticks appended before `before` but for the last one, found with `db` and deleted by `call`; returns how many went."""
        gone = 0
        more = True
        while more:
            first = self._next.get(position, place(*position, 0))
            wanted = {
                "first": first,
                "last": place(*position, OFFSETS),
                "tick": TICK,
                "scanned": SCANNED,
            }
            rows: list[tuple[int, Micros | None]] = db.execute(_TICKS, wanted).fetchall()
            more = len(rows) == SCANNED
            doomed: list[tuple[int]] = []
            reached, last = first, self._last.get(position)
            for at, appended_at in rows:
                if appended_at is not None:
                    if appended_at >= before:
                        more = False
                        break
                    if last is not None:
                        doomed.append((last,))
                    last = at
                reached = at + 1
            if doomed:
                call(functools.partial(_delete, places=doomed))
            self._next[position] = reached
            if last is not None:
                self._last[position] = last
            gone += len(doomed)
        return gone


def _delete(db: sqlite3.Connection, places: Sequence[tuple[int]]) -> None:
    db.executemany("DELETE FROM records WHERE place = ?", places)


def enforce(call: Call, topic: Topic, number: int, partition: int, now: Micros) -> int:
    """Delete what a partition need not keep, in transactions of at most 1000 records; returns how many went."""
    kept = TOMBSTONES_KEPT if topic.kept_days is None else topic.kept_days * DAY
    wanted = {
        "first": place(number, partition, 0),
        "last": place(number, partition, OFFSETS),
        "before": now - kept,
        "chunk": CHUNK,
    }
    gone = 0
    while True:
        chunk: list[int] = []

        def delete(db: sqlite3.Connection, chunk: list[int] = chunk) -> None:
            chunk.append(db.execute(_SUPERSEDED if topic.compacted else _OLD, wanted).rowcount)

        call(delete)
        gone += chunk[0]
        if chunk[0] < CHUNK:
            return gone


def trim(call: Call, number: int, partition: int, before: int) -> None:
    """Delete the records of a partition before an offset."""
    call(lambda db: _trim(db, place(number, partition, 0), place(number, partition, max(before, 0))))


def _trim(db: sqlite3.Connection, first: int, end: int) -> None:
    db.execute("DELETE FROM records WHERE place >= ? AND place < ?", (first, end))
