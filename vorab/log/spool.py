"""A log that goes on taking records while the real one is away: on a disk of its own, and handed on in order when it is back.

Per partition records keep their order, whatever happens: once one of them went to the disk, all later ones follow it there until the last
is handed on; and a record that failed is given again by its owner before anything newer of its partition is taken. Handing on may repeat
a record after a crash, as any append may; readers rely on ids and sequence numbers.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from vorab import metrics
from vorab.clock import Clock
from vorab.errors import Unavailable, VorabError
from vorab.log import Confirmed, Entry, EventLog, Outgoing, Position
from vorab.log.sqlite import SqliteLog
from vorab.service import logger

FILE: Final = "spool.db"
_TOPIC: Final = "spool"
_WHERE: Final = "vorab-spool"
"""Header that says where a record belongs."""
_OVERHEAD: Final = 64
_BATCH: Final = 200
WAIT_S: Final = 0.5
"""Between attempts."""
_PATIENCE_S: Final = 60.0
_TRIM_EVERY: Final = 2_000

LOG = logger("spool")


@dataclass(slots=True)
class _Lane:
    """One partition of the real log."""

    flying: int = 0
    """Records on their way to the real log."""
    spooled: int = 0
    """Records on the disk."""
    owed: dict[int, Outgoing] = field(default_factory=dict)
    """Records that failed, by identity: their owner gives the first of them again before anything else is taken."""


class SpooledLog:
    """`EventLog` over another one; what is appended is confirmed when that one has it, or the disk."""

    def __init__(self, log: EventLog, folder: Path, most_bytes: int, *, fsync: bool = True, clock: Clock | None = None) -> None:
        """`most_bytes` on the disk; beyond, records are refused, as without a spool. What an earlier run left is handed on first.

        Raises:
            ConfigError: another process uses the folder.
            Unavailable: the folder cannot be used now.
        """
        self._log, self._most = log, most_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._disk = SqliteLog(folder / FILE, fsync=fsync, clock=clock)
        self._disk.create({_TOPIC: 1})
        self._lock = threading.Lock()
        self._lanes: dict[Position, _Lane] = {}
        self._away = False
        """Whether the real log failed last."""
        self.bytes = 0
        """On the disk and not handed on."""
        self._next = self._recall()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._hand_on, name="spool", daemon=True)
        self._thread.start()

    # ----------------------------------------------------------------------------------------------- appending

    def append(self, record: Outgoing, confirmed: Confirmed | None = None) -> None:
        """Hand over one record, to the real log or to the disk; see the port."""
        position = record.topic, record.partition
        with self._lock:
            lane = self._lanes.setdefault(position, _Lane())
            if lane.owed and id(record) not in lane.owed:
                self._owe(lane, record)
                raise Unavailable("an earlier record of this partition comes first")
            to_disk = bool(lane.spooled or lane.owed or self._away)
            if to_disk and lane.flying:
                self._owe(lane, record)
                raise Unavailable("earlier records of this partition are on their way")
            size = _size(record)
            if to_disk and self.bytes + size > self._most:
                self._owe(lane, record)
                raise Unavailable("the spool is full")
            lane.owed.clear()
            if to_disk:
                lane.spooled += 1
                self.bytes += size
            else:
                lane.flying += 1
        if to_disk:
            self._to_disk(lane, record, size, confirmed)
        else:
            self._to_log(lane, record, confirmed)

    def _to_log(self, lane: _Lane, record: Outgoing, confirmed: Confirmed | None) -> None:
        def told(error: BaseException | None) -> None:
            self._landed(lane, record, error)
            if confirmed is not None:
                confirmed(error)

        try:
            self._log.append(record, told)
        except BaseException as error:
            self._landed(lane, record, error)
            raise

    def _landed(self, lane: _Lane, record: Outgoing, error: BaseException | None) -> None:
        with self._lock:
            lane.flying -= 1
            if error is not None:
                self._owe(lane, record)
                if isinstance(error, Unavailable) and not self._away:
                    self._away = True
                    LOG.warning("the log is away: records go to the disk", why=str(error))

    def _to_disk(self, lane: _Lane, record: Outgoing, size: int, confirmed: Confirmed | None) -> None:
        def told(error: BaseException | None) -> None:
            if error is not None:
                self._not_spooled(lane, record, size)
            self._measure()
            if confirmed is not None:
                confirmed(error)

        where = f"{record.topic}/{record.partition}".encode()
        try:
            self._disk.append(Outgoing(_TOPIC, 0, record.key, record.value, (*record.headers, (_WHERE, where))), told)
        except BaseException:
            self._not_spooled(lane, record, size)
            raise

    def _not_spooled(self, lane: _Lane, record: Outgoing, size: int) -> None:
        with self._lock:
            lane.spooled -= 1
            self.bytes -= size
            self._owe(lane, record)

    def _owe(self, lane: _Lane, record: Outgoing) -> None:
        lane.owed[id(record)] = record

    # ----------------------------------------------------------------------------------------------- handing on

    def _recall(self) -> int:
        """Count what an earlier run left; the offset at which it begins."""
        _, offsets = self._disk.load_state(_TOPIC, 0)
        first = at = max(offsets.get(_TOPIC, 0), self._disk.begins(_TOPIC)[0])
        while entries := self._disk.read({(_TOPIC, 0): at}, limit=_BATCH):
            for entry in entries:
                record = _restored(entry)
                self._lanes.setdefault((record.topic, record.partition), _Lane()).spooled += 1
                self.bytes += _size(record)
            at = entries[-1].offset + 1
        if at > first:
            self._away = True
            LOG.info("records of an earlier run wait on the disk", records=at - first)
        self._measure()
        return first

    def _hand_on(self) -> None:
        trimmed, careful = self._next, True
        while not self._stop.is_set():
            entries = self._disk.read({(_TOPIC, 0): self._next}, limit=1 if careful else _BATCH, wait_s=WAIT_S)
            if not entries:
                careful = self._away
                continue
            done = self._send(entries)
            if done < len(entries):
                careful = True  # one at a time until the log takes it: nothing may overtake a record that fails
                self._stop.wait(WAIT_S)
            else:
                careful = False
            if self._next - trimmed >= _TRIM_EVERY or (done and self._next == self._disk.end(_TOPIC, 0)):
                self._disk.trim(_TOPIC, 0, self._next)
                trimmed = self._next

    def _send(self, entries: Sequence[Entry]) -> int:
        """Append these to the real log; how many of them, from the first, it has. Waits until all have landed or failed."""
        landed: list[BaseException | bool | None] = [False] * len(entries)
        left = threading.Semaphore(0)

        def told(error: BaseException | None, i: int) -> None:
            landed[i] = error
            left.release()

        given = 0
        for i, entry in enumerate(entries):
            try:
                self._log.append(_restored(entry), lambda error, i=i: told(error, i))  # type: ignore[misc] # a default argument binds it
            except VorabError as error:
                landed[i] = error
                break
            given += 1
        for _ in range(given):
            left.acquire()
        done = next((i for i, error in enumerate(landed) if error is not None), len(entries))
        if done:
            self._forget(entries[:done])
        return done

    def _forget(self, entries: Sequence[Entry]) -> None:
        following = entries[-1].offset + 1
        self._disk.transact([], offsets={(_TOPIC, _TOPIC, 0): following})
        with self._lock:
            self._next = following
            for entry in entries:
                record = _restored(entry)
                self._lanes[record.topic, record.partition].spooled -= 1
                self.bytes -= _size(record)
            if self._away:
                self._away = False
                LOG.info("the log takes records again")
        self._measure()

    def _measure(self) -> None:
        metrics.metric("vorab_ingest_spool_bytes").set(self.bytes)

    # ----------------------------------------------------------------------------------------------- the rest of the port

    def create(self, topics: Mapping[str, int]) -> None:
        """As the real log."""
        self._log.create(topics)

    def partitions(self, topic: str) -> int:
        """As the real log."""
        return self._log.partitions(topic)

    def together(self) -> AbstractContextManager[None]:
        """As the real log."""
        return self._log.together()

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until everything appended so far is in the real log or on the disk."""
        self._disk.flush(timeout_s)
        self._log.flush(timeout_s)

    def read(self, positions: Mapping[Position, int], *, limit: int = 500, wait_s: float = 0.0) -> Sequence[Entry]:
        """As the real log: what is on the disk only, nobody reads yet."""
        return self._log.read(positions, limit=limit, wait_s=wait_s)

    def ends(self, topic: str) -> Mapping[int, int]:
        """As the real log."""
        return self._log.ends(topic)

    def begins(self, topic: str) -> Mapping[int, int]:
        """As the real log."""
        return self._log.begins(topic)

    def close(self) -> None:
        """Stop handing on, and let go of the disk; the real log stays its owner's."""
        self._stop.set()
        self._thread.join(_PATIENCE_S)
        self._disk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _size(record: Outgoing) -> int:
    return _OVERHEAD + len(record.key or b"") + len(record.value or b"")


def _restored(entry: Entry) -> Outgoing:
    where = next(value for name, value in entry.headers if name == _WHERE)
    topic, _, partition = where.decode().rpartition("/")
    return Outgoing(topic, int(partition), entry.key, entry.value, tuple(header for header in entry.headers if header[0] != _WHERE))
