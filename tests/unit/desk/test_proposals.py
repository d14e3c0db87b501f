"""What helped: proposals with reasons, the rule with what people said of it, articles; and verdicts that count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from desk import store as tables
from desk.projector import Projector
from desk.store import Store
from tests.unit.desk.house import MORNING, NIGHT, House, Story, device, doubted, healed
from vorab import topics
from vorab.clock import HOUR
from vorab.records import CaseKind, Command, CommandKind, Request, RequestKind, Stage, Status

RULE = "rule:pressure-low@abc123"
REFRIGERANT = "article:heat-pump-refrigerant"
RESTART = "remedy:restart"


def api(house: House, story: Story) -> dict[str, Any]:
    """The case as JSON."""
    found: dict[str, Any] = house.client.get(f"/api/cases/{story.case}").json()
    return found


def offered(house: House, story: Story) -> dict[str, dict[str, Any]]:
    """The proposals, by what they are about."""
    return {each["about"]: each for each in api(house, story)["proposals"]}


def judge(house: House, story: Story, about: str, said: str, nonce: str = "12345678") -> int:
    """Press a button of the case page."""
    address = f"/cases/{story.case}/verdict"
    answer = house.client.post(address, data={"nonce": nonce, "about": about, "said": said})
    house.catch_up()
    return int(answer.status_code)


def test_proposals_say_what_helped_in_other_cases(house: House, homes: dict[str, Story]) -> None:
    """The restart healed one of two; what was tried here comes after what was not, and says what came of it."""
    found = api(house, homes["doubted"])["proposals"]

    assert [each["about"] for each in found] == [REFRIGERANT, RESTART]
    assert found[0]["reason"] == "not tried on such cases yet"
    assert found[1]["reason"].startswith("did not help here; solved 1 of 2 such cases")
    assert offered(house, homes["asked"])[RESTART]["reason"].startswith("solved 1 of 2 such cases")


def test_the_page_shows_reasons_articles_and_buttons(house: House, homes: dict[str, Story]) -> None:
    """All without a script: proposals, what to do, words for the customer in both languages, the rule, and a search."""
    page = house.client.get(f"/cases/{homes['doubted'].case}").text

    for text in (
        "What helped in such cases",
        "A heat pump has lost refrigerant",
        "Find the leak, mend it, change the filter drier",
        "HP-5021 filter drier",
        "Ihre Wärmepumpe hat Kältemittel verloren",
        "did not help here; solved 1 of 2 such cases",
        "pressure-low@abc123",
        "nobody said anything yet",
        ">Solved it</button>",
        ">Came too late</button>",
    ):
        assert text in page, text


def test_a_verdict_of_an_agent_counts(house: House, homes: dict[str, Story]) -> None:
    """A command on the log, shown on the page as pressed, and counted for the next case."""
    assert judge(house, homes["doubted"], REFRIGERANT, "right") == 303

    [command] = [record for record in house.told(topics.COMMANDS) if isinstance(record, Command)]
    assert (command.kind, command.about, command.by) == (CommandKind.RIGHT, REFRIGERANT, "agent")
    assert command.detail == "“A heat pump has lost refrigerant”: solved it"
    assert offered(house, homes["doubted"])[REFRIGERANT]["verdict"] == "right"
    assert offered(house, homes["asked"])[REFRIGERANT]["reason"].startswith("solved 1 of 1 such case; each time by hand")
    assert 'aria-pressed="true"' in house.client.get(f"/cases/{homes['doubted'].case}").text


def test_a_verdict_can_be_changed_and_counts_once(house: House, homes: dict[str, Story]) -> None:
    """Pressed twice is once; the other button takes its place."""
    for nonce in ("12345678", "12345678", "abcdefgh"):
        judge(house, homes["doubted"], REFRIGERANT, "right", nonce)
    assert offered(house, homes["asked"])[REFRIGERANT]["tried"] == 1
    house.clock.advance(HOUR)
    judge(house, homes["doubted"], REFRIGERANT, "wrong", "later-on")

    told = offered(house, homes["asked"])[REFRIGERANT]
    assert (told["tried"], told["solved"]) == (1, 0)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ("rule:another@1", "right"),
        (RULE, "useful"),
        (RESTART, "too_late"),
        ("article:pump-restart", "right"),
        ("", "right"),
        ("remedy:x", "wrong"),
    ],
)
def test_what_is_not_of_this_case_cannot_be_judged(house: House, homes: dict[str, Story], about: str, said: str) -> None:
    """Nothing is written: not about other rules or machines, and nothing that makes no sense."""
    before = house.ends()
    assert judge(house, homes["doubted"], about, said) in {404, 422}  # an empty field is no field
    given = {"about": about, "verdict": said, "key": "12345678"}
    assert house.client.post(f"/api/cases/{homes['doubted'].case}/verdicts", json=given).status_code == 422
    assert house.ends() == before


def test_the_api_takes_verdicts(house: House, homes: dict[str, Story]) -> None:
    """For desks of others: accepted, and told as a count beside the rule."""
    given = {"about": RULE, "verdict": "right", "key": "12345678"}
    answer = house.client.post(f"/api/cases/{homes['doubted'].case}/verdicts", json=given)
    house.catch_up()

    assert answer.status_code == 202
    assert answer.json()["command"] in {record.id for record in house.told(topics.COMMANDS)}
    [rule] = api(house, homes["asked"])["rules"]
    assert rule == {"about": RULE, "rule": "pressure-low@abc123", "verdicts": {"right": 1}, "verdict": None}
    assert house.client.post("/api/cases/none/verdicts", json=given).status_code == 404


def test_a_customers_verdict_names_the_rule(house: House, homes: dict[str, Story]) -> None:
    """A "this came too late" is a request about the rule that found it; its count stands beside the rule."""
    story = homes["doubted"]
    token = story.token(Stage.PERSON_NEEDED)
    assert "This came too late" in house.client.get(f"/c/{token}").text or "Das kam zu spät" in house.client.get(f"/c/{token}").text
    assert house.client.post("/c/answer", data={"token": token, "kind": "too_late"}).status_code == 200
    [request] = [record for record in house.told(topics.REQUESTS) if isinstance(record, Request)]
    assert (request.kind, request.about) == (RequestKind.TOO_LATE, RULE)

    # As `streams.customers` passes it on.
    house.write(
        [Command(id="x", device=story.device, kind=CommandKind.TOO_LATE, case=story.case, at=MORNING, by="customer", about=request.about)]
    )
    house.catch_up()
    assert "1 too late" in house.client.get(f"/cases/{homes['healed'].case}").text


def test_a_search_finds_articles_in_either_language(house: House, homes: dict[str, Story]) -> None:
    """On the page of the case; what is asked is only text."""
    address = f"/cases/{homes['doubted'].case}"
    assert "Worn bearing of a pump" in house.client.get(address, params={"ask": "Lagerschaden"}).text
    page = house.client.get(address, params={"ask": "<script>alert(1)</script>"}).text
    assert "<script>alert" not in page
    assert house.client.get(address, params={"ask": "x" * 300}).status_code == 422


def test_a_cancelled_case_proposes_nothing(house: House) -> None:
    """Where nothing was wrong there is nothing to try."""
    story = Story("heat-pump-009").opened()
    story.event(CaseKind.FALSE_ALARM, NIGHT + HOUR, status=Status.CANCELLED)
    house.write([device(story.device), *story.records])
    house.catch_up()

    assert api(house, story)["proposals"] == []
    assert "Nothing is known about such cases yet." in house.client.get(f"/cases/{story.case}").text


def blocks(store: Store) -> dict[str, bytes]:
    """What helped, as it stands in the tables."""
    return {row["name"]: row["block"] for row in store.rows(sa.select(tables.ranking))}


def test_counts_are_the_same_after_a_restart_and_when_built_anew(house: House, homes: dict[str, Story], tmp_path: Path) -> None:
    """They are a projection of the log: nobody has to keep them."""
    judge(house, homes["doubted"], REFRIGERANT, "right")
    successor = Projector(house.log, house.store, house.clock)
    successor.load()
    more = healed("heat-pump-007", onset=NIGHT - HOUR)
    house.write([device("heat-pump-007"), *more.records, *more.records])
    while successor.step():
        pass
    anew = Store(f"sqlite:///{tmp_path / 'anew.db'}")
    builder = Projector(house.log, anew, house.clock)
    builder.load()
    while builder.step():
        pass

    assert blocks(house.store) == blocks(anew) != {}
    anew.close()


def test_a_desk_from_before_learns_from_what_it_kept(house: House, homes: dict[str, Story]) -> None:
    """A database without counts gets them from the records in it."""
    before = blocks(house.store)
    with house.store.write() as db:
        db.execute(tables.ranking.delete())
    Projector(house.log, house.store, house.clock).load()

    assert homes
    assert blocks(house.store) == before


def test_doubted_cases_say_that_it_did_not_help(house: House) -> None:
    """Three that were healed and one that was not: three of four."""
    stories = [healed(f"heat-pump-10{i}", onset=NIGHT - i * HOUR) for i in range(3)] + [doubted("heat-pump-200")]
    house.write([record for story in stories for record in (device(story.device), *story.records)])
    house.catch_up()

    assert "solved 3 of 4 such cases" in offered(house, stories[-1])[RESTART]["reason"]
