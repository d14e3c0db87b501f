"""What does not change while a worker runs: topics, partitions, its share, and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.decoders.rows import Limits
from ingest.limits import Allowance
from vorab import topics
from vorab.clock import Clock
from vorab.log import EventLog
from vorab.settings import Settings, share_of


@dataclass(frozen=True, slots=True)
class Plan:
    """The fixed facts of one worker."""

    readings: str = topics.READINGS
    partitions: int = topics.DEFAULT_PARTITIONS
    """Of device-keyed topics, the recorded ones included."""
    recorded_partitions: int = 0
    rejected_partitions: int = topics.DEFAULT_PARTITIONS
    share: tuple[int, int] = (0, 1)
    limits: Limits = field(default_factory=Limits)
    allowance: Allowance = field(default_factory=Allowance)
    """Of one device."""
    frame_rows: int = 1000
    speed: float = 1.0
    """Seconds of the clock per second on the wall."""

    def owns(self, partition: int) -> bool:
        """Whether this worker writes the partition."""
        i, n = self.share
        return partition % n == i

    @property
    def owned(self) -> list[int]:
        """The partitions this worker writes."""
        return [p for p in range(self.partitions) if self.owns(p)]

    @property
    def live(self) -> list[int]:
        """Those of them in live time."""
        return [p for p in self.owned if p < self.first_recorded]

    @property
    def first_recorded(self) -> int:
        """Where recorded partitions begin."""
        return self.partitions - self.recorded_partitions

    def partition_of(self, key: str) -> int:
        """The partition of a device."""
        return topics.partition_of(key, self.partitions, self.recorded_partitions)


def plan_of(log: EventLog, settings: Settings, clock: Clock) -> Plan:
    """What the log and the settings say; raises ConfigError where a topic is missing or the share is wrong."""
    return Plan(
        readings=settings.topics.readings,
        partitions=log.partitions(settings.topics.readings),
        recorded_partitions=settings.topics.recorded_partitions,
        rejected_partitions=log.partitions(topics.REJECTED),
        share=share_of(settings.ingest.share),
        limits=Limits(payload_bytes=settings.ingest.max_payload_bytes),
        allowance=Allowance(settings.ingest.device_rate, settings.ingest.device_burst, settings.ingest.quarantine_s),
        frame_rows=settings.ingest.frame_rows,
        speed=clock.speed,
    )


def client_id(settings: Settings) -> str:
    """The MQTT client id of this worker: one session per share."""
    i, n = share_of(settings.ingest.share)
    return settings.mqtt.client_id if n == 1 else f"{settings.mqtt.client_id}-{i}of{n}"
