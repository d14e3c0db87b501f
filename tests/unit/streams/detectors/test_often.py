"""Often: events within a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import apart, often
from streams.detectors.columns import Columns, Slots
from streams.detectors.often import Often, OftenRule
from streams.detectors.shape import Bools, Change, Longs
from tests.unit.streams.detectors.series import T0, Row, agrees, changes, history, listen, one, raised, rule
from vorab.clock import MINUTE, SECOND, Micros


class Window:
    """Events in the part of the window that has begun and in the four before it, all of them kept."""

    def __init__(self, within: Micros) -> None:
        self.part = max(within // 4, 1)
        self.now = 0
        self.events: list[Micros] = []
        self.since = 0

    def count(self, at: Micros, *, happened: bool) -> int:
        """How many, with this one."""
        self.now = max(self.now, at // self.part)
        self.events = [each for each in self.events if each > self.now - 5]
        if happened:
            self.since = self.since if self.events else at
            self.events.append(self.now)
        return len(self.events)


class Plain:
    """One series, one reading at a time."""

    def __init__(self, given: OftenRule) -> None:
        self.rule, self.window = given, Window(given.within)
        self.last: float | None = None
        self.active, self.onset = False, 0

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """Judge a reading."""
        happened = self.rule.what == "reading"
        if self.last is not None:
            happened = happened or (value > self.last if self.rule.what == "rise" else value != self.last)
        self.last = value
        count = self.window.count(at, happened=happened)
        if not self.active and count >= self.rule.count:
            self.active, self.onset = True, self.window.since
            return Change.RAISED, self.onset
        if self.active and count <= self.rule.calm:
            self.active, self.window.since = False, at
            return Change.CLEARED, self.onset
        return None


@given(st.integers(0, 10**6), st.sampled_from([None, "reading", "change", "rise"]), st.sampled_from([3, 6]))
def test_it_says_what_one_reading_at_a_time_would_say(seed: int, event: str | None, count: int) -> None:
    """However the readings were cut, and whenever the process died."""
    settings = rule("often", event=event, count=count, within="4 min")

    agrees(Often, settings, lambda: Plain(settings), history(seed), seed)


@given(st.lists(st.integers(1, 30), min_size=4, max_size=40))
def test_events_within_the_time_are_never_missed_and_those_far_apart_never_counted(minutes: list[int]) -> None:
    """Raised where three boots came within half an hour; never where three took more than 1.25 times that."""
    times = np.cumsum(minutes)
    rows = [Row(0, T0 + int(at) * MINUTE, float(boot)) for boot, at in enumerate(times)]
    said = raised(listen(Often, rule("often", signal="@boot", count=3, within="30 min", clear=2), rows))

    near = [int(times[i]) for i in range(3, len(times)) if times[i] - times[i - 2] <= 30]
    if near:
        assert said
        assert said[0] <= near[0] * 60
    for second in said:
        i = times.tolist().index(second // 60)
        assert times[i] - times[i - 2] <= 1.25 * 30


def test_a_reboot_loop_is_told_and_ends() -> None:
    """Every ordinary message says which boot it is of; each new number is one event."""
    boots = [7] * 20 + [8, 8, 9, 9, 10, 10, 11] + [11] * 20
    said = listen(Often, rule("often", signal="@boot", count=3, within="30 min"), one(boots))

    assert changes(said) == [("RAISED", 24 * 300), ("CLEARED", changes(said)[1][1])]
    assert said[0].onset == T0 + 20 * 300 * SECOND


def test_chatter_is_a_reading_per_message() -> None:
    """More than twenty messages a minute are chatter; one every ten seconds is not."""
    settings = rule("often", signal="@messages", count=20, within="1 min")

    assert not listen(Often, settings, one([1.0] * 100, step_s=10))
    assert raised(listen(Often, settings, one([1.0] * 100, step_s=1))) == [19]


def test_it_clears_below_half_and_what_follows_is_another_episode() -> None:
    """Even where the window was never empty in between: an episode's onset is part of its id."""
    steps = [1] * 20 + [20] * 6 + [1] * 20
    rows = [Row(0, T0 + sum(steps[:i]) * SECOND, 1.0) for i in range(len(steps))]
    said = listen(Often, rule("often", signal="@messages", count=15, within="1 min"), rows)

    assert [each.change for each in sorted(said, key=lambda one: one.at)] == [Change.RAISED, Change.CLEARED, Change.RAISED]
    assert len({each.onset for each in said if each.change is Change.RAISED}) == 2


def test_a_window_that_tumbles_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three boots within half an hour count, on whichever side of a full hour they lie."""

    def tumbling(state: Columns, slots: Slots, at: Longs, happened: Bools, within: Micros) -> tuple[Longs, Longs]:
        count, since = apart.count_events(state, slots, at // within * within, happened, within)
        state.of["events"][slots, 1:] = 0
        return np.minimum(count, state.of["events"][slots, 0]), since

    start = T0 // (30 * MINUTE) * 30 * MINUTE
    rows = [Row(0, start + minute * MINUTE, float(minute)) for minute in (1, 20, 25, 35)]
    settings = rule("often", signal="@boot", count=3, within="30 min")

    assert raised(listen(Often, settings, rows))
    monkeypatch.setattr(often, "count_events", tumbling)
    assert not raised(listen(Often, settings, rows))


@pytest.mark.parametrize("wrong", [{"clear": 3}, {"clear": 5}])
def test_a_rule_that_would_clear_while_it_is_raised_is_refused(wrong: dict[str, Any]) -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match="is not below the count"):
        rule("often", signal="@boot", count=3, **wrong)
