"""Often: something happens more often within a time than it should: restarts, switching, messages.

What counts as an event is a reading, a change of the value, or a rise of it. Events are counted in a sliding window of five counters
(`streams.detectors.apart.count_events`): as many events within the time always raise it, as many in more than 1.25 times the time never.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.apart import WINDOW, count_events, tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, say_duration
from vorab.clock import HOUR

Event = Literal["reading", "change", "rise"]
MESSAGES = "@messages"
"""A signal that has a reading per message: here each counts."""


class OftenRule(SignalRule):
    """Something happens too often."""

    detector: Literal["often"]
    event: Event | None = Field(None, description="What counts; left out: each reading of @messages, each change of all others.")
    count: int = Field(ge=1, le=1_000_000, description="So many events …")
    within: Duration = Field(HOUR, gt=0, description="… within this time raise it.")
    clear: int | None = Field(None, ge=0, description="Cleared when there are no more than this; left out: half of `count`.")

    @model_validator(mode="after")
    def _sensible(self) -> OftenRule:
        if self.clear is not None and self.clear >= self.count:
            raise ValueError(f"clear {self.clear} is not below the count of {self.count}: it would clear while it is raised")
        return self

    @property
    def what(self) -> Event:
        """What counts."""
        return self.event or ("reading" if self.signal == MESSAGES else "change")

    @property
    def calm(self) -> int:
        """Events at which it is cleared."""
        return (self.count - 1) // 2 if self.clear is None else self.clear


LAYOUT: Final[Layout] = {**EPISODE, **WINDOW, "last": "<f8"}


class Often(Detector):
    """Too many events."""

    name: ClassVar[str] = "often"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: OftenRule) -> None:
        self._what, self._count, self._within, self._calm = self.shared(rule)

    @classmethod
    def shared(cls, rule: OftenRule) -> tuple[Event, int, int, int]:
        """All settings."""
        return rule.what, rule.count, rule.within, rule.calm

    def prepare(self, state: Columns, slots: Slots, rule: Any, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Nothing was read yet."""
        if fresh:
            state.of["last"][slots] = np.nan

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Count, one reading of each series."""
        slots, of = runs.slots, state.of
        if self._what == "reading":
            happened = np.ones(len(slots), bool)
        else:
            last = of["last"].take(slots)
            happened = values > last if self._what == "rise" else (values != last) & ~np.isnan(last)
            of["last"][slots] = values
        count, since = count_events(state, slots, at, happened, self._within)
        active = of["active"].take(slots)
        raised, cleared = ~active & (count >= self._count), active & (count <= self._calm)
        if np.count_nonzero(cleared):  # what comes next is another episode, even if the window was never empty in between
            of["since"][slots[cleared]] = at[cleared]
        return tell(state, runs.index, slots, at, raised, since, cleared, {"count": count})

    def say(self, rule: OftenRule, change: Change, told: Told) -> str:
        """`@boot changed 3 times within 12 min; 3 times within 30 min are too many.`."""
        count, what = int(told.numbers["count"]), {"reading": "was read", "change": "changed", "rise": "rose"}[rule.what]
        if change is Change.RAISED:
            limit = f"{rule.count} times within {say_duration(rule.within)} are too many."
            return f"{told.signal} {what} {count} times within {say_duration(told.at - told.onset)}; {limit}"
        return f"{told.signal} {what} only {count} times within about {say_duration(rule.within)}."
