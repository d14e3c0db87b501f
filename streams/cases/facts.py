"""Telling facts: every change of a case becomes an event with an id of its own, on the topics of its device, customer and groups."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.care.policy import Care
from streams.cases.policy import Line, Policy
from streams.cases.priority import URGENCY, history_of, impact_of, priority
from streams.cases.proof import shown_by
from streams.cases.state import Case, DeviceState
from streams.cases.table import NEW, TRANSITIONS, after
from vorab import ids, topics
from vorab.clock import Micros
from vorab.groups import FLEET
from vorab.processor import Out, Registry
from vorab.records import MAX_SEALED, CaseEvent, CaseKind, Customer

FOR_INCIDENTS: Final = frozenset({CaseKind.OPENED, CaseKind.RESOLVED, CaseKind.RELAPSED, CaseKind.FALSE_ALARM})
"""What makes or ends a storm; all of a tenant goes to one place, where it is decided what its cases have in common."""


class Why(NamedTuple):
    """What brings a fact about: the id of its cause, when, and what makes the fact's id unique where that is not the cause alone."""

    because: str
    at: Micros
    mark: str = ""


class Teller:
    """The cases of a device, as far as they are told about."""

    def __init__(self, key: str, state: DeviceState, policy: Policy, registry: Registry, care: Care | None = None) -> None:
        self.key, self.state = key, state
        self.tenant, _, self.device = key.partition("/")
        self.out: list[Out] = []
        self._policy, self._registry, self._care = policy, registry, care or Care()

    def tell(self, case: Case, kind: CaseKind, why: Why, detail: str = "") -> None:
        """Make a fact of what the table allows; anything else is a defect, and says so by a KeyError."""
        case.status = TRANSITIONS[NEW if kind is CaseKind.OPENED else case.status, kind]
        case.last_at = max(case.last_at, why.at)
        seen = case.worst
        event = CaseEvent(
            id=ids.case_event_id(case.id, kind, why.mark or why.because),
            tenant=self.tenant,
            device=self.device,
            case=case.id,
            kind=kind,
            status=case.status,
            at=why.at,
            because=why.because,
            cause=case.cause,
            severity=case.severity,
            priority=priority(case.impact, case.urgency, case.history),
            impact=case.impact,
            urgency=case.urgency,
            history=tuple(case.history),
            customer=case.customer,
            site=case.site,
            model=case.model,
            name=case.name,
            opened_at=case.opened_at,
            symptom=seen.id,
            signal=seen.signal,
            unit=seen.unit,
            value=seen.value,
            limit=seen.limit,
            onset=seen.onset,
            action=case.action,
            remedy=case.remedy,
            policy=case.policy,
            helper=case.helper,
            detail=detail[:MAX_SEALED],
            healed=case.healed,
            proof=shown_by(case) if kind is CaseKind.RESOLVED else None,
            seq=case.seq,
            **case.care.fields(),
        )
        case.seq += 1
        self.out.append(Out(topics.CASES, event))
        if case.customer:
            self.out.append(Out(topics.CASES_BY_CUSTOMER, event, key=topics.key_of(self.tenant, case.customer)))
        if kind in FOR_INCIDENTS:
            self.out.append(Out(topics.CASES_BY_GROUP, event, key=topics.key_of(self.tenant, FLEET)))

    def say(self, case: Case, kind: CaseKind, why: Why, detail: str = "") -> None:
        """Tell it if the table has a row for it."""
        if after(case.status, kind) is not None:
            self.tell(case, kind, why, detail)

    def weigh(self, case: Case) -> None:
        """Severity, impact and urgency by the symptoms that are open, and what of the past speaks for more."""
        case.severity = case.worst.severity
        case.impact = impact_of(self.line(case), customer=bool(case.customer))
        case.urgency = URGENCY[case.severity]
        case.history = history_of(self._customer(case), self.faults(case), self._policy.history)

    def faults(self, case: Case) -> int:
        """Cases of the device within the window of the history, this one among them."""
        since = case.opened_at - self._policy.history.window
        return sum(since < at <= case.opened_at for at in self.state.opened)

    def line(self, case: Case) -> Line:
        """The line of policy about a case as it stands."""
        return self._policy.decide(
            tenant=self.tenant, model=case.model, cause=case.cause, detector=case.worst.detector, severity=case.severity
        )

    def zone(self, case: Case) -> str:
        """The time zone to tell times in; empty where the customer is not known."""
        customer = self._customer(case)
        return customer.time_zone if customer else ""

    def _customer(self, case: Case) -> Customer | None:
        return self._registry.customer(topics.key_of(self.tenant, case.customer)) if case.customer else None
