"""The outbox: what should be said, what is being said and what became of it, in one database with the position in the log it stands for.

The rule that keeps promises: a row says `sending` on disk before a channel is called. After a crash such a row is *unknown* and held,
unless the channel makes one message of two; so nothing is said twice and nothing is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from notifier.cases import CaseView
from notifier.database import DEFERRED, QUEUED, SENDING, WAITING, Database, cases, customers, deliveries, notices, outbox, positions
from notifier.store_intake import Batch, take, view_of
from vorab import ids
from vorab.clock import Micros
from vorab.log import Position
from vorab.records import Channel, Customer, Delivery, DeliveryReason, DeliveryState, Notification, Stage

MAYBE_SAID: Final = (SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN)


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
        attempts = sa.select(sa.func.coalesce(sa.func.sum(outbox.c.attempts), 0)).where(outbox.c.notification == notices.c.notification)
        query = (
            sa.select(notices, attempts.scalar_subquery().label("attempts"))
            .where(notices.c.state.in_(WAITING), notices.c.due_at <= now, notices.c.notification.not_in(list(skip)))
            .order_by(notices.c.due_at, notices.c.partition, notices.c.offset)
            .limit(limit)
        )
        with self.database.begin() as connection:
            rows = connection.execute(query).all()
        return [Notice(Notification.model_validate_json(r.body), r.partition, r.offset, r.deferrals, r.attempts) for r in rows]

    def next_due(self) -> Micros | None:
        """When the next waiting message is due."""
        with self.database.begin() as connection:
            found: Micros | None = connection.execute(sa.select(sa.func.min(notices.c.due_at)).where(notices.c.state.in_(WAITING))).scalar()
            return found

    def customer(self, key: str) -> Customer | None:
        """The registry's entry."""
        with self.database.begin() as connection:
            body = connection.execute(sa.select(customers.c.body).where(customers.c.customer == key)).scalar()
        return Customer.model_validate_json(body) if body else None

    def case(self, case: str) -> CaseView | None:
        """What is known of a case."""
        with self.database.begin() as connection:
            body = connection.execute(sa.select(cases.c.body).where(cases.c.case == case)).scalar()
        return view_of(body) if body else None

    def told(self, notice: Notice) -> list[tuple[str, Stage]]:
        """What has been said about the case of a notice, or may have been."""
        where = (notices.c.case == notice.note.case, notices.c.customer == notice.note.key, notices.c.state.in_(MAYBE_SAID))
        with self.database.begin() as connection:
            rows = connection.execute(sa.select(notices.c.notification, notices.c.stage).where(*where)).all()
        return [(row.notification, Stage(row.stage)) for row in rows if row.stage in set(Stage)]

    def newer(self, notice: Notice) -> bool:
        """Whether something was to be said about the same case after this, and was not dropped."""
        query = sa.select(notices.c.notification).where(
            notices.c.case == notice.note.case,
            notices.c.customer == notice.note.key,
            notices.c.partition == notice.partition,
            notices.c.offset > notice.offset,
            notices.c.state != DeliveryState.SUPPRESSED.value,
        )
        with self.database.begin() as connection:
            return connection.execute(query).first() is not None

    # -------------------------------------------------------------------------------------------- what became of it

    def claim(self, notice: Notice, channel: Channel, now: Micros) -> None:
        """About to call a channel: on disk before it happens. A pair that was claimed before and not given back is a defect."""
        note = notice.note
        with self.database.begin() as connection:
            self._move(connection, note.id, WAITING, SENDING, DeliveryReason.NONE)
            where = (outbox.c.notification == note.id, outbox.c.channel == channel.value)
            state = connection.execute(sa.select(outbox.c.state).where(*where)).scalar()
            if state is None:
                connection.execute(sa.insert(outbox).values(notification=note.id, channel=channel.value, state=SENDING, attempts=1, at=now))
            elif state == QUEUED:
                connection.execute(sa.update(outbox).where(*where).values(state=SENDING, attempts=outbox.c.attempts + 1, at=now))
            else:
                raise AssertionError(f"notification {note.id} was handed to {channel} before and is {state}")

    def sent(self, note: Notification, channel: Channel, now: Micros, detail: str = "") -> Delivery:
        """The provider has it."""
        return self._finish(note, channel, DeliveryState.SENT, DeliveryReason.NONE, detail, now)

    def failed(self, note: Notification, channel: Channel, reason: DeliveryReason, detail: str, now: Micros) -> Delivery:
        """The provider refused it, or was away for too long."""
        return self._finish(note, channel, DeliveryState.FAILED, reason, detail, now)

    def unknown(self, note: Notification, channel: Channel, reason: DeliveryReason, detail: str, now: Micros) -> Delivery:
        """It may have been said: held for a person to look at, never repeated."""
        return self._finish(note, channel, DeliveryState.UNKNOWN, reason, detail, now)

    def suppress(self, note: Notification, reason: DeliveryReason, detail: str, now: Micros) -> Delivery:
        """It will not be said."""
        with self.database.begin() as connection:
            self._move(connection, note.id, WAITING, DeliveryState.SUPPRESSED.value, reason)
            return self._tell(connection, note, "", DeliveryState.SUPPRESSED, reason, detail, now)

    def defer(self, notice: Notice, due_at: Micros, reason: DeliveryReason, detail: str, now: Micros) -> Delivery:
        """It waits."""
        with self.database.begin() as connection:
            self._move(connection, notice.note.id, WAITING, DEFERRED, reason)
            return self._put_off(connection, notice, "", due_at, reason, detail, now)

    def later(self, notice: Notice, channel: Channel, due_at: Micros, detail: str, now: Micros) -> Delivery:
        """A channel certainly did not take it: given back, to be decided again."""
        with self.database.begin() as connection:
            self._move(connection, notice.note.id, (SENDING,), DEFERRED, DeliveryReason.UNREACHABLE)
            self._mark(connection, notice.note.id, channel, QUEUED, detail, now)
            return self._put_off(connection, notice, channel.value, due_at, DeliveryReason.UNREACHABLE, detail, now)

    def interrupted(self, idempotent: Iterable[Channel], now: Micros) -> list[Delivery]:
        """After a start: what was being said when the process died. Repeated where that is safe, else unknown."""
        safe = {channel.value for channel in idempotent}
        query = sa.select(notices.c.body, outbox.c.channel).join(outbox, outbox.c.notification == notices.c.notification)
        found = []
        with self.database.begin() as connection:
            for row in connection.execute(query.where(outbox.c.state == SENDING, notices.c.state == SENDING)).all():
                note, channel = Notification.model_validate_json(row.body), Channel(row.channel)
                if row.channel in safe:
                    self._move(connection, note.id, (SENDING,), QUEUED, DeliveryReason.NONE)
                    self._mark(connection, note.id, channel, QUEUED, "", now)
                else:
                    found.append(self.unknown(note, channel, DeliveryReason.INTERRUPTED, "the notifier ended while it was being sent", now))
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

    # -------------------------------------------------------------------------------------------- inside

    def _finish(
        self, note: Notification, channel: Channel, state: DeliveryState, reason: DeliveryReason, detail: str, now: Micros
    ) -> Delivery:
        with self.database.begin() as connection:
            self._move(connection, note.id, (SENDING,), state.value, reason)
            self._mark(connection, note.id, channel, state.value, detail, now)
            return self._tell(connection, note, channel.value, state, reason, detail, now)

    def _move(self, connection: sa.Connection, notification: str, old: Sequence[str], new: str, reason: DeliveryReason) -> None:
        where = (notices.c.notification == notification, notices.c.state.in_(list(old)))
        if connection.execute(sa.update(notices).where(*where).values(state=new, reason=reason.value)).rowcount != 1:
            raise AssertionError(f"notification {notification} is not {' or '.join(old)} and cannot become {new}")

    def _mark(self, connection: sa.Connection, notification: str, channel: Channel, state: str, detail: str, now: Micros) -> None:
        where = (outbox.c.notification == notification, outbox.c.channel == channel.value)
        connection.execute(sa.update(outbox).where(*where).values(state=state, detail=detail, at=now))

    def _put_off(
        self, connection: sa.Connection, notice: Notice, channel: str, due_at: Micros, reason: DeliveryReason, detail: str, now: Micros
    ) -> Delivery:
        n = notice.deferrals + 1
        connection.execute(sa.update(notices).where(notices.c.notification == notice.note.id).values(due_at=due_at, deferrals=n))
        return self._tell(connection, notice.note, channel, DeliveryState.DEFERRED, reason, detail, now, due_at=due_at, attempt=n)

    def _tell(
        self,
        connection: sa.Connection,
        note: Notification,
        channel: str,
        state: DeliveryState,
        reason: DeliveryReason,
        detail: str,
        now: Micros,
        *,
        due_at: Micros | None = None,
        attempt: int = 0,
    ) -> Delivery:
        delivery = Delivery(
            id=ids.delivery_id(note.id, channel, state.value, attempt),
            tenant=note.tenant,
            customer=note.customer,
            notification=note.id,
            case=note.case,
            stage=note.stage,
            channel=channel,
            state=state,
            reason=reason,
            detail=detail,
            at=now,
            due_at=due_at,
        )
        connection.execute(sa.insert(deliveries).values(id=delivery.id, at=now, body=delivery.model_dump_json(), published=False))
        return delivery
