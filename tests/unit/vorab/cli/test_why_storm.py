"""`vorab why` to the end: from the message a customer got to the readings, and an incident from the cases it explains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.unit.vorab.cli import lived
from vorab import topics
from vorab.cli.why import why
from vorab.errors import EXIT_OK, EXIT_PROBLEMS
from vorab.records import CaseEvent, Incident, IncidentKind, Record, Symptom, SymptomState

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with an incident of eight heat pumps."""
    path = tmp_path_factory.mktemp("lived") / "log.db"
    lived.live(path)
    return path


def run(path: Path, any_id: str = "", **options: Any) -> int:
    """The exit code."""
    with pytest.raises(typer.Exit) as ended:
        why(any_id, log=f"sqlite:///{path}", state_dir=str(path.parent), **options)
    return ended.value.exit_code


def opened(path: Path) -> Incident:
    """The fact that opened the incident."""
    return next(each for each in lived.records(path, topics.INCIDENTS) if isinstance(each, Incident) and each.kind is IncidentKind.OPENED)


def raised(path: Path) -> Symptom:
    """A symptom of one of its cases."""
    return next(each for each in lived.records(path, topics.SYMPTOMS) if isinstance(each, Symptom) and each.cause == "low_pressure")


def test_an_incident_is_told_and_agrees(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What opened it, what explains it and how well, what became of it, what customers were told, and that it is decided so again."""
    fact = opened(log)
    assert run(log, fact.incident[:8]) == EXIT_OK
    told = capsys.readouterr().out
    assert "Site mill: 8 cases, all well again." in told
    assert f"main/site/mill  incident {fact.incident}" in told
    assert "8 cases on 8 devices at the same time: site mill, of 10 in the group" in told
    assert told.count("Case opened") == 5
    assert "All are well" in told
    assert "Customers told" in told
    assert "explained by its group: 8 devices with a case, of 10 in the group, and 0 elsewhere; it fits by 80%" in told
    assert "vorab.incidents/" in told
    assert "decided anew from the log: agrees" in told


def test_a_fact_of_an_incident_leads_to_it(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON: the same chain, and which of it was asked for."""
    fact = opened(log)
    assert run(log, fact.id, as_json=True) == EXIT_OK
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["incident"], said["case"]) == ("incident", fact.incident, "")
    assert [link["id"] for link in said["chain"] if link["asked"]] == [fact.id]
    assert (said["again"]["state"], said["again"]["measure"]["fit"]) == ("agrees", 0.8)


def test_a_wrong_child_ends_with_1(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Known bad: an incident says that a case belongs to it that does not."""
    fact = opened(log)

    def edit(record: Record) -> Record:
        mine = isinstance(record, Incident) and record.id == fact.id and not record.customer
        return record.model_copy(update={"children": (*fact.children[1:], "forged")}) if mine else record

    lived.copy(log, tmp_path / "log.db", edit)
    assert run(tmp_path / "log.db", fact.incident) == EXIT_PROBLEMS
    told = capsys.readouterr().out
    assert "decided anew from the log: differs" in told
    assert "says children (" in told
    assert run(tmp_path / "log.db", check=1_000) == EXIT_PROBLEMS
    assert f"differ: incident {fact.incident}" in capsys.readouterr().out


def test_a_case_names_its_incident(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Between what happened to it, with what it has in common with the others."""
    fact = opened(log)
    assert run(log, fact.children[0]) == EXIT_OK
    told = capsys.readouterr().out
    assert "Part of an incident" in told
    assert f"incident {fact.incident}" in told


def test_a_symptom_is_found_anew(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the offsets of the frames it was decided on, by the id of the symptom and of its case."""
    symptom = raised(log)
    for any_id in (
        symptom.id,
        next(each.case for each in lived.records(log, topics.CASES) if isinstance(each, CaseEvent) and each.symptom == symptom.id),
    ):
        assert run(log, any_id) == EXIT_OK
        told = capsys.readouterr().out
        assert f"symptom {symptom.id[:8]} ({symptom.rule}) found anew in vorab.readings/" in told
        [line] = [each for each in told.splitlines() if each.startswith(f"symptom {symptom.id[:8]}")]
        assert " offset" in line
        assert line.endswith(": agrees")


@pytest.mark.parametrize("field", ["value", "detected_at"])
def test_a_wrong_symptom_ends_with_1(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str) -> None:
    """Known bad: a symptom says something else than its readings do; the case cannot know, the readings can."""
    symptom = raised(log)

    def edit(record: Record) -> Record:
        mine = isinstance(record, Symptom) and record.id == symptom.id and record.state is SymptomState.RAISED
        return record.model_copy(update={field: getattr(record, field) + 1}) if mine else record

    lived.copy(log, tmp_path / "log.db", edit)
    assert run(tmp_path / "log.db", symptom.id) == EXIT_PROBLEMS
    assert f"says {field} " in capsys.readouterr().out
    assert run(tmp_path / "log.db", symptom.id, as_json=True) == EXIT_PROBLEMS
    [said] = json.loads(capsys.readouterr().out)["again"]["symptoms"]
    assert (said["id"], said["state"], f"says {field} " in said["difference"]["text"]) == (symptom.id, "differs", True)
    assert run(tmp_path / "log.db", symptom.id, again=False) == EXIT_OK


def test_a_check_draws_incidents_and_finds_symptoms(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that was decided: the incident among it, and the symptoms behind the cases, all of which agree."""
    assert run(log, check=1_000, as_json=True) == EXIT_OK
    said = json.loads(capsys.readouterr().out)
    assert said["kinds"]["incident"] == 1
    assert set(said["states"]) == {"agrees"}
    assert said["symptoms"]["found"] >= lived.DOWN
    assert said["symptoms"]["states"] == {"agrees": said["symptoms"]["found"]}
    assert run(log, check=1_000) == EXIT_OK
    assert "symptoms behind them found anew in their readings: " in capsys.readouterr().out
