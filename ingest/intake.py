"""What one read of messages becomes: frames, presence, replies, rejections and words to devices. Decisions only; no socket, no thread, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ingest import columns
from ingest.columns import Columns, Placed, Quick
from ingest.decoders import Limits, Sender, decode
from ingest.framer import Framer
from ingest.packets import Arrivals, Extra
from ingest.presence import PresenceBook
from ingest.refusals import SOURCE, Note, Notes, rejection
from ingest.replies import reply
from ingest.timing import settle
from ingest.topicmap import Route, TopicMap
from vorab import cloudevents, records, topics
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame, Reading, encode
from vorab.log import Outgoing

FRAME_HEADERS: Final = (("content-type", cloudevents.FRAME),)
_REMEMBERED_TOPICS: Final = 200_000
_FRAME_BYTES: Final = 600_000
"""Kafka takes 1 MB per record; columns of many small odd rows are larger than their JSON, so a pass stops well before."""
_ROW_BYTES: Final = 240


@dataclass(slots=True)
class Taken:
    """What became of one pass over some messages."""

    records: list[Outgoing] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Messages by what became of them."""
    reasons: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    frames: int = 0
    recorded: dict[int, Micros] = field(default_factory=dict)
    """Recorded partitions whose time moved, and to when."""
    framed: list[int] = field(default_factory=list)
    """Partitions that got a frame."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What does not change while the process runs."""

    readings: str = topics.READINGS
    partitions: int = topics.DEFAULT_PARTITIONS
    """Of device-keyed topics, the recorded ones included."""
    recorded_partitions: int = 0
    rejected_partitions: int = topics.DEFAULT_PARTITIONS
    share: tuple[int, int] = (0, 1)
    limits: Limits = Limits()
    frame_rows: int = 1000
    speed: float = 1.0
    """Seconds of the clock per second on the wall."""

    def owns(self, partition: int) -> bool:
        """Whether this worker writes the partition."""
        i, n = self.share
        return partition % n == i

    @property
    def live(self) -> list[int]:
        """The partitions in live time that this worker writes."""
        return [p for p in range(self.partitions - self.recorded_partitions) if self.owns(p)]

    @property
    def first_recorded(self) -> int:
        """Where recorded partitions begin."""
        return self.partitions - self.recorded_partitions


class Intake:
    """Turns messages into records; remembers topics, the time of each partition, and who is there."""

    def __init__(self, plan: Plan, topic_map: TopicMap) -> None:
        self.plan, self._map = plan, topic_map
        self.framer = Framer(plan.first_recorded)
        self._presence = PresenceBook()
        self._notes = Notes()
        self._forget()

    def _forget(self) -> None:
        self._map.numbers.clear()
        self._routes: dict[bytes, Route] = {}
        self._plain: dict[bytes, int] = {}
        """Device number by topic, for telemetry that may take the fast way."""
        self._names: list[tuple[str, str]] = []
        self._keys: list[str] = []
        self._places = np.zeros(1024, np.int64)
        """Partition by device number."""

    # ----------------------------------------------------------------------------------------------- a pass

    def take(self, arrivals: Arrivals, received_at: Micros) -> list[Taken]:
        """What these messages become, in passes of at most `frame_rows` messages."""
        if len(self._routes) > _REMEMBERED_TOPICS:
            self._forget()
        step, n = self.plan.frame_rows, len(arrivals)
        return [taken for low in range(0, n, step) for taken in self._pass(arrivals, low, min(low + step, n), received_at)]

    def _pass(self, arrivals: Arrivals, low: int, high: int, received_at: Micros) -> list[Taken]:
        taken = Taken()
        plain, rest = self._sort(arrivals, low, high)
        made, left = columns.quick(plain, received_at, self._names, self.plan.limits.payload_bytes)
        taken.counts["telemetry"] += len(plain.payloads) - len(left)
        rows: list[Placed] = []
        for i in sorted([*rest, *(plain.places[place] for place in left)]):
            self._one(arrivals, i, received_at, taken, rows)
        if len(rows) * _ROW_BYTES > _FRAME_BYTES and high - low > 1:
            # Many rows out of few messages: cut the pass, so that no frame outgrows what the log takes. Nothing of this try is kept.
            middle = (low + high) // 2
            return [*self._pass(arrivals, low, middle, received_at), *self._pass(arrivals, middle, high, received_at)]
        made += columns.slow(rows)
        if made:
            self._frames(made, received_at, taken)
        return [taken]

    def _sort(self, arrivals: Arrivals, low: int, high: int) -> tuple[Quick, list[int]]:
        """The messages that may take the fast way, and the index of each that may not."""
        known = self._plain.get
        names = arrivals.topics if high - low == len(arrivals) else arrivals.topics[low:high]
        numbers = [known(topic, -1) for topic in names]
        if -1 not in numbers and not arrivals.extra:
            payloads = arrivals.payloads if high - low == len(arrivals) else arrivals.payloads[low:high]
            return Quick(list(range(low, high)), numbers, payloads), []
        found, rest = Quick([], [], []), []
        for i, number in enumerate(numbers, low):
            if number < 0 and (route := self._resolved(arrivals.topics[i])) is not None and route.plain and self.plan.owns(route.partition):
                number = route.number  # noqa: PLW2901 - the first message of a device
            extra = arrivals.extra.get(i)
            if number < 0 or (extra is not None and not _usual(extra)):
                rest.append(i)
            else:
                found.places.append(i)
                found.numbers.append(number)
                found.payloads.append(arrivals.payloads[i])
        return found, rest

    def _resolved(self, topic: bytes) -> Route | None:
        """The route of a topic, or None where there is none; what was found is remembered."""
        route = self._routes.get(topic)
        if route is not None:
            return route
        try:
            route = self._map.resolve(topic)
        except Rejected:
            return None
        self._routes[topic] = route
        if route.number == len(self._keys):
            self._names.append((route.device, route.key))
            self._keys.append(route.key)
            if route.number == len(self._places):
                self._places = np.concatenate([self._places, np.zeros_like(self._places)])
            self._places[route.number] = route.partition
        if route.plain and self.plan.owns(route.partition):
            self._plain[topic] = route.number
        return route

    # ----------------------------------------------------------------------------------------------- one message

    def _one(self, arrivals: Arrivals, i: int, received_at: Micros, taken: Taken, rows: list[Placed]) -> None:
        topic, payload, extra = arrivals.topics[i], arrivals.payloads[i], arrivals.extra.get(i, Extra())
        route = self._resolved(topic)
        owned = self.plan.owns(route.partition if route else self._rejected_partition(topic))
        if not owned or (route is not None and route.kind == "ignore"):
            taken.counts["skipped"] += 1
            return
        try:
            if route is None:
                self._map.resolve(topic)
                raise Rejected(Reason.UNKNOWN_TOPIC)  # not reached: it was refused once already
            if extra.size is not None:
                raise Rejected(Reason.TOO_LARGE, f"{extra.size} bytes, at most {self.plan.limits.payload_bytes}")
            kind = self._take(route, payload, extra, i, received_at, taken, rows)
        except Rejected as why:
            kind = "rejected"
            self._refuse(arrivals, i, why, route, received_at, taken)
        taken.counts[kind] += 1

    def _take(
        self, route: Route, payload: bytes, extra: Extra, i: int, received_at: Micros, taken: Taken, rows: list[Placed]
    ) -> str:
        if route.kind == "status":
            presence = self._presence.heard(route, payload, received_at, retained=extra.retain)
            if presence is not None:
                taken.records.append(self._outgoing(presence, route.partition))
        elif extra.retain:
            # Stored telemetry and answers would come again with every new subscriber: they are no news.
            return "retained"
        elif route.kind == "reply":
            answer = reply(route, payload, received_at)
            taken.records.append(self._outgoing(answer, route.partition))
            taken.statuses[answer.status] += 1
        else:
            rows += self._decoded(route, payload, extra, i, received_at)
        return route.kind

    def _decoded(self, route: Route, payload: bytes, extra: Extra, i: int, received_at: Micros) -> list[Placed]:
        found = decode(
            payload,
            Sender(route.device, route.key, received_at),
            decoder=route.decoder,
            content_type=extra.properties.content_type,
            limits=self.plan.limits,
        )
        placed = []
        for place, row in enumerate(found):
            measured_at, received, quality = settle(row, received_at, recorded=route.recorded)
            reading = Reading(route.key, measured_at, received, quality, row.values, row.units, row.boot, row.seq)
            placed.append(Placed(i * columns.ROWS_PER_MESSAGE + place, route.number, reading))
        return placed

    def _refuse(self, arrivals: Arrivals, i: int, why: Rejected, route: Route | None, received_at: Micros, taken: Taken) -> None:
        topic, payload, extra = arrivals.topics[i], arrivals.payloads[i], arrivals.extra.get(i)
        size = extra.size if extra is not None and extra.size is not None else len(payload)
        record = rejection(topic, payload, arrivals.mids[i], why, received_at, route=route, size=size)
        taken.records.append(self._outgoing(record, self._rejected_partition(topic, record.key)))
        taken.reasons[why.reason] += 1
        if route is not None and (note := self._notes.note(route, why, received_at, self.plan.speed)) is not None:
            taken.notes.append(note)

    def _rejected_partition(self, topic: bytes, key: str = "") -> int:
        from ingest.refusals import source_of  # noqa: PLC0415

        return topics.partition_of(
            key or topics.key_of(topics.DEFAULT_TENANT, source_of(topic)), self.plan.rejected_partitions, self.plan.recorded_partitions
        )

    # ----------------------------------------------------------------------------------------------- records

    def _frames(self, made: Sequence[Columns], received_at: Micros, taken: Taken) -> None:
        for partition, frame in self.framer.frames(made, self._places, self._keys, received_at):
            taken.records.append(self.framed(partition, frame))
            taken.framed.append(partition)
            taken.rows += frame.n
            taken.frames += 1
            if partition >= self.plan.first_recorded:
                taken.recorded[partition] = frame.now
                taken.records.append(self.reply_tick(partition, frame.now))

    def framed(self, partition: int, frame: Frame) -> Outgoing:
        """A frame on its way to the log."""
        return Outgoing(self.plan.readings, partition, None, encode(frame), FRAME_HEADERS)

    def reply_tick(self, partition: int, now: Micros) -> Outgoing:
        """`Every reply up to now has been written to this partition`."""
        tick = records.Tick(id=f"tick/{topics.REPLIES}/{partition}/{now}", at=now)
        _, value, headers = records.to_wire(tick, SOURCE)
        return Outgoing(topics.REPLIES, partition, None, value, headers)

    def answered(self, answer: records.Reply) -> Outgoing:
        """A reply vorab writes in a device's place."""
        partition = topics.partition_of(answer.key, self.plan.partitions, self.plan.recorded_partitions)
        return self._outgoing(answer, partition)

    def _outgoing(self, record: records.Record, partition: int) -> Outgoing:
        key, value, headers = records.to_wire(record, SOURCE)
        return Outgoing(record.TOPIC, partition, key, value, headers)


def _usual(extra: Extra) -> bool:
    """Whether properties change nothing about how a message is read."""
    kind = extra.properties.content_type
    return not extra.retain and extra.size is None and (not kind or kind == "application/json")
