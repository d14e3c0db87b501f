"""Who owns the machines."""

from __future__ import annotations

from collections import Counter

from vorab.fleet import registry
from vorab.fleet.story import HOMES


def test_two_hundred_machines_of_three_models() -> None:
    """The shares of the fleet, whatever its size."""
    assert Counter(registry.machines(200).values()) == {"pump": 90, "printer": 60, "heat-pump": 50}
    assert len(registry.machines(7)) == 7


def test_the_registry_is_the_same_each_time() -> None:
    """Deterministic, so that a replay of the demo meets the same customers."""
    assert registry.devices(at=5) == registry.devices(at=5)
    assert registry.customers() == registry.customers()


def test_every_machine_has_a_known_owner_with_a_person() -> None:
    """No dangling customer: devices, customers and people fit together."""
    customers = {row.customer for row in registry.customers()}
    assert {row.customer for row in registry.devices()} == customers
    assert {row.customer for row in registry.people()} == customers


def test_ids_and_records_tell_nothing_about_people() -> None:
    """Names and addresses stand in the people only: no part of them in anything that goes to a topic."""
    on_the_log = " ".join(row.model_dump_json() for row in (*registry.devices(), *registry.customers())).lower()
    for person in registry.people():
        assert person.email not in on_the_log
        assert person.name.lower() not in on_the_log
        assert person.email.endswith(".example.org")


def test_the_three_homes_have_one_heat_pump_each() -> None:
    """The stars of the night: three different homes, in German and in English."""
    owners = [registry.owner_of(home) for home in HOMES]
    assert tuple(owners) == registry.HOMES
    assert {owner.language for owner in owners} == {"de", "en"}
    homes = {registry.customer_id(owner) for owner in owners}
    assert sum(row.customer in homes for row in registry.devices()) == 3


def test_names_are_unique_for_a_customer() -> None:
    """Nobody has two machines called the same."""
    names = Counter((row.customer, row.name) for row in registry.devices())
    assert names.most_common(1)[0][1] == 1


def test_consent_is_mostly_given_sometimes_open_sometimes_refused() -> None:
    """All three answers occur."""
    consents = Counter(row.remote_repair for row in registry.devices())
    assert set(consents) == {True, False, None}
    assert consents[True] > 180
