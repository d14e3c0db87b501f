"""The console: the answer first, everything escaped, nothing changed by looking, nothing taken from foreign forms."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from desk.gate import SIGNED
from tests.unit.desk.house import NIGHT, House, Story, customer, device, doubted, nobodys
from vorab import topics
from vorab.clock import HOUR
from vorab.records import Command, CommandKind, Severity
from vorab.sealing import found_in

HOSTILE = ("<script>alert(1)</script>", '"><svg onload=alert(1)>', "'-alert(1)-'", "{{7*7}}", "javascript:alert(1)", "</textarea><b>")


def headline(page: str) -> str:
    """The first sentence of a page."""
    found = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert found is not None
    return found[1].strip()


def pages(homes: dict[str, Story]) -> list[str]:
    """The address of every page and part."""
    case = homes["doubted"].case
    found = ["/", "/?q=heat", "/demo", "/parts/live", f"/parts/live?shown={case[:8]}", "/parts/queue", f"/cases/{case}", "/cases/none"]
    return [*found, f"/cases/{case}/evidence.json", "/why/none-of-these", "/api/live", "/api/counts", "/api/cases", f"/api/cases/{case}"]


def test_the_answer_comes_first(house: House, homes: dict[str, Story]) -> None:
    """How many need a person, and since when."""
    assert homes
    assert headline(house.client.get("/").text) == "One case needs a person: Heat Pump 002, for 5 h 5 min."
    house.write([device("heat-pump-009"), *doubted("heat-pump-009", onset=NIGHT - HOUR).records])
    house.catch_up()
    assert headline(house.client.get("/").text) == "2 cases need a person; the oldest, Heat Pump 009, for 6 h 5 min."


def test_an_empty_desk_says_so(house: House) -> None:
    """The empty state is designed."""
    house.catch_up()
    page = house.client.get("/").text
    assert headline(page) == "No cases yet."
    assert "Nothing to do." in page
    assert house.client.get("/demo").status_code == 200


def test_the_case_page_works_without_a_script(house: House, homes: dict[str, Story]) -> None:
    """The plot is drawn on the server, with its description; the dialogue, the chain and the first sentence to say are there."""
    page = house.client.get(f"/cases/{homes['doubted'].case}").text
    assert "I am calling about your heat pump." in page
    assert '<svg class="plot"' in page
    assert "limit 1 bar" in page
    for mark in ("onset", "detected", "command: restart", "answer: done", "not believed", "person needed", "message sent"):
        assert mark in page, mark
    assert "You said done. Your readings say otherwise." in page
    assert "pressure-low@abc123" in page


def test_looking_changes_nothing(house: House, homes: dict[str, Story]) -> None:
    """No GET writes to any topic."""
    before = house.ends()
    for path in pages(homes):
        house.client.get(path)
        house.client.head(path)
    for action in ("take", "note", "resolve"):
        house.client.get(f"/cases/{homes['doubted'].case}/{action}")
    assert house.ends() == before


def test_every_answer_carries_the_headers(house: House, homes: dict[str, Story]) -> None:
    """Pages, parts, JSON, errors and files alike."""
    for path in [*pages(homes), "/static/base.css", "/nothing/here", "/c/x"]:
        headers = house.client.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self'"), path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}


def test_no_page_holds_inline_script_or_style(house: House, homes: dict[str, Story]) -> None:
    """What the policy forbids is not even tried."""
    for path in pages(homes):
        page = house.client.get(path)
        if page.headers["content-type"].startswith("text/html"):
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=\"/static/)", page.text), path


@pytest.mark.parametrize("text", HOSTILE)
def test_what_devices_say_is_only_text(house: House, text: str) -> None:
    """Names, causes and details of a hostile device are shown, never run."""
    evil = Story("evil", name=text[:60]).opened().restarted().doubted()
    evil.records[-1] = evil.records[-1].model_copy(update={"detail": text})
    house.write([device("evil", name=text, model=text), *evil.records])
    house.catch_up()
    for path in ("/", f"/?q={text}", "/parts/live", f"/cases/{evil.case}", "/demo"):
        page = house.client.get(path).text
        assert "<script>alert" not in page
        assert "<svg onload" not in page
        assert "</textarea><b>" not in page
        assert ">49<" not in page


def mutating(app: Any) -> list[tuple[str, str]]:
    """Every route that is not only for looking, also those of included routers."""
    found = []
    for route in app.routes:
        if inner := getattr(route, "original_router", None):
            found += mutating(inner)
        elif isinstance(route, APIRoute):
            found += [(method, route.path) for method in route.methods or () if method not in {"GET", "HEAD", "OPTIONS"}]
    return found


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_forms_of_other_sites_are_refused(house: House, homes: dict[str, Story], headers: dict[str, str]) -> None:
    """Every mutating route of the console, found by asking the application: 403, and nothing is written."""
    before = house.ends()
    del house.client.headers["Sec-Fetch-Site"]
    routes = [(method, path) for method, path in mutating(house.client.app) if not path.startswith("/c/") and path not in SIGNED]
    assert routes
    for method, path in routes:
        address = path.format(case=homes["doubted"].case, action="take", name="c-1", silence="s-1", incident="s-1")
        answer = house.client.request(method, address, data={"nonce": "12345678"}, headers=headers)
        assert answer.status_code == 403, (method, path, headers)
    assert house.ends() == before


def test_our_own_forms_pass_with_an_origin_alone(house: House, homes: dict[str, Story]) -> None:
    """Browsers that do not say where a fetch comes from say the origin."""
    del house.client.headers["Sec-Fetch-Site"]
    path = f"/cases/{homes['doubted'].case}/take"
    assert house.client.post(path, data={"nonce": "12345678"}, headers={"Origin": "http://127.0.0.1"}).status_code == 303


def test_foreign_names_of_this_desk_are_refused(house: House) -> None:
    """A page that points its own name at loopback reads nothing (DNS rebinding)."""
    assert house.client.get("/", headers={"Host": "evil.example"}).status_code == 421
    assert house.client.get("/", headers={"Host": "localhost:8080"}).status_code == 200


def test_long_bodies_are_refused(house: House, homes: dict[str, Story]) -> None:
    """By their announced length, and by what comes where none was announced."""
    path = f"/cases/{homes['doubted'].case}/note"
    assert house.client.post(path, data={"nonce": "12345678", "text": "x" * 70_000}).status_code == 413
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    endless = (b"nonce=12345678&text=" + b"x" * 1_000 for _ in range(100))
    assert house.client.post(path, content=endless, headers=form).status_code == 413
    assert house.client.post(path, data={"nonce": "12345678", "text": "x" * 600}).status_code == 422


def test_a_note_is_sealed_where_the_case_is_older_than_the_registration(house: House) -> None:
    """The case names nobody; the machine has an owner by now, and what is written is about them."""
    story = doubted()
    house.write([customer(), device(story.device, customer="c-1"), *nobodys(story)])
    house.catch_up()
    house.client.post(f"/cases/{story.case}/note", data={"nonce": "once-only", "text": "she is away until Monday"})
    [command] = [record for record in house.told(topics.COMMANDS) if isinstance(record, Command)]
    [sealed] = found_in(command.detail)
    assert house.people.opened("main/c-1", [sealed]) == ["she is away until Monday"]


@pytest.mark.parametrize(("action", "kind"), [("take", CommandKind.TAKE), ("note", CommandKind.NOTE), ("resolve", CommandKind.RESOLVE)])
def test_agents_ask_by_commands(house: House, homes: dict[str, Story], action: str, kind: CommandKind) -> None:
    """A button is a command on the log, with one id however often it is pressed."""
    story = homes["doubted"]
    for _ in range(2):
        answer = house.client.post(f"/cases/{story.case}/{action}", data={"nonce": "once-only", "text": "looked at it"})
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/cases/{story.case}?done={action}"
    commands = [record for record in house.told(topics.COMMANDS) if isinstance(record, Command)]
    assert {(command.kind, command.case, command.key, command.by) for command in commands} == {(kind, story.case, story.key, "agent")}
    assert len({command.id for command in commands}) == 1


def test_an_unknown_case_or_action_is_a_page_not_an_error(house: House, homes: dict[str, Story]) -> None:
    """404 with a way back."""
    assert "No such case." in house.client.get("/cases/none").text
    assert house.client.post(f"/cases/{homes['doubted'].case}/explode", data={"nonce": "12345678"}).status_code == 404


def test_new_cases_wait_to_be_shown(house: House, homes: dict[str, Story]) -> None:
    """The part that refreshes itself counts what the page does not show, and updates what it does."""
    shown = ",".join(story.case[:8] for story in homes.values())
    assert " new</button>" not in house.client.get(f"/parts/live?shown={shown}").text
    house.write([device("heat-pump-009"), *doubted("heat-pump-009").records])
    house.catch_up()
    part = house.client.get(f"/parts/live?shown={shown}").text
    assert "1 new</button>" in part
    assert f'id="state-{homes["doubted"].case[:8]}"' in part


def test_search_finds_by_name_cause_and_id(house: House, homes: dict[str, Story]) -> None:
    """An id leads straight to its case."""
    story = homes["doubted"]
    assert f'href="/cases/{story.case}"' in house.client.get("/?q=pump+002").text
    assert "Nothing fits." in house.client.get("/?q=unicorn").text
    assert house.client.get(f"/?q={story.symptom}").headers["location"] == f"/why/{story.symptom}"
    assert house.client.get(f"/why/{story.symptom}").headers["location"] == f"/cases/{story.case}#{story.symptom}"


def test_a_severity_is_never_colour_alone(house: House) -> None:
    """Shape and word stand beside it."""
    house.write([r for severity in Severity for r in doubted(f"pump-{severity.rank}", severity=severity).records])
    house.catch_up()
    page = house.client.get("/").text
    for severity, shape in zip(Severity, "◆▲●○", strict=True):
        assert f'<span class="severity {severity.value}"><b aria-hidden="true">{shape}</b> {severity.value}</span>' in page
