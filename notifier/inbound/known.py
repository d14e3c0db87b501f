"""What the log tells of the dialogue: said in an earlier life of the notifier, or answered by a person at the desk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

from notifier.inbound.tables import answers, heard
from vorab.records import Answered, HandedTo, Heard

WAITS: Final = "waits"
DONE: Final = "done"
IGNORED: Final = "ignored"
"""A machine wrote it."""
SENT: Final = "sent"
VORAB: Final = "vorab"
"""Who answers by itself."""


def take_dialogue(connection: sa.Connection, records: Iterable[Heard | Answered]) -> None:
    """Take it over; what is known stays as it is."""
    for record in records:
        if isinstance(record, Heard):
            if connection.execute(sa.select(heard.c.heard).where(heard.c.heard == record.id)).first() is None:
                of = {"heard": record.id, "customer": record.key, "state": DONE, "at": record.at, "body": ""}
                connection.execute(sa.insert(heard).values(**of, handed=record.handed_to is HandedTo.PERSON))
        else:
            name = record.heard if record.by == VORAB else record.id
            if connection.execute(sa.select(answers.c.heard).where(answers.c.heard == name)).first() is None:
                of = {"heard": name, "customer": record.key, "channel": record.channel, "state": SENT, "due_at": record.at, "at": record.at}
                connection.execute(sa.insert(answers).values(**of, by_person=record.by != VORAB, record=record.model_dump_json()))
