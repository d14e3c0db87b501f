"""Several signals of a device by an expression: each signal counts with its last value, for as long as that is not too old.

`streams.rules.expression` says for all rows at once where the expression holds. A run of rows at which it does is judged as a run of
readings beyond a limit is: by count and by time, and raised until it does not hold, or until another expression says that it is over.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import ClassVar, Final, Literal

import numpy as np
from pydantic import Field, field_validator

from streams.detectors import threshold
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.last_values import last_values, layout
from streams.detectors.shape import Change, DeviceDetector, Episodes, Floats, Layout, Longs, Told
from streams.rules.expression import Expression
from streams.rules.rule import Rule
from streams.rules.words import Bound, Duration, say_duration
from vorab.clock import MINUTE, SECOND

VALUE: Final = "="
"""In front of a signal's name: its value among the numbers of an episode."""


@functools.lru_cache(maxsize=1024)
def compiled(text: str) -> Expression:
    """The expression; raises WrongExpression."""
    return Expression(text)


class ExpressionRule(Rule):
    """Several signals of a device together."""

    detector: Literal["expression"]
    expression: str = Field(min_length=1, description="CEL over signals: temperature > 60 && pump == 1. Raised while it holds.")
    clear: str | None = Field(None, description="Cleared only when this holds and the expression does not; none: as soon as that does not.")
    hold: Duration = Field(0, alias="for", description="How long, in the device's own time, before it counts.")
    count: int = Field(1, ge=1, le=10_000, description="How many rows with any of its signals in a row before it counts.")
    max_age: Duration = Field(5 * MINUTE, ge=SECOND, description="The last value of a signal counts for so long.")

    @field_validator("expression", "clear")
    @classmethod
    def _right(cls, text: str | None) -> str | None:
        if text is not None:
            compiled(text)
        return text

    @property
    def signal_names(self) -> tuple[str, ...]:
        """All signals that are named, each once."""
        clear = () if self.clear is None else compiled(self.clear).signals
        return tuple(dict.fromkeys((*compiled(self.expression).signals, *clear)))

    def looks_at(self, signal: str) -> bool:
        """The signals it names."""
        return signal in self.signal_names


class ByExpression(DeviceDetector):
    """One per expression."""

    name: ClassVar[str] = "expression"

    def __init__(self, rule: ExpressionRule) -> None:
        self.signals = rule.signal_names
        self._holds = compiled(rule.expression)
        self._over = None if rule.clear is None else compiled(rule.clear)
        self._max_age = rule.max_age
        self.layout: Layout = {**threshold.LAYOUT, **layout(len(self.signals))}

    @classmethod
    def shared(cls, rule: ExpressionRule) -> object:
        """What stands in the columns depends on it."""
        return (rule.expression, rule.clear, rule.max_age)

    def prepare(
        self,
        state: Columns,
        slots: Slots,
        rule: ExpressionRule,
        bound: Callable[[Bound], float | None],  # noqa: ARG002 - it has no limits
        *,
        fresh: bool,  # noqa: ARG002 - old ones are given the same
    ) -> None:
        """Rows are judged as values: 1 where it holds, -1 where it is over, 0 between."""
        of = state.of
        of["sign"][slots], of["edge"][slots], of["inner"][slots] = 1.0, 0.0, -0.5
        of["hold"][slots], of["need"][slots] = rule.hold, rule.count

    def judge(self, state: Columns, runs: Runs, at: Longs, columns: Mapping[str, Floats]) -> Episodes | None:
        """Judge rows; those that have none of the signals are passed over."""
        values, known, spoke = last_values(state, runs, at, columns, self.signals, self._max_age)
        rows = np.flatnonzero(spoke)
        if not len(rows):
            return None
        values = {name: column[rows] for name, column in values.items()}
        known = {name: column[rows] for name, column in known.items()}
        holds, said = self._holds.evaluate(values, known)
        over = said & ~holds if self._over is None else self._over.evaluate(values, known)[0] & ~holds
        judged = np.flatnonzero(said | over)
        if not len(judged):
            return None
        rows = rows[judged]
        verdict = np.where(holds, 1.0, np.where(over, -1.0, 0.0))[judged]
        found = threshold.update(state, Runs(runs.slots[rows], apart=runs.apart), at[rows], verdict)
        if found is None:
            return None
        mine = judged[found.rows]
        numbers = {VALUE + name: np.where(known[name][mine], values[name][mine], np.nan) for name in self.signals}
        return Episodes(rows[found.rows], found.change, found.onset, found.detected, {**numbers, "count": found.numbers["count"]})

    def say(self, rule: ExpressionRule, change: Change, told: Told) -> str:
        """The expression, and what its signals are."""
        pairs = [(name, told.numbers.get(VALUE + name, np.nan)) for name in rule.signal_names]
        values = ", ".join(f"{name} is {value:.6g}" for name, value in pairs if np.isfinite(value))
        if change is not Change.RAISED:
            what = f"{rule.expression} holds no longer" if rule.clear is None else f"{rule.clear} holds"
            return f"{what}: {values}."
        text = f"{rule.expression} holds"
        if told.numbers["count"] > 1:
            text += f", {told.numbers['count']:.0f} times in a row"
        lasted = told.at - told.onset
        return f"{text}{f', for {say_duration(lasted)}' if lasted else ''}: {values}."
