"""The Faust application of one processor: settings whose defaults do not fit, and a consumer that does not wait for quiet partitions."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar, Final

import faust
from faust.transport.drivers import aiokafka as driver

SESSION_S: Final = 10.0
HEARTBEAT_S: Final = 3.0
COMMIT_S: Final = 1.0
REQUEST_S: Final = 20.0
# aiokafka asks for partitions it has no data of while it waits for others; new data of a partition it just emptied
# is asked for only after that answer, which Faust lets the broker hold for 1.5 s.
FETCH_WAIT_MS: Final = 25
FETCH_BYTES: Final = 1 << 20
BUFFER: Final = 512
RECOVERY_BUFFER: Final = 20
SEGMENT_BYTES: Final = 32 << 20
CHANGELOG: Final = {
    "segment.bytes": str(SEGMENT_BYTES),
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.2",
    "delete.retention.ms": "600000",
}

# Faust's services log under the module of their class.
logging.getLogger(__name__).setLevel(logging.WARNING)


class Thread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with a shorter wait."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - Faust has no setting for it
        return consumer


class Consumer(driver.Consumer):
    """Faust's consumer with our thread."""

    def _new_consumer_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)


class Transport(driver.Transport):
    """Faust's transport with our consumer."""

    Consumer: ClassVar[type[Consumer]] = Consumer


class App(faust.App):
    """Faust's application with our transport."""

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)


def new_app(name: str, address: str, partitions: int, state_dir: Path, replication: int) -> Any:
    """An application of this name (also the consumer group's) whose tables have so many partitions."""
    state_dir.mkdir(parents=True, exist_ok=True)
    return App(
        name,
        broker=[f"kafka://{host.strip()}" for host in address.split(",")],
        store="memory://",
        datadir=state_dir,
        web_enabled=False,
        autodiscover=False,
        topic_partitions=partitions,
        topic_replication_factor=replication,
        topic_disable_leader=True,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_request_timeout=REQUEST_S,
        broker_rebalance_timeout=30.0,
        broker_commit_interval=COMMIT_S,
        broker_max_poll_records=200,
        stream_buffer_maxsize=BUFFER,
        # What the merge holds back stays unacknowledged on purpose; state and acks are saved on revocation by the host itself.
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        stream_publish_on_commit=False,
        producer_request_timeout=30.0,
        worker_redirect_stdouts=False,
    )


def new_table(app: Any, partitions: int) -> Any:
    """The table whose changelog holds the state."""
    return app.Table(
        "state",
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        recovery_buffer_size=RECOVERY_BUFFER,
        extra_topic_configs=CHANGELOG,
    )
