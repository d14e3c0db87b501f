"""What partners are told, what waits, and what operators see of it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from desk.partner.relay import Relay
from desk.partner.service import Partners
from tests.unit.desk.house import MORNING, House, customer, device, doubted, healed, nobodys
from vorab.clock import DAY, MINUTE, SECOND
from vorab.errors import ConfigError
from vorab.outbound.call import CallFailed, Trouble
from vorab.records import CaseKind, CommandKind, Status
from vorab.sealing import found_in

with warnings.catch_warnings():
    warnings.simplefilter("ignore")

from tests.unit.desk.partner.office import CASE, TOKEN, Office, Wire, event


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
    [sealed] = found_in(office.commands()[0].detail)
    assert office.house.people.opened("main/c-1", [sealed]) == ["on my way"]
    assert [(each.kind, each.by, each.detail) for each in office.commands()] == [
        (CommandKind.NOTE, "itsm", f"sealed:{sealed}"), (CommandKind.TAKE, "itsm", "itsm set INC-1 to inProgress"),
    ]  # fmt: skip
    assert [method for method, *_ in wire.calls] == ["GET", "POST", "GET"]
    assert TOKEN not in office.client.get("/api/partners").text


def test_words_of_a_partner_are_sealed_where_the_case_is_older_than_the_registration(house: House, tmp_path: Path) -> None:
    """The case names nobody; the machine has an owner by now, and what is written is about them."""
    story = doubted()
    house.write([customer(), device(story.device, customer="c-1"), *nobodys(story)])
    office = Office(house, tmp_path)
    office.catch_up()
    wire, ticket = office.wires["itsm"], {"id": "INC-1", "externalId": story.case, "status": "held", "priority": "High"}
    wire.answers |= {"GET": [], "POST": ticket}
    office.relays["itsm"].step()
    wire.answers["GET"] = {**ticket, "status": "inProgress", "note": [{"id": "7", "author": "Ada", "text": "nobody home"}]}
    token = {"Authorization": f"Bearer {TOKEN}"}
    office.client.post("/partners/itsm", json=event("e-1", {"id": "INC-1", "status": "inProgress"}), headers=token)
    office.relays["itsm"].step()
    [note] = [each for each in office.commands() if each.kind is CommandKind.NOTE]
    assert office.house.people.opened("main/c-1", found_in(note.detail)) == ["nobody home"]
    office.client.close()


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


def test_a_hub_that_will_not_listen_holds_up_no_ticket(house: House, tmp_path: Path) -> None:
    """It cannot be told where events go: tickets are opened and looked at all the same."""
    office = Office(house, tmp_path, callback_url="https://desk.example.org")
    house.write(doubted().records)
    office.catch_up()
    wire, ticket = office.wires["itsm"], {"id": "INC-1", "externalId": CASE, "status": "held", "priority": "High"}

    def posted(url: str, _body: object) -> object:
        if url.endswith("/hub"):
            raise CallFailed(Trouble.GONE, "no hub")
        return ticket

    wire.answers |= {"GET": [], "POST": posted}
    office.relays["itsm"].step()
    assert [url.rpartition("/")[2] for method, url, *_ in wire.calls if method == "POST"] == ["hub", "troubleTicket"]
    assert office.partners.of_case(CASE)[1].ticket == "INC-1"
    office.client.close()
