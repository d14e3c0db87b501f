"""What is asked of the SQLite log's file: each thread by a read-only connection of its own."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final

from vorab.log import Entry, Position
from vorab.log.sqlite_file import OFFSETS, open_reader, place, unpack_headers

_READ: Final = "SELECT place, key, value, headers, appended_at FROM records WHERE place >= ? AND place <= ? ORDER BY place LIMIT ?"


class Readers:
    """The reading connections of a log."""

    def __init__(self, path: Path) -> None:
        """Connections are opened when a thread asks first; then ConfigError and Unavailable as `open_reader` says."""
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []

    def topics(self) -> list[tuple[int, str, int]]:
        """Number, name and partitions of every topic."""
        return self.connection().execute("SELECT id, name, partitions FROM topics").fetchall()

    def meta(self, name: str) -> int:
        """A number the file remembers; 0 where it was never told."""
        found = self.connection().execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def version(self) -> int:
        """A number that changes when another connection has written."""
        (version,) = self.connection().execute("PRAGMA data_version").fetchone()
        return int(version)

    def read(self, position: Position, number: int, offset: int, limit: int) -> list[Entry]:
        """Records of a partition from an offset on."""
        topic, partition = position
        first, last = place(number, partition, offset), place(number, partition, OFFSETS)
        rows = self.connection().execute(_READ, (first, last, limit)).fetchall()
        return [Entry(topic, partition, at & OFFSETS, key, value, unpack_headers(headers), when) for at, key, value, headers, when in rows]

    def end(self, number: int, partition: int) -> int:
        """The next offset."""
        at = self._bound("max", number, partition)
        return 0 if at is None else at + 1

    def begin(self, number: int, partition: int, end: int) -> int:
        """The first offset still kept; the end where there is none."""
        at = self._bound("min", number, partition)
        return end if at is None else at

    def _bound(self, which: str, number: int, partition: int) -> int | None:
        bounds = place(number, partition, 0), place(number, partition, OFFSETS)
        (at,) = self.connection().execute(f"SELECT {which}(place) FROM records WHERE place BETWEEN ? AND ?", bounds).fetchone()  # noqa: S608 - min or max
        return None if at is None else at & OFFSETS

    def state(self, processor: str, partition: int) -> tuple[dict[str, bytes], dict[str, int]]:
        """Blocks and next offsets of a processor's partition, of one moment."""
        db, owner = self.connection(), (processor, partition)
        db.execute("BEGIN")
        try:
            blocks = db.execute("SELECT block, value FROM state WHERE processor = ? AND partition = ?", owner).fetchall()
            offsets = db.execute("SELECT topic, next FROM offsets WHERE processor = ? AND partition = ?", owner).fetchall()
        finally:
            db.execute("COMMIT")
        return dict(blocks), dict(offsets)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._connections:
                connection.close()

    def connection(self) -> sqlite3.Connection:
        """The read-only connection of the calling thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_reader(self._path)
            with self._lock:
                self._connections.append(connection)
        return connection
