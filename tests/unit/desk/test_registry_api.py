"""The registry by REST: what is written goes by way of the log, what is wrong is told as a problem, and GET changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.unit.desk.house import NIGHT, House, customer, device, doubted
from vorab import topics
from vorab.clock import MINUTE, iso
from vorab.people import PeopleClient
from vorab.records import Contract, Customer, Device, Site

PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "devices": ("p-1", {"model": "pump", "customer": "c-1", "site": "hof", "contract": "v-1", "limits": {"low": 1.5}}),
    "customers": ("c-9", {"language": "de", "returns": 2}),
    "sites": ("hof", {"name": "Yard", "time_zone": "Europe/Berlin", "region": "DE-BY", "parent": "werk"}),
    "contracts": ("v-1", {"customer": "c-1", "starts": "2026-01-01", "response_h": 4.0, "repair_h": 24.0, "purposes": {"service": True}}),
}
RECORDS: dict[str, type[Device | Customer | Site | Contract]] = {
    "devices": Device,
    "customers": Customer,
    "sites": Site,
    "contracts": Contract,
}


def put(house: House, kind: str, name: str, body: dict[str, Any]) -> Any:
    """Write an entry and let the tables follow."""
    answer = house.client.put(f"/api/{kind}/{name}", json=body)
    house.catch_up()
    return answer


@pytest.mark.parametrize("kind", PLAIN)
def test_an_entry_is_written_read_listed_and_taken_out(house: House, kind: str) -> None:
    """New is 201, again is 200; what is read can be sent back; a customer's end needs the notifier, which does not run here."""
    name, body = PLAIN[kind]
    house.catch_up()
    assert put(house, kind, name, body).status_code == 201
    read = house.client.get(f"/api/{kind}/{name}").json()
    assert body.items() <= read.items()
    [record] = house.told(RECORDS[kind].TOPIC)
    assert isinstance(record, RECORDS[kind])
    assert put(house, kind, name, read).status_code == 200
    listed = house.client.get(f"/api/{kind}")
    assert [row[kind.removesuffix("s")] for row in listed.json()] == [name]
    assert listed.headers["x-total-count"] == "1"
    (house.folder / "notifier.json").unlink()
    gone = house.client.delete(f"/api/{kind}/{name}")
    house.catch_up()
    assert gone.status_code == (503 if kind == "customers" else 204)
    if kind != "customers":
        assert house.client.get(f"/api/{kind}/{name}").status_code == 404
        assert house.client.delete(f"/api/{kind}/{name}").status_code == 404


def test_a_customer_is_forgotten_before_the_entry_goes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person first: what is left of a broken end is an entry that can be taken out again, never a name without one."""
    house.write([customer()])
    house.catch_up()
    erased: list[tuple[str, bool]] = []

    class People:
        def erase(self, key: str) -> bool:
            erased.append((key, house.queries.customer(key) is not None))
            return True

    monkeypatch.setattr(PeopleClient, "announced", lambda _folder: People())
    assert house.client.delete("/api/customers/c-1").status_code == 204
    house.catch_up()
    assert erased == [("main/c-1", True)]
    assert house.queries.customer("main/c-1") is None


def test_looking_changes_nothing(house: House) -> None:
    """Every GET of the document, and nothing more stands on any topic."""
    house.write([customer(), device("p-1")])
    house.catch_up()
    before = house.ends()
    for path, methods in house.client.app.openapi()["paths"].items():  # type: ignore[attr-defined]
        if "get" in methods:
            house.client.get(path.replace("{name}", "p-1"))
    assert house.ends() == before


@pytest.mark.parametrize(
    ("kind", "body", "pointers"),
    [
        ("devices", {"time_zone": "Mars", "limits": "much"}, ["#/time_zone", "#/limits"]),
        ("devices", {"modell": "pump"}, ["#/modell"]),
        ("devices", {"device": "p-2"}, ["#/device"]),
        ("customers", {"mail": "erika@example.org"}, ["#/mail"]),
        ("contracts", {"repair_h": -1}, ["#/repair_h"]),
    ],
)
def test_a_wrong_entry_is_a_problem_and_nothing_is_written(house: House, kind: str, body: dict[str, Any], pointers: list[str]) -> None:
    """RFC 9457: type, title, status, and each mistake with its place in the body."""
    house.catch_up()
    before = house.ends()
    answer = house.client.put(f"/api/{kind}/x-1", json=body)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (problem["type"], problem["status"]) == ("urn:vorab:problem:invalid-entry", 422)
    assert sorted(each["pointer"] for each in problem["errors"]) == sorted(pointers)
    assert "erika" not in answer.text
    assert house.ends() == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/devices/nobody", 404),
        ("GET", "/api/devices?limit=0", 422),
        ("GET", "/api/devices/a%20b", 422),
        ("GET", "/api/cases/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("PATCH", "/api/devices/p-1", 405),
        ("POST", "/api/customers/c-1/marks", 422),
    ],
)
def test_every_mistake_speaks_the_same_way(house: House, method: str, path: str, status: int) -> None:
    """Whatever is wrong, and whoever finds it."""
    answer = house.client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status


def test_a_list_comes_in_pages_and_by_what_it_says(house: House) -> None:
    """In order of key, with how many there are; a filter is exact."""
    house.write([device(f"p-{n}", customer="c-1" if n < 3 else "C-1", site="hof" if n % 2 else "") for n in range(6)])
    house.catch_up()

    def names(query: str) -> list[str]:
        return [row["device"] for row in house.client.get(f"/api/devices?{query}").json()]

    assert names("limit=2&offset=3") == ["p-3", "p-4"]
    assert names("customer=c-1") == ["p-0", "p-1", "p-2"]
    assert names("customer=c-1&site=hof") == ["p-1"]
    assert names("customer=c") == []
    assert house.client.get("/api/devices?limit=2").headers["x-total-count"] == "6"


def test_a_device_nobody_registered_is_unassigned_until_it_is(house: House) -> None:
    """It is heard, so it is listed, counted and shown; registered it is one as any other, taken out it is a stranger again."""
    house.write([device("p-1")])
    house.readings("main/p-1", {NIGHT: 1.5})
    house.readings("main/stranger", {NIGHT + MINUTE: 1.5, NIGHT + 2 * MINUTE: 1.5})
    house.readings("recorded/machine", {NIGHT: 1.5})
    house.catch_up()
    [row] = house.client.get("/api/devices?unassigned=true").json()
    assert (row["device"], row["registered"], row["heard_at"]) == ("stranger", False, iso(NIGHT + MINUTE))
    assert house.client.get("/api/devices/stranger").json() == row
    assert "unassigned" in house.client.get("/").text
    assert 'title="stranger"' in house.client.get("/").text
    assert house.client.get("/api/counts").json()["counts"]["unassigned"] == 1
    put(house, "devices", "stranger", {"model": "pump"})
    assert house.client.get("/api/devices?unassigned=true").json() == []
    assert "unassigned" not in house.client.get("/").text
    house.client.delete("/api/devices/stranger")
    house.catch_up()
    assert [row["device"] for row in house.client.get("/api/devices?unassigned=true").json()] == ["stranger"]


def test_the_console_shows_an_entry_that_changed(house: House) -> None:
    """Also where as many devices are known as before."""
    house.write([device("p-1", model="old-model")])
    house.catch_up()
    assert "old model" in house.client.get("/").text
    house.write([device("p-1", model="new-model")])
    house.catch_up()
    assert "new model" in house.client.get("/").text


def marked(house: House, key: str = "", **marks: int) -> Any:
    """A mark, with a key or without."""
    answer = house.client.post("/api/customers/c-1/marks", json=marks, headers={"Idempotency-Key": key} if key else {})
    house.catch_up()
    return answer


def test_marks_are_counted_once_per_key(house: House) -> None:
    """The same key again is the same answer; another wish under it is refused; also after the desk began anew."""
    house.write([customer()])
    house.catch_up()
    first = marked(house, "k-1", returns=1)
    assert first.json()["returns"] == 1
    assert marked(house, "k-1", returns=1).json() == first.json()
    assert marked(house, "k-1", returns=2).status_code == 422
    again = House(house.folder, house.log)
    del house.client.headers["Sec-Fetch-Site"]
    house.client = again.client
    assert marked(house, "k-1", returns=1).json()["returns"] == 1
    assert marked(house, returns=1, complaints=2).json()["returns"] == 2
    found = house.queries.customer("main/c-1")
    assert found is not None
    assert (found.returns, found.wrong_bills, found.complaints) == (2, 0, 2)
    again.client.close()
    again.store.close()


def test_marks_made_one_after_the_other_all_count(house: House) -> None:
    """Also before the tables have caught up with the first."""
    house.write([customer()])
    house.catch_up()
    answers = [house.client.post("/api/customers/c-1/marks", json={"complaints": 1}).json()["complaints"] for _ in range(3)]
    assert answers == [1, 2, 3]
    assert house.client.post("/api/customers/nobody/marks", json={"complaints": 1}).status_code in {404, 503}


def test_a_mark_that_somebody_else_made_a_moment_ago_is_not_lost(house: House) -> None:
    """Tables behind the log are no ground to count on: 503, and nothing is written."""
    house.write([customer()])
    house.catch_up()
    house.write([customer().model_copy(update={"returns": 5})])
    before = house.ends()
    answer = house.client.post("/api/customers/c-1/marks", json={"returns": 1})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert house.ends() == before
    house.catch_up()
    assert marked(house, returns=1).json()["returns"] == 6


def test_a_contract_says_what_is_left_of_its_hours(house: House) -> None:
    """In the API and on the case page; a contract that had ended promises nothing."""
    story = doubted("p-1", onset=NIGHT)
    house.write(
        [customer(), device("p-1", contract="v-1"), Contract(id="main/v-1", contract="v-1", response_h=4, repair_h=1.5), *story.records]
    )
    house.catch_up()
    sla = house.client.get(f"/api/cases/{story.case}").json()["sla"]
    assert sla["contract"] == "v-1"
    assert sla["response"] == {"within_s": 4 * 3600, "left_s": 4 * 3600 - 60, "open": False}
    assert sla["repair"]["open"]
    assert sla["repair"]["left_s"] == 90 * 60 - sla["ours_s"] < 0
    page = house.client.get(f"/cases/{story.case}").text
    assert "response promised within 4 h: 3 h 59 min left" not in page
    assert "response promised within 4 h: kept" in page
    assert "repair promised within 90 min: 3 h 35 min late" in page
    put(house, "contracts", "v-1", {"ends": "2026-11-23", "repair_h": 1.5})
    assert "contract" not in house.client.get(f"/api/cases/{story.case}").json()["sla"]


def test_the_document_shows_the_registry(house: House) -> None:
    """OpenAPI 3.1: every path with its token, its body and its problems; schemas that are schemas; nothing of tokens in it."""
    document = house.client.get("/openapi.json").json()
    for kind in PLAIN:
        assert set(document["paths"][f"/api/{kind}/{{name}}"]) == {"get", "put", "delete"}
        assert "get" in document["paths"][f"/api/{kind}"]
        body = document["paths"][f"/api/{kind}/{{name}}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator.check_schema(body)
        assert PLAIN[kind][1].keys() <= body["properties"].keys()
        assert "marked" not in body["properties"]
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            if path.startswith("/api/") and "hooks" not in path:
                assert said["security"] == [{"HTTPBearer": []}], (path, method)
                assert "application/problem+json" in said["responses"]["default"]["content"], (path, method)
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for post in ("/api/contacts", "/api/customers/{name}/marks"):
        assert "Idempotency-Key" in [each["name"] for each in document["paths"][post]["post"]["parameters"]]
    assert topics.DEVICES not in str(document)
