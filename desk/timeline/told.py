"""What a record says in a dialogue: who speaks, about what, by which words. Pure; the page of a case speaks with the same words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from desk.timeline.entry import Entry, Kind, Who
from vorab.clock import iso
from vorab.records import (
    Answered,
    Booking,
    CaseEvent,
    CaseKind,
    Command,
    CommandKind,
    Contact,
    ContactState,
    Corrected,
    Delivery,
    DeliveryState,
    HandedTo,
    Heard,
    Incident,
    IncidentKind,
    Meeting,
    Notification,
    Offer,
    Record,
    Request,
    type_of,
)
from vorab.sealing import found_in, replaced

VERDICTS: Final = frozenset({CommandKind.RIGHT, CommandKind.USEFUL, CommandKind.WRONG, CommandKind.TOO_LATE})
REFUSED: Final = "refused: "
"""How a note begins that says why something was not done."""


@dataclass(slots=True)
class Around:
    """What is known beside a record."""

    commands: Mapping[str, Command] = field(default_factory=dict)
    """By id."""
    notes: Mapping[str, Notification] = field(default_factory=dict)
    """By id."""
    devices: Mapping[str, str] = field(default_factory=dict)
    """Case → key of its device."""
    told: frozenset[str] = frozenset()
    """Ids of records that speak for themselves: what they bring about is not said again."""


_PLAIN: Final[Mapping[CaseKind, tuple[Kind, Who, str]]] = {
    CaseKind.CONSENT_ASKED: (Kind.CASE, Who.VORAB, ""),
    CaseKind.CONSENT_GIVEN: (Kind.REPLY, Who.CUSTOMER, "good"),
    CaseKind.CONSENT_REFUSED: (Kind.REPLY, Who.CUSTOMER, ""),
    CaseKind.ACTION_REQUESTED: (Kind.ATTEMPT, Who.VORAB, ""),
    CaseKind.ACTION_TIMED_OUT: (Kind.ATTEMPT, Who.VORAB, "bad"),
    CaseKind.PROVING: (Kind.ATTEMPT, Who.VORAB, ""),
    CaseKind.DISPROVED: (Kind.ATTEMPT, Who.VORAB, "bad"),
    CaseKind.HANDED_OVER: (Kind.CASE, Who.VORAB, "bad"),
    CaseKind.RELAPSED: (Kind.FAULT, Who.VORAB, "bad"),
    CaseKind.CONCLUDED: (Kind.CASE, Who.VORAB, ""),
    CaseKind.APPROVAL_ASKED: (Kind.DECISION, Who.VORAB, ""),
    CaseKind.APPROVAL_GIVEN: (Kind.DECISION, Who.AGENT, ""),
    CaseKind.GOODWILL_APPROVED: (Kind.DECISION, Who.AGENT, ""),
    CaseKind.DECLINED: (Kind.DECISION, Who.AGENT, ""),
}
"""Who says what, in which tone, where the kind of fact is all there is to say."""
_ASIDE: Final[Mapping[CaseKind, str]] = {
    CaseKind.APPROVED: "good",
    CaseKind.GOODWILL_PROPOSED: "",
    CaseKind.GOODWILL_GRANTED: "",
    CaseKind.GOODWILL_DECLINED: "",
}
"""What is said to itself, and in which tone."""
_BY_PEOPLE: Final[Mapping[CaseKind, Kind]] = {
    CaseKind.TAKEN: Kind.CASE,
    CaseKind.NOTED: Kind.NOTE,
    CaseKind.CALL_WISHED: Kind.REPLY,
    CaseKind.FALSE_ALARM: Kind.VERDICT,
}
_STATES: Final[Mapping[DeliveryState, str]] = {DeliveryState.SENT: "good", DeliveryState.FAILED: "bad", DeliveryState.UNKNOWN: "bad"}


def told(record: Record, around: Around) -> Iterator[Entry]:
    """What a record says: nothing, one thing, or two."""
    match record:
        case CaseEvent():
            yield from _event(record, around)
        case Notification():
            params = {"stage": record.stage.value, **_named(record.params)}
            yield _made(record, around, Kind.MESSAGE, Who.VORAB, "message", params, about=record.id)
        case Delivery():
            yield _delivery(record, around)
        case Request():
            kind = Kind.VERDICT if record.kind.value in {"was_wrong", "too_late"} else Kind.REPLY
            key = f"request.{record.kind.value}"
            more = {"channel": "page", "sealed": record.said, "about": record.notification}
            yield _made(record, around, kind, Who.CUSTOMER, key, {"text": record.text}, **more)
        case Booking():
            yield _booking(record, around)
        case Incident() if record.kind in {IncidentKind.OPENED, IncidentKind.JOINED, IncidentKind.RELEASED}:
            yield _incident(record, around)  # how it ends, its cases say
        case Heard() | Answered() | Corrected():
            yield _dialogue(record, around)
        case Offer():
            params = {"what": record.what, "mention": record.mention, "ends": record.ends.isoformat() if record.ends else ""}
            yield _made(record, around, Kind.OFFER, Who.VORAB, f"offer.{record.kind.value}", params, aside=True)
        case ContactState():
            params = {"until": iso(record.until) if record.until is not None else "", "open": record.open}
            tone = "good" if record.state is Contact.OK else ""
            yield _made(record, around, Kind.CONTACT, Who.VORAB, f"contact.{record.state.value}", params, tone=tone, aside=True)


def mark_of(record: Record) -> str:
    """Type and id: what makes a record one and the same."""
    return f"{type_of(record)} {record.id}"


def _made(record: Any, around: Around, kind: Kind, who: Who, words: str, params: Mapping[str, Any] | None = None, **more: Any) -> Entry:
    case = getattr(record, "case", "") or ""
    device = getattr(record, "device", "") or ""
    key = f"{record.tenant}/{device}" if device and "/" not in device else device or around.devices.get(case, "")
    kept = {name: value for name, value in (params or {}).items() if value not in ("", None)}
    for name, words_of_people in [(name, value) for name, value in kept.items() if isinstance(value, str) and found_in(value)]:
        more["sealed"] = found_in(words_of_people)[0]
        kept[name] = replaced(words_of_people, {}, "").strip()
    return Entry(record.id, kind, record.time, who, words, kept, **{"case": case, "device": key, **more})


def _named(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in ("cause", "name") if params.get(name)}


def _event(event: CaseEvent, around: Around) -> Iterator[Entry]:
    command = around.commands.get(event.because)
    said_elsewhere = command is not None and command.because in around.told
    if said_elsewhere and not event.detail.startswith(REFUSED):
        return
    words, params = f"case.{event.kind.value}", {"detail": _detail(event)}
    match event.kind:
        case CaseKind.OPENED | CaseKind.SYMPTOM_ADDED:
            yield from _fault(event, around)
        case CaseKind.RESOLVED:
            yield _resolved(event, command, around)
        case CaseKind.MACHINE_ASKED:
            yield _made(event, around, Kind.CASE, Who.VORAB, words + (".helper" if event.helper else ""), params)
        case CaseKind.MACHINE_ANSWERED if event.helper:
            yield _made(event, around, Kind.CASE, Who.MACHINE, words, params, aside=True)
        case kind if kind in _PLAIN:
            of, who, tone = _PLAIN[kind]
            extra = {"remedy": event.remedy, "action": event.remedy if kind is CaseKind.ACTION_REQUESTED else ""}
            yield _made(event, around, of, who, words, {**params, **extra}, tone=tone)
        case kind if kind in _ASIDE:
            extra = {"gesture": event.gesture} if event.goodwill else {}
            yield _made(event, around, Kind.DECISION, Who.VORAB, words, {**params, **extra}, tone=_ASIDE[kind], aside=True)
        case kind if kind in _BY_PEOPLE:
            yield _by_people(event, command, around)


def _fault(event: CaseEvent, around: Around) -> Iterator[Entry]:
    params = {
        "cause": event.cause, "name": event.name, "signal": event.signal, "unit": event.unit, "value": event.value, "limit": event.limit,
    }  # fmt: skip
    key = "fault" if event.value is None or not event.signal else "fault.value" if event.limit is None else "fault.limit"
    yield _made(event, around, Kind.FAULT, Who.MACHINE, key, params, tone="bad")
    if event.kind is CaseKind.OPENED and event.policy:
        yield _made(event, around, Kind.CASE, Who.VORAB, "case.policy", {"policy": event.policy}, aside=True)


def _resolved(event: CaseEvent, command: Command | None, around: Around) -> Entry:
    proof = event.detail.partition(": ")[2] if event.healed else ""
    who = Who.AGENT if command is not None and not event.healed and by_person(command) else Who.VORAB
    return _made(event, around, Kind.CASE, who, "case.proven" if proof else "case.resolved", {"detail": proof}, tone="good")


def _detail(event: CaseEvent) -> str:
    """What is said, without who says it where that stands beside it anyway."""
    by, colon, said = event.detail.partition(":")
    return said.strip() if colon and by in {"agent", "customer"} else event.detail


def _by_people(event: CaseEvent, command: Command | None, around: Around) -> Entry:
    kind, words = _BY_PEOPLE[event.kind], f"case.{event.kind.value}"
    person = command is not None and by_person(command)
    detail, who = _detail(event), Who.AGENT if person else Who.CUSTOMER
    if command is None and event.kind is CaseKind.NOTED:
        who = Who.VORAB  # a promise was missed
    if command is not None and not detail.startswith(REFUSED):
        if command.kind in VERDICTS:
            kind, words = Kind.VERDICT, f"verdict.{command.kind.value}"
        elif command.kind is CommandKind.COMPLAINT:
            kind, words, who = Kind.REPLY, "case.complaint", Who.CUSTOMER
    params = {"detail": detail, "about": command.about if command is not None else ""}
    return _made(event, around, kind, who, words, params)


def by_person(command: Command) -> bool:
    """Whether a person on our side, or at a partner, asked for it: whoever is neither the customer nor vorab itself."""
    return command.by not in {"", "customer"}


def _delivery(delivery: Delivery, around: Around) -> Entry:
    note = around.notes.get(delivery.notification)
    case = delivery.case or (note.case if note else "")
    device = f"{note.tenant}/{note.device}" if note else around.devices.get(case, "")
    params = {"reason": delivery.reason.value, "detail": delivery.detail, "channel": delivery.channel}
    if delivery.due_at is not None:
        params["until"] = iso(delivery.due_at)
    return _made(
        delivery, around, Kind.RECEIPT, Who.VORAB, f"receipt.{delivery.state.value}", params, channel=delivery.channel, case=case,
        device=device, about=delivery.notification, tone=_STATES.get(delivery.state, ""), aside=True,
    )  # fmt: skip


def _booking(fact: Booking, around: Around) -> Entry:
    kind = Kind.CALL if fact.how is Meeting.PHONE else Kind.VISIT
    who = Who.CUSTOMER if fact.by == "customer" else Who.VORAB if fact.by in {"", "vorab", "callbacks"} else Who.AGENT
    params = {
        "how": kind.value, "start": iso(fact.start) if fact.start is not None else "", "attempts": fact.attempts,
        "refusal": fact.reason.value,
    }  # fmt: skip
    tone = {"booked": "good", "reached": "good", "closed": "bad", "not_reached": "bad"}.get(fact.kind.value, "")
    return _made(fact, around, kind, who, f"booking.{fact.kind.value}", params, about=fact.booking, tone=tone)


def _incident(fact: Incident, around: Around) -> Entry:
    mine = [case for case in fact.children if case in around.devices]
    case = mine[0] if mine else ""
    key = "incident.released" if fact.kind is IncidentKind.RELEASED else "incident.part"
    params = {"group": fact.group, "total": fact.total, "mine": len(mine)}
    return _made(fact, around, Kind.INCIDENT, Who.VORAB, key, params, case=case, device=around.devices.get(case, ""), about=fact.incident)


def _dialogue(record: Heard | Answered | Corrected, around: Around) -> Entry:
    match record:
        case Heard():
            params: dict[str, Any] = {
                "intent": record.intent, "doubts": ", ".join(record.doubts), "edited": record.edited or None,
                "public": record.public or None, "person": (record.handed_to is HandedTo.PERSON) or None,
            }  # fmt: skip
            more = {"channel": record.channel, "sealed": record.said, "about": record.answers}
            return _made(record, around, Kind.REPLY, Who.CUSTOMER, "heard", params, **more)
        case Answered():
            params = {"answer": record.answer, "source": record.source}
            who = Who.VORAB if record.by == "vorab" else Who.AGENT
            more = {"channel": record.channel, "sealed": record.said, "about": record.heard}
            return _made(record, around, Kind.ANSWER, who, "answered", params, **more)
        case Corrected():
            params = {"intent": record.intent, "before": record.before}
            return _made(record, around, Kind.CORRECTION, Who.AGENT, "corrected", params, about=record.heard, aside=True)
