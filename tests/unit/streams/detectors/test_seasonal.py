"""Seasonal deviation: what is usual at this hour of this kind of day, held against one reading at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import seasonal
from streams.detectors.columns import Columns, Runs
from streams.detectors.seasonal import Seasonal, SeasonalRule
from streams.detectors.shape import Change, Told
from vorab.clock import DAY, HOUR, MINUTE, SECOND, Micros, to_datetime, to_micros

Row = tuple[int, Micros, float]
MONDAY = to_micros(datetime(2026, 3, 2, tzinfo=UTC))


def rule(**words: Any) -> SeasonalRule:
    """A rule."""
    base = {"id": "x", "title": {"en": "x", "de": "x"}, "cause": "c", "detector": "seasonal", "signal": "t"}
    return SeasonalRule.model_validate({**base, **words})


RULES = (
    rule(bins=12, warm_up="2 d", count=1, patience="1 d", beyond=3),
    rule(bins=12, warm_up="1 d", weekend=False, count=2, zone="America/St_Johns", clear=2, patience="3 d", beyond=2),
)


def run(which: SeasonalRule, rows: Sequence[Row], cuts: Sequence[int] = (), kind: type[Seasonal] = Seasonal) -> list[tuple[Any, ...]]:
    """What is found when rows are cut here, with a restart after each cut: slot, time, change, onset, detected, low, high."""
    detector = kind(which)
    state = Columns("seasonal", detector.layout, 2)
    slots = max(slot for slot, _, _ in rows) + 1
    state.grow(slots)
    detector.prepare(state, np.arange(slots), which, lambda _: None, fresh=True)
    found: list[tuple[Any, ...]] = []
    for first, last in pairwise([0, *sorted({cut % len(rows) for cut in cuts} - {0}), len(rows)]):
        left = list(rows[first:last])
        while left:  # one reading of each series at a time
            part: dict[int, Row] = {}
            rest = [row for row in left if part.setdefault(row[0], row) is not row]
            left = rest
            runs = Runs(np.array(list(part)))
            at = runs.sort(np.array([time for _, time, _ in part.values()]))
            values = runs.sort(np.array([value for _, _, value in part.values()]))
            episodes = detector.update(state, runs, at, values)
            if episodes is not None:
                columns = (
                    episodes.rows,
                    episodes.change,
                    episodes.onset,
                    episodes.detected,
                    episodes.numbers["low"],
                    episodes.numbers["high"],
                )
                for row, change, onset, detected, low, high in zip(*(column.tolist() for column in columns), strict=True):
                    found.append((int(runs.slots[row]), int(at[row]), change, onset, detected, low, high))
        blocks = [(f"seasonal/{i}", state.pack(i * 2, min(i * 2 + 2, slots))) for i in range((slots + 1) // 2)]
        old, state, detector = state, Columns("seasonal", detector.layout, 2), kind(which)
        for name, block in blocks:
            state.unpack(name, block)
        assert all((old.of[name][:slots] == state.of[name][:slots]).all() for name in old.of)
    return sorted(found)


def f4(number: float) -> float:
    """As it is kept."""
    return float(np.float32(number))


@dataclass
class Course:
    """The oracle's memory of a series: level, variance and days of each part of the day."""

    level: dict[Any, float] = field(default_factory=dict)
    variance: dict[Any, float] = field(default_factory=dict)
    days: dict[Any, int] = field(default_factory=dict)
    overall: float = 0.0
    first: Micros = 0
    part: Any = None
    seen: list[float] = field(default_factory=list)

    def enter(self, part: Any) -> None:
        """The clocks show another part of a day: what was seen in the one before is an observation of it."""
        if not self.seen or part == self.part:
            return
        total, squares = 0.0, 0.0
        for each in self.seen:
            total, squares = total + (each - self.seen[0]), squares + (each - self.seen[0]) * (each - self.seen[0])
        mean = total / len(self.seen)
        within = max(squares / len(self.seen) - mean * mean, 0.0)
        mean += self.seen[0]
        left, days = self.part[1:], self.days.get(self.part[1:], 0)
        off = mean - self.level[left] if days else 0.0
        share = max(1 / (days + 1), seasonal.SPEED)
        old = self.variance.get(left, 0.0)
        self.level[left] = f4(self.level[left] + share * off) if days else f4(mean)
        self.variance[left] = f4(old + share * (within + off * off - old))
        self.days[left] = days + 1
        spread = within + off * off
        self.overall = f4(self.overall + seasonal.SPEED / 4 * (spread - self.overall)) if self.overall else f4(spread)
        self.seen = []

    def usual(self, part: Any) -> tuple[float, float]:
        """Level and deviation."""
        level = self.level.get(part[1:], 0.0)
        least = max(f4(f4(seasonal.QUIET * seasonal.QUIET) * self.overall), (seasonal.RESOLUTION * level) ** 2, 1e-30)
        return level, math.sqrt(max(self.variance.get(part[1:], 0.0), least))


def fold(which: SeasonalRule, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The oracle: each series by itself, reading by reading."""
    return sorted(each for mine in {slot for slot, _, _ in rows} for each in walk(which, [row for row in rows if row[0] == mine]))


def walk(which: SeasonalRule, rows: Sequence[Row]) -> Iterator[tuple[Any, ...]]:
    """One series."""
    course, run_of = Course(), list[Micros]()
    now: tuple[Micros, Micros] | None = None
    for slot, at, value in rows:
        wall = to_datetime(at).astimezone(ZoneInfo(which.zone))
        weekend = which.weekend and wall.weekday() >= 5
        part = (wall.date(), (wall.hour * 60 + wall.minute) // (24 * 60 // which.bins), weekend)
        course.enter(part)
        course.first = course.first or at
        level, deviation = course.usual(part)
        known = course.days.get(part[1:], 0) >= seasonal.ENOUGH and at - course.first >= which.warm_up
        low, high = (level - 2 * deviation, level + 2 * deviation) if known else (math.nan, math.nan)
        away = (value - level) / deviation if known else 0.0
        was = now
        if abs(away) > which.beyond:
            run_of.append(at)
            if now is None and len(run_of) >= which.count and at - run_of[0] >= which.hold:
                now = (run_of[0], at)
                yield (slot, at, Change.RAISED, *now, low, high)
        else:
            run_of = []
            if now is not None and abs(away) < (which.clear or which.beyond / 2):
                yield (slot, at, Change.CLEARED, *now, low, high)
                now = None
        if now is None:
            course.seen.append(level + deviation * min(max(away, -which.beyond), which.beyond) if known else value)
            course.part = part
        elif was is not None and at - now[1] >= which.patience:
            yield (slot, at, Change.ADAPTED, *now, low, high)
            now, run_of, course = None, [], Course()


def same(told: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> bool:
    """Equal, where nothing is equal to nothing."""
    return [tuple(str(part) for part in each) for each in told] == [tuple(str(part) for part in each) for each in expected]


def story(drawn: list[tuple[int, int, float]]) -> list[Row]:
    """Readings of two series, hours apart, with a day's course."""
    rows, at = list[Row](), dict.fromkeys(range(2), MONDAY + 7 * DAY)
    for slot, hours, odd in drawn:
        at[slot] += hours * HOUR + 7 * SECOND
        rows.append((slot, at[slot], 20.0 + 5 * math.sin(at[slot] % DAY / DAY * 6.28) + odd))
    return rows


stories = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1]), st.sampled_from([1, 12, 24, 24, 24]), st.sampled_from([0.0, 0.1, -0.2, 0.3, 0.0, 30.0])),
    min_size=1, max_size=120,
)  # fmt: skip


@given(st.sampled_from(RULES), stories, st.lists(st.integers(0, 119), max_size=4))
def test_many_series_at_once_are_judged_as_one_reading_at_a_time(
    which: SeasonalRule, drawn: list[tuple[int, int, float]], cuts: list[int]
) -> None:
    """However readings are cut into calls, with a restart after each, over a change of clocks."""
    assert same(run(which, story(drawn), cuts), fold(which, story(drawn)))


def weeks(course: Callable[[datetime], float], until: Micros, zone: str = "UTC", seed: int = 1) -> list[Row]:
    """A reading every ten minutes from 2026-03-02 on, by a course over wall time, with noise."""
    chance, place = np.random.default_rng(seed), ZoneInfo(zone)
    times = np.arange(MONDAY, until, 10 * MINUTE).tolist()
    noise = chance.normal(0, 0.5, len(times)).tolist()
    return [(0, at, course(to_datetime(at).astimezone(place)) + off) for at, off in zip(times, noise, strict=True)]


def office(wall: datetime) -> float:
    """On from 06:00 to 18:00 on working days."""
    return 20.0 if wall.weekday() < 5 and 6 <= wall.hour < 18 else 5.0


@pytest.mark.slow
def test_what_is_fine_at_noon_is_not_at_midnight_nor_on_sunday() -> None:
    """After three quiet weeks two hours of a working day's value at night and on a Sunday: told within half an hour, and when over."""
    until = MONDAY + 28 * DAY
    rows = weeks(office, until)
    night, sunday = MONDAY + 23 * DAY + 1 * HOUR, MONDAY + 27 * DAY + 12 * HOUR
    odd = [(slot, at, 20.0 if any(start <= at < start + 2 * HOUR for start in (night, sunday)) else value) for slot, at, value in rows]

    assert run(rule(), rows) == []
    told = run(rule(), odd)
    assert [(change, (at - start) // MINUTE) for (_, at, change, *_), start in zip(told, (night, night, sunday, sunday), strict=True)] == [
        (Change.RAISED, 20), (Change.CLEARED, 120), (Change.RAISED, 20), (Change.CLEARED, 120),
    ]  # fmt: skip
    assert [onset - start for (_, _, _, onset, *_), start in zip(told, (night, night, sunday, sunday), strict=True)] == [0] * 4


@pytest.mark.slow
def test_the_course_follows_the_clocks_of_the_place() -> None:
    """Berlin sets its clocks on 29 March 2026: by them nothing is odd. Known-bad: by UTC, Monday begins an hour early."""
    until = MONDAY + 30 * DAY
    rows = weeks(office, until, "Europe/Berlin")

    assert run(rule(zone="Europe/Berlin"), rows) == []
    monday = to_micros(datetime(2026, 3, 30, 4, 0, tzinfo=UTC))
    assert run(rule(zone="UTC"), rows)[0][3] == monday


class Eager(Seasonal):
    """Known-bad: learns during an episode."""

    def _take(self, state: Columns, slots: Any, visit: Any, values: Any, learns: Any) -> None:
        super()._take(state, slots, visit, values, np.ones_like(learns))


@pytest.mark.slow
def test_a_fault_is_not_learned_until_it_is_the_new_normal() -> None:
    """Five days of too much stay raised; after the patience it is learned anew, and ends without proof. An eager learner lets go sooner."""
    change = MONDAY + 21 * DAY
    rows = [(slot, at, value + 12.0 * (at >= change)) for slot, at, value in weeks(office, MONDAY + 42 * DAY)]

    told = run(rule(), rows)
    assert [(each[2], (each[1] - change) // HOUR) for each in told] == [(Change.RAISED, 0), (Change.ADAPTED, 7 * 24)]
    eager = run(rule(), rows, kind=Eager)
    assert eager[1][1] < told[1][1]


def test_a_quiet_hour_may_be_disturbed_a_little() -> None:
    """A bin in which nothing ever moved is judged by what the others do, too."""
    rows = weeks(lambda wall: 20.0 + 3 * math.sin(wall.day) if 6 <= wall.hour < 18 else 0.0, MONDAY + 21 * DAY)
    still = [(slot, at, 0.0 if value < 5 else value) for slot, at, value in rows]
    moved = [(slot, at, value + 0.3 * (value == 0 and at > MONDAY + 20 * DAY)) for slot, at, value in still]

    assert run(rule(), moved) == []


def test_the_sentences_say_what_is_usual_at_this_time() -> None:
    """With the hours, and the kind of day."""
    which, numbers = rule(), {"low": 4.0, "high": 6.0, "bin": 25.0, "count": 3.0}
    told, detector = Told("t", "Cel", 20.0, MONDAY + HOUR, MONDAY, MONDAY + HOUR, numbers), Seasonal(which)

    assert detector.say(which, Change.RAISED, told) == (
        "t is 20 Cel, 3 readings in a row; between 01:00 and 02:00 at weekends it is usually 4 Cel to 6 Cel."
    )
    numbers["bin"] = 23.0
    assert detector.say(which, Change.CLEARED, told) == (
        "t is back at 20 Cel; between 23:00 and 24:00 on working days it is usually 4 Cel to 6 Cel."
    )
    assert detector.say(which, Change.ADAPTED, told) == "t has been different for 1 h: what is usual is learned anew."


def test_a_series_takes_less_than_600_bytes() -> None:
    """Only where a rule asks for it."""
    dense = [(kind, 1) if isinstance(kind, str) else kind for kind in Seasonal(rule()).layout.values() if kind != "sparse"]
    assert sum(np.dtype(kind).itemsize * width for kind, width in dense) < 600


def test_mistakes_are_told() -> None:
    """A zone nobody knows, a clear value beyond the limit, an odd number of bins."""
    for words, reason in (
        ({"zone": "Mars"}, "no time zone"),
        ({"beyond": 3, "clear": 4}, "clear 4 lies beyond 3"),
        ({"bins": 7}, "12, 24, 48 or 96"),
    ):
        with pytest.raises(ValidationError, match=reason):
            rule(**words)
    assert Seasonal.shared(RULES[0]) != Seasonal.shared(RULES[1])
    assert timedelta(microseconds=Seasonal(rule(bins=96))._long) == timedelta(minutes=15)
