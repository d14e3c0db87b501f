"""A fault suggests a part or a contract to whoever sells, once, and says whether the customer wishes to hear of it."""

from __future__ import annotations

from datetime import date

import pytest

from streams.cases.policy import Policy
from streams.customers import kind
from streams.hosts.registry import Tables
from streams.offers import offers
from vorab import topics
from vorab.clock import parse_iso
from vorab.pipeline import parts_of
from vorab.records import CaseEvent, CaseKind, Contract, Customer, Device, Offer, OfferKind, Purpose, Severity, Status
from vorab.settings import Settings

NOON = parse_iso("2026-11-24T12:00:00Z")
DEVICE = Device(id="main/p-1", device="p-1", model="printer", customer="a", contract="full")


def registry(ends: date | None = None, *, advertising: bool = True, owner: str = "a") -> Tables:
    """One printer, its contract, its owner."""
    contract = Contract(id="main/full", contract="full", customer=owner, ends=ends)
    purposes = {Purpose.SERVICE: True, Purpose.ADVERTISING: advertising}
    return Tables([DEVICE], [Customer(id="main/a", customer="a", purposes=purposes)], contracts=[contract])


def event(kind: CaseKind, cause: str = "jam") -> CaseEvent:
    """A fact about a case of the printer."""
    return CaseEvent(
        id=f"e-{kind}", device="p-1", case="c1", kind=kind, status=Status.HELD, at=NOON, opened_at=NOON, because="s", cause=cause,
        severity=Severity.MAJOR, customer="a", model="printer",
    )  # fmt: skip


def parts(model: str, cause: str) -> list[tuple[str, str]]:
    """One article."""
    return [("paper-jam", "FR-2207")] if (model, cause) == ("printer", "jam") else []


def test_a_case_that_needs_a_person_names_the_part_that_may_be_needed() -> None:
    """By the article about such a case; no article, no hint; and none while the machine still heals itself."""
    [offer] = offers(event(CaseKind.HANDED_OVER), registry(), parts)
    assert (offer.kind, offer.what, offer.article, offer.mention) == (OfferKind.PART, "FR-2207", "paper-jam", True)
    assert not list(offers(event(CaseKind.HANDED_OVER, "toner"), registry(), parts))
    assert not list(offers(event(CaseKind.OPENED), registry(), parts))


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (date(2026, 11, 23), False),
        (date(2026, 11, 24), True),
        (date(2027, 1, 23), True),
        (date(2027, 1, 24), False),
        (None, False),
    ],
)
def test_a_contract_that_ends_soon_is_a_hint(ends: date | None, told: bool) -> None:
    """From its last day back to sixty days before; not one that is over, ends later or never."""
    found = list(offers(event(CaseKind.OPENED), registry(ends)))
    assert [(offer.what, offer.ends) for offer in found] == ([("full", ends)] if told else [])


def test_the_contract_of_somebody_else_is_none_of_it() -> None:
    """A device that names a contract of another customer suggests nothing."""
    assert not list(offers(event(CaseKind.OPENED), registry(date(2026, 12, 1), owner="b")))


def test_without_consent_it_is_for_the_seller_alone() -> None:
    """The hint is not lost, and says that the customer must not be told."""
    [offer] = offers(event(CaseKind.HANDED_OVER), registry(advertising=False), parts)
    assert not offer.mention


def test_the_same_hint_has_the_same_id() -> None:
    """A case that is handed over twice is one hint; another case is another."""
    once, twice = (list(offers(event(CaseKind.HANDED_OVER), registry(), parts)) for _ in range(2))
    other = list(offers(event(CaseKind.HANDED_OVER).model_copy(update={"case": "c2"}), registry(), parts))
    assert once == twice
    assert once[0].id != other[0].id


def test_customers_tells_hints_on_a_topic_of_their_own() -> None:
    """An event that comes twice tells them once."""
    processor = kind(Policy({}, ()), parts=parts).build(0, registry())
    outs = [out for _ in range(2) for out in processor.step(topics.CASES_BY_CUSTOMER, 0, event(CaseKind.HANDED_OVER), NOON)]
    assert [out.record.what for out in outs if isinstance(out.record, Offer)] == ["FR-2207"]


def test_the_articles_that_come_with_vorab_name_parts() -> None:
    """What the pipeline looks up is what the worked example's articles say."""
    assert [part for _, part in parts_of(Settings())("printer", "paper_jam")] == ["PR-0215 pickup roller"]
