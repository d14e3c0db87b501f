"""Everything that is held about one person, read from the log and the store of people: for the person, and to check an erasure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from vorab import topics
from vorab.clock import Micros, iso
from vorab.consents import consent_json
from vorab.errors import ConfigError, Rejected
from vorab.log import EventLog
from vorab.people import People
from vorab.records import (
    Answered,
    CaseEvent,
    Command,
    Consent,
    Heard,
    Record,
    Request,
    from_wire,
)
from vorab.sealing import found_in, replaced

FORMAT: Final = "vorab.person/1"
SINGLE: Final = ("entry", "contact_state")
"""Of these the last one counts."""
ABOUT: Final = {
    topics.CUSTOMERS: "entry",
    topics.DEVICES: "devices",
    topics.CONTRACTS: "contracts",
    topics.CASES: "cases",
    topics.NOTIFICATIONS: "notifications",
    topics.DELIVERIES: "deliveries",
    topics.REQUESTS: "requests",
    topics.DIALOGUE: "dialogue",
    topics.COMMANDS: "commands",
    topics.BOOKINGS: "bookings",
    topics.OFFERS: "offers",
    topics.CONSENTS: "consents",
    topics.CONTACT_STATE: "contact_state",
}
"""Where a person is told of, and what that is called in an export. Devices and cases come before what names only them."""
GONE: Final = "(erased)"


def ledger(log: EventLog, customer: str) -> list[Consent]:
    """What a customer (by key) agreed to or took back, oldest first."""
    found = {each.id: each for each in _records(log, topics.CONSENTS) if isinstance(each, Consent) and each.of == customer}
    return sorted(found.values(), key=lambda each: (each.at, each.purpose))


def everything(log: EventLog, people: People, customer: str, now: Micros) -> dict[str, Any]:
    """All that is held about a customer (by key), with their words opened."""
    person = people.get(customer)
    held: dict[str, Any] = {
        "format": FORMAT,
        "customer": customer,
        "made_at": iso(now),
        "person": _plain(asdict(person)) if person else None,
    }
    mine = _Mine(customer)
    for topic, name in ABOUT.items():
        found = {record.id if topic not in topics.REGISTRY else record.key: record for record in _records(log, topic) if mine.takes(record)}
        values = [_opened(record, people, customer) for record in sorted(found.values(), key=_order)]
        held[name] = (values[-1] if values else None) if name in SINGLE else values
    return held


class _Mine:
    """Which records are about a person: by customer, or by a case of theirs."""

    def __init__(self, customer: str) -> None:
        self._tenant, _, self._name = customer.partition("/")
        self._cases: set[str] = set()

    def takes(self, record: Record) -> bool:
        if record.tenant != self._tenant:
            return False
        if isinstance(record, Command):
            return record.case in self._cases
        if getattr(record, "customer", "") != self._name:
            return False
        if isinstance(record, CaseEvent):
            self._cases.add(record.case)
        return True


def _opened(record: Record, people: People, customer: str) -> dict[str, Any]:
    if isinstance(record, Consent):
        return consent_json(record)
    values = _plain(record.model_dump(mode="json"))
    if isinstance(record, Request | Heard | Answered) and record.said:
        values["said"] = people.opened(customer, [record.said])[0] or GONE
    if isinstance(record, CaseEvent | Command) and (sealed := found_in(record.detail)):
        words = {one: text for one, text in zip(sealed, people.opened(customer, sealed), strict=True) if text is not None}
        values["detail"] = replaced(record.detail, words, GONE)
    return values


def _order(record: Record) -> tuple[Micros, str]:
    return record.time, record.purpose if isinstance(record, Consent) else ""


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None, [], {})}


def _records(log: EventLog, topic: str) -> Iterator[Record]:
    """All of a topic up to where it ends now, without entries that were taken out; nothing where an older vorab made this log."""
    try:
        places = {(topic, partition): begin for partition, begin in log.begins(topic).items()}
    except ConfigError:
        return
    ends, gone, kept = log.ends(topic), topic in topics.REGISTRY, dict[str, Record]()
    while behind := {place: at for place, at in places.items() if at < ends[place[1]]}:
        entries = log.read(behind, limit=1_000, wait_s=1.0)
        if not entries:
            break
        for entry in entries:
            places[entry.topic, entry.partition] = entry.offset + 1
            key = (entry.key or b"").decode(errors="replace")
            if not entry.value:
                kept.pop(key, None)
                continue
            try:
                record = from_wire(entry.value, entry.headers)
            except Rejected:
                continue
            if gone:
                kept[key] = record
            else:
                yield record
    yield from kept.values()
