"""The rhythm: knows what an hour usually is, is not owned by what is wild, and says how much hours explain."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detectors.rhythm import Felt, Rhythm, RhythmConfig
from streams.detectors.shape import Floats
from vorab.clock import DAY, HOUR, MINUTE

MONDAY: Final = 4 * DAY
"""1970-01-05."""


def feel(values: Floats, step: int = HOUR, config: RhythmConfig | None = None) -> Felt:
    """One series; what is felt of each reading."""
    rhythm, slot = Rhythm(config, 1), np.arange(1)
    felt = [rhythm.update(slot, np.array([MONDAY + k * step]), np.array([value])) for k, value in enumerate(values)]
    return Felt(np.array([each.off[0] for each in felt]), np.array([each.explained[0] for each in felt]))


def office(weeks: int, step: int = HOUR, seed: int = 1) -> Floats:
    """Busy from eight to six on working days, with noise."""
    at = np.arange(weeks * 7 * DAY // step) * step
    hour, day = at % DAY // HOUR, at // DAY % 7
    return np.asarray(20.0 + 30.0 * ((hour >= 8) & (hour < 18) & (day < 5)) + np.random.default_rng(seed).normal(0, 1, len(at)))


@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_what_is_usual_at_an_hour_is_told_from_what_is_usual_at_another(minutes: int) -> None:
    """A quiet noon is far below, a busy night far above; at the other hour the same value is nothing. However often it is read."""
    step = minutes * MINUTE
    values = office(6, step)
    noon, night = ((5 * 7 + 2) * DAY + hour * HOUR for hour in (12, 2))
    values[noon // step], values[night // step] = 20.0, 50.0

    felt = feel(values, step)

    assert felt.off[noon // step] < -3
    assert felt.off[night // step] > 3
    assert abs(felt.off[noon // step - 1]) < 3
    assert abs(felt.off[night // step - 1]) < 3


def test_a_weekend_is_learned() -> None:
    """The first quiet Saturday noon is odd; the fifth is not, nor is a busy one usual."""
    values = office(6)
    saturday = 5 * 24 + 12
    felt = feel(values)

    assert felt.off[saturday] < -3
    assert abs(felt.off[saturday + 5 * 7 * 24]) < 3
    values[saturday + 5 * 7 * 24] = 50.0
    assert feel(values).off[saturday + 5 * 7 * 24] > 3


def test_it_says_how_much_hours_explain() -> None:
    """Nearly all of an office; nothing of noise, and nothing of what never moves."""
    noise = np.random.default_rng(2).normal(0, 1, 24 * 42)

    assert feel(office(6)).explained[-1] > 0.7
    assert feel(noise).explained[-1] < 0.1
    assert feel(np.zeros(24 * 42)).explained[-1] <= 1.0
    assert (feel(np.zeros(24 * 42)).off == 0.0).all()


def test_a_wild_reading_does_not_own_its_hour() -> None:
    """The day after 65535, noon is as usual as it was."""
    values = office(6)
    wild = 4 * 7 * 24 + 12
    values[wild] = 65535.0

    felt = feel(values)

    assert felt.off[wild] == RhythmConfig().most
    assert abs(felt.off[wild + 24]) < 4


def test_the_test_of_the_wild_catches_an_hour_that_believes_everything() -> None:
    """Known-bad: a reach without end."""
    values = office(6)
    wild = 4 * 7 * 24 + 12
    values[wild] = 65535.0

    assert feel(values, config=RhythmConfig(reach=1e9)).off[wild + 24] < -4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-DAY, 40 * DAY), st.floats(-1e100, 1e100)), min_size=1, max_size=300))
def test_neither_numbers_nor_clocks_break_it(rows: list[tuple[int, float]]) -> None:
    """Neither overflow nor NaN, whatever a sensor says and however its clock jumps."""
    rhythm, slot = Rhythm(slots=1), np.arange(1)
    for at, value in rows:
        felt = rhythm.update(slot, np.array([at]), np.array([value]))
        assert abs(felt.off[0]) <= rhythm.config.most
        assert felt.explained[0] <= 1.0
        assert np.isfinite(felt.explained[0])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 99), st.sets(st.integers(1, 400), max_size=4), st.permutations(range(5)))
def test_a_restart_and_other_neighbours_change_nothing(seed: int, restarts: set[int], order: list[int]) -> None:
    """Bit by bit: through a snapshot into other slots, alone or among others."""
    values = np.random.default_rng(seed).normal(0, 1, (400, 5))
    whole, rhythm, place = Rhythm(slots=5), Rhythm(slots=5), np.arange(5)
    for k, row in enumerate(values):
        if k in restarts:
            state, place = rhythm.snapshot(place), np.array(order)
            rhythm = Rhythm(slots=9)
            rhythm.restore(place, state)
        at = np.full(5, MONDAY + k * HOUR)
        one, rest = rhythm.update(place[:1], at[:1], row[:1]), rhythm.update(place[1:], at[1:], row[1:])
        together = whole.update(np.arange(5), at, row)
        assert [*one.off, *rest.off] == together.off.tolist()
        assert [*one.explained, *rest.explained] == together.explained.tolist()


def test_a_slot_is_emptied_and_its_state_is_small() -> None:
    """Under a kilobyte; half a snapshot is refused."""
    rhythm = Rhythm(slots=2)
    rhythm.update(np.arange(2), np.full(2, MONDAY), np.ones(2))
    state = rhythm.snapshot(np.arange(2))
    rhythm.clear(np.arange(2))

    assert rhythm.snapshot(np.arange(2)) == Rhythm(slots=2).snapshot(np.arange(2)) != state
    assert rhythm.bytes_per_slot == len(state) / 2 <= 1024
    with pytest.raises(ValueError, match="not a snapshot of 2 slots"):
        rhythm.restore(np.arange(2), state[:-4])
