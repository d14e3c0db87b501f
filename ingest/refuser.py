"""What becomes of messages that are not taken: a record with the reason, a word to the device, a line in the log of this process. Pure."""

from __future__ import annotations

from ingest.acks import Mark
from ingest.decoders.flat import promises
from ingest.gate import Stopped
from ingest.packets import Arrivals
from ingest.plan import Plan
from ingest.refusals import News, Notes, rejection, source_of
from ingest.taken import NOTHING, Message, Taken, outgoing
from ingest.topicmap import Route
from vorab import topics
from vorab.clock import Micros
from vorab.errors import Rejected


class Refuser:
    """Tells about refusals: every one is counted, and nobody is flooded with words about them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._notes = Notes()
        self._news = News()

    def message(self, message: Message, why: Rejected, route: Route | None, taken: Taken) -> str:
        """Refuse a message whole; what it counts as."""
        if not self.tell(message, why, route, taken):
            return "skipped"  # nobody's device: the worker that writes the partition of its rejection tells about it
        taken.reasons[why.reason] += 1
        taken.refused[message.place] = why
        if route is not None and route.kind == "telemetry":
            # Refused is stored too, as a rejection: to send it again would only be refused again.
            taken.marks += [Mark(route.key, *numbers) for numbers in promises(message.payload)]
        return "rejected"

    def tell(self, message: Message, why: Rejected, route: Route | None, taken: Taken, messages: int = 1) -> bool:
        """A record, a word to the device, a line in the log of this process; False where that is another worker's to do."""
        if route is not None and route.kind == "dialect":
            route = None  # which device it was, only the dialect could have said
        partition = self._place_of_rejection(message.topic)
        if not self._plan.owns(partition if route is None else route.partition):
            return False
        now, size = message.received_at, message.extra.size
        record = rejection(message.topic, message.payload, message.mid, why, now, route=route, size=size, messages=messages)
        taken.records.append(outgoing(record, partition))
        if self._news.first(record.device or record.source, why.reason, now, self._plan.speed):
            taken.news.append(record)
        if route is not None and (note := self._notes.note(route, why, now, self._plan.speed)) is not None:
            taken.notes.append(note)
        return True

    def flood(self, flood: Stopped, route: Route, arrivals: Arrivals, now: Micros, taken: Taken) -> None:
        """Messages above the limit of their sender: dropped unread, all counted, few of them told about."""
        place, why = flood.places[0], Rejected(flood.reason, flood.detail)
        topic = arrivals.topics[place]
        if not self._plan.owns(self._place_of_rejection(topic) if route.kind == "dialect" else route.partition):
            taken.counts["skipped"] += len(flood.places)
            return
        taken.counts["rejected"] += len(flood.places)
        taken.reasons[flood.reason] += len(flood.places)
        taken.refused.update(dict.fromkeys(flood.places, why))
        if flood.record:
            extra = arrivals.extra.get(place, NOTHING)
            message = Message(place, topic, arrivals.payloads[place], arrivals.mids[place], extra, now)
            self.tell(message, why, route, taken, flood.record)
        elif route.kind != "dialect" and (note := self._notes.note(route, why, now, self._plan.speed)) is not None:
            taken.notes.append(note)

    def without_topic(self, source: bytes, payload: bytes, why: Rejected, now: Micros, taken: Taken, *, size: int | None = None) -> None:
        """A refusal of what came by no topic, whoever writes the partition: nobody else has heard it."""
        record = rejection(source, payload, b"", why, now, route=None, size=size)
        taken.records.append(
            outgoing(record, topics.partition_of(record.key, self._plan.rejected_partitions, self._plan.recorded_partitions))
        )
        taken.counts["rejected"] += 1
        taken.reasons[why.reason] += 1
        if self._news.first(record.source, why.reason, now, self._plan.speed):
            taken.news.append(record)

    def _place_of_rejection(self, topic: bytes) -> int:
        source = topics.key_of(topics.DEFAULT_TENANT, source_of(topic))
        return topics.partition_of(source, self._plan.rejected_partitions, self._plan.recorded_partitions)
