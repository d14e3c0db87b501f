"""Flat line: a value that stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.detectors.columns import Columns, Runs
from streams.detectors.flat import Flat, FlatRule
from streams.detectors.shape import Change, Episodes, Floats, Longs
from tests.unit.streams.detectors.series import T0, agrees, changes, history, listen, one, rule
from vorab.clock import SECOND, Micros


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: FlatRule) -> None:
        self.rule, self.since, self.count, self.active, self.onset = given, 0, 0, False, 0
        self.first: float | None = None

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        if self.first is None or abs(value - self.first) > self.rule.tolerance:
            self.first, self.since, self.count = value, at, 1
            if self.active:
                self.active = False
                return Change.CLEARED, self.onset
            return None
        self.count += 1
        long = self.count >= self.rule.count and at - self.since >= self.rule.hold
        if self.active or not long or any(abs(self.first - each) <= self.rule.tolerance for each in self.rule.besides):
            return None
        self.active, self.onset = True, self.since
        return Change.RAISED, self.since


class Creeping(Flat):
    """The known-bad variant: compares with the last reading instead of the first of the stay."""

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge."""
        found = super().update(state, runs, at, values)
        state.of["stay"][runs.slots, 0] = values
        return found


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.2]), st.sampled_from([(), (20.0,)]))
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, tolerance: float, besides: tuple[float, ...]) -> None:
    """However the readings were cut, and whenever the process died."""
    settings = rule("flat", tolerance=tolerance, count=4, besides=besides, **{"for": "3 min"})

    agrees(Flat, settings, lambda: Plain(settings), history(seed), seed)


def test_a_value_that_stays_is_told_and_the_first_that_moves_clears_it() -> None:
    """Ten readings and half an hour by default; the onset is the first reading of the stay."""
    said = listen(Flat, rule("flat"), one([70.1, 70.2, *[70.3] * 12, 70.4, 70.5]))

    assert changes(said) == [("RAISED", 11 * 300), ("CLEARED", 14 * 300)]
    assert said[0].onset == said[1].onset == T0 + 600 * SECOND


def test_readings_must_be_many_and_last_long() -> None:
    """Forty readings within a minute are no stuck sensor, nor are two that lie an hour apart."""
    assert not listen(Flat, rule("flat"), one([5.0] * 40, step_s=1))
    assert not listen(Flat, rule("flat"), one([5.0, 5.0], step_s=3600))


def test_values_that_may_stay_are_let_be() -> None:
    """A machine that is off stands at 0 all night."""
    assert not listen(Flat, rule("flat", besides=[0]), one([0.0] * 100))
    assert listen(Flat, rule("flat"), one([0.0] * 100))


def test_a_creep_is_no_stay_and_a_detector_that_thinks_so_is_caught() -> None:
    """The stay is held against its first reading."""
    creep = one([20 + i / 100 for i in range(60)])
    settings = rule("flat", tolerance=0.05)

    assert not listen(Flat, settings, creep)
    assert listen(Creeping, settings, creep)
