"""What customers said and were answered, in the notifier's database: a row before a channel is told yes, and a row before one is called.

The words of a reply stand in clear until the reply has been looked at, which is a moment; an answer stands sealed until it is out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from notifier.database import Database, cases, customers, meta, notices, people
from notifier.inbound.finding import Sent
from notifier.inbound.known import DONE, IGNORED, SENT, WAITS
from notifier.inbound.said import MAIL, WEBHOOK, Said, restored
from notifier.inbound.tables import accounts, answers, heard, sayings
from notifier.store_intake import view_of
from vorab import ids
from vorab.clock import Micros
from vorab.records import Answered, Record
from vorab.records.wire import KINDS

QUEUED: Final = "queued"
SENDING: Final = "sending"
FAILED: Final = "failed"
UNKNOWN: Final = "unknown"
SHADOW: Final = "shadow"
SAID: Final = (QUEUED, SENDING, SENT, UNKNOWN)
"""An answer that has been given, or will be, or may have been."""

SHORTEST_NUMBER: Final = 6
"""Digits of a telephone number; a shorter one is a service."""
MOST_CASES: Final = 5_000
"""Open cases among which a code is looked for."""
_CLASSES: Final[Mapping[str, type[Record]]] = {kind.__name__: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reply nobody has looked at."""

    heard: str
    said: Said


@dataclass(frozen=True, slots=True)
class Lately:
    """What has passed between a customer and us."""

    replies: int = 0
    answers: int = 0
    with_person: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """An answer that is to be given."""

    heard: str
    name: str
    customer: str
    channel: str
    attempts: int
    record: Answered
    sealed: str


class Inbox:
    """The rows. Every method is one transaction, or part of the one it is called in."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -------------------------------------------------------------------------------------------- in

    def receive(self, said: Said) -> bool:
        """Take a message in, on disk when this returns; False where it was there before. What replaces a waiting one takes its place."""
        first, name = ids.heard_id(said.channel, said.message), ids.heard_id(said.channel, said.message, said.edit)
        with self.database.begin() as connection:
            found = connection.execute(sa.select(heard.c.heard, heard.c.state).where(heard.c.heard.in_((first, name)))).all()
            states = {row.heard: row.state for row in found}
            if name in states:
                return False
            row = {"heard": name, "customer": "", "state": WAITS, "at": said.at, "handed": False, "body": said.stored()}
            if said.edit and states.get(first) == WAITS:
                body = replace(said, edit="").stored()
                connection.execute(sa.update(heard).where(heard.c.heard == first).values(body=body))
                row |= {"state": IGNORED, "body": ""}  # so that it is known when it comes again
            connection.execute(sa.insert(heard).values(**row))
        return True

    def waiting(self, limit: int) -> list[Waiting]:
        """What nobody has looked at, in the order it came."""
        query = sa.select(heard.c.heard, heard.c.body).where(heard.c.state == WAITS).order_by(heard.c.n).limit(limit)
        with self.database.begin() as connection:
            return [Waiting(row.heard, restored(row.body)) for row in connection.execute(query).all()]

    def open(self) -> int:
        """Replies nobody has looked at, and answers that are not out."""
        with self.database.begin() as connection:
            some = connection.execute(sa.select(sa.func.count()).where(heard.c.state == WAITS)).scalar() or 0
            others = connection.execute(sa.select(sa.func.count()).where(answers.c.state.in_((QUEUED, SENDING)))).scalar() or 0
        return int(some + others)

    def looked_at(self, name: str, customer: str, *, handed: bool = False, ignored: bool = False) -> None:
        """A reply is decided on; its words are gone from here."""
        values = {"customer": customer, "handed": handed, "state": IGNORED if ignored else DONE, "body": ""}
        with self.database.begin() as connection:
            connection.execute(sa.update(heard).where(heard.c.heard == name).values(**values))

    # -------------------------------------------------------------------------------------------- whose is it

    def senders(self, said: Said) -> list[str]:
        """Customers who have the sender's address or number."""
        with self.database.begin() as connection:
            if said.channel == MAIL:
                query = sa.select(people.c.customer).where(sa.func.lower(people.c.mail) == said.sender.lower())
                return sorted(connection.execute(query).scalars())
            if said.channel != WEBHOOK:
                query = sa.select(accounts.c.customer).where(accounts.c.channel == said.channel, accounts.c.account == said.sender)
                return list(connection.execute(query).scalars())
            wanted = digits(said.sender)
            if len(wanted) < SHORTEST_NUMBER:
                return []
            rows = connection.execute(sa.select(people.c.customer, people.c.phone).where(people.c.phone != "")).all()
            return sorted(row.customer for row in rows if digits(row.phone) == wanted)

    def link(self, channel: str, account: str, customer: str) -> None:
        """An account is this customer's from now on."""
        self.database.upsert(accounts, [{"channel": channel, "account": account, "customer": customer}])

    def everybody(self) -> list[str]:
        """The keys of all people we know."""
        with self.database.begin() as connection:
            return list(connection.execute(sa.select(people.c.customer)).scalars())

    def place(self, name: str) -> str:
        """How far a service has been read; empty: not at all."""
        with self.database.begin() as connection:
            return str(connection.execute(sa.select(meta.c.value).where(meta.c.name == f"inbound.{name}")).scalar() or "")

    def keep_place(self, name: str, place: str) -> None:
        """It has been read so far."""
        self.database.upsert(meta, [{"name": f"inbound.{name}", "value": place}])

    def sent(self, notifications: Sequence[str], told: Sequence[str]) -> list[Sent]:
        """The messages of ours of these ids, in their order, then cases of which a message was written."""
        n = notices.c
        with self.database.begin() as connection:
            rows = connection.execute(sa.select(n.notification, n.customer, n.case).where(n.notification.in_(notifications))).all()
            by = {row.notification: Sent(row.customer, row.case, "", row.notification) for row in rows}
            answered = sa.select(answers.c.name, answers.c.customer, answers.c.record).where(answers.c.name.in_(notifications))
            for row in connection.execute(answered.where(answers.c.name != "")).all():
                by.setdefault(row.name, Sent(row.customer, Answered.model_validate_json(row.record).case, "", row.name))
            about = connection.execute(sa.select(n.case, n.customer).where(n.case.in_(told)).distinct()).all()
        return [*(Sent(row.customer, row.case) for row in about), *(by[name] for name in notifications if name in by)]

    def open_cases(self, customers_: Iterable[str] | None) -> dict[str, list[Sent]]:
        """Open cases of these customers; None: of everybody, as far as can be looked through."""
        query = sa.select(cases.c.body).order_by(cases.c.at.desc()).limit(MOST_CASES)
        if customers_ is not None:
            query = query.where(cases.c.customer.in_(list(customers_)))
        found: dict[str, list[Sent]] = {}
        with self.database.begin() as connection:
            for body in connection.execute(query).scalars():
                view = view_of(body)
                if view.open:
                    found.setdefault(view.customer, []).append(Sent(view.customer, view.case, view.device))
        return found

    def knows(self, customer: str) -> bool:
        """Whether somebody of this key is a person we know, or the registry does."""
        with self.database.begin() as connection:
            return any(
                connection.execute(sa.select(table.c.customer).where(table.c.customer == customer)).first() is not None
                for table in (people, customers)
            )

    def lately(self, customer: str, since: Micros, kept: Micros) -> Lately:
        """What has passed since a moment, and whether a person has the conversation: handed over after `kept`, and not answered since."""
        with self.database.begin() as connection:
            mine = (heard.c.customer == customer, heard.c.state == DONE)
            replies = connection.execute(sa.select(sa.func.count()).where(*mine, heard.c.at > since)).scalar()
            given = (answers.c.customer == customer, answers.c.state.in_(SAID), answers.c.by_person.is_(False), answers.c.at > since)
            answered = connection.execute(sa.select(sa.func.count()).where(*given)).scalar()
            handed = connection.execute(
                sa.select(sa.func.max(heard.c.at)).where(*mine, heard.c.handed.is_(True), heard.c.at > kept)
            ).scalar()
            by_hand = sa.select(sa.func.max(answers.c.at)).where(answers.c.customer == customer, answers.c.by_person.is_(True))
            person = connection.execute(by_hand).scalar()
        return Lately(int(replies or 0), int(answered or 0), handed is not None and (person is None or person < handed))

    # -------------------------------------------------------------------------------------------- out

    def tell(self, *records: Record) -> None:
        """Records for the log, in this order."""
        with self.database.begin() as connection:
            rows = [{"kind": type(each).__name__, "body": each.model_dump_json(exclude_none=True)} for each in records]
            if rows:
                connection.execute(sa.insert(sayings), rows)

    def untold(self, limit: int = 500) -> list[tuple[int, Record]]:
        """What the log does not have yet, in order."""
        query = sa.select(sayings).order_by(sayings.c.n).limit(limit)
        with self.database.begin() as connection:
            return [(row.n, _CLASSES[row.kind].model_validate_json(row.body)) for row in connection.execute(query).all()]

    def told(self, numbers: Sequence[int]) -> None:
        """The log has these."""
        with self.database.begin() as connection:
            connection.execute(sa.delete(sayings).where(sayings.c.n.in_(numbers)))

    def queue(self, record: Answered, sealed: str, *, shadow: bool = False) -> None:
        """An answer is to be given; a second one to the same words is a defect."""
        values: dict[str, Any] = {
            "heard": record.heard,
            "name": str(uuid.uuid4()),
            "customer": record.key,
            "channel": record.channel,
            "at": record.at,
        }
        more = {
            "state": SHADOW if shadow else QUEUED,
            "due_at": record.at,
            "record": record.model_dump_json(),
            "sealed": "" if shadow else sealed,
        }
        with self.database.begin() as connection:
            connection.execute(sa.insert(answers).values(**values, **more))

    def claim(self, now: Micros) -> Due | None:
        """The next answer that is due, on disk as `sending` when this returns."""
        query = (
            sa.select(answers)
            .where(answers.c.state == QUEUED, answers.c.due_at <= now)
            .order_by(answers.c.due_at, answers.c.heard)
            .limit(1)
        )
        with self.database.begin() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            changed = {"state": SENDING, "attempts": row.attempts + 1, "at": now}
            connection.execute(sa.update(answers).where(answers.c.heard == row.heard).values(**changed))
        return _due(row, row.attempts + 1)

    def ended(self, due: Due, state: str, detail: str, now: Micros, *records: Record) -> None:
        """What became of a call, and what the log is told of it."""
        with self.database.begin() as connection:
            connection.execute(
                sa.update(answers).where(answers.c.heard == due.heard, answers.c.state == SENDING)
                .values(state=state, detail=detail, at=now, sealed="")
            )  # fmt: skip
            self.tell(*records)

    def again(self, due: Due, due_at: Micros, detail: str) -> None:
        """It was certainly not taken: tried again later."""
        values = {"state": QUEUED, "due_at": due_at, "detail": detail}
        with self.database.begin() as connection:
            connection.execute(sa.update(answers).where(answers.c.heard == due.heard, answers.c.state == SENDING).values(**values))

    def interrupted(self) -> list[Due]:
        """After a start: answers that were being given when the process died."""
        with self.database.begin() as connection:
            rows = connection.execute(sa.select(answers).where(answers.c.state == SENDING)).all()
        return [_due(row, row.attempts) for row in rows]

    def prune(self, before: Micros) -> None:
        """Forget what ended before a moment."""
        with self.database.begin() as connection:
            connection.execute(sa.delete(heard).where(heard.c.at < before, heard.c.state != WAITS))
            connection.execute(sa.delete(answers).where(answers.c.at < before, answers.c.state.not_in((QUEUED, SENDING))))


def _due(row: sa.Row[Any], attempts: int) -> Due:
    return Due(row.heard, row.name, row.customer, row.channel, attempts, Answered.model_validate_json(row.record), row.sealed)


def digits(number: str) -> str:
    """A number without what people write between its digits; 00 before the country is +."""
    return "".join(each for each in number if each.isascii() and each.isdigit()).removeprefix("00")
