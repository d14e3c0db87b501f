"""The process: machines on MQTT connections, stepped when their time comes on the story clock, answering commands.

Machines that will fall silent have a connection of their own, so that its last will tells; the others share a few gateways.
One thread decides; paho's threads only fill the inbox.
"""

from __future__ import annotations

import heapq
import itertools
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import Empty
from typing import Final

from vorab.clock import SECOND, Clock, Micros
from vorab.fleet.connection import Acked, Arrived, Broker, Connected, Connection, Disconnected, Happening, Inbox
from vorab.fleet.layout import Member, Options, connect, members
from vorab.fleet.ledger import Ledger, write_status
from vorab.fleet.protocol import Answer

_IDLE_S: Final = 0.25  # so that a stop is noticed
_STATUS_EVERY_S: Final = 1.0
_AT_ONCE: Final = 200  # due machines handled before the inbox gets its turn


@dataclass
class _Sent:
    """A message without its acknowledgement."""

    reading: tuple[str, int, int] | None
    """Device, boot and seq; None for a status or a reply."""
    wired: bool
    """Whether it can have left for the broker."""


@dataclass(order=True)
class _Due:
    at: Micros
    number: int
    call: Callable[[Micros], None] = field(compare=False)


class Fleet:
    """Runs until told to stop, until its end, or for ever.

    Args:
        options: What runs.
        broker: Where to publish.
        clock: Story time or the machine's.
        ledger: Counts what was published and acknowledged.
    """

    def __init__(self, options: Options, broker: Broker, clock: Clock, ledger: Ledger) -> None:
        self.options, self.clock, self.ledger = options, clock, ledger
        self._inbox: Inbox = Inbox()
        self._heap: list[_Due] = []
        self._numbers = itertools.count()
        self._up: set[str] = set()
        self._unacked: dict[tuple[str, int], _Sent] = {}
        """By connection and message number."""
        self._members = members(options, clock.now())
        self._connections = connect(options, self._members, broker, self._inbox)

    def run(self, stop: threading.Event) -> dict[str, int]:
        """Publish until `stop` is set or the end is reached; wait for acknowledgements, say goodbye; the final counts."""
        for connection in self._connections:
            connection.start()
        for member in self._members.values():
            self._at(member.machine.due, self._stepper(member))
        if self.options.status_file:
            self._at(self.clock.now(), self._tell_status)
        end = self.options.end
        while not stop.is_set() and (end is None or self.clock.now() < end):
            self._handle_due()
            self._handle_inbox(self._wait_s())
        self._drain()
        for member in self._members.values():
            if member.linked:
                self._tell_presence(member, "offline")
        self._drain()
        for connection in self._connections:
            connection.stop()
        counts = self.counts()
        if self.options.status_file:
            write_status(self.options.status_file, counts, self.clock.now())
        self.ledger.close()
        return counts

    def counts(self) -> dict[str, int]:
        """What the ledger counts, with what the machines say about commands."""
        found = self.ledger.counts()
        for what in ("done", "repeated", "expired", "early", "retained", "foreign", "unreadable"):
            found[f"commands_{what}"] = sum(member.responder.counts[what] for member in self._members.values())
        found["machines"], found["connections"] = len(self._members), len(self._connections)
        found["online"] = sum(connection.connected for connection in self._connections)
        return found

    # ----------------------------------------------------------------------------------------------- due

    def _at(self, at: Micros, call: Callable[[Micros], None]) -> None:
        heapq.heappush(self._heap, _Due(at, next(self._numbers), call))

    def _handle_due(self) -> None:
        now = self.clock.now()
        for _ in range(_AT_ONCE):
            if not self._heap or self._heap[0].at > now:
                return
            due = heapq.heappop(self._heap)
            due.call(due.at)

    def _wait_s(self) -> float:
        if not self._heap:
            return _IDLE_S
        return min(_IDLE_S, max(0.0, (self.clock.wall(self._heap[0].at) - self.clock.wall(self.clock.now())) / SECOND))

    def _stepper(self, member: Member) -> Callable[[Micros], None]:
        def step(at: Micros) -> None:
            reading = member.machine.step(at)
            self._moved(member)
            if reading is not None:
                self._publish_reading(member, reading)
            self._at(member.machine.due, step)

        return step

    def _moved(self, member: Member) -> None:
        """Tell what happened inside a machine since it was last looked at."""
        happened, member.machine.events = member.machine.events, []
        for event in happened:
            self.ledger.count("faults" if event.what == "fault" else event.what)
            self.ledger.note(event.what, member.machine.id, kind=event.kind, at=event.at)
            if event.what == "restarted" and member.machine.linked:
                self._tell_presence(member, "online", event.at)
        if member.linked != member.machine.linked:
            member.linked = member.machine.linked
            if not member.shared and member.connection is not None:
                if member.linked:
                    member.connection.restore()
                else:
                    member.connection.cut()

    # ----------------------------------------------------------------------------------------------- out

    def _publish_reading(self, member: Member, reading: dict[str, object]) -> None:
        boot, seq = int(str(reading["boot"])), int(str(reading["seq"]))
        payload = json.dumps(reading, separators=(",", ":")).encode()
        device = member.machine.id
        self.ledger.count("published")
        self.ledger.note("published", device, boot=boot, seq=seq, ts=reading["ts"], wall=self.clock.wall(self.clock.now()))
        if not self._publish(member, "telemetry", payload, qos=self.options.qos, reading=(device, boot, seq)):
            self.ledger.count("overflowed")
            self.ledger.note("overflowed", device, boot=boot, seq=seq)

    def _tell_presence(self, member: Member, status: str, at: Micros | None = None) -> None:
        body = {
            "status": status,
            "ts": (self.clock.now() if at is None else at) // 1000,
            "fw": member.machine.model.firmware,
            "session": str(member.machine.boot),
        }
        self.ledger.count("statuses")
        self._publish(member, "status", json.dumps(body, separators=(",", ":")).encode(), retain=True)

    def _answer(self, member: Member, answers: Iterable[Answer]) -> None:
        begun, member.responder.begun = member.responder.begun, []
        for name, at, not_after in begun:
            self.ledger.note("executed", member.machine.id, id=name, at=at, not_after=not_after)

        def say(answer: Answer) -> Callable[[Micros], None]:
            def publish(at: Micros) -> None:
                member.machine.advance(at)
                self._moved(member)
                if member.linked:
                    self.ledger.count("replies")
                    self.ledger.note("reply", member.machine.id, id=answer.body["id"], status=answer.body["status"], at=at)
                    rest = answer.topic.removeprefix(f"{member.prefix}/")
                    self._publish(member, rest, answer.payload, correlation=answer.correlation)

            return publish

        for answer in answers:
            self._at(answer.at, say(answer))
        if (early := member.responder.due) is not None:
            self._at(early, lambda at: self._answer(member, member.responder.released(at)))

    def _publish(
        self,
        member: Member,
        rest: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation: bytes = b"",
        reading: tuple[str, int, int] | None = None,
    ) -> bool:
        connection = member.connection
        if connection is None:
            return False
        mid = connection.publish(f"{member.prefix}/{rest}", payload, qos=qos, retain=retain, correlation=correlation)
        if mid is None:
            return False
        # The acknowledgement cannot overtake this line: it comes through the inbox, which this thread empties.
        self._unacked[connection.name, mid] = _Sent(reading, wired=connection.name in self._up)
        return True

    def _tell_status(self, at: Micros) -> None:
        if self.options.status_file:
            write_status(self.options.status_file, self.counts(), self.clock.now())
            self._at(at + int(_STATUS_EVERY_S * SECOND * self.clock.speed), self._tell_status)

    # ------------------------------------------------------------------------------------------------ in

    def _handle_inbox(self, wait_s: float) -> None:
        try:
            self._handle(self._inbox.get(timeout=wait_s) if wait_s > 0 else self._inbox.get_nowait())
            while True:
                self._handle(self._inbox.get_nowait())
        except Empty:
            return

    def _handle(self, happening: Happening) -> None:
        match happening:
            case Acked(connection, mid, ok):
                sent = self._unacked.pop((connection.name, mid), None)
                if sent is not None and sent.reading is not None:
                    device, boot, seq = sent.reading
                    self.ledger.count("acked" if ok else "refused")
                    self.ledger.note("acked" if ok else "refused", device, boot=boot, seq=seq)
            case Connected(connection):
                self._handle_connected(connection)
            case Disconnected(connection):
                self._up.discard(connection.name)
                self.ledger.count("disconnects")
            case Arrived():
                self._handle_message(happening)

    def _handle_connected(self, connection: Connection) -> None:
        self.ledger.count("connects")
        self._up.add(connection.name)
        # paho publishes everything unacknowledged now; what was on the wire before may arrive twice.
        waiting = [sent for (name, _), sent in self._unacked.items() if name == connection.name]
        again = [sent for sent in waiting if sent.wired][: connection.inflight]
        self.ledger.count("resent", sum(sent.reading is not None for sent in again))
        for sent in waiting:
            sent.wired = True
        for member in self._members.values():
            if member.connection is connection and member.linked:
                self._tell_presence(member, "online")

    def _handle_message(self, arrived: Arrived) -> None:
        device = arrived.request.topic.removeprefix(f"vorab/v1/{self.options.tenant}/").partition("/")[0]
        member = self._members.get(device)
        if member is None:
            return
        if arrived.request.topic == f"{member.prefix}/errors":
            self.ledger.count("errors")
            self.ledger.note("error", device, text=arrived.request.payload[:500].decode(errors="replace"))
            return
        if not arrived.request.topic.startswith(f"{member.prefix}/cmd/"):
            # amqtt 0.12.1 hands retained statuses to a session that comes back, subscribed or not.
            return
        now = self.clock.now()
        self.ledger.count("commands")
        self.ledger.note("command", device, topic=arrived.request.topic, at=now)
        repeated = member.responder.counts["repeated"]
        self._answer(member, member.responder.received(arrived.request, now))
        if member.responder.counts["repeated"] > repeated:
            self.ledger.note("repeated", device, topic=arrived.request.topic, at=now)
        self._moved(member)

    def _drain(self) -> None:
        """Wait until the broker has acknowledged everything, or for `drain_s`."""
        down = {c.name for m in self._members.values() if not m.linked and (c := m.connection) and not m.shared}
        until = self.clock.now() + int(self.options.drain_s * SECOND * self.clock.speed)
        while any(name not in down for name, _ in self._unacked) and self.clock.now() < until:
            self._handle_inbox(_IDLE_S)
