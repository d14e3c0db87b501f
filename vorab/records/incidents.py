"""Many cases with one cause: an incident, and what becomes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, Name, Record, Text

MOST_CHILDREN: Final = 500
"""Cases that one record names: some 20 KB of ids. More are told in several records."""


class IncidentStatus(StrEnum):
    """How an incident is."""

    OPEN = "open"
    RESOLVED = "resolved"
    """All its cases are well."""
    CLOSED = "closed"


class IncidentKind(StrEnum):
    """Facts about an incident."""

    OPENED = "opened"
    JOINED = "joined"
    """More cases belong to it."""
    RESOLVED = "resolved"
    RELAPSED = "relapsed"
    """A case came back, or another one joined, after all were well."""
    RELEASED = "released"
    """These cases stay behind where most are well: they stand for themselves again."""
    ENDS_SOON = "ends_soon"
    """A silence is about to end."""
    CLOSED = "closed"
    ALONE = "alone"
    """No incident explains this case: it may speak for itself. Only to its customer, and about no incident."""


class Incident(Record):
    """One fact about an incident, with the state after it; to a customer, with only the customer's cases."""

    TYPE = "io.vorab.incident.{kind}.v1"
    TOPIC = topics.INCIDENTS

    incident: str = ""
    """Its name; empty where there is none (`alone`)."""
    kind: IncidentKind
    status: IncidentStatus = IncidentStatus.OPEN
    """After this event."""
    group: Name
    """What its devices have in common: `site/ahornweg`, `parent/gw-7`, `model/pump|low_pressure`, …"""
    at: At
    opened_at: At
    onset: At
    """When the first of its cases was opened."""
    until: At | None = None
    """When it ends by itself: of a silence."""
    children: tuple[Name, ...] = ()
    """The cases this record is about."""
    total: int = 0
    """Cases that have joined it so far."""
    open: int = 0
    """Of these, how many are not well."""
    customers: int = 0
    """How many customers have a case in it."""
    devices: int = 0
    """How many devices the group has, as far as the registry knows; 0: nobody knows."""
    causes: tuple[str, ...] = ()
    root: str = ""
    """The case that explains the others: of the gateway they are behind."""
    customer: str = ""
    """Who it is told to."""
    detail: Text = ""
    seq: int = 0
    """Position in the incident's own history, from 0."""

    @property
    def key(self) -> str:
        """`tenant/group`."""
        return topics.key_of(self.tenant, self.group)

    @property
    def time(self) -> Micros:
        """When it became true."""
        return self.at
