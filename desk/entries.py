"""The registry and who was heard, as rows: what one step of the projector brings of them."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from desk import store as tables
from desk.registry_queries import TABLES
from desk.upsert import insert, upsert
from vorab.clock import Micros
from vorab.records import Record


class Entries:
    """The last word of each key."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Record | None]] = {}

    def take(self, topic: str, record: Record) -> None:
        """An entry is new or another one."""
        self._last.setdefault(topic, {})[record.key] = record

    def take_out(self, topic: str, key: str) -> None:
        """An entry is gone; on other topics than the registry's that means nothing here."""
        if topic in TABLES:
            self._last.setdefault(topic, {})[key] = None

    def write(self, db: sa.Connection) -> None:
        """To the tables."""
        for topic, last in self._last.items():
            table = TABLES[topic]
            (key,) = table.primary_key.columns
            gone = [name for name, record in last.items() if record is None]
            if gone:
                db.execute(table.delete().where(key == sa.bindparam("gone")), [{"gone": name} for name in gone])
            rows = [{key.name: name, "body": record.model_dump_json()} for name, record in last.items() if record is not None]
            upsert(db, table, rows)


class Heard:
    """Which devices ever spoke."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self._new: dict[str, Micros] = {}

    def take(self, devices: Iterable[str], at: Micros) -> None:
        """These spoke."""
        if not self.known.issuperset(devices):
            for device in devices:
                if device not in self.known:
                    self.known.add(device)
                    self._new[device] = at

    def write(self, db: sa.Connection) -> None:
        """To the tables: the first time of each."""
        if self._new:
            rows = [{"device": device, "at": at} for device, at in self._new.items()]
            db.execute(insert(db, tables.heard).on_conflict_do_nothing(), rows)
            self._new = {}
