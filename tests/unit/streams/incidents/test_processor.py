"""Incidents: many cases with one cause are one story."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.incidents.fleet import Fleet
from streams.incidents.processor import Incidents
from streams.incidents.state import Story
from streams.incidents.table import TRANSITIONS, diagram
from tests.parts.base import REPOSITORY
from tests.unit.streams.incidents.square import NOON, Square, at, machine
from vorab.clock import HOUR, MINUTE, Micros, iso
from vorab.errors import Rejected
from vorab.records import CaseKind, IncidentKind, IncidentStatus, Tick

HOUSE = [machine(f"{letter}{n}", site="hall", model="pump") for n in range(2) for letter in "abcde"]
"""Ten pumps in a hall, of five customers."""
SOLVED = CaseKind.RESOLVED


@pytest.fixture(params=[False, True], ids=["steady", "restarted after every record"])
def restarts(request: pytest.FixtureRequest) -> bool:
    """Whether everything starts again from its state after every record."""
    return bool(request.param)


def blackout(square: Square, names: str = "a0 b0 c0 d0 e0", start: float = 0.0) -> None:
    """Devices fall silent, one a second."""
    for second, name in enumerate(names.split()):
        square.happens(start + second, name)


def test_enough_cases_at_one_place_are_one_incident(restarts: bool) -> None:
    """Five of ten within five seconds: seen five seconds after the fifth, with all who failed by then; who comes later joins."""
    square = Square(HOUSE, forgetful=restarts)
    blackout(square)
    square.happens(8, "a1")
    square.tick(12)
    square.happens(20, "b1")
    square.happens(20.5, "c1")
    square.tick(40)
    assert square.story == ["9 opened a0,b0,c0,d0,e0,a1", "21 joined b1,c1"]
    first, last = square.incidents
    assert (first.group, first.devices, first.total, first.open, first.customers) == ("site/hall", 10, 6, 6, 5)
    assert (last.total, last.incident, last.causes) == (8, first.incident, ("silent",))
    assert square.words == []


def test_too_few_stand_for_themselves(restarts: bool) -> None:
    """Four of ten are four cases, and fifteen seconds later their customers may hear of them."""
    square = Square(HOUSE, forgetful=restarts)
    blackout(square, "a0 b0 c0 d0")
    square.tick(17)
    assert (square.story, square.words) == ([], ["a0", "b0", "c0"])


def test_a_small_share_of_a_large_place_is_no_incident() -> None:
    """Five of a hundred."""
    square = Square([*HOUSE, *(machine(f"x{n}", site="hall", model="pump") for n in range(90))], share_wide=0.2)
    blackout(square)
    square.tick(60)
    assert square.story == []


def test_cases_far_apart_in_time_are_no_incident() -> None:
    """One every two minutes is no storm."""
    square = Square(HOUSE)
    for n, device in enumerate(HOUSE):
        square.happens(n * 120, device.device)
    assert square.story == []


def test_a_bad_firmware_is_one_incident_and_not_one_per_site(restarts: bool) -> None:
    """Five at each of four sites, all of one firmware and one fault: what explains most and nothing else is the firmware."""
    sick = [machine(f"{chr(97 + n)}{n}", site=f"s{n % 4}", model="pump", firmware="2") for n in range(20)]
    well = [machine(f"{chr(65 + n)}{n}", site=f"s{n % 4}", model="pump", firmware="1") for n in range(12)]
    square = Square([*sick, *well], forgetful=restarts)
    for n, device in enumerate(sick):
        square.happens(n / 10, device.device, cause="dry")
    square.tick(60)
    assert {fact.group for fact in square.incidents} == {"firmware/pump/2|dry"}
    assert square.incidents[0].total == 20


def test_a_site_without_power_is_its_site_whatever_stands_there() -> None:
    """Pumps and printers at one site fall silent together, while most of both models elsewhere are well."""
    here = [machine(f"a{n}", site="hall", model=model) for n, model in enumerate(["pump"] * 5 + ["printer"] * 5)]
    away = [machine(f"b{n}", site=f"s{n}", model=model) for n, model in enumerate(["pump"] * 9 + ["printer"] * 9)]
    square = Square([*here, *away])
    for n, device in enumerate(here):
        square.happens(n / 10, device.device)
    square.tick(60)
    assert square.story == ["5.4 opened a0,a1,a2,a3,a4,a5,a6,a7,a8,a9"]
    assert square.incidents[0].group == "site/hall"


def test_a_case_belongs_to_one_incident_only() -> None:
    """Two storms at once: no child is in both."""
    there = [machine(f"{letter}9", site="yard", model="pump") for letter in "abcde"]
    square = Square([*HOUSE, *there])
    for n, device in enumerate([*HOUSE, *there]):
        square.happens(n / 10, device.device)
    square.tick(30)
    children = [child for fact in square.incidents for child in fact.children]
    assert len(children) == len(set(children)) == 15


def test_it_is_resolved_at_once_when_the_last_case_is_well(restarts: bool) -> None:
    """At the very moment, not at the next look; then it is closed half an hour later, and leaves no trace."""
    square = Square(HOUSE, forgetful=restarts)
    blackout(square)
    square.tick(20)
    for n, name in enumerate("abcde"):
        square.happens(100.25 + n, f"{name}0", SOLVED)
    assert square.story[1:] == ["104.25 resolved"]
    square.tick(104.25 + 1800)
    assert square.story[1:] == ["104.25 resolved", "1904.25 closed"]
    blocks = square.blocks
    assert [name for name, block in blocks.items() if block and not name.startswith("decide")] == []


class ByInterval(Fleet):
    """Known bad: says that it is over at the next full minute."""

    def _resolve(self, story: Story, at: Micros, detail: str = "") -> None:
        story.well_at = -(-at // MINUTE) * MINUTE
        super()._resolve(story, at, detail)


def test_an_incident_that_is_resolved_by_interval_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: the end would be told with the next minute."""
    monkeypatch.setattr("streams.incidents.processor.Fleet", ByInterval)
    with pytest.raises(AssertionError):
        test_it_is_resolved_at_once_when_the_last_case_is_well(restarts=False)


class Forgets(Incidents):
    """Known bad: starts anew with nothing."""

    def restore(self, blocks: Any) -> None:
        """Nothing is taken over."""


def test_a_processor_that_forgets_at_restart_is_caught() -> None:
    """Known bad: what was open before the restart is not known after it."""
    square = Square(HOUSE, forgetful=True, kind=Forgets)
    blackout(square)
    square.tick(20)
    assert square.story == []


def test_what_comes_back_opens_it_again(restarts: bool) -> None:
    """A relapse, and a new case of the group, while it is watched."""
    square = Square(HOUSE, forgetful=restarts)
    blackout(square)
    square.tick(20)
    for name in "abcde":
        square.happens(100, f"{name}0", SOLVED)
    square.happens(200, "a0", CaseKind.RELAPSED)
    square.happens(300, "a0", SOLVED)
    square.happens(320, "a1")
    square.happens(400, "a1", CaseKind.FALSE_ALARM)
    assert square.story[1:] == ["100 resolved", "200 relapsed a0", "300 resolved", "320 relapsed a1", "400 resolved"]
    assert square.incidents[-1].total == 6


def test_another_trouble_at_the_same_place_hours_later_is_its_own() -> None:
    """The power is still out, and a printer that runs on a battery has no paper."""
    square = Square(HOUSE)
    blackout(square)
    square.tick(20)
    square.happens(3 * 3600, "a1", cause="paper")
    square.happens(3 * 3600 + 1, "b1")
    square.tick(4 * 3600)
    assert square.story[1:] == [f"{3 * 3600 + 2} joined b1"]
    assert square.words == ["a1"]


def test_a_gateway_that_is_down_explains_what_is_behind_it(restarts: bool) -> None:
    """One sensor behind it is enough, and one behind that; what is elsewhere stands for itself."""
    devices = [
        machine("gateway", customer=""), machine("hub", parent="gateway"), machine("sensor", parent="hub"), machine("pump"),
        machine("meter", parent="gateway"),
    ]  # fmt: skip
    square = Square(devices, forgetful=restarts)
    square.happens(0, "sensor")
    square.happens(1, "hub")
    square.happens(2, "gateway")
    square.happens(3, "pump")
    square.tick(10)
    square.happens(7200, "meter")
    square.tick(7300)
    assert square.story == ["6 opened sensor,hub,gateway", "7201 joined meter"]
    assert square.incidents[0].root.startswith("gateway-")
    assert square.words == ["pump"]


def test_the_few_that_stay_behind_stand_for_themselves_again(restarts: bool) -> None:
    """Power is back and four of five are well; ten minutes later the fifth is a case of its own, and the incident is over."""
    square = Square(HOUSE, forgetful=restarts)
    blackout(square)
    square.tick(20)
    for name in "abcd":
        square.happens(100, f"{name}0", SOLVED)
    square.tick(701)
    assert square.story[1:] == ["700 released e0", "700 resolved"]


def test_a_silence_mutes_and_says_when_it_ends(restarts: bool) -> None:
    """Work at the hall from noon to one: its cases are one story; a quarter of an hour before the end and at the end it is told."""
    silence = {"group": "site/hall", "since": iso(NOON), "until": iso(NOON + HOUR), "why": "new fuses"}
    square = Square(HOUSE, forgetful=restarts, silences=[silence])
    square.happens(60, "a0")
    square.happens(70, "b0")
    square.happens(75, "b0", CaseKind.HANDED_OVER)
    square.happens(80, "a0", SOLVED)
    square.tick(3601)
    assert square.story == [
        "60 opened", "61 joined a0", "71 joined b0", "2700 ends_soon", "3600 released b0", "3600 resolved", "3600 closed",
    ]  # fmt: skip
    assert {fact.until for fact in square.incidents} == {NOON + HOUR}
    assert [(customer, stage.value) for customer, stage, _ in square.notes] == [("c-b", "person_needed")]


def test_events_that_come_twice_change_nothing() -> None:
    """Every event once more."""
    square = Square(HOUSE)
    events = [square.happens(second, f"{name}0") for second, name in enumerate("abcde")]
    for event in events:
        square.hear(event)
    square.tick(20)
    assert square.story == ["9 opened a0,b0,c0,d0,e0"]


def test_the_order_of_writers_does_not_change_its_name() -> None:
    """Two partitions of cases are read one after the other: the same incident, the same children."""
    told = []
    for order in ("a0 b0 c0 d0 e0", "e0 d0 c0 b0 a0"):
        square = Square(HOUSE)
        for name in order.split():
            square.happens("abcde".index(name[0]) / 10, name)
        square.tick(30)
        told.append([(fact.incident, fact.children, fact.id) for fact in square.incidents])
    assert told[0] == told[1]


def test_what_is_no_case_event_is_rejected() -> None:
    """Something else on the topic is refused and changes nothing."""
    square = Square(HOUSE)
    with pytest.raises(Rejected):
        list(square.processors["incidents"].step("vorab.cases-by-group", 0, Tick(id="t", at=1), 1))


def test_what_the_table_does_not_allow_is_a_defect() -> None:
    """An incident that is closed is not told about again."""
    fleet = Fleet("main", Square([]).options, Square([]).registry)
    story = Story("i", "main", "site/hall", IncidentStatus.CLOSED, at(0), at(0), [], seq=3)
    with pytest.raises(KeyError):
        fleet.tell(story, IncidentKind.RESOLVED, at(1))


def test_the_picture_in_the_docs_is_the_table() -> None:
    """docs/incidents.md is drawn from it, and each kind but the word to customers has a row."""
    assert diagram() in (REPOSITORY / "docs" / "incidents.md").read_text(encoding="utf-8")
    assert {kind for _, kind in TRANSITIONS} == set(IncidentKind) - {IncidentKind.ALONE}


def test_ten_thousand_children_are_a_few_records() -> None:
    """Every child can be found, in records of at most five hundred."""
    many = [machine(f"d{n}", site="field", customer="") for n in range(1_200)]
    square = Square(many)
    for n, device in enumerate(many[:600]):
        square.happens(n / 1_000, device.device)
    square.tick(10)
    for n, device in enumerate(many[600:]):
        square.happens(11 + n / 1_000, device.device)
    square.tick(20)
    assert [(len(fact.children), (fact.at - NOON) / 1_000) for fact in square.incidents] == [
        (500, 5011), (100, 5011), (500, 11499), (100, 12500),
    ]  # fmt: skip
    assert len({child for fact in square.incidents for child in fact.children}) == 1_200
    assert max(len(json.dumps(fact.children)) for fact in square.incidents) < 512 * 1024
