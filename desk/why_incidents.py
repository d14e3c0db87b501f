"""The causal chain of an incident: the cases that opened it, what explains them, what became of it, and what customers were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from desk import store as tables
from desk.chain import Chain, Link
from desk.queries import ID_CHARACTERS, SHORTEST, Queries
from desk.words import case_line, group_words, incident_sentence, stage_words
from vorab.groups import without_cause
from vorab.records import CaseEvent, Delivery, Incident, IncidentKind, Notification, type_of

FIRST: Final = 5
"""Cases that opened it, told one by one."""
MOST_ASKED: Final = 500
"""Ids in one question to the database."""

_TITLES: Final = {
    IncidentKind.OPENED: "Incident opened",
    IncidentKind.JOINED: "More cases joined",
    IncidentKind.RESOLVED: "All are well",
    IncidentKind.RELAPSED: "It came back",
    IncidentKind.RELEASED: "Some stand for themselves again",
    IncidentKind.ENDS_SOON: "The silence ends soon",
    IncidentKind.CLOSED: "Closed",
    IncidentKind.ALONE: "Stands for itself",
}
OF_CASE: Final = {IncidentKind.RELEASED: "Stands for itself again"}
"""What a fact means to one of its cases, where that is not that it is part of it."""


@dataclass(slots=True)
class IncidentFile:
    """Everything about one incident."""

    facts: Sequence[Incident]
    """In their order."""
    openings: Sequence[CaseEvent] = ()
    """How the cases that opened it began."""
    notes: Sequence[Notification] = ()
    deliveries: Sequence[Delivery] = field(default_factory=tuple)

    @property
    def last(self) -> Incident:
        """The state now."""
        return self.facts[-1]

    def opened_by(self) -> list[str]:
        """The cases that opened it, also where one record could not name all of them."""
        first = self.facts[0]
        batch = [fact for fact in self.facts if fact.at == first.at and fact.kind in {IncidentKind.OPENED, IncidentKind.JOINED}]
        return [case for fact in batch for case in fact.children]


def chain_of(queries: Queries, start: str) -> Chain | None:
    """The chain of an incident, or of one of its facts, by the beginning of its id; None where nobody knows it."""
    incident = incident_of(queries, start)
    file = _file(queries, incident) if incident else None
    return chain(file, incident if incident.startswith(start) else start) if file else None


def chain(file: IncidentFile, asked: str) -> Chain:
    """The chain of an incident."""
    found = sorted(_links(file), key=lambda link: link.at)  # stable: causes stand first
    for link in found:
        link.path, link.asked = True, link.id == asked
    last = file.last
    return Chain(asked, "incident", "", last.key, incident_sentence(last), found, last.incident)


def facts_about(queries: Queries, case: str) -> list[Incident]:
    """What was said of incidents that names a case."""
    r = tables.records.c
    found = queries.records(r.kind.like("io.vorab.incident.%"), r.body.contains(case, autoescape=True))
    return [each for each in found if isinstance(each, Incident) and case in each.children]


def case_links(facts: Sequence[Incident]) -> Iterator[Link]:
    """The same as links in the chain of the case."""
    for fact in facts:
        title = OF_CASE.get(fact.kind, "Part of an incident")
        text = f"{group_words(fact.group)}, with {fact.total - 1:,} other cases so far"
        yield Link(fact.id, "incident", _what(fact), fact.at, title, text, "", {"incident": fact.incident, "group": fact.group})


# --------------------------------------------------------------------------------------------------------- links


def _links(file: IncidentFile) -> Iterator[Link]:
    first = {event.case: event for event in file.openings}
    opened_by = file.opened_by()
    for case in [case for case in opened_by if case in first][:FIRST]:
        event = first[case]
        yield Link(event.id, "case", "case.opened", event.at, *case_line(event), event.because, {"case": case, "policy": event.policy})
    devices = {event.key for event in file.openings if event.case in set(opened_by)}
    for fact in file.facts:
        text = _opened(fact, len(opened_by), len(devices)) if fact.kind is IncidentKind.OPENED else _text(fact)
        facts: dict[str, Any] = {
            "incident": fact.incident, "group": fact.group, "cases": fact.total, "open": fact.open, "customers": fact.customers,
            "devices": fact.devices or None, "root": fact.root, "children": list(fact.children[:FIRST]), "causes": list(fact.causes),
        }  # fmt: skip
        if fact.kind is IncidentKind.OPENED and devices:
            facts["with_a_case"] = len(devices)
        facts = {name: value for name, value in facts.items() if value not in (None, "", [])}
        yield Link(fact.id, "incident", _what(fact), fact.at, _TITLES[fact.kind], text, fact.root, facts)
    yield from _told(file)


def _opened(fact: Incident, cases: int, devices: int) -> str:
    where = group_words(fact.group)
    if fact.until is not None and not cases:
        return f"{where} is silenced: {fact.detail}"
    some = f"{cases:,} {'case' if cases == 1 else 'cases'}"
    of = f"of {fact.devices:,} in the group" if fact.devices else "of a group nobody has counted"
    which = f"{where}, {of}" if without_cause(fact.group) != "fleet" else f"{where}, {of.replace('group', 'fleet')}"
    why = f"; case {fact.root[:8]} explains them, whatever their number" if fact.root else ""
    return f"{some} on {devices:,} {'device' if devices == 1 else 'devices'} at the same time: {which}{why}"


def _text(fact: Incident) -> str:
    count = len(fact.children)
    if count:
        said = f"{count:,} {'case' if count == 1 else 'cases'}, {fact.total:,} so far"
    else:
        said = f"{fact.total:,} cases, {fact.open:,} not well"
    return f"{said}; {fact.detail}" if fact.detail else said


def _told(file: IncidentFile) -> Iterator[Link]:
    """What customers were told, counted by what it was."""
    last: dict[str, Delivery] = {}
    for delivery in sorted(file.deliveries, key=lambda each: each.at):
        last[delivery.notification] = delivery
    for stage in dict.fromkeys(note.stage for note in file.notes):
        mine = [note for note in file.notes if note.stage is stage]
        became = Counter(last[note.id].state.value for note in mine if note.id in last)
        customers = len({note.key for note in mine})
        text = f"{stage_words(stage)}: {customers:,} {'customer' if customers == 1 else 'customers'}"
        text += "".join(f", {number:,} {state}" for state, number in sorted(became.items()))
        facts = {"customers": customers, "messages": len(mine), "became": dict(sorted(became.items()))}
        at = max(mine[0].at, file.facts[0].at)  # a message is as old as what it is about, and may have waited for the incident
        yield Link(mine[0].id, "notification", "notification", at, "Customers told", text, mine[0].because, facts)


def _what(fact: Incident) -> str:
    return type_of(fact).removeprefix("io.vorab.").removesuffix(".v1")


# --------------------------------------------------------------------------------------------------------- tables


def incident_of(queries: Queries, start: str) -> str:
    """The incident whose id begins like this, or of which a fact has it; empty where none or several do."""
    if len(start) < SHORTEST or not set(start) <= ID_CHARACTERS:
        return ""
    column = tables.incidents.c.incident
    query = sa.select(column.label("found")).where(column >= start, column < start + "\x7f").limit(2)
    found = [str(row["found"]) for row in queries.store.rows(query)]
    if found:
        return found[0] if len(found) == 1 else start if start in found else ""
    record = queries.find(start)
    return record.incident if isinstance(record, Incident) else ""


def _file(queries: Queries, incident: str) -> IncidentFile | None:
    r = tables.records.c
    facts = [
        each
        for each in queries.records(r.kind.like("io.vorab.incident.%"), r.body.contains(incident, autoescape=True))
        if isinstance(each, Incident) and each.incident == incident
    ]
    if not facts:
        return None
    file = IncidentFile(sorted(facts, key=lambda fact: fact.seq))
    cases = file.opened_by()
    file.openings = [
        each
        for start in range(0, len(cases), MOST_ASKED)
        for each in queries.records(r.kind == "io.vorab.case.opened.v1", r.case.in_(cases[start : start + MOST_ASKED]))
        if isinstance(each, CaseEvent)
    ]
    file.notes = [
        each
        for each in queries.records(r.kind.like("io.vorab.notification%"), r.body.contains(incident, autoescape=True))
        if isinstance(each, Notification) and each.incident == incident
    ]
    names = {note.id for note in file.notes}
    about = sorted({note.case for note in file.notes})
    file.deliveries = [
        each
        for start in range(0, len(about), MOST_ASKED)
        for each in queries.records(r.kind.like("io.vorab.delivery%"), r.case.in_([*about[start : start + MOST_ASKED], ""]))
        if isinstance(each, Delivery) and each.notification in names
    ]
    return file
