"""Rules: what may stand in a file, and how mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from streams.detectors.learning import LearnedRule
from streams.rules.files import check, default_folder, load_rules
from streams.rules.ruleset import RuleSet, json_schema, parse_rule
from streams.rules.words import parse_duration, say_duration
from tests.unit.streams.detecting import rule
from vorab.clock import HOUR, MINUTE, SECOND
from vorab.errors import ConfigError

GOOD = """rules:
  - id: hot
    title: {en: Too hot, de: Zu heiß}
    cause: overheat
    detector: threshold
    signal: temperature
    above: 90
    clear: 85
    for: 2 min
"""


def written(folder: Path, text: str, name: str = "rules.yaml") -> Path:
    """A rule file."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Units of time are µs inside; the defaults are filled in."""
    [hot] = load_rules([written(tmp_path, GOOD)])

    assert hot.model_dump(include={"id", "hold", "count", "above", "clear", "severity"}) == {
        "id": "hot",
        "hold": 2 * MINUTE,
        "count": 1,
        "above": 90.0,
        "clear": 85.0,
        "severity": "major",
    }


@pytest.mark.parametrize(
    ("change", "line", "key", "reason"),
    [
        (("above: 90", "abov: 90"), 7, "abov", "unknown key, did you mean above?"),
        (("above: 90", "above: 90\n    below: 10"), 2, "", "say either above or below"),
        (("    above: 90\n", ""), 2, "", "say either above or below"),
        (("clear: 85", "clear: 95"), 8, "clear", "clear 95 lies beyond the limit 90"),
        (("detector: threshold", "detector: magic"), 5, "detector", "unknown detector 'magic'; there are threshold, silence, learned"),
        (("    detector: threshold\n", ""), 2, "detector", "no detector"),
        (("for: 2 min", "for: 2"), 9, "for", "a duration needs a unit"),
        (("for: 2 min", "for: soon"), 9, "for", "'soon' is no duration"),
        (("for: 2 min", "count: 0"), 9, "count", "greater than or equal to 1"),
        (("above: 90", "above: high"), 7, "above", "a number, or {limit: name}"),
        (("above: 90", "above: {limt: warm}"), 7, "above.limt", "unknown key, did you mean limit?"),
        (("above: 90", "above: .nan"), 7, "above", "finite number"),
        (("id: hot", "id: Too hot"), 2, "id", "lower-case letters, digits"),
        (("de: Zu heiß", ""), 3, "title.de", "is missing"),
        (("above: 90", "above: {limit: warm, default: high}"), 7, "above.default", "must be a number"),
        (
            ("threshold\n    signal: temperature\n    above: 90\n    clear: 85\n    for: 2 min", "learned\n    options: {persit: 3}"),
            6,
            "options.persit",
            "unknown key, did you mean persist?",
        ),
        (("de: Zu heiß", "fr: Trop"), 3, "title.fr", "unknown key; there are en, de"),
        (("cause: overheat", "cause: overheat\n    cause: other"), 5, "cause", "given twice"),
        (("above: 90", "above: [90"), 8, "", "not valid YAML"),
        (("rules:", "rule:"), 1, "rule", "unknown key; a rule file has the one key `rules`"),
        (("rules:\n", ""), 1, "", "a rule file has the one key `rules`"),
    ],
)
def test_every_mistake_is_told_with_its_line(tmp_path: Path, change: tuple[str, str], line: int, key: str, reason: str) -> None:
    """File, line and reason, in words an operator can act on."""
    file = written(tmp_path, GOOD.replace(*change))

    problems = check([file]).problems

    assert [each for each in problems if (each.line, each.key) == (line, key) and reason in each.reason], problems
    with pytest.raises(ConfigError, match=r"rules\.yaml:\d+"):
        load_rules([file])


def test_an_id_may_be_used_once(tmp_path: Path) -> None:
    """Also across files; the message says where the other one stands."""
    first = written(tmp_path, GOOD, "a.yaml")

    [problem] = check([first, written(tmp_path, GOOD, "b.yaml")]).problems

    assert problem.file.endswith("b.yaml")
    assert f"{first}:2" in problem.reason


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Nobody wants to run a check once per mistake; good rules beside bad ones are read."""
    checked = check([written(tmp_path, GOOD + GOOD.replace("rules:\n", "").replace("id: hot", "id: b").replace("for: 2", "fro: 2"))])

    assert [rule.id for rule in checked.rules] == ["hot"]
    assert len(checked.problems) == 1


def test_a_bound_that_is_neither_number_nor_name_is_told_once(tmp_path: Path) -> None:
    """One line, not one for each thing it might have been."""
    [problem] = check([written(tmp_path, GOOD.replace("above: 90", "above: warm"))]).problems

    assert (problem.line, problem.key) == (7, "above")
    with pytest.raises(ConfigError, match=r"^above: a number, or"):
        load_rules([tmp_path])


def test_a_bound_from_the_registry_is_judged_as_one(tmp_path: Path) -> None:
    """Whoever writes {limit: …} is not told of numbers."""
    [problem] = check([written(tmp_path, GOOD.replace("above: 90", "above: {default: 3}"))]).problems

    assert (problem.key, problem.reason) == ("above.limit", "is missing")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "rules: []\n", "rules:\n"])
def test_a_file_without_rules_is_a_mistake(tmp_path: Path, text: str) -> None:
    """An installation that watches nothing must not look as if all were well."""
    assert len(check([written(tmp_path, text)]).problems) == 1


def test_a_path_on_the_command_line_is_not_blamed_on_the_settings(tmp_path: Path) -> None:
    """Only what the settings name stands in the settings."""
    from vorab.cli.rules import app

    with pytest.raises(ConfigError, match=r"streams\.rules"):
        load_rules([tmp_path / "nowhere.yaml"])
    told = CliRunner().invoke(app, ["check", str(tmp_path / "nowhere.yaml")])
    assert isinstance(told.exception, ConfigError)
    assert "streams.rules" not in str(told.exception)


def test_folders_are_searched_and_empty_ones_told(tmp_path: Path) -> None:
    """A folder without rules is a mistake, and so is a path that leads nowhere."""
    with pytest.raises(ConfigError, match="no rule files"):
        load_rules([tmp_path])
    with pytest.raises(ConfigError, match="no such rule file"):
        load_rules([tmp_path / "nowhere.yaml"])
    written(tmp_path, GOOD)
    assert len(load_rules([tmp_path])) == 1


def test_words_that_look_like_truth_values_or_dates_stay_words(tmp_path: Path) -> None:
    """Signals may be called `on`; YAML 1.1 would make it true."""
    [found] = load_rules([written(tmp_path, GOOD.replace("signal: temperature", "signal: on").replace("en: Too hot", "en: 2026-11-23"))])

    assert found.model_dump()["signal"] == "on"
    assert found.title.en == "2026-11-23"


def test_the_version_follows_from_what_a_rule_says_not_from_how_it_is_written(tmp_path: Path) -> None:
    """Order of keys, spelling of durations and defaults do not matter; a limit does."""
    [one] = load_rules([written(tmp_path, GOOD)])
    same = GOOD.replace("    above: 90\n    clear: 85\n    for: 2 min", "    for: 120 s\n    count: 1\n    clear: 85.0\n    above: 90")
    [two] = load_rules([written(tmp_path, same)])
    [three] = load_rules([written(tmp_path, GOOD.replace("90", "91"))])

    assert one.version == two.version != three.version
    assert len(one.version) == 12


@pytest.mark.parametrize(("text", "us"), [("90 s", 90 * SECOND), ("2min", 2 * MINUTE), ("30m", 30 * MINUTE), ("1.5 h", 90 * MINUTE)])
def test_durations_are_read(text: str, us: int) -> None:
    """With a unit, with or without a space."""
    assert parse_duration(text) == us


@given(st.integers(1, 10**6))
def test_durations_are_said_as_they_are_read(seconds: int) -> None:
    """Whole seconds survive saying, up to the rounding of odd minutes."""
    said = parse_duration(say_duration(seconds * SECOND))

    assert isinstance(said, int)
    assert abs(said - seconds * SECOND) <= 3 * SECOND


def test_rules_survive_their_own_writing() -> None:
    """State keeps rules as JSON, so that what a withdrawn rule raised can be ended."""
    rules = [*load_rules(), rule("threshold", "x", below={"limit": "low"}, **{"for": "90 s"}), rule("learned", "y", options={"persist": 3})]

    assert [parse_rule(each.model_dump_json(by_alias=True)) for each in rules] == rules


def test_options_of_the_learned_detector_are_checked() -> None:
    """Unknown ones are refused; durations have units; what is given reaches the detector."""
    good = rule("learned", options={"persist": 3, "warm_up_us": "1 d"})

    assert isinstance(good, LearnedRule)
    assert (good.config.persist, good.config.warm_up_us) == (3, 24 * HOUR)
    with pytest.raises(ValidationError, match="extra"):
        rule("learned", options={"persists": 3})
    with pytest.raises(ValidationError, match="persist"):
        rule("learned", options={"persist": "often"})


def test_two_rules_cannot_share_an_id() -> None:
    """Whoever builds a set by hand is told."""
    with pytest.raises(ValueError, match="share an id"):
        RuleSet([rule("threshold", "a", above=1), rule("silence", "a", after="1 min")])


def test_patterns_choose_devices() -> None:
    """Model, device and tenant must all match; * alone matches the unknown model."""
    rules = RuleSet(
        [
            rule("threshold", "any", above=1),
            rule("threshold", "pumps", above=1, applies={"models": ["pump*", "fan"]}),
            rule("threshold", "one", above=1, applies={"devices": ["d-1?"], "tenants": ["main"]}),
        ]
    )

    assert [each.id for each in rules.of_device("main", "d-11", "")] == ["any", "one"]
    assert [each.id for each in rules.of_device("other", "d-11", "pump-x")] == ["any", "pumps"]
    assert [each.id for each in rules.of_device("main", "d-1", "fan")] == ["any", "pumps"]


def test_the_schema_beside_the_rules_is_the_one_of_the_code() -> None:
    """Editors check rule files by it; `vorab rules schema > rules/schema.json` writes it anew."""
    assert json.loads((default_folder() / "schema.json").read_text(encoding="utf-8")) == json_schema()


def test_the_command_names_file_line_and_reason(tmp_path: Path) -> None:
    """Exit code 1 and one line per problem; JSON for machines."""
    from vorab.cli.rules import app

    bad = written(tmp_path, GOOD.replace("above: 90", "abov: 90"))

    told = CliRunner().invoke(app, ["check", str(bad)])
    machine = CliRunner().invoke(app, ["check", "--json", str(bad)])
    fine = CliRunner().invoke(app, ["check", str(default_folder())])

    assert told.exit_code == 1
    assert f"{bad}:7 [abov] unknown key" in told.output
    assert "0 rules in 1 file: 1 problem\n" in told.output
    assert json.loads(machine.output)["problems"][0]["line"] == 7
    assert (fine.exit_code, fine.output.endswith("fine\n")) == (0, True)
