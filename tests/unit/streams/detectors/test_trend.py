"""Trend to a limit: announces in time what is on its way, says how long it will take, and is not fooled by noise, days or steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import line
from streams.detectors.columns import Columns, Runs
from streams.detectors.shape import Change, Floats, Told
from streams.detectors.trend import LAYOUT, Trend, TrendRule, forecast
from vorab.clock import DAY, HOUR

LIMIT: Final = 20.0
SERIES: Final = 100
DAYS: Final = 90


class Said(NamedTuple):
    """One change of one series."""

    day: float
    series: int
    change: Change
    onset: float
    numbers: dict[str, float]
    text: str


def rule(**more: Any) -> TrendRule:
    """Above 20 within two weeks, unless a test says otherwise."""
    side = {} if "below" in more else {"above": LIMIT}
    words = {"id": "wear", "title": {"en": "x", "de": "x"}, "cause": "wear", "detector": "trend", "signal": "pressure"}
    return TrendRule.model_validate({**words, **side, "within": "14 d", **more})


def fresh(of: TrendRule, series: int) -> tuple[Trend, Columns]:
    """A detector with so many new slots."""
    detector, state = Trend(of), Columns("trend", LAYOUT, Trend.block)
    state.grow(series)
    detector.prepare(state, np.arange(series), of, lambda bound: bound if isinstance(bound, float) else None, fresh=True)
    return detector, state


def listen(of: TrendRule, values: Floats, crash: Callable[[int], bool] = lambda _: False) -> list[Said]:
    """What is said of hourly series, (hours, series); where `crash` says so, another detector goes on from the blocks of the first."""
    series = values.shape[1]
    detector, state = fresh(of, series)
    said: list[Said] = []
    for hour, row in enumerate(values):
        at = (hour + 1) * HOUR
        state.touch(np.arange(series))
        episodes = detector.update(state, Runs(np.arange(series), apart=True), np.full(series, at), row)
        if crash(hour):
            blocks = {name: state.pack(first, last) for name, first, last in state.take_changed()}
            detector, state = fresh(of, series)
            for name, block in blocks.items():
                state.unpack(name, block)
        if episodes is None:
            continue
        for i, slot in enumerate(episodes.rows.tolist()):
            change, onset = Change(int(episodes.change[i])), int(episodes.onset[i])
            numbers = {name: float(column[i]) for name, column in episodes.numbers.items()}
            told = Told("pressure", "bar", float(row[slot]), at, onset, int(episodes.detected[i]), numbers)
            said.append(Said(at / DAY, slot, change, onset / DAY, numbers, detector.say(of, change, told)))
    return said


def days() -> Floats:
    """The day of each reading, as a column."""
    return np.arange(24 * DAYS)[:, None] / 24


def noise(size: float, seed: int = 1, series: int = SERIES) -> Floats:
    """Readings around 10 with a curve over the day."""
    drawn = np.random.default_rng(seed).normal(10, size, (24 * DAYS, series))
    return np.asarray(drawn + 2 * np.sin(2 * np.pi * days()))


def ramp(per_day: float, after: float = 40.0) -> Floats:
    """Wear that begins on a day."""
    return np.asarray(per_day * np.maximum(days() - after, 0.0))


def red(keeps: float, seed: int = 2) -> Floats:
    """Noise that wanders: each value keeps a share of the one before; its deviation is 1."""
    drawn = np.random.default_rng(seed).normal(0, np.sqrt(1 - keeps**2), (24 * DAYS, SERIES))
    for hour in range(1, len(drawn)):
        drawn[hour] += keeps * drawn[hour - 1]
    return 10 + drawn


def raised(said: list[Said]) -> list[Said]:
    """Those that raise."""
    return [each for each in said if each.change is Change.RAISED]


def early_and_sure(said: list[Said], reached: float) -> bool:
    """Each series is announced once, in time, and nine of ten intervals hold the day on which the limit is reached."""
    told = raised(said)
    left = [reached - each.day for each in told]
    held = [
        each.numbers["remaining_low_s"] <= days_left * 86_400 <= each.numbers["remaining_high_s"]
        for each, days_left in zip(told, left, strict=True)
    ]
    return sorted(each.series for each in told) == list(range(SERIES)) and min(left) > 2 and max(left) < 16 and sum(held) >= 0.85 * SERIES


def test_wear_is_announced_days_before_the_limit_with_the_time_that_is_left() -> None:
    """0.25 a day from day 40 on reaches 20 on day 80; hourly noise of 1 and a daily curve of 2 lie over it."""
    said = listen(rule(), noise(1.0) + ramp(0.25))

    assert early_and_sure(said, 40 + 10 / 0.25)
    assert all(35 < each.onset < each.day for each in raised(said))
    assert all("will be above 20 bar in about" in each.text and "90% sure" in each.text for each in raised(said))
    assert not [each for each in said if each.change is Change.CLEARED]


@pytest.mark.parametrize("per_day", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_wear_is_announced_however_steep(per_day: float) -> None:
    """Far steeper than the noise of a day, too: everybody is told two days before the limit at the latest."""
    said = raised(listen(rule(above=10 + 25 * per_day), noise(1.0, series=20) + ramp(per_day)))

    assert sorted(each.series for each in said) == list(range(20))
    assert max(each.day for each in said) < 40 + 25 - 2


def test_the_test_of_steepness_catches_a_line_that_is_surprised_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: a young line that takes its own slope for a shift begins anew, again and again."""
    monkeypatch.setattr(line, "TRUST", 1)

    said = raised(listen(rule(above=60.0), noise(1.0, series=20) + ramp(2.0)))

    assert len({each.series for each in said}) < 15


def test_the_interval_is_not_empty_talk() -> None:
    """Its width is no more than one and a half times what is left in truth."""
    told = raised(listen(rule(), noise(1.0) + ramp(0.25)))

    widths = [(each.numbers["remaining_high_s"] - each.numbers["remaining_low_s"]) / 86_400 for each in told]
    assert np.median(widths) < 1.5 * np.median([80 - each.day for each in told])


def quiet(values: Floats, **more: Any) -> float:
    """Alarms per device-year."""
    return len(raised(listen(rule(**more), values))) / SERIES / DAYS * 365


STEADY: Final[dict[str, Callable[[], Floats]]] = {
    "noise under a close limit": lambda: noise(1.0),
    "a step to a new level": lambda: noise(0.5) + 1.5 * (days() > 50),
    "weekends": lambda: noise(0.5) + 2.0 * (np.floor(days()) % 7 >= 5),
    "single wild readings": lambda: noise(0.5) + 60.0 * (np.random.default_rng(3).random((24 * DAYS, SERIES)) < 0.002),
}


@pytest.mark.parametrize("name", STEADY)
def test_what_is_not_on_its_way_is_not_announced(name: str) -> None:
    """At most one false alarm in four device-years, with the limit two and a half above the level."""
    assert quiet(STEADY[name](), above=12.5) <= 0.25


def test_what_wanders_is_seldom_announced() -> None:
    """Noise that takes two days to forget itself looks like a trend for a while: at most one alarm in a device-year."""
    assert quiet(red(0.98), above=12.5) <= 1.0


def test_the_test_of_wandering_catches_a_line_that_believes_its_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: points that hang together are taken for independent ones."""
    whole = line.line_of

    def believing(of: dict[str, Any], slots: Any) -> line.Line:
        return whole({**of, "like": np.zeros_like(of["like"])}, slots)

    monkeypatch.setattr("streams.detectors.trend.line_of", believing)

    assert quiet(red(0.98), above=12.5) > 1.0


def test_the_test_of_wear_catches_a_line_that_begins_nowhere_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: a line that goes on through the day on which wear began is bent, and doubts itself for weeks."""
    monkeypatch.setattr(line, "SHIFT", 1e9)

    assert not early_and_sure(listen(rule(), noise(1.0) + ramp(0.25)), 80.0)


def test_the_test_of_time_catches_an_alarm_that_waits_for_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: an alarm when the limit is reached is a threshold."""
    values = noise(1.0) + ramp(0.25)
    monkeypatch.setattr(line.Line, "at", lambda self, _: self.level)

    assert not early_and_sure(listen(rule(), values), 80.0)


def test_a_repair_clears() -> None:
    """The filter is changed on day 70: a few days later the alarm is over."""
    worn = noise(0.5) + ramp(0.25)
    worn[24 * 70 :] = noise(0.5)[24 * 70 :]

    said = [each for each in listen(rule(), worn) if each.change is Change.CLEARED]

    assert sorted(each.series for each in said) == list(range(SERIES))
    assert all(72 <= each.day <= 76 for each in said)
    assert all("no longer on its way to the limit of 20 bar" in each.text for each in said)


def test_wear_that_stops_clears() -> None:
    """The line turns flat before the limit."""
    said = [each for each in listen(rule(), noise(0.3) + np.minimum(ramp(0.25), 8.0)) if each.change is Change.CLEARED]

    assert sorted({each.series for each in said}) == list(range(SERIES))
    assert all("no longer on its way" in each.text for each in said)


def test_below_is_above_upside_down() -> None:
    """The same moments, the same time left."""
    values = noise(1.0, series=5) + ramp(0.25)
    up, down = listen(rule(), values), listen(rule(below=-LIMIT), -values)

    assert up
    assert [(each.day, each.series, each.change) for each in up] == [(each.day, each.series, each.change) for each in down]
    assert [each.numbers["remaining_s"] for each in up] == pytest.approx([each.numbers["remaining_s"] for each in down])
    assert "falls by" in down[0].text
    assert "will be below -20 bar" in down[0].text


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 24 * 30), max_size=5), st.integers(0, 100))
def test_a_crash_changes_nothing(crashes: set[int], seed: int) -> None:
    """Whatever the hour: another one goes on from the blocks, bit by bit the same."""
    values = noise(0.5, seed, series=3)[: 24 * 30] + ramp(0.4, 5.0)[: 24 * 30]

    assert listen(rule(), values, crashes.__contains__) == listen(rule(), values)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100))
def test_nobody_is_judged_by_their_neighbours(seed: int) -> None:
    """Three series at once are three series one by one."""
    values = noise(0.5, seed, series=3)[: 24 * 30] + ramp(0.4, 5.0)[: 24 * 30]

    alone = [each._replace(series=n) for n in range(3) for each in listen(rule(), values[:, n : n + 1])]
    assert sorted(alone, key=lambda each: (each.day, each.series)) == listen(rule(), values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=40), st.floats(-1e6, 1e6))
def test_any_numbers_at_all_give_an_interval_around_the_line(numbers: list[float], limit: float) -> None:
    """Never NaN; the earliest is not after the likeliest, nor that after the latest."""
    values = np.repeat(np.array(numbers), 24)[:, None]
    detector, state = fresh(rule(above=limit), 1)
    for hour, row in enumerate(values):
        detector.update(state, Runs(np.arange(1), apart=True), np.full(1, (hour + 1) * HOUR), row)

    left, low, high = (float(column[0]) for column in forecast(state.of, np.arange(1), np.full(1, len(values) * HOUR)))

    assert 0.0 <= low <= left * 1.000001 + 1.0
    assert left <= high * 1.000001 + 1.0


def test_another_limit_keeps_the_line_and_another_memory_begins_one() -> None:
    """What was learned does not depend on the limit; with another memory it would mean something else."""
    detector, state = fresh(rule(), 1)
    for hour in range(24 * 20):
        detector.update(state, Runs(np.arange(1), apart=True), np.full(1, (hour + 1) * HOUR), np.full(1, 10.0 + hour / 100))
    have = int(state.of["count"][0])

    detector.prepare(state, np.arange(1), rule(above=30), lambda bound: bound if isinstance(bound, float) else None, fresh=False)
    assert (int(state.of["count"][0]), float(state.of["edge"][0])) == (have, 30.0)

    detector.prepare(state, np.arange(1), rule(memory="7 d"), lambda bound: bound if isinstance(bound, float) else None, fresh=False)
    assert int(state.of["count"][0]) == 0


def test_a_device_without_the_limit_is_never_announced() -> None:
    """Its limit lies nowhere until the registry knows one."""
    of = rule(above={"limit": "pressure_high"})
    detector, state = fresh(of, 1)

    assert of.needs == of.bounds == (of.limit,)
    assert np.isinf(state.of["edge"][0])
    for hour in range(24 * 40):
        assert detector.update(state, Runs(np.arange(1), apart=True), np.full(1, (hour + 1) * HOUR), np.full(1, 1e9 + hour)) is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"above": None}, "either above or below"),
        ({"below": 3.0, "above": 5.0}, "either above or below"),
        ({"within": "30 s"}, "greater than or equal"),
        ({"memory": "1 d", "step": "1 d"}, "fades"),
        ({"confidence": 1.0}, "less than or equal"),
    ],
)
def test_rules_that_cannot_work_are_refused(more: dict[str, Any], why: str) -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match=why):
        rule(**more)


def test_a_rule_says_what_it_leaves_open() -> None:
    """The line looks back as far as it looks ahead, in fourteen steps."""
    assert (rule().lookback, rule().stride) == (14 * DAY, DAY)
    assert (rule(memory="30 d").lookback, rule(step="6 h").stride) == (30 * DAY, DAY // 4)
