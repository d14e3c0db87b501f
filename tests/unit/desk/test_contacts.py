"""A customer got in touch: one command for each open case, once, without a word of what was said; the ledger knows who was first."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

import desk.contacting as module
from desk.contacts import name_of
from desk.hooks import sign
from streams.cases.people import KINDS
from streams.ledger import Ledger
from tests.unit.desk.house import MORNING, NIGHT, House, customer, device, doubted
from tests.unit.desk.house import healed as healed_story
from vorab import topics
from vorab.clock import DAY, HOUR, MINUTE, SECOND, Micros, iso
from vorab.records import CaseKind, Command, CommandKind, LeadTime, Verdict

SAID = "Frau Muster says that the heating is cold again"
CALL_SECRET = "a secret of a telephone system"


def filled(house: House) -> Any:
    """A customer with two devices, one of which needs a person, and a device nobody registered."""
    story = doubted("hp-1")
    house.write([customer(), device("hp-1"), device("hp-2"), customer("c-2"), *story.records])
    house.readings("main/stranger", {NIGHT: 1.0})
    house.catch_up()
    return story


def tell(house: House, key: str = "", **body: Any) -> Any:
    """A contact."""
    headers = {"Idempotency-Key": key} if key else {}
    return house.client.post("/api/contacts", json={"customer": "c-1", "channel": "mail", **body}, headers=headers)


def commands(house: House) -> list[Command]:
    """What stands on the log."""
    return [record for record in house.told(topics.COMMANDS) if isinstance(record, Command)]


def lines(house: House) -> dict[str, LeadTime]:
    """What the ledger makes of the log, by device."""
    ledger, found = Ledger(), {}
    told = [(topic, record) for topic in (topics.SYMPTOMS, topics.CASES, topics.COMMANDS) for record in house.told(topic)]
    for topic, record in sorted(told, key=lambda pair: pair[1].time):
        for out in ledger.step(topic, 0, record, record.time):
            assert isinstance(out.record, LeadTime)
            found[out.record.device] = out.record
    return found


def test_a_contact_goes_to_the_open_case_and_no_further(house: House) -> None:
    """The other device of the customer is well; what was said stands nowhere."""
    story = filled(house)
    answer = tell(house, at=iso(MORNING - MINUTE), by="agent-7", detail=SAID)
    assert answer.status_code == 202
    [command] = commands(house)
    assert (command.kind, command.case, command.device, command.by) == (CommandKind.COMPLAINT, story.case, "hp-1", "agent-7")
    assert command.at == MORNING - MINUTE
    assert answer.json() == {
        "contacts": [{"command": command.id, "device": "main/hp-1", "case": story.case}], "detail_kept": False,
    }  # fmt: skip
    house.catch_up()
    written = b"".join(file.read_bytes() for file in house.folder.glob("*.db*"))
    assert b"Frau Muster" not in written


def test_who_is_faster_than_vorab_is_noted_for_every_device(house: House) -> None:
    """No case is open: the contact is kept for each device, so that a fault found later knows of it."""
    house.write([customer(), device("hp-1"), device("hp-2")])
    house.catch_up()
    tell(house, channel="call", at=iso(MORNING - HOUR))
    assert sorted((command.device, command.case) for command in commands(house)) == [("hp-1", ""), ("hp-2", "")]
    late = doubted("hp-1", onset=MORNING - 2 * HOUR)
    late.records = [record.model_copy(update={"opened_at": MORNING}) if hasattr(record, "opened_at") else record for record in late.records]
    house.write(late.records)
    assert lines(house)["hp-1"].verdict is Verdict.CUSTOMER_FIRST


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (-MINUTE, Verdict.CUSTOMER_FIRST),
        (MINUTE, Verdict.VORAB_FIRST),
        (7 * DAY, Verdict.VORAB_FIRST),
        (7 * DAY + 1, Verdict.UNKNOWN),
        (None, Verdict.UNKNOWN),
    ],
)
def test_the_ledger_says_who_noticed_first(house: House, after: Micros | None, verdict: Verdict) -> None:
    """The customer between the first sign and the case, vorab up to seven days after it; then nobody knows."""
    story = filled(house)
    if after is not None:
        house.clock.set(NIGHT + 20 * DAY)
        assert tell(house, at=iso(NIGHT + 5 * MINUTE + after)).status_code == 202
    assert lines(house)[story.device].verdict is verdict


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        ({"customer": "nobody"}, 404, "unknown"),
        ({"customer": None, "device": "nowhere"}, 404, "unknown"),
        ({"customer": "c-2"}, 422, "no-device"),
        ({"at": iso(MORNING + HOUR)}, 422, "wrong-time"),
        ({"at": iso(MORNING - 31 * DAY)}, 422, "wrong-time"),
        ({"channel": "pigeon"}, 422, "invalid"),
        ({"device": "hp-1"}, 422, "invalid"),
        ({"by": "Erika Muster"}, 422, "invalid"),
        ({"by": "erika@example.org"}, 422, "invalid"),
        ({"more": 1}, 422, "invalid"),
    ],
)
def test_a_contact_that_cannot_be_is_refused(house: House, body: dict[str, Any], status: int, problem: str) -> None:
    """With what is wrong, and nothing on the log."""
    filled(house)
    answer = tell(house, **body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:vorab:problem:{problem}")
    assert commands(house) == []


def test_a_device_nobody_registered_can_be_complained_about(house: House) -> None:
    """It was heard, and that is enough."""
    filled(house)
    assert tell(house, customer=None, device="stranger").status_code == 202
    assert [command.device for command in commands(house)] == ["stranger"]


def counted_twice(house: House, send: Callable[[], Any]) -> bool:
    """Whether the same contact, sent twice, is two: by its ids on the log, and as notes of the case."""
    send()
    send()
    return len({command.id for command in commands(house)}) > 1


@pytest.mark.parametrize("how", ["key", "restart", "content"])
def test_a_contact_told_twice_counts_once(house: House, how: str) -> None:
    """By its Idempotency-Key, also when the desk began anew in between; without one, by whom, how and when."""
    filled(house)

    def send() -> Any:
        if how == "restart":
            house.client.app = House(house.folder, house.log).client.app
        return tell(house, "" if how == "content" else "k-1", at=iso(MORNING))

    assert not counted_twice(house, send)
    assert KINDS[CommandKind.COMPLAINT] is CaseKind.NOTED  # whose command ids the case remembers


def test_a_contact_counted_twice_is_caught(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: an id that is drawn anew each time it is told."""
    filled(house)
    monkeypatch.setattr(module, "name_of", lambda *words: name_of(*words) + secrets.token_hex(4))
    assert counted_twice(house, lambda: tell(house, at=iso(MORNING)))


def ring(house: House, name: str = "call-1", at: Micros = MORNING, secret: str = CALL_SECRET, **body: Any) -> Any:
    """A signed call."""
    raw = json.dumps({"customer": "c-1", **body}).encode()
    headers = {"webhook-id": name, "webhook-timestamp": str(at // SECOND), "webhook-signature": sign(secret, name, at // SECOND, raw)}
    return house.client.post("/api/hooks/call", content=raw, headers={**headers, "Sec-Fetch-Site": "cross-site"})


def test_a_signed_call_is_a_contact_once(house: House) -> None:
    """However often the telephone system sends it; wrongly signed or old it is none; without a secret there is no such door."""
    filled(house)
    assert ring(house).status_code == 404
    section = house.settings.desk.model_copy(update={"call_secret": SecretStr(CALL_SECRET)})
    object.__setattr__(house.context, "settings", house.settings.model_copy(update={"desk": section}))
    assert [ring(house).status_code for _ in range(2)] == [202, 202]
    assert len({command.id for command in commands(house)}) == 1
    assert ring(house, secret="another secret, as long").status_code == 401
    assert ring(house, at=MORNING - HOUR).status_code == 401
    assert ring(house, "call-2", customer="a b").status_code == 422
    assert ring(house, "call-3", customer=None, phone="+49 30 1234567").json()["contacts"] == []
    assert {command.by for command in commands(house)} == {"telephone"}


def test_a_call_is_told_apart_by_its_number(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number finds the customer in the store of people, however it is written, and is kept nowhere."""
    from vorab.people import PeopleClient, Person

    filled(house)

    class People:
        def all(self) -> list[Person]:
            return [Person("main/c-1", phone="+49 (30) 1234-567"), Person("main/c-2", phone="+49 30 999")]

    monkeypatch.setattr(PeopleClient, "announced", lambda _folder: People())
    assert module.customer_who_calls(house.context, "0049301234567") == "main/c-1"
    assert module.customer_who_calls(house.context, "+49 30 1") == ""
    assert module.customer_who_calls(house.context, "") == ""


def test_a_case_that_is_over_is_not_written_to(house: House) -> None:
    """A contact about a healed machine is kept for the device."""
    house.write([customer(), device("hp-9"), *healed_story("hp-9").records])
    house.catch_up()
    tell(house)
    assert [command.case for command in commands(house)] == [""]
