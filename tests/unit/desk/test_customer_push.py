"""Messages on the customer's own device: asked for and left on their page, answered by one press, and never by looking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier.database import Database
from notifier.people_http import PeopleServer
from notifier.people_store import PeopleStore
from streams.callbacks import Callbacks
from tests.unit.desk.house import MORNING, House, Story
from tests.unit.desk.test_bookings import OPTIONS, Phones
from tests.unit.notifier.browser import Device
from vorab import topics
from vorab.links import LinkFor
from vorab.records import Request, RequestKind, Slot, SlotKind, Stage

KEY = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"
ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"


@pytest.fixture
def people(house: House) -> Iterator[PeopleStore]:
    """A notifier that runs beside the desk, with messages to browsers set up."""
    database = Database(f"sqlite:///{house.folder / 'notifier.db'}")
    store = PeopleStore(database)
    server = PeopleServer(store, lambda _entries, _gone: None, house.folder / "notifier.json", KEY)
    server.start()
    yield store
    server.stop()
    database.close()


def come(house: House, token: str, endpoint: str = ENDPOINT, **changes: Any) -> int:
    """The button was pressed, and the browser has agreed."""
    made = Device().subscription(endpoint)
    data = {"token": token, "endpoint": endpoint, "p256dh": made.p256dh, "auth": made.auth, **changes}
    return int(house.client.post("/c/device", data=data).status_code)


def press(house: House, token: str) -> Any:
    """A button of a notification."""
    return house.client.post("/c/press", data={"token": token})


def wishes(house: House) -> list[Request]:
    """What customers asked for."""
    return [record for record in house.told(topics.REQUESTS) if isinstance(record, Request)]


def test_the_page_offers_it_only_where_it_works(house: House, homes: dict[str, Story], people: PeopleStore) -> None:
    """Hidden until a script has looked at the browser; with its words in the customer's language, and no script but our file."""
    assert people.all() == []
    german, english = (house.client.get(f"/c/{token}").text for token in (homes["doubted"].token(), homes["asked"].token(Stage.CONSENT)))
    assert f'<section id="device" hidden data-key="{KEY}"' in german
    assert "Auf diesem Gerät Bescheid geben" in german
    assert "Tell me on this device" in english
    assert re.findall(r"<script[^>]*>", german) == [re.search(r'<script src="/static/push.js\?\d+" defer>', german)[0]]  # type: ignore[index]
    assert "main/c-1" not in german


def test_without_a_notifier_the_page_is_as_it_was(house: House, homes: dict[str, Story]) -> None:
    """No button that leads nowhere, and a browser that asks anyway is told to come back."""
    assert 'id="device"' not in house.client.get(f"/c/{homes['doubted'].token()}").text
    assert come(house, homes["doubted"].token()) == 503


def test_the_worker_is_ours_and_below_the_customer_pages(house: House) -> None:
    """Served where its scope is, as a script, never from a cache, under the policy of every page; with no address but ours in it."""
    for method in ("get", "head"):
        answer = getattr(house.client, method)("/c/sw.js")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "Service-Worker-Allowed" not in answer.headers
    text = house.client.get("/c/sw.js").text
    assert "notificationclick" in text
    assert not any(word in text for word in ("http:", "https:", "importScripts", "eval"))


def test_a_device_comes_and_goes(house: House, homes: dict[str, Story], people: PeopleStore) -> None:
    """It stands with the person and not on the log; leaving twice is leaving once."""
    before, token = house.ends(), homes["doubted"].token()
    assert [come(house, token) for _ in range(2)] == [200, 200]
    assert [(person.customer, [device.endpoint for device in person.devices]) for person in people.all()] == [("main/c-1", [ENDPOINT])]
    for _ in range(2):
        assert house.client.post("/c/device/leave", data={"token": token, "endpoint": ENDPOINT}).status_code == 200
    assert people.all()[0].devices == ()
    assert house.ends() == before


@pytest.mark.parametrize(
    "endpoint",
    ["https://169.254.169.254/latest", "https://127.0.0.1/1", "https://push.elsewhere.example/1", "http://fcm.googleapis.com@evil/1"],
)
def test_only_push_services_the_operator_names_are_kept(house: House, homes: dict[str, Story], people: PeopleStore, endpoint: str) -> None:
    """Whatever a browser says, no address of ours is called for it."""
    assert come(house, homes["doubted"].token(), endpoint) == 422
    assert come(house, homes["doubted"].token(), p256dh="AAAA") == 422
    assert people.all() == []


def test_a_bad_link_changes_nothing(house: House, homes: dict[str, Story], people: PeopleStore) -> None:
    """Neither an expired one, nor one for something else, nor a form of another site; and looking never does."""
    before, story = house.ends(), homes["doubted"]
    for token in ("x", story.token(expires_at=MORNING - 1), story.token(purpose=LinkFor.CALL)):
        assert come(house, token) == 404
        assert house.client.post("/c/device/leave", data={"token": token, "endpoint": ENDPOINT}).status_code == 404
    for token in ("x", story.token(), story.token(expires_at=MORNING - 1, purpose=LinkFor.CALL)):
        assert press(house, token).status_code == 404
    good = story.token(purpose=LinkFor.CALL)
    assert house.client.post("/c/press", data={"token": good}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    for path in ("/c/press", "/c/device", "/c/device/leave", f"/c/press?token={good}"):
        assert house.client.get(path).status_code in {404, 405}
    assert (house.ends(), people.all()) == (before, [])


def pressed_once(house: House, token: str) -> None:
    """However often a press is sent again, it counts once."""
    for _ in range(3):
        assert press(house, token).status_code == 200
        house.catch_up()
    assert len({each.id for each in wishes(house)}) == 1


def test_a_press_asks_for_a_call_once(house: House, homes: dict[str, Story]) -> None:
    """No page is opened; the answer is what the page would say, and the page knows of it. Known bad: two messages are two wishes."""
    story = homes["doubted"]
    pressed_once(house, story.token(purpose=LinkFor.CALL))
    [asked] = wishes(house)
    assert (asked.kind, asked.case, asked.key, asked.notification) == (
        RequestKind.CALL_ME, story.case, "main/c-1", story.note(Stage.PERSON_NEEDED),
    )  # fmt: skip
    assert press(house, story.token(purpose=LinkFor.CALL)).json()["title"] == "Danke. Wir rufen Sie an."
    assert "Danke. Wir rufen Sie an." in house.client.get(f"/c/{story.token()}").text
    with pytest.raises(AssertionError):
        pressed_once(house, story.token(purpose=LinkFor.CALL, notification="another"))


def test_a_press_books_the_first_slot_where_calls_are_booked(house: House) -> None:
    """It says when; pressed again it is the same call, and one that was cancelled since does not come back."""
    phones = Phones(house)
    token = phones.story.token(purpose=LinkFor.CALL)
    for _ in range(3):
        assert press(house, token).json()["title"] == "Danke. Wir rufen Sie heute um 09:00 Uhr an."
    assert [slot.kind for slot in phones.asked] == [SlotKind.BOOK]
    assert wishes(house) == []
    phones.press("unbook")
    house.catch_up()
    assert press(house, token).json()["title"] == "Wir rufen Sie nicht an."
    assert [slot.kind for slot in phones.asked] == [SlotKind.BOOK, SlotKind.CANCEL]


def test_a_press_where_nothing_is_free_is_a_wish(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The diary says no: then a person calls at the usual hours. Where it takes too long, the page will show it."""
    phones = Phones(house)
    full = Callbacks(OPTIONS.model_copy(update={"closed": [*(_day(n) for n in range(20))]}))
    monkeypatch.setattr(phones, "_diary", full)
    token = phones.story.token(purpose=LinkFor.CALL)
    assert press(house, token).json()["title"] == "Danke. Wir rufen Sie an."
    house.catch_up()
    assert press(house, token).json()["title"] == "Danke. Wir rufen Sie an."
    assert [(type(slot), slot.kind) for slot in phones.asked] == [(Slot, SlotKind.BOOK)]
    assert len({each.id for each in wishes(house)}) == 1


def test_a_press_that_takes_the_diary_too_long_is_asked(house: House) -> None:
    """Two seconds, then the customer is told that the wish is there."""
    phones = Phones(house, silent=True)
    assert press(house, phones.story.token(purpose=LinkFor.CALL)).json()["title"] == "Wir haben Ihren Wunsch"


def _day(n: int) -> Any:
    from datetime import date, timedelta

    return date(2026, 11, 24) + timedelta(days=n)


def test_the_folder_is_looked_at_each_time(house: House, homes: dict[str, Story], tmp_path: Path) -> None:
    """A notifier that starts later is found; one that went away costs the button and nothing else."""
    token = homes["doubted"].token()
    (house.folder / "notifier.json").write_text('{"people_url": "http://127.0.0.1:9", "people_token": "x", "push_key": "K"}')
    assert tmp_path.exists()
    assert 'data-key="K"' in house.client.get(f"/c/{token}").text
    assert come(house, token) == 503
    (house.folder / "notifier.json").write_text('{"people_url": "http://127.0.0.1:9", "people_token": "x"}')
    assert 'id="device"' not in house.client.get(f"/c/{token}").text
