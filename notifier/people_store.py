"""The people store: the port `vorab.people.People` on the notifier's database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from notifier.database import Database, keys, notices, people
from notifier.inbound.tables import accounts
from vorab.people import Person
from vorab.sealing import new_key


class PeopleStore:
    """Names and contact points.

    `forgotten` is told the notification ids of an erased customer, so that channels can delete what they kept.
    """

    def __init__(self, database: Database, forgotten: Callable[[Sequence[str]], None] | None = None) -> None:
        self._database = database
        self.forgotten = forgotten

    def get(self, customer: str) -> Person | None:
        """The person of a key, or None."""
        with self._database.begin() as connection:
            row = connection.execute(sa.select(people).where(people.c.customer == customer)).one_or_none()
        return Person(row.customer, row.name, row.mail, row.phone) if row else None

    def put(self, people_: Iterable[Person]) -> None:
        """Write these people in one transaction; an existing key is replaced."""
        self._database.upsert(people, [asdict(person) for person in people_])

    def all(self) -> Sequence[Person]:
        """Everybody, in order of key."""
        with self._database.begin() as connection:
            rows = connection.execute(sa.select(people).order_by(people.c.customer)).all()
        return [Person(row.customer, row.name, row.mail, row.phone) for row in rows]

    def key(self, customer: str) -> bytes:
        """The key that seals a customer's words; made where there is none."""
        with self._database.begin() as connection:
            found: bytes | None = connection.execute(sa.select(keys.c.key).where(keys.c.customer == customer)).scalar()
            if found is None:
                found = new_key()
                connection.execute(sa.insert(keys).values(customer=customer, key=found))
        return found

    def erase(self, customer: str) -> bool:
        """Forget a person, on disk as well; what is still to be said to them will find no way."""
        with self._database.begin() as connection:
            gone = connection.execute(sa.delete(people).where(people.c.customer == customer)).rowcount > 0
            for table in (keys, accounts):
                connection.execute(sa.delete(table).where(table.c.customer == customer))
            said = connection.execute(sa.select(notices.c.notification).where(notices.c.customer == customer)).scalars().all()
        self._database.scrub()
        if self.forgotten is not None:
            self.forgotten(said)
        return gone
