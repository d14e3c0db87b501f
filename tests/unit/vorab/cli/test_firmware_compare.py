"""`vorab firmware compare` on an embedded log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from vorab.cli.firmware import compare
from vorab.clock import DAY, HOUR, SECOND, ManualClock
from vorab.errors import ConfigError
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Device, Facts, Record, Severity, Symptom, SymptomState, to_wire
from vorab.topics import DEVICES, FACTS, SYMPTOMS

NOW = 1_795_000_000 * SECOND


@pytest.fixture(autouse=True)
def _at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, however long the tests before took."""
    monkeypatch.setattr("vorab.clock.clock_from", lambda _spec: ManualClock(NOW))


def symptom(device: str, number: int, onset: int, state: SymptomState = SymptomState.RAISED) -> Symptom:
    """A symptom of a device."""
    return Symptom(
        id=f"{device}-{number}", device=device, state=state, rule="r", rule_version="1", detector="threshold", cause="c",
        severity=Severity.MAJOR, onset=onset, detected_at=onset,
    )  # fmt: skip


def write(path: Path, after: int) -> str:
    """Ten devices for ten days with 4.2.0 and ten days with 4.2.1, `after` symptoms then and three before; one with a registry entry."""
    records: list[Record] = []
    for i in range(10):
        name, change = f"p-{i}", NOW - 10 * DAY
        records += [
            Facts(id=f"main/{name}", device=name, model="pump", firmware="4.2.0", at=NOW - 20 * DAY),
            Facts(id=f"main/{name}", device=name, model="pump", firmware="4.2.1", at=change),
        ]
        if i < 3:
            records += [
                symptom(name, 0, change - HOUR),
                symptom(name, 0, change - HOUR, SymptomState.CLEARED),
                symptom(name, 0, change - HOUR),
            ]
    records += [symptom(f"p-{i % 10}", 1 + i, NOW - DAY) for i in range(after)]
    records.append(Facts(id="main/q", device="q", model="pump", firmware="4.2.1", at=NOW - 20 * DAY))
    records.append(Device(id="main/q", device="q", model="printer", firmware="9", at=NOW - 20 * DAY))
    with SqliteLog(path) as opened:
        opened.create({SYMPTOMS: 1, FACTS: 1, DEVICES: 1})
        out = []
        for record in records:
            key, value, headers = to_wire(record, "urn:vorab:test")
            out.append(Outgoing(type(record).TOPIC, 0, key, value, headers))
        append_all(opened, out)
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("after", "code", "word"), [(20, 1, "4.2.1 is worse than 4.2.0"), (5, 0, "No difference"), (0, 0, "No difference")]
)
def test_two_firmwares_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str], after: int, code: int, word: str) -> None:
    """Each symptom counts once, for what ran at its onset; only what is proven worse is a problem."""
    log = write(tmp_path / "vorab.db", after)
    with pytest.raises(typer.Exit) as ended:
        compare("4.2.0", "4.2.1", log=log, days=28)
    assert ended.value.exit_code == code
    before, now, said = capsys.readouterr().out.splitlines()
    assert before.startswith("4.2.0: 3 symptoms on 3 of 10 devices in 100.0 device-days: 0.0300 a device-day (95 %: 0.0062 to 0.0877)")
    assert now.startswith(f"4.2.1: {after} symptoms on {min(after, 10)} of 10 devices in 100.0 device-days")
    assert said.startswith(word)


def test_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures for a program; a window of five days sees no device with the older one any more."""
    log = write(tmp_path / "vorab.db", 20)
    with pytest.raises(typer.Exit):
        compare("4.2.0", "4.2.1", model="pump", log=log, days=28, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["older"]["symptoms"], found["newer"]["symptoms"], found["worse"]) == (3, 20, True)
    assert found["ratio"] == pytest.approx(20 / 3, rel=1e-3)
    assert found["low"] > 1
    for wanted in ({"days": 5}, {"days": 28, "model": "boiler"}):
        with pytest.raises(ConfigError, match="no device"):
            compare("4.2.0", "4.2.1", log=log, **wanted)
