"""Dropout: of the readings that should have come, too many did not, though the device still speaks.

Times of measurement tell: between two readings, as many are missing as intervals would have fitted in, less one. The running share of
missing ones is an exponentially weighted average over the readings that were due. A hole longer than `longest` intervals is a silence,
which is another detector's, and buffered readings that come in late with their own times leave no hole.
Numbers that stand for "no value" (`blanks`) count as missing too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.apart import tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration

LEARN_SPEED: Final = 0.005
"""How fast the usual interval is learned after the warm-up, where the rule does not say it."""
WARM_UP: Final = 20
"""Readings before an interval that is learned is believed."""
JITTER: Final = 0.25
"""Of an interval: readings that come earlier than this after the last one are extra, and nothing was due."""


class DropoutRule(SignalRule):
    """Too many readings do not come."""

    detector: Literal["dropout"]
    interval: Duration | None = Field(None, gt=0, description="How often a reading is due; left out: learned from the series.")
    share: float = Field(0.4, gt=0, lt=1, description="Raised when more than this share is missing …")
    clear: float = Field(0.1, ge=0, lt=1, description="… and cleared when no more than this is.")
    over: int = Field(12, ge=4, le=1000, description="Over about so many readings that were due.")
    longest: int = Field(12, ge=1, le=1000, description="A hole of more intervals than this is a silence, and not counted.")
    blanks: tuple[float, ...] = Field((), description="Numbers that stand for no value.")

    @model_validator(mode="after")
    def _sensible(self) -> DropoutRule:
        if self.clear >= self.share:
            raise ValueError(f"clear {self.clear:g} is not below the share of {self.share:g}: it would clear while it is raised")
        return self


LAYOUT: Final[Layout] = {
    **EPISODE,
    "seen": ("<f8", 4),  # time of the last reading (µs), usual interval (µs), readings so far, share that is missing
    "since": "<i8",  # µs, first hole of those that count
}


class Dropout(Detector):
    """Holes."""

    name: ClassVar[str] = "dropout"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: DropoutRule) -> None:
        interval, self._share, self._clear, over, self._longest, blanks = self.shared(rule)
        self._interval = interval
        speed = 1.0 / over
        kept = [1.0]  # what is left of the old share after so many readings; by multiplication, so that it is the same everywhere
        for _ in range(self._longest + 1):
            kept.append(kept[-1] * (1.0 - speed))
        self._kept, self._speed = np.array(kept), speed
        self._blanks = np.array(blanks)

    @classmethod
    def shared(cls, rule: DropoutRule) -> tuple[int | None, float, float, int, int, tuple[float, ...]]:
        """All settings."""
        return rule.interval, rule.share, rule.clear, rule.over, rule.longest, rule.blanks

    def prepare(self, state: Columns, slots: Slots, rule: Any, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Nothing was read yet."""
        if fresh:
            state.of["seen"][slots] = np.nan, np.nan, 0.0, 0.0

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series; one that is not newer than the last is passed over."""
        slots, of = runs.slots, state.of
        seen = of["seen"].take(slots, axis=0)
        last, usual, count, share = seen[:, 0].copy(), seen[:, 1].copy(), seen[:, 2], seen[:, 3].copy()
        gap = at - last
        newer = ~(gap <= 0)
        first = np.isnan(last)
        if self._interval is None:
            due = np.where(np.isnan(usual), np.maximum(gap, 1.0), usual)
            step = np.minimum(
                np.maximum(gap, due * 0.5), due * 1.5
            )  # a hole teaches no more than half an interval, an extra reading no less
            teaches = newer & ~first & ((share <= self._clear) | (count < WARM_UP))
            seen[:, 1] = np.where(teaches, due + np.maximum(LEARN_SPEED, 1.0 / (count + 1.0)) * (step - due), usual)
            steps = np.where(first, 1.0, np.rint(gap / due))
            ready = count >= WARM_UP
        else:
            steps = np.where(first, 1.0, np.rint(gap / self._interval))
            due = np.full(len(slots), float(self._interval))
            ready = newer
        extra = ~first & (gap < JITTER * due)
        steps = np.where(steps - 1.0 > self._longest, 1.0, np.maximum(steps, 1.0))
        missing = (steps - 1.0).astype(np.int64)
        blank = np.isin(values, self._blanks) if len(self._blanks) else np.zeros(len(slots), bool)
        share = 1.0 - (1.0 - share) * self._kept[missing]
        share = np.where(blank, share + self._speed * (1.0 - share), share - self._speed * share)
        taken = newer & ~(extra & ~blank)
        held = np.where(taken & ready, share, seen[:, 3])
        hole = taken & ready & ((missing > 0) | blank)
        begins = hole & (seen[:, 3] <= self._clear) & ~of["active"].take(slots)
        seen[:, 3] = held
        seen[:, 0] = np.where(newer, at, last)
        count += newer
        of["seen"][slots] = seen
        if np.count_nonzero(begins):
            of["since"][slots[begins]] = np.where(missing[begins] > 0, last[begins] + due[begins], at[begins]).astype(np.int64)
        look = (held > self._clear) | of["active"].take(slots)
        rows = look.nonzero()[0]
        if not len(rows):
            return None
        mine = slots[rows]
        active, held, hole = of["active"][mine], held[rows], hole[rows]
        raised, cleared = ~active & hole & (held > self._share), active & newer[rows] & (held <= self._clear)
        numbers = {"share": held, "interval": due[rows]}
        return tell(state, rows, mine, at[rows], raised, of["since"][mine], cleared, numbers)

    def say(self, rule: DropoutRule, change: Change, told: Told) -> str:
        """`Of about the last 12 readings of pressure, 45 % are missing.`."""
        share = f"{100 * told.numbers['share']:.0f} %"
        if change is Change.RAISED:
            return f"Of about the last {rule.over} readings of {told.signal} that were due, {share} are missing."
        return f"{told.signal} is read regularly again; {share} of about the last {rule.over} readings are missing."
