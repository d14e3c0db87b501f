"""Drift: a level that moves away by and by."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import drift
from streams.detectors.drift import Drift, DriftRule
from streams.detectors.shape import Change
from tests.unit.streams.detectors.series import T0, Row, agrees, changes, history, listen, one, raised, rule
from vorab.clock import DAY, SECOND, Micros

DAY_S = 86_400
PER_DAY = 288


def f4(value: float) -> float:
    """As it stands in the state."""
    return float(np.float32(value))


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: DriftRule) -> None:
        self.rule = given
        self.bins = 1 if given.season == "none" or given.sigma is not None else DAY // given.block * (7 if given.season == "week" else 1)
        self.block, self.seen, self.total, self.spread = -1, 0.0, 0.0, 0.0
        self.centre: float | None = None
        self.width = math.inf
        self.usual: dict[int, float] = {}
        self.deviation = f4(given.sigma) if given.sigma else 0.0
        if given.reference is not None:
            self.usual[0] = f4(float(given.reference))  # type: ignore[arg-type] # these tests say numbers
        self.sums, self.left = [0.0, 0.0], [0, 0]
        self.judged = self.calm = self.lasted = 0
        self.side, self.active, self.onset = 0.0, False, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        found, block = None, at // self.rule.block
        if block > self.block:
            found = self._close()
            self.block, self.seen, self.total, self.spread = block, 0.0, 0.0, 0.0
            self.centre = value if self.centre is None else self.centre
        away = max(min(value - (self.centre or 0.0), self.width), -self.width)
        self.seen, self.total, self.spread = self.seen + 1, self.total + away, self.spread + abs(away)
        return found

    def _close(self) -> tuple[Change, Micros] | None:
        if not self.seen:
            return None
        mean = self.centre = (self.centre or 0.0) + self.total / self.seen
        if self.seen > 1:
            self.width = 6.0 * max(self.spread / self.seen, 1e-4 * abs(mean) + 1e-12)
        place = self.block % self.bins
        usual = self.usual.get(place)
        away = 0.0 if usual is None else mean - usual
        sigma = max(self.deviation, 1e-4 * abs(mean) + 1e-12)
        z = min(max(away / sigma, -4.0), 4.0)
        n = self.judged + (usual is not None)
        warm = self.rule.sigma is not None or n > self.rule.warm_up // self.rule.block
        change = None
        sums = list(self.sums)
        if usual is not None and not self.active and warm:
            sums = [max(self.sums[i] + sign * z - self.rule.slack, 0.0) for i, sign in enumerate((1, -1))]
            self.left = [self.block if was == 0 and now > 0 else left for was, now, left in zip(self.sums, sums, self.left, strict=True)]
        learns = usual is not None and not self.active and max(sums) <= 0.5 * self.rule.limit
        if self.active:
            change = self._active(z, usual is not None)
        else:
            self.calm = self.lasted = 0
            if max(sums) > self.rule.limit:
                up = sums[0] >= sums[1]
                change, self.side, self.onset = Change.RAISED, 1.0 if up else -1.0, self.left[0 if up else 1] * self.rule.block
        self.sums = [0.0, 0.0] if change else [f4(each) for each in sums]
        if self.rule.sigma is None:
            self._learn(place, mean, away, sigma, n, learns=learns, warm=n > self.rule.warm_up // self.rule.block)
        if change is Change.ADAPTED:
            self.usual, self.judged = {}, 0
        self.active = self.active if change is None else change is Change.RAISED
        return None if change is None else (change, self.onset)

    def _active(self, z: float, known: bool) -> Change | None:
        self.calm = self.calm + 1 if known and self.side * z < 1.0 else 0
        self.lasted += 1
        if self.calm >= 3:
            return Change.CLEARED
        return Change.ADAPTED if self.lasted >= self.rule.patience // self.rule.block else None

    def _learn(self, place: int, mean: float, away: float, sigma: float, n: int, *, learns: bool, warm: bool) -> None:
        usual = self.usual.get(place)
        if usual is None:
            self.usual[place] = f4(mean)
        if not learns or usual is None:
            return
        cut = min(max(away, -4.0 * sigma), 4.0 * sigma) if warm else away
        self.deviation = f4(self.deviation + max(0.02, 1.0 / max(n, 1)) * (1.2533 * abs(cut) - self.deviation))
        self.judged = n
        self.usual[place] = f4(usual + max(0.1, 1.0 / (n // self.bins + 2.0)) * cut)


def days(seed: int, count: int, moves: dict[int, float] | None = None, *, swing: float = 2.0, weekend: float = 0.0) -> list[float]:
    """Readings every five minutes: a day's course in noise that wanders; `moves` adds so much from a day on, in a day's time."""
    chance, wander, out = random.Random(seed), 0.0, []
    for i in range(count * PER_DAY):
        wander = 0.92 * wander + chance.gauss(0, 0.1)
        value = 40 + swing * math.sin(2 * math.pi * i / PER_DAY) + wander + chance.gauss(0, 0.2)
        value += sum(size * min(max(i / PER_DAY - day, 0.0), 1.0) for day, size in (moves or {}).items())
        out.append(round(value + weekend * (i // PER_DAY % 7 > 4), 2))
    return out


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(
        [
            {"season": "none", "block": "4 min", "warm_up": "40 min", "limit": 3.0, "patience": "40 min"},
            {"season": "day", "block": "12 h", "warm_up": "4 d", "limit": 2.0, "slack": 0.1, "patience": "6 d"},
            {"season": "none", "block": "4 min", "reference": 20.0, "sigma": 4.0, "limit": 4.0},
        ]
    ),
)
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, settings_: dict[str, Any]) -> None:
    """However the readings were cut, and whenever the process died."""
    wanted = rule("drift", **settings_)
    slower = 120 if wanted.season == "day" else 1
    rows = [Row(row.slot, T0 + (row.at - T0) * slower, row.value) for row in history(seed, 2, 200)]

    agrees(Drift, wanted, lambda: Plain(wanted), rows, seed)


@pytest.mark.parametrize("size", [3.0, -3.0])
def test_a_drift_is_told_within_a_day_and_cleared_when_it_is_back(size: float) -> None:
    """Half as far as the day's course is wide; the onset is near its beginning, which the reading that raised it is not."""
    said = listen(Drift, rule("drift"), one(days(1, 16, {8: size, 11: -size})))

    [(first, start), (last, end)] = changes(said)
    assert (first, last) == ("RAISED", "CLEARED")
    assert 8 * DAY_S < start < 9 * DAY_S
    assert 11 * DAY_S < end < 13 * DAY_S
    assert T0 + int(7.7 * DAY_S) * SECOND < said[0].onset < said[0].detected - 3 * 3600 * SECOND


def test_it_finds_a_small_one_in_the_end() -> None:
    """Less than any single reading's noise and a tenth of the day's course, but day by day on the same side."""
    assert raised(listen(Drift, rule("drift"), one(days(2, 24, {9: 0.45}))))


@pytest.mark.parametrize("seed", range(4))
def test_the_course_of_the_day_is_no_drift(seed: int) -> None:
    """Each block is compared with its own time of day."""
    assert not listen(Drift, rule("drift"), one(days(seed, 28)))


def test_weekends_are_no_drift_where_the_week_is_the_season() -> None:
    """Machines that rest on two days of seven."""
    rows = one(days(4, 42, weekend=-3.0))

    assert listen(Drift, rule("drift"), rows)
    assert not listen(Drift, rule("drift", season="week", warm_up="21 d"), rows)


def test_odd_readings_are_no_drift_and_a_detector_that_thinks_so_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one of a thousand deviations, nor some of thirty a day; one that cuts neither readings nor blocks calls it a drift."""
    chance, values = random.Random(7), days(7, 20)
    values[2500] = 9e4
    for i in range(3000, 5000, 50):
        values[i] += chance.choice([-9, 9])

    assert not listen(Drift, rule("drift"), one(values))
    monkeypatch.setattr(drift, "ODD", 1e12)
    monkeypatch.setattr(drift, "CUT", 1e12)
    assert listen(Drift, rule("drift"), one(values))


def test_what_lasts_is_the_new_normal() -> None:
    """Ended without proof; and it is learned anew."""
    said = listen(Drift, rule("drift", patience="4 d"), one(days(8, 24, {8: 4.0})))

    assert [name for name, _ in changes(said)] == ["RAISED", "ADAPTED"]


def test_a_reference_needs_no_learning() -> None:
    """What is right is said, and how far it may be off; from the device's registry entry, where it stands there."""
    settings = rule("drift", reference={"limit": "right"}, sigma=0.5)
    rows = one([41.5] * 200)

    assert len(raised(listen(Drift, settings, rows, limits={"right": 40.0}))) == 1
    assert not listen(Drift, settings, rows, limits={"right": 41.4})


@pytest.mark.parametrize(
    ("wrong", "reason"), [({"block": "7 h"}, "multiple"), ({"reference": 3}, "go together"), ({"sigma": 3}, "go together")]
)
def test_a_rule_that_cannot_be_meant_is_refused(wrong: dict[str, Any], reason: str) -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match=reason):
        rule("drift", **wrong)
