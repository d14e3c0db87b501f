"""Where and when people were written to and whether they answered, in the notifier's database: told, exported, reset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from notifier.database import Database, habits
from notifier.habits import Habits, Moment, learned
from vorab.clock import HOUR, Micros
from vorab.habits import Outcome, Patterns
from vorab.records import Channel, Notification

NEWEST: Final = 50_000
"""Messages that are learned from; a few seconds of work."""
ANEW: Final[Micros] = HOUR
"""How long what was learned counts."""


def facts_of(note: Notification, language: str) -> tuple[str, ...]:
    """What is known of somebody that may say something about their day, without personal data."""
    model = note.params.get("model")
    return (f"language:{language}", *((f"model:{model}".replace(" ", "-"),) if model else ()))


class HabitsStore:
    """What came of messages. Every method is one transaction, or part of the one it is called in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._learned: Habits | None = None
        self._learned_at: Micros = 0

    def began(self, note: Notification, channel: Channel, when: Moment, facts: Sequence[str]) -> None:
        """A message is handed to a channel."""
        row = {"notification": note.id, "customer": note.key, "channel": channel.value, "hour": when.hour, "weekend": when.weekend}
        self._database.upsert(habits, [{**row, "facts": " ".join(facts), "at": when.at, "left": False}])

    def failed(self, notification: str) -> None:
        """It was certainly not said."""
        with self._database.begin() as connection:
            connection.execute(sa.delete(habits).where(habits.c.notification == notification))

    def answered(self, found: Iterable[tuple[str, Micros]]) -> None:
        """People answered these notifications, or pressed one of their buttons; the first time counts."""
        with self._database.begin() as connection:
            for notification, at in found:
                first = (habits.c.notification == notification, habits.c.answered_at.is_(None))
                connection.execute(sa.update(habits).where(*first).values(answered_at=at))

    def left(self, customers: Iterable[str]) -> None:
        """These want no more messages: the last one was one too many."""
        with self._database.begin() as connection:
            for customer in customers:
                last = sa.select(habits.c.notification).where(habits.c.customer == customer).order_by(habits.c.at.desc()).limit(1)
                connection.execute(sa.update(habits).where(habits.c.notification == last.scalar_subquery()).values(left=True))

    def of(self, customer: str) -> list[dict[str, Any]]:
        """All that is kept of a customer, the oldest first."""
        with self._database.begin() as connection:
            rows = connection.execute(sa.select(habits).where(habits.c.customer == customer).order_by(habits.c.at)).mappings().all()
        return [dict(row) for row in rows]

    def reset(self, customer: str) -> int:
        """Forget all of it; returns how many messages it was."""
        with self._database.begin() as connection:
            gone = connection.execute(sa.delete(habits).where(habits.c.customer == customer)).rowcount
        self._learned = None
        return gone

    def prune(self, before: Micros) -> None:
        """Forget what was sent before a moment (µs)."""
        with self._database.begin() as connection:
            connection.execute(sa.delete(habits).where(habits.c.at < before))

    def learned(self, now: Micros) -> Habits:
        """What they say, learned anew every hour."""
        if self._learned is None or not self._learned_at <= now < self._learned_at + ANEW:
            outcomes, facts = self._outcomes()
            before: Patterns | None = self._learned.patterns if self._learned else None
            self._learned, self._learned_at = learned(outcomes, facts, now, before), now
        return self._learned

    def _outcomes(self) -> tuple[Mapping[str, Sequence[Outcome]], Mapping[str, Sequence[str]]]:
        with self._database.begin() as connection:
            rows = connection.execute(sa.select(habits).order_by(habits.c.at.desc()).limit(NEWEST)).all()
        outcomes: dict[str, list[Outcome]] = {}
        facts: dict[str, Sequence[str]] = {}
        for row in reversed(rows):
            came = Outcome(row.channel, row.hour, row.weekend, row.at, answered_at=row.answered_at, left=row.left)
            outcomes.setdefault(row.customer, []).append(came)
            facts[row.customer] = row.facts.split()
        return outcomes, facts
