"""What one read of messages becomes: frames, presence, replies, rejections and words to devices.

Decisions only; no socket, no thread, no clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from ingest.acks import Mark
from ingest.columns import ROWS_PER_MESSAGE, Columns, Placed, frames_of, of_rows
from ingest.decoders import Sender, decode, is_json, is_pack
from ingest.dialects.batch import Batch
from ingest.dialects.words import About, Answer, Heard, Order
from ingest.framer import Framer
from ingest.gate import Gate, Stopped
from ingest.hearing import Hearing, Told
from ingest.packets import Arrivals, Extra
from ingest.plan import Plan
from ingest.presence import PresenceBook
from ingest.quick import Plain
from ingest.quick_senml import Packs
from ingest.refuser import Refuser
from ingest.replies import reply
from ingest.roster import BULK, FOREIGN, Roster
from ingest.taken import NOTHING, Message, Taken, marks_of, outgoing, reply_tick
from ingest.timing import settle
from ingest.topicmap import Route, TopicMap
from ingest.units import named
from vorab import cloudevents, records, topics
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame, Reading, encode
from vorab.log import Outgoing
from vorab.records import Facts, Reply

FRAME_HEADERS: Final = (("content-type", cloudevents.FRAME),)


class Intake:
    """Turns messages into records; remembers topics, the time of each partition, and who is there."""

    def __init__(self, plan: Plan, topic_map: TopicMap, resolve: Callable[[str, Answer, Micros], Reply | None] | None = None) -> None:
        """`resolve` knows which action an answer in the words of a dialect belongs to. Raises ConfigError for an unknown dialect."""
        self.plan = plan
        self.framer = Framer(plan.first_recorded)
        self._roster = Roster(topic_map, plan)
        self._gate = Gate(plan.allowance, plan.speed, self._roster)
        self._packs = Packs()
        self._presence = PresenceBook()
        self._hearing = Hearing(plan, topic_map.dialects, self._presence, resolve or (lambda *_: None), self._roster.route)
        self._roster.bulk = self._hearing.in_bulk
        self.refusing = Refuser(plan)

    # ----------------------------------------------------------------------------------------------- a pass

    def take(self, arrivals: Arrivals, received_at: Micros) -> list[Taken]:
        """What these messages become, in passes of at most `frame_rows` messages."""
        if self._roster.full:
            self._gate.forget()
            self._packs.forget()
            self._roster.forget()
        step, n = self.plan.frame_rows, len(arrivals)
        return [self._pass(arrivals, low, min(low + step, n), received_at) for low in range(0, n, step)]

    def _pass(self, arrivals: Arrivals, low: int, high: int, received_at: Micros) -> Taken:
        taken = Taken()
        plain, rest, bulk = self._sort(arrivals, low, high)
        taken.counts["skipped"] += high - low - len(plain.payloads) - len(rest) - len(bulk)
        stopped: list[Stopped] = []
        plain = self._gate.plain(plain, arrivals, received_at, stopped)
        if rest:
            rest = self._gate.rest(rest, arrivals, received_at, stopped)
        made, left = self._packs.quick(plain, received_at, self._roster.names, self.plan.limits.payload_bytes, self._roster.only)
        taken.counts["telemetry"] += len(plain.payloads) - len(left)
        taken.marks += marks_of(made, self._roster.keys)
        rows: list[Placed] = []
        for i in sorted([*rest, *(plain.places[position] for position in left)]):
            extra = arrivals.extra.get(i, NOTHING)
            self._one(Message(i, arrivals.topics[i], arrivals.payloads[i], arrivals.mids[i], extra, received_at), taken, rows)
        if bulk:
            made += self._in_bulk(self._gate.bulk(bulk, arrivals, received_at, stopped), arrivals, received_at, taken, rows)
        for some in frames_of(made, rows):
            self._frames(some, received_at, taken)
        for flood in stopped:
            self.refusing.flood(flood, self._roster.route(arrivals.topics[flood.places[0]]), arrivals, received_at, taken)
        return taken

    def _sort(self, arrivals: Arrivals, low: int, high: int) -> tuple[Plain, list[int], Sequence[int]]:
        """The messages that may take the quick way, the index of each that may not, and of those a dialect reads in bulk.

        What is another worker's is none of them.
        """
        known = self._roster.plain.get
        whole = high - low == len(arrivals)
        numbers = list(map(known, arrivals.topics if whole else arrivals.topics[low:high], itertools.repeat(-1)))
        if -1 not in numbers and not arrivals.extra:
            payloads = arrivals.payloads if whole else arrivals.payloads[low:high]
            least = min(numbers, default=0)
            if least >= 0:
                return Plain(range(low, high), numbers, payloads), [], []
            if max(numbers) <= BULK:
                return Plain([], [], []), [], range(low, high)
            bulk: Sequence[int] = [i for i, number in enumerate(numbers, low) if number <= BULK] if least <= BULK else []
            own = [number >= 0 for number in numbers]
            pick = itertools.compress
            return Plain(list(pick(range(low, high), own)), list(pick(numbers, own)), list(pick(payloads, own))), [], bulk
        places: list[int] = []
        found, rest, heard = Plain(places, [], []), [], []
        for i, number in enumerate(numbers, low):
            if number == -1:
                number = self._first(arrivals.topics[i])  # noqa: PLW2901 - now it is known
            if number == FOREIGN:
                continue
            if number <= BULK:
                heard.append(i)
                continue
            extra = arrivals.extra.get(i)
            if number < 0 or (extra is not None and not _usual(extra, arrivals.payloads[i])):
                rest.append(i)
            else:
                places.append(i)
                found.numbers.append(number)
                found.payloads.append(arrivals.payloads[i])
        return found, rest, heard

    def _in_bulk(self, places: Sequence[int], arrivals: Arrivals, received_at: Micros, taken: Taken, rows: list[Placed]) -> list[Columns]:
        """What dialects read together; what they do not, they take one by one at its turn."""
        made: list[Columns] = []
        for number, name in enumerate(self._roster.bulk):
            known, code = self._roster.plain, BULK - number
            own = places if len(self._roster.bulk) == 1 else [i for i in places if known[arrivals.topics[i]] == code]
            whole = len(own) == len(arrivals)
            names = arrivals.topics if whole else [arrivals.topics[i] for i in own]
            payloads = arrivals.payloads if whole else [arrivals.payloads[i] for i in own]
            if arrivals.extra:
                odd = arrivals.extra.get
                payloads = [b"" if (extra := odd(i)) and (extra.retain or extra.size) else arrivals.payloads[i] for i in own]
            slowly = partial(self._slowly, own, arrivals, received_at, taken, rows)
            columns, count = self._hearing.hear_all(
                name, Batch(names, payloads, own, received_at, self._roster.epoch, self._number_behind, slowly)
            )
            taken.counts["dialect"] += count
            made += columns
        return made

    def _slowly(self, places: Sequence[int], arrivals: Arrivals, now: Micros, taken: Taken, rows: list[Placed], position: int) -> None:
        i = places[position]
        extra = arrivals.extra.get(i, NOTHING)
        self._one(Message(i, arrivals.topics[i], arrivals.payloads[i], arrivals.mids[i], extra, now), taken, rows)

    def _number_behind(self, topic: bytes, device: str) -> int:
        _, number = self._child(self._roster.route(topic), device)
        return FOREIGN if number is None else number

    def _first(self, topic: bytes) -> int:
        """What is known of a topic that was not known; -1 if it does not take the quick way."""
        with suppress(Rejected):
            self._roster.route(topic)
        return self._roster.plain.get(topic, -1)

    # ----------------------------------------------------------------------------------------------- one message

    def _one(self, message: Message, taken: Taken, rows: list[Placed]) -> None:
        route: Route | None = None
        try:
            route = self._roster.route(message.topic)
            kind = "ignored" if route.kind == "ignore" else self._take(route, message, taken, rows)
        except Rejected as why:
            kind = self.refusing.message(message, why, route, taken)
        taken.counts[kind] += 1

    def _take(self, route: Route, message: Message, taken: Taken, rows: list[Placed]) -> str:
        payload, received_at = message.payload, message.received_at
        if message.extra.size is not None:
            raise Rejected(Reason.TOO_LARGE, f"{message.extra.size} bytes, at most {self.plan.limits.payload_bytes}")
        if route.kind == "status":
            presence = self._presence.heard(route, payload, received_at, retained=message.extra.retain)
            if presence is not None:
                taken.records.append(outgoing(presence, route.partition))
        elif route.kind == "dialect":
            self._hear(route, message, taken, rows)
        elif message.extra.retain:
            # Stored telemetry and answers would come again with every new subscriber: they are no news.
            return "retained"
        elif route.kind == "reply":
            answer = reply(route, payload, received_at)
            taken.records.append(outgoing(answer, route.partition))
            taken.statuses[answer.status] += 1
            taken.answered.append(answer)
        else:
            rows += self._decoded(route, message, taken)
        return route.kind

    def _hear(self, route: Route, message: Message, taken: Taken, rows: list[Placed]) -> None:
        extra, limit = message.extra, self.plan.limits.payload_bytes
        if len(message.payload) > limit:
            raise Rejected(Reason.TOO_LARGE, f"{len(message.payload)} bytes, at most {limit}")
        content_type = extra.properties.content_type
        heard = Heard(route.levels, route.named, route.tail, message.payload, message.received_at, extra.retain, content_type, route.zone)
        told = self._hearing.hear(route, heard)
        if len(told.rows) > self.plan.limits.rows:
            raise Rejected(Reason.TOO_LARGE, f"{len(told.rows)} rows, at most {self.plan.limits.rows}")
        rows += self._told(told, taken, message.place, message.received_at)

    def _told(self, told: Told, taken: Taken, place: int, now: Micros) -> list[Placed]:
        placed = []
        for i, (device, key, partition, row) in enumerate(told.rows):
            measured_at, received_at, quality = settle(row, now, recorded=False)
            reading = Reading(key, measured_at, received_at, quality, row.values, named(row.units), row.boot, row.seq)
            placed.append(Placed(place * ROWS_PER_MESSAGE + i, self._roster.number(device, key, partition), reading))
        taken.records += [outgoing(record, partition) for partition, record in told.records]
        taken.statuses.update(record.status for _, record in told.records if isinstance(record, Reply))
        taken.says += told.says
        taken.left_out += told.left_out
        for topic, payload, why, _ in told.refused:
            if self.refusing.tell(Message(place, topic.encode(), payload, b"", NOTHING, now), why, None, taken):
                taken.reasons[why.reason] += 1
        return placed

    def route(self, topic: bytes) -> Route:
        """What the topic map says of a topic; raises Rejected where it has none."""
        return self._roster.route(topic)

    def alarm(self, alarm: records.Alarm, taken: Taken) -> None:
        """A finding that came by no topic."""
        taken.records.append(outgoing(alarm, self.plan.partition_of(alarm.key)))
        taken.counts["alarm"] += 1

    def due(self, now: Micros) -> Taken:
        """What dialects have to say because time has passed."""
        taken = Taken()
        rows = self._told(self._hearing.due(now), taken, 0, now)
        if rows:
            self._frames(of_rows(rows), now, taken)
        for topic, route, flood in self._gate.due(now, self._roster.route):
            message = Message(-1, topic, b"", b"", NOTHING, now)
            self.refusing.tell(message, Rejected(flood.reason, flood.detail), route, taken, flood.record)
        return taken

    def away(self, absence: Micros, now: Micros) -> None:
        """Nothing was read for so long: what was kept meanwhile comes at once."""
        self._gate.away(absence, now)

    def recall(self, facts: Facts) -> None:
        """Facts about a device, as they stand on the log."""
        self._hearing.recall(facts)

    def order(self, action: records.Action, now: Micros) -> Order | None:
        """An action in the words of its device's dialect; None for a device that keeps to the neutral contract.

        Raises:
            Rejected: the dialect has none for it, or is not heard here.
        """
        facts = self._hearing.facts(action.key)
        return self._hearing.command(facts, action, now) if facts is not None and facts.dialect else None

    def _decoded(self, route: Route, message: Message, taken: Taken) -> list[Placed]:
        found = decode(
            message.payload,
            Sender(route.device, route.key, message.received_at),
            decoder=route.decoder,
            content_type=message.extra.properties.content_type,
            limits=self.plan.limits,
        )
        if found[0].heartbeat_s is not None and self.plan.owns(route.partition):
            facts = self._hearing.about(About(route.device, heartbeat_s=found[0].heartbeat_s), route, message.received_at)
            taken.records += [] if facts is None else [outgoing(facts, route.partition)]
        placed = []
        for i, row in enumerate(found):
            measured_at, received_at, quality = settle(row, message.received_at, recorded=route.recorded)
            key, number = (route.key, route.number) if not row.device else self._child(route, row.device)
            if number is None or (route.children and not row.device and not self.plan.owns(route.partition)):
                continue  # another worker reads this message too, and writes this device
            if row.acked is not None and row.boot is not None and row.seq is not None:
                taken.marks.append(Mark(key, row.boot, row.seq, row.acked))
            if not row.values:
                continue
            reading = Reading(key, measured_at, received_at, quality, row.values, named(row.units), row.boot, row.seq)
            placed.append(Placed(message.place * ROWS_PER_MESSAGE + i, number, reading))
        return placed

    def _child(self, route: Route, device: str) -> tuple[str, int | None]:
        """Key and number of a device behind the sender; no number where another worker writes it."""
        key = topics.key_of(route.tenant, device)
        partition = self.plan.partition_of(key)
        return key, self._roster.number(device, key, partition) if self.plan.owns(partition) else None

    # ----------------------------------------------------------------------------------------------- records

    def _frames(self, made: Sequence[Columns], received_at: Micros, taken: Taken) -> None:
        for partition, frame in self.framer.frames(made, self._roster.places, self._roster.keys, received_at):
            taken.records.append(self.framed(partition, frame))
            taken.framed.append(partition)
            taken.rows += frame.n
            if partition >= self.plan.first_recorded:
                taken.records.append(reply_tick(partition, frame.now))

    def framed(self, partition: int, frame: Frame) -> Outgoing:
        """A frame on its way to the log."""
        return Outgoing(self.plan.readings, partition, None, encode(frame), FRAME_HEADERS)

    def answered(self, answer: records.Reply) -> Outgoing:
        """A reply vorab writes in a device's place."""
        return outgoing(answer, self.plan.partition_of(answer.key))


def _usual(extra: Extra, payload: bytes) -> bool:
    """Whether properties change nothing about how a message is read, or say what its look says as well."""
    said = extra.properties.content_type
    return not extra.retain and extra.size is None and (is_json(said) or is_pack(said, payload))
