"""The records of a customer's timeline, from the desk's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from desk import store as tables
from desk.queries import OPEN, Queries
from desk.timeline.entry import Entry
from desk.timeline.fold import belongs, timeline
from vorab import topics
from vorab.records import Record, family_of

_AT_ONCE: Final = 500
Where = tuple[str, int, int]
"""Topic, partition and offset: where a record stands in the log."""


class Timelines:
    """Read-only questions."""

    def __init__(self, queries: Queries) -> None:
        self._queries, self._store = queries, queries.store

    def of(self, customer: str) -> list[Entry]:
        """The timeline of a customer (by key); empty where nothing ever happened."""
        return timeline(customer, self.records(customer))

    def cases(self, customer: str) -> list[str]:
        """The cases of a customer, the oldest first."""
        tenant, _, name = customer.partition("/")
        c = tables.cases.c
        query = sa.select(c.case, c.device).where(c.customer == name).order_by(c.opened_at, c.case)
        return [row["case"] for row in self._store.rows(query) if row["device"].startswith(f"{tenant}/")]

    def open(self, customer: str) -> list[tuple[str, str, bool]]:
        """The open cases of a customer: case, device and whether it needs a person; those that do first, then the oldest."""
        tenant, _, name = customer.partition("/")
        c = tables.cases.c
        query = sa.select(c.case, c.device, c.needs_person).where(c.customer == name, c.status.in_(OPEN))
        rows = self._store.rows(query.order_by(c.needs_person.desc(), c.opened_at, c.case))
        return [(row["case"], row["device"], row["needs_person"]) for row in rows if row["device"].startswith(f"{tenant}/")]

    def records(self, customer: str) -> list[Record]:
        """All that may have a place in it."""
        return [record for record, _ in self.placed(customer)]

    def placed(self, customer: str) -> list[tuple[Record, Where]]:
        """The same with where each stands in the log."""
        r, cases = tables.records.c, self.cases(customer)
        marks = self._marks([customer, *cases])
        found = dict(self._rows(r.case, cases, sa.or_(r.kind.like("io.vorab.case.%"), r.kind.like("io.vorab.command.%"))))
        found |= dict(self._rows(r.mark, marks))
        return [row for row in found.values() if belongs(row[0], customer, cases) or row[0].TOPIC == topics.COMMANDS]

    def positions(self) -> Mapping[tuple[str, int], int]:
        """Up to where the tables hold the log."""
        return self._store.positions()

    def _marks(self, threads: Sequence[str]) -> list[str]:
        t = tables.threads.c
        found: list[str] = []
        for start in range(0, len(threads), _AT_ONCE):
            query = sa.select(t.mark).where(t.thread.in_(threads[start : start + _AT_ONCE]))
            found += [row["mark"] for row in self._store.rows(query)]
        return list(dict.fromkeys(found))

    def _rows(
        self, column: sa.ColumnElement[str], names: Sequence[str], *where: sa.ColumnElement[bool]
    ) -> Iterator[tuple[str, tuple[Record, Where]]]:
        r = tables.records.c
        for start in range(0, len(names), _AT_ONCE):
            query = sa.select(tables.records).where(column.in_(names[start : start + _AT_ONCE]), *where).order_by(r.n)
            for row in self._store.rows(query):
                place = (row["topic"], row["partition"], row["offset"])
                yield row["mark"], (family_of(row["kind"]).model_validate_json(row["body"]), place)
