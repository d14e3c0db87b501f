"""Flat line: a value that does not change any more, as a sensor says whose cable, firmware or valve is stuck.

A stay begins with a reading and lasts while readings keep within `tolerance` of that first one, so a slow creep ends it.
It is raised when the stay is long enough, in readings and in the device's own time; the first reading that moves clears it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from streams.detectors.apart import tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, say_duration
from vorab.clock import MINUTE


class FlatRule(SignalRule):
    """A signal that does not change any more."""

    detector: Literal["flat"]
    tolerance: float = Field(0.0, ge=0, description="What still counts as the same value.")
    count: int = Field(10, ge=2, le=100_000, description="How many readings of the same value before it counts.")
    hold: Duration = Field(30 * MINUTE, alias="for", ge=0, description="How long, in the device's own time, before it counts.")
    besides: tuple[float, ...] = Field((), description="Values that may stay, such as 0 of a machine that is off.")


LAYOUT: Final[Layout] = {**EPISODE, "stay": ("<f8", 3)}  # first value, its time (µs), readings so far


class Flat(Detector):
    """Stuck at a value."""

    name: ClassVar[str] = "flat"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: FlatRule) -> None:
        self._tolerance, self._count, self._hold, self._besides = self.shared(rule)

    @classmethod
    def shared(cls, rule: FlatRule) -> tuple[float, int, int, tuple[float, ...]]:
        """All settings."""
        return rule.tolerance, rule.count, rule.hold, rule.besides

    def prepare(self, state: Columns, slots: Slots, rule: Any, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Nothing was read yet."""
        if fresh:
            state.of["stay"][slots] = np.nan, 0.0, 0.0

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        slots, of = runs.slots, state.of
        stay = of["stay"].take(slots, axis=0)
        same = np.abs(values - stay[:, 0]) <= self._tolerance
        stay[:, 2] += 1.0
        moved = (~same).nonzero()[0]
        if len(moved):
            fresh = np.empty((len(moved), 3))
            fresh[:, 0], fresh[:, 1], fresh[:, 2] = values[moved], at[moved], 1.0
            stay[moved] = fresh
        of["stay"][slots] = stay
        look = ((stay[:, 2] >= self._count) | (~same & of["active"].take(slots))).nonzero()[0]
        if not len(look):
            return None
        mine, value, since, count = slots[look], stay[look, 0], stay[look, 1].astype(np.int64), stay[look, 2]
        active, still = of["active"][mine], same[look]
        raised = still & ~active & (count >= self._count) & (at[look] - since >= self._hold)
        for allowed in self._besides:
            raised &= np.abs(value - allowed) > self._tolerance
        return tell(state, look, mine, at[look], raised, since, active & ~still, {"count": count, "value": value})

    def say(self, rule: FlatRule, change: Change, told: Told) -> str:  # noqa: ARG002 - the shape
        """`pressure has stayed at 1.62 bar for 30 min, 10 readings.`."""
        if change is Change.RAISED:
            stay = f"{told.signal} has stayed at {told.amount(told.numbers['value'])} for {say_duration(told.at - told.onset)}"
            return f"{stay}, {int(told.numbers['count'])} readings."
        return f"{told.signal} moves again: it is {told.amount(told.value)}."
