"""What partners send us, and what operators see of them: over the desk's own HTTP, with a log and tables of its own."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from desk.app import create_app
from desk.context import Context
from desk.partner.relay import Relay
from desk.partner.service import Partners
from desk.projector import Projector
from desk.writing import appending
from tests.unit.desk.house import MORNING, House, doubted, healed
from vorab import topics
from vorab.clock import DAY, MINUTE, SECOND
from vorab.errors import ConfigError
from vorab.outbound import signatures
from vorab.outbound.call import Answer, CallFailed, Trouble
from vorab.records import CaseKind, Command, CommandKind, Status
from vorab.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
TOKEN = "a-token-that-is-long-enough"


@dataclass
class Wire:
    """Answers as it is told, without a socket."""

    calls: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    def __call__(self, method: str, url: str, headers: Any, body: bytes | None = None) -> Answer:
        """Whatever the test says; by itself, success and nothing."""
        self.calls.append((method, url, dict(headers), json.loads(body) if body else None))
        answer = self.answers.get(method)
        if isinstance(answer, Trouble):
            raise CallFailed(answer, "as the test wants it")
        return Answer(200, json.dumps(answer(url, body) if callable(answer) else answer).encode())


class Office:
    """A desk with two partners; rounds are made by hand."""

    def __init__(self, house: House, folder: Path, **more: Any) -> None:
        for name, text in (("secret", SECRET), ("token", TOKEN)):
            (folder / name).write_text(text, encoding="utf-8")
        host = {"partner_hosts": ["itsm.example.org", "hooks.example.org"]}
        itsm = {"name": "itsm", "kind": "tmf621", "base_url": "https://itsm.example.org/api", "secret_file": str(folder / "token"), **more}
        hooks = {
            "name": "hooks",
            "kind": "webhook",
            "base_url": "https://hooks.example.org/in",
            "secret_file": str(folder / "secret"),
            **more,
        }
        base = house.settings.model_dump() | {"link_secret": house.settings.link_secret}
        self.settings = Settings.model_validate({**base, "partners": [itsm, hooks], "desk": {**base["desk"], **host}})
        self.house = house
        self.partners = Partners(house.store, self.settings, house.clock, appending(house.log, self.settings))
        self.projector = Projector(house.log, house.store, house.clock, partners=self.partners)
        context = Context(house.log, house.queries, self.projector, self.settings, house.clock, self.partners)
        self.client = TestClient(create_app(context), base_url="http://127.0.0.1", follow_redirects=False)
        self.wires = {name: Wire() for name in ("itsm", "hooks")}
        self.relays = {
            name: Relay(
                self.partners.settings[name], self.partners.outbox, wire, appending(house.log, self.settings), house.clock, lambda: True
            )
            for name, wire in self.wires.items()
        }
        self.projector.load()

    def catch_up(self) -> None:
        """Fold everything the log has."""
        while self.projector.step():
            pass

    def sign(self, message: str, data: Any, **changes: Any) -> tuple[dict[str, str], bytes]:
        """A wish, signed."""
        envelope = {"specversion": "1.0", "id": message, "source": "urn:hooks", "type": "io.vorab.wish.v1", "data": data, **changes}
        body = json.dumps(envelope).encode()
        return signatures.headers([SECRET], message, self.house.clock.now(), body), body

    def wish(self, message: str, data: Any, **changes: Any) -> tuple[int, str]:
        """Send one; status and result or reason."""
        headers, body = self.sign(message, data, **changes)
        answer = self.client.post("/partners/hooks", content=body, headers=headers)
        return answer.status_code, answer.json().get("result") or answer.json()["reason"]

    def commands(self) -> list[Command]:
        """What stands on the log."""
        return [record for record in self.house.told(topics.COMMANDS) if isinstance(record, Command)]


@pytest.fixture
def office(house: House, tmp_path: Path) -> Iterator[Office]:
    """A desk with one case that needs a person."""
    made = Office(house, tmp_path)
    house.write(doubted().records)
    made.catch_up()
    yield made
    made.client.close()


CASE = doubted().case


def test_a_wish_becomes_a_command_in_the_partners_name(office: Office) -> None:
    """Note first, then what it explains; told once however often it comes."""
    data = {"case": CASE, "seq": 4, "status": "inProgress", "note": "we are at it", "ticket": "T-9"}
    assert [office.wish("m-1", data), office.wish("m-1", data)] == [(201, "taken"), (201, "repeated")]
    assert [(each.kind, each.by, each.case) for each in office.commands()] == [
        (CommandKind.NOTE, "hooks", CASE), (CommandKind.TAKE, "hooks", CASE),
    ]  # fmt: skip
    assert office.partners.of_case(CASE)[0].ticket == "T-9"


@pytest.mark.parametrize("wrong", ["nothing", "unsigned", "old", "other case", "future", "type", "field", "garbage", "reflected"])
def test_what_is_not_a_wish_of_this_partner_changes_nothing(office: Office, wrong: str) -> None:
    """Refused with a reason, and nothing stands on the log."""
    data: dict[str, Any] = {"case": CASE, "seq": 4, "status": "resolved"}
    headers, body = office.sign("m-1", data)
    match wrong:
        case "nothing":
            headers, body = {}, b""
        case "unsigned":
            headers["webhook-signature"] = "v1," + base64.b64encode(bytes(32)).decode()
        case "old":
            office.house.clock.advance(6 * MINUTE)
        case "other case":
            headers, body = office.sign("m-1", {**data, "case": "another"})
        case "future":
            headers, body = office.sign("m-1", {**data, "seq": 99})
        case "type":
            headers, body = office.sign("m-1", data, type="io.vorab.case.resolved.v1")
        case "field":
            headers, body = office.sign("m-1", {**data, "status": "held"})
        case "garbage":
            headers, body = signatures.headers([SECRET], "m-1", office.house.clock.now(), b"[" * 5_000), b"[" * 5_000
        case "reflected":
            office.relays["hooks"].step()
            _, _, sent, event = office.wires["hooks"].calls[0]
            headers, body = (
                {name: value for name, value in sent.items() if name.startswith("webhook")},
                json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(),
            )
    answer = office.client.post("/partners/hooks", content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["reason"]
    assert office.commands() == []


def test_browsers_of_other_sites_are_kept_out_of_the_partners_door(office: Office) -> None:
    """A page on the web has an Origin; a system has none."""
    headers, body = office.sign("m-1", {"case": CASE, "seq": 4, "status": "resolved"})
    assert office.client.post("/partners/hooks", content=body, headers={**headers, "Origin": "https://evil.example.org"}).status_code == 403
    assert office.client.post("/partners/hooks", content=body, headers=headers).status_code == 201


def event(name: str, ticket: dict[str, Any]) -> dict[str, Any]:
    """What a hub says."""
    return {"eventId": name, "eventType": "TroubleTicketStatusChangeEvent", "event": {"troubleTicket": ticket}}


def test_an_event_of_a_hub_is_a_hint_to_look_and_an_echo_is_not(office: Office) -> None:
    """Only with the token; tickets of others are none of our business; the same id, or what we know already, is no reason to look."""
    path, token = "/partners/itsm/listener/troubleTicketStatusChangeEvent", {"Authorization": f"Bearer {TOKEN}"}
    changed = {"id": "INC-1", "externalId": CASE, "status": "resolved", "priority": "High"}
    said = [
        office.client.post(path, json=event("e-1", changed)).status_code,
        *(
            office.client.post(path, json=body, headers=token).json()["result"]
            for body in (
                event("e-1", changed), event("e-1", changed), event("e-2", {**changed, "status": "held"}), event("e-3", {"id": "INC-77"}),
            )
        ),
    ]  # fmt: skip
    assert said == [401, "taken", "repeated", "echo", "foreign"]
    assert office.partners.of_case(CASE)[1].wanted == 1
    assert office.commands() == [], "an event alone changes nothing"


def test_facts_go_out_signed_in_order_and_under_ids_that_stay(office: Office) -> None:
    """Each fact once; the second round has nothing to say."""
    assert [office.relays["hooks"].step(), office.relays["hooks"].step()] == [1, 0]
    calls = office.wires["hooks"].calls
    assert [body["data"]["seq"] for _, _, _, body in calls] == list(range(len(calls)))
    assert {headers["webhook-id"] == body["id"] for _, _, headers, body in calls} == {True}
    assert calls[-1][3]["data"]["status"] == "held"


def test_after_enough_tries_a_fact_is_a_dead_letter_and_the_next_goes_on(house: House, tmp_path: Path) -> None:
    """Operators see it, with its reason; sent again, it goes under its old id."""
    office = Office(house, tmp_path, attempts=3)
    house.write(doubted().records)
    office.catch_up()
    wire = office.wires["hooks"]
    wire.answers["POST"] = Trouble.BUSY
    for _ in range(3):
        office.relays["hooks"].step()
        house.clock.advance(DAY // 2)
    listed = office.client.get("/api/partners").json()[1]
    assert (listed["partner"], listed["dead"], listed["letters"][0]["seq"], listed["letters"][0]["reason"]) == ("hooks", 1, 0, "busy")
    wire.answers.clear()
    office.relays["hooks"].step()
    first, *_, last = [body["id"] for *_, body in wire.calls]
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert office.client.post("/api/partners/hooks/resend", headers=headers).json() == {"cases": 1}
    office.relays["hooks"].step()
    assert wire.calls[-1][3]["id"] == last
    assert [body["id"] for *_, body in wire.calls].count(first) == 4
    assert office.client.get("/api/partners").json()[1]["dead"] == 0
    office.client.close()


def test_a_ticket_that_may_have_been_opened_is_looked_up_before_another_is(office: Office) -> None:
    """No answer to POST: a while later it is found by the case, and no second one is opened."""
    wire = office.wires["itsm"]
    wire.answers |= {"GET": [], "POST": Trouble.UNKNOWN}
    office.relays["itsm"].step()
    found = {"id": "INC-1", "externalId": CASE, "status": "held", "priority": "High"}
    wire.answers["GET"] = lambda url, _body: found if url.endswith("INC-1") else [found]
    for _ in range(3):
        office.house.clock.advance(MINUTE)
        office.relays["itsm"].step()
    assert [method for method, *_ in wire.calls].count("POST") == 1
    page = office.client.get(f"/cases/{CASE}").text
    assert "mirrored as INC-1 at itsm" in page
    shown = office.client.get(f"/api/cases/{CASE}").json()["partners"]
    assert [(row["partner"], row["ticket"]) for row in shown] == [("hooks", ""), ("itsm", "INC-1")]


def test_what_a_partner_changed_becomes_a_command_and_its_credentials_stay_out_of_sight(office: Office) -> None:
    """Read, asked, and no change sent back; no answer of ours shows a secret."""
    wire, ticket = office.wires["itsm"], {"id": "INC-1", "externalId": CASE, "status": "held", "priority": "High"}
    wire.answers |= {"GET": [], "POST": ticket}
    office.relays["itsm"].step()
    wire.answers["GET"] = {**ticket, "status": "inProgress", "note": [{"id": "7", "author": "Ada", "text": "on my way"}]}
    token = {"Authorization": f"Bearer {TOKEN}"}
    office.client.post("/partners/itsm", json=event("e-1", {"id": "INC-1", "status": "inProgress"}), headers=token)
    office.relays["itsm"].step()
    assert [(each.kind, each.by, each.detail) for each in office.commands()] == [
        (CommandKind.NOTE, "itsm", "on my way"), (CommandKind.TAKE, "itsm", "itsm set INC-1 to inProgress"),
    ]  # fmt: skip
    assert [method for method, *_ in wire.calls] == ["GET", "POST", "GET"]
    assert TOKEN not in office.client.get("/api/partners").text


def test_only_cases_that_fit_are_mirrored_and_from_then_on_to_their_end(house: House, tmp_path: Path) -> None:
    """By state: the healed one was never held, the doubted one was."""
    office = Office(house, tmp_path, statuses=["held"], models=["heat-pump"])
    house.write([*doubted().records, *healed().records])
    office.catch_up()
    assert [row.case for row in office.partners.outbox.due("itsm", house.clock.now())] == [CASE]
    story = doubted()
    story.event(CaseKind.TAKEN, MORNING + SECOND, status=Status.IN_PROGRESS)
    house.write(story.records)
    office.catch_up()
    assert office.partners.of_case(CASE)[0].last_seq == len([r for r in story.records if type(r).__name__ == "CaseEvent"]) - 1
    office.client.close()


def test_cases_that_are_open_when_a_partner_comes_are_mirrored_too(house: House, tmp_path: Path) -> None:
    """The tables are there already; the partner is new."""
    house.write(doubted().records)
    house.catch_up()
    office = Office(house, tmp_path)
    assert [mirror.partner for mirror in office.partners.of_case(CASE)] == ["hooks", "itsm"]
    office.client.close()


def test_a_partner_at_a_host_that_is_not_allowed_ends_the_start(house: House, tmp_path: Path) -> None:
    """The operator is told which line allows it."""
    office = Office(house, tmp_path)
    office.client.close()
    wrong = office.settings.model_copy(update={"desk": office.settings.desk.model_copy(update={"partner_hosts": []})})
    with pytest.raises(ConfigError, match=r"itsm\.example\.org"):
        Partners(house.store, wrong, house.clock, lambda _record: None)


def test_in_shadow_mode_nothing_leaves(house: House, tmp_path: Path) -> None:
    """Everything is decided, nobody is called, and nothing waits for the day it is switched on."""
    office = Office(house, tmp_path)
    house.write(doubted().records)
    office.catch_up()
    partners, wire = office.partners, Wire()
    relay = Relay(partners.settings["itsm"], partners.outbox, wire, lambda _r: None, house.clock, lambda: True, shadow=True)
    assert relay.step() == 1
    assert wire.calls == []
    assert partners.outbox.due("itsm", house.clock.now()) == []
    office.client.close()
