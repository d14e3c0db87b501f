"""Mistakes in the words of single detectors: each named with its line, its key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.rules.files import check


@pytest.mark.parametrize(
    ("words", "key", "reason"),
    [
        (
            "detector: expression\n    expression: t > 60 && pump == true",
            "expression",
            "column 16 (== true): == cannot be applied to (double, bool)",
        ),
        ("detector: expression\n    expression: t >", "expression", "column 4: mismatched input '<EOF>'"),
        ("detector: threshold\n    when: {days: mon-fry}", "when.days", "'mon-fry' is no day"),
        ("detector: threshold\n    when: {hours: '25:00-3'}", "when.hours", "'25:00-3' is no span of hours"),
        ("detector: threshold\n    when: {hour: '22:00-06:00'}", "when.hour", "unknown key, did you mean hours?"),
        ("detector: threshold\n    when: {zone: Mars}", "when.zone", "there is no time zone 'Mars', write for example Europe/Berlin"),
        ("detector: threshold\n    flap: {withn: 1 h}", "flap.withn", "unknown key, did you mean within?"),
        ("detector: threshold\n    flap: {times: 1}", "flap.times", "greater than or equal to 2"),
        ("detector: code\n    codes: {E42: {severty: major}}", "codes.E42.severty", "unknown key"),
        ("detector: seasonal\n    bins: 7", "bins", "12, 24, 48 or 96"),
        ("detector: seasonal\n    zone: Mars", "zone", "there is no time zone"),
        ("detector: peer\n    same: [colour]", "same.0", "'model', 'site', 'firmware' or 'cohort'"),
        ("detector: silence\n    when: {days: mon}", "", "silence is judged by when readings arrive, at all hours: leave out when"),
    ],
)
def test_a_mistake_has_a_line_a_key_and_a_reason(tmp_path: Path, words: str, key: str, reason: str) -> None:
    """And there is no other beside it."""
    rest = {"threshold": "\n    signal: t\n    above: 1", "silence": "\n    after: 3 min", "expression": ""}
    detector = words.split("\n", maxsplit=1)[0].removeprefix("detector: ")
    file = tmp_path / "rules.yaml"
    head = "rules:\n  - id: a\n    title: {en: a, de: a}\n    cause: c\n    "
    file.write_text(head + words + rest.get(detector, "\n    signal: t"), encoding="utf-8")

    [problem] = check([file]).problems
    assert (problem.line, problem.key) == (6 if key else 2, key)
    assert reason in problem.reason
