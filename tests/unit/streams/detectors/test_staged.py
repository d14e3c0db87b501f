"""Thresholds with stages, and with n of the last m readings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors.columns import Runs
from streams.detectors.shape import Change, Episodes, Told
from streams.detectors.staged import Staged
from streams.detectors.threshold import Threshold, ThresholdRule
from tests.unit.streams.detectors.series import T0, Table, agrees, changes, history, listen, one, rule
from vorab.clock import Micros
from vorab.records import Severity

STAGES = [
    {"above": 25, "clear": 22, "severity": "minor"},
    {"above": 30, "severity": "major"},
    {"above": 40, "clear": 28, "severity": "critical"},
]


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: ThresholdRule) -> None:
        self.rule = given
        self.last: list[list[bool]] = [[] for _ in given.steps]
        self.since = [0 for _ in given.steps]
        self.stage, self.onset = 0, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        was, sign, fired = self.stage, self.rule.sign, 0
        gone = []
        for i, (limit, clear) in enumerate(self.rule.steps):
            assert isinstance(limit, float)
            beyond = value * sign > limit * sign
            if beyond and not any(self.last[i]):
                self.since[i] = at
            self.last[i] = [*self.last[i], beyond][-self.rule.of :] if self.rule.of else [*self.last[i], True] if beyond else []
            if beyond and sum(self.last[i]) >= self.rule.count and at - self.since[i] >= self.rule.hold:
                fired = i + 1
            back = not beyond if clear is None else value * sign < float(clear) * sign  # type: ignore[arg-type] # these tests say numbers
            gone.append(back and not any(self.last[i]))
        while self.stage and gone[self.stage - 1]:
            self.stage -= 1
        self.stage = max(self.stage, fired)
        if self.stage == was:
            return None
        if not was:
            self.onset = self.since[0]
        return Change.CLEARED if not self.stage else Change.UPDATED if was else Change.RAISED, self.onset


@given(
    st.integers(0, 10**6),
    st.sampled_from(
        [
            {"stages": STAGES},
            {"stages": STAGES, "count": 2, "for": "2 min"},
            {"stages": STAGES, "count": 2, "of": 4},
            {"above": 25, "clear": 23, "count": 2, "of": 3},
            {"below": 15, "count": 3, "of": 10},
            {"stages": [{"below": 15, "severity": "minor"}, {"below": 5, "clear": 9, "severity": "major"}]},
        ]
    ),
)
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, settings_: dict[str, Any]) -> None:
    """However the readings were cut, and whenever the process died."""
    settings = rule("threshold", **settings_)

    agrees(Threshold, settings, lambda: Plain(settings), history(seed), seed)


def severities(values: list[float], **more: Any) -> list[tuple[str, str]]:
    """What happens, with which severity."""
    table = Table(Threshold, rule("threshold", **more), 1)
    out = []
    for row in one(values):
        found: Episodes | None = table.detector.update(
            table.state, Runs(np.array([0]), apart=True), np.array([row.at]), np.array([row.value])
        )
        if found is not None:
            assert found.severity is not None
            out.append((Change(int(found.change[0])).name, list(Severity)[int(found.severity[0])].value))
    return out


def test_severity_goes_up_and_down_with_hysteresis_on_the_way_down() -> None:
    """One symptom, which is updated; what clears it carries the severity it had last."""
    assert severities([20, 26, 31, 41, 35, 29, 27, 24, 21], stages=STAGES) == [
        ("RAISED", "minor"),
        ("UPDATED", "major"),
        ("UPDATED", "critical"),
        ("UPDATED", "minor"),  # 27 is below 28, and no longer above 30
        ("CLEARED", "minor"),
    ]
    assert severities([20, 45, 10], stages=STAGES) == [("RAISED", "critical"), ("CLEARED", "critical")]


def test_sentences_of_stages_tell_which_limit() -> None:
    """Up, down, and out."""
    settings = rule("threshold", stages=STAGES)
    table = Table(Threshold, settings, 1)
    said = [
        table.detector.say(settings, each.change, Told("t", "K", row.value, 0, 0, 0, dict(each.numbers)))
        for row in one([26, 31, 29, 20])
        for each in table.tell([row])
    ]

    assert said == [
        "t is 26 K, above the limit of 25 K.",
        "t is 31 K now, above the limit of 30 K.",
        "t is back at 29 K, no longer beyond 30 K but beyond 25 K.",
        "t is back at 20 K, below 22 K.",
    ]


def test_three_of_five_need_not_come_in_a_row() -> None:
    """The onset is the first reading beyond since none of the last five was."""
    said = listen(Threshold, rule("threshold", above=90, count=3, of=5), one([95, 80, 95, 80, 95, 80, 80, 80, 80, 80]))

    assert changes(said) == [("RAISED", 4 * 300), ("CLEARED", 9 * 300)]
    assert said[0].onset == T0


def test_a_stage_that_forgets_its_clear_value_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hysteresis a value that trembles about a limit changes the severity each time."""
    trembling = [*[41.0, 39.0] * 5, 20]
    steady = severities(trembling, stages=STAGES)
    stage = Staged._stage
    monkeypatch.setattr(Staged, "_stage", staticmethod(lambda was, fired, gone: stage(was, fired, gone | ~fired)))

    assert len(steady) == 2
    assert len(severities(trembling, stages=STAGES)) > 5


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"stages": STAGES, "above": 3}, "not both"),
        ({"stages": [STAGES[1], STAGES[0]]}, "does not lie beyond"),
        ({"stages": [STAGES[0], {"below": 3, "severity": "major"}]}, "does not lie beyond|all below"),
        ({"stages": [{"above": 25, "clear": 26, "severity": "minor"}]}, "lies beyond the limit"),
        ({"above": 3, "count": 3, "of": 2}, "cannot be"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(wrong: dict[str, Any], reason: str) -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match=reason):
        rule("threshold", **wrong)
