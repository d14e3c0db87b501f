"""Why, decided anew: the desk asks whoever put it up."""

from __future__ import annotations

from dataclasses import replace

from fastapi.testclient import TestClient

from desk.app import create_app
from tests.unit.desk.house import House, Story


def test_the_api_answers_what_came_of_deciding_it_anew(house: House, homes: dict[str, Story]) -> None:
    """Only where it is asked for, about the case and its device."""
    story = homes["healed"]
    context = replace(house.context, again=lambda case, device: {"state": "agrees", "of": [case, device]})
    client = TestClient(create_app(context), base_url="http://127.0.0.1", headers={"Sec-Fetch-Site": "same-origin"})
    told = client.get(f"/api/why/{story.action}?again=true").json()
    assert told["again"] == {"state": "agrees", "of": [story.case, told["device"]]}
    assert "again" not in client.get(f"/api/why/{story.action}").json()


def test_a_desk_that_cannot_decide_says_the_chain_alone(house: House, homes: dict[str, Story]) -> None:
    """No error, and no agreement that nobody has looked for."""
    assert "again" not in house.client.get(f"/api/why/{homes['healed'].case}?again=true").json()
