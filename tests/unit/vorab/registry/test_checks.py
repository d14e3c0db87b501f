"""Entries of the registry from plain values: what is right is taken, what is wrong is named by its key."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from vorab.records import Contract, Customer, Device, Purpose, Site
from vorab.registry.kinds import CONTRACTS, CUSTOMERS, DEVICES, KINDS, SITES, Kind, kept_marks, plain


def made(kind: Kind, **values: Any) -> Any:
    """An entry that must be right."""
    entry, wrong = kind.make(values, 7)
    assert wrong == []
    return entry


def test_each_kind_is_read_as_people_write_it() -> None:
    """From text, as a spreadsheet has it, and from JSON alike."""
    assert made(SITES, site="hof", time_zone="Europe/Berlin", region="DE-BY", parent="werk") == Site(
        id="main/hof", site="hof", time_zone="Europe/Berlin", region="DE-BY", parent="werk", at=7
    )
    text = {"contract": "v-1", "customer": "c-1", "starts": "2026-01-01", "response_h": "4", "remote_repair": "yes", "purposes": "service"}
    assert made(CONTRACTS, **text) == Contract(
        id="main/v-1", contract="v-1", customer="c-1", starts=date(2026, 1, 1), response_h=4, remote_repair=True,
        purposes={Purpose.SERVICE: True, Purpose.ADVERTISING: False}, at=7,
    )  # fmt: skip
    assert made(DEVICES, device="p", firmware=1.5, limits="low=1.5 high=2") == Device(
        id="main/p", device="p", firmware="1.5", limits={"low": 1.5, "high": 2.0}, at=7
    )
    assert made(CUSTOMERS, customer="c-1", tenant="t", returns="2") == Customer(
        id="t/c-1", tenant="t", customer="c-1", returns=2, own=(), at=7
    )


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_an_entry_is_written_as_it_is_read(kind: Kind) -> None:
    """What is exported makes the same entry again."""
    entry, wrong = kind.make({kind.name: "x-1"}, 7)
    assert wrong == []
    assert kind.make(plain(entry), 7) == (entry, [])


@pytest.mark.parametrize(
    ("kind", "values", "key"),
    [
        (SITES, {"site": "Ahornweg 3"}, "site"),
        (SITES, {"site": "a", "time_zone": "Mars"}, "time_zone"),
        (SITES, {"site": "a", "region": "Bayern"}, "region"),
        (SITES, {"site": "a", "parent": "a"}, "parent"),
        (CONTRACTS, {"contract": ""}, "contract"),
        (CONTRACTS, {"contract": "v", "starts": "1.1.2026"}, "starts"),
        (CONTRACTS, {"contract": "v", "starts": "2026-13-01"}, "starts"),
        (CONTRACTS, {"contract": "v", "starts": "2026-02-01", "ends": "2026-01-31"}, "ends"),
        (CONTRACTS, {"contract": "v", "repair_h": 0}, "repair_h"),
        (CONTRACTS, {"contract": "v", "response_h": "soon"}, "response_h"),
        (CONTRACTS, {"contract": "v", "remote_repair": "perhaps"}, "remote_repair"),
        (CONTRACTS, {"contract": "v", "purposes": "love"}, "purposes"),
        (CONTRACTS, {"contract": "v", "customer": "Erika Muster"}, "customer"),
        (CUSTOMERS, {"customer": "c", "returns": "-1"}, "returns"),
        (CUSTOMERS, {"customer": "c", "tenant": "a/b"}, "tenant"),
        (DEVICES, {"device": "p", "grace_s": 9_999}, "grace_s"),
        (DEVICES, {"device": "p", "limits": {"low": "much"}}, "limits"),
        (DEVICES, {"device": "p", "site": "Ahornweg 3"}, "site"),
    ],
)
def test_a_mistake_is_named_by_its_key(kind: Kind, values: dict[str, Any], key: str) -> None:
    """And there is no entry."""
    entry, wrong = kind.make(values, 7)
    assert entry is None
    assert [each.key for each in wrong] == [key]
    assert all(each.what and each.hint for each in wrong)


def test_what_a_customer_has_been_through_outlives_a_file_that_does_not_say_it() -> None:
    """A file that names a mark means it; one that does not changes nothing about it."""
    known = Customer(id="main/c", customer="c", returns=2, wrong_bills=1, marked=("m",))
    entry = made(CUSTOMERS, customer="c", returns=5)
    kept = kept_marks(entry, known, {"customer": "c", "returns": 5})
    assert isinstance(kept, Customer)
    assert (kept.returns, kept.wrong_bills, kept.complaints, kept.marked) == (5, 1, 0, ("m",))
