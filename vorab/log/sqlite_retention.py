"""How long the SQLite log keeps records: by age, or the last one per key. The last record of a partition always stays.

That last record is where the partition's next offset is read from when the file is opened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from vorab.clock import DAY, Micros
from vorab.log.sqlite_file import OFFSETS, place
from vorab.topics import Topic

CHUNK: Final = 1_000
# A deleted key (a record without value) is remembered so long, for readers that are behind.
TOMBSTONES_KEPT: Final[Micros] = DAY

_OLD: Final = """
DELETE FROM records WHERE place IN (
    SELECT place FROM records WHERE place >= :first AND place <= :last
        AND place < (SELECT max(place) FROM records WHERE place >= :first AND place <= :last)
        AND appended_at < :before ORDER BY place LIMIT :chunk)
"""
_SUPERSEDED: Final = """
DELETE FROM records WHERE place IN (
    SELECT place FROM (
        SELECT place, value, appended_at, row_number() OVER (PARTITION BY key ORDER BY place DESC) AS age
            FROM records WHERE place >= :first AND place <= :last)
    WHERE (age > 1 OR (value IS NULL AND appended_at < :before))
        AND place < (SELECT max(place) FROM records WHERE place >= :first AND place <= :last) LIMIT :chunk)
"""


def enforce(call: Callable[[Callable[[sqlite3.Connection], None]], None], topic: Topic, number: int, partition: int, now: Micros) -> int:
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
