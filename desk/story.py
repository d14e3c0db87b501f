"""A case as a conversation: what the machine said, what vorab said, and who else had a word. Pure.

What stands in the timeline of a customer as well is said by the words of `desk.timeline`; here the machine's own words come with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

from desk.queries import CaseFile
from desk.timeline.entry import Entry, Kind, Who
from desk.timeline.speech import Speech
from desk.timeline.told import Around, told
from desk.words import SAID, number, spaced
from vorab.clock import Micros
from vorab.records import (
    Action,
    CaseEvent,
    CaseKind,
    Delivery,
    Permit,
    PermitState,
    Recall,
    Record,
    Reply,
    ReplyStatus,
    Request,
    Symptom,
    SymptomState,
)
from vorab.words import Words

WHO: Final = {Who.MACHINE: "machine", Who.VORAB: "vorab", Who.AGENT: "person", Who.CUSTOMER: "customer"}
BY_OTHERS: Final = frozenset({CaseKind.SYMPTOM_ADDED, CaseKind.ACTION_REQUESTED})
"""What the symptom and the action say themselves."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was said."""

    at: Micros
    who: str
    """`machine`, `vorab`, `person`, `customer` or `phone`."""
    text: str
    tone: str = ""
    """`good`, `bad` or nothing."""
    aside: bool = False
    """Said to itself: a policy line, a permit."""

    def json(self) -> dict[str, object]:
        """For the live feed."""
        return {"at": self.at // 1000, "who": self.who, "text": self.text, "tone": self.tone, "aside": self.aside}


def conversation(file: CaseFile, zone: tzinfo = UTC) -> list[Line]:
    """All that was said about a case, in order of time; moments that are named are those of a zone."""
    speech = Speech("en", zone, Words())
    around = Around({command.id: command for command in file.commands})
    found = [(line.at, _rank(record), line) for record in file.all() for line in _lines(record, around, speech)]
    return [line for _, _, line in sorted(found, key=lambda row: row[:2])]


def _rank(record: Record) -> int:
    """At one time, who speaks first."""
    if isinstance(record, CaseEvent):
        return 1 if record.kind is CaseKind.OPENED else 5
    return {Symptom: 0, Permit: 2, Action: 3, Reply: 4}.get(type(record), 6)


def _lines(record: Record, around: Around, speech: Speech) -> Iterator[Line]:
    match record:
        case Symptom():
            yield from _symptom(record)
        case Action():
            yield Line(record.at, "vorab", f"Please {record.name}." if record.attempt == 1 else f"Please {record.name} once more.")
        case Recall():
            yield Line(record.at, "vorab", "Do not: I take that back.")
        case Permit() if record.state is not PermitState.ASKED:
            granted = record.state is PermitState.GRANTED
            text = f"Fleet limit: one more {record.remedy} is fine." if granted else f"Fleet limit: not now. {record.reason}".strip()
            yield Line(record.at, "vorab", text, "" if granted else "bad", aside=True)
        case Reply():
            yield _reply(record)
        case CaseEvent() if record.kind not in BY_OTHERS:
            entries = told(record, around)
            yield from (_line(entry, speech) for entry in entries if entry.who is not Who.MACHINE or entry.kind is not Kind.FAULT)
        case Request() | Delivery():
            yield from (_line(entry, speech) for entry in told(record, around))


def _line(entry: Entry, speech: Speech) -> Line:
    receipt = entry.kind is Kind.RECEIPT
    return Line(entry.at, "phone" if receipt else WHO[entry.who], speech.say(entry), entry.tone, entry.aside and not receipt)


def _symptom(symptom: Symptom) -> Iterator[Line]:
    name = spaced(symptom.signal).capitalize()
    if symptom.state is SymptomState.RAISED:
        if not symptom.signal or symptom.value is None:
            yield Line(symptom.detected_at, "vorab", f"I see {spaced(symptom.cause)}.", "bad")
            return
        yield Line(symptom.detected_at, "machine", f"{name} {number(symptom.value, symptom.unit)}.", "bad")
        if symptom.limit is not None:
            side = "below" if symptom.value < symptom.limit else "above"
            yield Line(symptom.detected_at, "vorab", f"That is {side} {number(symptom.limit, symptom.unit)}. I am looking into it.")
        else:
            yield Line(symptom.detected_at, "vorab", "That is not like you. I am watching.")
    elif symptom.state is SymptomState.CLEARED and symptom.cleared_at is not None:
        told = f"{name} {number(symptom.value, symptom.unit)}." if symptom.signal and symptom.value is not None else "I am here again."
        yield Line(symptom.cleared_at, "machine", told, "good")


def _reply(reply: Reply) -> Line:
    tone = {ReplyStatus.FAILED: "bad", ReplyStatus.REJECTED: "bad"}.get(reply.status, "")
    who = "vorab" if reply.status in {ReplyStatus.EXPIRED, ReplyStatus.TIMED_OUT, ReplyStatus.CANCELLED} else "machine"
    more = ", ".join(part for part in (reply.detail, f"{reply.progress} %" if reply.progress is not None else "") if part)
    text = SAID[reply.status]
    return Line(reply.at, who, f"{text.rstrip('.')}: {more}." if more else text, tone)
