"""Counters: reset, stuck, rolled over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import counter
from streams.detectors.counter import Counter, CounterRule
from streams.detectors.shape import Change
from tests.unit.streams.detectors.series import Row, agrees, changes, history, listen, one, raised, rule
from tests.unit.streams.detectors.test_often import Window
from vorab.clock import Micros


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: CounterRule) -> None:
        self.rule, self.window = given, Window(given.within)
        self.last: float | None = None
        self.stay: tuple[Micros, int] = (0, 0)
        self.active, self.onset = False, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        last, self.last = self.last, value
        self.stay = (self.stay[0], self.stay[1] + 1) if value == last else (at, 1)
        if self.rule.stuck is not None:
            since, count = self.stay
            return self._step(count >= self.rule.count and at - since >= self.rule.stuck, value != last, since)
        reset = last is not None and last > 0 and value < last / 2 and not any(self._rolled(wrap, last, value) for wrap in self.rule.wraps)
        count = self.window.count(at, happened=reset)
        return self._step(reset and count >= (self.rule.resets or 0), count == 0, self.window.since)

    def _step(self, bad: bool, over: bool, since: Micros) -> tuple[Change, Micros] | None:
        if self.active and over:
            self.active = False
            return Change.CLEARED, self.onset
        if bad and not self.active:
            self.active, self.onset = True, since
            return Change.RAISED, since
        return None

    @staticmethod
    def _rolled(wrap: float, last: float, value: float) -> bool:
        return 0.9 * wrap <= last < wrap and value + wrap - last <= 0.1 * wrap


@given(
    st.integers(0, 10**6),
    st.sampled_from([{"resets": 1, "within": "5 min"}, {"resets": 2, "within": "10 min", "wraps": [60]}, {"stuck": "2 min"}]),
)
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, settings_: dict[str, Any]) -> None:
    """However the readings were cut, and whenever the process died."""
    settings = rule("counter", **settings_)
    rows = [Row(row.slot, row.at, abs(row.value)) for row in history(seed)]

    agrees(Counter, settings, lambda: Plain(settings), rows, seed)


def test_a_counter_that_begins_anew_is_told_and_cleared_when_it_counts_on() -> None:
    """The hour after it must be without another one."""
    said = listen(Counter, rule("counter", resets=1), one([*range(100, 130), *range(40)]))

    assert changes(said) == [("RAISED", 30 * 300), ("CLEARED", changes(said)[1][1])]
    assert 12 * 300 <= changes(said)[1][1] - 30 * 300 <= 17 * 300


@pytest.mark.parametrize("wrap", [2**16, 2**32])
def test_rolling_over_is_counting_on_and_a_detector_that_thinks_otherwise_is_caught(wrap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """65,535 and then 3 is four more; 30,000 and then 3 is a reset."""
    over = one([(wrap - 20 + 7 * i) % wrap for i in range(20)])

    assert not raised(listen(Counter, rule("counter", resets=1), over))
    assert raised(listen(Counter, rule("counter", resets=1), one([30_000, 30_010, 3, 10])))
    monkeypatch.setattr(counter, "WRAP_SHARE", 0.0)
    assert raised(listen(Counter, rule("counter", resets=1), over))


def test_a_small_fall_is_a_correction() -> None:
    """A meter that was read again, or rounded, has not begun anew."""
    assert not listen(Counter, rule("counter", resets=1), one([1000, 1010, 1009.5, 1020, 900, 1030]))


def test_a_counter_that_stands_still_is_told() -> None:
    """Pages that are printed must be counted."""
    said = listen(Counter, rule("counter", stuck="1 h"), one([*range(10), *[9] * 20, 10]))

    assert changes(said) == [("RAISED", (9 + 12) * 300), ("CLEARED", 30 * 300)]


@pytest.mark.parametrize("wrong", [{}, {"resets": 1, "stuck": "1 h"}])
def test_a_rule_says_either_resets_or_stuck(wrong: dict[str, Any]) -> None:
    """They are different troubles."""
    with pytest.raises(ValidationError, match="say either resets or stuck"):
        rule("counter", **wrong)
