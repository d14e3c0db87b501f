"""Appending to Kafka: an idempotent producer, a confirmation per record, a bound on what is in flight, and a new producer after a failure.

A record fails only when Kafka refuses it or did not take it for minutes. Then everything in flight behind it fails too and the
producer is built anew, so that no later record overtakes a failed one; who appended it appends again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from vorab.errors import ConfigError, Reason, Rejected, Unavailable
from vorab.log import Confirmed, Outgoing
from vorab.log.kafka_client import Clients, Selector
from vorab.log.kafka_quiet import bootstrapping
from vorab.service import logger

MAX_RECORDS: Final = 5_000
MAX_BYTES: Final = 32 << 20
BLOCK_S: Final = 10.0
MAX_BLOCK_MS: Final = 2_000
BOOTSTRAP_MS: Final = 3_000
DELIVERY_MS: Final = 120_000
REQUEST_MS: Final = 15_000
MAX_REQUEST_BYTES: Final = 1 << 20
BATCH_BYTES: Final = 64 << 10
CLOSE_S: Final = 30.0
FORCED_CLOSE_S: Final = 5.0

log = logger("kafka")


def failure(error: BaseException) -> BaseException:
    """What vorab calls a failure of Kafka's."""
    if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
        return Rejected(Reason.TOO_LARGE, str(error))
    if isinstance(error, KafkaError | OSError):
        return Unavailable(f"kafka: {type(error).__name__}: {error}")
    return error


class Appender:
    """The sending half of `KafkaLog`."""

    def __init__(self, bootstrap: list[str], client_id: str, patience_s: float | None = None) -> None:
        """Connects at the first append, so that a broker that is away shows as Unavailable there; a record fails after `patience_s`."""
        self._bootstrap, self._client_id = bootstrap, client_id
        self._delivery_ms = DELIVERY_MS if patience_s is None else round(patience_s * 1000)
        self._request_ms = REQUEST_MS if patience_s is None else self._delivery_ms // 2
        self._producer: Any = None
        self._clients = Clients()
        self._known: set[str] = set()
        """Topics the producer has heard of; for another it waits, and must not be held back meanwhile."""
        self._building = threading.Lock()
        self._space = threading.Condition()
        self._records = 0
        self._bytes = 0
        self._given = 0
        self._done = 0
        self._closed = False

    def append(self, record: Outgoing, confirmed: Confirmed | None) -> None:
        """Hand over one record; see the port."""
        size = len(record.value or b"") + len(record.key or b"")
        with self._space:
            if record.topic not in self._known or not self._room(size):
                self._let_go()
            if not self._space.wait_for(lambda: self._room(size) or self._closed, BLOCK_S):
                raise Unavailable(f"kafka is behind: {self._records} records wait")
            if self._closed:
                raise Unavailable("the log is closed")
            self._records += 1
            self._bytes += size
            self._given += 1
        producer = None
        try:
            producer = self._current()
            future = producer.send(record.topic, record.value, record.key, list(record.headers), record.partition)
        except BaseException as error:
            self._settle(size)
            if isinstance(error, AssertionError | KafkaError) and producer is not None and producer._closed:  # noqa: SLF001 - it has no other way to tell
                self._discard(producer)
            if isinstance(error, ValueError):  # "Unrecognized partition …"
                raise ConfigError(f"{record.topic}: {error}", key="topics.partitions") from error
            raise failure(error) from error
        self._known.add(record.topic)
        future.add_both(self._told(producer, size, confirmed))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Records appended in here leave in as few requests as they fit in."""
        client = self._clients.last
        if client is None:
            yield
            return
        with client.together():
            yield

    def _let_go(self) -> None:
        if self._clients.last is not None:
            self._clients.last.let_go()

    def flush(self, timeout_s: float) -> None:
        """Wait until everything handed over so far is confirmed or has failed; raises Unavailable after the timeout."""
        with self._space:
            until = self._given
            if not self._space.wait_for(lambda: self._done >= until, timeout_s):
                raise Unavailable(f"{until - self._done} records are not confirmed after {timeout_s:g} s")

    def close(self) -> None:
        """Send what waits and end."""
        with self._space:
            self._closed = True
            self._space.notify_all()
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.close(CLOSE_S)
            except KafkaError as error:
                log.warning("records were not confirmed at the end", waiting=self._records, why=str(error))
                _close_at_once(producer)

    def _room(self, size: int) -> bool:
        return not self._records or (self._records < MAX_RECORDS and self._bytes + size <= MAX_BYTES)

    def _current(self) -> Any:
        producer = self._producer
        if producer is not None:
            return producer
        with self._building:
            if self._producer is None:
                self._known.clear()
                with bootstrapping():
                    self._producer = KafkaProducer(
                        bootstrap_servers=self._bootstrap,
                        client_id=self._client_id,
                        enable_idempotence=True,
                        acks="all",
                        linger_ms=0,
                        compression_type=None,
                        batch_size=BATCH_BYTES,
                        max_block_ms=MAX_BLOCK_MS,
                        max_request_size=MAX_REQUEST_BYTES,
                        request_timeout_ms=self._request_ms,
                        delivery_timeout_ms=self._delivery_ms,
                        bootstrap_timeout_ms=BOOTSTRAP_MS,
                        reconnect_backoff_max_ms=1_000,
                        allow_auto_create_topics=False,
                        metrics_enabled=False,
                        kafka_client=self._clients,
                        selector=Selector,
                    )
            return self._producer

    def _told(self, producer: Any, size: int, confirmed: Confirmed | None) -> Callable[[Any], None]:
        def told(outcome: Any) -> None:  # on the sender's thread
            error = failure(outcome) if isinstance(outcome, BaseException) else None
            if isinstance(error, Unavailable):
                self._discard(producer)
            if confirmed is not None:
                confirmed(error)
            self._settle(size)

        return told

    def _settle(self, size: int) -> None:
        with self._space:
            self._records -= 1
            self._bytes -= size
            self._done += 1
            self._space.notify_all()

    def _discard(self, producer: Any) -> None:
        """Let go of a producer that failed; the rest of what it holds fails too, and the next append builds another."""
        with self._building:
            if self._producer is not producer:
                return
            self._producer = None
        log.warning("kafka producer is built anew")
        # Not on the producer's own thread, where this may run: closing waits for that thread.
        threading.Thread(target=_close_at_once, args=(producer,), name="kafka-discard", daemon=True).start()


def _close_at_once(producer: Any) -> None:
    """Fail everything it holds. Its own `close` first waits for what cannot be sent, and gives up before it has told anybody."""
    producer._sender.force_close()  # noqa: SLF001 - nothing public fails what waits
    try:
        producer.close(FORCED_CLOSE_S)
    except KafkaError as error:
        log.info("closing a failed producer", why=str(error))
