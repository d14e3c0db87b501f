"""The bench of the phone line: it shows what offers bring, and ends badly where they bring little or somebody is booked twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from vorab.bench import callbacks
from vorab.bench.callbacks_desk import furnished
from vorab.callbacks.shelf import Shelf


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long an answer takes is no matter of tests."""
    monkeypatch.setattr(callbacks, "answer", lambda: 1.0)


def test_offers_spare_most_customers_the_call() -> None:
    """The same customers with and without them, nobody booked twice."""
    found = callbacks.run(seed=1, customers=200)
    assert found["ok"]
    assert found["double_booked"] == 0
    assert found["booked"] >= found["reached"] > 0
    assert found == callbacks.run(seed=1, customers=200)


def test_offers_nobody_takes_bring_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: without takers the line is as it was, with fewer people on it."""
    monkeypatch.setattr(callbacks, "TAKES", 0.0)
    found = callbacks.run(seed=1, customers=200)
    assert (found["fell"], found["ok"]) == (0.0, False)


def test_a_diary_that_gives_slots_twice_ends_badly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: everybody gets the next slot."""
    monkeypatch.setattr(Shelf, "room", lambda *_: True)
    found = callbacks.run(seed=1, customers=200)
    assert found["double_booked"] > 0
    assert not found["ok"]


def test_the_desk_of_the_bench_answers_with_everything(tmp_path: Path) -> None:
    """Somebody is on the line: the first sentence and three slots, or the bench itself says no."""
    with furnished(tmp_path) as ask:
        ask(1)
