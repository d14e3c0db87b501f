"""The second stage: calls for what several kinds of strangeness agree on, seldom for anything else, and cannot be made to call for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.detectors.second_stage import CHANNELS, SURPRISE, SecondStage, StageConfig
from streams.detectors.shape import Floats
from vorab.clock import MINUTE

pytestmark = pytest.mark.slow

SERIES: Final = 20
A_DAY: Final = 288
DAYS: Final = 14


class Said:
    """Alerts of some series, (readings, series), and the channel that held most."""

    def __init__(self, values: Floats, config: StageConfig | None = None, surprise: Floats | None = None) -> None:
        """All series side by side."""
        series = values.shape[1]
        stage, slots = SecondStage(config, series), np.arange(series)
        strange = np.full(values.shape, -1.0) if surprise is None else surprise
        calls = [stage.update(slots, np.full(series, k * 5 * MINUTE), row, strange[k]) for k, row in enumerate(values)]
        self.raised: NDArray[np.bool_] = np.array([each.raised for each in calls])
        self.evidence = np.array([each.evidence for each in calls])
        self.channel = np.array([each.channel for each in calls])

    def per_year(self) -> float:
        """Alerts per device-year at five minutes."""
        return float(self.raised.sum() / self.raised.size * A_DAY * 365)

    def found(self, first: int, last: int) -> float:
        """Share of the series with an alert between two readings."""
        return float(self.raised[first:last].any(axis=0).mean())


def healthy(seed: int = 1, days: int = DAYS, series: int = SERIES) -> Floats:
    """A curve over the day and noise, every five minutes."""
    drawn = np.random.default_rng(seed).normal(0, 1, (days * A_DAY, series))
    return np.asarray(20 + 5 * np.sin(2 * np.pi * np.arange(days * A_DAY) / A_DAY)[:, None] + drawn)


AT: Final = 10 * A_DAY
FAULTS: Final[dict[str, Callable[[Floats], Floats]]] = {
    "a step": lambda rows: rows + 15.0,
    "a fall": lambda rows: rows - 15.0,
    "noise that grows": lambda rows: rows + 7 * np.random.default_rng(9).normal(0, 1, rows.shape),
    "a spike of an hour": lambda rows: rows + 15.0 * (np.arange(len(rows)) < 12)[:, None],
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_no_series_did_before_is_called(name: str) -> None:
    """In nineteen of twenty series, within a day and a half."""
    values = healthy()
    values[AT : AT + A_DAY * 3 // 2] = FAULTS[name](values[AT : AT + A_DAY * 3 // 2])

    assert Said(values).found(AT, AT + A_DAY * 3 // 2) >= 0.95


def test_what_creeps_is_seen_by_its_hours() -> None:
    """A rise over days beats every record of the reading by a hair and is learned; above what the hours usually are it stays too long."""
    values = healthy()
    values[AT:] += np.linspace(0, 20, len(values) - AT)[:, None]

    assert Said(values).found(AT, len(values)) > 0.7
    assert Said(values, StageConfig(rhythm=(2.0, 3.0), run_least=1e9)).found(AT, len(values)) < 0.5


def test_healthy_series_are_left_alone() -> None:
    """At most two alerts in a device-year, the first weeks counted."""
    assert Said(healthy(days=30)).per_year() <= 2.0


def test_the_test_of_health_catches_a_stage_that_listens_to_one_voice() -> None:
    """Known-bad: with a threshold that one channel reaches alone, every record is a call."""
    assert Said(healthy(days=30), StageConfig(threshold=0.5)).per_year() > 2.0


def test_one_fault_calls_once() -> None:
    """A fault of six hours, shorter than the hold-off, makes one alert in nearly every series."""
    values = healthy()
    values[AT : AT + 72] += 15.0

    alerts = Said(values).raised[AT : AT + 100].sum(axis=0)

    assert alerts.max() == 1


def test_the_test_of_one_call_catches_a_stage_without_hold_off() -> None:
    """Known-bad: it calls with every reading."""
    values = healthy()
    values[AT : AT + 72] += 15.0

    assert Said(values, StageConfig(hold=1)).raised[AT : AT + 100].sum(axis=0).max() > 1


def test_a_series_that_cannot_be_learned_pays_for_each_call() -> None:
    """A value that grows by shares breaks every record: the budget makes it a third less often, never oftener than the hold-off."""
    config = StageConfig()
    values = np.exp(np.linspace(0, 40, 6000))[:, None] * np.random.default_rng(5).lognormal(0, 0.5, (6000, 20))

    free, paid = Said(values, replace(config, dearer=0.0)), Said(values, replace(config, dearer=0.5))

    assert 0 < paid.raised.sum() < 0.67 * free.raised.sum()
    gaps = np.diff(np.flatnonzero(free.raised[:, 0]))
    assert gaps.min() >= config.hold


def test_a_quiet_noon_is_called_where_noons_are_busy() -> None:
    """A day at the height of the night, inside every range: nothing but its hours shows that. On noise without hours it is nothing."""
    values = healthy(days=30)
    noon = 25 * A_DAY
    values[noon : noon + A_DAY] = 15.0 + np.random.default_rng(3).normal(0, 1, (A_DAY, SERIES))

    assert Said(values).found(noon, noon + A_DAY) >= 0.8


def test_the_test_of_the_quiet_noon_catches_a_stage_without_hours() -> None:
    """Known-bad: no rhythm is ever enough, and no run long enough."""
    values = healthy(days=30)
    noon = 25 * A_DAY
    values[noon : noon + A_DAY] = 15.0 + np.random.default_rng(3).normal(0, 1, (A_DAY, SERIES))

    assert Said(values, StageConfig(rhythm=(2.0, 3.0), run_least=1e9)).found(noon, noon + A_DAY) < 0.5


def test_surprise_alone_is_no_call_but_helps_one() -> None:
    """A move that was never seen, inside the range, does not reach the threshold; with a small step beside it, it does."""
    values, surprise = healthy(), np.full((DAYS * A_DAY, SERIES), -1.0)
    surprise[AT] = 1.0
    alone = Said(values, surprise=surprise)
    values[AT : AT + 6] += 5.5

    assert alone.found(AT, AT + 50) <= 0.05
    assert (alone.channel[AT] == SURPRISE).mean() > 0.9
    assert Said(values, surprise=surprise).found(AT, AT + 50) > Said(values).found(AT, AT + 50) + 0.2


def test_up_is_down_upside_down() -> None:
    """The same alerts; the channel tells the side."""
    values = healthy()
    values[AT : AT + 72] += 15.0
    up, down = Said(values), Said(-values)

    assert (up.raised == down.raised).all()
    assert set((up.channel[up.raised] - down.channel[up.raised]).tolist()) <= {-4, -1, 0, 1, 4}


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.floats(0.01, 1000), st.floats(-1e4, 1e4))
def test_the_unit_does_not_matter(seed: int, scale: float, offset: float) -> None:
    """Celsius or Fahrenheit: the same alerts, where the offset does not drown the resolution of the series."""
    values = healthy(seed, days=8, series=3)
    values[6 * A_DAY :] += 15.0
    shift = offset * scale / 1e3

    assert (Said(values).raised == Said(values * scale + shift).raised).mean() > 0.999


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 99), st.sets(st.integers(1, 900), max_size=4), st.permutations(range(5)))
def test_a_restart_and_other_neighbours_change_nothing(seed: int, restarts: set[int], order: list[int]) -> None:
    """Bit by bit: through a snapshot into other slots, alone or among others."""
    values = healthy(seed, days=4, series=5)[:950]
    whole = Said(values)

    stage, place = SecondStage(slots=5), np.arange(5)
    for k, row in enumerate(values):
        if k in restarts:
            state = stage.snapshot(place)
            place = np.array(order)
            stage = SecondStage(slots=9)
            stage.restore(place, state)
        at = np.full(5, k * 5 * MINUTE)
        calls = stage.update(place[:4], at[:4], row[:4], np.full(4, -1.0))
        rest = stage.update(place[4:], at[4:], row[4:], np.full(1, -1.0))
        assert np.concatenate([calls.evidence, rest.evidence]).tolist() == whole.evidence[k].tolist()
        assert np.concatenate([calls.raised, rest.raised]).tolist() == whole.raised[k].tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=400))
def test_no_number_breaks_it(numbers: list[float]) -> None:
    """Neither overflow nor NaN, whatever a sensor says."""
    said = Said(np.array(numbers)[:, None], StageConfig(settle=3, warm_up=4, warm_up_us=0, hold=2))

    assert np.isfinite(said.evidence).all()


def test_a_constant_is_left_alone_until_it_moves() -> None:
    """A flag that was 0 for a week and is 1 now: one call."""
    values = np.zeros((8 * A_DAY, 1))
    values[7 * A_DAY :] = 1.0

    where = np.flatnonzero(Said(values).raised[:, 0])

    assert where[0] == 7 * A_DAY
    assert len(where) <= 2


def test_a_slot_is_emptied_and_grown() -> None:
    """A cleared slot is like a new one."""
    stage = SecondStage(slots=1)
    for row in healthy(days=2, series=1):
        stage.update(np.arange(1), np.zeros(1, np.int64), row, np.zeros(1))
    empty = SecondStage(slots=1).snapshot(np.arange(1))
    stage.grow(3)
    stage.clear(np.arange(1))

    assert stage.slots >= 3
    assert stage.snapshot(np.arange(1)) == empty


def test_a_snapshot_of_other_settings_is_refused() -> None:
    """Its records mean something else; nor does half a snapshot fit."""
    state = SecondStage(slots=2).snapshot(np.arange(2))

    with pytest.raises(ValueError, match="with these settings"):
        SecondStage(StageConfig(threshold=9.0), 2).restore(np.arange(2), state)
    with pytest.raises(ValueError, match="not a snapshot of 2 slots"):
        SecondStage(slots=2).restore(np.arange(2), state[:-8])


def test_its_state_is_small() -> None:
    """Less than two kilobytes per series, the hours of its week among them."""
    assert len(SecondStage(slots=100).snapshot(np.arange(100))) / 100 <= 2048
    assert CHANNELS == SURPRISE + 1
