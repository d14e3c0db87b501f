"""The log port: an append-only, partitioned log of records, with two adapters (`vorab.log.sqlite`, `vorab.log.kafka`).

What both keep: records of a partition are read in the order they were confirmed; a confirmed record survives a kill of any process;
offsets of one partition rise, by one as they are appended, with gaps where retention took something since;
appending is at-least-once, so a record may stand twice after a crash and readers rely on its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, Self

from vorab.clock import Micros
from vorab.cloudevents import Headers
from vorab.errors import ConfigError


class Entry(NamedTuple):
    """One record as it stands in the log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    appended_at: Micros
    """Wall time of the append, µs; for people and measurements, never for decisions."""


class Outgoing(NamedTuple):
    """One record to append."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


Confirmed = Callable[[BaseException | None], None]
"""Told once per appended record: None when the log has it, else why not. May be called on another thread; must be quick."""

Position = tuple[str, int]
"""(topic, partition)."""


class EventLog(Protocol):
    """The port."""

    def create(self, topics: Mapping[str, int]) -> None:
        """Make sure these topics exist with so many partitions (recorded ones included); never changes an existing one.

        Raises:
            ConfigError: a topic exists with another number of partitions.
        """

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; raises Unavailable or ConfigError (no such topic)."""

    def append(self, record: Outgoing, confirmed: Confirmed | None = None) -> None:
        """Hand over one record; blocks while too much is in flight. Order per partition is the order of the calls.

        Raises:
            Unavailable: the log cannot take it now; the record was not appended.
        """

    def together(self) -> AbstractContextManager[None]:
        """Records appended in here, by one thread and without a pause, may leave together; each is confirmed on its own as ever."""

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until everything appended so far is confirmed or has failed; raises Unavailable after the timeout."""

    def read(self, positions: Mapping[Position, int], *, limit: int = 500, wait_s: float = 0.0) -> Sequence[Entry]:
        """Up to `limit` records at or after the given next offsets, each partition in order; waits at most `wait_s` for the first."""

    def ends(self, topic: str) -> Mapping[int, int]:
        """The next offset of each partition."""

    def begins(self, topic: str) -> Mapping[int, int]:
        """The first offset still kept of each partition."""

    def close(self) -> None:
        """Flush and let go."""

    def __enter__(self) -> Self:
        """The log itself."""

    def __exit__(self, *exc: object) -> None:
        """Close."""


def append_all(log: EventLog, records: Iterable[Outgoing], timeout_s: float = 30.0) -> None:
    """Append and wait for every confirmation; raises the first failure."""
    failures: list[BaseException] = []

    def confirmed(error: BaseException | None) -> None:
        if error is not None:
            failures.append(error)

    for record in records:
        log.append(record, confirmed)
    log.flush(timeout_s)
    if failures:
        raise failures[0]


def open_log(address: str, *, read_only: bool = False, replication: int = 1, patience_s: float | None = None) -> EventLog:
    """The log behind an address: `sqlite:///path/to/vorab.db` or `kafka://host:9092[,host:9092]`.

    `replication` is how many copies Kafka keeps of the topics that this log creates, `patience_s` how long it may take to confirm a record
    before the record fails.

    Raises:
        ConfigError: neither.
    """
    if address.startswith("sqlite:///"):
        from vorab.log.sqlite import SqliteLog  # noqa: PLC0415 - only the adapter in use is loaded

        return SqliteLog(address.removeprefix("sqlite:///"), read_only=read_only)
    if address.startswith("kafka://"):
        from vorab.log.kafka import KafkaLog  # noqa: PLC0415 - only the adapter in use is loaded

        return KafkaLog(address.removeprefix("kafka://"), replication=replication, patience_s=patience_s)
    msg = f"log address {address!r} is neither sqlite:///PATH nor kafka://HOST:PORT"
    raise ConfigError(msg, key="log", hint="for example sqlite:///var/lib/vorab/vorab.db or kafka://127.0.0.1:9092")
