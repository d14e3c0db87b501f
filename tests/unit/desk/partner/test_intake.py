"""What partners send us, over the desk's own HTTP, with a log and tables of its own."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import pytest

from vorab.clock import MINUTE
from vorab.outbound import signatures
from vorab.records import CommandKind

with warnings.catch_warnings():
    warnings.simplefilter("ignore")

from tests.unit.desk.partner.office import CASE, SECRET, TOKEN, Office, event


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
