"""The newest records of the SQLite log in memory, so that readers at its end need no SQL."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

from vorab.log import Entry, Position

TAIL_BYTES: Final = 16 << 20
# What an entry costs beside its key and value: the tuple, its headers, the queue.
OVERHEAD_BYTES: Final = 600


class Tail:
    """A bounded memory of the last records; the caller holds the log's lock."""

    def __init__(self, limit_bytes: int = TAIL_BYTES) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._entries: dict[Position, deque[Entry]] = {}
        self._order: deque[deque[Entry]] = deque()

    def add(self, entry: Entry) -> None:
        """Remember a record that was just committed; forgets the oldest where there are too many."""
        position = (entry.topic, entry.partition)
        entries = self._entries.get(position)
        if entries is None:
            entries = self._entries[position] = deque()
        entries.append(entry)
        self._order.append(entries)
        self._bytes += _size(entry)
        while self._bytes > self._limit:
            self._bytes -= _size(self._order.popleft().popleft())

    def read(self, position: Position, offset: int, limit: int) -> list[Entry] | None:
        """Records from this offset on, None where the memory does not reach back so far."""
        entries = self._entries.get(position)
        if not entries or offset < entries[0].offset:
            return None
        start = offset - entries[0].offset
        return list(islice(entries, start, start + limit))


def _size(entry: Entry) -> int:
    return OVERHEAD_BYTES + len(entry.value or b"") + len(entry.key or b"")
