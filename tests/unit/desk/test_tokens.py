"""Tokens of the API: only the whole token opens, for what it is for; guessing is limited, and nothing of it is said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import desk.tokens as module
from desk.tokens import MOST_FAILURES, Failures, Tokens, hashed, make, right
from tests.unit.desk.house import House, customer, settings_of
from vorab.clock import MINUTE, SECOND
from vorab.settings import DeskToken, Settings

TOKENS = {name: make() for name in ("reader", "writer", "crm", "all")}
SCOPES: dict[str, list[Any]] = {"reader": ["read"], "writer": ["write"], "crm": ["contacts"], "all": ["read", "write", "contacts"]}


@contextmanager
def guarded(folder: Path, monkeypatch: pytest.MonkeyPatch, host: str = "0.0.0.0") -> Iterator[House]:  # noqa: S104 - nobody listens
    """A desk with tokens, by default on an address others reach."""
    known = [DeskToken(name=name, scopes=SCOPES[name], hash=hashed(token)) for name, token in TOKENS.items()]
    base = settings_of(folder)
    chosen = base.model_copy(update={"desk": base.desk.model_copy(update={"host": host, "tokens": known})})
    monkeypatch.setattr("tests.unit.desk.house.settings_of", lambda _: chosen)
    house = House(folder)
    del house.client.headers["Sec-Fetch-Site"]
    house.write([customer()])
    house.catch_up()
    try:
        yield house
    finally:
        house.close()


def asks(client: Any, method: str, path: str, token: str = "", **more: Any) -> int:
    """The status of a request with a token."""
    status: int = client.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {}, **more).status_code
    return status


def lets_in_less(check: Callable[[str, str], bool]) -> bool:
    """Whether a part of a token, or something longer, passes for the whole."""
    token = make()
    kept = hashed(token)
    assert check(token, kept)
    return any(check(other, kept) for other in (token[:-1], token[:10], "", token + "x", token.swapcase(), make()))


def test_only_the_whole_token_is_right() -> None:
    """Not its beginning, not one that is longer; the same token has another hash each time."""
    assert not lets_in_less(right)
    token = make()
    assert hashed(token) != hashed(token)
    assert token not in hashed(token)


def test_a_comparison_by_prefix_is_caught() -> None:
    """Known bad: comparing only as far as what was given goes."""
    whole: dict[str, str] = {}

    def bad(given: str, kept: str) -> bool:
        return whole.setdefault(kept, given).startswith(given)

    assert lets_in_less(bad)


def test_a_token_opens_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read reads, write writes, contacts tells of contacts; none does more."""
    wishes = (("GET", "/api/devices"), ("PUT", "/api/devices/p-1"), ("POST", "/api/contacts"))
    with guarded(tmp_path, monkeypatch) as house:
        found = {
            name: [asks(house.client, method, path, token, json={} if method != "GET" else None) != 403 for method, path in wishes]
            for name, token in TOKENS.items()
        }
    assert found == {"reader": [True, False, False], "writer": [False, True, False], "crm": [False, False, True], "all": [True, True, True]}


def test_without_a_token_others_get_nothing_of_the_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every route of the API, found by asking the application; the pages are as open as they were."""
    with guarded(tmp_path, monkeypatch) as house:
        document = house.client.app.openapi()  # type: ignore[attr-defined]
        paths = [(method, path) for path, methods in document["paths"].items() for method in methods if "hooks" not in path]
        assert len(paths) > 20
        for method, path in paths:
            answer = house.client.request(method.upper(), path.replace("{name}", "c-1"))
            assert answer.status_code == 401, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
        assert house.client.get("/").status_code == 200
        assert house.client.get("/api/live").status_code == 200


@pytest.mark.parametrize("header", [{}, {"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}])
def test_on_loopback_this_machine_reads_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: dict[str, str]) -> None:
    """As it always did; who comes by way of a proxy is somebody else."""
    with guarded(tmp_path, monkeypatch, host="127.0.0.1") as house:
        assert house.client.get("/api/cases", headers=header).status_code == (401 if header else 200)
        assert house.client.put("/api/devices/p-1", json={}).status_code == 403


def test_a_wrong_token_is_no_better_than_none_on_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who shows something has to show something right."""
    with guarded(tmp_path, monkeypatch, host="127.0.0.1") as house:
        assert asks(house.client, "GET", "/api/cases", "vorab_wrong") == 401
        assert asks(house.client, "GET", "/api/cases", TOKENS["reader"]) == 200


def test_who_guesses_is_not_listened_to_for_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Then not even the right token helps, until the minute is over; no token stands in an answer or a line of the log."""
    caplog.set_level(logging.DEBUG)
    with guarded(tmp_path, monkeypatch) as house:
        answers = [house.client.get("/api/cases", headers={"Authorization": f"Bearer guess-{n}"}) for n in range(MOST_FAILURES)]
        assert {answer.status_code for answer in answers} == {401}
        blocked = house.client.get("/api/cases", headers={"Authorization": f"Bearer {TOKENS['reader']}"})
        assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "60")
        house.clock.advance(MINUTE)
        assert asks(house.client, "GET", "/api/cases", TOKENS["reader"]) == 200
    said = caplog.text + "".join(capfd.readouterr()) + "".join(answer.text for answer in (*answers, blocked))
    assert "guess-" not in said
    assert TOKENS["reader"] not in said


def test_failures_are_counted_by_address_and_forgotten_in_time() -> None:
    """One address does not lock out another, and old failures do not add up with new ones."""
    failures = Failures()
    for n in range(MOST_FAILURES):
        failures.failed("a", n * 7 * SECOND)
    assert failures.wait_s("a", 63 * SECOND) == 0
    for n in range(MOST_FAILURES):
        failures.failed("b", n)
    assert failures.wait_s("b", SECOND) == 59
    assert failures.wait_s("c", SECOND) == 0
    for n in range(3_000):
        failures.failed(f"x{n}", SECOND)
    assert len(failures._failed) == module.MOST_PEERS


def test_nobody_without_tokens_holds_one() -> None:
    """An empty list lets nobody in."""
    assert Tokens().holder("") is None
    assert Settings().desk.tokens == []
