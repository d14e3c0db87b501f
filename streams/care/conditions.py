"""What the lines of the care file look at: facts of the case, the registry, and what the customer has said."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from pydantic import Field

from streams.cases.playbook import Part
from streams.cases.policy import Patterns
from vorab.clock import Micros
from vorab.records import Customer, Device, Severity


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """A case, as far as it matters who acts on it."""

    tenant: str
    model: str
    cause: str
    detector: str
    site: str
    severity: Severity
    remedy: str
    """What policy would do: the remedy of the step it is at, or else the remedy, playbook, `observe` or `hand_over` of its line."""
    at: Micros
    faults: int = 1
    """Cases of the device within the window of the history, this one among them."""
    missed: bool = False
    """Whether a promise was missed: nobody took it in the time the queue promises."""


class Contacts(NamedTuple):
    """What a customer has got in touch with lately."""

    number: int = 0
    said: frozenset[str] = frozenset()
    """Topics that were heard in it."""


class When(Part):
    """Conditions; all that are given must hold."""

    tenant: Patterns = Field(("*",), description="Tenants, with `*` for anything; one or a list.")
    model: Patterns = Field(("*",), description="Models.")
    cause: Patterns = Field(("*",), description="Causes, as rules name them.")
    detector: Patterns = Field(("*",), description="Detectors: `threshold`, `silence`, `learned`.")
    site: Patterns = Field(("*",), description="Sites.")
    remedy: Patterns = Field(("*",), description="What the remedy files would do: a remedy, `observe` or `hand_over`.")
    language: Patterns = Field(("*",), description="Languages of the customer.")
    severity: tuple[Severity, ...] = Field(tuple(Severity), description="Severities.")
    medical: bool | None = Field(None, description="Whether the registry calls it a medical device.")
    vulnerable: bool | None = Field(None, description="Whether the registry calls the customer vulnerable.")
    contacts: int | None = Field(None, ge=1, description="So many contacts about the device within `window`.")
    faults: int | None = Field(None, ge=1, description="So many cases of the device within the window of the history, this one among them.")
    returns: int | None = Field(None, ge=1, description="So many returns of the customer.")
    wrong_bills: int | None = Field(None, ge=1, description="So many wrong bills.")
    complaints: int | None = Field(None, ge=1, description="So many complaints.")
    said: Patterns = Field((), description="One of these topics was heard in what the customer wrote; topics are those of `words`.")
    missed: bool | None = Field(None, description="Whether a promise was missed (`promise` of a queue).")

    def fits(self, case: CaseFacts, device: Device | None, customer: Customer | None, contacts: Contacts) -> bool:
        """Whether all conditions hold."""
        asked = (
            (self.tenant, case.tenant), (self.model, case.model), (self.cause, case.cause), (self.detector, case.detector),
            (self.site, case.site), (self.remedy, case.remedy), (self.language, customer.language if customer else ""),
        )  # fmt: skip
        known = (
            (self.medical, device is not None and device.medical),
            (self.vulnerable, customer is not None and customer.vulnerable),
            (self.missed, case.missed),
        )
        counted = (
            (self.contacts, contacts.number), (self.faults, case.faults), (self.returns, customer.returns if customer else 0),
            (self.wrong_bills, customer.wrong_bills if customer else 0), (self.complaints, customer.complaints if customer else 0),
        )  # fmt: skip
        return (
            case.severity in self.severity
            and all(any(fnmatchcase(value, pattern) for pattern in patterns) for patterns, value in asked)
            and all(wanted is None or wanted is found for wanted, found in known)
            and all(least is None or found >= least for least, found in counted)
            and (not self.said or not contacts.said.isdisjoint(self.said))
        )

    @property
    def empty(self) -> bool:
        """Whether it fits every case."""
        return self == When()
