"""The way into the outbox: a batch from the log and the positions it stands for, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import sqlalchemy as sa

from notifier.cases import CaseView, fold
from notifier.database import QUEUED, WAITING, Database, cases, contacts, contracts, customers, notices, positions
from notifier.inbound.known import take_dialogue
from vorab.log import Position
from vorab.records import Answered, CaseEvent, Contract, Customer, Delivery, DeliveryState, Heard, Notification, Purpose, Status
from vorab.topics import key_of


@dataclass(slots=True)
class Batch:
    """What was read from the log and is taken over at once; lists keep the order of the log."""

    notes: list[tuple[int, int, Notification]] = field(default_factory=list)
    """(partition, offset, notification)."""
    events: list[tuple[str, CaseEvent]] = field(default_factory=list)
    """(customer key, case event)."""
    customers: list[tuple[str, Customer | None]] = field(default_factory=list)
    """None takes a customer out of the registry."""
    contracts: list[tuple[str, Contract | None]] = field(default_factory=list)
    """None takes a contract out of the registry."""
    said: list[Delivery] = field(default_factory=list)
    """Deliveries that stand on the log already."""
    dialogue: list[Heard | Answered] = field(default_factory=list)
    """What was heard and answered, as it stands on the log."""
    answered: list[tuple[str, int]] = field(default_factory=list)
    """(notification, moment) of what customers have asked for by a button of a message."""
    next: dict[Position, int] = field(default_factory=dict)


def take(database: Database, batch: Batch) -> None:
    """Take a batch over together with its positions; what was taken before changes nothing."""
    last = dict(batch.customers)
    with database.begin() as connection:
        database.upsert(customers, [{"customer": key, "body": body.model_dump_json()} for key, body in last.items() if body])
        gone = [key for key, body in last.items() if body is None]
        if gone:
            connection.execute(sa.delete(customers).where(customers.c.customer.in_(gone)))
        if batch.contracts:
            _agree(database, connection, dict(batch.contracts))
        if batch.events:
            _fold(database, connection, batch.events)
        if batch.notes:
            _queue(connection, batch.notes)
        for delivery in batch.said:
            _heard(connection, delivery)
        take_dialogue(connection, batch.dialogue)
        database.upsert(positions, [{"topic": topic, "partition": part, "next": n} for (topic, part), n in batch.next.items()])


def view_of(body: str) -> CaseView:
    """A case view as it was stored."""
    values: dict[str, Any] = json.loads(body)
    return CaseView(**{**values, "status": Status(values["status"])})


def _fold(database: Database, connection: sa.Connection, events: Sequence[tuple[str, CaseEvent]]) -> None:
    found = connection.execute(sa.select(cases).where(cases.c.case.in_({event.case for _, event in events})))
    views = {row.case: view_of(row.body) for row in found}
    for customer, event in events:
        views[event.case] = fold(views.get(event.case), event, customer)
    database.upsert(cases, [{"case": v.case, "customer": v.customer, "at": v.at, "body": json.dumps(_plain(v))} for v in views.values()])


def _plain(view: CaseView) -> dict[str, Any]:
    return {of.name: getattr(view, of.name) for of in fields(view)}


def _agree(database: Database, connection: sa.Connection, last: dict[str, Contract | None]) -> None:
    found = [(key, body) for key, body in last.items() if body]
    database.upsert(
        contracts, [{"contract": key, "customer": key_of(b.tenant, b.customer or "-"), "body": b.model_dump_json()} for key, b in found]
    )
    gone = [key for key, body in last.items() if body is None]
    connection.execute(sa.delete(contracts).where(contracts.c.contract.in_(gone)))


def _queue(connection: sa.Connection, notes: Sequence[tuple[int, int, Notification]]) -> None:
    ids = {note.id for _, _, note in notes}
    known = set(connection.execute(sa.select(notices.c.notification).where(notices.c.notification.in_(ids))).scalars())
    rows: dict[str, dict[str, Any]] = {}
    for partition, offset, note in notes:
        if note.id not in known:
            row = {"notification": note.id, "customer": note.key, "case": note.case, "stage": note.stage.value}
            place = {"partition": partition, "offset": offset, "body": note.model_dump_json(), "state": QUEUED, "due_at": note.at}
            rows.setdefault(note.id, {**row, **place})
    if rows:
        connection.execute(sa.insert(notices), list(rows.values()))


def _heard(connection: sa.Connection, delivery: Delivery) -> None:
    """What an earlier life, or another worker, has said about a notification is not decided again."""
    if not delivery.state.final:
        return
    if delivery.state in {DeliveryState.SENT, DeliveryState.UNKNOWN}:
        _count(connection, delivery)
    end = {"state": delivery.state.value, "reason": delivery.reason.value}
    if _known(connection, delivery.notification):
        waits = (notices.c.notification == delivery.notification, notices.c.state.in_(WAITING))
        connection.execute(sa.update(notices).where(*waits).values(**end))
    else:
        row = {"notification": delivery.notification, "customer": delivery.key, "case": delivery.case, "stage": delivery.stage or ""}
        connection.execute(sa.insert(notices).values(**row, **end, partition=-1, offset=-1, body="", due_at=delivery.at))


def _count(connection: sa.Connection, delivery: Delivery) -> None:
    """It counts against the budget, unless it is counted here already."""
    if connection.execute(sa.select(contacts.c.at).where(contacts.c.notification == delivery.notification)).first() is None:
        of = {"notification": delivery.notification, "customer": delivery.key, "at": delivery.at}
        connection.execute(sa.insert(contacts).values(**of, advertising=delivery.purpose is Purpose.ADVERTISING))


def _known(connection: sa.Connection, notification: str) -> bool:
    return connection.execute(sa.select(notices.c.notification).where(notices.c.notification == notification)).first() is not None
