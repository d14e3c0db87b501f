"""What the desk says about records, in the operator's English: pure functions, no markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from desk.advice import waits_for_approval
from vorab.clock import MINUTE, SECOND, Micros
from vorab.records import (
    CaseEvent,
    CaseKind,
    Delivery,
    DeliveryReason,
    DeliveryState,
    Incident,
    IncidentStatus,
    ReplyStatus,
    Severity,
    Stage,
    Status,
)

if TYPE_CHECKING:
    from desk.queries import CaseFile
    from desk.sla import Promise, SlaClock

KINDS: Final[dict[CaseKind, str]] = {
    CaseKind.OPENED: "Case opened",
    CaseKind.SYMPTOM_ADDED: "Symptom added",
    CaseKind.SYMPTOM_CLEARED: "Symptom gone",
    CaseKind.CONSENT_ASKED: "Consent asked",
    CaseKind.CONSENT_GIVEN: "Consent given",
    CaseKind.CONSENT_REFUSED: "Consent refused",
    CaseKind.PERMIT_ASKED: "Fleet limit asked",
    CaseKind.PERMIT_GRANTED: "Fleet limit granted",
    CaseKind.PERMIT_REFUSED: "Fleet limit refused",
    CaseKind.ACTION_REQUESTED: "Command decided",
    CaseKind.ACTION_ANSWERED: "Machine answered",
    CaseKind.ACTION_TIMED_OUT: "No answer in time",
    CaseKind.MACHINE_ASKED: "Machine asked",
    CaseKind.MACHINE_ANSWERED: "Machine said",
    CaseKind.CONCLUDED: "Concluded",
    CaseKind.PROVING: "Waiting for proof",
    CaseKind.DISPROVED: "Not believed",
    CaseKind.HANDED_OVER: "Handed to a person",
    CaseKind.TAKEN: "Taken",
    CaseKind.APPROVAL_ASKED: "Approval asked",
    CaseKind.APPROVAL_GIVEN: "A person approves",
    CaseKind.APPROVED: "Approved",
    CaseKind.DECLINED: "Declined",
    CaseKind.GOODWILL_PROPOSED: "Goodwill proposed",
    CaseKind.GOODWILL_APPROVED: "A person approves goodwill",
    CaseKind.GOODWILL_ASKED: "Account asked",
    CaseKind.GOODWILL_GRANTED: "Goodwill granted",
    CaseKind.GOODWILL_DECLINED: "Goodwill declined",
    CaseKind.NOTED: "Note",
    CaseKind.CALL_WISHED: "Customer wishes a call",
    CaseKind.FALSE_ALARM: "Customer says: nothing was wrong",
    CaseKind.RESOLVED: "Resolved",
    CaseKind.CLOSED: "Closed",
    CaseKind.RELAPSED: "It came back",
}

STATUS: Final[dict[Status, str]] = {
    Status.ACKNOWLEDGED: "new",
    Status.IN_PROGRESS: "vorab is on it",
    Status.PENDING: "waits for the customer",
    Status.HELD: "needs a person",
    Status.RESOLVED: "resolved",
    Status.CLOSED: "closed",
    Status.REJECTED: "rejected",
    Status.CANCELLED: "false alarm",
}

REASONS: Final[dict[DeliveryReason, str]] = {
    DeliveryReason.NONE: "",
    DeliveryReason.QUIET_HOURS: "quiet hours",
    DeliveryReason.QUIET_DAY: "Sunday or public holiday",
    DeliveryReason.BRAKE: "too many messages within an hour",
    DeliveryReason.HABITS: "they answer at another hour",
    DeliveryReason.BUDGET: "enough messages for now",
    DeliveryReason.GROUPED: "said in another message",
    DeliveryReason.ALREADY_FIXED: "already fixed",
    DeliveryReason.SUPERSEDED: "newer news came first",
    DeliveryReason.NO_CONSENT: "no consent to such messages",
    DeliveryReason.NO_CHANNEL: "no way to reach them",
    DeliveryReason.UNKNOWN_CUSTOMER: "nobody knows this customer",
    DeliveryReason.EXPIRED: "too old to be news",
    DeliveryReason.DUPLICATE: "said before",
    DeliveryReason.SHADOW: "shadow mode: nothing leaves the house",
    DeliveryReason.REFUSED: "refused by the channel",
    DeliveryReason.UNREACHABLE: "the channel could not be reached",
    DeliveryReason.INTERRUPTED: "interrupted; it may have arrived",
}

STAGES: Final[dict[Stage, str]] = {
    Stage.CONSENT: "May we restart it remotely?",
    Stage.PERSON_NEEDED: "A person is looking after it",
    Stage.INCIDENT: "Many are affected; we are on it",
    Stage.HEALED: "It was fixed",
    Stage.RESOLVED: "It is settled",
}

SHAPES: Final[dict[Severity, str]] = {
    Severity.CRITICAL: "◆",
    Severity.MAJOR: "▲",
    Severity.MINOR: "●",
    Severity.WARNING: "○",
}

UNITS: Final[dict[str, str]] = {"Cel": "°C", "1": "", "%": "%", "mm/s": "mm/s"}

SAID: Final[dict[ReplyStatus, str]] = {
    ReplyStatus.ACCEPTED: "Understood.",
    ReplyStatus.RUNNING: "On it.",
    ReplyStatus.SUCCEEDED: "Done.",
    ReplyStatus.FAILED: "That did not work.",
    ReplyStatus.REJECTED: "I will not do that.",
    ReplyStatus.EXPIRED: "(too late: the command had expired)",
    ReplyStatus.TIMED_OUT: "(no answer)",
    ReplyStatus.CANCELLED: "(cancelled)",
}


def spaced(name: str) -> str:
    """`low_pressure` as words."""
    return name.replace("_", " ").replace(".", ": ")


def unit(name: str) -> str:
    """How a unit is written for people."""
    return UNITS.get(name, name)


def number(value: float | None, of: str = "") -> str:
    """A value with its unit, at most four digits after the point."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    text = f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"
    return f"{text} {unit(of)}".strip()


def stage_words(stage: Stage | None) -> str:
    """What a message of this stage says, in a few words."""
    return STAGES[stage] if stage is not None else "message"


def group_words(group: str) -> str:
    """What devices have in common: `site ahornweg`, `heat pump, firmware 4.2.0: low pressure`."""
    whole, _, cause = group.partition("|")
    kind, _, name = whole.partition("/")
    model, _, firmware = name.rpartition("/")
    said = {
        "parent": f"behind {name}",
        "site": f"site {name}",
        "firmware": f"{spaced(model).replace('-', ' ')}, firmware {firmware}",
        "model": spaced(name).replace("-", " "),
        "device": name,
        "fleet": "all devices",
    }.get(kind, group)
    return f"{said}: {spaced(cause)}" if cause else said


def incident_sentence(last: Incident) -> str:
    """What an incident is, and how it is."""
    cases = f"{last.total:,} {'case' if last.total == 1 else 'cases'}"
    where = group_words(last.group)
    where = where[0].upper() + where[1:]
    if last.until is not None and last.status is IncidentStatus.OPEN:
        return f"{where}: silenced, {cases}."
    if last.status is IncidentStatus.OPEN:
        return f"{where}: {cases}, {last.open:,} not well."
    return f"{where}: {cases}, all well again."


def case_line(event: CaseEvent) -> tuple[str, str]:
    """Title and text of a case event."""
    text = event.detail
    if event.kind is CaseKind.OPENED:
        text = f"{spaced(event.cause)} on {event.name or event.device}, priority {event.priority}"
    elif event.kind is CaseKind.ACTION_REQUESTED:
        text = f"{event.remedy}: {event.policy}" if event.policy else event.remedy
    elif event.kind is CaseKind.PROVING:
        text = "The machine says it is done. Only its readings can prove it."
    elif event.kind is CaseKind.DISPROVED:
        text = "The machine said it was done, and its readings say it is not."
    return KINDS[event.kind], text


def delivery_line(delivery: Delivery) -> tuple[str, str]:
    """Title and text of what became of a message."""
    reason = REASONS[delivery.reason]
    match delivery.state:
        case DeliveryState.SENT:
            return "Sent", f"by {delivery.channel}"
        case DeliveryState.SUPPRESSED:
            return "Not sent", reason
        case DeliveryState.DEFERRED:
            return "Waits", f"{reason}: {delivery.detail}" if delivery.detail else reason
        case DeliveryState.FAILED:
            return "Failed", "; ".join(part for part in (reason, delivery.detail) if part)
        case DeliveryState.UNKNOWN:
            return "Held", "it may have arrived, so it is not sent again"


def span(length: Micros, *, coarse: bool = False) -> str:
    """A length of time in words: `40 s`, `18 min`, `3 h 20 min` (coarse: `3 h`), `4 d`."""
    seconds = max(0, length) // SECOND
    if seconds < 100:
        return f"{seconds} s"
    minutes = max(0, length) // MINUTE
    if minutes < 100:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} min" if rest and not coarse else f"{hours} h"
    return f"{hours // 24} d"


def money(cents: int, currency: str) -> str:
    """`20.00 EUR`."""
    return f"{cents // 100:,}.{cents % 100:02} {currency}".strip()


def sla_words(clock: SlaClock) -> str:
    """`SLA clock 3 h 20 min, stood still for 14 h while the customer was waited for`."""
    said = f"SLA clock {span(clock.ours)}" + ("" if clock.runs else ", stopped")
    return f"{said}; {span(clock.customers)} the customer was waited for" if clock.customers else said


def promise_words(promise: Promise) -> str:
    """`repair promised within 8 h: 3 h left`."""
    said = f"{promise.name} promised within {span(promise.within)}"
    if promise.left < 0:
        return f"{said}: {span(-promise.left)} late"
    return f"{said}: {span(promise.left)} left" if promise.open else f"{said}: kept"


def sentence(file: CaseFile) -> str:
    """The one sentence somebody who opens a case came for."""
    last, name = file.last, file.last.name or file.last.device
    kinds = {event.kind for event in file.events}
    wrong = spaced(last.cause)
    if not last.status.open:
        return _over(file, name, wrong)
    if last.status is Status.HELD:
        if waits_for_approval(file.events):
            return f"{name} has {wrong}. vorab waits for approval: {len(last.approvals)} of {last.approvals_needed} so far."
        if CaseKind.DISPROVED in kinds:
            return f"{name} said it was done, and is not: {wrong} is still there. It needs a person."
        return f"{name} needs a person: {wrong}, for {span(last.at - (last.onset or last.opened_at))} before it was handed over."
    if last.status is Status.PENDING:
        return f"{name} has {wrong}. vorab has asked its owner for permission to restart it."
    return _in_work(file, name, wrong, kinds)


def _in_work(file: CaseFile, name: str, wrong: str, kinds: set[CaseKind]) -> str:
    if CaseKind.TAKEN in kinds:
        return f"Somebody is working on {name}: {wrong}."
    if CaseKind.PROVING in kinds:
        return f"{name} says it is done. vorab waits for its readings to prove it."
    if file.actions:
        return f"{name} has {wrong}. vorab has asked it to {file.actions[-1].name}."
    return f"{name} has {wrong}. vorab is watching."


def _over(file: CaseFile, name: str, wrong: str) -> str:
    last = file.last
    ended = next((event for event in reversed(file.events) if event.kind is CaseKind.RESOLVED), last)
    length = span(ended.at - (last.onset or last.opened_at))
    if last.status is Status.CANCELLED:
        return f"The customer says nothing was wrong with {name}."
    if any(event.healed for event in file.events) and file.actions:
        return f"{name} healed itself: {wrong}, over after {length}, proven by its own readings."
    if any(event.because == event.case or event.healed for event in file.events if event.kind is CaseKind.RESOLVED):
        return f"{name} is well again: {wrong}, over after {length}, proven by its own readings."
    return f"{name} is settled: {wrong}, over after {length}."
