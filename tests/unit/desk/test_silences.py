"""Silences on the desk: set, listed and ended by REST, and ended by a button on the page of their incident."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from desk.said_queries import ToldSilence
from tests.unit.desk.house import MORNING, House, settings_of
from tests.unit.desk.test_tokens import TOKENS, asks, guarded
from vorab import ids, topics
from vorab.clock import DAY, HOUR, MINUTE, Micros, iso
from vorab.records import Incident, IncidentKind, Silence, SilenceState
from vorab.settings import Incidents

WORK = {"group": "site/hof", "for_s": 7200, "why": "new pumps in the cellar"}


def post(house: House, body: dict[str, Any], key: str = "") -> Any:
    """Set one and let the tables follow."""
    answer = house.client.post("/api/silences", json=body, headers={"Idempotency-Key": key} if key else {})
    house.catch_up()
    return answer


def words(house: House) -> list[Silence]:
    """What stands on the log."""
    return [record for record in house.told(topics.CASES_BY_GROUP) if isinstance(record, Silence)]


def listed(house: House) -> list[str]:
    """The groups that are silent or will be."""
    return [row["group"] for row in house.client.get("/api/silences").json()]


def test_a_silence_is_set_listed_and_ended(house: House) -> None:
    """What is said stands on the log; who says it is the token, or this machine; ended twice is nobody's silence."""
    house.catch_up()
    made = post(house, WORK)
    assert made.status_code == 201
    now = MORNING
    found = made.json()
    assert (found["state"], found["since"], found["until"], found["by"]) == ("lasts", iso(now), iso(now + 2 * HOUR), "desk")
    assert house.client.get("/api/silences").json() == [found]
    assert house.client.delete(f"/api/silences/{found['silence']}").status_code == 204
    house.catch_up()
    assert listed(house) == []
    assert [word.state for word in words(house)] == [SilenceState.SET, SilenceState.ENDED]
    assert {word.key for word in words(house)} == {"main/fleet"}
    assert house.client.delete(f"/api/silences/{found['silence']}").status_code == 404
    assert house.client.delete("/api/silences/nothing").status_code == 404
    assert len(words(house)) == 2


def test_one_whose_time_is_over_is_not_listed(house: House) -> None:
    """Nor can it be ended; one that is to come is listed as such."""
    later = {"group": "fleet", "since": iso(MORNING + DAY), "until": iso(MORNING + 2 * DAY), "why": "later"}
    for body in (WORK, later):
        assert post(house, body).status_code == 201
    assert listed(house) == ["site/hof", "fleet"]
    house.clock.set(MORNING + 3 * HOUR)
    [row] = house.client.get("/api/silences").json()
    assert (row["group"], row["state"]) == ("fleet", "to come")
    assert house.client.delete(f"/api/silences/{words(house)[0].id}").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({**WORK, "group": "hof"}, ["#/group"]),
        ({**WORK, "for_s": None, "until": iso(MORNING - HOUR)}, ["#/until"]),
        ({**WORK, "for_s": None, "until": iso(MORNING + 28 * DAY)}, ["#/until"]),
        ({**WORK, "tenant": "recorded"}, ["#/tenant"]),
        ({**WORK, "until": iso(MORNING + HOUR)}, ["#/"]),
        ({"group": "fleet", "why": "for ever"}, ["#/"]),
        ({**WORK, "why": ""}, ["#/why"]),
        ({**WORK, "until": "tomorrow", "for_s": None}, ["#/until"]),
    ],
)
def test_a_mistake_is_a_problem_and_nothing_is_written(house: House, body: dict[str, Any], pointers: Sequence[str]) -> None:
    """RFC 9457, with the place of each mistake."""
    answer = post(house, body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [each["pointer"] for each in answer.json()["errors"]] == pointers
    assert words(house) == []


def test_a_request_that_is_sent_again_is_one_silence(house: House) -> None:
    """By its Idempotency-Key."""
    assert post(house, WORK, "k-1").json() == post(house, WORK, "k-1").json()
    assert len(words(house)) == 1


def test_only_a_token_for_writing_sets_or_ends_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name stands as `by`; reading is for those who read."""
    with guarded(tmp_path, monkeypatch) as house:
        assert [asks(house.client, "POST", "/api/silences", TOKENS[name], json=WORK) for name in ("reader", "crm")] == [403, 403]
        assert asks(house.client, "POST", "/api/silences", json=WORK) == 401
        assert asks(house.client, "POST", "/api/silences", TOKENS["writer"], json=WORK) == 201
        house.catch_up()
        [word] = words(house)
        assert word.by == "writer"
        assert asks(house.client, "DELETE", f"/api/silences/{word.id}", TOKENS["reader"]) == 403
        assert asks(house.client, "DELETE", f"/api/silences/{word.id}", TOKENS["all"]) == 204
        assert words(house)[-1].by == "all"
        assert asks(house.client, "GET", "/api/silences", TOKENS["reader"]) == 200


def fact(silence: str, until: Micros, kind: IncidentKind = IncidentKind.OPENED) -> Incident:
    """The incident that a silence became with its first case."""
    return Incident(
        id=ids.incident_event_id(silence, kind, 0), incident=silence, kind=kind, group="site/hof", at=MORNING, opened_at=MORNING,
        onset=MORNING, until=until, total=2, open=2,
    )  # fmt: skip


def silent(house: House) -> tuple[str, str]:
    """A silence with cases under it: its id and its page."""
    name = post(house, WORK).json()["silence"]
    house.write([fact(name, MORNING + 2 * HOUR)])
    house.catch_up()
    return name, house.client.get(f"/incidents/{name}").text


def test_the_page_says_who_why_until_when_and_ends_it(house: House) -> None:
    """A form with a short id; after it the page says who ended it, and has no button any more."""
    name, page = silent(house)
    assert "new pumps in the cellar" in page
    assert "Set by desk, " in page
    assert "Silent until" in page
    assert "End it now" in page
    answer = house.client.post(f"/incidents/{name}/end", data={"who": "kim"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/incidents/{name}?done=end")
    house.catch_up()
    after = house.client.get(answer.headers["location"]).text
    assert "Ended by agent-kim, " in after
    assert "The silence is over." in after
    assert "End it now" not in after
    assert [word.by for word in words(house)] == ["desk", "agent-kim"]
    assert house.client.post(f"/incidents/{name}/end", data={"who": "kim"}).status_code == 303
    assert len(words(house)) == 2


def pressed(house: House, name: str, **headers: str) -> int:
    """What becomes of the button, and that nothing is written where it is refused."""
    status: int = house.client.post(f"/incidents/{name}/end", data={"who": "kim"}, headers=headers).status_code
    assert len(words(house)) == (1 if status == 403 else 2)
    return status


def test_the_button_is_pressed_on_our_own_page_only(house: House) -> None:
    """A form of another site ends nothing; nor does one that does not say who."""
    name, _ = silent(house)
    assert pressed(house, name, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert house.client.post(f"/incidents/{name}/end", data={}).status_code == 303
    assert house.client.post(f"/incidents/{name}/end", data={"who": "Erika Muster"}).status_code == 422
    assert house.client.post("/incidents/nothing/end", data={"who": "kim"}).status_code == 404
    assert len(words(house)) == 1


def test_one_of_the_settings_is_listed_and_ends_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page says so and has no button, and the API says where to take it out."""
    one = {"group": "site/hof", "since": iso(MORNING - HOUR), "until": iso(MORNING + HOUR), "why": "as agreed"}
    base = settings_of(tmp_path)
    streams = base.streams.model_copy(update={"incidents": Incidents.model_validate({"silences": [one]})})
    monkeypatch.setattr("tests.unit.desk.house.settings_of", lambda _: base.model_copy(update={"streams": streams}))
    house = House(tmp_path)
    try:
        house.catch_up()
        [row] = house.client.get("/api/silences").json()
        assert (row["by"], row["why"]) == ("settings", "as agreed")
        house.write([fact(row["silence"], MORNING + HOUR)])
        house.catch_up()
        page = house.client.get(f"/incidents/{row['silence']}").text
        assert "It stands in the settings: as agreed." in page
        assert "End it now" not in page
        assert house.client.delete(f"/api/silences/{row['silence']}").status_code == 409
        assert house.client.post(f"/incidents/{row['silence']}/end", data={"who": "kim"}).status_code == 404
        assert words(house) == []
    finally:
        house.close()


def test_a_desk_that_ends_what_is_over_is_caught(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: each press would be another word on the log."""
    monkeypatch.setattr(ToldSilence, "over", lambda _self, _now: False)
    with pytest.raises(AssertionError):
        test_a_silence_is_set_listed_and_ended(house)


def test_cases_that_stand_there_too_are_counted_once(house: House) -> None:
    """The desk reads of that topic what people said, and nothing else."""
    until = MORNING + MINUTE
    said = Silence(id="s", state=SilenceState.SET, group="fleet", since=MORNING, until=until, at=MORNING)
    house.write([said, said])
    house.catch_up()
    counts = house.client.get("/api/counts").json()["counts"]
    assert counts["io.vorab.silence.set.v1"] == 1
