"""The dead-man sweep: whatever is said to wait or to be on its way is looked at, and what nobody would ever come back to is found.

By the rules of the outbox there is no such row. This is for the day a rule is broken: by a hand in the database, or by a defect.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from notifier.database import SENDING, WAITING, notices, outbox
from notifier.store import Store
from vorab.clock import MINUTE, Micros
from vorab.records import Channel, Delivery, DeliveryReason, Notification

# A minute late is nothing to a person, and a look at the waiting rows costs less than a message.
EVERY = MINUTE

_CARRIERS = sa.select(notices.c.notification).where(notices.c.state == SENDING)
_LEFT = (notices.c.state.in_(WAITING), notices.c.carrier != "", notices.c.carrier.not_in(_CARRIERS.scalar_subquery()))
_CALLED = sa.select(notices.c.notification, notices.c.body, outbox.c.channel).join(outbox, outbox.c.notification == notices.c.notification)


def sweep(store: Store, busy: Collection[str], now: Micros) -> tuple[int, list[Delivery]]:
    """Messages that were to be told by another one which is over are free again (how many); calls that nobody makes become unknown."""
    with store.database.begin() as connection:
        freed = connection.execute(sa.update(notices).where(*_LEFT).values(carrier="")).rowcount
        lost: list[Delivery] = []
        for row in connection.execute(_CALLED.where(notices.c.state == SENDING, outbox.c.state == SENDING)).all():
            if row.notification not in busy:
                note = Notification.model_validate_json(row.body)
                lost += store.unknown(note, Channel(row.channel), DeliveryReason.INTERRUPTED, "nobody was sending it any more", now)
    return freed, lost
