"""What helped, in the desk's tables: written with the position it belongs to, and learned anew where a database has none yet."""

from __future__ import annotations

import sqlalchemy as sa

from desk import store as tables
from desk.store import Store
from vorab.ranking import Book
from vorab.records import CaseEvent, Command, family_of


def load_book(store: Store) -> Book:
    """The book as the tables have it; from the records in them where they were written by a vorab that did not count what helped."""
    book = Book()
    blocks = store.rows(sa.select(tables.ranking))
    book.load({row["name"]: row["block"] for row in blocks})
    if not blocks:
        r = tables.records.c
        wanted = sa.or_(r.kind.like("io.vorab.case.%"), r.kind.like("io.vorab.command.%"))
        for row in store.rows(sa.select(r.kind, r.body).where(wanted).order_by(r.n)):
            record = family_of(row["kind"]).model_validate_json(row["body"])
            if isinstance(record, CaseEvent | Command):
                book.take(record)
        with store.write() as db:
            save_book(db, book)
    return book


def save_book(db: sa.Connection, book: Book) -> None:
    """Write what changed since the last time."""
    blocks = book.dirty()
    if blocks:
        db.execute(tables.ranking.delete().where(tables.ranking.c.name == sa.bindparam("gone")), [{"gone": name} for name in blocks])
    if rows := [{"name": name, "block": block} for name, block in blocks.items() if block]:
        db.execute(tables.ranking.insert(), rows)
