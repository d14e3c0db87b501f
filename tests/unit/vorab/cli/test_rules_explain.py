"""`vorab rules explain`: what a rule looks at, on which devices, and since which version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.rules.files import load_rules
from vorab import topics
from vorab.cli.rules import app
from vorab.clock import DAY, iso, parse_iso
from vorab.errors import ConfigError
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Device, Record, Severity, Symptom, SymptomState, to_wire

RULES = """rules:
  - id: pressure-low
    title: {en: Low pressure, de: Wenig Druck}
    applies: {models: ["pump*"]}
    cause: low_pressure
    detector: threshold
    signal: pressure
    below: {limit: least}
    count: 2
  - {id: silent, title: {en: Silent, de: Still}, cause: silence, detector: silence, after: 10 min}
"""
T0 = parse_iso("2026-01-05T20:00:00Z")


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four devices, and symptoms of two versions of a rule."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "vorab.toml").write_text('state_dir = "state"\n[streams]\nrules = ["rules.yaml"]\n', encoding="utf-8")
    (tmp_path / "state").mkdir()
    now = load_rules(["rules.yaml"]).by_id["pressure-low"].version
    found: list[Record] = [
        Device(id=f"main/{name}", device=name, model=model, limits=limits)
        for name, model, limits in (
            ("a", "pump", {"least": 1.5}), ("b", "pump-xl", {"least": 2.0}), ("c", "pump", {}), ("d", "printer", {"least": 1.0}),
        )
    ]  # fmt: skip
    for i, version in enumerate(("older", "older", now)):
        about = {"rule": "pressure-low", "rule_version": version, "detector": "threshold", "cause": "c", "severity": Severity.MAJOR}
        at = T0 + i * DAY
        symptom = Symptom.model_validate(
            {"id": f"s{i}", "device": "a", "state": SymptomState.RAISED, "onset": at, "detected_at": at, **about}
        )
        found += [symptom, symptom.model_copy(update={"state": SymptomState.CLEARED, "cleared_at": at + 1})]
    with SqliteLog(tmp_path / "state" / "log.db") as log:
        log.create({topics.DEVICES: 2, topics.CUSTOMERS: 2, topics.SYMPTOMS: 2})
        append_all(log, [_outgoing(record) for record in found])


def _outgoing(record: Record) -> Outgoing:
    key, value, headers = to_wire(record, "urn:test")
    return Outgoing(record.TOPIC, topics.partition_of(record.key, 2), key, value, headers)


def call(*arguments: str) -> Result:
    """The command, as it is typed."""
    return CliRunner().invoke(app, list(arguments))


def test_a_rule_is_explained_to_a_program() -> None:
    """Signals, settings, the devices that have the limit it needs, and its versions with their first symptoms."""
    told = json.loads(call("explain", "pressure-low", "--json").stdout)

    assert (told["detector"], told["signals"], told["needs"]) == ("threshold", ["pressure"], ["least"])
    assert told["settings"]["below"] == {"limit": "least"}
    assert (told["devices"], told["models"], told["some"]) == (2, {"pump": 1, "pump-xl": 1}, ["main/a", "main/b"])
    assert [(each["since"], each["symptoms"]) for each in told["versions"]] == [(iso(T0 + 2 * DAY), 1), (iso(T0), 2)]
    assert told["versions"][0]["version"] == told["version"]


def test_a_rule_is_explained_to_people() -> None:
    """In lines that can be read aloud."""
    told = call("explain", "pressure-low").stdout

    assert "pressure-low: Low pressure" in told
    assert "models pump*; those with a limit least" in told
    assert "2 in the registry: 1 of the model pump, 1 of the model pump-xl (main/a, main/b)" in told
    assert f"since {iso(T0 + 2 * DAY)}, 1 symptoms" in told
    assert f"before        older since {iso(T0)} (2 symptoms)" in told
    silent = call("explain", "silent").stdout
    assert "all devices" in silent
    assert "which has found nothing so far" in silent


def test_a_rule_that_is_not_there_is_guessed() -> None:
    """Somebody mistyped it."""
    error = call("explain", "presure-low").exception

    assert isinstance(error, ConfigError)
    assert "pressure-low?" in str(error)


def test_a_rule_is_explained_before_anything_ran(tmp_path: Path) -> None:
    """Without a log nothing is known of devices and versions, and all the rest is."""
    (tmp_path / "state" / "log.db").unlink()

    told = call("explain", "silent")

    assert told.exit_code == 0
    assert "none in the registry" in told.stdout
