"""Unusual as a rule: when an episode begins and ends, what is said, and that nothing depends on calls or restarts."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from streams.detectors.second_stage import CHANNELS, SecondStage
from streams.detectors.shape import Change, Told
from streams.detectors.unusual import WHAT, Unusual, UnusualRule
from streams.rules.ruleset import parse_rule
from tests.unit.streams.detectors.series import T0, Row, Said, Table, changes, history, one
from vorab.clock import MINUTE

STEP_S = 300


def rule(**more: Any) -> UnusualRule:
    """A rule with the defaults."""
    base = {"id": "odd", "title": {"en": "x", "de": "x"}, "cause": "c", "detector": "unusual"}
    return UnusualRule.model_validate({**base, **more})


class Restarting(Table):
    """A table that keeps what stands beside the columns, as detect does."""

    def again(self) -> None:
        """Die, and come back with what was written."""
        beside = self.detector.beside(0, self.state.n)
        super().again()
        self.detector.grow(self.state.n)
        self.detector.take_beside(0, self.state.n, beside)


class Forgetful(Restarting):
    """Known-bad: the second stage does not survive a restart."""

    def again(self) -> None:
        """Die, and come back with half of what was written."""
        super().again()
        assert isinstance(self.detector, Unusual)
        self.detector.stage = SecondStage(self.detector.stage.config, self.state.n)


def listen(given: UnusualRule, rows: list[Row], chance: random.Random | None = None, kind: type[Restarting] = Restarting) -> list[Said]:
    """What is said, in one call or cut at random with restarts in between."""
    table, said, left = kind(Unusual, given, max(row.slot for row in rows) + 1), list[Said](), list(rows)
    while left:
        size = len(left) if chance is None else chance.choice([1, 2, 5, 40])
        said += table.tell(left[:size])
        left = left[size:]
        if chance is not None and chance.random() < 0.2:
            table.again()
    return sorted(said)


def daily(days: int = 14) -> NDArray[np.float64]:
    """A daily curve at five minutes with a little noise."""
    k = np.arange(288 * days)
    return np.asarray(50 + 10 * np.sin(2 * np.pi * k / 288) + np.random.default_rng(1).normal(0, 0.5, len(k)))


def slow(seed: int, length: int) -> list[Row]:
    """A random history, so much slower that days pass: nobody is called in the first two."""
    return [row._replace(at=T0 + (row.at - T0) * 1000) for row in history(seed, slots=3, length=length)]


EAGER = rule(threshold=1e-6, hold=3, calm=2, patience=9)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_the_same_readings_say_the_same_however_they_were_cut(seed: int) -> None:
    """In one call, or in many with restarts in between: to the last bit."""
    rows = slow(seed, 220)

    assert repr(listen(EAGER, rows)) == repr(listen(EAGER, rows, random.Random(seed)))


@pytest.mark.slow
def test_the_random_histories_reach_every_change_and_catch_a_stage_that_forgets() -> None:
    """Otherwise the test above would mean little."""
    histories = [slow(seed, 260) for seed in range(8)]

    assert {said.change for rows in histories for said in listen(EAGER, rows)} >= {Change.RAISED, Change.CLEARED}
    assert any(listen(EAGER, rows) != listen(EAGER, rows, random.Random(n), Forgetful) for n, rows in enumerate(histories))


@pytest.mark.slow
def test_a_fault_is_raised_at_once_and_cleared_when_it_is_over() -> None:
    """A day 25 degrees too hot: onset at the first hot reading, cleared within hours after the last one."""
    values = daily()
    values[3000:3288] += 25

    found = [said for said in listen(rule(), one(values)) if said.at >= T0 + 2999 * 5 * MINUTE]

    assert [each.change for each in found[:2]] == [Change.RAISED, Change.CLEARED]
    assert found[0].onset == T0 + 3000 * 5 * MINUTE
    assert found[0].at <= T0 + 3002 * 5 * MINUTE
    assert 3288 <= (found[1].at - T0) // (5 * MINUTE) < 3288 + 60


@pytest.mark.slow
def test_what_stays_becomes_normal_without_proof() -> None:
    """Hot for good: after a thousand readings the episode ends as adapted, not as healed."""
    values = daily(20)
    values[3000:] += 25

    found = [(name, second // STEP_S) for name, second in changes(listen(rule(), one(values))) if second // STEP_S >= 3000]

    assert found[0][0] == "RAISED"
    assert ("ADAPTED", found[0][1] + 1000) in found


@pytest.mark.slow
def test_quiet_weeks_say_nothing() -> None:
    """Two of a daily curve."""
    assert listen(rule(), one(daily())) == []


def test_every_channel_has_its_words() -> None:
    """And the sentence names value and usual range."""
    told = Told("t", "Cel", 71.0, T0, T0, T0, {"channel": 1.0, "low": 20.0, "high": 40.0, "evidence": 1.2})
    detector = Unusual(rule())

    assert len(WHAT) == CHANNELS
    assert detector.say(rule(), Change.RAISED, told) == (
        "t averages more than it has, over about 5 readings. It is 71 Cel; usually it lies between 20 and 40 Cel."
    )
    assert "does what it usually does again" in detector.say(rule(), Change.CLEARED, told)
    assert "new normal" in detector.say(rule(), Change.ADAPTED, told)


def test_a_rule_looks_at_patterns_of_signals() -> None:
    """Not at what a row says of itself; one pattern may stand without a list."""
    some = rule(signals="temp*", ignore=["temp_raw"])

    assert [some.looks_at(name) for name in ("temp", "temp_raw", "pressure", "@boot")] == [True, False, False, False]
    assert isinstance(parse_rule(some.model_dump_json(by_alias=True)), UnusualRule)
    with pytest.raises(ValidationError):
        rule(threshold=0)
