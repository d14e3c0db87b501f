"""Test cases of rules: what may be written, what is told where it is wrong, and what differs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.rules.files import default_folder, files_of, load_rules
from streams.rules.ruleset import RuleSet
from streams.rules.yamlfiles import compose, value_of
from streams.trials.rulecases import case_files, json_schema, parse_when, read_cases
from streams.trials.rulecases_run import Result, run, unknown_rules
from streams.trials.series import parse_series
from tests.unit.streams.detecting import rule
from vorab.clock import MINUTE, SECOND
from vorab.errors import ConfigError

HOT = rule("threshold", "hot", above=90, clear=85, count=2)
GONE = rule("silence", "gone", after="5 min")
GOOD = """cases:
  - name: it gets hot
    every: 1 min
    readings: {t: 20x5 95x3 80x2}
    expect:
      - {rule: hot, onset: 5 min, raised: 6 min, cleared: 8 min}
"""


def written(folder: Path, text: str, name: str = "hot.test.yaml") -> Path:
    """A file of test cases."""
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def ran(folder: Path, text: str, rules: Sequence[object] = (HOT, GONE)) -> list[Result]:
    """How the cases of a text go."""
    tests, problems = read_cases(written(folder, text))
    assert tests is not None, problems
    return [run(each, RuleSet(rules)) for each in tests.cases]  # type: ignore[arg-type]  # rules are rules


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("20x3 21", [20.0, 20.0, 20.0, 21.0]),
        ("22+1x3 5-0.5x3", [22.0, 23.0, 24.0, 5.0, 4.5, 4.0]),
        ("_ 1 _x2", [None, 1.0, None, None]),
        ("true false", [True, False]),
        ("'E17'x2 'a b' \"c\"", ["E17", "E17", "a b", "c"]),
        ("-2+1x3 1e3 .5", [-2.0, -1.0, 0.0, 1000.0, 0.5]),
        ("0.1+0.1x3", [0.1, 0.2, 0.3]),
    ],
)
def test_a_line_of_text_is_a_series_of_readings(text: str, readings: list[object]) -> None:
    """x5 is five readings, not six; steps do not gather what binary fractions leave."""
    assert parse_series(text) == readings


def test_noise_is_the_same_on_every_run_and_another_for_every_series() -> None:
    """A case that passed yesterday passes today."""
    one, two = parse_series("20~0.5x500", "a"), parse_series("20~0.5x500", "b")

    assert one == parse_series("20~0.5x500", "a") != two
    assert {round(sum(float(value or 0) for value in each) / 500) for each in (one, two)} == {20}


@pytest.mark.parametrize("text", ["20y3", "x5", "E17", "20x", "1..2", "_5", "20x2000000"])
def test_what_is_no_series_is_refused(text: str) -> None:
    """With the part that cannot be read, and an example."""
    with pytest.raises(ValueError, match=r"is no reading|million|1,000,000"):
        parse_series(text)


@given(st.text("0123456789.+-~x_'E tru", max_size=30))
def test_any_text_is_a_series_or_a_mistake(text: str) -> None:
    """Nothing else comes of it."""
    try:
        assert all(value is None or isinstance(value, float | bool | str) for value in parse_series(text))
    except ValueError as error:
        assert str(error)


def test_a_case_that_is_as_expected_passes(tmp_path: Path) -> None:
    """Onset, raised and cleared, after the start or as times of day, exact or between two."""
    text = GOOD + (
        "  - name: the same by the clock\n"
        "    start: 2026-03-01T22:00:00+01:00\n"
        "    readings: {t: [20, 20, 95, 95, 80]}\n"
        "    expect:\n"
        "      - {rule: hot, onset: 2026-03-01T21:02:00Z, raised: 1 min .. 4 min, cleared: 2026-03-01T21:03:30Z .. 2026-03-01T21:05:00Z}\n"
        "  - {name: nothing, readings: {t: 20x10 95 20}, expect: []}\n"
    )

    assert [each.differences for each in ran(tmp_path, text)] == [[], [], []]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("raised: 6 min", "raised: 5 min"), ["hot: raised at 6 min, expected 5 min (1 min late)"]),
        (("onset: 5 min", "onset: 6 min .. 8 min"), ["hot: onset at 5 min, expected 6 min .. 8 min (1 min early)"]),
        (("cleared: 8 min", "cleared: never"), ["hot: cleared at 8 min, expected never: t is back at 80, below 85."]),
        (("80x2", "90x2"), ["hot: never cleared, expected 8 min"]),
        (("cleared: 8 min", "severity: critical"), ["hot: severity major, expected critical"]),
        (("95x3", "20x3"), ["hot: not raised"]),
        (("rule: hot", "rule: gone"), ["gone: not raised", "hot: raised at 6 min, cleared at 8 min, and nobody expects it: t is 95"]),
        (
            ("20x5", "20x5 _x6"),
            [
                "hot: onset at 11 min, expected 5 min (6 min late)",
                "hot: raised at 12 min",
                "hot: cleared at 14 min",
                "gone: raised at 9 min",
            ],
        ),
    ],
)
def test_every_difference_is_told_in_words(tmp_path: Path, change: tuple[str, str], told: list[str]) -> None:
    """Known bad: what was expected, what came, and by how much it is off."""
    [result] = ran(tmp_path, GOOD.replace(*change))

    assert not result.passed
    assert len(result.differences) == len(told)
    assert all(line.startswith(start) for line, start in zip(result.differences, told, strict=True)), result.differences


def test_a_rule_that_does_not_look_is_told_with_the_reason(tmp_path: Path) -> None:
    """The model of the device is what people forget first."""
    pumps = rule("threshold", "hot", above=90, applies={"models": ["pump"]})
    [result] = ran(tmp_path, GOOD, [pumps])
    [alone] = ran(tmp_path, GOOD.replace("    every: 1 min", "    only: [gone]"))

    assert result.differences == ["hot: not raised; it looks at none of the devices (models: none)"]
    assert alone.differences == ["hot: not raised; `only` leaves it out"]


def test_several_devices_are_told_apart(tmp_path: Path) -> None:
    """Each with its own model, limits and pace."""
    text = """cases:
  - name: two
    devices:
      a: {model: pump, limits: {warm: 50}, every: 30 s, readings: {t: 60x4}}
      b: {model: pump, readings: {t: 60x2}}
    expect: [{rule: warm, device: a, raised: 0 s}]
"""
    warm = rule("threshold", "warm", above={"limit": "warm", "default": 70}, applies={"models": ["pump"]})

    assert [each.differences for each in ran(tmp_path, text, [warm])] == [[]]
    [wrong] = ran(tmp_path, text.replace("default: 70", "").replace("device: a", "device: b"), [warm])
    assert wrong.differences[0] == "warm on b: not raised"
    assert wrong.differences[1].startswith("warm on a: raised at 0 s")


def test_devices_are_compared_with_their_like(tmp_path: Path) -> None:
    """A case has the whole cohort: what moves all of them is nobody's fault, what moves one is."""
    others = "".join(f"      d{i}: {{model: pump, readings: {{t: 20~0.3x120 25~0.3x420}}}}\n" for i in range(7))
    text = "cases:\n  - name: odd\n    until: 10 h\n"
    text += "    expect: [{rule: odd, device: g, raised: 4 h .. 5 h, cleared: 7 h .. 8 h}]\n"
    text += f"    devices:\n{others}      g: {{model: pump, readings: {{t: 20~0.3x120 25~0.3x120 31~0.3x180 25~0.3x120}}}}\n"

    assert [each.differences for each in ran(tmp_path, text, [rule("peer", "odd", signal="t")])] == [[]]


def test_readings_may_come_from_a_csv_file(tmp_path: Path) -> None:
    """Times after the start count from its first reading; its one device is the device of the case."""
    rows = "".join(f"{1_770_000_000 + 60 * i},{95 if i >= 5 else 20}\n" for i in range(8))
    (tmp_path / "day.csv").write_text("timestamp,t\n" + rows, encoding="utf-8")
    text = GOOD.replace("readings: {t: 20x5 95x3 80x2}", "csv: day.csv").replace("cleared: 8 min", "cleared: never")

    assert [each.differences for each in ran(tmp_path, text)] == [[]]
    (tmp_path / "day.csv").write_text("timestamp,t\n" + rows + "soon,3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"day\.csv:10 \[timestamp\]"):
        ran(tmp_path, text)


def test_time_goes_on_after_the_last_reading(tmp_path: Path) -> None:
    """Silence is what comes of it."""
    text = "cases: [{name: gone, readings: {t: 20x3}, until: 20 min, expect: [{rule: gone, raised: 7 min, cleared: never}]}]"

    assert [each.differences for each in ran(tmp_path, text)] == [[]]
    assert [each.differences for each in ran(tmp_path, text.replace(", until: 20 min", ""))] == [["gone: not raised"]]


@pytest.mark.parametrize(
    ("change", "line", "key", "reason"),
    [
        (("every", "evry"), 3, "cases.0.evry", "unknown key, did you mean every?"),
        (("onset: 5 min", "onst: 5 min"), 6, "cases.0.expect.0.onst", "unknown key, did you mean onset?"),
        (("onset: 5 min", "onset: soon"), 6, "cases.0.expect.0.onset", "'soon' is not a time after the start"),
        (("onset: 5 min", "onset: 9 min .. 5 min"), 6, "cases.0.expect.0.onset", "is not a time after the start"),
        (("20x5", "20*5"), 4, "cases.0.readings.t", "'20*5' is no reading"),
        (("    readings: {t: 20x5 95x3 80x2}\n", ""), 2, "cases.0", "there are no readings"),
        (
            ("    expect:\n      - {rule: hot, onset: 5 min, raised: 6 min, cleared: 8 min}\n", ""),
            2,
            "cases.0.expect",
            "[] says that nothing",
        ),
        (("    every: 1 min\n", "    every: 1 min\n    every: 2 min\n"), 4, "every", "given twice"),
        (("cases:", "case:"), 1, "case", "unknown key, did you mean cases?"),
        (("rule: hot", "device: x, rule: hot"), 2, "cases.0", "there is no device 'x'; there are device"),
        (("{t: 20x5", "[t: 20x5"), 4, "", "not valid YAML"),
        ((GOOD, ""), 1, "", "the file is empty"),
    ],
)
def test_every_mistake_is_told_with_its_line(tmp_path: Path, change: tuple[str, str], line: int, key: str, reason: str) -> None:
    """File, line and reason, and what was probably meant."""
    tests, problems = read_cases(written(tmp_path, GOOD.replace(*change)))

    assert tests is None
    assert [each for each in problems if (each.line, each.key) == (line, key) and reason in each.reason], problems


def test_a_rule_that_nobody_wrote_is_a_mistake(tmp_path: Path) -> None:
    """A case for a rule that was renamed must not pass for ever."""
    tests, _ = read_cases(written(tmp_path, GOOD.replace("rule: hot", "rule: hott")))

    assert tests is not None
    assert [str(each) for each in unknown_rules(tests.cases[0], RuleSet([HOT]))] == [
        f"{tests.file}:6 [rule] there is no rule 'hott', did you mean hot?"
    ]


def test_times_are_read_as_people_write_them() -> None:
    """After the start, by the clock, or between two."""
    assert parse_when("25 min") == (25 * MINUTE, 25 * MINUTE, True)
    assert parse_when(0) == (0, 0, True)
    assert parse_when("90 s .. 2 min") == (90 * SECOND, 2 * MINUTE, True)
    assert parse_when("2026-01-05T00:00:01Z") == (1_767_571_201 * SECOND, 1_767_571_201 * SECOND, False)


def test_test_files_are_found_and_are_no_rules(tmp_path: Path) -> None:
    """Beside the rules and in a folder of their own; whoever loads the folder loads rules only."""
    rules = "rules: [{id: hot, title: {en: a, de: b}, cause: c, detector: threshold, signal: t, above: 90, count: 2, clear: 85}]"
    (tmp_path / "hot.yaml").write_text(rules, encoding="utf-8")
    beside, inside = written(tmp_path, GOOD), written(tmp_path / "tests", GOOD, "hot.yaml")

    assert sorted(case_files([tmp_path])) == sorted([beside, inside])
    assert case_files([tmp_path / "hot.yaml"]) == [beside, inside]
    assert case_files([inside, tmp_path / "tests"]) == [inside]
    assert files_of([tmp_path]) == [tmp_path / "hot.yaml"]
    for file in (beside, inside):
        tests, _ = read_cases(file)
        assert tests is not None
        assert [rule.id for rule in load_rules(tests.rules)] == ["hot"]
    with pytest.raises(ConfigError, match="no such file"):
        case_files([tmp_path / "nowhere"])


@pytest.mark.slow
def test_the_cases_that_come_with_vorab_pass() -> None:
    """The example shows what it tests."""
    rules, results = load_rules(), []
    for file in case_files([default_folder()]):
        tests, problems = read_cases(file)
        assert tests is not None, problems
        results += [run(each, rules) for each in tests.cases]

    assert {result.written.case.name: result.differences for result in results if not result.passed} == {}
    assert len(results) >= 13


def test_the_schema_beside_the_rules_is_the_one_of_the_code() -> None:
    """Editors complete test cases by it; `vorab rules schema --tests > rules/tests.schema.json` writes it anew."""
    assert json.loads((default_folder() / "tests.schema.json").read_text(encoding="utf-8")) == json_schema()


def test_the_schema_takes_what_the_code_takes() -> None:
    """The examples are valid by it, and a slip is not."""
    check = jsonschema.Draft202012Validator(json_schema())
    texts = [file.read_text(encoding="utf-8") for file in case_files([default_folder()])] + [GOOD]

    assert [list(check.iter_errors(value_of(compose(text, "")))) for text in texts] == [[]] * len(texts)
    assert list(check.iter_errors(value_of(compose(GOOD.replace("expect", "expct"), ""))))
