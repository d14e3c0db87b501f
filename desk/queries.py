"""What pages ask the tables: cases, their events, messages, curves, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from desk import store as tables
from desk.fold import NOT_SENT, SPENT
from desk.registry_queries import RegistryQueries
from desk.sealed import CLOSED, Seal, closed, whose
from desk.store import Store
from vorab import topics
from vorab.clock import Micros
from vorab.errors import Unavailable
from vorab.ranking import Book
from vorab.records import (
    Action,
    CaseEvent,
    Command,
    Consent,
    Contract,
    Customer,
    Delivery,
    Device,
    IncidentStatus,
    Notification,
    Permit,
    Recall,
    Record,
    Reply,
    Request,
    Status,
    Symptom,
)
from vorab.records import family_of as family
from vorab.registry.kinds import CONTRACTS, CUSTOMERS, DEVICES

SHORTEST: Final = 8
"""Characters of an id that are enough to ask for it."""
ID_CHARACTERS: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_/.:")
MOST_STRANGERS: Final = 600
"""Devices nobody registered that the console shows by name."""
RECORDED: Final = topics.RECORDED_TENANT + "/%"
OPEN: Final = [status.value for status in Status if status.open]


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as a line of the queue."""

    last: CaseEvent
    device: Device | None
    needs_person: bool
    healed: bool
    changed_at: Micros


def spoken_for(case: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a case belongs to an incident that is not closed."""
    child, incident = tables.children.c, tables.incidents.c
    return sa.exists().where(child.case == case, child.incident == incident.incident, incident.status != IncidentStatus.CLOSED)


@dataclass(frozen=True, slots=True)
class Machine:
    """A device and how it is."""

    device: Device
    state: str
    """`ok`, `healed`, `vorab`, `customer`, `hands` or `person`."""
    case: str
    registered: bool = True
    """Whether the registry knows it; a device that speaks gets care also where it does not."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message and what became of it last."""

    delivery: Delivery
    note: Notification | None


@dataclass(slots=True)
class CaseFile:
    """Everything about one case."""

    case: str
    events: list[CaseEvent] = field(default_factory=list)
    symptoms: list[Symptom] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    recalls: list[Recall] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    permits: list[Permit] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    device: Device | None = None
    contract: Contract | None = None
    """In force when it was opened."""

    @property
    def last(self) -> CaseEvent:
        """The state now."""
        return self.events[-1]

    def all(self) -> Iterator[Record]:
        """Every record, causes before what they brought about where both carry the same time."""
        kinds: tuple[Sequence[Record], ...] = (
            self.symptoms, self.requests, self.commands, self.events, self.permits, self.actions, self.recalls, self.replies,
            self.notifications, self.deliveries,
        )  # fmt: skip
        for records in kinds:
            yield from records


class Queries:
    """Read-only questions."""

    def __init__(self, store: Store, seal: Seal | None = None) -> None:
        """`seal` opens what people wrote; without it, it stays closed."""
        self.store = store
        self._seal = seal
        self.registry = RegistryQueries(store)
        self._devices: list[Device] = []
        self._version = -1

    def device(self, key: str) -> Device | None:
        """The registry's entry."""
        found: Device | None = self.registry.get(DEVICES, key)
        return found

    def customer(self, key: str) -> Customer | None:
        """The registry's entry."""
        found: Customer | None = self.registry.get(CUSTOMERS, key)
        return found

    def contract_of(self, device: Device | None, at: Micros) -> Contract | None:
        """The contract under which a device stands at a moment (µs)."""
        if device is None or not device.contract:
            return None
        found: Contract | None = self.registry.get(CONTRACTS, topics.key_of(device.tenant, device.contract))
        return found if found is not None and found.in_force(at) else None

    def cases(self, *, only_open: bool = False, loose: bool = False, limit: int = 200, offset: int = 0) -> list[CaseRow]:
        """Cases: those that need a person first, then by priority, then by age; `loose`: without those an incident stands for."""
        c = tables.cases.c
        query = sa.select(tables.cases, tables.devices.c.body.label("device_body")).outerjoin(
            tables.devices, tables.devices.c.device == c.device
        )
        if only_open:
            query = query.where(c.status.in_(OPEN))
        if loose:
            query = query.where(~spoken_for(c.case))
        query = query.order_by(c.needs_person.desc(), c.status.in_(OPEN).desc(), c.priority, c.opened_at).limit(limit).offset(offset)
        return [
            CaseRow(
                last=closed(CaseEvent.model_validate_json(row["body"])),
                device=Device.model_validate_json(row["device_body"]) if row["device_body"] else None,
                needs_person=row["needs_person"],
                healed=row["healed"],
                changed_at=row["changed_at"],
            )
            for row in self.store.rows(query)
        ]

    def records(self, *where: sa.ColumnElement[bool]) -> list[Record]:
        """Records in the order in which they were read."""
        query = sa.select(tables.records).where(*where).order_by(tables.records.c.n)
        return [family(row["kind"]).model_validate_json(row["body"]) for row in self.store.rows(query)]

    def of_kinds(self, *kinds: type[Record]) -> list[Record]:
        """All records of these kinds, whatever their state, in the order in which they were read."""
        r = tables.records.c
        return self.records(sa.or_(*(r.kind.like(f"{kind.TYPE.split('.{')[0].removesuffix('.v1')}.%") for kind in kinds)))

    def case(self, case: str) -> CaseFile | None:
        """One case with all that belongs to it; None where nobody knows it."""
        r = tables.records.c
        found = CaseFile(case)
        for record in self.records(r.case == case):
            self.sort(found, record)
        if not found.events:
            return None
        key = found.events[0].key
        symptoms = {event.symptom for event in found.events if event.symptom} | {event.because for event in found.events}
        actions = [action.id for action in found.actions]
        notices = [notice.id for notice in found.notifications]
        for record in self.records(r.device == key, sa.or_(r.id.in_(symptoms), r.kind.like("io.vorab.reply%"))):
            if isinstance(record, Symptom) or (isinstance(record, Reply) and record.action in actions):
                self.sort(found, record)
        if notices:
            for record in self.records(r.kind.like("io.vorab.delivery%"), r.case == ""):
                if isinstance(record, Delivery) and record.notification in notices:
                    found.deliveries.append(record)
        found.device = self.device(key)
        self._open(found)
        found.contract = self.contract_of(found.device, found.events[0].opened_at)
        return found

    def _open(self, found: CaseFile) -> None:
        """Put the words of people back into a file."""
        customers = dict.fromkeys(key for event in found.events if (key := whose(event, found.device)))
        written: list[Record] = [*found.events, *found.commands, *found.requests]
        if self._seal is None:
            read = [closed(record) for record in written]
        else:
            try:
                read = self._seal.opened(customers, written)
            except Unavailable:
                read = [closed(record, CLOSED) for record in written]
        found.events, found.commands, found.requests = [], [], []
        for record in read:
            self.sort(found, record)

    @staticmethod
    def sort(found: CaseFile, record: Record) -> None:
        """Put a record where it belongs in the file of its case."""
        match record:
            case CaseEvent():
                found.events.append(record)
            case Symptom():
                found.symptoms.append(record)
            case Action():
                found.actions.append(record)
            case Recall():
                found.recalls.append(record)
            case Reply():
                found.replies.append(record)
            case Permit():
                found.permits.append(record)
            case Notification():
                found.notifications.append(record)
            case Delivery():
                found.deliveries.append(record)
            case Command():
                found.commands.append(record)
            case Request():
                found.requests.append(record)

    def consents(self, customer: str) -> list[Consent]:
        """What a customer (by key) agreed to or took back, oldest first."""
        r = tables.records.c
        found = [each for each in self.records(r.device == customer, r.kind == Consent.TYPE) if isinstance(each, Consent)]
        return sorted(found, key=lambda each: each.at)

    def book(self, names: Sequence[str]) -> Book:
        """What helped, as far as these blocks tell."""
        book, r = Book(), tables.ranking.c
        book.load({row["name"]: row["block"] for row in self.store.rows(sa.select(tables.ranking).where(r.name.in_(list(names))))})
        return book

    def curve(self, device: str, signal: str, first: Micros, last: Micros) -> list[tuple[Micros, float]]:
        """Readings of a signal between two moments (µs), in order."""
        p = tables.points.c
        query = sa.select(p.at, p.value).where(p.device == device, p.signal == signal, p.at >= first, p.at <= last).order_by(p.at)
        return [(row["at"], row["value"]) for row in self.store.rows(query)]

    def points_after(self, device: str, at: Micros) -> list[tuple[str, Micros, float]]:
        """Readings of a device later than a moment (µs): signal, µs, value."""
        p = tables.points.c
        query = sa.select(p.signal, p.at, p.value).where(p.device == device, p.at > at).order_by(p.at)
        return [(row["signal"], row["at"], row["value"]) for row in self.store.rows(query)]

    def symptoms(self, device: str) -> list[Symptom]:
        """Everything raised on a device."""
        r = tables.records.c
        found = self.records(r.device == device, r.kind == "io.vorab.symptom.raised.v1")
        return [record for record in found if isinstance(record, Symptom)]

    def case_between(self, device: str, first: Micros, last: Micros) -> str:
        """The latest case of a device that was opened between two moments (µs); empty where there is none."""
        c = tables.cases.c
        query = sa.select(c.case).where(c.device == device, c.opened_at >= first, c.opened_at <= last).order_by(c.opened_at.desc())
        row = self.store.row(query)
        return str(row["case"]) if row else ""

    def latest_case(self) -> CaseRow | None:
        """The case that was opened last."""
        c = tables.cases.c
        row = self.store.row(sa.select(tables.cases).where(~c.device.like(RECORDED)).order_by(c.opened_at.desc()).limit(1))
        if row is None:
            return None
        return CaseRow(CaseEvent.model_validate_json(row["body"]), None, row["needs_person"], row["healed"], row["changed_at"])

    def resolve(self, start: str) -> str | None:
        """The whole id of a record or case that begins like this (8 characters at least); None where none or several do."""
        if len(start) < SHORTEST or not set(start) <= ID_CHARACTERS:
            return None
        r = tables.records.c
        end = start + "\x7f"
        for column in (r.case, r.id):
            query = sa.select(column.label("found")).where(column >= start, column < end).distinct().limit(2)
            rows = self.store.rows(query)
            if len(rows) == 1:
                return str(rows[0]["found"])
            if rows:
                return start if any(row["found"] == start for row in rows) else None
        return None

    def case_of(self, record: Record) -> str:
        """The case a record belongs to; empty where it belongs to none (yet)."""
        named = str(getattr(record, "case", "") or "")
        if named:
            return named
        r = tables.records.c
        other = getattr(record, "action", "") or getattr(record, "notification", "")
        if other:
            row = self.store.row(sa.select(r.case).where(r.id == other, r.case != ""))
            return str(row["case"]) if row else ""
        if isinstance(record, Symptom):
            query = sa.select(tables.records).where(r.device == record.key, r.kind.like("io.vorab.case.%")).order_by(r.n)
            for row in self.store.rows(query):
                event = CaseEvent.model_validate_json(row["body"])
                if record.id in {event.symptom, event.because}:
                    return event.case
        return ""

    def find(self, any_id: str) -> Record | None:
        """The newest record with an id, of whatever kind."""
        query = sa.select(tables.records).where(tables.records.c.id == any_id).order_by(tables.records.c.n.desc()).limit(1)
        row = self.store.row(query)
        return closed(family(row["kind"]).model_validate_json(row["body"])) if row else None

    def counts(self) -> dict[str, int]:
        """Figures for the top of the console."""
        c = tables.cases.c
        found = {row["name"]: row["value"] for row in self.store.rows(sa.select(tables.counts))}
        by_status = {row["status"]: row["n"] for row in self.store.rows(sa.select(c.status, sa.func.count().label("n")).group_by(c.status))}
        found["cases"] = sum(by_status.values())
        found["cases_open"] = sum(n for status, n in by_status.items() if status in OPEN)
        found["need_person"] = self._count(tables.cases, c.needs_person.is_(True), ~c.device.like(RECORDED))
        found["healed"] = self._count(tables.cases, c.healed.is_(True))
        found["unassigned"] = self.registry.unassigned_count()
        found["devices"] = self._count(tables.devices, ~tables.devices.c.device.like(RECORDED))
        return found

    def queues(self) -> Counter[str]:
        """Cases that need a person, by the queue they wait in."""
        c = tables.cases.c
        rows = self.store.rows(sa.select(c.body).where(c.needs_person.is_(True), c.status.in_(OPEN)))
        return Counter(queue for row in rows if (queue := CaseEvent.model_validate_json(row["body"]).queue))

    def spent(self) -> dict[str, int]:
        """Goodwill that was granted, in cents by currency."""
        query = sa.select(tables.counts).where(tables.counts.c.name.like(SPENT + "%"))
        return {row["name"].removeprefix(SPENT): row["value"] for row in self.store.rows(query)}

    def healed_since(self, at: Micros) -> int:
        """Cases that healed since a moment (µs)."""
        c = tables.cases.c
        return self._count(tables.cases, c.healed.is_(True), c.changed_at >= at, ~c.device.like(RECORDED))

    def _count(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
        row = self.store.row(sa.select(sa.func.count().label("n")).select_from(table).where(*where))
        return int(row["n"]) if row else 0

    def messages(self, limit: int = 40) -> list[Message]:
        """The latest messages with what became of each last, latest first."""
        r = tables.records.c
        query = sa.select(tables.records).where(r.kind.like("io.vorab.delivery.%")).order_by(r.n.desc()).limit(limit * 2)
        last: dict[str, Delivery] = {}
        for row in self.store.rows(query):
            delivery = Delivery.model_validate_json(row["body"])
            last.setdefault(delivery.notification, delivery)
        notes = {row.id: row for row in self.records(r.id.in_(list(last)), r.kind.like("io.vorab.notification%"))}
        found = []
        for delivery in list(last.values())[:limit]:
            note = notes.get(delivery.notification)
            found.append(Message(delivery, note if isinstance(note, Notification) else None))
        return sorted(found, key=lambda message: -message.delivery.at)

    def not_sent(self) -> Counter[str]:
        """Messages that were not sent, by reason."""
        query = sa.select(tables.counts).where(tables.counts.c.name.like(NOT_SENT + "%"))
        return Counter({row["name"].removeprefix(NOT_SENT): row["value"] for row in self.store.rows(query)})

    def fleet(self) -> list[Machine]:
        """Every device with the state it is in; without recorded ones."""
        c = tables.cases.c
        states: dict[str, tuple[str, str]] = {}
        query = sa.select(c.case, c.device, c.status, c.needs_person, c.healed).order_by(c.opened_at)
        for row in self.store.rows(query):
            states[row["device"]] = (_state(row), row["case"]) if row["status"] in OPEN or row["healed"] else ("ok", "")
        live = [device for device in self._registry() if device.tenant != topics.RECORDED_TENANT]
        strangers = [heard.as_device() for heard in self.registry.unassigned(MOST_STRANGERS)]
        return [
            *(Machine(device, *states.get(device.key, ("ok", ""))) for device in live),
            *(Machine(device, *states.get(device.key, ("ok", "")), registered=False) for device in strangers),
        ]

    def _registry(self) -> list[Device]:
        # The registry changes rarely, and pages ask every other second.
        p = tables.positions.c
        row = self.store.row(sa.select(sa.func.sum(p.next).label("n")).where(p.topic == topics.DEVICES))
        version = int(row["n"] or 0) if row else 0
        if version != self._version:
            self._version = version
            rows = self.store.rows(sa.select(tables.devices.c.body).order_by(tables.devices.c.device))
            self._devices = [Device.model_validate_json(row["body"]) for row in rows]
        return self._devices


def _state(row: sa.RowMapping) -> str:
    if row["status"] not in OPEN:
        return "healed"
    if row["needs_person"]:
        return "person" if row["status"] == Status.HELD else "hands"
    return "customer" if row["status"] == Status.PENDING else "vorab"
