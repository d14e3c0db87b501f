"""Asks a Kafka cluster about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

TIMEOUT_MS: Final = 5_000
ASKED: Final = ("auto.create.topics.enable", "group.min.session.timeout.ms", "message.max.bytes")


@dataclass(slots=True)
class Cluster:
    """What Kafka said about itself."""

    version: tuple[int, ...] = ()
    brokers: int = 0
    partitions: dict[str, int] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    """Topic to the fewest copies of any of its partitions."""
    settings: dict[str, str] = field(default_factory=dict)


def ask(bootstrap: str, topics: list[str]) -> Cluster | str:
    """What the cluster says, or in words why it cannot be asked."""
    try:
        admin: Any = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            client_id="vorab-doctor",
            bootstrap_timeout_ms=TIMEOUT_MS,
            request_timeout_ms=TIMEOUT_MS,
        )
    except (KafkaError, OSError, ValueError) as error:
        return str(error)
    try:
        return _ask(admin, topics)
    except KafkaError as error:
        return str(error)
    finally:
        admin.close()


def _ask(admin: Any, topics: list[str]) -> Cluster:
    brokers = admin.describe_cluster()["brokers"]
    first = brokers[0]["broker_id"]
    cluster = Cluster(version=tuple(admin.get_broker_version_data(first).broker_version), brokers=len(brokers))
    for topic in admin.describe_topics(topics):
        if topic["error_code"] == 0:
            cluster.partitions[topic["name"]] = len(topic["partitions"])
            cluster.copies[topic["name"]] = min(len(each["replica_nodes"]) for each in topic["partitions"])
    cluster.settings = _settings(admin, str(first))
    return cluster


def _settings(admin: Any, broker: str) -> dict[str, str]:
    """The broker's settings that vorab depends on; none where we may not read them."""
    try:
        found = admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, broker, list(ASKED))], config_filter="all")
    except KafkaError:
        return {}
    return {name: str(row["value"]) for each in found["broker"].values() for name, row in each.items()}
