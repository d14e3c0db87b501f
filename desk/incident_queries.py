"""What pages ask the tables about incidents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from desk import store as tables
from desk.queries import OPEN
from desk.store import Store
from vorab.records import CaseEvent, Incident, IncidentStatus

SHOWN: Final = 200
"""Cases on the page of an incident, those that are not well first."""


OPEN_INCIDENTS: Final = sa.select(sa.func.count().label("n")).where(tables.incidents.c.status == IncidentStatus.OPEN)


def incident_row(last: Incident) -> dict[str, object]:
    """An incident as a row: the last that was said of it, without its cases."""
    return {
        "incident": last.incident,
        "status": last.status.value,
        "opened_at": last.opened_at,
        "changed_at": last.at,
        "body": last.model_copy(update={"children": ()}).model_dump_json(exclude_none=True),
    }


@dataclass(frozen=True, slots=True)
class Child:
    """A case of an incident."""

    last: CaseEvent
    open: bool


class Incidents:
    """Read-only questions about incidents."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, *, only_open: bool = False, limit: int = 100, offset: int = 0) -> list[Incident]:
        """Incidents, each as it was said last: those that are not closed first, the latest first."""
        c = tables.incidents.c
        query = sa.select(c.body)
        if only_open:
            query = query.where(c.status != IncidentStatus.CLOSED)
        query = query.order_by((c.status == IncidentStatus.CLOSED), c.opened_at.desc()).limit(limit).offset(offset)
        return [Incident.model_validate_json(row["body"]) for row in self._store.rows(query)]

    def one(self, incident: str) -> Incident | None:
        """An incident as it was said last."""
        row = self._store.row(sa.select(tables.incidents.c.body).where(tables.incidents.c.incident == incident))
        return Incident.model_validate_json(row["body"]) if row else None

    def children(self, incident: str, *, limit: int = SHOWN, offset: int = 0) -> list[Child]:
        """Its cases: those that are not well first, then by age."""
        c, child = tables.cases.c, tables.children.c
        is_open = c.status.in_(OPEN)
        query = sa.select(c.body, is_open.label("open")).join(tables.children, child.case == c.case).where(child.incident == incident)
        query = query.order_by(is_open.desc(), c.opened_at, c.case).limit(limit).offset(offset)
        return [Child(CaseEvent.model_validate_json(row["body"]), bool(row["open"])) for row in self._store.rows(query)]

    def of(self, case: str) -> str:
        """The incident of a case; empty where it stands for itself."""
        row = self._store.row(sa.select(tables.children.c.incident).where(tables.children.c.case == case))
        return str(row["incident"]) if row else ""
