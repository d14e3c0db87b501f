"""What is known when a batch of messages is decided: read at once, and kept up with what the batch itself does."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa

from notifier.budget import LONGEST, Contact
from notifier.cases import CaseView
from notifier.database import MAYBE_SAID, Database, cases, contacts, contracts, customers, notices
from notifier.preferences import DEFAULT_CONTRACT, Layer, Preferences, from_contract, from_person, merge
from notifier.store_intake import view_of
from vorab.clock import Micros
from vorab.records import Contract, Customer, DeliveryReason, DeliveryState, Stage
from vorab.topics import key_of

if TYPE_CHECKING:
    from notifier.store import Notice

STAGES: Final = frozenset(Stage)
REMEMBERED: Final = 10_000
"""Entries and cases whose parsed form is kept; about 10 MB."""


class Beside(NamedTuple):
    """A message about the same case, to the same customer."""

    notification: str
    stage: str
    partition: int
    offset: int
    state: str
    reason: str


def maybe_said(state: str, reason: str) -> bool:
    """Whether a message in this state has been said, or may have been, be it within another one."""
    return state in MAYBE_SAID or (state == DeliveryState.SUPPRESSED and reason == DeliveryReason.GROUPED)


class Known:
    """The facts about the customers and cases of some notices."""

    def __init__(self, database: Database, now: Micros, merged: Merged) -> None:
        self._database, self._now, self._merged = database, now, merged
        self._customers: dict[str, str] = {}
        self._contracts: dict[str, list[str]] = {}
        self._cases: dict[str, str] = {}
        self._beside: dict[tuple[str, str], dict[str, Beside]] = {}
        self._contacts: dict[str, list[Contact]] = {}
        self._heard: set[str] = set()

    def learn(self, found: Iterable[Notice]) -> None:
        """Read what is not known yet of these notices."""
        notes = [notice.note for notice in found]
        people, about = {note.key for note in notes} - self._heard, {note.case for note in notes} - self._cases.keys()
        defaults = {key_of(note.tenant, DEFAULT_CONTRACT) for note in notes}
        with self._database.begin() as connection:
            if people:
                self._heard |= people
                self._people(connection, list(people), list(defaults))
            if about:
                self._about(connection, list(about))

    def about(self, customer: str, case: str) -> None:
        """Read what is known of a customer and a case, without a notice of them."""
        with self._database.begin() as connection:
            if customer:
                self._heard.add(customer)
                self._people(connection, [customer], [key_of(customer.partition("/")[0], DEFAULT_CONTRACT)])
            if case:
                self._about(connection, [case])

    def customer(self, key: str) -> Customer | None:
        """The registry's entry."""
        body = self._customers.get(key)
        return _customer(body) if body else None

    def preferences(self, key: str, tenant: str) -> Preferences:
        """What counts for a customer, by all layers."""
        return self._merged.of(self._contract(key, tenant), self._customers.get(key, ""))

    def case(self, case: str) -> CaseView | None:
        """What is known of a case."""
        body = self._cases.get(case)
        return _view(body) if body else None

    def told(self, notice: Notice) -> list[tuple[str, Stage]]:
        """What has been said about the case of a notice, or may have been."""
        beside = self._beside.get((notice.note.case, notice.note.key), {}).values()
        return [(each.notification, Stage(each.stage)) for each in beside if maybe_said(each.state, each.reason) and each.stage in STAGES]

    def newer(self, notice: Notice) -> bool:
        """Whether something was to be said about the same case after this, and was not dropped."""
        beside = self._beside.get((notice.note.case, notice.note.key), {}).values()
        return any(
            each.partition == notice.partition and each.offset > notice.offset and each.state != DeliveryState.SUPPRESSED for each in beside
        )

    def contacts(self, key: str) -> list[Contact]:
        """What counts against a customer's budget."""
        return self._contacts.get(key, [])

    def became(self, notice: Notice, state: str, reason: DeliveryReason = DeliveryReason.NONE) -> None:
        """A notice of the batch has moved on."""
        beside = self._beside.get((notice.note.case, notice.note.key), {})
        if notice.note.id in beside:
            beside[notice.note.id] = beside[notice.note.id]._replace(state=state, reason=reason.value)

    def counted(self, key: str, contact: Contact) -> None:
        """A place in the budget was taken."""
        others = [each for each in self.contacts(key) if each.notification != contact.notification]
        self._contacts[key] = [*others, contact]

    # -------------------------------------------------------------------------------------------- inside

    def _people(self, connection: sa.Connection, keys: list[str], defaults: list[str]) -> None:
        rows = connection.execute(sa.select(customers.c.customer, customers.c.body).where(customers.c.customer.in_(keys)))
        self._customers.update((key, body) for key, body in rows)
        of = sa.or_(contracts.c.customer.in_(keys), contracts.c.contract.in_(defaults))
        for contract, customer, body in connection.execute(
            sa.select(contracts.c.contract, contracts.c.customer, contracts.c.body).where(of)
        ):
            self._contracts.setdefault(customer if contract not in defaults else contract, []).append(body)
        recent = sa.or_(contacts.c.at.is_(None), contacts.c.at > self._now - LONGEST)
        query = sa.select(contacts.c.customer, contacts.c.notification, contacts.c.at, contacts.c.advertising)
        for customer, notification, at, advertising in connection.execute(query.where(contacts.c.customer.in_(keys), recent)):
            self._contacts.setdefault(customer, []).append(Contact(notification, at, advertising))

    def _about(self, connection: sa.Connection, about: list[str]) -> None:
        self._cases.update(dict.fromkeys(about, ""))
        rows = connection.execute(sa.select(cases.c.case, cases.c.body).where(cases.c.case.in_(about)))
        self._cases.update((case, body) for case, body in rows)
        c = notices.c
        query = sa.select(c.case, c.customer, c.notification, c.stage, c.partition, c.offset, c.state, c.reason)
        for case, customer, *rest in connection.execute(query.where(c.case.in_(about))):
            self._beside.setdefault((case, customer), {})[rest[0]] = Beside(*rest)

    def _contract(self, key: str, tenant: str) -> str:
        """The contract that speaks for a customer: the newest of theirs in force, else their tenant's default; empty: none."""
        for name in (key, key_of(tenant, DEFAULT_CONTRACT)):
            in_force = [body for body in set(self._contracts.get(name, ())) if _agreed(body).in_force(self._now)]
            if in_force:
                return max(in_force, key=_newest)
        return ""


def begun(database: Database, since: Micros) -> list[Micros]:
    """When what was said after a moment was said; what is on its way counts as said just after it."""
    query = sa.select(sa.func.coalesce(contacts.c.at, since + 1)).where(sa.or_(contacts.c.at.is_(None), contacts.c.at > since))
    with database.begin() as connection:
        return list(connection.execute(query).scalars())


class Merged:
    """Preferences by what contract and customer say, each made once."""

    def __init__(self, layers: Sequence[Layer] = ()) -> None:
        self._layers = tuple(layers)
        self.of = functools.lru_cache(maxsize=REMEMBERED)(self._merge)

    def _merge(self, contract: str, customer: str) -> Preferences:
        agreed = [from_contract(_agreed(contract))] if contract else []
        own = [from_person(_customer(customer))] if customer else []
        return merge([*self._layers, *agreed, *own])


@functools.lru_cache(maxsize=REMEMBERED)
def _customer(body: str) -> Customer:
    return Customer.model_validate_json(body)


@functools.lru_cache(maxsize=REMEMBERED)
def _agreed(body: str) -> Contract:
    return Contract.model_validate_json(body)


@functools.lru_cache(maxsize=REMEMBERED)
def _view(body: str) -> CaseView:
    return view_of(body)


def _newest(body: str) -> tuple[str, int, str]:
    contract = _agreed(body)
    return str(contract.starts or ""), contract.at, contract.id
