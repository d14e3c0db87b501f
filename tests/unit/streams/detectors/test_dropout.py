"""Dropout: readings that were due and did not come."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors.dropout import Dropout, DropoutRule
from streams.detectors.shape import Change
from tests.unit.streams.detectors.series import T0, Row, agrees, changes, history, listen, one, raised, rule
from vorab.clock import MINUTE, SECOND, Micros


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: DropoutRule) -> None:
        self.rule = given
        self.last: Micros | None = None
        self.usual: float | None = None
        self.count, self.share, self.active, self.onset = 0, 0.0, False, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        last = self.last
        if last is not None and at <= last:
            return None
        ready = self.rule.interval is not None or self.count >= 20
        due, steps, extra = self._due(last, at)
        self.last, self.count = at, self.count + 1
        blank = value in self.rule.blanks
        if not ready or (extra and not blank):
            return self._over()
        before, keep = self.share, 1.0
        missing = max(steps, 1) - 1
        missing = 0 if missing > self.rule.longest else missing
        for _ in range(missing):
            keep *= 1.0 - 1.0 / self.rule.over
        share = 1.0 - (1.0 - before) * keep
        self.share = share + 1.0 / self.rule.over * (1.0 - share) if blank else share - 1.0 / self.rule.over * share
        if missing or blank:
            if before <= self.rule.clear and not self.active:
                self.onset = int((last or 0) + due) if missing else at
            if not self.active and self.share > self.rule.share:
                self.active = True
                return Change.RAISED, self.onset
        return self._over()

    def _over(self) -> tuple[Change, Micros] | None:
        if self.active and self.share <= self.rule.clear:
            self.active = False
            return Change.CLEARED, self.onset
        return None

    def _due(self, last: Micros | None, at: Micros) -> tuple[float, int, bool]:
        """The interval, how many fit in, and whether this one is extra."""
        if last is None:
            return 0.0, 1, False
        gap = at - last
        if self.rule.interval is not None:
            due = float(self.rule.interval)
        else:
            due = float(gap) if self.usual is None else self.usual
            step = min(max(gap, due * 0.5), due * 1.5)
            self.usual = (
                due + max(0.005, 1.0 / (self.count + 1.0)) * (step - due)
                if self.share <= self.rule.clear or self.count < 20
                else self.usual
            )
        return due, round(gap / due), gap < 0.25 * due


def thinned(lost: float, length: int = 100, seed: int = 1) -> list[Row]:
    """A hundred good readings five minutes apart, then so many more of which a share is lost, then a hundred good ones."""
    chance = random.Random(seed)
    rows = one([1.0] * (200 + length))
    return [row for i, row in enumerate(rows) if not 100 <= i < 100 + length or chance.random() >= lost]


@given(
    st.integers(0, 10**6),
    st.sampled_from([{"interval": "60 s"}, {}, {"interval": "60 s", "blanks": [20.0, 20.1]}, {"over": 6, "longest": 3}]),
)
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, settings_: dict[str, Any]) -> None:
    """However the readings were cut, and whenever the process died."""
    settings = rule("dropout", **settings_)
    chance = random.Random(seed)
    rows = [row for row in history(seed, length=150) if chance.random() < (0.4 if (row.at // SECOND) % 7200 > 4000 else 1.0)]

    agrees(Dropout, settings, lambda: Plain(settings), rows, seed)


@pytest.mark.parametrize("interval", [{"interval": "5 min"}, {}])
@pytest.mark.parametrize("seed", range(5))
def test_half_of_the_readings_missing_is_told_within_thirty_that_were_due(interval: dict[str, str], seed: int) -> None:
    """Said or learned, the interval tells; and it is over when they come again."""
    [(first, start), (last, end)] = changes(listen(Dropout, rule("dropout", **interval), thinned(0.6, seed=seed)))

    assert (first, last) == ("RAISED", "CLEARED")
    assert 100 * 300 < start <= 130 * 300
    assert 200 * 300 <= end < 230 * 300


def test_lost_messages_now_and_then_restarts_and_silences_are_none() -> None:
    """One in twenty is radio; an hour and a half without any is silence's; a reading that comes early is none too many."""
    rows = thinned(0.05, 1000)
    assert not listen(Dropout, rule("dropout"), rows)
    away = [row for i, row in enumerate(one([1.0] * 300)) if not 100 <= i < 130]
    assert not listen(Dropout, rule("dropout"), away)
    early = sorted([*one([1.0] * 200), *one([1.0] * 40, start=T0 + 50 * 300 * SECOND + 60 * SECOND)], key=lambda row: row.at)
    assert not listen(Dropout, rule("dropout"), early)


def test_buffered_readings_leave_no_hole() -> None:
    """They have the times at which they were measured, whenever they came."""
    assert not listen(Dropout, rule("dropout", interval="5 min"), one([1.0] * 100))


def test_numbers_that_stand_for_no_value_are_missing() -> None:
    """A gateway that fills in 0 where it heard nothing."""
    chance = random.Random(4)
    values = [0.0 if 100 <= i < 160 and chance.random() < 0.6 else 3.1 for i in range(250)]

    assert len(raised(listen(Dropout, rule("dropout", blanks=[0]), one(values)))) == 1
    assert not listen(Dropout, rule("dropout"), one(values))


def test_a_detector_that_learns_from_holes_is_caught() -> None:
    """Slow readings that become the usual interval are no dropout any more: what is learned keeps still while many are missing."""

    class Forgiving(Dropout):
        """The known-bad variant: learns whatever is missing."""

        def __init__(self, given: DropoutRule) -> None:
            super().__init__(given)
            self._clear = 1.0

    rows = thinned(0.6, 400)
    assert len(listen(Dropout, rule("dropout"), rows)) == 2
    assert len(listen(Forgiving, rule("dropout"), rows)) != 2


def test_the_interval_is_in_the_devices_own_time() -> None:
    """Five minutes are five minutes whether the rule says 300 s or 5 min."""
    assert rule("dropout", interval="300 s").interval == rule("dropout", interval="5 min").interval == 5 * MINUTE


def test_a_rule_that_would_clear_while_it_is_raised_is_refused() -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match="is not below the share"):
        rule("dropout", share=0.3, clear=0.3)
