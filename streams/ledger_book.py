"""The ledger of one device: symptoms, case events and contacts in any order, one line per fault out. Pure.

Whatever is told is kept with its own time and every line is computed from all of it, so neither order nor repetition matters.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vorab import ids
from vorab.clock import DAY, Micros
from vorab.records import CaseEvent, CaseKind, Command, CommandKind, LeadTime, Status, Symptom, Verdict

KEPT: Final[Micros] = 30 * DAY
"""So long after its end a fault is remembered, and a contact or a symptom after its time."""
NOTICES: Final[Micros] = 7 * DAY
"""Who has not got in touch so long after a fault was detected did not notice it, or said nothing: the verdict stays unknown."""
MOST: Final = 256
"""Symptoms and contacts of one device; the oldest are let go."""

CONTACTS: Final = frozenset({CommandKind.COMPLAINT, CommandKind.CALL, CommandKind.CONSENT, CommandKind.NO_CONSENT})
"""What comes from a customer. A false alarm is none: it says that there is no fault."""
ACTS: Final = frozenset({CaseKind.ACTION_REQUESTED, CaseKind.TAKEN})
TELLS: Final = frozenset({CaseKind.CONSENT_ASKED, CaseKind.HANDED_OVER, CaseKind.RESOLVED})
"""What gives something to say, as `streams.customers` decides it."""
JOINS: Final = frozenset({CaseKind.OPENED, CaseKind.SYMPTOM_ADDED, CaseKind.RELAPSED, CaseKind.DISPROVED})
"""What a symptom brings about that joins a case."""
OVER: Final = frozenset({Status.CLOSED, Status.CANCELLED, Status.REJECTED})


class Contact(msgspec.Struct, array_like=True):
    """A customer got in touch."""

    at: Micros
    case: str
    """Empty: about the device."""


class Fault(msgspec.Struct):
    """What is known of a case."""

    case: str
    cause: str
    detected: Micros
    onset: Micros
    because: list[str] = []
    """Ids of what brought its events about: its symptoms are among them."""
    acted: Micros | None = None
    told: Micros | None = None
    ended: Micros | None = None
    false_alarm: bool = False
    said: str = ""
    """Id of the line that was written last."""


class Book(msgspec.Struct):
    """What is known of a device."""

    tenant: str
    device: str
    symptoms: dict[str, Micros] = {}
    """Onset by id."""
    contacts: dict[str, Contact] = {}
    faults: dict[str, Fault] = {}

    @property
    def empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self.symptoms or self.contacts or self.faults)

    def take(self, record: Symptom | CaseEvent | Command) -> list[LeadTime]:
        """Fold a record, and say which lines are other ones now."""
        match record:
            case Symptom():
                self.symptoms[record.id] = min(record.onset, self.symptoms.get(record.id, record.onset))
                if len(self.symptoms) > MOST:
                    del self.symptoms[min(self.symptoms, key=lambda name: (self.symptoms[name], name))]
            case Command():
                if record.kind in CONTACTS:
                    self.contacts[record.id] = Contact(record.at, record.case)
                    if len(self.contacts) > MOST:
                        del self.contacts[min(self.contacts, key=lambda name: (self.contacts[name].at, name))]
            case CaseEvent():
                self._case(record)
        return [line for fault in self.faults.values() if (line := self._line(fault)) is not None]

    def forget(self, before: Micros) -> bool:
        """Let go what ended before; True where there was any."""
        was = len(self.symptoms), len(self.contacts), len(self.faults)
        self.faults = {name: fault for name, fault in self.faults.items() if fault.ended is None or fault.ended >= before}
        since = min([before, *(fault.onset for fault in self.faults.values())])
        self.symptoms = {name: onset for name, onset in self.symptoms.items() if onset >= since}
        self.contacts = {name: contact for name, contact in self.contacts.items() if contact.at >= since}
        return was != (len(self.symptoms), len(self.contacts), len(self.faults))

    def _case(self, event: CaseEvent) -> None:
        onset = event.opened_at if event.onset is None else min(event.onset, event.opened_at)
        fault = self.faults.setdefault(event.case, Fault(event.case, event.cause, event.opened_at, onset))
        fault.onset = min(fault.onset, onset)
        if (
            event.kind in {CaseKind.OPENED, CaseKind.SYMPTOM_ADDED, CaseKind.RELAPSED, CaseKind.DISPROVED}
            and event.because not in fault.because
        ):
            fault.because = [*fault.because, event.because][-MOST:]
        if event.kind in ACTS:
            fault.acted = _earlier(fault.acted, event.at)
        if event.kind in TELLS and event.customer:
            fault.told = _earlier(fault.told, event.at)
        if event.status in OVER:
            fault.ended = _earlier(fault.ended, event.at)
        fault.false_alarm = fault.false_alarm or event.kind is CaseKind.FALSE_ALARM

    def _line(self, fault: Fault) -> LeadTime | None:
        fault.onset = first = min([fault.onset, *(self.symptoms[name] for name in fault.because if name in self.symptoms)])
        until = fault.detected + NOTICES
        last = until if fault.ended is None else min(until, fault.ended)
        times = (contact.at for contact in self.contacts.values() if contact.case in {"", fault.case})
        noticed = min((at for at in times if first <= at <= last), default=None)
        verdict = Verdict.UNKNOWN if fault.false_alarm else verdict_of(fault.detected, noticed)
        told = first, fault.detected, fault.acted, fault.told, noticed, fault.ended
        name = ids.lead_time_id(fault.case, *told, int(fault.false_alarm))
        if name == fault.said:
            return None
        fault.said = name
        return LeadTime(
            id=name, tenant=self.tenant, device=self.device, case=fault.case, cause=fault.cause, first_sign=first, detected=fault.detected,
            acted=fault.acted, told=fault.told, noticed=noticed, ended=fault.ended, verdict=verdict,
            at=max(time for time in told if time is not None),
        )  # fmt: skip


def verdict_of(detected: Micros, noticed: Micros | None) -> Verdict:
    """Who was first; at the same moment the customer was."""
    if noticed is None:
        return Verdict.UNKNOWN
    return Verdict.VORAB_FIRST if detected < noticed else Verdict.CUSTOMER_FIRST


def _earlier(known: Micros | None, at: Micros) -> Micros:
    return at if known is None else min(known, at)
