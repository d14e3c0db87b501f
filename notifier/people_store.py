"""The people store: the port `vorab.people.People` on the notifier's database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from notifier.database import Database, notices, people
from notifier.store_habits import HabitsStore
from vorab.people import Person


class PeopleStore:
    """Names and contact points.

    `forgotten` is told the notification ids of an erased customer, so that channels can delete what they kept.
    """

    def __init__(
        self, database: Database, forgotten: Callable[[Sequence[str]], None] | None = None, habits: HabitsStore | None = None
    ) -> None:
        self._database = database
        self._habits = habits or HabitsStore(database)
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
            said = connection.execute(sa.select(notices.c.notification).where(notices.c.customer == customer)).scalars().all()
            self._habits.reset(customer)
        self._database.scrub()
        if self.forgotten is not None:
            self.forgotten(said)
        return gone
