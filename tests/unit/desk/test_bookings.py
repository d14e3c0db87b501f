"""Calls on the desk: whoever is on the line is known at once, slots are free or booked, and a customer books with one button."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers

from desk.bookings import Bookings
from desk.gate import Gate
from desk.problems import Problem
from desk.tokens import Tokens, hashed, may_book
from streams.callbacks import Callbacks
from tests.unit.desk.house import MORNING, House, Story, customer, device, doubted
from vorab import topics
from vorab.clock import MINUTE, ManualClock, Micros, iso, parse_iso
from vorab.records import Booking, BookingKind, BookingStatus, Command, CommandKind, Slot
from vorab.settings import Callbacks as Options
from vorab.settings import DeskToken

NINE = parse_iso("2026-11-24T09:00:00+01:00")
OPTIONS = Options(team=1, visit_team=1, hours=["09:00-12:00"])


class Phones:
    """A house with people who call; the diary answers while the desk waits."""

    def __init__(self, house: House, *, silent: bool = False) -> None:
        self.house, self._diary, self._next, self._silent = house, Callbacks(OPTIONS), 0, silent
        streams = house.settings.streams.model_copy(update={"callbacks": OPTIONS})
        object.__setattr__(house.settings, "streams", streams)
        house.clock.sleep = self._work  # type: ignore[assignment,method-assign]
        self.story = doubted("hp-1")
        house.write([customer(), customer("c-2", "en"), device("hp-1"), *self.story.records])
        house.catch_up()

    def _work(self, _seconds: float) -> None:
        if self._silent:
            return
        asked = [record for record in self.house.told(topics.SLOTS) if isinstance(record, Slot)]
        for each in asked[self._next :]:
            self.house.write(out.record for out in self._diary.step(topics.SLOTS, 0, each, each.at))
        self._next = len(asked)
        self.house.catch_up()

    def book(self, start: Micros | None = NINE, key: str = "", **body: Any) -> Any:
        """By the API."""
        wanted = {"customer": "c-1", "case": self.story.case, **({"start": iso(start)} if start else {}), **body}
        return self.house.client.post("/api/bookings", json=wanted, headers={"Idempotency-Key": key} if key else {})

    def press(self, path: str, **data: Any) -> Any:
        """A button of the customer page."""
        return self.house.client.post(f"/c/{path}", data={"token": self.story.token(), **data})

    @property
    def asked(self) -> list[Slot]:
        """What was asked of the diary."""
        return [record for record in self.house.told(topics.SLOTS) if isinstance(record, Slot)]


@pytest.fixture
def phones(house: House) -> Phones:
    """People from nine to twelve."""
    return Phones(house)


def test_whoever_is_on_the_line_is_known_at_once(phones: Phones) -> None:
    """Customer, case, the first sentence to say, and when somebody could call; the contact counts as ever."""
    answer = phones.house.client.post("/api/contacts", json={"customer": "c-1", "channel": "call", "waiting": True})
    assert answer.status_code == 202
    told = answer.json()["waiting"]
    assert told["customer"] == {"customer": "c-1", "language": "de", "vulnerable": False}
    assert (told["case"]["case"], told["case"]["first_sentence"]) == (phones.story.case, "I am calling about your heat pump.")
    assert told["case"]["next"]["do"]
    assert [slot["start"] for slot in told["slots"]["phone"]] == [iso(NINE + n * 30 * MINUTE) for n in range(3)]
    assert [record.kind for record in phones.house.told(topics.COMMANDS) if isinstance(record, Command)] == [CommandKind.COMPLAINT]
    by_device = phones.house.client.post("/api/contacts", json={"device": "hp-1", "channel": "call", "waiting": True}).json()
    assert by_device["waiting"]["case"] == told["case"]
    plain = phones.house.client.post("/api/contacts", json={"customer": "c-1", "channel": "mail"}).json()
    assert "waiting" not in plain


def test_a_call_is_booked_moved_and_cancelled(phones: Phones) -> None:
    """Each answer is the diary's, and the slots that are offered follow."""
    made = phones.book()
    assert (made.status_code, made.json()["start"], made.json()["status"]) == (201, iso(NINE), "open")
    path = f"/api/bookings/{made.json()['booking']}"
    client = phones.house.client
    assert client.get("/api/slots", params={"customer": "c-2"}).json()["slots"][0]["start"] == iso(NINE + 30 * MINUTE)
    moved = client.patch(path, json={"start": iso(NINE + 60 * MINUTE)})
    assert (moved.status_code, moved.json()["sequence"]) == (200, 1)
    assert client.get(path).json()["start"] == iso(NINE + 60 * MINUTE)
    assert [client.delete(path).json()["status"] for _ in range(2)] == ["cancelled", "cancelled"]
    assert client.get("/api/slots", params={"customer": "c-2"}).json()["slots"][0]["start"] == iso(NINE)


def test_who_comes_second_is_told_what_is_free(phones: Phones) -> None:
    """409, with the reason and other slots."""
    phones.book()
    answer = phones.house.client.post("/api/bookings", json={"customer": "c-2", "start": iso(NINE)})
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json()["detail"], answer.json()["free"][0]) == ("taken", iso(NINE + 30 * MINUTE))


def test_as_soon_as_possible_tells_place_and_time(phones: Phones) -> None:
    """Behind whoever is there already."""
    phones.book(None)
    later = phones.house.client.post("/api/bookings", json={"customer": "c-2"}).json()
    assert (later["position"], later["start"]) == (2, iso(NINE + 30 * MINUTE))


def test_the_same_key_books_once(phones: Phones) -> None:
    """Also where the desk has forgotten its answers meanwhile: the request has the same id."""
    first = phones.book(key="k-1")
    assert phones.book(key="k-1").json() == first.json()
    assert len(phones.asked) == 1


def test_how_a_call_went_is_told_by_the_agent(phones: Phones) -> None:
    """Not reached: another time; told twice before the page was loaded anew, it counts once."""
    path = f"/api/bookings/{phones.book().json()['booking']}"
    phones.house.clock.set(NINE + MINUTE)
    missed = phones.house.client.patch(path, json={"outcome": "not_reached", "by": "agent-7"}).json()
    assert (missed["attempts"], missed["start"]) == (1, iso(parse_iso("2026-11-24T11:30:00+01:00")))
    assert phones.house.client.patch(path, json={"outcome": "reached"}).json()["status"] == "done"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"customer": "c-2"}, 422),
        ({"case": "no-such-case"}, 404),
        ({"by": "Erika Muster"}, 422),
        ({"how": "pigeon"}, 422),
        ({"more": 1}, 422),
    ],
)
def test_what_cannot_be_booked_reaches_no_log(phones: Phones, body: dict[str, Any], status: int) -> None:
    """Somebody else's case, none, a name, no way to meet, more than is known."""
    assert phones.book(**body).status_code == status
    assert phones.asked == []


def test_without_an_answer_nothing_is_promised(house: House) -> None:
    """202, and it is told later: a diary that is away has booked nothing."""
    phones = Phones(house, silent=True)
    answer = phones.book()
    assert (answer.status_code, answer.json()["status"]) == (202, "asked")
    assert "We will call you" not in phones.press("book", start=NINE).text


def test_where_nobody_calls_nothing_is_offered(house: House, homes: dict[str, Story]) -> None:
    """The default: no slots on the page, none by the API, and no booking."""
    page = house.client.get(f"/c/{homes['doubted'].token()}").text
    assert "/c/book" not in page
    assert house.client.get("/api/slots", params={"customer": "c-1"}).json() == {"slots": []}
    assert house.client.post("/api/bookings", json={"customer": "c-1"}).status_code == 422
    assert house.client.post("/c/book", data={"token": homes["doubted"].token(), "start": NINE}).status_code == 404


def test_a_customer_books_with_one_button(phones: Phones) -> None:
    """Looking changes nothing; the button books; the page then says when, with the calendar and a way out."""
    before = phones.house.ends()
    link = f"/c/{phones.story.token()}"
    page = phones.house.client.get(link).text
    assert phones.house.ends() == before
    assert page.count('action="/c/book"') == 3
    assert "Heute um 09:00 Uhr" in page
    assert "Wir rufen Sie heute um 09:00 Uhr an" in phones.press("book", start=NINE).text
    assert "Wir rufen Sie heute um 09:00 Uhr an" in phones.press("book", start=NINE).text
    assert [fact.kind for fact in phones.house.told(topics.BOOKINGS) if isinstance(fact, Booking)] == [BookingKind.BOOKED]
    page = phones.house.client.get(link).text
    assert 'action="/c/book"' not in page
    assert "Wir rufen Sie heute um 09:00 Uhr an." in page
    entry = phones.house.client.get(f"{link}/call.ics")
    assert entry.headers["Content-Type"] == "text/calendar; charset=utf-8; method=PUBLISH"
    assert b"DTSTART:20261124T080000Z" in entry.content
    assert "Wir rufen Sie nicht an" in phones.press("unbook").text
    assert phones.house.client.get(link).text.count('action="/c/book"') == 3
    assert "Wir rufen Sie heute um 09:00 Uhr an" in phones.press("book", start=NINE).text


def test_what_was_taken_meanwhile_is_not_promised(phones: Phones) -> None:
    """The page said it is free, and somebody was faster."""
    phones.house.client.post("/api/bookings", json={"customer": "c-2", "start": iso(NINE)})
    answer = phones.press("book", start=NINE).text
    assert "vergeben" in answer
    assert "rufen Sie" not in answer


def test_a_page_that_promises_before_it_knows_is_caught(phones: Phones, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: a desk that answers for the diary."""

    def sure(_: Bookings, asked: Slot) -> Booking:
        return Booking(
            id="x", customer=asked.customer, booking=asked.booking, kind=BookingKind.BOOKED, status=BookingStatus.OPEN, start=asked.start,
            end=NINE, at=asked.at, because=asked.id,
        )  # fmt: skip

    monkeypatch.setattr(Bookings, "answer", sure)
    with pytest.raises(AssertionError):
        test_what_was_taken_meanwhile_is_not_promised(phones)


def test_a_bad_link_books_nothing(phones: Phones) -> None:
    """Forged or expired: the same kind page, and nothing on the log."""
    for token in ("x", phones.story.token(expires_at=MORNING - 1)):
        for path in ("book", "unbook"):
            assert phones.house.client.post(f"/c/{path}", data={"token": token, "start": NINE}).status_code == 404
        assert phones.house.client.get(f"/c/{token}/call.ics").status_code == 404
    assert phones.asked == []


def test_the_case_page_shows_the_call_and_its_calendar_entry(phones: Phones) -> None:
    """The agent sees when, and takes it over with one click."""
    booking = phones.book().json()["booking"]
    page = phones.house.client.get(f"/cases/{phones.story.case}").text
    assert "Call booked for" in page
    assert f'href="/bookings/{booking}.ics"' in page
    entry = phones.house.client.get(f"/bookings/{booking}.ics")
    assert entry.content == phones.house.client.get(f"/api/bookings/{booking}/calendar.ics").content
    assert f"UID:{booking}@vorab".encode() in entry.content


@pytest.mark.parametrize(("scope", "fine"), [("read", False), ("contacts", True), ("write", True)])
def test_who_may_tell_of_contacts_may_book(scope: Any, fine: bool) -> None:
    """And who writes; not who only reads."""
    token = DeskToken(name="crm", scopes=[scope], hash=hashed("vorab_x", b"0" * 16))
    gate, headers = Gate(Tokens([token]), ManualClock(MORNING)), Headers({"authorization": "Bearer vorab_x"})
    for method, path in (("POST", "/api/bookings"), ("PATCH", "/api/bookings/b-1"), ("DELETE", "/api/bookings/b-1")):
        if fine:
            assert gate.pass_(method, path, headers, "192.0.2.1", local=False) is token
            continue
        with pytest.raises(Problem, match="is not for write"):
            gate.pass_(method, path, headers, "192.0.2.1", local=False)


def test_a_token_for_contacts_writes_nothing_else() -> None:
    """Booking is all it may do beside, and looking is for `read`."""
    assert may_book("POST", "/api/bookings", ["contacts"])
    assert not may_book("PUT", "/api/devices/p-1", ["contacts"])
    assert not may_book("GET", "/api/bookings/b-1", ["contacts"])
