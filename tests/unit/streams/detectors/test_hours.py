"""Hours in front of a detector: what it is given, and when what it raised is over."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.detectors import hours
from streams.detectors.columns import Columns, Runs
from streams.rules.schedule import Calendar, Schedule, When
from streams.rules.zones import zone_named
from vorab.clock import HOUR, MINUTE, Micros

NIGHT = When.model_validate({"hours": "22:00-06:00", "zone": "Europe/Berlin"})
WEEK = When.model_validate({"days": "mon-fri", "zone": "America/New_York"})
DOUBLED = When.model_validate({"hours": "02:30-04:00", "zone": "Europe/Berlin"})
AUTUMN = 1_792_864_800_000_000
"""2026-10-24T18:00Z, the evening before Berlin sets its clocks back."""
RULES = (None, NIGHT, WEEK, DOUBLED)

Row = tuple[int, Micros]
steps = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9 * 60)), min_size=1, max_size=50)


def fold(rows: list[Row]) -> tuple[list[tuple[Any, ...]], list[Row]]:
    """The oracle: one reading at a time; (slot, when its hours ended, reading that showed it), and what the detector is given."""
    over: list[tuple[Any, ...]] = []
    judged: dict[int, Micros] = {}
    taken: list[Row] = []
    for slot, at in rows:
        when = RULES[slot % len(RULES)]
        if when is None:
            taken.append((slot, at))
            continue
        schedule, zone = Schedule(when), zone_named(when.zone)
        if slot in judged:
            ended = int(schedule.ended(np.array([judged[slot]]), np.array([at]), zone)[0])
            if ended:
                over.append((slot, ended, at))
                del judged[slot]
        if schedule.inside(np.array([at]), zone)[0]:
            taken.append((slot, at))
            judged[slot] = at
    return sorted(over), sorted(taken)


def host(rows: list[Row], cuts: list[int], *, forgetful: bool = False) -> tuple[list[tuple[Any, ...]], list[Row]]:
    """The same with all rows of a cut at once, and a restart after each."""
    state, calendar = Columns("x", hours.HOURS, 4), Calendar()
    state.grow(6)
    over: list[tuple[Any, ...]] = []
    taken: list[Row] = []
    edges = [0, *sorted({cut % len(rows) for cut in cuts} - {0}), len(rows)]
    for first, last in itertools.pairwise(edges):
        state.of["when"][:6] = [calendar.number(RULES[slot % len(RULES)]) for slot in range(6)]
        part = rows[first:last]
        runs = Runs(np.array([slot for slot, _ in part]))
        at = runs.sort(np.array([at for _, at in part]))
        for turn in hours.turns(calendar, state, runs, at):
            over += zip(turn.over.tolist(), turn.ended.tolist(), at[turn.noticed].tolist(), strict=True)
            taken += zip(runs.slots[turn.rows].tolist(), at[turn.rows].tolist(), strict=True)
        blocks = [(f"x/{i}", state.pack(i * 4, min(i * 4 + 4, 6))) for i in range(2)]
        state, calendar = Columns("x", hours.HOURS, 4), Calendar()
        for name, block in blocks:
            state.unpack(name, block)
        if forgetful:
            state.of["judged"][:] = 0
    return sorted(over), sorted(taken)


def story(drawn: list[tuple[int, int]]) -> list[Row]:
    """Readings of six slots from the evening on, some hours apart."""
    rows, at = [], dict.fromkeys(range(6), AUTUMN)
    for slot, minutes in drawn:
        at[slot] += minutes * MINUTE
        rows.append((slot, at[slot]))
    return rows


@given(steps, st.lists(st.integers(0, 49), max_size=6))
def test_what_a_detector_is_given_and_when_hours_end_is_what_one_reading_at_a_time_says(
    drawn: list[tuple[int, int]], cuts: list[int]
) -> None:
    """However the readings were cut into calls, with a restart after each, over the night on which clocks are set back."""
    assert host(story(drawn), cuts) == fold(story(drawn))


def test_a_host_that_forgets_what_was_judged_is_found_out() -> None:
    """Known-bad: without the last reading within, nothing ever ends after a restart."""
    rows = [(1, AUTUMN + 5 * HOUR), (1, AUTUMN + 20 * HOUR)]

    assert host(rows, [1])[0] == fold(rows)[0] == [(1, AUTUMN + 11 * HOUR, AUTUMN + 20 * HOUR)]
    assert host(rows, [1], forgetful=True)[0] == []


def test_turns_come_in_the_order_in_which_hours_end() -> None:
    """A call with three nights of one device is three turns, the first of which ends nothing."""
    state, calendar = Columns("x", hours.HOURS, 4), Calendar()
    state.grow(1)
    state.of["when"][0] = calendar.number(NIGHT)
    at = AUTUMN + 6 * HOUR + np.arange(3) * 24 * HOUR
    found = list(hours.turns(calendar, state, Runs(np.zeros(3, np.intp)), at))

    assert [turn.rows.tolist() for turn in found] == [[0], [1], [2]]
    assert [turn.over.tolist() for turn in found] == [[], [0], [0]]
    assert [turn.noticed.tolist() for turn in found] == [[], [1], [2]]
