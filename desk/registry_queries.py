"""What the registry's routes ask the tables: entries by key and by page, devices nobody registered, whose cases are open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from desk import store as tables
from desk.store import Store
from vorab import topics
from vorab.clock import Micros, iso
from vorab.records import Device, Status
from vorab.registry.kinds import DEVICES, Entry, Kind

OPEN: Final = [status.value for status in Status if status.open]
TABLES: Final[dict[str, sa.Table]] = {
    topics.DEVICES: tables.devices,
    topics.CUSTOMERS: tables.customers,
    topics.SITES: tables.sites,
    topics.CONTRACTS: tables.contracts,
}
"""By topic; each has the key first, and the body."""
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Heard:
    """A device that spoke and that nobody registered."""

    device: str
    tenant: str
    heard_at: Micros

    def as_device(self) -> Device:
        """As the registry would have it, if it had."""
        return Device(id=topics.key_of(self.tenant, self.device), tenant=self.tenant, device=self.device)

    def json(self) -> dict[str, Any]:
        """As one object of a list."""
        return {"device": self.device, "tenant": self.tenant, "registered": False, "heard_at": iso(self.heard_at)}


class RegistryQueries:
    """Read-only questions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, kind: Kind, key: str) -> Any | None:
        """The entry of a key."""
        table = TABLES[kind.topic]
        row = self._store.row(sa.select(table.c.body).where(_key(table) == key))
        return kind.record.model_validate_json(row["body"]) if row else None

    def page(self, kind: Kind, wanted: dict[str, str], limit: int, offset: int) -> tuple[list[Entry], int]:
        """Entries in order of key whose fields say this, and how many there are."""
        table = TABLES[kind.topic]
        where = [self._says(table, name, value) for name, value in wanted.items() if value]
        total = self._store.row(sa.select(sa.func.count().label("n")).select_from(table).where(*where))
        query = sa.select(table.c.body).where(*where).order_by(_key(table)).limit(limit).offset(offset)
        found: list[Any] = [kind.record.model_validate_json(row["body"]) for row in self._store.rows(query)]
        return found, int(total["n"]) if total else 0

    def devices_of(self, customer: str, limit: int) -> list[Device]:
        """The devices of a customer (by key), in order of key."""
        tenant, _, name = customer.partition("/")
        found, _ = self.page(DEVICES, {"tenant": tenant, "customer": name}, limit, 0)
        return [device for device in found if isinstance(device, Device)]

    def registered(self, keys: Iterable[str]) -> set[str]:
        """Those of these devices that the registry has."""
        some, table = list(keys), tables.devices
        found: set[str] = set()
        for start in range(0, len(some), _AT_ONCE):
            query = sa.select(table.c.device).where(table.c.device.in_(some[start : start + _AT_ONCE]))
            found |= {row["device"] for row in self._store.rows(query)}
        return found

    def position(self, topic: str, partition: int) -> int:
        """Up to where the tables hold a partition."""
        p = tables.positions.c
        row = self._store.row(sa.select(p.next).where(p.topic == topic, p.partition == partition))
        return int(row["next"]) if row else 0

    def heard_at(self, device: str) -> Micros | None:
        """When a device was heard first."""
        row = self._store.row(sa.select(tables.heard.c.at).where(tables.heard.c.device == device))
        return int(row["at"]) if row else None

    def unassigned(self, limit: int = 10_000, offset: int = 0) -> list[Heard]:
        """Devices that were heard and that nobody registered, the latest first."""
        h, d = tables.heard.c, tables.devices.c
        query = sa.select(h.device, h.at).outerjoin(tables.devices, d.device == h.device).where(*_nobodys())
        rows = self._store.rows(query.order_by(h.at.desc(), h.device).limit(limit).offset(offset))
        return [Heard(row["device"].partition("/")[2], row["device"].partition("/")[0], row["at"]) for row in rows]

    def unassigned_count(self) -> int:
        """How many there are."""
        d, h = tables.devices.c, tables.heard.c
        query = sa.select(sa.func.count().label("n")).select_from(tables.heard.outerjoin(tables.devices, d.device == h.device))
        row = self._store.row(query.where(*_nobodys()))
        return int(row["n"]) if row else 0

    def open_cases(self, devices: Sequence[str]) -> dict[str, list[str]]:
        """The open cases of these devices (by key)."""
        found: dict[str, list[str]] = {}
        c = tables.cases.c
        for start in range(0, len(devices), _AT_ONCE):
            query = sa.select(c.device, c.case).where(c.device.in_(devices[start : start + _AT_ONCE]), c.status.in_(OPEN))
            for row in self._store.rows(query.order_by(c.opened_at, c.case)):
                found.setdefault(row["device"], []).append(row["case"])
        return found

    def _says(self, table: sa.Table, name: str, value: str) -> sa.ColumnElement[bool]:
        # Bodies are compact JSON, and ids hold no quotes.
        text = f'"{name}":"{value}"'
        find = sa.func.strpos if self._store.engine.dialect.name == "postgresql" else sa.func.instr
        return find(table.c.body, text) > 0


def _key(table: sa.Table) -> sa.Column[Any]:
    return next(iter(table.primary_key.columns))


def _nobodys() -> tuple[sa.ColumnElement[bool], ...]:
    return tables.devices.c.device.is_(None), ~tables.heard.c.device.like(topics.RECORDED_TENANT + "/%")
