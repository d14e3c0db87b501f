"""Expressions over several signals: the columns say what the library says, and mistakes are told with their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.rules import expression
from streams.rules.cel import WrongExpression
from streams.rules.expression import Bools, Expression, Floats

NAMES = ("temperature", "pump", "motor.current", "temp-1")
SPELLED = ("temperature", "pump", "motor.current", 'signals["temp-1"]', "signals.pump")

NAN = float("nan")
numbers = st.sampled_from(["0", "1", "2.5", "-3", "60", "1e308", "-0.0", "7"])


def wider(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arithmetic over parts."""
    two = st.tuples(parts, st.sampled_from(["+", "-", "*", "/"]), parts).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
    one = st.one_of(parts.map(lambda p: f"(-({p}))"), parts.map(lambda p: f"math.abs({p})"))
    most = st.tuples(st.sampled_from(["greatest", "least"]), parts, parts).map(lambda p: f"math.{p[0]}({p[1]}, {p[2]})")
    return st.one_of(two, one, most)


signals = st.sampled_from(SPELLED)
amounts = st.recursive(st.one_of(signals, numbers), wider, max_leaves=4)


def joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Logic over parts."""
    both = st.tuples(parts, st.sampled_from(["&&", "||", "==", "!="]), parts).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
    choice = st.tuples(parts, parts, parts).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})")
    return st.one_of(both, choice, parts.map(lambda p: f"!({p})"))


comparisons = st.tuples(amounts, st.sampled_from([">", ">=", "<", "<=", "==", "!="]), amounts).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
among = st.tuples(signals, st.lists(numbers, min_size=1, max_size=3)).map(lambda p: f"({p[0]} in [{', '.join(p[1])}])")
chosen = st.tuples(comparisons, signals, signals, numbers).map(lambda p: f"(({p[0]} ? {p[1]} : {p[2]}) > {p[3]})")
has = st.sampled_from(["has(signals.pump)", "has(signals.temperature)"])
conditions = st.recursive(st.one_of(comparisons, comparisons, among, chosen, has), joined, max_leaves=5)

values = st.one_of(st.none(), st.sampled_from([0.0, 1.0, -3.0, 60.0, 2.5]), st.floats(allow_nan=False, allow_infinity=False))
rows = st.lists(st.tuples(values, values, values, values), min_size=1, max_size=12)


def table(data: list[tuple[Any, ...]]) -> tuple[dict[str, Floats], dict[str, Bools]]:
    """Rows as columns; None is not known, and has some value that must not matter."""
    columns = dict(zip(NAMES, zip(*data, strict=True), strict=True))
    return (
        {name: np.array([77.0 if value is None else value for value in column]) for name, column in columns.items()},
        {name: np.array([value is not None for value in column]) for name, column in columns.items()},
    )


@pytest.mark.slow
@settings(max_examples=400)
@given(conditions, rows)
def test_columns_say_what_the_library_says(text: str, data: list[tuple[Any, ...]]) -> None:
    """Whatever is compared, computed, joined, chosen or not known."""
    try:
        condition = Expression(text)
    except WrongExpression as wrong:
        # Two numbers are compared as integers, and a row of integers may be divided: that is nobody's rule.
        assert "names no signal" in str(wrong) or "int" in str(wrong)
        return
    holds, said = condition.evaluate(*table(data))
    reference, reference_said = condition.row_by_row(*table(data))

    assert said.tolist() == reference_said.tolist()
    assert holds.tolist() == reference.tolist()


@given(rows)
def test_what_rules_are_made_of_is_translated(data: list[tuple[Any, ...]]) -> None:
    """No rule of this kind is evaluated row by row."""
    for text in (
        "temperature > 60 && pump == 1 && motor.current < 1.8",
        "!(temperature in [1, 2, 3]) || signals['temp-1'] / pump >= 0.5",
        "math.abs(temperature - signals['temp-1']) > 2 && (has(signals.pump) ? pump > 0 : true)",
        "math.greatest(temperature, signals['temp-1'], 3) - math.least(pump, 1) > -5",
    ):
        condition = Expression(text)
        assert not condition.by_rows
        assert [each.tolist() for each in condition.evaluate(*table(data))] == [
            each.tolist() for each in condition.row_by_row(*table(data))
        ]


@given(rows)
def test_anything_else_is_left_to_the_library(data: list[tuple[Any, ...]]) -> None:
    """Slower, and right: integers, texts, loops over lists."""
    for text in (
        "int(pump) % 2 == 1",
        "[temperature, pump].exists(each, each > 60.0)",
        "string(pump).size() > 3",
        "temperature in [pump, 1]",
    ):
        condition = Expression(text)
        assert condition.by_rows
        assert set(condition.signals) <= set(NAMES)
        holds, said = condition.evaluate(*table(data))
        assert not (holds & ~said).any()


def test_a_translation_that_forgets_what_is_not_known_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: `&&` that only asks whether both sides are known."""
    data = table([(50.0, None, 0.0, 0.0), (70.0, None, 0.0, 0.0), (None, None, 0.0, 0.0)])
    text = "temperature > 60 && pump == 1"
    assert [each.tolist() for each in Expression(text).evaluate(*data)] == [[False] * 3, [True, False, False]]
    assert [each.tolist() for each in Expression(text).row_by_row(*data)] == [[False] * 3, [True, False, False]]

    def careless(left: expression.Part, right: expression.Part, *, wins: bool) -> expression.Part:
        return expression._binary(np.logical_or if wins else np.logical_and, "bool", left, right)

    monkeypatch.setattr(expression, "_junction", careless)
    assert Expression(text).evaluate(*data)[1].tolist() != [True, False, False]


def test_signals_are_found_however_they_are_spelled() -> None:
    """Each once, in the order in which they are named; names of loops and functions are none."""
    text = 'motor.current > 1 && signals["temp-1"] > pump && [1.0].all(x, x < signals.pump) && math.abs(temperature) > 1'

    assert Expression(text).signals == ("motor.current", "temp-1", "pump", "temperature")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("temperature > 60 +", r"column 19: mismatched input '<EOF>'"),
        ("temperature > 60 && pump == true", r"column 26 \(== true\): == cannot be applied to \(double, bool\)"),
        ("temperature > 60 && pump > 1 && motor > 'x'", r"column 39 \(> 'x'\): > cannot be applied to \(double, string\)"),
        ("temperature > 60\n && pump > 'x'", r"line 2, column 10 \(> 'x'\)"),
        ("temperature + 60", "gives double, not true or false"),
        ("1 < 2", "names no signal"),
        ("signals.size() > 1", r"column 1: signals are asked for by name"),
        ("temperature > 60 && wrong(pump)", r"column 26 \(\(pump\)\): undeclared reference to 'wrong'"),
        ("pump % 2 == 1", r"column 6 \(% 2 == 1\): % cannot be applied to \(double, int\)"),
        ("x" * 2001, "longer than 2000 letters"),
        ("", "column 1"),
        ("has(pump)", r"column 5 \(pump\)\): has\(\) argument must be a field selection"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, says: str) -> None:
    """In what was written, not in what was made of it."""
    with pytest.raises(WrongExpression, match=says):
        Expression(text)


@pytest.mark.parametrize("text", ["pump == 1", "1 == pump", "pump * 2 + 1 > 3 - 1", "(pump > 1 ? 2 : pump) >= 1", "pump in [1, 2]"])
def test_integers_stand_for_numbers(text: str) -> None:
    """Nobody has to write 60.0."""
    holds, _ = Expression(text).evaluate({"pump": np.array([1.0])}, {"pump": np.array([True])})

    assert holds.tolist() == [True]


def test_an_expression_nested_too_deep_is_refused_and_not_a_crash() -> None:
    """The library has a limit of its own; ours is the number of letters."""
    for text in ("(" * 900 + "pump > 1" + ")" * 900, "!" * 1900 + "(pump > 1)", "pump" + " + 1" * 400 + " > 1"):
        try:
            Expression(text)
        except WrongExpression:
            continue
