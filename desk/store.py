"""The desk's database: what the log says, folded into tables that pages can ask. Rebuildable at any time from the log.

Source of truth is the log; the position up to which it was folded is stored in the same transaction as the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from vorab.errors import ConfigError

SCHEMA: Final = 1

metadata: Final = sa.MetaData()

meta: Final = sa.Table("meta", metadata, sa.Column("name", sa.String, primary_key=True), sa.Column("value", sa.String, nullable=False))

positions: Final = sa.Table(
    "positions",
    metadata,
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("next", sa.BigInteger, nullable=False),
)

records: Final = sa.Table(
    "records",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("mark", sa.String, nullable=False, unique=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("id", sa.String, nullable=False, index=True),
    sa.Column("case", sa.String, nullable=False, default="", index=True),
    sa.Column("device", sa.String, nullable=False, default=""),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("topic", sa.String, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Index("records_kind", "kind", "at"),
    sa.Index("records_device", "device", "kind", "at"),
)
"""Every record once, as it stood in the log; `mark` is type and id."""

cases: Final = sa.Table(
    "cases",
    metadata,
    sa.Column("case", sa.String, primary_key=True),
    sa.Column("device", sa.String, nullable=False, index=True),
    sa.Column("customer", sa.String, nullable=False, default="", index=True),
    sa.Column("status", sa.String, nullable=False, index=True),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("opened_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("needs_person", sa.Boolean, nullable=False, default=False),
    sa.Column("healed", sa.Boolean, nullable=False, default=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""One row per case: its last event and what follows from all of them."""

incidents: Final = sa.Table(
    "incidents",
    metadata,
    sa.Column("incident", sa.String, primary_key=True),
    sa.Column("status", sa.String, nullable=False, index=True),
    sa.Column("opened_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""One row per incident: the last that was said of it, without its cases."""

children: Final = sa.Table(
    "children",
    metadata,
    sa.Column("case", sa.String, primary_key=True),
    sa.Column("incident", sa.String, nullable=False, index=True),
)
"""The incident a case belongs to; empty where it stands for itself again."""

bookings: Final = sa.Table(
    "bookings",
    metadata,
    sa.Column("booking", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False, index=True),
    sa.Column("case", sa.String, nullable=False, index=True),
    sa.Column("status", sa.String, nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
)
"""One row per call or visit: the last that became of it."""

devices: Final = sa.Table(
    "devices",
    metadata,
    sa.Column("device", sa.String, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

customers: Final = sa.Table(
    "customers",
    metadata,
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

sites: Final = sa.Table(
    "sites",
    metadata,
    sa.Column("site", sa.String, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

contracts: Final = sa.Table(
    "contracts",
    metadata,
    sa.Column("contract", sa.String, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

heard: Final = sa.Table(
    "heard",
    metadata,
    sa.Column("device", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Every device that ever spoke, and when it was heard first: also those nobody registered."""

points: Final = sa.Table(
    "points",
    metadata,
    sa.Column("device", sa.String, primary_key=True),
    sa.Column("signal", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)
"""Readings around cases: the curve of a case page."""

threads: Final = sa.Table(
    "threads",
    metadata,
    sa.Column("thread", sa.String, primary_key=True),
    sa.Column("mark", sa.String, primary_key=True),
)
"""Whom a record concerns beside its case: the key of a customer, or a case that an incident names."""

counts: Final = sa.Table(
    "counts",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)


ranking: Final = sa.Table(
    "ranking",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("block", sa.LargeBinary, nullable=False),
)
"""What helped in such cases: the blocks of `vorab.ranking.Book`."""


class Store:
    """The tables behind one engine; one thread writes, any number reads.

    Raises:
        ConfigError: the address is unknown to SQLAlchemy.
    """

    def __init__(self, address: str) -> None:
        try:
            url = sa.make_url(address)
        except sa.exc.ArgumentError as error:
            raise ConfigError(f"database address {address!r}: {error}", key="desk.database") from None
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = sa.create_engine(url, connect_args={"timeout": 30} if url.get_backend_name() == "sqlite" else {})
        self._writing = threading.Lock()
        if url.get_backend_name() == "sqlite":
            sa.event.listen(self.engine, "connect", _prepare)
        metadata.create_all(self.engine)
        for index in cases.indexes:  # a table that an earlier vorab made lacks the latest
            index.create(self.engine, checkfirst=True)
        self._check_schema()

    def _check_schema(self) -> None:
        with self.engine.begin() as db:
            found = db.scalar(sa.select(meta.c.value).where(meta.c.name == "schema"))
            if found is None:
                db.execute(meta.insert().values(name="schema", value=str(SCHEMA)))
                return
        if int(found) > SCHEMA:
            raise ConfigError(
                f"the desk's database has schema {found}, this vorab knows {SCHEMA}",
                key="desk.database",
                hint="delete it: the desk rebuilds it from the log",
            )

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction of the one writer."""
        with self._writing, self.engine.begin() as db:
            yield db

    def rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        """The rows of a query."""
        with self.engine.connect() as db:
            return db.execute(query).mappings().all()

    def row(self, query: sa.Select[Any]) -> sa.RowMapping | None:
        """The first row of a query."""
        with self.engine.connect() as db:
            return db.execute(query).mappings().first()

    def positions(self) -> Mapping[tuple[str, int], int]:
        """Up to where the log has been folded."""
        return {(row["topic"], row["partition"]): row["next"] for row in self.rows(sa.select(positions))}

    def clear(self) -> None:
        """Forget everything, so that the log is folded anew."""
        with self.write() as db:
            for table in (
                positions,
                records,
                cases,
                incidents,
                children,
                bookings,
                threads,
                devices,
                customers,
                sites,
                contracts,
                heard,
                points,
                counts,
                ranking,
            ):
                db.execute(table.delete())

    def close(self) -> None:
        """Let go."""
        self.engine.dispose()


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def open_read_only(address: str) -> Store | None:
    """The tables of a desk that may not be running; None where there are none."""
    url = sa.make_url(address)
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
        return None
    return Store(address)
