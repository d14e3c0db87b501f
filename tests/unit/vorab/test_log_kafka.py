"""The Kafka log without a broker: settings of topics, addresses, and what a broker that is away looks like."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from vorab import topics
from vorab.clock import DAY
from vorab.errors import ConfigError, Rejected, Unavailable
from vorab.log import open_log
from vorab.log.kafka import KafkaLog, topic_settings
from vorab.log.kafka_send import failure

AWAY = """
import socket
from vorab.errors import Unavailable
from vorab.log import Outgoing, kafka, kafka_read, kafka_send
kafka_send.BOOTSTRAP_MS = kafka_read.BOOTSTRAP_MS = kafka.ADMIN_MS = 200
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    log = kafka.KafkaLog(f"127.0.0.1:{free.getsockname()[1]}")
log._counts["t"] = 1
for name, do in {
    "append": lambda: log.append(Outgoing("t", 0, b"k", b"v")),
    "read": lambda: log.read({("t", 0): 0}),
    "create": lambda: log.create({"t": 1}),
    "existing": lambda: log.existing(["t"]),
    "ends": lambda: log.ends("t"),
}.items():
    try:
        do()
    except Unavailable:
        print(name)
log.flush(0.1)
log.close()
"""


def test_topics_are_kept_as_the_table_says() -> None:
    """Days become milliseconds, a compacted topic is compacted, an unknown one is left to the broker."""
    assert topic_settings(topics.TOPICS[topics.READINGS]) == {"cleanup.policy": "delete", "retention.ms": str(7 * DAY // 1000)}
    assert topic_settings(topics.TOPICS[topics.DEVICES]) == {"cleanup.policy": "compact"}
    assert topic_settings(None) == {}


def test_an_address_is_hosts_with_commas() -> None:
    """Several brokers are one address; none is a mistake in the settings. Opening connects nowhere."""
    with open_log("kafka://one:9092, two:9092") as log:
        assert isinstance(log, KafkaLog)
        assert log._bootstrap == ["one:9092", "two:9092"]
    with pytest.raises(ConfigError, match="without a host"):
        KafkaLog(" , ")


def test_a_broker_that_is_away_is_unavailable() -> None:
    """Every operation says Unavailable, and the record was not taken.

    In a process of its own, because kafka-python leaves the sockets of a client that found no broker to the garbage collector.
    """
    done = subprocess.run([sys.executable, "-c", AWAY], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["append", "read", "create", "existing", "ends"], done.stderr


def test_failures_are_sorted_by_who_can_act() -> None:
    """Too large is refused for good, everything else of Kafka's is a matter of time, a defect stays a defect."""
    assert isinstance(failure(MessageSizeTooLargeError()), Rejected)
    assert isinstance(failure(KafkaTimeoutError()), Unavailable)
    assert isinstance(failure(OSError()), Unavailable)
    assert isinstance(failure(ZeroDivisionError()), ZeroDivisionError)
