"""The notifier's database: tables, schema version, and transactions that are on disk when they end.

SQLite: one connection behind one lock, `BEGIN IMMEDIATE`, WAL, `synchronous=FULL`, and freed bytes are overwritten.
Any other address is left to SQLAlchemy as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from vorab.errors import ConfigError
from vorab.records import DeliveryState

SCHEMA: Final = 3

ADDED: Final[dict[int, tuple[str, ...]]] = {
    2: (
        "ALTER TABLE notices ADD COLUMN carrier VARCHAR NOT NULL DEFAULT ''",
        "CREATE INDEX notices_carried ON notices (carrier)",
        "ALTER TABLE outbox ADD COLUMN trace VARCHAR NOT NULL DEFAULT ''",
        # What was said before there was a budget counts as well.
        """INSERT INTO contacts (notification, customer, advertising, at)
        SELECT o.notification, n.customer, FALSE, MAX(o.at) FROM outbox o JOIN notices n ON n.notification = o.notification
        WHERE o.state IN ('sending', 'sent', 'unknown') GROUP BY o.notification, n.customer""",
    ),
    3: (),  # new tables only
}
"""What turns the schema before into this one, once the tables that are new have been made."""

# States of a notification before it ends; then its state is that of its final delivery.
QUEUED: Final = "queued"
DEFERRED: Final = "deferred"
SENDING: Final = "sending"
WAITING: Final = (QUEUED, DEFERRED)
MAYBE_SAID: Final = (SENDING, DeliveryState.SENT.value, DeliveryState.UNKNOWN.value)

metadata: Final = sa.MetaData()

meta: Final = sa.Table("meta", metadata, sa.Column("name", sa.String, primary_key=True), sa.Column("value", sa.String, nullable=False))

positions: Final = sa.Table(
    "positions",
    metadata,
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("next", sa.BigInteger, nullable=False),
)
"""The next offset to read; written in the same transaction as what was made of the records before it."""

customers: Final = sa.Table(
    "customers",
    metadata,
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

contracts: Final = sa.Table(
    "contracts",
    metadata,
    sa.Column("contract", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
)

cases: Final = sa.Table(
    "cases",
    metadata,
    sa.Column("case", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

notices: Final = sa.Table(
    "notices",
    metadata,
    sa.Column("notification", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False, index=True),
    sa.Column("case", sa.String, nullable=False, index=True),
    sa.Column("stage", sa.String, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False, default="none"),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("deferrals", sa.Integer, nullable=False, default=0),
    sa.Column("carrier", sa.String, nullable=False, default="", server_default=""),
    sa.Index("notices_carried", "carrier"),
    sa.Index("notices_due", "state", "due_at"),
)
"""What should be said, one row per notification. `carrier` is the message that tells it besides, while that is being said."""

outbox: Final = sa.Table(
    "outbox",
    metadata,
    sa.Column("notification", sa.String, primary_key=True),
    sa.Column("channel", sa.String, primary_key=True),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String, nullable=False, default=""),
    sa.Column("trace", sa.String, nullable=False, default="", server_default=""),
)
"""What was handed to a channel, one row per notification and channel: committed as `sending` before the channel is called."""

contacts: Final = sa.Table(
    "contacts",
    metadata,
    sa.Column("notification", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("advertising", sa.Boolean, nullable=False),
    sa.Column("at", sa.BigInteger),
    sa.Index("contacts_of", "customer", "at"),
)
"""What counts against a budget: a place is taken in the transaction that says `sending`, and given back only where nothing was said."""

deliveries: Final = sa.Table(
    "deliveries",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("published", sa.Boolean, nullable=False, default=False, index=True),
)
"""What became of it, on the way to the log."""

habits: Final = sa.Table(
    "habits",
    metadata,
    sa.Column("notification", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False, index=True),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("hour", sa.Integer, nullable=False),
    sa.Column("weekend", sa.Boolean, nullable=False),
    sa.Column("facts", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("answered_at", sa.BigInteger),
    sa.Column("left", sa.Boolean, nullable=False, default=False),
)
"""What came of what was sent, by channel and the person's own hour. `facts`: what was known of them, no personal data, by spaces."""

people: Final = sa.Table(
    "people",
    metadata,
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("mail", sa.String, nullable=False),
    sa.Column("phone", sa.String, nullable=False),
)
"""Who customers are."""

keys: Final = sa.Table(
    "keys",
    metadata,
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
)
"""What seals the words of each customer."""

subscriptions: Final = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("endpoint", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False, index=True),
    sa.Column("p256dh", sa.String, nullable=False),
    sa.Column("auth", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Browsers that show messages. This table and that of people are the only ones with personal data."""


class Database:
    """An engine whose `begin` blocks are transactions of this thread; an inner block joins the outer one.

    Raises:
        ConfigError: the address is not one SQLAlchemy knows, or the schema is newer than this program.
    """

    def __init__(self, address: str) -> None:
        self._lock = threading.RLock()
        self._local = threading.local()
        try:
            url = sa.make_url(address)
        except sa.exc.ArgumentError as error:
            raise ConfigError(f"database address {address!r}: {error}", key="notifier.database") from None
        self._sqlite = url.get_backend_name() == "sqlite"
        if self._sqlite:
            if url.database and url.database != ":memory:":
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
            sa.event.listen(self.engine, "connect", _on_connect)
            sa.event.listen(self.engine, "begin", _on_begin)
        else:
            self.engine = sa.create_engine(url, pool_pre_ping=True)
        self._prepare()

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction: on disk when the block ends, undone when it raises."""
        current: sa.Connection | None = getattr(self._local, "connection", None)
        if current is not None:
            yield current
            return
        if not self._sqlite:
            with self._outermost() as connection:
                yield connection
            return
        with self._lock, self._outermost() as connection:
            yield connection

    @contextmanager
    def _outermost(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as connection:
            self._local.connection = connection
            try:
                yield connection
            finally:
                self._local.connection = None

    def upsert(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows or replace those with the same primary key, within a `begin` block or in one of its own."""
        if not rows:
            return
        if self._sqlite:
            from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415 - the dialect in use
        else:
            from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # noqa: PLC0415 - the dialect in use
        statement = insert(table)
        keys = [column.name for column in table.primary_key]
        fresh = {
            column.name: statement.excluded[column.name] for column in table.columns if column.name in rows[0] and column.name not in keys
        }
        with self.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh), rows)

    def close(self) -> None:
        """Let go."""
        with self._lock:
            self.engine.dispose()

    def scrub(self) -> None:
        """Write the log of changes back and empty it, so that deleted bytes are gone from every file."""
        if self._sqlite:
            with self._lock:
                raw = self.engine.raw_connection()
                try:
                    raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    raw.close()

    def _prepare(self) -> None:
        with self.begin() as connection:
            metadata.create_all(connection)
            found = connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).scalar()
            if found is None:
                connection.execute(sa.insert(meta).values(name="schema", value=str(SCHEMA)))
            elif int(found) > SCHEMA:
                raise ConfigError(
                    f"the notifier's database has schema {found}, this program knows {SCHEMA}",
                    key="notifier.database",
                    hint="run the version that wrote it, or a newer one",
                )
            else:
                for version in range(int(found) + 1, SCHEMA + 1):
                    for statement in ADDED[version]:
                        connection.exec_driver_sql(statement)
                connection.execute(sa.update(meta).where(meta.c.name == "schema").values(value=str(SCHEMA)))


def _on_connect(raw: Any, _record: object) -> None:
    raw.isolation_level = None  # SQLAlchemy, not the driver, says BEGIN: see _on_begin
    cursor = raw.cursor()
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    # A deferred transaction that turns into a writer fails at once instead of waiting for its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
