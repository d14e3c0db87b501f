"""The tables of the dialogue, in the notifier's database: what was heard and answered, whose accounts are known, what the log is told."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from notifier.database import metadata

heard: Final = sa.Table(
    "heard",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("heard", sa.String, nullable=False, unique=True),
    sa.Column("customer", sa.String, nullable=False, default="", index=True),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("handed", sa.Boolean, nullable=False, default=False),
    sa.Column("body", sa.Text, nullable=False, default=""),
)
"""What customers said, one row each. The words stand in it until they have been looked at, and no longer."""

answers: Final = sa.Table(
    "answers",
    metadata,
    sa.Column("heard", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False, default="", index=True),
    sa.Column("customer", sa.String, nullable=False, index=True),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("by_person", sa.Boolean, nullable=False, default=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String, nullable=False, default=""),
    sa.Column("record", sa.Text, nullable=False, default=""),
    sa.Column("sealed", sa.Text, nullable=False, default=""),
)
"""At most one answer to each of them: committed as `sending` before a channel is called. `name` is what it goes out under, and random: who
wrote to us knows what makes `heard`, and could claim to answer what they never got."""

accounts: Final = sa.Table(
    "accounts",
    metadata,
    sa.Column("channel", sa.String, primary_key=True),
    sa.Column("account", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False, index=True),
)
"""Accounts of chats and networks that have shown to be a customer's."""

sayings: Final = sa.Table(
    "sayings",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""What was heard, answered and asked for, on the way to the log."""
