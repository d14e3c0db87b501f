"""Incidents on the desk: a storm is one line, with the count of its cases, and every case can be found."""

from __future__ import annotations

from tests.unit.desk.house import House, Story
from vorab import ids, metrics
from vorab.records import Incident, IncidentKind, IncidentStatus


def fact(kind: IncidentKind, seq: int, story: Story, *children: str, **said: object) -> Incident:
    """A fact about the incident at the mill."""
    made: dict[str, object] = {
        "id": ids.incident_event_id("storm-at-the-mill", kind, seq), "incident": "storm-at-the-mill", "kind": kind, "group": "site/mill",
        "at": story.onset + seq, "opened_at": story.onset, "onset": story.onset, "children": children, "seq": seq,
        "total": 2, "open": 2, "customers": 2, "devices": 3, "causes": ("low_pressure",),
    }  # fmt: skip
    return Incident.model_validate(made | said)


def stormy(house: House, homes: dict[str, Story], *more: Incident) -> list[str]:
    """Two of three cases belong to an incident."""
    first, second = homes["doubted"], homes["asked"]
    house.write([fact(IncidentKind.OPENED, 0, first, first.case), fact(IncidentKind.JOINED, 1, first, second.case), *more])
    house.catch_up()
    return [first.case, second.case]


def test_a_storm_is_one_line_in_the_queue(house: House, homes: dict[str, Story]) -> None:
    """Its cases are not shown beside it, the sentence at the top is about it, and a search finds the cases all the same."""
    cases = stormy(house, homes)
    page = house.client.get("/").text
    assert page.count('href="/incidents/storm-at-the-mill"') == 1
    assert "Site mill: 2 cases, 2 not well." in page
    assert not [case for case in cases if f'data-case="{case}"' in page]
    assert f'data-case="{homes["healed"].case}"' in page
    assert f'data-case="{cases[0]}"' in house.client.get(f"/?q={homes['doubted'].device}").text
    assert "Site mill" in house.client.get("/parts/live").text
    assert "storm-at-the-mill" in house.client.get("/parts/queue").text


def test_an_incident_is_told_with_its_cases(house: House, homes: dict[str, Story]) -> None:
    """As JSON, some at a time, and as a page."""
    cases = stormy(house, homes)
    assert metrics.registry().get_sample_value("vorab_incidents_open") == 1
    [listed] = house.client.get("/api/incidents").json()
    assert (listed["group"], listed["cases"], listed["open"], listed["status"]) == ("site/mill", 2, 2, "open")
    whole = house.client.get("/api/incidents/storm-at-the-mill").json()
    assert {child["case"] for child in whole["children"]} == set(cases)
    parts = [house.client.get(f"/api/incidents/storm-at-the-mill?limit=1&offset={n}").json()["children"] for n in range(3)]
    assert [len(part) for part in parts] == [1, 1, 0]
    page = house.client.get("/incidents/storm-at-the-mill").text
    assert all(f'href="/cases/{case}"' in page for case in cases)
    assert "/incidents/storm-at-the-mill" in house.client.get(f"/cases/{cases[0]}").text
    assert "/incidents/" not in house.client.get(f"/cases/{homes['healed'].case}").text
    assert house.client.get("/incidents/nothing").status_code == 404
    assert house.client.get("/api/incidents/nothing").status_code == 404


def test_what_is_released_or_closed_stands_in_the_queue_again(house: House, homes: dict[str, Story]) -> None:
    """A case that stays behind is shown for itself; when the incident is closed, all are, and the list of open ones is empty."""
    first = homes["doubted"]
    cases = stormy(house, homes, fact(IncidentKind.RELEASED, 2, first, first.case, open=0))
    assert f'data-case="{cases[0]}"' in house.client.get("/").text
    over = {"status": IncidentStatus.CLOSED, "open": 0}
    house.write(
        [fact(IncidentKind.RESOLVED, 3, first, status=IncidentStatus.RESOLVED, open=0), fact(IncidentKind.CLOSED, 4, first, **over)]
    )
    house.catch_up()
    page = house.client.get("/").text
    assert all(f'data-case="{case}"' in page for case in cases)
    assert "/incidents/" not in page
    assert house.client.get("/api/incidents?open=true").json() == []
    assert len(house.client.get("/api/incidents").json()) == 1
