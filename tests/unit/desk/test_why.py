"""Why: every id leads to the whole chain, and the chain says what led to it."""

from __future__ import annotations

import pytest

from desk.why import why
from tests.unit.desk.house import House, Story
from vorab.records import Stage


def test_any_id_leads_to_the_case(house: House, homes: dict[str, Story]) -> None:
    """Symptom, case, action and message all tell the same story."""
    story = homes["healed"]
    for any_id in (story.symptom, story.case, story.action, story.note(Stage.HEALED), story.case[:8]):
        chain = why(house.queries, any_id)
        assert chain is not None, any_id
        assert chain.case == story.case
        assert [link.what for link in chain.links][:2] == ["symptom.raised", "case.opened"]


@pytest.mark.parametrize("stage", [Stage.PERSON_NEEDED])
def test_a_message_is_explained_back_to_its_readings(house: House, homes: dict[str, Story], stage: Stage) -> None:
    """What led to a message is marked, from the symptom on; what came of it is not."""
    chain = why(house.queries, homes["doubted"].note(stage))
    assert chain is not None
    path = [link.what for link in chain.links if link.path]
    assert path == ["symptom.raised", "case.opened", "case.handed_over", "notification"]
    assert [link.what for link in chain.links if link.asked] == ["notification"]


def test_what_was_not_sent_says_why(house: House, homes: dict[str, Story]) -> None:
    """`Not sent: already fixed` stands in the chain."""
    chain = why(house.queries, homes["healed"].case)
    assert chain is not None
    assert [(link.title, link.text) for link in chain.links if link.kind == "delivery"] == [("Not sent", "already fixed")]
    assert "healed itself" in chain.sentence


def test_the_rule_version_and_the_policy_line_are_named(house: House, homes: dict[str, Story]) -> None:
    """Which wording decided, to the letter."""
    chain = why(house.queries, homes["healed"].case)
    assert chain is not None
    assert chain.links[0].facts["rule"] == "pressure-low@abc123"
    assert chain.links[1].facts["policy"] == "a heat pump is given one restart"


@pytest.mark.parametrize("unknown", ["", "short", "00000000-0000-0000-0000-000000000000", "'; drop table records; --", "%%%%%%%%%"])
def test_nobody_knows_it(house: House, homes: dict[str, Story], unknown: str) -> None:
    """An unknown id is no error, and no wildcard."""
    assert homes
    assert why(house.queries, unknown) is None


def test_the_api_answers_the_same(house: House, homes: dict[str, Story]) -> None:
    """`/api/why/{id}` is what `vorab why --json` prints."""
    story = homes["asked"]
    answer = house.client.get(f"/api/why/{story.note(Stage.CONSENT)}")
    chain = why(house.queries, story.note(Stage.CONSENT))
    assert chain is not None
    assert answer.json() == chain.json()
    assert house.client.get("/api/why/00000000-aaaa").status_code == 404
