"""The customer page: looking changes nothing, a button makes one request, and a bad link says nothing."""

from __future__ import annotations

import re

import pytest

from tests.unit.desk.house import MORNING, SECRET, House, Story, device
from vorab import links, topics
from vorab.links import LinkFor
from vorab.records import Request, RequestKind, Stage


def words_before_the_first_button(page: str) -> int:
    """How many words a customer reads before they can do something."""
    text = re.sub(r"<[^>]+>", " ", page[page.index("<h1>") : page.index("<button")])
    return len(text.split())


def test_it_says_what_happened_in_the_customers_language(house: House, homes: dict[str, Story]) -> None:
    """German for one, English for the other; short for both."""
    german = house.client.get(f"/c/{homes['doubted'].token()}")
    assert german.status_code == 200
    assert '<html lang="de">' in german.text
    assert "Ihre Wärmepumpe (Heat Pump 002) meldet seit heute 02:10 Uhr zu wenig Druck." in german.text
    assert "Jetzt kümmert sich ein Mensch aus unserem Service darum." in german.text
    english = house.client.get(f"/c/{homes['asked'].token(Stage.CONSENT)}")
    assert '<html lang="en">' in english.text
    assert "We can restart the heat pump remotely. It will stop for about two minutes. Is that all right?" in english.text
    assert max(map(words_before_the_first_button, (german.text, english.text))) <= 60


def test_looking_changes_nothing(house: House, homes: dict[str, Story]) -> None:
    """GET and HEAD, once or ten times, from a mail scanner or a person, write nothing to any topic."""
    before = house.ends()
    for story, stage in ((homes["doubted"], Stage.PERSON_NEEDED), (homes["asked"], Stage.CONSENT), (homes["healed"], Stage.HEALED)):
        for _ in range(3):
            assert house.client.get(f"/c/{story.token(stage)}", headers={"Purpose": "prefetch"}).status_code == 200
            assert house.client.head(f"/c/{story.token(stage)}").status_code == 200
    assert house.client.get("/c/answer").status_code == 404
    assert house.ends() == before


@pytest.mark.parametrize("kind", list(RequestKind))
def test_a_button_makes_one_request(house: House, homes: dict[str, Story], kind: RequestKind) -> None:
    """Pressed twice it stands there with one id; the page thanks and then shows what was answered."""
    story = homes["asked"]
    token = story.token(Stage.CONSENT)
    for _ in range(2):
        answer = house.client.post("/c/answer", data={"token": token, "kind": kind.value})
        assert answer.status_code == 200
        assert "Thank you." in answer.text
    requests = [record for record in house.told(topics.REQUESTS) if isinstance(record, Request)]
    assert {(request.kind, request.case, request.device, request.key) for request in requests} == {
        (kind, story.case, story.device, "main/c-2")
    }
    assert len({request.id for request in requests}) == 1
    house.catch_up()
    page = house.client.get(f"/c/{token}").text
    assert "You have answered us" in page
    assert f'value="{kind.value}"' not in page


def test_old_phones_without_an_origin_may_answer(house: House, homes: dict[str, Story]) -> None:
    """The token is proof enough; a form on a foreign page is not."""
    data = {"token": homes["asked"].token(Stage.CONSENT), "kind": "call_me"}
    del house.client.headers["Sec-Fetch-Site"]
    assert house.client.post("/c/answer", data=data).status_code == 200
    assert house.client.post("/c/answer", data=data, headers={"Origin": "null"}).status_code == 200
    assert house.client.post("/c/answer", data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_link_is_good_for_what_it_was_made_for(house: House, homes: dict[str, Story]) -> None:
    """Nobody consents to a restart with a link that asked something else."""
    before = house.ends()
    answer = house.client.post("/c/answer", data={"token": homes["doubted"].token(), "kind": "consent"})
    assert answer.status_code == 404
    assert house.ends() == before


def bad_tokens(story: Story) -> dict[str, str]:
    """Links that open nothing, each for a reason of its own."""
    good = story.token()
    body, _, signature = good.partition(".")
    return {
        "empty": "x",
        "forged": f"{body}.{'A' * len(signature)}",
        "changed": f"{body[:-2]}AA.{signature}",
        "expired": story.token(expires_at=MORNING - 1),
        "another secret": links.sign(SECRET + "!", story.claims()),
        "another purpose": story.token(purpose=LinkFor.UNSUBSCRIBE),
        "another case": story.token(case="no such case"),
        "another device": story.token(device="main/other"),
        "long": "a" * 5_000,
    }


def test_a_bad_link_is_kind_and_says_nothing(house: House, homes: dict[str, Story]) -> None:
    """Forged, expired, foreign: the same 404 to the byte, for GET and POST; nothing is written."""
    before = house.ends()
    answers = []
    for token in bad_tokens(homes["doubted"]).values():
        answers += [house.client.get(f"/c/{token}"), house.client.post("/c/answer", data={"token": token, "kind": "call_me"})]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "This link opens nothing" in answers[0].text
    german = house.client.get("/c/x", headers={"Accept-Language": "de-DE,de;q=0.9"})
    assert "Dieser Link öffnet nichts" in german.text
    assert house.ends() == before


def test_the_page_tells_nobody_where_it_was(house: House, homes: dict[str, Story]) -> None:
    """No referrer, no cache, no index, no script, no style of its own, nothing from elsewhere."""
    answer = house.client.get(f"/c/{homes['asked'].token(Stage.CONSENT)}")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.text
    for forbidden in ("<script", "style=", "<style", "onclick", "http://", "https://"):
        assert forbidden not in answer.text, forbidden


def test_names_from_devices_are_only_text(house: House, homes: dict[str, Story]) -> None:
    """A device that calls itself markup is shown as it calls itself."""
    evil = Story("evil", name='<img src=x onerror="alert(1)">').opened().restarted().doubted()
    assert homes
    house.write([device("evil"), *evil.records])
    house.catch_up()
    page = house.client.get(f"/c/{evil.token()}").text
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_what_a_customer_writes_goes_sealed_with_the_wish(house: House, homes: dict[str, Story]) -> None:
    """The page has one field for it; longer than 500 letters is refused, and nothing is asked. What it is about stands beside it."""
    token = homes["doubted"].token()
    assert 'maxlength="500"' in house.client.get(f"/c/{token}").text
    assert house.client.post("/c/answer", data={"token": token, "kind": "call_me", "text": "x" * 501}).status_code == 422
    house.client.post("/c/answer", data={"token": token, "kind": "call_me", "text": " Ich bin verärgert. "})
    [asked] = [record for record in house.told(topics.REQUESTS) if isinstance(record, Request)]
    assert (asked.kind, asked.text, asked.doubts) == (RequestKind.CALL_ME, "", ("anger",))
    assert house.people.opened(asked.key, [asked.said]) == ["Ich bin verärgert."]
    assert b"rgert" not in b"".join(file.read_bytes() for file in house.folder.glob("log.db*"))


def test_where_no_notifier_runs_words_are_refused_and_a_wish_without_them_is_taken(house: House, homes: dict[str, Story]) -> None:
    """Nobody could seal them, and in clear they are never written."""
    token = homes["doubted"].token()
    (house.folder / "notifier.json").unlink()
    before = house.ends()
    assert house.client.post("/c/answer", data={"token": token, "kind": "call_me", "text": "Ich bin verärgert."}).status_code == 503
    assert house.ends() == before
    assert house.client.post("/c/answer", data={"token": token, "kind": "call_me", "text": ""}).status_code == 200
