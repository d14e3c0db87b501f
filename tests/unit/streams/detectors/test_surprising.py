"""Surprise as a rule: when an episode begins and ends, what is said, and that nothing depends on calls or restarts."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from streams.detectors.shape import Change, Told
from streams.detectors.surprising import WORDS, SurpriseRule, Surprising
from tests.unit.streams.detectors.series import T0, Row, Said, Table, changes, history, one
from vorab.clock import MINUTE

STEP_S = 300


def rule(**more: Any) -> SurpriseRule:
    """A rule with the defaults."""
    base = {"id": "odd", "title": {"en": "x", "de": "x"}, "cause": "c", "detector": "surprise"}
    return SurpriseRule.model_validate({**base, **more})


class Restarting(Table):
    """A table that keeps what stands beside the columns, as detect does."""

    def again(self) -> None:
        """Die, and come back with what was written."""
        beside = self.detector.beside(0, self.state.n)
        super().again()
        self.detector.grow(self.state.n)
        self.detector.take_beside(0, self.state.n, beside)


def listen(
    given: SurpriseRule, rows: list[Row], chance: random.Random | None = None, limits: Mapping[str, float] | None = None
) -> list[Said]:
    """What is said, in one call or cut at random with restarts in between."""
    table, said, left = Restarting(Surprising, given, max(row.slot for row in rows) + 1, limits), [], list(rows)
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


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_the_same_readings_say_the_same_however_they_were_cut(seed: int) -> None:
    """In one call, or in many with restarts in between: to the last bit."""
    rows = history(seed, slots=3, length=180)
    some = rule(margin=1e-6, hold=3, calm=2, patience=9)

    assert repr(listen(some, rows)) == repr(listen(some, rows, random.Random(seed)))


def test_the_random_histories_reach_every_change() -> None:
    """Otherwise the test above would mean little."""
    some = rule(margin=1e-6, hold=3, calm=2, patience=9)
    seen = {said.change for seed in range(6) for said in listen(some, history(seed, slots=3, length=180))}

    assert seen == {Change.RAISED, Change.CLEARED, Change.ADAPTED}


def test_a_fault_is_raised_at_once_and_cleared_when_it_is_over() -> None:
    """A day 25 degrees too hot: onset at the first hot reading, cleared within hours after the last one."""
    values = daily()
    values[3000:3288] += 25

    found = [said for said in listen(rule(), one(values)) if said.at >= T0 + 2999 * 5 * MINUTE]

    assert found[0].change is Change.RAISED
    assert found[0].onset == T0 + 3000 * 5 * MINUTE
    assert found[0].at <= T0 + 3002 * 5 * MINUTE
    assert found[1].change is Change.CLEARED
    assert 3288 <= (found[1].at - T0) // (5 * MINUTE) < 3288 + 60


def test_what_stays_becomes_normal_without_proof() -> None:
    """Hot for good: after a thousand readings the episode ends as adapted, not as healed."""
    values = daily(20)
    values[3000:] += 25

    found = [(name, second // STEP_S) for name, second in changes(listen(rule(), one(values))) if second // STEP_S >= 3000]

    raised = found[0][1]
    assert found[0][0] == "RAISED"
    assert ("ADAPTED", raised + 1000) in found


def test_a_range_from_the_registry_is_used_from_the_start() -> None:
    """The limits of the device become the range; without them it is learned."""
    some = rule(low={"limit": "low"}, high={"limit": "high"})
    table = Table(Surprising, some, 1, {"low": 0.0, "high": 200.0})
    learned = Table(Surprising, some, 1, {})

    for each in (table, learned):
        each.tell(one([50.0, 51.0]))

    assert table.detector.beside(0, 1) != learned.detector.beside(0, 1)


@pytest.mark.parametrize("channel", range(len(WORDS)))
def test_every_channel_has_its_words(channel: int) -> None:
    """Signal, value, what it did and where it usually lies, in one breath."""
    told = Told("pressure", "bar", 7.2, T0, T0, T0, {"low": 1.5, "high": 4.25, "channel": float(channel), "beaten": 0.1})

    text = Surprising(rule()).say(rule(), Change.RAISED, told)

    assert text.startswith("pressure ")
    assert text.endswith("It is 7.2 bar; usually it lies between 1.5 and 4.25 bar.")
    assert "{" not in text


def test_a_moved_slot_takes_along_what_it_learned() -> None:
    """Slots move when rules change; the series goes on as if nothing had been."""
    rows = [Row(0, row.at, row.value) for row in one(daily(3))]
    table = Table(Surprising, rule(), 2)
    table.tell(rows)
    table.detector.move(0, 1)

    assert table.detector.beside(0, 1) == table.detector.beside(1, 2)


@pytest.mark.parametrize("wrong", [{"low": 1.0}, {"high": 1.0}, {"low": 2.0, "high": 1.0}, {"margin": 0}, {"hold": -1}, {"calm": 0}])
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """Half a range, a range upside down, settings out of bounds."""
    with pytest.raises(ValidationError):
        rule(**wrong)


def test_signals_are_chosen_by_patterns() -> None:
    """One pattern or several, less those to ignore; what a row says of itself is not judged."""
    some = rule(signals="temp*", ignore=("*_max",))

    assert some.looks_at("temperature")
    assert not some.looks_at("temp_max")
    assert not some.looks_at("pressure")
    assert not rule().looks_at("@messages")
