"""The outbox of all partners, in the desk's database: written in the transaction that also writes the position in the log.

Two threads write it, each its own columns: the projector says what is new (`last_seq`), the relay of a partner what it told and heard.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import sqlalchemy as sa

from desk import store as desk_tables
from desk.partner.mirror import Mirror, State, Story
from desk.registry_queries import RegistryQueries
from desk.sealed import Seal, closed, whose
from desk.store import Store
from vorab.clock import DAY, SECOND, Micros
from vorab.records import CaseEvent, Command, CommandKind, Device, family_of
from vorab.registry.kinds import DEVICES

KEPT: Final[Micros] = DAY
"""How long ids of messages heard are kept; they are refused by their time long before."""

metadata: Final = sa.MetaData()

mirrors: Final = sa.Table(
    "partner_mirrors",
    metadata,
    sa.Column("partner", sa.String, primary_key=True),
    sa.Column("case", sa.String, primary_key=True),
    sa.Column("device", sa.String, nullable=False),
    sa.Column("ticket", sa.String, nullable=False, default=""),
    sa.Column("last_seq", sa.Integer, nullable=False),
    sa.Column("sent_seq", sa.Integer, nullable=False, default=-1),
    sa.Column("known", sa.String, nullable=False, default=""),
    sa.Column("settled", sa.String, nullable=False, default=""),
    sa.Column("wanted", sa.Integer, nullable=False, default=0),
    sa.Column("looked", sa.Integer, nullable=False, default=0),
    sa.Column("posted_at", sa.BigInteger, nullable=False, default=0),
    sa.Column("asked", sa.Text, nullable=False, default="[]"),
    sa.Column("asked_until", sa.BigInteger, nullable=False, default=0),
    sa.Column("due_at", sa.BigInteger, nullable=False, default=0),
    sa.Column("waiting_since", sa.BigInteger, nullable=False, default=0),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("dead", sa.Boolean, nullable=False, default=False),
    sa.Column("reason", sa.String, nullable=False, default=""),
    sa.Column("detail", sa.String, nullable=False, default=""),
    sa.Column("sent_at", sa.BigInteger, nullable=False, default=0),
    sa.Column("heard_at", sa.BigInteger, nullable=False, default=0),
    sa.Index("partner_mirrors_due", "partner", "due_at"),
    sa.Index("partner_mirrors_case", "case"),
)
"""One row per partner and case it has."""

dead: Final = sa.Table(
    "partner_dead",
    metadata,
    sa.Column("partner", sa.String, primary_key=True),
    sa.Column("case", sa.String, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("detail", sa.String, nullable=False, default=""),
)
"""Facts a partner could not be told."""

heard: Final = sa.Table(
    "partner_heard",
    metadata,
    sa.Column("partner", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Messages of partners that were taken."""

hubs: Final = sa.Table(
    "partner_hubs",
    metadata,
    sa.Column("partner", sa.String, primary_key=True),
    sa.Column("callback", sa.String, nullable=False),
)
"""Where a partner's hub was told to send its events."""

ROUND: Final = (
    "ticket", "sent_seq", "known", "settled", "looked", "posted_at", "asked", "asked_until", "tries", "dead", "reason", "detail",
)  # fmt: skip
"""What only a round of the relay writes."""


class Outbox:
    """The tables, made where they are missing."""

    def __init__(self, store: Store, seal: Seal | None = None) -> None:
        """`seal` opens and seals what people write; without it, it stays closed, and nothing is written."""
        self._store, self._seal, self._registry = store, seal, RegistryQueries(store)
        metadata.create_all(store.engine)

    # ------------------------------------------------------------------------------------------- the projector's side

    def saw(self, db: sa.Connection, fits: Iterable[tuple[str, str]], cases: Mapping[str, CaseEvent], now: Micros) -> None:
        """Cases have new facts; those that `fits` names (partner and case) are mirrored from now on. In the projector's transaction."""
        m = mirrors.c
        fits = set(fits)
        known = (
            {(row.partner, row.case) for row in db.execute(sa.select(m.partner, m.case).where(m.case.in_(list(cases))))} if cases else set()
        )
        fresh = [
            {"partner": partner, "case": case, "device": cases[case].key, "last_seq": cases[case].seq, "due_at": now, "waiting_since": now}
            for partner, case in sorted(fits - known)
        ]
        if fresh:
            db.execute(mirrors.insert(), fresh)
        since = sa.case((m.last_seq > m.sent_seq, m.waiting_since), else_=now)
        for case in {case for _, case in known}:
            seq = cases[case].seq
            news = {"last_seq": seq, "due_at": now, "waiting_since": since, "dead": False}
            db.execute(sa.update(mirrors).where(m.case == case, m.last_seq < seq).values(news))

    # ----------------------------------------------------------------------------------------------- the relay's side

    def due(self, partner: str, now: Micros, limit: int = 20) -> list[Mirror]:
        """What a partner has waiting, the longest first."""
        m = mirrors.c
        query = (
            sa.select(mirrors).where(m.partner == partner, m.due_at > 0, m.due_at <= now, m.dead.is_(False)).order_by(m.due_at).limit(limit)
        )
        return [mirror_of(row) for row in self._store.rows(query)]

    def save(self, mirror: Mirror, now: Micros) -> None:
        """What a round found out. Whatever came up meanwhile makes it due again at once."""
        m, values = mirrors.c, row_of(mirror)
        more = sa.or_(m.last_seq > mirror.last_seq, m.wanted > mirror.wanted)
        with self._store.write() as db:
            db.execute(
                sa.update(mirrors)
                .where(m.partner == mirror.partner, m.case == mirror.case)
                .values(
                    {name: values[name] for name in ROUND}
                    | {
                        "due_at": sa.case((more, now), else_=mirror.due_at),
                        "sent_at": mirror.sent_at,
                        "heard_at": sa.case((m.heard_at > mirror.heard_at, m.heard_at), else_=mirror.heard_at),
                    }
                )
            )

    def bury(self, mirror: Mirror, seq: int, now: Micros) -> None:
        """A fact is a dead letter: operators are shown it."""
        row = {"partner": mirror.partner, "case": mirror.case, "seq": seq}
        rest = {"at": now, "tries": mirror.tries, "reason": mirror.reason, "detail": mirror.detail}
        with self._store.write() as db:
            db.execute(sa.delete(dead).where(*(dead.c[name] == value for name, value in row.items())))
            db.execute(dead.insert(), row | rest)

    def story(self, mirror: Mirror) -> Story:
        """The case of a mirror, as far as the log was read.

        Raises:
            Unavailable: people wrote something, and nobody can open it now.
        """
        r = desk_tables.records.c
        events: list[CaseEvent] = []
        asked: dict[str, Command] = {}
        wanted = sa.or_(r.kind.like("io.vorab.case.%"), r.kind.like("io.vorab.command.%"))
        for row in self._store.rows(sa.select(r.kind, r.body).where(r.case == mirror.case, wanted).order_by(r.n)):
            record = family_of(row["kind"]).model_validate_json(row["body"])
            if isinstance(record, CaseEvent):
                events.append(record)
            elif isinstance(record, Command) and record.by == mirror.partner:
                asked[record.id] = record
        customers = dict.fromkeys(key for event in events if (key := whose(event, self._machine(event))))
        read = self._seal.opened(customers, events) if self._seal is not None else [closed(event) for event in events]
        told = [event for event in read if isinstance(event, CaseEvent)]
        return Story(sorted(told, key=lambda event: event.seq), asked)

    def sealed(self, command: Command, story: Story) -> Command:
        """A command in a partner's name, with the words in it sealed; raises Unavailable where nobody can do that now."""
        if self._seal is None or command.kind is not CommandKind.NOTE:
            return command
        customer = whose(story.last, self._machine(story.last))
        return command.model_copy(update={"detail": self._seal.detail(customer, command.detail)})

    def _machine(self, event: CaseEvent) -> Device | None:
        found: Device | None = self._registry.get(DEVICES, event.key)
        return found

    def hub(self, partner: str) -> str:
        """Where its hub sends events; empty where it was not told yet."""
        row = self._store.row(sa.select(hubs.c.callback).where(hubs.c.partner == partner))
        return str(row["callback"]) if row else ""

    def registered(self, partner: str, callback: str) -> None:
        """Its hub knows where to send events; empty forgets that."""
        with self._store.write() as db:
            db.execute(sa.delete(hubs).where(hubs.c.partner == partner))
            if callback:
                db.execute(hubs.insert(), {"partner": partner, "callback": callback})

    # -------------------------------------------------------------------------------------------- what partners say

    def of(self, partner: str, *, ticket: str = "", case: str = "") -> Mirror | None:
        """The mirror of a ticket, or of a case."""
        m = mirrors.c
        for column, value in ((m.case, case), (m.ticket, ticket)):
            row = self._store.row(sa.select(mirrors).where(m.partner == partner, column == value)) if value else None
            if row is not None:
                return mirror_of(row)
        return None

    def hear(self, partner: str, message: str, now: Micros) -> None:
        """A message was taken; older ones are forgotten."""
        with self._store.write() as db:
            db.execute(sa.delete(heard).where(heard.c.at < now - KEPT))
            db.execute(sa.delete(heard).where(heard.c.partner == partner, heard.c.id == message))
            db.execute(heard.insert(), {"partner": partner, "id": message, "at": now})

    def has_heard(self, partner: str, message: str) -> bool:
        """Whether a message was taken before."""
        return self._store.row(sa.select(heard.c.id).where(heard.c.partner == partner, heard.c.id == message)) is not None

    def want(self, mirror: Mirror, now: Micros) -> None:
        """The ticket is worth a look."""
        m = mirrors.c
        with self._store.write() as db:
            db.execute(
                sa.update(mirrors)
                .where(m.partner == mirror.partner, m.case == mirror.case)
                .values(wanted=m.wanted + 1, due_at=now, heard_at=now, dead=False)
            )

    def named(self, mirror: Mirror, ticket: str, now: Micros) -> None:
        """A partner spoke about a case, and may have said what it calls it."""
        m = mirrors.c
        values: dict[str, Any] = {"heard_at": now} | ({"ticket": ticket} if ticket else {})
        with self._store.write() as db:
            db.execute(sa.update(mirrors).where(m.partner == mirror.partner, m.case == mirror.case).values(values))

    # --------------------------------------------------------------------------------------------------- operators

    def resend(self, partner: str, case: str, now: Micros) -> int:
        """Try dead letters again, from the first of each case; returns how many cases."""
        m = mirrors.c
        with self._store.write() as db:
            where = [dead.c.partner == partner, *([dead.c.case == case] if case else [])]
            query = sa.select(dead.c.case, sa.func.min(dead.c.seq).label("seq")).where(*where).group_by(dead.c.case)
            first = {row.case: row.seq for row in db.execute(query)}
            for name, seq in first.items():
                back = sa.case((m.sent_seq >= seq, seq - 1), else_=m.sent_seq)
                anew = {"sent_seq": back, "due_at": now, "waiting_since": now, "tries": 0, "dead": False, "reason": "", "detail": ""}
                db.execute(sa.update(mirrors).where(m.partner == partner, m.case == name).values(anew))
            db.execute(sa.delete(dead).where(*where))
        return len(first)

    def of_case(self, case: str) -> list[Mirror]:
        """At which partners a case is mirrored."""
        return [mirror_of(row) for row in self._store.rows(sa.select(mirrors).where(mirrors.c.case == case).order_by(mirrors.c.partner))]

    def dead_letters(self, partner: str, limit: int = 100) -> Sequence[sa.RowMapping]:
        """Facts that could not be told, the oldest first."""
        return self._store.rows(sa.select(dead).where(dead.c.partner == partner).order_by(dead.c.at).limit(limit))

    def figures(self, partner: str, now: Micros) -> dict[str, Any]:
        """How it stands with one partner; ages in s."""
        m = mirrors.c
        waits = sa.and_(m.last_seq > m.sent_seq, m.dead.is_(False))
        query: Any = sa.select(
            sa.func.count().label("mirrored"),
            sa.func.sum(sa.case((waits, 1), else_=0)).label("waiting"),
            sa.func.min(sa.case((waits, m.waiting_since))).label("oldest"),
            sa.func.sum(sa.case((m.reason == "differs", 1), else_=0)).label("differs"),
            sa.func.max(m.sent_at).label("sent_at"),
            sa.func.max(m.heard_at).label("heard_at"),
        ).where(m.partner == partner)
        row = self._store.row(query)
        count: sa.Select[Any] = sa.select(sa.func.count().label("n")).where(dead.c.partner == partner)
        letters = self._store.row(count)
        found = dict(row or {})
        oldest = found.pop("oldest", None)
        counted = {name: int(found.get(name) or 0) for name in ("mirrored", "waiting", "differs", "sent_at", "heard_at")}
        return counted | {"dead": int(letters["n"]) if letters else 0, "lag_s": round(max(0, now - oldest) / SECOND, 1) if oldest else 0.0}


def mirror_of(row: sa.RowMapping) -> Mirror:
    """A mirror from its row."""
    values = dict(row)
    known, asked = values.pop("known"), values.pop("asked")
    return Mirror(**values, known=State(*json.loads(known)) if known else None, asked=tuple(json.loads(asked)))


def row_of(mirror: Mirror) -> dict[str, Any]:
    """The columns of a mirror."""
    plain = {each.name: getattr(mirror, each.name) for each in fields(mirror)}
    return plain | {"known": json.dumps(mirror.known) if mirror.known else "", "asked": json.dumps(mirror.asked)}


def failed(mirror: Mirror, reason: str, detail: str, due_at: Micros) -> Mirror:
    """A try that came to nothing."""
    return replace(mirror, tries=mirror.tries + 1, reason=reason, detail=detail[:500], due_at=due_at)
