"""The file behind the SQLite log: its layout, its connections, and the lock that lets one process write.

A record's row id holds its place: topic (11 bits), partition (12 bits), offset (40 bits), so that reading on in a partition is one
range scan. Only the one writing connection ever writes or checkpoints; everybody else opens the file read-only.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, Final

import msgspec

from vorab.cloudevents import Headers
from vorab.errors import ConfigError, Unavailable

FORMAT: Final = 1
PARTITION_SHIFT: Final = 40
TOPIC_SHIFT: Final = 52
MAX_TOPICS: Final = 2_000
MAX_PARTITIONS: Final = 4_096
OFFSETS: Final = (1 << PARTITION_SHIFT) - 1
# Pages in the WAL before a commit folds them into the file; the writer folds earlier when it has nothing else to do.
AUTOCHECKPOINT_PAGES: Final = 4_000
BUSY_MS: Final = 5_000

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (place INTEGER PRIMARY KEY, key BLOB, value BLOB, headers BLOB, appended_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS state (processor TEXT, partition INTEGER, block TEXT, value BLOB NOT NULL,
    PRIMARY KEY (processor, partition, block));
CREATE TABLE IF NOT EXISTS offsets (processor TEXT, partition INTEGER, topic TEXT, next INTEGER NOT NULL,
    PRIMARY KEY (processor, partition, topic)) WITHOUT ROWID;
"""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...]).decode


def place(topic: int, partition: int, offset: int) -> int:
    """The row id of a record."""
    return topic << TOPIC_SHIFT | partition << PARTITION_SHIFT | offset


def pack_headers(headers: Headers) -> bytes | None:
    """Headers as bytes; None where there are none."""
    return _encode(headers) if headers else None


def unpack_headers(packed: bytes | None) -> Headers:
    """The headers back."""
    return _decode(packed) if packed else ()


def open_writer(path: Path, *, fsync: bool) -> sqlite3.Connection:
    """The writing connection, the file made where it is missing.

    Raises:
        ConfigError: the file is of a newer vorab, or no database.
        Unavailable: it cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if fsync else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT_PAGES}")
        connection.executescript(SCHEMA)
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (FORMAT,))
    except sqlite3.DatabaseError as error:
        raise _said(path, error) from error
    check_format(connection, path)
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection, usable from any thread (one at a time).

    Raises:
        ConfigError: no such file, or no log of a version this vorab reads.
    """
    if not path.exists():
        raise ConfigError(f"there is no log at {path}", key="log", hint="start vorab once, or name the file of a running one")
    try:
        # mode=ro: a reader that closes last must never fold the WAL into the file; that is the writer's alone.
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        check_format(connection, path)
    except sqlite3.DatabaseError as error:
        raise _said(path, error) from error
    return connection


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file of a newer layout; raises ConfigError."""
    (found,) = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    if found > FORMAT:
        raise ConfigError(f"{path} was written by a newer vorab (format {found}, this one reads {FORMAT})", key="log")


def _said(path: Path, error: sqlite3.DatabaseError) -> ConfigError | Unavailable:
    if isinstance(error, sqlite3.OperationalError):
        return Unavailable(f"{path}: {error}")
    return ConfigError(f"{path} is not a log of vorab: {error}", key="log")


def lock(path: Path) -> IO[str]:
    """Take the write lock of a log; it goes with the returned file, also when the process is killed.

    Raises:
        ConfigError: another process holds it.
    """
    beside = path.with_name(path.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    held = beside.open("a+", encoding="utf-8")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.seek(0)
        owner = held.read().strip()
        held.close()
        raise ConfigError(
            f"another process writes {path}" + (f" (pid {owner})" if owner else ""),
            key="log",
            hint="one process writes a SQLite log; stop the other one, or use kafka://HOST:PORT to run several",
        ) from error
    held.truncate(0)
    held.write(f"{os.getpid()}\n")
    held.flush()
    return held
