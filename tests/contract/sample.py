"""A small processor for the hosts' tests: every output carries a running number, so any change of order, loss or repetition shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from vorab import ids, topics
from vorab.clock import SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame, Reading
from vorab.log import Outgoing
from vorab.processor import Input, Kind, Out, Registry, kind_of
from vorab.records import (
    CaseEvent,
    CaseKind,
    Command,
    CommandKind,
    Record,
    Reply,
    ReplyStatus,
    Severity,
    Status,
    Symptom,
    SymptomState,
    Tick,
    to_wire,
)

LINGER: Micros = 5 * SECOND
POISON = "poison"


class Tally:
    """Counts symptoms and replies per partition and says of each which number it was; each symptom has a timer."""

    name: ClassVar[str] = "tally"
    inputs: ClassVar[tuple[Input, ...]] = (Input(topics.SYMPTOMS), Input(topics.REPLIES), Input(topics.COMMANDS, gating=False))
    outputs: ClassVar[tuple[str, ...]] = (topics.CASES,)
    ticks: ClassVar[tuple[str, ...]] = (topics.CASES,)
    schema: ClassVar[int] = 1

    def __init__(self) -> None:
        self.count = 0
        self.seen: set[str] = set()
        self.timers: list[tuple[Micros, str, str]] = []
        self._changed = False

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the protocol's
        """One output per record that was not seen before."""
        assert isinstance(record, Symptom | Reply | Command)
        if record.id == POISON:
            raise Rejected(Reason.BAD_VALUE, "poison")
        if record.id in self.seen:
            return ()
        self.seen.add(record.id)
        if isinstance(record, Symptom):
            self.timers.append((now + LINGER, record.device, record.id))
        return (self._out(record.device, record.id, CaseKind.NOTED, now),)

    def due(self, now: Micros) -> Iterator[Out]:
        """One output per timer, with the deadline as its time."""
        for timer in sorted(timer for timer in self.timers if timer[0] < now):
            self.timers.remove(timer)
            yield self._out(timer[1], timer[2], CaseKind.RESOLVED, timer[0])

    def _out(self, device: str, because: str, kind: CaseKind, at: Micros) -> Out:
        self.count += 1
        self._changed = True
        return Out(
            topics.CASES,
            CaseEvent(
                id=ids.case_event_id(device, kind, because),
                device=device,
                case=device,
                kind=kind,
                status=Status.ACKNOWLEDGED,
                at=at,
                because=because,
                cause="sample",
                severity=Severity.MINOR,
                opened_at=0,
                seq=self.count,
            ),
        )

    def dirty(self) -> Mapping[str, bytes]:
        """Two blocks, so that a torn checkpoint would show."""
        if not self._changed:
            return {}
        self._changed = False
        return {
            "count": json.dumps(self.count).encode(),
            "rest": json.dumps([sorted(self.seen), self.timers, self.count]).encode(),
        }

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Refuses blocks that were not written together."""
        self.count = json.loads(blocks["count"])
        seen, timers, count = json.loads(blocks["rest"])
        assert count == self.count, f"a torn checkpoint: {count} and {self.count}"
        self.seen = set(seen)
        self.timers = [(at, device, because) for at, device, because in timers]


def _build(partition: int, registry: Registry) -> Tally:  # noqa: ARG001 - the protocol's
    return Tally()


TALLY: Kind = kind_of(Tally, _build)


def symptom(device: str, number: int, at: Micros) -> Symptom:
    """A symptom of a device."""
    return Symptom(
        id=f"{device}-symptom-{number}",
        device=device,
        state=SymptomState.RAISED,
        rule="r",
        rule_version="1",
        detector="threshold",
        cause="heat",
        severity=Severity.MINOR,
        onset=at,
        detected_at=at,
    )


def reply(device: str, number: int, at: Micros) -> Reply:
    """A reply of a device."""
    return Reply(id=f"{device}-reply-{number}", device=device, action="a", status=ReplyStatus.SUCCEEDED, at=at)


def command(device: str, number: int, at: Micros) -> Command:
    """A command about a device."""
    return Command(id=f"{device}-command-{number}", device=device, kind=CommandKind.NOTE, case="c", at=at)


def reading(device: str, at: Micros, value: float) -> Reading:
    """A row of a frame."""
    return Reading(f"main/{device}", at, at, 0, {"temperature": value})


def outgoing(record: Record, partition: int, topic: str = "") -> Outgoing:
    """A record for a partition."""
    key, value, headers = to_wire(record, "urn:vorab:test")
    return Outgoing(topic or record.TOPIC, partition, key, value, headers)


def tick(topic: str, partition: int, at: Micros) -> Outgoing:
    """A tick in a partition of a topic."""
    return outgoing(Tick(id=f"tick/{at}", at=at), partition, topic)._replace(key=None)
