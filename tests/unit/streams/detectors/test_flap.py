"""What comes and goes is told once: bounded in number, released when it has become rare, whatever the cuts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import flap
from streams.detectors.columns import Runs
from streams.detectors.flap import FLAPS, Damping
from streams.detectors.shape import Change, Episodes, Told
from streams.detectors.threshold import ThresholdRule
from streams.rules.rule import Flap
from streams.rules.ruleset import RuleSet
from tests.unit.streams.detecting import Host, reading, rule
from vorab.clock import HOUR, MINUTE, SECOND, Micros
from vorab.records import SymptomState

T0 = 1_795_000_000 * SECOND
SETTINGS = (Flap(), Flap.model_validate({"times": 2, "within": "10 min"}), None)
Row = tuple[int, Micros, bool]
"""Slot, time, and whether the detector finds it raised."""


def setting(slot: int) -> Flap | None:
    """Slots 0 and 3 have the default, 2 and 5 are not damped."""
    return SETTINGS[slot % 3]


def found_by_detector(rows: Sequence[Row], raised: dict[int, tuple[Micros, Micros]]) -> tuple[Runs, Any, Episodes | None]:
    """Episodes as a detector gives them: onset is the reading before, severity and limit are those of the row."""
    runs = Runs(np.array([slot for slot, _, _ in rows]))
    at, level = runs.sort(np.array([time for _, time, _ in rows])), runs.sort(np.array([is_raised for _, _, is_raised in rows]))
    hits: list[tuple[int, Change, Micros, Micros]] = []
    for row, (slot, time, now) in enumerate(zip(runs.slots.tolist(), at.tolist(), level.tolist(), strict=True)):
        if now and slot not in raised:
            raised[slot] = (time - SECOND, time)
            hits.append((row, Change.RAISED, *raised[slot]))
        elif not now and slot in raised:
            hits.append((row, Change.ADAPTED if time % 3 == 0 else Change.CLEARED, *raised.pop(slot)))
        elif now and time % 5 == 0:
            hits.append((row, Change.UPDATED, *raised[slot]))
    if not hits:
        return runs, at, None
    rows_of, change, onset, detected = (np.array(column) for column in zip(*hits, strict=True))
    severity = (at[rows_of] % 4).astype(np.int8)
    return runs, at, Episodes(rows_of, change.astype(np.int8), onset, detected, {"limit": rows_of * 1.0}, severity)


def run(rows: Sequence[Row], cuts: Sequence[int]) -> list[tuple[Any, ...]]:
    """What is told when rows are cut here, with a restart after each cut: slot, time, change, onset, detected, flaps, severity."""
    damping, raised = Damping(setting), dict[int, tuple[Micros, Micros]]()
    told: list[tuple[Any, ...]] = []
    for first, last in pairwise([0, *sorted({cut % len(rows) for cut in cuts} - {0}), len(rows)]):
        runs, at, episodes = found_by_detector(rows[first:last], raised)
        kept = damping.filter(runs, at, episodes)
        if kept is not None:
            assert kept.severity is not None or episodes is None
            told += zip(
                runs.slots[kept.rows].tolist(), at[kept.rows].tolist(), kept.change.tolist(), kept.onset.tolist(), kept.detected.tolist(),
                [None if np.isnan(flaps) else int(flaps) for flaps in kept.numbers[FLAPS]], strict=True,
            )  # fmt: skip
        parts = {block: damping.beside(block, block + 4) for block in (0, 4)}
        old, damping = damping, Damping(setting)
        for block, part in parts.items():
            if part:
                damping.take_beside(block, part)
        assert damping._entries == old._entries
    return sorted(told)


def fold(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The oracle: each slot by itself, the penalty as a sum over all that was ever raised (less the ceiling's excess)."""
    told: list[tuple[Any, ...]] = []
    for mine in range(6):
        limits = setting(mine)
        penalty, last, raises, held, raised, end = 0.0, 0, 0, False, False, Change.CLEARED
        now: tuple[Micros, Micros] | None = None
        open_for_all: tuple[Micros, Micros] | None = None
        for slot, at, level in rows:
            if slot != mine:
                continue
            half_life = limits.within if limits else 1
            penalty = 0.0 if limits is None else penalty * 2.0 ** (-(at - last) / half_life)
            penalty, last = (penalty if penalty >= flap.NOTHING else 0.0), at
            begins, ends = level and not raised, raised and not level
            raised = level
            if begins:
                now = (at - SECOND, at)
                raises = raises + 1 if penalty or held else 1
                penalty = min(penalty + 1, limits.reuse * 16) if limits else 0.0
                if not held:
                    held, open_for_all = limits is not None and penalty >= limits.ceiling and raises >= limits.times, now
                    told.append((slot, at, Change.RAISED, *now, raises if held else None))
                continue
            if ends:
                end = Change.ADAPTED if at % 3 == 0 else Change.CLEARED
            was_held = held
            if held and limits is not None and penalty < limits.reuse:
                held = False
            if open_for_all and not held and not raised:
                told.append((slot, at, end, *open_for_all, raises if was_held else None))
                open_for_all = None
            elif level and at % 5 == 0 and open_for_all:
                told.append((slot, at, Change.UPDATED, *open_for_all, None))
    return sorted(told)


def story(drawn: list[tuple[int, int, bool]]) -> list[Row]:
    """Readings of six slots, seconds to hours apart."""
    rows, at = list[Row](), dict.fromkeys(range(6), T0)
    for slot, seconds, level in drawn:
        at[slot] += seconds * SECOND + slot
        rows.append((slot, at[slot], level))
    return rows


stories = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([1, 20, 60, 300, 900, 4000, 30_000]), st.booleans()), min_size=1, max_size=80
)


@given(stories, st.lists(st.integers(0, 79), max_size=6))
def test_what_is_told_is_what_a_walk_over_each_slot_tells(drawn: list[tuple[int, int, bool]], cuts: list[int]) -> None:
    """However the readings were cut into calls, with a restart after each."""
    assert run(story(drawn), cuts) == fold(story(drawn))


@given(stories)
def test_raised_and_ended_take_turns_and_an_episode_keeps_its_onset(drawn: list[tuple[int, int, bool]]) -> None:
    """Nobody is told an end without a beginning, or two beginnings; what ends is what began."""
    open_now: dict[int, tuple[Micros, Micros]] = {}
    for slot, _, change, *times, _ in sorted(run(story(drawn), []), key=lambda each: each[1]):
        if change == Change.RAISED:
            assert slot not in open_now
            open_now[slot] = tuple(times)
        elif change == Change.UPDATED:
            assert open_now[slot] == tuple(times)
        else:
            assert open_now.pop(slot) == tuple(times)


def comes_and_goes(every: Micros, times: int) -> list[Row]:
    """A slot that is raised for half of every so long, then quiet for a day; a reading each minute."""
    rows = [(0, T0 + i * MINUTE, i * MINUTE % every < every // 2) for i in range(times * every // MINUTE)]
    return rows + [(0, rows[-1][1] + i * MINUTE, False) for i in range(1, 24 * 60)]


def raises(told: list[tuple[Any, ...]]) -> int:
    """How often something was told to begin."""
    return sum(change == Change.RAISED for _, _, change, *_ in told)


def test_what_comes_every_ten_minutes_for_a_day_is_told_a_few_times_and_ends() -> None:
    """The fifth is held until it has been rare: without damping there would be 144. Known-bad: a filter that lets all through."""
    told = run(comes_and_goes(10 * MINUTE, 144), [])

    assert raises(told) <= 5
    assert [each[-1] for each in told if each[-1]] == [5, 144]
    assert told[-1][2] in {Change.CLEARED, Change.ADAPTED}
    quiet_since = T0 + 144 * 10 * MINUTE
    assert quiet_since + HOUR <= told[-1][1] <= quiet_since + (flap.LONGEST + 1) * HOUR

    everything = Damping(lambda _: None)
    runs, at, episodes = found_by_detector(comes_and_goes(10 * MINUTE, 144), {})
    kept = everything.filter(runs, at, episodes)
    assert kept is not None
    assert np.count_nonzero(kept.change == Change.RAISED) == 144


def test_what_comes_every_hour_is_told_every_time() -> None:
    """The default is generous."""
    assert raises(run(comes_and_goes(HOUR, 24), [])) == 24


def test_five_within_the_hour_are_just_too_many() -> None:
    """Evenly spread, the fifth is the one that is held; a little slower, it is not."""
    quick = [(0, T0 + i * 15 * MINUTE + j * MINUTE, j == 0) for i in range(5) for j in range(2)]
    slow = [(0, T0 + i * 16 * MINUTE + j * MINUTE, j == 0) for i in range(5) for j in range(2)]

    assert [each[-1] for each in run(quick, []) if each[-1]] == [5]
    assert [each[-1] for each in run(slow, []) if each[-1]] == []


def test_a_slot_that_has_been_quiet_costs_nothing() -> None:
    """Its entry goes with the first reading after six half-lives; so a fleet that raised something once does not fill memory."""
    damping = Damping(setting)
    for rows in ([(0, T0, True)], [(0, T0 + MINUTE, False)], [(0, T0 + 5 * HOUR, False)]):
        runs, at, episodes = found_by_detector(rows, {0: (T0, T0)} if not rows[0][2] and rows[0][1] < T0 + HOUR else {})
        damping.filter(runs, at, episodes)
        assert damping._entries
    damping.filter(Runs(np.array([0])), np.array([T0 + 7 * HOUR]), None)
    assert not damping._entries
    assert damping.beside(0, 4) == b""


def test_a_rule_that_is_not_damped_any_more_lets_go() -> None:
    """What was held and is not raised ends with the next reading."""
    limits: list[Flap | None] = [Flap()]
    damping = Damping(lambda _: limits[0])
    raised: dict[int, tuple[Micros, Micros]] = {}
    for row in [(0, T0 + i * MINUTE, i % 2 == 0) for i in range(12)]:
        damping.filter(*found_by_detector([row], raised))
    assert damping.told(0) == (T0 + 8 * MINUTE - SECOND, T0 + 8 * MINUTE)
    limits[0] = None
    kept = damping.filter(Runs(np.array([0])), np.array([T0 + 12 * MINUTE]), None)

    assert kept is not None
    assert (kept.change.tolist(), kept.onset.tolist()) == ([Change.CLEARED], [T0 + 8 * MINUTE - SECOND])
    assert damping.told(0) is None


def test_state_moves_with_its_slot() -> None:
    """And is forgotten with it."""
    damping, raised = Damping(setting), dict[int, tuple[Micros, Micros]]()
    damping.filter(*found_by_detector([(0, T0, True)], raised))
    damping.move(0, 9)
    assert (damping.told(0), damping.told(9)) == (None, (T0 - SECOND, T0))
    damping.forget(9)
    assert damping.told(9) is None


def test_the_sentences_say_how_often() -> None:
    """With the detector's own in front where it begins."""
    told = Told("t", "", 1.0, T0, T0, T0, {FLAPS: 7.0})

    said = flap.say(Change.RAISED, told, Flap(), "t is 1, above the limit of 0.")
    assert said == "t is 1, above the limit of 0. It comes and goes, 7 times lately, and counts as raised until that has become rare."
    assert flap.say(Change.CLEARED, told, Flap(), "") == "It came and went 7 times and has become rare: less than 5 times in 1 h."


def test_rules_are_damped_unless_they_say_otherwise() -> None:
    """The version of a rule that says nothing stays what it was."""
    base: dict[str, Any] = {
        "id": "x", "title": {"en": "x", "de": "x"}, "cause": "c", "detector": "threshold", "signal": "t", "above": 1.0,
    }  # fmt: skip
    plain = ThresholdRule.model_validate(base)
    assert plain.flap == Flap()
    assert ThresholdRule.model_validate({**base, "flap": {"times": 5}}).version == plain.version
    assert ThresholdRule.model_validate({**base, "flap": "off"}).flap is None
    assert ThresholdRule.model_validate({**base, "flap": {"times": 3, "within": "2 h"}}).flap == Flap.model_validate(
        {"times": 3, "within": "120 min"}
    )
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        ThresholdRule.model_validate({**base, "flap": {"times": 1}})


def test_what_is_held_is_let_go_where_the_rule_is_not_damped_any_more() -> None:
    """Through a restart with another wording of the rule; the last word is that of the filter, which has no limit to speak of."""
    damped, plain = RuleSet([rule("threshold", above=1.0, flap={})]), RuleSet([rule("threshold", above=1.0, flap="off")])
    host = Host(damped)
    for minute in range(20):
        host.frame([reading("p", minute * 60, minute % 2 * 2.0)])
    assert [symptom.state for symptom in host.out].count(SymptomState.RAISED) == 5
    assert "It comes and goes, 5 times lately" in host.out[-1].explanation
    host.frame([reading("p", 1200, 0.0)])
    host.crash(plain)
    host.frame([reading("p", 1260, 0.0)])

    assert (host.out[-1].state, host.out[-1].id) == (SymptomState.CLEARED, host.out[-2].id)
    assert host.out[-1].explanation.startswith("It came and went 10 times")
