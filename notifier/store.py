"""The outbox: what should be said, what is being said and what became of it, in one database with the position in the log it stands for.

The rule that keeps promises: a row says `sending` on disk before a channel is called. After a crash such a row is *unknown* and held,
unless the channel makes one message of two; so nothing is said twice and nothing is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from notifier.budget import LONGEST
from notifier.database import (
    DEFERRED,
    QUEUED,
    SENDING,
    WAITING,
    Database,
    cases,
    contacts,
    deliveries,
    notices,
    outbox,
    positions,
)
from notifier.delivered import Why, delivery_of
from notifier.store_intake import Batch, take
from vorab.clock import Micros
from vorab.log import Position
from vorab.records import Channel, Delivery, DeliveryReason, DeliveryState, Notification, Purpose


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that waits, and how often it has been put off."""

    note: Notification
    partition: int
    offset: int
    deferrals: int
    attempts: int = 0
    """How often a channel was called for it."""


class Store:
    """The outbox on a database. Every method is one transaction, or part of the one it is called in."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -------------------------------------------------------------------------------------------- in

    def positions(self) -> dict[Position, int]:
        """The next offset of everything read so far."""
        with self.database.begin() as connection:
            return {(row.topic, row.partition): row.next for row in connection.execute(sa.select(positions))}

    def take(self, batch: Batch) -> None:
        """Take a batch over together with its positions; what was taken before changes nothing."""
        take(self.database, batch)

    # -------------------------------------------------------------------------------------------- deciding

    def due(self, now: Micros, limit: int, skip: Iterable[str] = ()) -> list[Notice]:
        """What waits and is due, the longest due first."""
        query = (
            _NOTICES.where(*FREE, notices.c.due_at <= now, notices.c.notification.not_in(list(skip)))
            .order_by(notices.c.due_at, notices.c.partition, notices.c.offset)
            .limit(limit)
        )
        with self.database.begin() as connection:
            return [_notice(row) for row in connection.execute(query).all()]

    def waiting_for(self, key: str) -> list[Notice]:
        """All that waits to be said to a customer, due or not, and is not told by another message at this moment."""
        with self.database.begin() as connection:
            return [_notice(row) for row in connection.execute(_OF_CUSTOMER, {"who": key}).all()]

    def next_due(self) -> Micros | None:
        """When the next waiting message is due."""
        with self.database.begin() as connection:
            found: Micros | None = connection.execute(sa.select(sa.func.min(notices.c.due_at)).where(*FREE)).scalar()
            return found

    # -------------------------------------------------------------------------------------------- what became of it

    def claim(self, notice: Notice, channel: Channel, now: Micros, *, carries: Sequence[Notification] = (), why: Why | None = None) -> None:
        """About to call a channel: on disk before it happens, with its place in the budget and what it tells besides.

        A pair that was claimed before and not given back is a defect.
        """
        note = notice.note
        with self.database.begin() as connection:
            self._move(connection, note.id, WAITING, SENDING, DeliveryReason.NONE)
            of = {"name": note.id, "way": channel.value}
            state = connection.execute(_STATE, of).scalar()
            begun = {"to": SENDING, "when": now, "because": json.dumps(dict(why or {}), default=dict)}
            if state is None:
                connection.execute(_BEGIN, {**of, **begun})
            elif state == QUEUED:
                connection.execute(_BEGIN_AGAIN, {**of, **begun})
            else:
                raise AssertionError(f"notification {note.id} was handed to {channel} before and is {state}")
            self._reserve(connection, note)
            if carries:
                connection.execute(_CARRY, [{"name": other.id, "by": note.id} for other in carries])

    def sent(self, note: Notification, channel: Channel, now: Micros, detail: str = "") -> list[Delivery]:
        """The provider has it."""
        return self._finish(note, channel, DeliveryState.SENT, DeliveryReason.NONE, detail, now)

    def failed(self, note: Notification, channel: Channel, reason: DeliveryReason, detail: str, now: Micros) -> list[Delivery]:
        """The provider refused it, or was away for too long."""
        return self._finish(note, channel, DeliveryState.FAILED, reason, detail, now)

    def unknown(self, note: Notification, channel: Channel, reason: DeliveryReason, detail: str, now: Micros) -> list[Delivery]:
        """It may have been said: held for a person to look at, never repeated."""
        return self._finish(note, channel, DeliveryState.UNKNOWN, reason, detail, now)

    def put_down(self, decided: Sequence[tuple[Notice, Delivery]]) -> None:
        """These are not said now: suppressed for good, or deferred until a moment."""
        if not decided:
            return
        rows = [
            {
                "name": delivery.notification,
                "to": DEFERRED if delivery.due_at is not None else delivery.state.value,
                "why": delivery.reason.value,
                "due": delivery.due_at if delivery.due_at is not None else notice.note.at,
                "n": notice.deferrals + (delivery.due_at is not None),
            }
            for notice, delivery in decided
        ]
        with self.database.begin() as connection:
            if connection.execute(_PUT_DOWN, rows).rowcount != len(rows):
                raise AssertionError("a notification that was decided on does not wait")
            connection.execute(sa.insert(deliveries), [_row(delivery) for _, delivery in decided])

    def later(self, notice: Notice, channel: Channel, due_at: Micros, detail: str, now: Micros) -> list[Delivery]:
        """A channel certainly did not take it: given back, to be decided again."""
        note, n = notice.note, notice.deferrals + 1
        with self.database.begin() as connection:
            self._move(connection, note.id, (SENDING,), DEFERRED, DeliveryReason.UNREACHABLE)
            why = self._mark(connection, note.id, channel, QUEUED, detail, now)
            connection.execute(sa.update(notices).where(notices.c.notification == note.id).values(due_at=due_at, deferrals=n))
            self._give_back(connection, note, now)
            delivery = delivery_of(
                note, DeliveryState.DEFERRED, DeliveryReason.UNREACHABLE, detail, now, channel=channel, due_at=due_at, attempt=n, why=why
            )
            connection.execute(sa.insert(deliveries), [_row(delivery)])
        return [delivery]

    def interrupted(self, idempotent: Iterable[Channel], now: Micros) -> list[Delivery]:
        """After a start: what was being said when the process died. Repeated where that is safe, else unknown."""
        safe = {channel.value for channel in idempotent}
        query = sa.select(notices.c.body, outbox.c.channel).join(outbox, outbox.c.notification == notices.c.notification)
        found: list[Delivery] = []
        with self.database.begin() as connection:
            for row in connection.execute(query.where(outbox.c.state == SENDING, notices.c.state == SENDING)).all():
                note, channel = Notification.model_validate_json(row.body), Channel(row.channel)
                if row.channel in safe:
                    self._move(connection, note.id, (SENDING,), QUEUED, DeliveryReason.NONE)
                    self._mark(connection, note.id, channel, QUEUED, "", now)
                    # It may have been said: its place stays taken, and what it told besides is told again.
                    connection.execute(_COUNTED, {"name": note.id, "when": now})
                    connection.execute(sa.update(notices).where(notices.c.carrier == note.id).values(carrier=""))
                else:
                    found += self.unknown(note, channel, DeliveryReason.INTERRUPTED, "the notifier ended while it was being sent", now)
        return found

    # -------------------------------------------------------------------------------------------- out

    def unpublished(self, limit: int = 500) -> list[tuple[int, Delivery]]:
        """Deliveries the log does not have yet, in order."""
        query = sa.select(deliveries.c.n, deliveries.c.body).where(deliveries.c.published.is_(False)).order_by(deliveries.c.n).limit(limit)
        with self.database.begin() as connection:
            return [(row.n, Delivery.model_validate_json(row.body)) for row in connection.execute(query).all()]

    def published(self, numbers: Sequence[int]) -> None:
        """The log has these."""
        with self.database.begin() as connection:
            connection.execute(sa.update(deliveries).where(deliveries.c.n.in_(numbers)).values(published=True))

    def counts(self) -> Mapping[str, int]:
        """Notifications by state."""
        with self.database.begin() as connection:
            query = sa.select(notices.c.state, sa.func.count()).group_by(notices.c.state)
            return {state: count for state, count in connection.execute(query)}  # noqa: C416 - rows are not pairs to mypy

    def waiting(self) -> int:
        """How many notifications wait."""
        with self.database.begin() as connection:
            found = connection.execute(sa.select(sa.func.count()).where(notices.c.state.in_(WAITING))).scalar()
            return int(found or 0)

    def prune(self, before: Micros) -> None:
        """Forget what ended before a moment (µs); what still waits stays."""
        old = sa.select(notices.c.notification).where(notices.c.due_at < before, notices.c.state.not_in((*WAITING, SENDING)))
        with self.database.begin() as connection:
            connection.execute(sa.delete(outbox).where(outbox.c.notification.in_(old)))
            connection.execute(sa.delete(notices).where(notices.c.notification.in_(old)))
            connection.execute(sa.delete(deliveries).where(deliveries.c.at < before, deliveries.c.published.is_(True)))
            connection.execute(sa.delete(cases).where(cases.c.at < before))
            connection.execute(sa.delete(contacts).where(contacts.c.at < before - LONGEST))

    # -------------------------------------------------------------------------------------------- inside

    def _finish(
        self, note: Notification, channel: Channel, state: DeliveryState, reason: DeliveryReason, detail: str, now: Micros
    ) -> list[Delivery]:
        with self.database.begin() as connection:
            self._move(connection, note.id, (SENDING,), state.value, reason)
            why = self._mark(connection, note.id, channel, state.value, detail, now)
            found = [delivery_of(note, state, reason, detail, now, channel=channel, why=why)]
            if state is DeliveryState.FAILED:
                self._give_back(connection, note, now)
            else:
                connection.execute(_COUNTED, {"name": note.id, "when": now})
                found += self._told_besides(connection, note, now, why)
            connection.execute(sa.insert(deliveries), [_row(delivery) for delivery in found])
        return found

    def _move(self, connection: sa.Connection, notification: str, old: tuple[str, ...], new: str, reason: DeliveryReason) -> None:
        if connection.execute(_MOVE[old], {"name": notification, "to": new, "why": reason.value}).rowcount != 1:
            raise AssertionError(f"notification {notification} is not {' or '.join(old)} and cannot become {new}")

    def _mark(self, connection: sa.Connection, notification: str, channel: Channel, state: str, detail: str, now: Micros) -> Why:
        """What a call has come to; returns why it was made."""
        of = {"name": notification, "way": channel.value}
        connection.execute(_MARK, {**of, "to": state, "said": detail, "when": now})
        kept: Why = json.loads(connection.execute(_TRACE, of).scalar() or "{}")
        return kept

    # -------------------------------------------------------------------------------------------- the budget

    def _reserve(self, connection: sa.Connection, note: Notification) -> None:
        connection.execute(_FREE_PLACE, {"name": note.id})
        of = {"notification": note.id, "customer": note.key, "at": None, "advertising": note.purpose is Purpose.ADVERTISING}
        connection.execute(_TAKE_PLACE, of)

    def _give_back(self, connection: sa.Connection, note: Notification, now: Micros) -> None:
        """Nothing was said: the place is free again, for what it told besides and for what waits for room."""
        connection.execute(_FREE_PLACE, {"name": note.id})
        connection.execute(sa.update(notices).where(notices.c.carrier == note.id).values(carrier=""))
        waits = (notices.c.customer == note.key, notices.c.state == DEFERRED, notices.c.reason == DeliveryReason.BUDGET.value)
        connection.execute(sa.update(notices).where(*waits).values(due_at=sa.case((notices.c.due_at > now, now), else_=notices.c.due_at)))

    def _told_besides(self, connection: sa.Connection, note: Notification, now: Micros, why: Why) -> list[Delivery]:
        rows = connection.execute(_CARRIED, {"name": note.id}).scalars().all()
        if rows:
            to = {"name": note.id, "to": DeliveryState.SUPPRESSED.value, "why": DeliveryReason.GROUPED.value}
            connection.execute(_CARRIED_END, to)
        said = f"told in {note.id}"
        others = map(Notification.model_validate_json, rows)
        return [delivery_of(other, DeliveryState.SUPPRESSED, DeliveryReason.GROUPED, said, now, why=why) for other in others]


FREE: Final = (sa.or_(*(notices.c.state == state for state in WAITING)), notices.c.carrier == "")
_ATTEMPTS: Final = sa.select(sa.func.coalesce(sa.func.sum(outbox.c.attempts), 0)).where(outbox.c.notification == notices.c.notification)
_NOTICES: Final = sa.select(notices, _ATTEMPTS.scalar_subquery().label("attempts"))
_PUT_DOWN: Final = (
    sa.update(notices)
    .where(notices.c.notification == sa.bindparam("name"), *FREE)
    .values(state=sa.bindparam("to"), reason=sa.bindparam("why"), due_at=sa.bindparam("due"), deferrals=sa.bindparam("n"))
)
_OF_CUSTOMER: Final = _NOTICES.where(*FREE, notices.c.customer == sa.bindparam("who")).order_by(notices.c.partition, notices.c.offset)
_MOVE: Final[dict[tuple[str, ...], sa.Update]] = {
    old: sa.update(notices)
    .where(notices.c.notification == sa.bindparam("name"), sa.or_(*(notices.c.state == state for state in old)))
    .values(state=sa.bindparam("to"), reason=sa.bindparam("why"))
    for old in (WAITING, (SENDING,))
}
_CALL: Final = (outbox.c.notification == sa.bindparam("name"), outbox.c.channel == sa.bindparam("way"))
_MARK: Final = sa.update(outbox).where(*_CALL).values(state=sa.bindparam("to"), detail=sa.bindparam("said"), at=sa.bindparam("when"))
_CARRY: Final = sa.update(notices).where(notices.c.notification == sa.bindparam("name"), *FREE).values(carrier=sa.bindparam("by"))
_STATE: Final = sa.select(outbox.c.state).where(*_CALL)
_BEGUN: Final[dict[str, Any]] = {"state": sa.bindparam("to"), "at": sa.bindparam("when"), "trace": sa.bindparam("because")}
_BEGIN: Final = sa.insert(outbox).values(notification=sa.bindparam("name"), channel=sa.bindparam("way"), attempts=1, **_BEGUN)
_BEGIN_AGAIN: Final = sa.update(outbox).where(*_CALL).values(attempts=outbox.c.attempts + 1, **_BEGUN)
_FREE_PLACE: Final = sa.delete(contacts).where(contacts.c.notification == sa.bindparam("name"))
_TAKE_PLACE: Final = sa.insert(contacts)
_TRACE: Final = sa.select(outbox.c.trace).where(*_CALL)
_COUNTED: Final = sa.update(contacts).where(contacts.c.notification == sa.bindparam("name")).values(at=sa.bindparam("when"))
_BESIDE: Final = (notices.c.carrier == sa.bindparam("name"), sa.or_(*(notices.c.state == state for state in WAITING)))
_CARRIED: Final = sa.select(notices.c.body).where(*_BESIDE)
_CARRIED_END: Final = sa.update(notices).where(*_BESIDE).values(state=sa.bindparam("to"), reason=sa.bindparam("why"))


def _notice(row: sa.Row[Any]) -> Notice:
    return Notice(Notification.model_validate_json(row.body), row.partition, row.offset, row.deferrals, row.attempts)


def _row(delivery: Delivery) -> dict[str, Any]:
    return {"id": delivery.id, "at": delivery.at, "body": delivery.model_dump_json(), "published": False}
