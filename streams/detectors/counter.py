"""Counter: a number that only ever grows starts again, or stands still.

A counter that rolls over (65,535 → 0) has counted on. One that falls to less than half has been reset: the device, its meter or its
memory began anew. A smaller fall is a correction, and nothing. Resets are counted in a window (`streams.detectors.apart.count_events`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.apart import WINDOW, count_events, tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Bools, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, say_duration
from vorab.clock import HOUR

RESET_SHARE: Final = 0.5
"""A counter that falls below this share of what it was began anew; one that falls less was corrected."""
WRAP_SHARE: Final = 0.1
"""Rolled over: from the last tenth of its numbers into the first, and by no more than a tenth."""


class CounterRule(SignalRule):
    """A counter that starts again, or stands still."""

    detector: Literal["counter"]
    resets: int | None = Field(None, ge=1, le=10_000, description="So many resets within the time `within` raise it.")
    within: Duration = Field(HOUR, gt=0, description="The time in which resets are counted; without another one in it, it is cleared.")
    stuck: Duration | None = Field(None, gt=0, description="Raised when it has not grown for so long.")
    count: int = Field(3, ge=2, le=100_000, description="How many readings it must have stood still for, at least.")
    wraps: tuple[float, ...] = Field((2.0**16, 2.0**32), description="Where it may roll over.")

    @model_validator(mode="after")
    def _sensible(self) -> CounterRule:
        if (self.resets is None) == (self.stuck is None):
            raise ValueError("say either resets or stuck")
        return self


LAYOUT: Final[Layout] = {**EPISODE, **WINDOW, "stay": ("<f8", 3)}  # last value, when it came to it (µs), readings of it


class Counter(Detector):
    """Began anew, or stands still."""

    name: ClassVar[str] = "counter"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: CounterRule) -> None:
        self._resets, self._within, self._stuck, self._count, self._wraps = self.shared(rule)

    @classmethod
    def shared(cls, rule: CounterRule) -> tuple[int | None, int, int | None, int, tuple[float, ...]]:
        """All settings."""
        return rule.resets, rule.within, rule.stuck, rule.count, rule.wraps

    def prepare(self, state: Columns, slots: Slots, rule: Any, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Nothing was read yet."""
        if fresh:
            state.of["stay"][slots] = np.nan, 0.0, 0.0

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        slots, of = runs.slots, state.of
        stay = of["stay"].take(slots, axis=0)
        last, count = stay[:, 0].copy(), stay[:, 2]
        same = values == last
        count += 1.0
        moved = (~same).nonzero()[0]
        stay[moved, 0], stay[moved, 1], stay[moved, 2] = values[moved], at[moved], 1.0
        of["stay"][slots] = stay
        active = of["active"].take(slots)
        if self._stuck is not None:
            since = stay[:, 1].astype(np.int64)
            raised = same & ~active & (count >= self._count) & (at - since >= self._stuck)
            return tell(state, runs.index, slots, at, raised, since, active & ~same, {"count": count, "before": last})
        reset = self._reset(last, values)
        times, since = count_events(state, slots, at, reset, self._within)
        raised, cleared = ~active & reset & (times >= (self._resets or 1)), active & (times == 0)
        return tell(state, runs.index, slots, at, raised, since, cleared, {"count": times, "before": last})

    def _reset(self, last: Floats, values: Floats) -> Bools:
        """Whether the counter began anew; rolling over is counting on."""
        fell = values < last * RESET_SHARE
        for wrap in self._wraps:
            grown = values + wrap - last
            fell &= ~((last < wrap) & (last >= wrap * (1.0 - WRAP_SHARE)) & (grown <= wrap * WRAP_SHARE))
        return fell & (last > 0)

    def say(self, rule: CounterRule, change: Change, told: Told) -> str:
        """`pages began anew: it fell from 48211 to 3.`."""
        count, before, value = int(told.numbers["count"]), told.numbers["before"], told.amount(told.value)
        if rule.stuck is not None:
            if change is Change.RAISED:
                return f"{told.signal} has stood at {value} for {say_duration(told.at - told.onset)}, {count} readings."
            return f"{told.signal} counts on: it is {value}."
        if change is Change.RAISED:
            text = f"{told.signal} began anew: it fell from {told.amount(before)} to {value}"
            return text + (f", {count} times within {say_duration(told.at - told.onset)}." if count > 1 else ".")
        return f"{told.signal} has counted on to {value} for {say_duration(rule.within)}."
