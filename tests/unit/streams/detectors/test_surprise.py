"""Surprise: equal to a referee who judges one reading at a time, blind to batches and restarts, and sensible about glitches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.detectors.surprise import FAR, HIGH, LOW, WIDTH, Surprise
from streams.detectors.surprise_config import SurpriseConfig
from streams.detectors.surprise_tables import Scale

Floats = NDArray[np.float64]

MINUTE_US: Final = 60_000_000
HASTY: Final = SurpriseConfig(cells=7, lag=5, warm_up=6, settle=4, hold=3, most=60, margin=0.001, slow_weight=1.2, far_weight=0.9)
"""So quick that generated series reach every branch."""
VALUES: Final = st.one_of(st.integers(-3, 9).map(float), st.floats(-1e4, 1e4), st.sampled_from([65535.0, -127.0, 1e300, 0.0]))
SERIES: Final = st.lists(VALUES, min_size=2, max_size=100)


def listen(values: Sequence[float] | Floats, config: SurpriseConfig, detector: Surprise | None = None, start: int = 0) -> Floats:
    """The ratio and the raw score of every reading of one series."""
    detector = detector or Surprise(config, 1)
    slot = np.array([0])
    out = []
    for k, value in enumerate(values, start):
        scores = detector.update(slot, np.array([(k + 1) * MINUTE_US]), np.array([value]))
        out.append((scores.ratio[0], scores.raw[0], float(scores.since[0]), float(scores.channel[0])))
    return np.array(out).reshape(-1, 4)


class Referee:
    """The method for one series and one reading, with lists and `math.log`; counts are kept as they are told by the scale."""

    def __init__(self, config: SurpriseConfig) -> None:
        self.config, n = config, config.cells
        self.steps = [[[0] * n for _ in range(n)] for _ in range(2)]
        self.visits, self.total = [0] * n, 0
        self.cells: list[int] = []
        self.low = self.high = 0.0
        self.far, self.quiet, self.since, self.count = False, 0, 0, 0
        self.smooth, self.record = [0.0] * 6, [0.0] * 6
        self.mean = self.floor = self.ceiling = 0.0

    def value(self, step: int) -> float:
        """Readings a step stands for."""
        return float((self.config.base**step - 1.0) / (self.config.base - 1.0))

    def step(self, value: float) -> int:
        """The step nearest to so many."""
        return next((k for k in range(15) if value < self.value_between(k)), 15)

    def value_between(self, step: int) -> float:
        """Where a step ends and the next begins."""
        return float((self.config.base ** (step + 0.5) - 1.0) / (self.config.base - 1.0))

    def cell(self, value: float, low: float, high: float) -> int:
        """The cell of a value."""
        return min(int((value - low) / (high - low) * self.config.cells), self.config.cells - 1)

    def fit(self, x: float) -> float:
        """Make the range hold a reading."""
        config = self.config
        if self.high <= self.low:
            reach = max(abs(x) * 0.01, 1e-9)
            self.low, self.high = x - reach, x + reach
        if self.low <= x <= self.high:
            self.far = False
            return x
        low, high, width, cut = self.low, self.high, self.high - self.low, x
        if self.count >= config.settle and not self.far:
            cut = min(max(x, low - config.growth * width), high + config.growth * width)
        headroom = config.headroom * (max(high, cut) - min(low, cut))
        new_low, new_high = (cut - headroom if cut < low else low), (cut + headroom if cut > high else high)
        n = config.cells
        to = [self.cell(low + (k + 0.5) / n * width, new_low, new_high) for k in range(n)]
        visits = [0] * n
        for k in range(n):
            visits[to[k]] += self.visits[k]
        for lag in range(2):
            sums = [[0.0] * n for _ in range(n)]
            for a in range(n):
                for b in range(n):
                    sums[to[a]][to[b]] += self.value(self.steps[lag][a][b])
            self.steps[lag] = [[self.step(each) for each in row] for row in sums]
        self.visits, self.cells = visits, [to[k] for k in self.cells]
        self.low, self.high, self.far = new_low, new_high, cut != x
        return cut

    def update(self, x: float, at: int) -> tuple[float, float, float]:
        """Ratio, raw score, since when."""
        config, n = self.config, self.config.cells
        x = self.fit(min(max(x, -1e100), 1e100))
        to = self.cell(x, self.low, self.high)
        rare = math.log(self.total + config.prior) - math.log(self.visits[to] + config.prior / n)
        mixed = (self.count * 2654435761) & 0xFFFFFFFF
        mixed ^= mixed >> 15
        mixed = (mixed * 2246822519) & 0xFFFFFFFF
        mixed ^= mixed >> 13
        surprise = [0.0, 0.0]
        for lag, back in enumerate((1, config.lag)):
            if self.count < back:
                continue
            start = self.cells[-back]
            row = self.steps[lag][start]
            beside = self.value(row[max(to - 1, 0)]) + self.value(row[min(to + 1, n - 1)])
            seen = math.log(self.value(row[to]) + config.neighbour * beside + config.prior / n)
            unlikely = math.log(self.visits[start] + config.prior) - seen
            surprise[lag] = (1.0 - config.rarity) * unlikely + config.rarity * rare
            chance = mixed >> 16 if lag else mixed & 0xFFFF
            if row[to] < 15 and chance < math.ceil(65536 / (self.value(row[to] + 1) - self.value(row[to]))):
                row[to] += 1
        self.cells.append(to)
        self.visits[to] += 1
        self.total += 1
        if self.total >= config.most:
            self.visits = [each >> 1 for each in self.visits]
            self.total = sum(self.visits)
            self.steps = [[[self.step(0.5 * self.value(each)) for each in row] for row in table] for table in self.steps]
        best, plain = -math.inf, 1.0 / (self.count + 1)
        speeds = (1.0, config.middle_speed, config.slow_speed)
        for channel in range(6):
            lag, speed = divmod(channel, 3)
            self.smooth[channel] += max(speeds[speed], plain) * (surprise[lag] - self.smooth[channel])
            self.record[channel] *= 1.0 - 1.0 / config.forget
            weight = (1.0, config.far_weight)[lag] * (1.0, 1.0, config.slow_weight)[speed]
            best = max(best, weight * ((self.smooth[channel] + config.offset) / (self.record[channel] + config.offset) - 1.0))
            self.record[channel] = max(self.record[channel], self.smooth[channel])
        if self.count == 0:
            self.mean = self.floor = self.ceiling = x
        self.mean += max(config.mean_speed, plain) * (x - self.mean)
        width = self.ceiling - self.floor + 0.01 * (self.high - self.low)
        self.floor += (self.mean - self.floor) / config.mean_forget
        self.ceiling += (self.mean - self.ceiling) / config.mean_forget
        best = max(best, config.mean_weight * max(self.mean - self.ceiling, self.floor - self.mean) / width)
        self.floor, self.ceiling = min(self.floor, self.mean), max(self.ceiling, self.mean)
        ratio = best if self.count >= config.warm_up else -1.0
        reports = self.count >= config.warm_up and self.quiet == 0 and ratio >= config.margin
        self.quiet = config.hold if reports else max(self.quiet - 1, 0)
        self.since = (self.since or at) if ratio > 0.0 else 0
        self.count += 1
        return ratio, ratio if reports else 0.0, float(self.since)


@settings(max_examples=40, deadline=None)
@given(SERIES)
def test_it_judges_as_a_referee_does_who_takes_one_reading_at_a_time(values: list[float]) -> None:
    """The same scores, reports and onsets from tables of bytes as from lists and logarithms."""
    referee = Referee(HASTY)
    told = np.array([referee.update(value, (k + 1) * MINUTE_US) for k, value in enumerate(values)])

    np.testing.assert_allclose(listen(values, HASTY)[:, :3], told, rtol=1e-9, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(SERIES, min_size=2, max_size=5))
def test_what_a_series_gets_does_not_depend_on_its_company(many: list[list[float]]) -> None:
    """Bit by bit the same alone as beside others, in whatever slot."""
    n = min(map(len, many))
    detector = Surprise(HASTY, len(many))
    slots = np.arange(len(many))[::-1]
    together = [detector.update(slots, np.full(len(many), (k + 1) * MINUTE_US), np.array([each[k] for each in many])) for k in range(n)]

    for place, values in enumerate(many):
        alone = listen(values[:n], HASTY)
        assert alone[:, 0].tolist() == [float(scores.ratio[place]) for scores in together]
        assert alone[:, 1].tolist() == [float(scores.raw[place]) for scores in together]


def resumed(values: Sequence[float], cut: int, spoil: Callable[[Surprise], None] = lambda detector: None) -> tuple[bytes, bytes]:  # noqa: ARG005 - the shape
    """Scores and last state across a restart after `cut` readings, into another slot."""
    first, second = Surprise(HASTY, 1), Surprise(HASTY, 3)
    before = listen(values[:cut], HASTY, first)
    spoil(first)
    second.restore(np.array([2]), first.snapshot(np.array([0])))
    second.restore(np.array([0]), second.snapshot(np.array([2])))
    after = listen(values[cut:], HASTY, second, cut)
    return np.concatenate([before, after]).tobytes(), second.snapshot(np.array([0]))


def unbroken(values: Sequence[float]) -> tuple[bytes, bytes]:
    """The same without a restart."""
    detector = Surprise(HASTY, 1)
    return listen(values, HASTY, detector).tobytes(), detector.snapshot(np.array([0]))


@settings(max_examples=20, deadline=None)
@given(SERIES, st.integers(0, 150))
def test_a_restart_in_mid_series_changes_nothing(values: list[float], cut: int) -> None:
    """Snapshot, another detector, restore: every later score and the state are equal to the last bit."""
    assert resumed(values, min(cut, len(values))) == unbroken(values)


def test_a_restart_that_lost_the_cells_of_the_last_readings_would_be_seen() -> None:
    """The known-bad variant: a snapshot without the ring counts moves that never were."""
    values = np.random.default_rng(5).normal(0, 3, 90).tolist()

    def forget(detector: Surprise) -> None:
        detector._cells[:] = 0

    assert resumed(values, 60) == unbroken(values)
    assert resumed(values, 60, forget)[1] != unbroken(values)[1]


@settings(max_examples=40, deadline=None)
@given(SERIES, SERIES)
def test_it_does_not_look_ahead(values: list[float], future: list[float]) -> None:
    """What is said of a reading is the same whatever comes after it."""
    assert np.array_equal(listen(values + future, HASTY)[: len(values)], listen(values, HASTY))


def daily(days: int, seed: int = 1) -> Floats:
    """A daily curve at five minutes with a little noise."""
    k = np.arange(288 * days)
    return np.asarray(50 + 10 * np.sin(2 * np.pi * k / 288) + np.random.default_rng(seed).normal(0, 0.5, len(k)))


def reports(values: Floats, config: SurpriseConfig | None = None) -> list[int]:
    """Places of the reports."""
    return np.flatnonzero(listen(values, config or SurpriseConfig())[:, 1]).tolist()


def test_a_jump_is_reported_at_once_and_not_again_while_it_is_quiet() -> None:
    """One report within three readings of the jump, none for as long as it holds back."""
    values = daily(14)
    values[3000:] += 25

    found = [place for place in reports(values) if place >= 2900]

    assert 3000 <= found[0] <= 3002
    assert all(later - earlier > SurpriseConfig().hold for earlier, later in pairwise(found))


@pytest.mark.slow
def test_ordinary_days_bring_few_reports() -> None:
    """Four weeks of a daily curve: less than one report in three days after the first week, over ten series."""
    values = np.array([daily(28, seed) for seed in range(10)])
    detector, slots = Surprise(slots=10), np.arange(10)
    late = sum(
        np.count_nonzero(detector.update(slots, np.full(10, (k + 1) * MINUTE_US), values[:, k]).raw) * (k > 288 * 7)
        for k in range(288 * 28)
    )

    assert late < 10 * 21 / 3


def test_one_glitch_does_not_own_the_range() -> None:
    """A single 65535 widens it by some widths, not a thousand; two in a row are believed."""
    values = daily(4)
    detector = Surprise(SurpriseConfig(), 1)
    listen(values, SurpriseConfig(), detector)
    before = np.ptp(detector._numbers[0, [LOW, HIGH]])

    listen([65535.0], SurpriseConfig(), detector, 2000)
    once = np.ptp(detector._numbers[0, [LOW, HIGH]])
    assert once < 8 * before
    assert detector._numbers[0, FAR] == 1

    listen([65535.0], SurpriseConfig(), detector, 2001)
    assert detector._numbers[0, HIGH] >= 65535


def test_a_known_range_is_used_from_the_first_reading() -> None:
    """With the range of the data sheet no reading inside it moves the cells."""
    detector = Surprise(SurpriseConfig(), 1)
    detector.know(np.array([0]), np.array([0.0]), np.array([100.0]))
    listen(daily(2), SurpriseConfig(), detector)

    assert detector._numbers[0, [LOW, HIGH]].tolist() == [0.0, 100.0]


def test_a_report_names_its_usual_range_and_since_when() -> None:
    """98 % of the readings so far lie in the range, as fine as the cells; the run began at the jump."""
    values = daily(14)
    values[3000:] += 25
    detector = Surprise(SurpriseConfig(), 1)
    for k, value in enumerate(values):
        scores = detector.update(np.array([0]), np.array([(k + 1) * MINUTE_US]), np.array([value]))
        if k >= 3000 and scores.raw[0]:
            break

    assert 36 < scores.low[0] < 41
    assert 59 < scores.high[0] < 64
    assert scores.since[0] == 3001 * MINUTE_US
    assert scores.channel[0] in range(7)


def test_a_cleared_slot_is_a_fresh_one() -> None:
    """Nothing of a series is left for the next one in its slot."""
    detector = Surprise(HASTY, 1)
    listen([1.0, 5.0, 2.0, 9.0] * 20, HASTY, detector)
    detector.clear(np.array([0]))

    assert np.array_equal(listen([3.0, 4.0] * 20, HASTY, detector), listen([3.0, 4.0] * 20, HASTY))


def test_a_series_takes_less_than_a_kilobyte() -> None:
    """As promised, and as a snapshot says."""
    detector = Surprise(slots=10)

    assert detector.bytes_per_slot <= 1024
    assert len(detector.snapshot(np.arange(10))) <= 10 * 1024


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (b"", "not a snapshot"),
        (b"xxxx" + bytes(100), "not a snapshot"),
        (Surprise(replace(HASTY, prior=9.0), 1).snapshot(np.array([0])), "other settings"),
        (Surprise(HASTY, 2).snapshot(np.array([0, 1])), "holds 2 slots"),
        (Surprise(HASTY, 1).snapshot(np.array([0]))[:-1], "holds 1 slots"),
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused(state: bytes, problem: str) -> None:
    """With a reason, and nothing is taken of it."""
    detector = Surprise(HASTY, 1)
    with pytest.raises(ValueError, match=problem):
        detector.restore(np.array([0]), state)
    assert not detector._numbers.any()
    assert detector._numbers.shape[1] == WIDTH


def test_a_counter_of_four_bits_counts_thousands() -> None:
    """On average over many counters within a tenth of the truth, and half of it after halving."""
    scale = Scale(1.8, 0.3, 0.05, 23, 16_384)
    step: NDArray[np.uint8] = np.zeros(4_000, np.uint8)
    for k in range(1_000):
        chances = scale.chances(np.arange(4_000) * 1_000 + k) & np.uint32(0xFFFF)
        step += chances < scale.limit[step]
    halved = scale.halved((step | (step << 4)).astype(np.uint8))

    assert abs(scale.value[step].mean() / 1_000 - 1) < 0.1
    assert abs(scale.value[halved >> 4].mean() / 500 - 1) < 0.2
    assert np.array_equal(halved >> 4, halved & 15)


def test_cells_that_become_one_add_up() -> None:
    """Two columns with 1 and 2 readings become one with 3; the scale has a step within a fifth of it."""
    scale = Scale(1.8, 0.3, 0.05, 3, 100)
    moves = np.zeros((1, 9), np.uint8)
    moves[0, 0], moves[0, 1] = scale.step(np.array([1.0]))[0], scale.step(np.array([2.8]))[0] << 4
    merged = scale.moved(moves, np.array([[0, 0, 1]]))

    assert scale.value[merged[0, 0] & 15] == 1
    assert scale.value[merged[0, 0] >> 4] == pytest.approx(2.8)
    assert not merged[0, 1:].any()
