"""`vorab rules test`, `backtest` and `schema`: what people and programs read, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streams.detect.processor import detect_kind
from streams.hosts.instance import Instance, Layout
from streams.hosts.registry import Tables
from streams.rules.files import load_rules
from vorab import topics
from vorab.cli.rules import app
from vorab.clock import MINUTE, iso, parse_iso
from vorab.errors import ConfigError
from vorab.frame import Reading, encode, pack
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Customer, Device, to_wire

RULES = """rules:
  - id: hot
    title: {en: Hot, de: Heiß}
    applies: {models: [pump]}
    cause: overheat
    detector: threshold
    signal: temperature
    above: 90
    clear: 80
"""
START = parse_iso("2026-01-05T20:00:00Z")
CASE = """cases:
  - name: hot
    device: {model: pump}
    readings: {temperature: 20x5 95 20}
    expect: [{rule: hot, raised: 5 min}]
"""


def call(*arguments: object, code: int = 0) -> Result:
    """The command, as it is typed."""
    told = CliRunner().invoke(app, [str(each) for each in arguments])
    assert told.exit_code == code, (told.output, told.exception)
    return told


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of others."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A rule file."""
    file = tmp_path / "rules" / "hot.yaml"
    file.parent.mkdir()
    file.write_text(RULES, encoding="utf-8")
    return file


def csv(folder: Path, device: str = "pump-1", hot_at: Sequence[int] = (60, 240)) -> Path:
    """Six hours of a machine, a reading a minute, hot for five minutes now and then."""
    file = folder / f"{device}.csv"
    rows = [(i, 95 if any(at <= i < at + 5 for at in hot_at) else 40) for i in range(360)]
    file.write_text("timestamp,temperature\n" + "".join(f"{iso(START + i * MINUTE)},{t}\n" for i, t in rows), encoding="utf-8")
    return file


def lines(told: Result) -> list[dict[str, Any]]:
    """The JSON lines of standard output."""
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_a_csv_file_is_backtested(tmp_path: Path, rules: Path) -> None:
    """A line per symptom with onset, detected, cleared and evidence; the figures beside it, and the nights."""
    told = call("backtest", rules, "--csv", csv(tmp_path), "--model", "pump", "--zone", "Europe/Berlin")

    first, second = lines(told)
    assert (first["rule"], first["device"], first["signal"]) == ("hot", "pump-1", "temperature")
    assert [first[name] for name in ("onset", "detected", "cleared")] == [iso(START + m * MINUTE) for m in (60, 60, 65)]
    assert first["evidence"][-1] == {"at": iso(START + 60 * MINUTE), "value": 95.0}
    assert second["detected"] == iso(START + 240 * MINUTE)
    figures = told.stderr.splitlines()
    assert figures[0] == "360 readings of 1 device, 2026-01-05T20:00:00Z to 2026-01-06T01:59:00Z"
    assert [line.split() for line in figures[1:]] == [
        ["symptoms", "2"],
        ["on", "devices", "1"],
        ["cases", "2"],
        ["told", "to", "a", "customer", "2"],
        ["of", "these", "at", "night", "2"],
        ["customers", "told", "1"],
        ["of", "these", "at", "night", "1"],
        ["hot", "2"],
    ]


def test_two_sets_of_rules_stand_side_by_side(tmp_path: Path, rules: Path) -> None:
    """What each finds, what only one finds, and which rule is another one now."""
    proposed = tmp_path / "proposed.yaml"
    proposed.write_text(RULES.replace("clear: 80", "clear: 80\n    count: 9"), encoding="utf-8")

    told = call("backtest", proposed, "--against", rules, "--csv", csv(tmp_path), "--model", "pump", "--json")
    people = call("backtest", proposed, "--against", rules, "--csv", csv(tmp_path), "--model", "pump", "--summary")

    *found, last = lines(told)
    assert [each["by"] for each in found] == [["in force"], ["in force"]]
    summary = last["summary"]
    assert (summary["proposed"]["symptoms"], summary["in force"]["symptoms"], summary["only in force"]["cases"]) == (0, 2, 2)
    assert told.stderr == ""
    assert people.stdout == ""
    assert "hot (changed)" in people.stderr
    assert people.stderr.splitlines()[1].split("  ")[-1].strip() == "only proposed"


def test_the_rules_of_the_settings_are_in_force(tmp_path: Path, rules: Path) -> None:
    """Whoever proposes rules need not name the others."""
    (tmp_path / "vorab.toml").write_text(f'[streams]\nrules = ["{rules}"]\n', encoding="utf-8")
    proposed = tmp_path / "proposed.yaml"
    proposed.write_text(RULES.replace("above: 90", "above: 99"), encoding="utf-8")

    *_, last = lines(call("backtest", proposed, "--csv", csv(tmp_path), "--model", "pump", "--json"))
    *_, alone_ = lines(call("backtest", "--csv", csv(tmp_path), "--model", "pump", "--json"))

    assert last["summary"]["in force"]["symptoms"] == 2
    assert "in force" not in alone_["summary"]


def test_what_looks_wrong_is_told(tmp_path: Path, rules: Path) -> None:
    """Rows that cannot be read, rules that look at nothing, signals nobody sends: notes, and the rest counts."""
    file = csv(tmp_path)
    file.write_text(file.read_text(encoding="utf-8").replace("temperature", "temprature") + "soon,3\n", encoding="utf-8")

    told = call("backtest", rules, "--csv", file, "--model", "pump").stderr
    blind = call("backtest", rules, "--csv", file).stderr

    assert f"note: {file}:362 [timestamp] 'soon' is no time" in told
    assert "note: 1 row or cell was left out; all others count" in told
    assert "note: hot looks at temperature, which nobody sends; did you mean temprature?" in told
    assert "note: hot: about none of these devices; the model of 1 is not known, --model or --devices names it" in blind


def test_devices_and_customers_come_from_files(tmp_path: Path, rules: Path) -> None:
    """As their exports write them: models, limits, who is told, and where they live."""
    (tmp_path / "devices.csv").write_text("device,model,customer\npump-1,pump,c-1\npump-2,pump,\nfan-1,fan,c-1\n", encoding="utf-8")
    (tmp_path / "customers.csv").write_text("customer,time_zone\nc-1,America/Los_Angeles\n", encoding="utf-8")
    files = [part for name in ("pump-1", "pump-2", "fan-1") for part in ("--csv", csv(tmp_path, name))]

    registry = ("--devices", tmp_path / "devices.csv", "--customers", tmp_path / "customers.csv")
    *found, last = lines(call("backtest", rules, *files, *registry, "--json"))

    assert {each["device"] for each in found} == {"pump-1", "pump-2"}
    figures = last["summary"]["proposed"]
    assert (figures["cases"], figures["messages"], figures["customers"], figures["at_night"]) == (4, 2, 1, 0)


def test_a_time_span_counts_what_was_detected_in_it(tmp_path: Path, rules: Path) -> None:
    """Rules know what came before, and nothing is read after."""
    found = lines(call("backtest", rules, "--csv", csv(tmp_path), "--model", "pump", "--from", "2026-01-05T21:01:00Z"))
    early = lines(call("backtest", rules, "--csv", csv(tmp_path), "--model", "pump", "--to", "2026-01-05T21:03:00Z"))

    assert [each["detected"] for each in found] == [iso(START + 240 * MINUTE)]
    assert [(each["detected"], each["cleared"]) for each in early] == [(iso(START + 60 * MINUTE), None)]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--csv", "nowhere.csv"), "no such file"),
        (("--csv", "x.csv", "--zone", "Berlin"), "no time zone 'Berlin'"),
        (("--csv", "x.csv", "--from", "yesterday"), "'yesterday' is no time"),
        (("--csv", "x.csv", "--against", "nowhere.yaml"), "no such rule file"),
    ],
)
def test_mistakes_of_the_call_are_told(rules: Path, more: tuple[str, ...], what: str) -> None:
    """What, where, and what to do."""
    told = CliRunner().invoke(app, ["backtest", str(rules), *more])

    assert isinstance(told.exception, ConfigError)
    assert what in str(told.exception)


def test_the_log_is_backtested(tmp_path: Path, rules: Path) -> None:
    """From its own registry, up to a time, and with nothing written to it."""
    address = f"sqlite:///{tmp_path / 'vorab.db'}"
    with SqliteLog(tmp_path / "vorab.db") as log:
        log.create(dict.fromkeys((topics.READINGS, topics.SYMPTOMS, topics.DEVICES, topics.CUSTOMERS, topics.REJECTED), 2))
        device = Device(id="main/pump-1", tenant="main", device="pump-1", model="pump", customer="c-1")
        customer = Customer(id="main/c-1", tenant="main", customer="c-1")
        for record in (device, customer):
            key, value, headers = to_wire(record, "urn:vorab:test")
            append_all(log, [Outgoing(record.TOPIC, topics.partition_of(record.key, 2), key, value, headers)])
        partition = topics.partition_of("main/pump-1", 2)
        for i in range(360):
            at = START + i * MINUTE
            hot = any(start <= i < start + 5 for start in (60, 240))
            frame = pack([Reading("main/pump-1", at, at, 0, {"temperature": 95.0 if hot else 40.0}, {"temperature": "Cel"})], at)
            append_all(log, [Outgoing(topics.READINGS, partition, None, encode(frame))])
        ends = dict(log.ends(topics.SYMPTOMS))
        instance = Instance(detect_kind(load_rules([rules])), partition, Tables([device]), Layout(log.partitions), {})
        for entry in log.read({(topics.READINGS, partition): 0}, limit=1_000):
            instance.take(topics.READINGS, entry.offset, entry.value, entry.headers)
        live = [each for each in instance.work().outputs if each.key is not None]

    told = call("backtest", rules, "--log", address)
    early = lines(call("backtest", rules, "--log", address, "--to", "2026-01-05T22:00:00Z"))

    found = lines(told)
    assert [each["detected"] for each in found] == [iso(START + m * MINUTE) for m in (60, 240)]
    assert found[0]["id"] == json.loads(live[0].value or b"")["id"]
    assert [each["detected"] for each in early] == [iso(START + 60 * MINUTE)]
    assert told.stderr.splitlines()[0].startswith("360 readings of 1 device, 2026-01-05T20:00:00Z to 2026-01-06T01:59:00Z")
    with SqliteLog(tmp_path / "vorab.db", read_only=True) as log:
        assert dict(log.ends(topics.SYMPTOMS)) == ends


def test_test_cases_are_run(tmp_path: Path, rules: Path) -> None:
    """One line where all is fine; each difference, and exit code 1, where something is not."""
    file = tmp_path / "rules" / "hot.test.yaml"
    file.write_text(CASE, encoding="utf-8")
    assert call("test", rules.parent).output == "1 case in 1 file: fine\n"
    assert call("test", "-v", file).output == "ok    hot\n1 case in 1 file: fine\n"

    file.write_text(CASE.replace("5 min", "4 min"), encoding="utf-8")
    told = call("test", rules.parent, code=1).output.splitlines()
    machine = json.loads(call("test", "--json", rules.parent, code=1).output)

    assert told == [
        f"FAIL  hot  ({file}:2)",
        "      hot: raised at 5 min, expected 4 min (1 min late)",
        "1 case in 1 file: 1 failed",
    ]
    assert (machine["passed"], machine["cases"][0]["differences"]) == (False, ["hot: raised at 5 min, expected 4 min (1 min late)"])
    assert machine["cases"][0]["symptoms"][0]["rule"] == "hot"


def test_what_cannot_be_read_is_a_failure(tmp_path: Path, rules: Path) -> None:
    """A case that never ran has not passed; others run all the same."""
    (tmp_path / "rules" / "hot.test.yaml").write_text(CASE, encoding="utf-8")
    bad = tmp_path / "rules" / "bad.test.yaml"
    bad.write_text(CASE.replace("rule: hot", "rule: hott"), encoding="utf-8")

    told = call("test", rules.parent, code=1).output

    assert f"{bad}:5 [rule] there is no rule 'hott', did you mean hot?" in told
    assert told.endswith("1 case in 2 files: 1 problem\n")


def test_other_rules_can_be_put_to_the_same_cases(tmp_path: Path, rules: Path) -> None:
    """What is proposed must do what was expected of what is in force."""
    (tmp_path / "rules" / "hot.test.yaml").write_text(CASE, encoding="utf-8")
    proposed = tmp_path / "proposed.yaml"
    proposed.write_text(RULES.replace("above: 90", "above: 99"), encoding="utf-8")

    assert "hot: not raised" in call("test", rules.parent, "--rules", proposed, code=1).output


def test_rules_without_a_case_are_named(tmp_path: Path, rules: Path) -> None:
    """Where a folder was asked about; and a folder without any case is a mistake of the call."""
    rules.write_text(RULES + RULES.replace("rules:\n", "").replace("id: hot", "id: warm").replace("90", "99"), encoding="utf-8")
    told = CliRunner().invoke(app, ["test", str(rules.parent)])
    assert isinstance(told.exception, ConfigError)
    (tmp_path / "rules" / "hot.test.yaml").write_text(CASE, encoding="utf-8")

    assert "no case expects anything of warm" in call("test", rules.parent).output


def test_both_schemas_are_printed() -> None:
    """For editors."""
    assert json.loads(call("schema").output)["title"] == "vorab rules"
    assert json.loads(call("schema", "--tests").output)["title"] == "vorab test cases of rules"


@pytest.mark.parametrize("command", ["check", "test", "backtest", "schema"])
def test_help_has_examples(command: str) -> None:
    """Each command shows how it is typed."""
    assert f"vorab rules {command}" in call(command, "--help").output
