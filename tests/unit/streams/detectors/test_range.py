"""Range and plausibility: what cannot be, a few times in a short while."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors.columns import Columns, Runs
from streams.detectors.range import Range, RangeRule
from streams.detectors.shape import Change, Episodes, Floats, Longs, Told
from tests.unit.streams.detectors.series import T0, agrees, changes, history, listen, one, raised, rule
from vorab.clock import SECOND, Micros


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: RangeRule, low: float, high: float) -> None:
        self.rule, self.low, self.high = given, low, high
        self.good: tuple[Micros, float] | None = None
        self.last: list[bool] = []
        self.since, self.active, self.onset = 0, False, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        odd = not self.low <= value <= self.high or value in self.rule.codes
        if self.rule.jump is not None and self.good is not None:
            odd = odd or abs(value - self.good[1]) > self.rule.jump * max((at - self.good[0]) / self.rule.per, 1.0)
        if not odd:
            self.good = (at, value)
        if odd and not any(self.last):
            self.since = at
        self.last = [*self.last, odd][-(self.rule.of or self.rule.count) :]
        if not self.active and odd and sum(self.last) >= self.rule.count:
            self.active, self.onset = True, self.since
            return Change.RAISED, self.onset
        if self.active and not any(self.last):
            self.active = False
            return Change.CLEARED, self.onset
        return None


class Credulous(Range):
    """The known-bad variant: holds a jump against whatever was read last."""

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge."""
        found = super().update(state, runs, at, values)
        state.of["good"][runs.slots, 0], state.of["good"][runs.slots, 1] = values, at
        return found


SETTINGS: list[dict[str, Any]] = [
    {"low": 0.0, "high": 45.0},
    {"high": 45.0, "count": 3},
    {"jump": 5.0, "count": 2, "of": 5},
    {"low": {"limit": "floor"}, "high": {"limit": "nothing", "default": 50.0}, "jump": 8.0, "codes": {"20.0": "not connected"}, "of": 4},
]


@given(st.integers(0, 10**6), st.sampled_from(SETTINGS))
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, given_: dict[str, Any]) -> None:
    """However the readings were cut, and whenever the process died."""
    settings = rule("range", **given_)
    low, high = given_.get("low", float("-inf")), given_.get("high", float("inf"))
    low, high = 3.0 if isinstance(low, dict) else low, 50.0 if isinstance(high, dict) else high

    agrees(Range, settings, lambda: Plain(settings, low, high), history(seed), seed, limits={"floor": 3.0})


def test_single_odd_readings_count_after_some() -> None:
    """A spike an hour is radio; three within twenty readings are a loose contact. Cleared when the last twenty were fine."""
    calm, trouble = [3.0] * 20, [3.0, 4.5] * 3
    settings = rule("range", jump=0.4, per="5 min", count=3, of=20)

    assert not listen(Range, settings, one([*calm, 4.5, *calm, 4.5, *calm]))
    said = listen(Range, settings, one([*calm, *trouble, *calm]))
    assert changes(said) == [("RAISED", 25 * 300), ("CLEARED", 45 * 300)]
    assert said[0].onset == T0 + 21 * 300 * SECOND


def test_a_machine_that_really_is_somewhere_else_is_believed_in_the_end() -> None:
    """What is allowed grows with the time since the last plausible reading."""
    said = listen(Range, rule("range", jump=1.0, per="5 min", count=3), one([3.0] * 5 + [13.0] * 20))

    assert changes(said) == [("RAISED", 7 * 300), ("CLEARED", 16 * 300)]


def test_a_number_that_stands_for_a_fault_says_which() -> None:
    """-127 is what a DS18B20 says that is not there."""
    settings = rule("range", low=-40, high=60, codes={-127: "no such sensor is connected", 85: "the sensor has only just started"}, count=2)
    [found] = listen(Range, settings, one([20, -127, 85]))

    said = Range(settings).say(settings, found.change, Told("t", "Cel", 85.0, found.at, found.onset, found.detected, dict(found.numbers)))
    assert said == "t is 85 Cel: the sensor has only just started. 2 of the last 2 readings were odd."


def test_a_bound_tells_its_reason() -> None:
    """Why nothing else can be is the operator's own sentence."""
    settings = rule("range", high=10, reason="The pump cannot build up more")
    [found] = listen(Range, settings, one([3.0, 11.0]))

    said = Range(settings).say(settings, found.change, Told("p", "bar", 11.0, found.at, found.onset, found.detected, dict(found.numbers)))
    assert said == "p is 11 bar; nothing above 10 bar can be. The pump cannot build up more."


def test_a_way_back_is_no_jump_and_a_detector_that_thinks_so_is_caught() -> None:
    """A jump is measured from the last plausible reading, so that a spike is one odd reading and not two."""
    rows = one([3.0] * 10 + [9.0] + [3.0] * 10)
    settings = rule("range", jump=1.0, per="5 min", count=2, of=5)

    assert not raised(listen(Range, settings, rows))
    assert raised(listen(Credulous, settings, rows))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({}, "say low, high, jump or codes"), ({"low": 3, "high": 3}, "is not below"), ({"low": 1, "count": 3, "of": 2}, "cannot be")],
)
def test_a_rule_that_cannot_be_meant_is_refused(wrong: dict[str, Any], reason: str) -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match=reason):
        rule("range", **wrong)
