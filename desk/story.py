"""A case as a conversation: what the machine said, what vorab said, and who else had a word. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from desk.queries import CaseFile
from desk.words import REASONS, SAID, number, spaced
from vorab.clock import Micros
from vorab.records import (
    Action,
    CaseEvent,
    CaseKind,
    Delivery,
    DeliveryState,
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


def conversation(file: CaseFile) -> list[Line]:
    """All that was said about a case, in order of time."""
    found = [(line.at, _rank(record), line) for record in file.all() for line in _lines(record, file)]
    return [line for _, _, line in sorted(found, key=lambda row: row[:2])]


def _rank(record: Record) -> int:
    """At one time, who speaks first."""
    if isinstance(record, CaseEvent):
        return 1 if record.kind is CaseKind.OPENED else 5
    return {Symptom: 0, Permit: 2, Action: 3, Reply: 4}.get(type(record), 6)


def _lines(record: Record, file: CaseFile) -> Iterator[Line]:
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
        case CaseEvent():
            yield from _event(record, file)
            yield from _decided(record)
        case Request():
            yield Line(record.at, "customer", f"{spaced(record.kind.value).capitalize()}.")
        case Delivery():
            yield _delivery(record)


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


_PLAIN: Final[Mapping[CaseKind, tuple[str, str, str]]] = {
    CaseKind.CONSENT_ASKED: ("vorab", "I ask your owner first.", ""),
    CaseKind.CONSENT_GIVEN: ("customer", "Yes, restart it.", "good"),
    CaseKind.CONSENT_REFUSED: ("customer", "No, please do not.", ""),
    CaseKind.PROVING: ("vorab", "Thank you. I will believe your readings.", ""),
    CaseKind.ACTION_TIMED_OUT: ("vorab", "No answer in time.", "bad"),
    CaseKind.DISPROVED: ("vorab", "You said done. Your readings say otherwise.", "bad"),
    CaseKind.HANDED_OVER: ("vorab", "I hand this to a person.", "bad"),
    CaseKind.RELAPSED: ("vorab", "It came back.", "bad"),
}
"""Who says what, in which tone, where the kind of fact is all there is to say."""


def _event(event: CaseEvent, file: CaseFile) -> Iterator[Line]:
    if event.kind in _PLAIN:
        who, text, tone = _PLAIN[event.kind]
        yield Line(event.at, who, text, tone)
    match event.kind:
        case CaseKind.OPENED if event.policy:
            yield Line(event.at, "vorab", f"Policy: {event.policy}.", aside=True)
        case CaseKind.MACHINE_ASKED:
            yield Line(event.at, "vorab", f"I ask: {event.detail}." if event.helper else f"Tell me: {event.detail}.")
        case CaseKind.MACHINE_ANSWERED if event.helper:
            yield Line(event.at, "machine", f"{event.detail}.", aside=True)
        case CaseKind.CONCLUDED:
            yield Line(event.at, "vorab", f"So {event.detail}.")
        case CaseKind.RESOLVED:
            yield Line(event.at, "vorab" if event.healed or not _by_person(event, file) else "person", _resolved(event), "good")
        case CaseKind.TAKEN | CaseKind.NOTED | CaseKind.CALL_WISHED | CaseKind.FALSE_ALARM:
            yield Line(event.at, "person" if _by_person(event, file) else "customer", event.detail or spaced(event.kind.value).capitalize())


def _decided(event: CaseEvent) -> Iterator[Line]:
    """What people were asked, and what they said."""
    match event.kind:
        case CaseKind.APPROVAL_ASKED:
            yield Line(event.at, "vorab", "I ask people first.")
        case CaseKind.APPROVAL_GIVEN | CaseKind.GOODWILL_APPROVED:
            yield Line(event.at, "person", f"I approve: {event.detail}".rstrip(": "))
        case CaseKind.DECLINED:
            yield Line(event.at, "person", f"I do not approve: {event.detail}".rstrip(": "))
        case CaseKind.APPROVED:
            yield Line(event.at, "vorab", f"Approved by {event.detail}.", "good", aside=True)
        case CaseKind.GOODWILL_PROPOSED:
            yield Line(event.at, "vorab", f"We could give {event.gesture}. {event.detail}", aside=True)
        case CaseKind.GOODWILL_GRANTED:
            yield Line(event.at, "vorab", f"Granted: {event.detail}.", aside=True)
        case CaseKind.GOODWILL_DECLINED:
            yield Line(event.at, "vorab", f"Not granted: {event.detail}.", aside=True)


def _by_person(event: CaseEvent, file: CaseFile) -> bool:
    # Whoever is not the customer is a person on our side, or at a partner.
    return any(command.id == event.because and command.by not in {"", "customer"} for command in file.commands)


def _resolved(event: CaseEvent) -> str:
    detail = event.detail.partition(": ")[2]
    return f"Proven: {detail}. Case closed." if event.healed and detail else "Well again. Case closed."


def _delivery(delivery: Delivery) -> Line:
    reason = REASONS[delivery.reason]
    text = {
        DeliveryState.SENT: "Message sent.",
        DeliveryState.DEFERRED: f"Message waits: {delivery.detail or reason}.",
        DeliveryState.SUPPRESSED: f"Not sent: {reason}.",
        DeliveryState.FAILED: f"Message failed: {reason}.",
        DeliveryState.UNKNOWN: "Message held: it may have arrived.",
    }[delivery.state]
    return Line(delivery.at, "phone", text, "good" if delivery.state is DeliveryState.SENT else "")
