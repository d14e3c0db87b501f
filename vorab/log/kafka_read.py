"""Reading from Kafka at offsets the reader keeps itself: no consumer group, one consumer per reading thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from vorab.errors import Unavailable
from vorab.log import Entry, Position
from vorab.log.kafka_client import Selector
from vorab.log.kafka_quiet import bootstrapping

BOOTSTRAP_MS: Final = 3_000
REQUEST_MS: Final = 15_000
ASK_MS: Final = 5_000
# Waiting is cut into slices, so that closing the log never waits long for a reader.
SLICE_S: Final = 0.25
FETCH_BYTES: Final = 8 << 20


class Reader:
    """One thread's consumer."""

    def __init__(self, bootstrap: list[str], client_id: str) -> None:
        """Raises Unavailable where no broker answers."""
        self._turn = threading.Lock()
        self._at: dict[Position, int] = {}
        self._closed = False
        self._consumer = _consumer(bootstrap, client_id)
        # A broker answers one connection in order, so a question would wait behind a fetch that waits for records (half a second).
        self._asking = _consumer(bootstrap, client_id)

    def read(self, positions: Mapping[Position, int], limit: int, wait_s: float) -> Sequence[Entry]:
        """See the port."""
        slices = max(1, -int(-wait_s // SLICE_S))
        for _ in range(slices):
            with self._turn:
                if self._closed:
                    return ()
                found = self._poll(positions, limit, wait_s / slices)
            if found:
                return found
        return ()

    def _poll(self, positions: Mapping[Position, int], limit: int, wait_s: float) -> list[Entry]:
        if positions.keys() != self._at.keys():
            self._consumer.assign([TopicPartition(*position) for position in positions])
            self._at = {position: offset for position, offset in self._at.items() if position in positions}
        for position, offset in positions.items():
            if self._at.get(position) != offset:
                self._consumer.seek(TopicPartition(*position), offset)
                self._at[position] = offset
        if not positions:
            return []
        try:
            polled = self._consumer.poll(timeout_ms=round(wait_s * 1000), max_records=limit)
        except KafkaError as error:
            raise Unavailable(f"kafka: {type(error).__name__}: {error}") from error
        found = []
        for (topic, partition), records in polled.items():
            found += [
                Entry(topic, partition, each.offset, each.key, each.value, tuple(each.headers), each.timestamp * 1000) for each in records
            ]
            self._at[topic, partition] = records[-1].offset + 1
        return found

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; 0 where there is no such topic."""
        with self._turn:
            try:
                return len(self._consumer.partitions_for_topic(topic))
            except KafkaError as error:
                raise Unavailable(f"kafka: {type(error).__name__}: {error}") from error

    def bounds(self, topic: str, partitions: int, *, begin: bool) -> dict[int, int]:
        """The first or next offset of each partition."""
        asked = [TopicPartition(topic, partition) for partition in range(partitions)]
        with self._turn:
            ask = self._asking.beginning_offsets if begin else self._asking.end_offsets
            try:
                return {found.partition: offset for found, offset in ask(asked, timeout_ms=ASK_MS).items()}
            except KafkaError as error:
                raise Unavailable(f"kafka: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End, after the slice that is waited for."""
        with self._turn:
            if not self._closed:
                self._closed = True
                self._consumer.close(autocommit=False)
                self._asking.close(autocommit=False)


def _consumer(bootstrap: list[str], client_id: str) -> Any:
    try:
        with bootstrapping():
            return KafkaConsumer(
                bootstrap_servers=bootstrap,
                client_id=client_id,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                request_timeout_ms=REQUEST_MS,
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                reconnect_backoff_max_ms=1_000,
                fetch_max_bytes=FETCH_BYTES,
                allow_auto_create_topics=False,
                metrics_enabled=False,
                selector=Selector,
            )
    except (KafkaError, OSError) as error:
        raise Unavailable(f"kafka: no broker at {', '.join(bootstrap)}: {error}") from error
