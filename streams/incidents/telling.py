"""Telling facts: every change of an incident becomes a record on its own topic, and one for each customer whose cases it is about."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from streams.incidents.choice import members
from streams.incidents.state import Kid, Story
from streams.incidents.table import NEW, TRANSITIONS
from vorab import ids
from vorab.clock import Micros
from vorab.groups import without_cause
from vorab.processor import Out, Registry
from vorab.records import MOST_CHILDREN, Incident, IncidentKind, IncidentStatus
from vorab.topics import CASES_BY_CUSTOMER, INCIDENTS, key_of

_GATHERS: Final = frozenset({IncidentKind.OPENED, IncidentKind.JOINED})
"""What may wait until it is told to customers."""


class Teller:
    """The incidents of a tenant, as far as they are told about."""

    def __init__(self, tenant: str, registry: Registry) -> None:
        self.tenant = tenant
        self.out: list[Out] = []
        self.kids: dict[str, Kid] = {}
        self.stories: dict[str, Story] = {}
        self._registry = registry
        self._of: dict[str, set[str]] = {}
        """Incident → its cases."""

    def tell(self, story: Story, kind: IncidentKind, at: Micros, kids: Sequence[Kid] = (), detail: str = "") -> None:
        """Make a fact of what the table allows; anything else is a defect, and says so by a KeyError."""
        new = story.seq == 0
        if kind not in _GATHERS:
            self.tell_customers(story, at)
        for number, batch in enumerate(_batches(kids)):
            said = IncidentKind.JOINED if number and kind in {IncidentKind.OPENED, IncidentKind.RELAPSED} else kind
            story.status = TRANSITIONS[NEW if new and not number else story.status, said]
            self._tell(story, said, at, batch, detail)

    def tell_customers(self, story: Story, at: Micros) -> None:
        """Tell the customers of all its cases that they belong to it, where that has been waited with."""
        if not story.tell_at:
            return
        story.tell_at = 0
        kids = members(self.kids, self._of[story.id])
        for batch in _batches(kids):
            self._tell_by_customer(self._fact(story, IncidentKind.JOINED, at, batch), batch)
            story.seq += 1

    def alone(self, kid: Kid, at: Micros) -> None:
        """Say that a case may speak for itself."""
        record = Incident(
            id=ids.incident_event_id(kid.case, IncidentKind.ALONE, kid.opened_at), tenant=kid.tenant, kind=IncidentKind.ALONE,
            status=IncidentStatus.CLOSED, group=f"device/{kid.device}", at=at, opened_at=kid.opened_at, onset=kid.opened_at,
            children=(kid.case,), customer=kid.customer,
        )  # fmt: skip
        self.out.append(Out(CASES_BY_CUSTOMER, record, key=key_of(kid.tenant, kid.customer)))

    def _tell(self, story: Story, kind: IncidentKind, at: Micros, kids: Sequence[Kid], detail: str) -> None:
        fact = self._fact(story, kind, at, kids, detail)
        story.seq += 1
        self.out.append(Out(INCIDENTS, fact))
        if not story.tell_at:
            self._tell_by_customer(fact, kids)

    def _fact(self, story: Story, kind: IncidentKind, at: Micros, kids: Sequence[Kid], detail: str = "") -> Incident:
        return Incident(
            id=ids.incident_event_id(story.id, kind, story.seq),
            tenant=self.tenant,
            incident=story.id,
            kind=kind,
            status=story.status,
            group=story.group,
            at=at,
            opened_at=story.opened_at,
            onset=story.onset,
            until=story.until or None,
            children=tuple(kid.case for kid in kids),
            total=story.total,
            open=story.open,
            customers=len({self.kids[case].customer for case in self._of[story.id]} - {""}),
            devices=self._registry.size(key_of(self.tenant, without_cause(story.group))),
            causes=tuple(story.causes),
            root=story.root,
            detail=detail,
            seq=story.seq,
        )

    def _tell_by_customer(self, fact: Incident, kids: Sequence[Kid]) -> None:
        for customer, cases in _by_customer(kids):
            told = fact.model_copy(
                update={
                    "id": ids.incident_event_id(fact.incident, fact.kind, fact.seq, customer),
                    "children": tuple(cases),
                    "customer": customer,
                }
            )
            self.out.append(Out(CASES_BY_CUSTOMER, told, key=key_of(self.tenant, customer)))


def _batches(kids: Sequence[Kid]) -> Sequence[Sequence[Kid]]:
    return [kids[start : start + MOST_CHILDREN] for start in range(0, len(kids), MOST_CHILDREN)] or [kids]


def _by_customer(kids: Iterable[Kid]) -> Iterator[tuple[str, list[str]]]:
    theirs = sorted((kid for kid in kids if kid.customer), key=lambda kid: kid.customer)  # stable: their order is kept
    for customer, cases in itertools.groupby(theirs, key=lambda kid: kid.customer):
        yield customer, [kid.case for kid in cases]
