"""Which record concerns whom, as rows: what a timeline is found by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from desk import store as tables
from desk.store import Store
from desk.timeline.fold import OF_CUSTOMERS
from desk.upsert import insert
from vorab.records import Incident, Record, family_of

ADOPTED: Final = "threads"
"""Stands in the table of schema once the records of an earlier vorab have their rows."""
_AT_ONCE: Final = 5_000


def threads_of(record: Record) -> Iterator[str]:
    """The customer a record belongs to, or the cases an incident names."""
    if isinstance(record, OF_CUSTOMERS):
        yield record.key
    elif isinstance(record, Incident) and not record.customer:
        yield from record.children


def adopt(store: Store) -> None:
    """Give the records that an earlier vorab folded their rows; once."""
    r, m = tables.records.c, tables.meta.c
    if store.row(sa.select(m.value).where(m.name == ADOPTED)) is not None:
        return
    kinds: tuple[type[Record], ...] = (*OF_CUSTOMERS, Incident)
    families = [kind.TYPE.split(".{")[0].removesuffix(".v1") for kind in kinds]
    wanted = sa.or_(*(r.kind.like(f"{family}.%") for family in families))
    with store.write() as db:
        last = 0
        while rows := db.execute(sa.select(r.n, r.mark, r.kind, r.body).where(wanted, r.n > last).order_by(r.n).limit(_AT_ONCE)).all():
            last = rows[-1].n
            found = [
                {"thread": thread, "mark": row.mark}
                for row in rows
                for thread in threads_of(family_of(row.kind).model_validate_json(row.body))
            ]
            if found:
                db.execute(insert(db, tables.threads).on_conflict_do_nothing(), found)
        db.execute(tables.meta.insert().values(name=ADOPTED, value="1"))
