"""The dialogue as people see it: the page, the one click that corrects, the API, and every sentence in both languages."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from desk.app import create_app
from desk.timeline import page as module
from desk.timeline.entry import Entry, Kind, Who
from desk.timeline.labels import LABELS, SHELL, span
from desk.timeline.sayings import INTENTS, REASONS, REFUSALS, SAYINGS, STAGES
from desk.timeline.show import unanswered
from desk.timeline.source import Timelines
from desk.timeline.speech import Speech, language_of
from desk.timeline.told import Around, told
from desk.tokens import hashed, make
from tests.unit.desk.house import MORNING, House, customer, device
from tests.unit.desk.talking import WHO, Keys, answered, heard, history
from vorab import topics
from vorab.clock import DAY, HOUR, MINUTE
from vorab.people import PeopleClient
from vorab.records import (
    BookingKind,
    CaseKind,
    Contact,
    Corrected,
    DeliveryReason,
    DeliveryState,
    RequestKind,
    SlotReason,
    Stage,
)
from vorab.settings import DeskToken
from vorab.understanding.kinds import Intent
from vorab.words import load_words

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def lived(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A desk that knows all of the history, and a notifier that has the customer's key."""
    monkeypatch.setattr(PeopleClient, "announced", lambda _folder: Keys())
    house.write([customer(), customer("c-9"), device("heat-pump-001"), device("heat-pump-002"), *history()[1]])
    house.catch_up()
    return house


def get(house: House, path: str, **headers: str) -> str:
    """A page that must be there."""
    answer = house.client.get(path, headers=headers)
    assert answer.status_code == 200
    return str(answer.text)


def test_the_page_is_one_dialogue_in_the_reader_s_language(lived: House) -> None:
    """German or English by the browser or by wish; the customer's words are there, whatever language they are in."""
    german = get(lived, "/customers/c-1", **{"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"})
    assert '<html lang="de">' in german
    for said in (
        "Zu wenig Druck: 0,62 bar, Grenze 1 bar.",
        "Bitte neu starten.",
        "Nicht gesendet: schon behoben.",
        "mir langts",
        "Anruf gebucht",
    ):
        assert said in german, said
    english = get(lived, "/customers/c-1?lang=en", **{"Accept-Language": "de"})
    assert '<html lang="en">' in english
    for said in (
        "limit 1 bar.",
        "Please restart.",
        "You said done. Your readings say otherwise.",
        "mir langts",
        "Meant was:",
        "a person answers (anger, repeated)",
    ):
        assert said in english, said


def test_the_case_leads_to_the_customer(lived: House) -> None:
    """A link on the page of the case, and back."""
    story, _ = history()
    assert '<a href="/customers/c-1">c-1</a>' in get(lived, f"/cases/{story.case}")
    assert f'href="/cases/{story.case}"' in get(lived, "/customers/c-1")


def test_what_cannot_be_read_any_more_is_said_to_be_so(lived: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No notifier, one of an earlier version, or a key that is destroyed: the page stands, without the words."""
    for people in (None, object(), type("Gone", (), {"opened": lambda _self, _who, sealed: [None] * len(sealed)})()):
        monkeypatch.setattr(PeopleClient, "announced", lambda _folder, people=people: people)
        page = get(lived, "/customers/c-1?lang=en")
        assert "mir langts" not in page
        assert page.count("Not readable any more.") == 4
        assert "Call booked" in page


def test_a_customer_with_no_past_and_one_nobody_knows(lived: House) -> None:
    """The empty page says what will stand there; nobody's page is a kind 404 in both languages."""
    assert "Mit c-9 gab es noch nichts." in get(lived, "/customers/c-9?lang=de")
    answer = lived.client.get("/customers/nobody?lang=en")
    assert answer.status_code == 404
    assert "Nobody knows this customer here." in answer.text


def test_one_click_says_what_a_reply_meant(lived: House) -> None:
    """A record on the log with what it was taken for until now; the same click twice is one; the page shows it."""
    form = {"heard": "r-2", "intent": "human", "nonce": "12345678"}
    answer = lived.client.post("/customers/c-1/corrected?lang=en", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/customers/c-1?lang=en&done=corrected#r-2")
    lived.client.post("/customers/c-1/corrected?lang=en", data=form)
    lived.catch_up()
    made = [record for record in lived.told(topics.DIALOGUE) if isinstance(record, Corrected) and record.intent == "human"]
    assert {(record.id, record.heard, record.before, record.by, record.key) for record in made[:1]} == {
        (record.id, "r-2", "still_broken", "agent", WHO) for record in made
    }
    page = get(lived, "/customers/c-1?lang=en&done=corrected")
    assert "Thank you. These words are an example of it now." in page
    assert "a person, please; it had been taken for: still broken." in page
    assert sum(entry.kind is Kind.CORRECTION for entry in Timelines(lived.queries).of(WHO)) == 2


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"heard": "nothing", "intent": "human", "nonce": "12345678"}, 404),
        ({"heard": "a-1", "intent": "human", "nonce": "12345678"}, 404),
        ({"heard": "r-2", "intent": "sing", "nonce": "12345678"}, 422),
        ({"heard": "r-2", "intent": "human", "nonce": "1"}, 422),
    ],
)
def test_nothing_else_can_be_said_of_a_reply(lived: House, form: dict[str, str], status: int) -> None:
    """No such reply, no reply at all, no such meaning: nothing is written."""
    before = lived.ends()
    assert lived.client.post("/customers/c-1/corrected", data=form).status_code == status
    assert lived.client.post("/customers/c-1/corrected", data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert lived.client.get("/customers/c-1/corrected").status_code in {404, 405}
    get(lived, "/customers/c-1")
    assert lived.ends() == before


def test_who_waits_for_an_answer_is_the_first_thing_said(lived: House) -> None:
    """Since when, from the first reply that a person should answer until one of us has spoken."""
    lived.write([heard("r-7", MORNING + 2 * HOUR, "Und jetzt?", person=True), heard("r-8", MORNING + 3 * HOUR, "Hallo?", person=True)])
    lived.clock.set(MORNING + 5 * HOUR)
    lived.catch_up()
    assert '<h1 class="waiting">c-1 has waited 3 hours for an answer.</h1>' in get(lived, "/customers/c-1?lang=en")
    lived.write([answered("a-7", "r-7", MORNING + 6 * HOUR, "Gleich.", "by_hand", by="agent-anna")])
    lived.catch_up()
    assert "Heat Pump 002 needs a person." in get(lived, "/customers/c-1?lang=en")


def test_a_machine_or_a_correction_is_no_answer() -> None:
    """Known bad: whatever follows a reply counts as its answer."""
    waits = Entry("r", Kind.REPLY, 1, Who.CUSTOMER, "heard", {"person": True})
    said = [Entry("m", Kind.ATTEMPT, 2, Who.VORAB, "case.proving"), Entry("k", Kind.CORRECTION, 3, Who.AGENT, "corrected")]
    assert unanswered([waits, *said]) is waits
    assert unanswered([waits, *said, Entry("n", Kind.NOTE, 4, Who.AGENT, "case.noted")]) is None


def test_a_long_dialogue_is_turned_page_by_page(lived: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest first, then earlier, without a gap and without a repetition."""
    monkeypatch.setattr(module, "SHOWN", 10)
    total = len(Timelines(lived.queries).of(WHO))
    assert f"until={total - 10}" in get(lived, "/customers/c-1?lang=en")
    assert "Telegram" in get(lived, "/customers/c-1?lang=en")
    earlier = get(lived, f"/customers/c-1?lang=en&until={total - 10}")
    assert "Telegram" not in earlier
    assert f"until={total}" in earlier


def test_the_api_gives_it_in_pages_and_leaves_words_sealed(lived: House) -> None:
    """From the beginning or from the end, with the count; nobody's is a 404."""
    answer = lived.client.get("/api/customers/c-1/timeline?limit=5")
    total = int(answer.headers["X-Total-Count"])
    assert (answer.status_code, len(answer.json()), total > 25) == (200, 5, True)
    found: list[dict[str, Any]] = []
    for offset in range(0, total, 7):
        found += lived.client.get(f"/api/customers/c-1/timeline?limit=7&offset={offset}").json()
    assert found == [entry.json() for entry in Timelines(lived.queries).of(WHO)]
    assert lived.client.get("/api/customers/c-1/timeline?limit=2&latest=true").json() == found[-2:]
    assert lived.client.get(f"/api/customers/c-1/timeline?limit=2&latest=true&offset={total - 1}").json() == found[:1]
    assert "mir langts" not in answer.text + str(found)
    assert any(entry.get("sealed") for entry in found)
    assert lived.client.get("/api/customers/c-9/timeline").json() == []
    assert lived.client.get("/api/customers/nobody/timeline").status_code == 404
    assert lived.client.get("/api/customers/c-1/timeline?tenant=elsewhere").status_code == 404


def test_others_read_it_with_a_token_only(lived: House) -> None:
    """As all of the API: `read` opens it."""
    token = make()
    known = [DeskToken(name="crm", scopes=["read"], hash=hashed(token))]
    desk = lived.settings.desk.model_copy(update={"host": "192.0.2.1", "tokens": known})
    context = lived.context.__class__(
        lived.log, lived.queries, lived.projector, lived.settings.model_copy(update={"desk": desk}), lived.clock
    )
    client = type(lived.client)(create_app(context), base_url="http://desk.example")
    assert client.get("/api/customers/c-1/timeline").status_code == 401
    assert client.get("/api/customers/c-1/timeline", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_entry_says_something_in_both_languages(language: str) -> None:
    """No brace, no colon before nothing, no empty sentence: for the whole history, and for every word there is."""
    speech = Speech(language, BERLIN, load_words())
    _, records = history()
    around = Around(devices={record.case: record.key for record in records if hasattr(record, "case") and hasattr(record, "device")})
    for record in records:
        if record.TOPIC in {topics.CASES, topics.DIALOGUE, topics.BOOKINGS, topics.OFFERS, topics.CONTACT_STATE, topics.REQUESTS}:
            for entry in told(record, around):
                said = speech.say(entry)
                assert said
                assert not {"{", "}"} & set(said), said
    for words in SAYINGS:
        said = speech.say(Entry("x", Kind.NOTE, 0, Who.VORAB, words, {"stage": "healed", "reason": "budget"}))
        assert not {"{", "}"} & set(said), words


def test_nothing_that_may_happen_is_without_words() -> None:
    """Whatever kind of record comes tomorrow has a sentence, or this test says which has none."""
    known = set(SAYINGS)
    assert {f"booking.{kind}" for kind in BookingKind} <= known
    assert {f"receipt.{state}" for state in DeliveryState} <= known
    assert {f"request.{kind}" for kind in RequestKind} <= known
    assert {f"contact.{state}" for state in Contact} <= known
    assert {str(intent) for intent in Intent} | {""} == set(INTENTS)
    assert {str(reason) for reason in DeliveryReason} == set(REASONS)
    assert {str(stage) for stage in Stage} == set(STAGES)
    assert {str(reason) for reason in SlotReason} - {""} == set(REFUSALS)
    story, _ = history()
    for kind in CaseKind:
        story.event(kind, MORNING, detail="x", healed=True, helper="gw", goodwill="proposed", gesture="a voucher")
        assert {entry.words for entry in told(story.records[-1], Around())} <= known, kind
    assert all(both.de and both.en for both in (*LABELS.values(), *SHELL.values()))


def test_lengths_and_languages() -> None:
    """As people say them after *since*."""
    assert [span(length, "de") for length in (MINUTE // 2, MINUTE, 3 * HOUR, DAY, 4 * DAY)] == [
        "eben",
        "1 Minute",
        "3 Stunden",
        "1 Tag",
        "4 Tagen",
    ]
    assert [span(length, "en") for length in (MINUTE, 3 * HOUR, DAY)] == ["1 minute", "3 hours", "1 day"]
    assert [language_of(*each) for each in (("de", "en"), ("", "fr-FR,de;q=0.8"), ("xx", "fr"), ("", ""))] == ["de", "de", "en", "en"]
    assert Speech("de", UTC, load_words()).number(1234.6, "Cel") == "1.235 °C"
