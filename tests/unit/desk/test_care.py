"""The desk where people act: queues, approvals with who gave them, goodwill and what it cost, the next best action and its reason."""

from __future__ import annotations

import re
from typing import Any

import pytest

from desk.advice import Next, next_best
from desk.queries import CaseFile
from tests.unit.desk.house import NIGHT, House, Story, device, doubted
from vorab import topics
from vorab.clock import MINUTE
from vorab.records import CaseKind, Command, CommandKind, Status

LINE = "the customer is angry: one person approves"


def held(name: str = "heat-pump-007", *, so_far: tuple[str, ...] = (), **changes: Any) -> Story:
    """A case that waits for two approvals, of an angry customer."""
    story = Story(name).opened()
    at = NIGHT + 6 * MINUTE
    marks: dict[str, Any] = {
        "bot": "must_ask",
        "care": f"{LINE} (version 1@abc)",
        "queue": "heating",
        "skill": "heating",
        "approvals_needed": 2,
    }
    story.event(CaseKind.APPROVAL_ASKED, at, status=Status.HELD, detail="May we restart it?", **{**marks, **changes})
    for n, who in enumerate(so_far, start=1):
        story.event(CaseKind.APPROVAL_GIVEN, at + MINUTE, detail=f"{who}:", **{**marks, **changes, "approvals": so_far[:n]})
    return story


def gifted(name: str = "heat-pump-008", state: str = "proposed", cents: int = 2000) -> Story:
    """A case for a person with a gesture of goodwill in some state."""
    story = doubted(name)
    marks: dict[str, Any] = {
        "gesture": "a voucher",
        "amount_cents": cents,
        "currency": "EUR",
        "goodwill_needed": 1,
        "queue": "care",
        "said": ("anger",),
    }
    at = NIGHT + 50 * MINUTE
    story.event(CaseKind.GOODWILL_PROPOSED, at, status=Status.HELD, detail="Es tut uns leid.", goodwill="proposed", **marks)
    if state != "proposed":
        kind = CaseKind.GOODWILL_GRANTED if state == "granted" else CaseKind.GOODWILL_DECLINED
        story.event(kind, at + MINUTE, status=Status.HELD, detail="counted", goodwill=state, **marks)
    return story


def furnished(house: House, *stories: Story) -> None:
    """A house with these cases."""
    for story in stories:
        house.write([device(story.device), *story.records])
    house.catch_up()


def commands(house: House) -> list[Command]:
    """What was asked for."""
    return [record for record in house.told(topics.COMMANDS) if isinstance(record, Command)]


def test_the_queue_is_shown_one_at_a_time(house: House) -> None:
    """Each queue with how many wait in it; another one shows its cases alone, also in the part that is fetched anew."""
    furnished(house, held(), gifted(), doubted("heat-pump-001"))
    page = house.client.get("/").text
    assert re.search(r'href="/\?queue=heating">heating <span class="n">1<', page)
    for address in ("/?queue=heating", "/parts/queue?queue=heating"):
        shown = house.client.get(address).text
        assert "Heat Pump 007" in shown.partition('id="inqueue"')[2]
        assert "/cases/" + gifted().case not in shown.partition('id="inqueue"')[2]
    assert "Nothing waits in this queue." in house.client.get("/?queue=nowhere").text


def test_an_approval_names_who_gave_it(house: House) -> None:
    """The page says what is asked, by which line, and who has approved so far; the command carries the id that was typed."""
    story = held(so_far=("agent-anna",))
    furnished(house, story)
    page = house.client.get(f"/cases/{story.case}").text
    for text in ("May we restart it?", "1 of 2", "agent-anna", LINE, "Who may act", "waits for approval: 1 of 2 so far"):
        assert text in page, text
    answer = house.client.post(f"/cases/{story.case}/approve", data={"nonce": "12345678", "who": "ben.7"})
    assert answer.status_code == 303
    [made] = commands(house)
    assert (made.kind, made.by, made.case) == (CommandKind.APPROVE, "agent-ben.7", story.case)


@pytest.mark.parametrize("action", ["approve", "decline", "goodwill", "no-goodwill"])
def test_nobody_decides_without_an_id(house: House, action: str) -> None:
    """No id, no command; a name with spaces is refused as well."""
    story = held()
    furnished(house, story)
    assert house.client.post(f"/cases/{story.case}/{action}", data={"nonce": "12345678"}).status_code == 303
    assert house.client.post(f"/cases/{story.case}/{action}", data={"nonce": "12345678", "who": "Anna B"}).status_code == 422
    assert commands(house) == []


def test_goodwill_is_decided_on_the_case_page(house: House) -> None:
    """What, how much, what is said with it; granted, the buttons are gone."""
    story, done = gifted(), gifted("heat-pump-009", "granted")
    furnished(house, story, done)
    page = house.client.get(f"/cases/{story.case}").text
    assert "Goodwill: a voucher, 20.00 EUR, proposed" in page
    assert "Es tut uns leid." in page
    assert "0 of 1 person has approved" in page
    assert "no-goodwill" not in house.client.get(f"/cases/{done.case}").text
    house.client.post(f"/cases/{story.case}/goodwill", data={"nonce": "12345678", "who": "anna"})
    assert commands(house)[0].kind is CommandKind.APPROVE_GOODWILL


def test_what_goodwill_cost_is_counted_once(house: House) -> None:
    """Granted, not proposed or declined; an event that is read twice costs nothing more."""
    granted = gifted("heat-pump-001", "granted")
    furnished(house, granted, gifted("heat-pump-002", "granted", 1500), gifted("heat-pump-003", "declined"), gifted("heat-pump-004"))
    house.write(granted.records)
    house.catch_up()
    found = house.client.get("/api/kpis").json()
    assert found["goodwill"] == {"proposed": 4, "granted": 2, "declined": 1, "cost": {"EUR": 35.0}}
    assert found["queues"] == {"care": 4}
    assert "<dt>goodwill, EUR</dt><dd>35.00</dd>" in house.client.get("/").text


def test_the_api_says_what_to_do_next_and_why(house: House) -> None:
    """With the first sentence, the line of care and the approvals."""
    story = held(so_far=("agent-anna",))
    furnished(house, story, gifted())
    found = house.client.get(f"/api/cases/{story.case}").json()
    assert found["next"] == {"do": "Approve what vorab would do, or decline it.", "why": f"agent-anna has approved; {LINE}"}
    assert found["approvals"] == {"by": ["agent-anna"], "needed": 2}
    assert found["care"]["queue"] == "heating"
    other = house.client.get(f"/api/cases/{gifted().case}").json()
    assert other["first_sentence"] == "I am calling about your heat pump."
    assert other["goodwill"]["apology"] == "Es tut uns leid."
    assert {row["queue"] for row in house.client.get("/api/cases").json()} == {"heating", "care"}


def best(story: Story, *commands: Command) -> Next | None:
    """The next best action of a story."""
    return next_best(CaseFile(story.case, events=[r for r in story.records if hasattr(r, "seq")], commands=list(commands)))  # type: ignore[misc]


def test_the_next_best_action_follows_what_cannot_wait() -> None:
    """Danger before anger, anger before a call, a call before advice, advice before a guess."""

    def story(**changes: Any) -> Story:
        made = Story("heat-pump-001").opened()
        made.event(CaseKind.HANDED_OVER, NIGHT + 9 * MINUTE, status=Status.HELD, **changes)
        return made

    advice = "Send the bearing set. Because: a worn bearing is replaced."
    call = Command(id="x", device="heat-pump-001", kind=CommandKind.CALL, case="c", at=NIGHT, by="customer", detail="after 17:00")
    assert best(story(said=("anger", "danger"))) == ("Call at once, and ask whether everybody is safe.", "the customer wrote of danger")
    assert best(story(said=("anger",)), call) == ("Apologise first, then call.", "the customer is angry")
    assert best(story(advice=advice), call) == ("Call the customer.", "they asked for it, and said: after 17:00")
    assert best(story(advice=advice)) == ("Send the bearing set.", "a worn bearing is replaced")
    forbidden = story(bot="must_not", care="a medical device: a person acts (version 1@abc)")
    assert best(forbidden) == ("Take the case, and look at the machine.", "a medical device: a person acts")
    assert best(doubted()) == ("Send somebody to look at the machine.", "a restart did not help")


def test_an_approval_that_is_settled_is_not_asked_any_more() -> None:
    """Declined, and handed over: the next step is another one."""
    story = held()
    story.event(CaseKind.DECLINED, NIGHT + 9 * MINUTE)
    story.event(CaseKind.HANDED_OVER, NIGHT + 9 * MINUTE)
    found = best(story)
    assert found is not None
    assert "Approve" not in found.do


def test_a_queue_tells_of_its_own_new_cases_alone(house: House) -> None:
    """Who looks at one queue is not told of cases that wait in another."""
    furnished(house, held(), gifted())
    for queue, told in (("", "2 new"), ("heating", "1 new"), ("nowhere", 'role="status"></p>')):
        assert told in house.client.get(f"/parts/live?shown=none&queue={queue}").text
