"""Several signals by an expression: last values that grow old, runs, hysteresis, held against a walk row by row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import expression, threshold
from streams.detectors.columns import Columns, Runs
from streams.detectors.expression import ByExpression, ExpressionRule
from streams.detectors.shape import Change, Told
from streams.rules.expression import Expression
from vorab.clock import MINUTE, SECOND, Micros

T0 = 1_795_000_000 * SECOND
SIGNALS = ("temperature", "pump", "pressure")
Row = tuple[int, Micros, tuple[float | None, ...]]
"""Slot, time, and the value of each signal or None."""


def rule(**words: Any) -> ExpressionRule:
    """A rule."""
    base = {"id": "x", "title": {"en": "x", "de": "x"}, "cause": "c", "detector": "expression"}
    return ExpressionRule.model_validate({**base, **words})


RULES = (
    rule(expression="temperature > 60 && pump == 1 && pressure < 1.8"),
    rule(expression="temperature > 60 && pump == 1", clear="temperature < 55", **{"for": "2 min"}, count=2, max_age="3 min"),
    rule(expression="has(signals.pressure) ? pressure < 1.8 : temperature > 70", count=2, max_age="90 s"),
    rule(expression="int(pump) % 2 == 1 && temperature > 60", max_age="10 min"),
)


def table(which: ExpressionRule, detector: ByExpression) -> Columns:
    """Five slots."""
    state = Columns("expression", detector.layout, 2)
    state.grow(5)
    detector.prepare(state, np.arange(5), which, lambda _: None, fresh=True)
    return state


def run(which: ExpressionRule, rows: Sequence[Row], cuts: Sequence[int], kind: type[ByExpression] = ByExpression) -> list[tuple[Any, ...]]:
    """What is found when rows are cut here, with a restart after each cut."""
    detector = kind(which)
    state = table(which, detector)
    found: list[tuple[Any, ...]] = []
    edges = [0, *sorted({cut % len(rows) for cut in cuts} - {0}), len(rows)]
    for first, last in pairwise(edges):
        part = rows[first:last]
        runs = Runs(np.array([slot for slot, _, _ in part]))
        at = runs.sort(np.array([time for _, time, _ in part]))
        columns = {
            name: runs.sort(np.array([np.nan if row[2][i] is None else row[2][i] for row in part], float))
            for i, name in enumerate(SIGNALS)
            if any(row[2][i] is not None for row in part)  # a frame lacks a signal that none of its rows has
        }
        episodes = detector.judge(state, runs, at, columns)
        if episodes is not None:
            for row, change, onset, detected in zip(
                episodes.rows.tolist(), episodes.change.tolist(), episodes.onset.tolist(), episodes.detected.tolist(), strict=True
            ):
                found.append((int(runs.slots[row]), int(at[row]), change, onset, detected))
        blocks = [(f"expression/{i}", state.pack(i * 2, min(i * 2 + 2, 5))) for i in range(3)]
        old, state, detector = state, Columns("expression", detector.layout, 2), kind(which)
        for name, block in blocks:
            state.unpack(name, block)
        assert all((old.of[name][:5] == state.of[name][:5]).all() for name in old.of)
    return sorted(found)


def fold(which: ExpressionRule, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The oracle: row by row, with the library."""
    holds, over = Expression(which.expression), None if which.clear is None else Expression(which.clear)
    found: list[tuple[Any, ...]] = []
    last: dict[tuple[int, str], tuple[float, Micros]] = {}
    runs: dict[int, list[Micros]] = {}
    raised: dict[int, tuple[Micros, Micros]] = {}

    def says(text: Expression, slot: int, at: Micros) -> bool | None:
        known = {name: last[slot, name][0] for name in SIGNALS if (slot, name) in last and at - last[slot, name][1] <= which.max_age}
        values = {name: np.array([known.get(name, 0.0)]) for name in SIGNALS}
        true, said = text.row_by_row(values, {name: np.array([name in known]) for name in SIGNALS})
        return bool(true[0]) if said[0] else None

    for slot, at, values in rows:
        new = {name: value for name, value in zip(SIGNALS, values, strict=True) if value is not None}
        last.update({(slot, name): (value, at) for name, value in new.items()})
        if not set(new) & set(which.signal_names):
            continue
        said = says(holds, slot, at)
        ends = said is False if over is None else said is not True and says(over, slot, at) is True
        if said is None and not ends:
            continue
        if said:
            run = runs.setdefault(slot, [])
            run.append(at)
            if slot not in raised and len(run) >= which.count and at - run[0] >= which.hold:
                raised[slot] = (run[0], at)
                found.append((slot, at, Change.RAISED, *raised[slot]))
            continue
        runs.pop(slot, None)
        if ends and slot in raised:
            found.append((slot, at, Change.CLEARED, *raised.pop(slot)))
    return sorted(found)


def story(drawn: list[tuple[int, int, tuple[float | None, ...]]]) -> list[Row]:
    """Rows of five devices, seconds to minutes apart."""
    rows, at = list[Row](), dict.fromkeys(range(5), T0)
    for slot, seconds, values in drawn:
        at[slot] += seconds * SECOND
        rows.append((slot, at[slot], values))
    return rows


cells = st.tuples(
    st.sampled_from([None, 50.0, 58.0, 61.0, 80.0, 80.0]), st.sampled_from([None, None, 0.0, 1.0, 1.0]), st.sampled_from([None, 1.0, 2.5])
)
stories = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([1, 30, 60, 90, 91, 150, 400]), cells), min_size=1, max_size=50)


@given(st.sampled_from(RULES), stories, st.lists(st.integers(0, 49), max_size=5))
def test_many_rows_at_once_are_judged_as_one_by_one(
    which: ExpressionRule, drawn: list[tuple[int, int, tuple[float | None, ...]]], cuts: list[int]
) -> None:
    """However they are cut into calls, with a restart after each, bit for bit."""
    assert run(which, story(drawn), cuts) == fold(which, story(drawn))


class Ageless(ByExpression):
    """Known-bad: a value counts for ever."""

    def __init__(self, rule: ExpressionRule) -> None:
        super().__init__(rule)
        self._max_age = 10**18


def test_a_value_that_has_grown_old_does_not_count() -> None:
    """The pump was on ten minutes ago; nobody knows whether it is. A detector that does not care is found out."""
    rows: list[Row] = [(0, T0, (None, 1.0, 1.0)), (0, T0 + 10 * MINUTE, (80.0, None, 1.0))]

    assert run(RULES[0], rows, []) == fold(RULES[0], rows) == []
    assert run(RULES[0], rows, [], Ageless) != []


def test_what_cannot_be_said_neither_ends_a_run_nor_clears() -> None:
    """A device whose pressure has not come for a while is not well because of that."""
    rows: list[Row] = [(0, T0, (80.0, 1.0, 1.0)), (0, T0 + 6 * MINUTE, (80.0, None, None)), (0, T0 + 7 * MINUTE, (50.0, None, None))]

    assert [(change, at - T0) for _, at, change, _, _ in run(RULES[0], rows, [])] == [(Change.RAISED, 0), (Change.CLEARED, 7 * MINUTE)]


def test_the_sentences_name_the_expression_and_what_its_signals_are() -> None:
    """Values that are not known are left out."""
    detector = ByExpression(RULES[1])
    numbers = {"=temperature": 71.25, "=pump": float("nan"), "count": 3.0}
    told = Told("temperature", "", 71.25, T0 + 2 * MINUTE, T0, T0 + 2 * MINUTE, numbers)

    said = detector.say(RULES[1], Change.RAISED, told)
    assert said == "temperature > 60 && pump == 1 holds, 3 times in a row, for 2 min: temperature is 71.25."
    assert detector.say(RULES[1], Change.CLEARED, told) == "temperature < 55 holds: temperature is 71.25."
    assert detector.say(RULES[0], Change.CLEARED, told).startswith("temperature > 60 && pump == 1 && pressure < 1.8 holds no longer: ")


def test_a_rule_names_its_signals_and_its_mistakes() -> None:
    """Signals of both expressions; a mistake names the column."""
    assert rule(expression="a > 1", clear="b < a").signal_names == ("a", "b")
    assert rule(expression="a > 1").looks_at("a")
    assert not rule(expression="a > 1").looks_at("b")
    for words in ({"expression": "a > 'x'"}, {"expression": "a > 1", "clear": "a > 'x'"}):
        with pytest.raises(ValidationError, match=r"column 3 \(> 'x'\): > cannot be applied to \(double, string\)"):
            rule(**words)


def test_expressions_that_differ_have_tables_of_their_own() -> None:
    """And those that agree share one, whatever else their rules say."""
    assert ByExpression.shared(RULES[0]) == ByExpression.shared(rule(expression=RULES[0].expression, count=7))
    assert len({repr(ByExpression.shared(each)) for each in RULES}) == len(RULES)
    assert set(threshold.LAYOUT) < set(ByExpression(RULES[0]).layout)
    assert expression.compiled("a > 1") is expression.compiled("a > 1")
