"""Signals that are computed from others: `= fuser_temperature - fuser_setpoint`, for any detector to judge.

Each signal in the formula counts with its last value, for as long as that is not too old; a row has a value when it carries any of
them and all are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from streams.detectors.columns import Columns, Runs
from streams.detectors.last_values import last_values, layout
from streams.detectors.shape import Floats, Longs
from streams.rules.expression import Expression
from vorab.clock import MINUTE, Micros

COMPUTED: Final = "="
"""What the name of a computed signal begins with."""
MAX_AGE: Final[Micros] = 5 * MINUTE
"""The last value of a signal counts for so long."""


class Formula:
    """A number out of several signals."""

    def __init__(self, text: str) -> None:
        """Raises WrongExpression, with the place."""
        self._expression = Expression(text.strip(), gives="double")
        self.signals = self._expression.signals
        self.layout = layout(len(self.signals))

    def compute(self, state: Columns, runs: Runs, at: Longs, columns: Mapping[str, Floats]) -> Floats:
        """A value per row, sorted by slot, each slot's in order of time (µs); NaN where it cannot be said."""
        values, known, spoke = last_values(state, runs, at, columns, self.signals, MAX_AGE)
        found, said = self._expression.evaluate(values, known)
        out: Floats = np.where(said & spoke, found, np.nan)
        return out
