"""Oscillation: a series that begins to swing."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detectors import oscillation
from streams.detectors.oscillation import Oscillation, OscillationRule
from streams.detectors.shape import Change, Told
from tests.unit.streams.detectors.series import T0, agrees, changes, history, listen, one, raised, rule
from vorab.clock import SECOND, Micros


def f4(value: float) -> float:
    """As it stands in the state."""
    return float(np.float32(value))


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: OscillationRule) -> None:
        self.rule = given
        self.level = self.level2 = 0.0
        self.x1 = self.x2 = self.r0 = self.r1 = self.r2 = self.usual = self.variance = 0.0
        self.count = self.run = 0
        self.since, self.active, self.onset = 0, False, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        n = self.count = self.count + 1
        x = self._away(n, value)
        if n > 50:
            most = 12.0 * math.sqrt(self.variance)
            x = min(max(x, -most), most)
        speed = max(1 / 24, 1.0 / n)
        r0 = self.r0 + speed * (x * x - self.r0)
        r1 = self.r1 + speed * (x * self.x1 - self.r1)
        r2 = self.r2 + speed * (x * self.x2 - self.r2)
        room = r0 * r0 - r1 * r1
        a2 = (r2 * r0 - r1 * r1) / room if room > 1e-9 * r0 * r0 else 0.0
        energy = max(-a2, 0.0) * r0
        limit = max(self.rule.factor * self.rule.factor * max(self.usual, 0.25 * self.variance), self.rule.least * self.rule.least / 2)
        hot = n >= self.rule.warm_up and a2 < -0.45 and energy > limit and r1 > -0.5 * r0
        self.run = self.run + 1 if hot or self.active else 0
        self.since = at if self.run == 1 else self.since
        change = self._change(hot, energy, limit)
        if n <= 50:
            self.variance = f4(r0)
        elif self.run == 0:
            self.variance = f4(self.variance + 0.005 * (x * x - self.variance))
        if change is Change.ADAPTED:
            self.usual = f4(energy)
        elif self.run == 0 and n > 50:
            self.usual = f4(
                self.usual + ((0.02 if n < self.rule.warm_up else 0.003) if energy > self.usual else 0.0005) * (energy - self.usual)
            )
        self.x2, self.x1, self.r0, self.r1, self.r2 = self.x1, f4(x), f4(r0), f4(r1), f4(r2)
        if change is None:
            return None
        if change is Change.RAISED:
            self.onset = self.since
        else:
            self.run = 0
        self.active = change is Change.RAISED
        return change, self.onset

    def _away(self, n: int, value: float) -> float:
        if n == 1:
            self.level = self.level2 = value
            return 0.0
        speed = max(1 / 16, 1.0 / n)
        away = value - (2.0 * self.level - self.level2)
        self.level += speed * (value - self.level)
        self.level2 += speed * (self.level - self.level2)
        return away

    def _change(self, hot: bool, energy: float, limit: float) -> Change | None:
        if not self.active:
            return Change.RAISED if hot and self.run >= self.rule.count else None
        if energy < 0.5 * limit:
            return Change.CLEARED
        return Change.ADAPTED if self.run >= self.rule.patience else None


def swinging(seed: int, calm: int, swings: int, *, period: float = 7.0, amplitude: float = 0.6, noise: float = 0.1) -> list[float]:
    """Noise around 3; then it swings in that noise; then it is calm again."""
    chance = random.Random(seed)
    size = [0.0] * calm + [amplitude] * swings + [0.0] * 200
    return [round(3 + chance.gauss(0, noise) + each * math.sin(2 * math.pi * i / period), 3) for i, each in enumerate(size)]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([{}, {"count": 3, "factor": 1.1, "patience": 10}, {"count": 2, "least": 3.0}]))
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, settings_: dict[str, Any]) -> None:
    """However the readings were cut, and whenever the process died."""
    wanted = rule("oscillation", warm_up=100, **settings_)

    agrees(Oscillation, wanted, lambda: Plain(wanted), history(seed, 2, 260), seed)


@pytest.mark.parametrize("period", [5, 6.3, 8, 10, 12])
def test_a_swing_is_told_within_fifty_readings_and_cleared_when_it_is_over(period: float) -> None:
    """Six times the noise, whatever its period."""
    said = listen(Oscillation, rule("oscillation"), one(swinging(1, 600, 150, period=period)))

    [(first, start), (last, end)] = changes(said)
    assert (first, last) == ("RAISED", "CLEARED")
    assert 600 * 300 < start <= 650 * 300
    assert 750 * 300 <= end <= 850 * 300
    assert said[0].onset >= T0 + 600 * 300 * SECOND


def test_the_sentence_tells_amplitude_and_period() -> None:
    """As an operator would measure them on paper."""
    settings = rule("oscillation")
    found = listen(Oscillation, settings, one(swinging(2, 600, 150, period=8)))[0]
    said = Oscillation(settings).say(
        settings, found.change, Told("t", "bar", 3.1, found.at, found.onset, found.detected, dict(found.numbers))
    )

    assert "once in about 7 readings" in said or "once in about 8 readings" in said
    assert 0.3 < dict(found.numbers)["amplitude"] < 0.7


def test_what_has_always_swung_is_no_news() -> None:
    """A heater switches on and off all its life; twice as far is news."""
    chance = random.Random(3)
    heater = [40 + 2 * math.sin(2 * math.pi * i / 9) + chance.gauss(0, 0.2) for i in range(1500)]
    wild = [value + (5 * math.sin(2 * math.pi * i / 9) if i > 1000 else 0) for i, value in enumerate(heater)]

    assert not listen(Oscillation, rule("oscillation"), one(heater))
    assert raised(listen(Oscillation, rule("oscillation"), one(wild)))


def test_small_swings_may_be_let_be() -> None:
    """An amplitude that does no harm."""
    assert not listen(Oscillation, rule("oscillation", least=1.0), one(swinging(1, 600, 150)))


def test_what_lasts_is_the_new_normal() -> None:
    """Ended without proof: nothing was healed."""
    said = listen(Oscillation, rule("oscillation", patience=200), one(swinging(1, 600, 600)))

    assert [name for name, _ in changes(said)] == ["RAISED", "ADAPTED"]


def test_noise_spikes_steps_ramps_and_days_are_no_swing_and_a_detector_that_thinks_so_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be foretold from two readings does not swing."""
    chance = random.Random(5)
    calm = swinging(5, 1400, 0)
    noisy = [value + (chance.gauss(0, 0.7) if i > 800 else 0) for i, value in enumerate(calm)]
    others = [
        [value + (chance.choice([-4, 4]) if i > 800 and chance.random() < 0.2 else 0) for i, value in enumerate(calm)],
        [value + 3 * (i > 800) for i, value in enumerate(calm)],
        [value + 0.1 * max(0, i - 800) for i, value in enumerate(calm)],
        [value + math.sin(2 * math.pi * i / 288) for i, value in enumerate(calm)],
    ]

    for values in (noisy, *others):
        assert not listen(Oscillation, rule("oscillation"), one(values))
    monkeypatch.setattr(oscillation, "PERIODIC", 0.0)
    assert listen(Oscillation, rule("oscillation", factor=1.1), one(noisy))
