"""Reads the log of the running system, without writing to it, into the night's fold."""

from __future__ import annotations

from vorab import cloudevents, frame, records, topics
from vorab.demo.night import Night
from vorab.errors import Rejected, Unavailable
from vorab.log import Entry, EventLog

WATCHED = (
    topics.READINGS,
    topics.SYMPTOMS,
    topics.CASES,
    topics.ACTIONS,
    topics.REPLIES,
    topics.NOTIFICATIONS,
    topics.DELIVERIES,
    topics.REJECTED,
)


class Follower:
    """Keeps its own positions; `catch_up` reads what is new."""

    def __init__(self, log: EventLog, night: Night) -> None:
        self.log, self.night = log, night
        self.positions = {(topic, partition): 0 for topic in WATCHED for partition in range(log.partitions(topic))}
        self.last_append_at = 0
        """Wall time of the newest record, µs."""

    def catch_up(self) -> int:
        """Fold everything there is; returns how many records were new."""
        total = 0
        while True:
            try:
                entries = self.log.read(self.positions, limit=2000)
            except Unavailable:
                return total
            for entry in entries:
                self.positions[entry.topic, entry.partition] = entry.offset + 1
                self.last_append_at = max(self.last_append_at, entry.appended_at)
                self._fold(entry)
            total += len(entries)
            if not entries:
                return total

    def _fold(self, entry: Entry) -> None:
        try:
            if entry.topic == topics.READINGS:
                self.night.frame(frame.decode(entry.value or b""))
                return
            if cloudevents.attributes(entry.headers).type == records.Tick.TYPE:
                return
            self.night.record(entry, records.from_wire(entry.value, entry.headers))
        except Rejected as error:
            self.night.rejections[f"unreadable {error.reason}"] += 1
