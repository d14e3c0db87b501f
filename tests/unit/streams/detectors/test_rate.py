"""Rate of change: slopes over a time, at any intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors.columns import Columns, Runs
from streams.detectors.rate import LAST, OLD, Rate, RateRule
from streams.detectors.shape import Change, Episodes, Floats, Longs
from tests.unit.streams.detectors.series import T0, Row, agrees, changes, history, listen, one, raised, rule
from vorab.clock import SECOND, Micros

NEVER = 4e18


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: RateRule) -> None:
        self.rule = given
        self.readings: list[tuple[Micros, float]] = []
        self.kept: list[tuple[Micros, float]] = []
        """Medians, the three that were kept last at half the time from one another."""
        self.side, self.since, self.active, self.onset = 0, 0, False, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        if self.readings and at <= self.readings[-1][0]:
            return None
        found = None
        if len(self.readings) >= 1:
            found = self._judge(at, value)
        self.readings = [*self.readings[-1:], (at, value)]
        return found

    def _judge(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        time = self.readings[-1][0]
        last = [each for _, each in self.readings]
        middle = sorted([*last, value])[1] if len(last) == 2 else last[0]
        found = None
        if len(self.kept) == 3:
            age, change = time - self.kept[0][0], middle - self.kept[0][1]
            found = self._step(at, age, change)
        if not self.kept or time - self.kept[-1][0] >= self.rule.within / 2:
            self.kept = [*self.kept[-2:], (time, middle)]
        return found

    def _step(self, at: Micros, age: Micros, change: float) -> tuple[Change, Micros] | None:
        rise = NEVER if self.rule.rise is None else self.rule.rise / self.rule.per
        fall = NEVER if self.rule.fall is None else self.rule.fall / self.rule.per
        up = self.rule.rise is not None and change > rise * self.rule.clear * age
        down = self.rule.fall is not None and -change > fall * self.rule.clear * age
        side = 1 if up else -1 if down else 0
        if side and side != self.side:
            self.since = at
        goes_on, self.side = bool(side) and side == self.side, side
        if self.active and not goes_on:
            self.active = False
            return Change.CLEARED, self.onset
        if not self.active and side and abs(change) > (rise if side > 0 else fall) * age:
            self.active, self.onset = True, self.since
            return Change.RAISED, self.since
        return None


class Gullible(Rate):
    """The known-bad variant: takes every reading for what it says."""

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge."""
        found = super().update(state, runs, at, values)
        state.of["kept"][runs.slots, OLD] = state.of["kept"][runs.slots, LAST]
        return found


@given(st.integers(0, 10**6), st.sampled_from([{"rise": 1.0}, {"fall": 2.0}, {"rise": 2.0, "fall": 1.0}, {"rise": 1.0, "clear": 0}]))
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, limits: dict[str, float]) -> None:
    """However the readings were cut, and whenever the process died."""
    settings = rule("rate", per="3 min", within="3 min", **limits)

    agrees(Rate, settings, lambda: Plain(settings), history(seed), seed)


def test_a_fall_that_goes_on_is_told_and_cleared_when_it_ends() -> None:
    """Half a bar in ten minutes is too fast; cleared below half of that."""
    values = [*[3.0] * 20, *[3.0 - 0.08 * i for i in range(20)], *[1.4] * 20]
    said = listen(Rate, rule("rate", fall=0.5, per="10 min", within="10 min"), one(values, step_s=60))

    [(first, start), (last, end)] = changes(said)
    assert (first, last) == ("RAISED", "CLEARED")
    assert 20 * 60 < start < 35 * 60
    assert 40 * 60 < end < 60 * 60
    assert T0 + 20 * 60 * SECOND < said[0].onset < said[0].detected


def test_intervals_do_not_matter() -> None:
    """The same slope is told whether a reading comes every ten seconds or every five minutes."""
    settings = rule("rate", rise=5, per="1 h", within="20 min")
    for step in (10, 60, 300, 601):
        assert raised(listen(Rate, settings, one([6.0 * i * step / 3600 for i in range(20000 // step)], step_s=step)))
        assert not raised(listen(Rate, settings, one([4.0 * i * step / 3600 for i in range(20000 // step)], step_s=step)))


def test_a_jump_across_a_hole_is_no_fast_change() -> None:
    """Nobody knows how fast it was while nothing was read."""
    before, after = one([1.0] * 30, step_s=60), one([30.0] * 60, step_s=60, start=T0 + 10 * 3600 * SECOND)

    assert not raised(listen(Rate, rule("rate", rise=5, per="1 h", within="10 min"), [*before, *after]))
    assert raised(listen(Rate, rule("rate", rise=5, per="1 h", within="10 min"), one([1.0] * 30 + [30.0] * 60, step_s=60)))


def test_repeats_and_times_that_go_back_are_passed_over() -> None:
    """A reading that is not newer than the last says nothing about a rate."""
    rows = one([0.1 * i for i in range(60)], step_s=60)
    doubled = [each for row in rows for each in (row, Row(0, row.at - 30 * SECOND, 99.0))]
    settings = rule("rate", rise=5, per="1 h", within="10 min")

    assert listen(Rate, settings, doubled) == listen(Rate, settings, rows)


def test_one_odd_reading_is_no_change_and_a_detector_that_thinks_so_is_caught() -> None:
    """A spike is neither a rise nor, later, a fall."""
    rows = one([20.0] * 30 + [90.0] + [20.0] * 60, step_s=60)
    settings = rule("rate", rise=10, fall=10, per="10 min", within="10 min")

    assert not listen(Rate, settings, rows)
    assert listen(Gullible, settings, rows)


def test_a_rule_says_rise_or_fall() -> None:
    """One of them at least."""
    with pytest.raises(ValidationError, match="say rise or fall"):
        rule("rate", within="1 h")
