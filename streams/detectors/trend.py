"""Trend to a limit: a signal that is not there yet, but will be, with the time that is left.

Readings are averaged over steps (a day, say, so that the hour of the day is no trend), and a straight line with fading memory is drawn
through the averages. The line is wrong by what its residuals say, more where they hang together; from that comes the interval of the
time left. A symptom is raised when the limit is reached within the horizon with the wanted confidence, and the slope is beyond doubt.

Sources: weighted least squares with discounting, R. G. Brown, *Smoothing, Forecasting and Prediction* (1963); the interval of a
quotient, E. C. Fieller, *Some problems in interval estimation*, J. Royal Statistical Society B 16 (1954); cutting what is too far out,
P. J. Huber, *Robust estimation of a location parameter* (1964); fewer independent values where they hang together, G. V. Bayley and
J. M. Hammersley, J. Royal Statistical Society Supplement 8 (1946).
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.line import LINE, Line, add, line_of, start_again
from streams.detectors.shape import EPISODE, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration
from vorab.clock import DAY, HOUR, MINUTE, SECOND, Micros

STEPS: Final = 14
"""Averages a horizon is cut into unless the rule says otherwise: two weeks ahead are judged by days."""
STAY: Final = 1.25
"""Cleared only when the line reaches the limit later than so many horizons: a raised one does not flap at its edge."""

LAYOUT: Final[Layout] = {
    **EPISODE,
    **LINE,
    "sign": "<f8",  # 1 towards above, -1 towards below
    "edge": "<f8",  # limit times sign
    "within": "<f8",  # horizon in memories
    "least": "<f4",  # one-sided normal quantile of the confidence: for raising
    "both": "<f4",  # two-sided: for the interval
    "step": "<i8",  # µs
    "memory": "<i8",  # µs
    "begun": "<i8",  # µs, start of the step that is being averaged; 0 none
    "sum": "<f8",  # of its readings
    "sum_at": "<f8",  # of their times after its start
    "readings": "<i4",
    "rising": "<i8",  # µs, since when the slope has been beyond doubt; 0 it is not
}


class TrendRule(SignalRule):
    """A signal on its way to a limit."""

    detector: Literal["trend"]
    above: Bound | None = Field(None, description="The limit, where reaching it from below is bad.")
    below: Bound | None = Field(None, description="The limit, where reaching it from above is bad.")
    within: Duration = Field(ge=MINUTE, description="Horizon: raised when the limit will be reached within this time.")
    confidence: float = Field(0.9, ge=0.5, le=0.999, description="How sure: of reaching it within the horizon, and of the interval told.")
    memory: Duration = Field(0, description="How far back the line looks (readings older than this count little); none: one horizon.")
    step: Duration = Field(0, description="Readings of so long are averaged first; none: a fourteenth of the horizon.")
    steps: int = Field(7, ge=4, le=1000, description="Averages before it speaks.")

    @model_validator(mode="after")
    def _sensible(self) -> TrendRule:
        if (self.above is None) == (self.below is None):
            raise ValueError("say either above or below")
        if self.stride * self.steps > 4 * self.lookback:
            raise ValueError("the memory fades before there are enough steps in it: a longer memory, or a shorter step")
        return self

    @property
    def limit(self) -> Bound:
        """The limit, on whichever side."""
        return self.above if self.above is not None else self.below if self.below is not None else 0.0

    @property
    def sign(self) -> float:
        """1 where above is bad, -1 where below is."""
        return 1.0 if self.above is not None else -1.0

    @property
    def lookback(self) -> Micros:
        """Memory of the line (µs)."""
        return self.memory or self.within

    @property
    def stride(self) -> Micros:
        """What one average is taken over (µs)."""
        return self.step or max(self.within // STEPS, SECOND)

    @property
    def needs(self) -> tuple[Bound, ...]:
        """The limit."""
        return (self.limit,)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The limit."""
        return self.needs


class Trend(Detector):
    """Reaches a limit within the horizon."""

    name: ClassVar[str] = "trend"
    layout = LAYOUT
    one_by_one: ClassVar[bool] = True

    def __init__(self, rule: TrendRule) -> None:
        self.steps = rule.steps

    @classmethod
    def shared(cls, rule: TrendRule) -> int:
        """How many steps before it speaks."""
        return rule.steps

    def prepare(self, state: Columns, slots: Slots, rule: TrendRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:
        """Write limit, horizon and confidence; another memory, step or side begins a new line."""
        of = state.of
        limit: Any = bound(rule.limit)
        if limit is None:  # of a device the registry does not know (any more): what it said stays, else nothing is ever reached
            limit = rule.sign * (np.inf if fresh else of["edge"][slots])
        settings = (("sign", rule.sign), ("memory", rule.lookback), ("step", rule.stride))
        other = np.asarray(slots)[np.logical_or.reduce([of[name][slots] != value for name, value in settings]) | fresh]
        start_again(of, other)
        for name in ("begun", "readings", "rising"):
            of[name][other] = 0
        for name, value in settings:
            of[name][slots] = value
        of["edge"][slots] = limit * rule.sign
        of["within"][slots] = rule.within / rule.lookback
        of["least"][slots] = NormalDist().inv_cdf(rule.confidence)
        of["both"][slots] = NormalDist().inv_cdf((1.0 + rule.confidence) / 2.0)

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Take one reading of each series; lines are drawn and judged where a step is over."""
        of, slots = state.of, runs.slots
        begun = of["begun"][slots]
        over = (begun > 0) & (at - begun >= of["step"][slots])
        found = self._judge(of, np.flatnonzero(over), slots[over], at[over]) if over.any() else None
        fresh = over | (begun == 0)
        begun = np.where(fresh, at, begun)
        of["begun"][slots] = begun
        of["sum"][slots] = np.where(fresh, 0.0, of["sum"][slots]) + values * of["sign"][slots]
        of["sum_at"][slots] = np.where(fresh, 0.0, of["sum_at"][slots]) + (at - begun)
        of["readings"][slots] = np.where(fresh, 0, of["readings"][slots]) + 1
        return found

    def _judge(self, of: dict[str, Any], rows: Slots, slots: Slots, at: Longs) -> Episodes | None:
        """A step is over for these: its average goes into the line, and the line is asked."""
        readings, memory = of["readings"][slots], of["memory"][slots]
        middle = of["begun"][slots] + np.rint(of["sum_at"][slots] / readings).astype(np.int64)
        active = of["active"][slots]
        shifted = add(of, slots, middle, of["sum"][slots] / readings, memory)
        line = line_of(of, slots)
        away, known = shifted < 0, line.count >= self.steps
        least, within, edge = of["least"][slots].astype(np.float64), of["within"][slots], of["edge"][slots]
        steep = known & (line.slope > least * line.slope_error())
        rising = np.where(steep, np.where(of["rising"][slots] > 0, of["rising"][slots], middle), 0)
        of["rising"][slots] = rising
        ahead = line.at(within) - edge
        raised = ~active & steep & (ahead > least * line.error(within))
        back = line.at(STAY * within) < edge
        cleared = active & (away | (known & back & (line.level < edge)))
        changed = np.flatnonzero(raised | cleared)
        if not len(changed):
            return None
        mine, new = slots[changed], raised[changed]
        of["active"][mine] = new
        onset = of["onset"][mine] = np.where(new, rising[changed], of["onset"][mine])
        detected = of["detected"][mine] = np.where(new, at[changed], of["detected"][mine])
        change = np.where(new, np.int8(Change.RAISED), np.int8(Change.CLEARED))
        left = forecast(of, mine, at[changed])
        numbers = {
            "limit": edge[changed] * of["sign"][mine],
            "remaining_s": left[0],
            "remaining_low_s": left[1],
            "remaining_high_s": left[2],
            "per_day": line.slope[changed] * of["sign"][mine] / memory[changed] * DAY,
        }
        return Episodes(rows[changed], change, onset, detected, numbers)

    def say(self, rule: TrendRule, change: Change, told: Told) -> str:
        """How fast, and what time is left."""
        numbers = told.numbers
        limit, side = told.amount(numbers["limit"]), "above" if rule.sign > 0 else "below"
        if change is Change.CLEARED:
            return f"{told.signal} is {told.amount(told.value)} and no longer on its way to the limit of {limit}."
        way = "rises" if numbers["per_day"] > 0 else "falls"
        text = f"{told.signal} {way} by {told.amount(abs(numbers['per_day']))} a day"
        if numbers["remaining_s"] <= 0:
            return f"{text} and has reached the limit of {limit}."
        left, low, high = (_say_time(numbers[name]) for name in ("remaining_s", "remaining_low_s", "remaining_high_s"))
        until = "" if low == high else f"{low} to {high}, " if high else f"{low} at least, "
        return f"{text} and will be {side} {limit} in about {left} ({until}{rule.confidence:.0%} sure)."


def forecast(of: dict[str, Any], slots: Slots, at: Longs) -> tuple[Floats, Floats, Floats]:
    """Seconds from `at` (µs) until the limit is reached: by the line, and the earliest and latest that its confidence allows.

    0 where it is reached, infinite where it never will be.
    """
    line: Line = line_of(of, slots)
    second, since = of["memory"][slots] / SECOND, (at - of["newest"][slots]) / SECOND
    low, high = line.reaches(of["edge"][slots], of["both"][slots].astype(np.float64))
    left, low, high = (np.maximum(each * second - since, 0.0) for each in (line.reach(of["edge"][slots]), low, high))
    return left, low, high


def _say_time(seconds: float) -> str:
    """A length of time as people say it, in two figures at most; nothing where it is for ever."""
    if not np.isfinite(seconds):
        return ""
    for unit, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        count = seconds * SECOND / unit
        if count >= 2:
            return f"{count:.0f} {name}"
    return f"{max(seconds, 0.0):.0f} seconds"
