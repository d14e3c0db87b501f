"""The log on Kafka, for running stages as processes of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final, Self

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from vorab.clock import DAY
from vorab.errors import ConfigError, Unavailable
from vorab.log import Confirmed, Entry, Outgoing, Position
from vorab.log.kafka_quiet import bootstrapping
from vorab.log.kafka_read import Reader
from vorab.log.kafka_send import Appender
from vorab.topics import TOPICS, Topic

CLIENT_ID: Final = "vorab"
ADMIN_MS: Final = 10_000


def topic_settings(topic: Topic | None) -> dict[str, str]:
    """Kafka's settings of a topic: how long it is kept. A topic that is in no table gets the broker's."""
    if topic is None:
        return {}
    if topic.kept_days is None:
        return {"cleanup.policy": "compact"}
    return {"cleanup.policy": "delete", "retention.ms": str(topic.kept_days * DAY // 1000)}


class KafkaLog:
    """`EventLog` on Kafka; made without a connection, which every operation needs (else Unavailable)."""

    def __init__(self, address: str, *, replication: int = 1, client_id: str = CLIENT_ID, patience_s: float | None = None) -> None:
        """`address` is host:port, or several with commas; `replication` is for topics this log creates.

        Kafka may take `patience_s` to confirm a record before it fails, two minutes where nothing is said.
        """
        self._bootstrap = [part.strip() for part in address.split(",") if part.strip()]
        if not self._bootstrap:
            raise ConfigError("kafka:// without a host", key="log", hint="for example kafka://127.0.0.1:9092")
        self._replication, self._client_id = replication, client_id
        self._appender = Appender(self._bootstrap, client_id, patience_s)
        self._local = threading.local()
        self._readers: list[Reader] = []
        self._counts: dict[str, int] = {}
        self._closed = False

    def create(self, topics: Mapping[str, int], *, table: Mapping[str, Topic] = TOPICS, alias: Mapping[str, str] | None = None) -> None:
        """Make sure these topics exist with so many partitions; see the port. `alias` gives renamed topics their place in the table."""
        admin = self._admin()
        try:
            there = set(admin.list_topics())
            wanted = {
                topic: {
                    "num_partitions": partitions,
                    "replication_factor": self._replication,
                    "configs": topic_settings(table.get((alias or {}).get(topic, topic))),
                }
                for topic, partitions in topics.items()
                if topic not in there
            }
            if wanted:
                with suppress(TopicAlreadyExistsError):  # created by another process, just now
                    admin.create_topics(wanted, timeout_ms=ADMIN_MS)
            admin.wait_for_topics(list(topics), timeout_ms=ADMIN_MS)
            found = {each["name"]: len(each["partitions"]) for each in admin.describe_topics(list(topics))}
        except (KafkaError, OSError) as error:
            raise Unavailable(f"kafka: topics could not be created: {type(error).__name__}: {error}") from error
        finally:
            admin.close()
        for topic, partitions in topics.items():
            if found[topic] != partitions:
                raise ConfigError(
                    f"partitions of {topic}: {partitions} wanted, {found[topic]} in Kafka",
                    key="topics.partitions",
                    hint="set it back, or use topics with other names",
                )
        self._counts.update(topics)

    def stamp(self, topic: str) -> None:
        """From now on Kafka itself says when it has each record of a topic, to the millisecond; else whoever sends it does.

        Raises Unavailable.
        """
        admin = self._admin()
        try:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"message.timestamp.type": "LogAppendTime"})])
        except (KafkaError, OSError) as error:
            raise Unavailable(f"kafka: {type(error).__name__}: {error}") from error
        finally:
            admin.close()

    def existing(self, topics: Iterable[str]) -> dict[str, int]:
        """Those of the topics that exist, with their numbers of partitions; raises Unavailable."""
        admin = self._admin()
        try:
            asked = sorted(set(admin.list_topics()) & set(topics))
            return {each["name"]: len(each["partitions"]) for each in admin.describe_topics(asked)} if asked else {}
        except (KafkaError, OSError) as error:
            raise Unavailable(f"kafka: {type(error).__name__}: {error}") from error
        finally:
            admin.close()

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; asked once, since they never change."""
        found = self._counts.get(topic) or self._reader().partitions(topic)
        if not found:
            raise ConfigError(f"kafka has no topic {topic}", key="topics", hint="`vorab topics` creates them")
        self._counts[topic] = found
        return found

    def append(self, record: Outgoing, confirmed: Confirmed | None = None) -> None:
        """Hand over one record; see the port. Raises Rejected for one that is larger than Kafka takes."""
        if not 0 <= record.partition < self.partitions(record.topic):
            raise ConfigError(f"{record.topic} has no partition {record.partition}", key="topics.partitions")
        self._appender.append(record, confirmed)

    def together(self) -> AbstractContextManager[None]:
        """Records appended in here by this thread leave in as few requests as they fit in."""
        return self._appender.together()

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until everything appended so far is confirmed or has failed; raises Unavailable after the timeout."""
        self._appender.flush(timeout_s)

    def read(self, positions: Mapping[Position, int], *, limit: int = 500, wait_s: float = 0.0) -> Sequence[Entry]:
        """Records at or after the given next offsets; see the port. With `wait_s` 0, what happens to be fetched already."""
        return self._reader().read(positions, limit, wait_s)

    def ends(self, topic: str) -> Mapping[int, int]:
        """The next offset of each partition."""
        return self._reader().bounds(topic, self.partitions(topic), begin=False)

    def begins(self, topic: str) -> Mapping[int, int]:
        """The first offset still kept of each partition."""
        return self._reader().bounds(topic, self.partitions(topic), begin=True)

    def close(self) -> None:
        """Send what waits and let go."""
        if self._closed:
            return
        self._closed = True
        self._appender.close()
        for reader in self._readers:
            reader.close()

    def _admin(self) -> KafkaAdminClient:
        try:
            with bootstrapping():
                return KafkaAdminClient(
                    bootstrap_servers=self._bootstrap, client_id=self._client_id, bootstrap_timeout_ms=ADMIN_MS, request_timeout_ms=ADMIN_MS
                )
        except (KafkaError, OSError) as error:
            raise Unavailable(f"kafka: no broker at {', '.join(self._bootstrap)}: {error}") from error

    def _reader(self) -> Reader:
        if self._closed:
            raise Unavailable("the log is closed")
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = Reader(self._bootstrap, self._client_id)
            self._readers.append(reader)
        return reader

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
