"""Rows that are new, or written over those that are there, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa


def insert(db: sa.Connection, table: sa.Table) -> Any:
    """An insert that knows `on_conflict`, in the words of the database."""
    if db.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres_insert  # noqa: PLC0415 - only where it is used

        return postgres_insert(table)
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert  # noqa: PLC0415 - only where it is used

    return sqlite_insert(table)


def upsert(db: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of the same columns, each key once: new ones, or over those that are there."""
    if rows:
        new, keys = insert(db, table), [column.name for column in table.primary_key]
        values = {name: new.excluded[name] for name in rows[0] if name not in keys}
        db.execute(new.on_conflict_do_update(index_elements=keys, set_=values), rows)
