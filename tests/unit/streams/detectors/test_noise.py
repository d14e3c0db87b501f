"""Noise: jitter that is unusual for the series."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import noise
from streams.detectors.noise import Noise, NoiseRule
from streams.detectors.shape import Change
from tests.unit.streams.detectors.series import T0, agrees, changes, history, listen, one, raised, rule
from vorab.clock import SECOND, Micros


def f4(value: float) -> float:
    """As it stands in the state."""
    return float(np.float32(value))


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: NoiseRule) -> None:
        self.rule = given
        self.old: tuple[float, float] | None = None
        self.last: tuple[float, float] | None = None
        self.most = self.half = self.loud = self.quiet = self.turns = self.side = 0.0
        self.count = self.run = 0
        self.far = 0
        self.since, self.active, self.onset = 0, False, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        if self.last is not None and at <= self.last[0]:
            return None
        found, old, last = None, self.old, self.last
        self.old, self.last = last, (float(at), value)
        if old is not None and last is not None:
            there, here = last[1] - old[1], value - last[1]
            line = old[1] + (value - old[1]) * ((last[0] - old[0]) / (at - old[0]))
            if there * here < 0 and min(abs(there), abs(here)) > 3.0 * abs(value - old[1]):
                self.old, self.far = (last[0], line), 0
            else:
                found = self._judge(at, value, last[1] - line)
        return found

    def _judge(self, at: Micros, value: float, beside: float) -> tuple[Change, Micros] | None:
        size, n, most, half, ready = abs(beside), self.count + 1, self.most, self.half, self.count + 1 >= self.rule.warm_up
        turned = beside * self.side < 0
        again = turned and abs(self.side) > 1
        limit = self.rule.above if self.rule.above is not None else (self.rule.noisier or math.inf) * most
        far = size > limit and (ready or self.rule.above is not None)
        near = self.rule.quieter is not None and ready and size < half / self.rule.quieter
        loud = self.loud + 1 / 12 * ((self.far > 0) - self.loud)
        turns = self.turns + 1 / 16 * ((self.far == 1) - self.turns) if self.far else self.turns - 1 / 48 * self.turns
        self.turns = f4(turns)
        quiet = self.quiet + 1 / 12 * (near - self.quiet)
        self.far = 0 if not far else 1 if again else 2
        suspect = self.active or loud > 0.2 or quiet > 0.9 * 0.8
        self.run = self.run + 1 if suspect else 0
        self.since = at if self.run == 1 else self.since
        change = self._change(loud, quiet, turns)
        gain = 0.0 if suspect else max(0.01 if ready else 0.03, 2.0 / (n + 1.0))
        least = 1e-4 * abs(value) + 1e-12
        most = size if n == 1 else most * (1.0 + 0.95 * gain) if size > most else most * (1.0 - 0.05 * gain)
        half = size if n == 1 else half * (1.0 + 0.5 * gain) if size > half else half * (1.0 - 0.5 * gain)
        self.most, self.half = f4(max(most, least)), f4(max(half, least))
        self.side = (2.0 if turned else 1.0) * ((beside > 0) - (beside < 0))
        anew = suspect and change is not Change.CLEARED and self.run >= self.rule.patience
        self.loud, self.quiet, self.count = (0.0, 0.0, 0) if anew else (f4(loud), f4(quiet), n)
        self.run = 0 if anew else self.run
        if change is None:
            return None
        if change is Change.RAISED:
            self.onset = self.since
        else:
            self.run = 0
        self.active = change is Change.RAISED
        return change, self.onset

    def _change(self, loud: float, quiet: float, turns: float) -> Change | None:
        if not self.active:
            return Change.RAISED if (loud > 0.4 and turns > 0.25) or quiet > 0.8 else None
        if loud < 0.1 and quiet < 0.4:
            return Change.CLEARED
        return Change.ADAPTED if self.run >= self.rule.patience else None


def jitter(seed: int, *parts: tuple[int, float]) -> list[float]:
    """White noise around 20, so many readings of each size."""
    chance = random.Random(seed)
    return [round(20 + chance.gauss(0, size), 3) for length, size in parts for _ in range(length)]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(
        [{}, {"noisier": 1.2, "patience": 10}, {"noisier": None, "quieter": 1.5}, {"above": 1.0}, {"quieter": 1.2, "patience": 20}]
    ),
)
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, settings_: dict[str, Any]) -> None:
    """However the readings were cut, and whenever the process died."""
    wanted = rule("noise", warm_up=100, **settings_)

    agrees(Noise, wanted, lambda: Plain(wanted), history(seed, 2, 260), seed)


@pytest.mark.parametrize("seed", range(8))
def test_noise_that_grows_is_told_and_cleared_when_it_is_over(seed: int) -> None:
    """Six times the noise, within eighty readings; calm for a thousand before it."""
    said = listen(Noise, rule("noise"), one(jitter(seed, (1000, 0.1), (150, 0.6), (200, 0.1))))

    [(first, start), (last, end)] = changes(said)
    assert (first, last) == ("RAISED", "CLEARED")
    assert 1000 * 300 < start <= 1080 * 300
    assert 1150 * 300 < end <= 1230 * 300
    assert T0 + 1000 * 300 * SECOND <= said[0].onset <= said[0].detected


@pytest.mark.slow
def test_half_of_the_time_forty_readings_are_enough() -> None:
    """The median of twenty series."""
    found = [raised(listen(Noise, rule("noise"), one(jitter(seed, (900, 0.1), (100, 0.6)))))[0] for seed in range(20)]

    assert sorted(found)[10] <= 940 * 300


def test_noise_that_dies_down_is_told_where_it_is_asked_for() -> None:
    """A filter that froze, a vibration sensor that fell off."""
    rows = one(jitter(1, (800, 0.1), (100, 0.01)))

    assert not listen(Noise, rule("noise"), rows)
    assert len(raised(listen(Noise, rule("noise", quieter=3), rows))) == 1


def test_what_lasts_is_the_new_normal() -> None:
    """Ended without proof: nothing was healed."""
    said = listen(Noise, rule("noise", patience=200), one(jitter(2, (800, 0.1), (900, 0.8))))

    assert [name for name, _ in changes(said)] == ["RAISED", "ADAPTED"]


def test_a_fixed_limit_needs_no_learning() -> None:
    """Told from the first readings on."""
    assert raised(listen(Noise, rule("noise", above=0.5), one(jitter(3, (120, 3.0)))))[0] < 120 * 300
    assert not listen(Noise, rule("noise", above=0.5), one(jitter(3, (60, 0.1))))


def test_ramps_steps_swings_and_the_course_of_the_day_are_no_noise() -> None:
    """Whatever a neighbour foretells is none."""
    calm = jitter(4, (1600, 0.1))
    for shape in (
        lambda i: 5.0 * math.sin(2 * math.pi * i / 288),
        lambda i: 0.4 * max(0, i - 800),
        lambda i: 12.0 * (i >= 800),
        lambda i: 0.8 * math.sin(2 * math.pi * i / 5) * (i >= 800),
        lambda i: 0.8 * math.sin(2 * math.pi * i / 9) * (i >= 800),
    ):
        assert not listen(Noise, rule("noise"), one([value + shape(i) for i, value in enumerate(calm)]))


def test_a_machine_that_is_loud_by_day_is_no_news() -> None:
    """What is learned remembers the loud hours."""
    assert not listen(Noise, rule("noise"), one(jitter(5, *([(170, 0.1), (118, 0.3)] * 12))))


def test_spikes_are_no_noise_and_a_detector_that_thinks_so_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that sticks out alone is not counted."""
    chance = random.Random(6)
    values = jitter(6, (1000, 0.1))
    for i in range(700, 850, 4):
        values[i] += chance.choice([-3, 3])
    settings = rule("noise", above=0.5)

    assert not listen(Noise, settings, one(values))
    monkeypatch.setattr(noise, "STICKS_OUT", 1e9)
    assert listen(Noise, settings, one(values))


def test_a_rule_that_looks_for_nothing_is_refused() -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match="say noisier, quieter or above"):
        rule("noise", noisier=None)
