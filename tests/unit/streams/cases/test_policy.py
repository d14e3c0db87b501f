"""Written policy: what it decides, and what it says about mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.cases.playbook import Branch, Playbook, Step
from streams.cases.policy import HAND_OVER, NOBODY, History, Limits, Line, Remedy, json_schema, keys
from streams.cases.remedies import load_policy
from streams.detectors.silence import SilenceRule
from streams.rules.files import load_rules
from tests.unit.streams.cases.ward import REMEDIES, written
from vorab.errors import ConfigError
from vorab.records import Severity


def decide(model: str, cause: str, *, tenant: str = "main", detector: str = "threshold", severity: Severity = Severity.MAJOR) -> str:
    """What the worked example does."""
    return load_policy([REMEDIES]).decide(tenant=tenant, model=model, cause=cause, detector=detector, severity=severity).do


def test_the_worked_example_restarts_pump_printer_and_heat_pump() -> None:
    """Three models, one remedy."""
    assert {model: decide(model, "low_pressure") for model in ("pump", "printer", "heat-pump")} == {
        "pump": "restart", "printer": "restart", "heat-pump": "restart",
    }  # fmt: skip


def test_the_worked_example_leaves_to_people_what_machines_cannot_do() -> None:
    """Paper jams and recorded machines need a person; silence and oddities are watched first."""
    assert decide("printer", "paper_jam") == HAND_OVER
    assert decide("pump", "overheat", tenant="recorded") == HAND_OVER
    assert decide("pump", "silent", detector="silence") == "observe"
    assert decide("pump", "anomaly", detector="learned") == "observe"


def test_the_worked_example_takes_no_silence_for_proof() -> None:
    """What has to stay clear is watched for longer than it takes to notice that a machine fell silent."""
    longest = max(rule.after for rule in load_rules([REMEDIES.parent / "rules"]).rules if isinstance(rule, SilenceRule))
    policy = load_policy([REMEDIES])
    assert all(line.stays > longest for line in policy.lines if policy.steps(line))


def test_where_no_line_fits_a_person_looks() -> None:
    """Nothing is ever done to a machine nobody wrote a line for."""
    line = load_policy([REMEDIES]).decide(tenant="main", model="lift", cause="stuck", detector="threshold", severity=Severity.MAJOR)
    assert line is NOBODY


def test_the_first_line_that_fits_decides(tmp_path: Path) -> None:
    """Order is the files' names, then the order in the file."""
    (tmp_path / "2.yaml").write_text("policy: [{line: second, do: hand_over}]\n")
    (tmp_path / "1.yaml").write_text("policy: [{line: first, cause: [a, 'b*'], severity: [critical], do: observe}]\n")
    policy = load_policy([tmp_path])

    def line(cause: str, severity: Severity) -> str:
        return policy.decide(tenant="main", model="m", cause=cause, detector="threshold", severity=severity).line

    assert [line("a", Severity.CRITICAL), line("bc", Severity.CRITICAL), line("c", Severity.CRITICAL), line("a", Severity.MINOR)] == [
        "first", "first", "second", "second",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("policy:\n  - line: x\n    do: observe\n    obsrve: 30m\n", 4, "Extra inputs are not permitted"),
        ("policy:\n  - line: x\n    do: observe\n    observe: 30 minutes\n", 4, "is no duration; 90 s, 2 min, 1.5 h and 3 d are"),
        ("policy:\n  - do: observe\n", 2, "Field required"),
        ("remedies:\n  restart:\n    command: restart\n    limits: {out: 0}\n", 4, "greater than or equal to 1"),
        ("policy: [\n", 2, "not valid YAML"),
        ("policy:\n  - line: x\n    do: reboot\n", 3, "there is no remedy or playbook reboot"),
        ("policy:\n  - line: x\n    do: observe\n    severity: [terrible]\n", 4, "'critical', 'major', 'minor' or 'warning'"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    """Whoever writes policy is told where it is wrong, and how."""
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_policy([file])
    assert what in caught.value.what
    assert caught.value.file == str(file)
    assert caught.value.line == line


def test_a_remedy_is_written_once(tmp_path: Path) -> None:
    """Two files that define the same remedy are a mistake, not a matter of order."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("remedies: {restart: {command: restart}}\n")
    with pytest.raises(ConfigError, match="restart is written twice"):
        load_policy([tmp_path])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """No remedies by accident."""
    with pytest.raises(ConfigError, match="no such remedy file or folder"):
        load_policy([tmp_path / "gone"])


def test_the_schema_beside_the_remedies_is_the_one_of_the_code() -> None:
    """Editors check remedy files by it; `json_schema()` of streams.cases.policy, indented by one space, is what belongs there."""
    assert json.loads((REMEDIES / "schema.json").read_text(encoding="utf-8")) == json_schema()


def test_the_worked_example_knows_what_machines_say() -> None:
    """The first sentence of an agent uses the words of the messages."""
    says = load_policy([REMEDIES]).says
    assert says["low_pressure"] == "has reported low pressure since {when}"
    assert "other" not in says


def test_no_knowledge_is_no_mistake(tmp_path: Path) -> None:
    """Without the file, causes are called by their names."""
    assert load_policy([REMEDIES], knowledge=tmp_path).says == {}


def test_the_page_names_every_key() -> None:
    """The tables in docs/remedies.md are made from the code, and its example is read."""
    page = (REMEDIES.parent / "docs" / "remedies.md").read_text(encoding="utf-8")
    for part in (Remedy, Limits, Playbook, Step, Branch, Line, History):
        assert keys(part) in page
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert written(example).decide(
        tenant="main", model="pump", cause="vibration", detector="threshold", severity=Severity.MAJOR
    ).line == "a pump that hangs or runs dry is freed by a restart"  # fmt: skip
