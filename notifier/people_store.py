"""The people store: the port `vorab.people.People` on the notifier's database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from notifier.database import Database, keys, notices, people, subscriptions
from notifier.inbound.tables import accounts
from notifier.store_habits import HabitsStore
from vorab import sealing
from vorab.clock import Micros, SystemClock
from vorab.people import Person
from vorab.subscriptions import Subscription

MOST_DEVICES: Final = 8
"""Browsers of one person; one more takes the place of the oldest. A loop on the page must not fill the table."""


class PeopleStore:
    """Names and contact points.

    `forgotten` is told the notification ids of an erased customer, so that channels can delete what they kept.
    """

    def __init__(
        self, database: Database, forgotten: Callable[[Sequence[str]], None] | None = None, wall: Callable[[], Micros] | None = None,
        habits: HabitsStore | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._habits = habits or HabitsStore(database)
        self.forgotten = forgotten
        self._wall = wall or SystemClock().now

    def get(self, customer: str) -> Person | None:
        """The person of a key, or None."""
        return next(iter(self._where(people.c.customer == customer)), None)

    def put(self, people_: Iterable[Person]) -> None:
        """Write these people in one transaction; an existing key is replaced."""
        rows = [{"customer": one.customer, "name": one.name, "mail": one.mail, "phone": one.phone} for one in people_]
        self._database.upsert(people, rows)

    def all(self) -> Sequence[Person]:
        """Everybody, in order of key."""
        return self._where()

    def key(self, customer: str) -> bytes:
        """The key that seals a customer's words; made where there is none."""
        with self._database.begin() as connection:
            found: bytes | None = connection.execute(sa.select(keys.c.key).where(keys.c.customer == customer)).scalar()
            if found is None:
                found = sealing.new_key()
                connection.execute(sa.insert(keys).values(customer=customer, key=found))
        return found

    def seal(self, customer: str, texts: Sequence[str]) -> Sequence[str]:
        """Texts as they may travel through the log."""
        key = self.key(customer)
        return [sealing.seal(key, customer, text) for text in texts]

    def opened(self, customer: str, sealed: Sequence[str]) -> Sequence[str | None]:
        """The texts of a customer, in the same order; None where nobody can read it any more."""
        with self._database.begin() as connection:
            key = connection.execute(sa.select(keys.c.key).where(keys.c.customer == customer)).scalar()
        return [sealing.opened(key, customer, each) for each in sealed]

    def habits(self, customer: str) -> Sequence[dict[str, Any]]:
        """What is kept of where and when a customer answered."""
        return self._habits.of(customer)

    def reset_habits(self, customer: str) -> int:
        """Forget that, on disk as well; how many messages it was."""
        gone = self._habits.reset(customer)
        self._database.scrub()
        return gone

    def erase(self, customer: str) -> bool:
        """Forget a person, on disk as well; what is still to be said to them will find no way."""
        with self._database.begin() as connection:
            gone = connection.execute(sa.delete(people).where(people.c.customer == customer)).rowcount > 0
            gone = connection.execute(sa.delete(keys).where(keys.c.customer == customer)).rowcount > 0 or gone
            for table in (subscriptions, accounts):
                connection.execute(sa.delete(table).where(table.c.customer == customer))
            said = connection.execute(sa.select(notices.c.notification).where(notices.c.customer == customer)).scalars().all()
            self._habits.reset(customer)
        self._database.scrub()
        if self.forgotten is not None:
            self.forgotten(said)
        return gone

    def subscribe(self, customer: str, device: Subscription) -> None:
        """A browser of this person's shows messages from now on; it is nobody else's any more."""
        s = subscriptions.c
        row = {"endpoint": device.endpoint, "customer": customer, "p256dh": device.p256dh, "auth": device.auth, "at": self._wall()}
        with self._database.begin() as connection:
            if connection.execute(sa.select(people.c.customer).where(people.c.customer == customer)).first() is None:
                connection.execute(sa.insert(people).values(customer=customer, name="", mail="", phone=""))
            self._database.upsert(subscriptions, [row])
            newest = sa.select(s.endpoint).where(s.customer == customer).order_by(s.at.desc(), s.endpoint)
            old = connection.execute(newest.offset(MOST_DEVICES)).scalars().all()
            connection.execute(sa.delete(subscriptions).where(s.endpoint.in_(old)))

    def unsubscribe(self, customer: str, endpoint: str) -> bool:
        """It shows none any more; whether it did."""
        s = subscriptions.c
        with self._database.begin() as connection:
            return connection.execute(sa.delete(subscriptions).where(s.customer == customer, s.endpoint == endpoint)).rowcount > 0

    def _where(self, *where: sa.ColumnElement[bool]) -> list[Person]:
        s = subscriptions.c
        both = people.outerjoin(subscriptions, people.c.customer == s.customer)
        columns = (people, s.endpoint, s.p256dh, s.auth)
        with self._database.begin() as connection:
            rows = connection.execute(sa.select(*columns).select_from(both).where(*where).order_by(people.c.customer, s.at)).all()
        found: dict[str, Person] = {}
        for row in rows:
            before = found.get(row.customer)
            devices = (*(before.devices if before else ()), *([Subscription(row.endpoint, row.p256dh, row.auth)] if row.endpoint else ()))
            found[row.customer] = Person(row.customer, row.name, row.mail, row.phone, devices)
        return list(found.values())
