"""Why there is an incident: what opened it, what explains it, what became of it, and what customers were told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from desk.app import create_app
from desk.why import why
from tests.unit.desk.house import House, Story
from tests.unit.desk.test_incidents import fact, stormy
from vorab.clock import MINUTE
from vorab.records import DeliveryState, IncidentKind, IncidentStatus, Notification, Stage

STORM = "storm-at-the-mill"


@pytest.fixture
def storm(house: House, homes: dict[str, Story]) -> Story:
    """Two of three cases belong to an incident that is over; the customer of the first was told of it."""
    first = homes["doubted"]
    note = next(each for each in first.records if isinstance(each, Notification))
    about = note.model_copy(update={"id": "note-of-the-storm", "incident": STORM, "stage": Stage.INCIDENT})
    sent = next(each for each in first.records if each.TYPE.startswith("io.vorab.delivery"))
    became = sent.model_copy(update={"id": "sent-of-the-storm", "notification": about.id, "state": DeliveryState.SENT})
    over = {"open": 0, "status": IncidentStatus.RESOLVED}
    house.write([about, became])
    stormy(
        house, homes,
        fact(IncidentKind.RELEASED, 2, first, first.case, at=first.onset + 9 * MINUTE, detail="they stay behind"),
        fact(IncidentKind.RESOLVED, 3, first, at=first.onset + 10 * MINUTE, **over),
        fact(IncidentKind.CLOSED, 4, first, at=first.onset + 40 * MINUTE, **{**over, "status": IncidentStatus.CLOSED}),
    )  # fmt: skip
    return first


@pytest.mark.parametrize("any_id", [STORM, STORM[:8], fact(IncidentKind.JOINED, 1, Story("x")).id])
def test_any_id_leads_to_the_incident(house: House, storm: Story, any_id: str) -> None:
    """Its own, the beginning of it, or that of one of its facts: the whole life of it, from the cases that opened it."""
    chain = why(house.queries, any_id)
    assert chain is not None
    assert (chain.kind, chain.incident, chain.case, chain.device) == ("incident", STORM, "", "main/site/mill")
    assert chain.subject == (STORM, "")
    titles = "Case opened, Incident opened, More cases joined, Some stand for themselves again, All are well, Closed, Customers told"
    assert {link.title for link in chain.links} == set(titles.split(", "))
    opening = next(link for link in chain.links if link.what == "incident.opened")
    assert opening.text == "1 case on 1 device at the same time: site mill, of 3 in the group"
    assert opening.facts["children"] == [storm.case]
    assert chain.sentence == "Site mill: 2 cases, all well again."


def test_what_customers_were_told_is_counted(house: House, storm: Story) -> None:
    """By what it was, with what became of it last; what was said about a case alone is not."""
    assert storm.case
    chain = why(house.queries, STORM)
    assert chain is not None
    [told] = [link for link in chain.links if link.kind == "notification"]
    assert told.text == "Many are affected; we are on it: 1 customer, 1 sent"
    assert told.facts == {"customers": 1, "messages": 1, "became": {"sent": 1}}


def test_a_case_names_the_incidents_it_belonged_to(house: House, storm: Story, homes: dict[str, Story]) -> None:
    """When it became part of one, and when it stood for itself again; known bad: a case beside the storm names none."""
    chain = why(house.queries, storm.case)
    assert chain is not None
    assert [link.title for link in chain.links if link.kind == "incident"] == ["Part of an incident", "Stands for itself again"]
    assert chain.incident == STORM
    other = why(house.queries, homes["healed"].case)
    assert other is not None
    assert (other.incident, [link for link in other.links if link.kind == "incident"]) == ("", [])


@pytest.mark.parametrize("unknown", ["storm", "storm-at-the-moon", "%%%%%%%%%", ""])
def test_nobody_knows_it(house: House, storm: Story, unknown: str) -> None:
    """Too short, another one, or a wildcard."""
    assert storm.case
    assert why(house.queries, unknown) is None


def test_the_api_asks_for_an_incident_decided_anew(house: House, storm: Story) -> None:
    """An incident has no device: whoever decides anew is asked for it by its id alone."""
    assert storm.case
    context = replace(house.context, again=lambda name, device: {"state": "agrees", "of": [name, device]})
    client = TestClient(create_app(context), base_url="http://127.0.0.1", headers={"Sec-Fetch-Site": "same-origin"})
    told = client.get(f"/api/why/{STORM}?again=true").json()
    assert told["again"]["of"] == [STORM, ""]


def test_the_console_leads_to_the_incident(house: House, storm: Story) -> None:
    """As it leads from any other id to its case."""
    assert storm.case
    answer = house.client.get(f"/why/{STORM[:8]}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/incidents/{STORM}")
