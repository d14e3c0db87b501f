"""A device without a time zone has that of its site, or of the site that one belongs to, whatever came first."""

from __future__ import annotations

from itertools import permutations

import pytest

from streams.hosts.registry import Tables
from vorab import topics
from vorab.records import Device, Site

WERK = Site(id="main/werk", site="werk", time_zone="America/Chicago")
HALL = Site(id="main/hall", site="hall", parent="werk")
PUMP = Device(id="main/p-1", device="p-1", site="hall")
OWN = Device(id="main/p-2", device="p-2", site="hall", time_zone="Asia/Tokyo")


def zone(tables: Tables, key: str = "main/p-1") -> str:
    """Where a device stands, for everybody else."""
    found = tables.device(key)
    assert found is not None
    return found.time_zone


@pytest.mark.parametrize("order", list(permutations((WERK, HALL, PUMP, OWN))))
def test_the_order_of_entries_does_not_matter(order: tuple[object, ...]) -> None:
    """Topics are read side by side, so each may come before the other; what a device says of itself counts first."""
    tables = Tables()
    for entry in order:
        tables.put(entry)
    assert (zone(tables), zone(tables, "main/p-2")) == ("America/Chicago", "Asia/Tokyo")


def test_a_change_of_a_site_reaches_its_devices_and_no_others() -> None:
    """Who holds an entry sees by its being another object that it changed; a name of a site changes none."""
    tables = Tables([PUMP, OWN, Device(id="main/p-3", device="p-3")], sites=[WERK, HALL])
    before = {key: tables.device(key) for key in tables.devices}
    tables.put(WERK.model_copy(update={"name": "Plant"}))
    assert all(tables.device(key) is entry for key, entry in before.items())
    tables.put(WERK.model_copy(update={"time_zone": "Europe/Berlin"}))
    assert zone(tables) == "Europe/Berlin"
    assert [key for key, entry in before.items() if tables.device(key) is not entry] == ["main/p-1"]
    tables.take_out(topics.SITES, "main/werk")
    assert zone(tables) == ""


def test_a_device_that_moved_or_went_takes_nothing_along() -> None:
    """It has the zone of where it stands now, and one that is gone stays gone."""
    tables = Tables([PUMP], sites=[WERK, HALL])
    tables.put(PUMP.model_copy(update={"site": ""}))
    assert zone(tables) == ""
    tables.put(PUMP)
    tables.take_out(topics.DEVICES, "main/p-1")
    tables.put(WERK.model_copy(update={"time_zone": "Europe/Berlin"}))
    assert tables.device("main/p-1") is None


def test_sites_that_go_round_in_a_circle_have_no_zone() -> None:
    """And end nobody's day."""
    circle = [Site(id=f"main/{name}", site=name, parent=parent) for name, parent in (("hall", "yard"), ("yard", "hall"))]
    tables = Tables([PUMP], sites=circle)
    assert zone(tables) == ""
    tables.put(circle[0].model_copy(update={"parent": "", "time_zone": "Europe/Berlin"}))
    assert zone(tables) == "Europe/Berlin"
