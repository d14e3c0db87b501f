"""`vorab why` decides anew: what it says, and what it ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from streams.cases.remedies import load_policy
from streams.recount.story import read_all
from tests import decided
from vorab import topics
from vorab.cli.why import why
from vorab.clock import HOUR
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError
from vorab.log.sqlite import SqliteLog
from vorab.records import CaseEvent, CaseKind, Record, from_wire


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with some decisions."""
    path = tmp_path_factory.mktemp("played") / "log.db"
    with SqliteLog(path, fsync=False) as log:
        decided.play(log, load_policy(), devices=12, length=2 * HOUR, seed=2)
        log.create(dict.fromkeys(topics.TOPICS, decided.PARTITIONS))
    return path


@pytest.fixture(scope="module")
def tampered(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and every case that was handed over says it was resolved by magic."""
    path = tmp_path_factory.mktemp("tampered") / "log.db"

    def edit(record: Record) -> Record:
        handed = isinstance(record, CaseEvent) and record.kind is CaseKind.HANDED_OVER
        return record.model_copy(update={"detail": "magic"}) if handed else record

    with SqliteLog(played, read_only=True) as source, SqliteLog(path, fsync=False) as log:
        decided.copy(source, log, edit=edit)
        log.create(dict.fromkeys(topics.TOPICS, decided.PARTITIONS))
    return path


def run(path: Path, any_id: str = "", **options: Any) -> int:
    """The exit code."""
    with pytest.raises(typer.Exit) as ended:
        why(any_id, log=f"sqlite:///{path}", state_dir=str(path.parent), **options)
    return ended.value.exit_code


def handed_over(path: Path) -> CaseEvent:
    """A case that a person has to look at."""
    with SqliteLog(path, read_only=True) as log:
        for entry in read_all(log, topics.CASES, range(decided.PARTITIONS)):
            record = from_wire(entry.value, entry.headers)
            if isinstance(record, CaseEvent) and record.kind is CaseKind.HANDED_OVER:
                return record
    raise AssertionError("nothing was handed over")


def test_a_check_says_the_figures(played: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So many checked, all agree, exit code 0; in words and as JSON."""
    assert run(played, check=10, seed=3) == EXIT_OK
    assert capsys.readouterr().out.startswith("10 checked on ")
    assert run(played, check=10, seed=3, as_json=True) == EXIT_OK
    said = json.loads(capsys.readouterr().out)
    assert (said["checked"], said["states"], said["differences"], said["beside"]) == (10, {"agrees": 10}, [], [])


def test_a_check_of_a_tampered_log_ends_with_1(tampered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Known bad: the difference is named."""
    assert run(tampered, check=1_000) == EXIT_PROBLEMS
    told = capsys.readouterr().out
    assert "the log holds no more than that of the 1,000 that were asked for" in told
    assert "says detail 'magic'" in told


def test_a_case_is_told_from_the_log_alone(played: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a desk: the chain, where everything stands, and that it agrees."""
    event = handed_over(played)
    assert run(played, event.case[:8]) == EXIT_OK
    told = capsys.readouterr().out
    assert f"case {event.case}" in told
    assert "vorab.cases/" in told
    assert "decided anew from the log: agrees" in told


def test_a_tampered_case_ends_with_1(tampered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Known bad: the first difference is named, in words and as JSON; nobody looks where only the chain is asked for."""
    event = handed_over(tampered)
    assert run(tampered, event.case) == EXIT_PROBLEMS
    assert "decided anew from the log: differs" in capsys.readouterr().out
    assert run(tampered, event.case, as_json=True) == EXIT_PROBLEMS
    again = json.loads(capsys.readouterr().out)["again"]
    assert (again["state"], again["difference"]["id"]) == ("differs", event.id)
    assert run(tampered, event.case, again=False) == EXIT_OK


def test_an_unknown_id_ends_with_1(played: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody knows it."""
    assert run(played, "00000000-none") == EXIT_PROBLEMS
    assert "nobody knows 00000000-none" in capsys.readouterr().err


@pytest.mark.parametrize("options", [{}, {"any_id": "b816ec32", "check": 5}])
def test_an_id_or_a_number(played: Path, options: dict[str, Any]) -> None:
    """One of the two, and the mistake says so."""
    with pytest.raises(ConfigError, match="name an id, or --check N"):
        why(log=f"sqlite:///{played}", **options)
