"""The state table, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.cases.people import KINDS
from streams.cases.table import NEW, TRANSITIONS, after, diagram, stays
from vorab.records import CaseKind, Status

PAGE = Path(__file__).resolve().parents[4] / "docs" / "cases.md"


def test_the_page_shows_the_table_that_runs() -> None:
    """Diagram and table in docs/cases.md are the ones drawn from the code."""
    page = PAGE.read_text(encoding="utf-8")
    assert f"```mermaid\n{diagram()}\n```" in page
    assert stays() in page


def test_every_fact_has_a_row() -> None:
    """There is no kind of fact that can never happen."""
    assert {kind for _, kind in TRANSITIONS} == set(CaseKind)


def test_what_is_over_never_opens_again() -> None:
    """Closed, cancelled and rejected are ends: a new fault is a new case."""
    for end in (Status.CLOSED, Status.CANCELLED, Status.REJECTED):
        assert {then for (before, _), then in TRANSITIONS.items() if before is end} == {end}


@pytest.mark.parametrize("status", list(Status))
def test_anything_can_be_noted(status: Status) -> None:
    """A refusal is told as a note, so a note must be possible in every state."""
    assert after(status, CaseKind.NOTED) is status


def test_only_resolved_cases_close() -> None:
    """Nothing closes that was not resolved before; resolved comes only from open states."""
    assert {before for (before, kind) in TRANSITIONS if kind is CaseKind.CLOSED} == {Status.RESOLVED}
    assert all(before is not NEW and before.open for (before, kind) in TRANSITIONS if kind is CaseKind.RESOLVED)


def test_every_command_makes_a_fact() -> None:
    """Each kind of command has a kind of fact, and the table allows it somewhere."""
    assert all(any(kind is made for _, kind in TRANSITIONS) for made in KINDS.values())
