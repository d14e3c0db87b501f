"""The causal chain of anything with an id: from the readings that were unusual to the message that was sent, or not sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from desk.chain import Chain, Link
from desk.queries import CaseFile, Queries
from desk.why_incidents import case_links, chain_of, facts_about
from desk.words import case_line, delivery_line, number, sentence, stage_words
from vorab.clock import iso
from vorab.records import (
    Action,
    CaseEvent,
    CaseKind,
    Command,
    Delivery,
    Incident,
    Notification,
    Permit,
    PermitState,
    Recall,
    Record,
    Reply,
    Request,
    Symptom,
    SymptomState,
    type_of,
)

SPOKEN_ELSEWHERE: Final = frozenset(
    {CaseKind.PERMIT_ASKED, CaseKind.PERMIT_GRANTED, CaseKind.PERMIT_REFUSED, CaseKind.ACTION_ANSWERED, CaseKind.SYMPTOM_CLEARED}
)
"""Case events that only repeat a record which stands in the chain itself."""


ORDER: Final = (
    "symptom.raised",
    "request",
    "command",
    "case.opened",
    "case.consent",
    "permit.asked",
    "permit",
    "case.action_requested",
    "action",
    "reply",
    "symptom",
    "case",
    "notification",
    "delivery",
)


def why(queries: Queries, any_id: str) -> Chain | None:
    """The chain of a symptom, case, action, message or incident (or of any other record); None where nobody knows the id.

    The first eight or more characters of an id are enough where they fit one only.
    """
    full = queries.resolve(any_id)
    if full is None or isinstance(queries.find(full), Incident):
        return chain_of(queries, full or any_id)
    file = queries.case(full)
    kind = "case"
    if file is None:
        record = queries.find(full)
        if record is None:
            return None
        kind = _kind(record)
        case = queries.case_of(record)
        file = queries.case(case) if case else None
        if file is None:
            return alone(record, full)
    return chain(file, full, kind, list(case_links(facts_about(queries, file.case))))


def chain(file: CaseFile, asked: str, kind: str, beside: Sequence[Link] = ()) -> Chain:
    """The chain of a case, with what led to what was asked about; `beside` stands in it as well: the incidents it belonged to."""
    found = sorted([*links(file), *beside], key=lambda link: (link.at, _rank(link)))
    _mark(found, asked)
    incident = next((str(link.facts["incident"]) for link in reversed(beside) if link.kind == "incident"), "")
    return Chain(asked, kind, file.case, file.last.key, sentence(file), found, incident)


def links(file: CaseFile) -> list[Link]:
    """All steps of a case in order of time; at one time, causes before what they brought about."""
    return sorted(_links(file), key=lambda link: (link.at, _rank(link)))  # stable: what was read first stands first


def _rank(link: Link) -> int:
    return next((place for place, start in enumerate(ORDER) if link.what.startswith(start)), len(ORDER))


def alone(record: Record, full: str) -> Chain:
    """The chain of a record that belongs to no case."""
    link = _link(record)
    link.asked = link.path = True
    return Chain(full, _kind(record), "", record.key, link.text, [link])


def _kind(record: Record) -> str:
    return type_of(record).split(".")[2]


def _what(record: Record) -> str:
    return type_of(record).removeprefix("io.vorab.").removesuffix(".v1")


def _links(file: CaseFile) -> Iterator[Link]:
    for record in file.all():
        if isinstance(record, CaseEvent) and record.kind in SPOKEN_ELSEWHERE:
            continue
        yield _link(record)


def _link(record: Record) -> Link:
    make = _MAKERS.get(type(record))
    if make is None:
        return Link(record.id, _kind(record), _what(record), record.time, _what(record), "", "")
    title, text, because, facts = make(record)
    facts = {name: value for name, value in facts.items() if value not in (None, "", {}, ())}
    return Link(record.id, _kind(record), _what(record), record.time, title, text, because, facts)


_Made = tuple[str, str, str, dict[str, Any]]


def _symptom(symptom: Symptom) -> _Made:
    raised = symptom.state is SymptomState.RAISED
    title = {
        SymptomState.RAISED: "Symptom found",
        SymptomState.UPDATED: "Symptom changed",
        SymptomState.CLEARED: "Symptom gone",
        SymptomState.CONFIRMED: "Readings confirm it",
    }
    facts = {
        "rule": f"{symptom.rule}@{symptom.rule_version}",
        "detector": symptom.detector,
        "signal": symptom.signal,
        "value": number(symptom.value, symptom.unit),
        "limit": number(symptom.limit, symptom.unit),
        "onset": iso(symptom.onset),
        "detected_at": iso(symptom.detected_at),
        "readings": len(symptom.evidence) if raised else None,
    }
    because = symptom.confirms or ("" if raised else symptom.id)
    return title[symptom.state], symptom.explanation or symptom.cause.replace("_", " "), because, facts


def _case(event: CaseEvent) -> _Made:
    title, text = case_line(event)
    return title, text, event.because, {"policy": event.policy, "status": event.status.value, "priority": event.priority}


def _permit(permit: Permit) -> _Made:
    if permit.state is PermitState.ASKED:
        return "Fleet limit asked", f"May one more machine do “{permit.remedy}” now?", permit.case, {"action": permit.action}
    words = "granted" if permit.state is PermitState.GRANTED else "refused"
    text = f"“{permit.remedy}”: {permit.reason}" if permit.reason else f"“{permit.remedy}”"
    return f"Fleet limit {words}", text, permit.id, {"action": permit.action, "expires_at": iso(permit.expires_at)}


def _action(action: Action) -> _Made:
    facts = {"not_before": iso(action.not_before), "not_after": iso(action.not_after), "attempt": action.attempt, "permit": action.permit}
    return "Command sent", f"{action.name}, attempt {action.attempt}", action.permit or action.case, {**facts, "params": action.params}


def _recall(recall: Recall) -> _Made:
    return "Command taken back", "it was not answered yet", recall.because, {"action": recall.action}


def _reply(reply: Reply) -> _Made:
    progress = f"{reply.progress} %" if reply.progress is not None else ""
    text = ", ".join(part for part in (reply.status.value.replace("_", " "), progress, reply.detail) if part)
    return "Machine answered", text, reply.action, {"code": reply.code, "result": reply.result}


def _notification(note: Notification) -> _Made:
    return "Message decided", stage_words(note.stage), note.because, {"stage": note.stage.value, "expires_at": iso(note.expires_at)}


def _delivery(delivery: Delivery) -> _Made:
    title, text = delivery_line(delivery)
    facts = {"state": delivery.state.value, "reason": delivery.reason.value, "channel": delivery.channel}
    return title, text, delivery.notification, {**facts, "decided_by": delivery.decided_by, "preferences": delivery.preferences}


def _command(command: Command) -> _Made:
    return (
        "Asked for",
        f"{command.by or 'somebody'}: {command.kind.value.replace('_', ' ')}",
        command.because,
        {"detail": command.detail, "about": command.about},
    )


def _request(request: Request) -> _Made:
    return "The customer answered", request.kind.value.replace("_", " "), request.notification, {}


_MAKERS: Final[dict[type[Record], Any]] = {
    Symptom: _symptom,
    CaseEvent: _case,
    Permit: _permit,
    Action: _action,
    Recall: _recall,
    Reply: _reply,
    Notification: _notification,
    Delivery: _delivery,
    Command: _command,
    Request: _request,
}


def _mark(found: list[Link], asked: str) -> None:
    """Mark what was asked about and everything that led to it; for a whole case, all of it."""
    first: dict[str, Link] = {}
    for link in found:
        first.setdefault(link.id, link)
        link.asked = link.id == asked
    if asked not in first:
        for link in found:
            link.path = True
        return
    opened = next((link.id for link in found if link.what == "case.opened"), "")
    reached: set[str] = set()
    waiting = [asked]
    while waiting:
        name = waiting.pop()
        if not name or name in reached:
            continue
        reached.add(name)
        # What a case does by itself, or at a deadline, goes back to how it was opened.
        waiting.append(first[name].because if name in first else opened)
    for link in found:
        link.path = link.id in reached
