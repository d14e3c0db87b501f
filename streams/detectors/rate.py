"""Rate of change: a signal that rises or falls faster than it should, averaged over a time.

The slope is taken between two readings of the series that lie `within` apart at least, and usually less than 1.5 times that: three
older readings are kept, each half a time after the one before, and the oldest is the one to compare with. Real times stand under the
fraction, so intervals may be irregular. Each reading is first replaced by the median of itself and its two neighbours: one odd reading
is no change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.apart import tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Bools, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, say_duration
from vorab.clock import HOUR, MINUTE

OLD, LAST, LAST_AT, FROM, FROM_AT, YOUNG_AT = range(6)
"""Columns of `kept`: the last two readings, the older one to compare with, and the time of the youngest of the older ones."""
MID, MID_AT, YOUNG = range(3)
"""Columns of `next`: what is to be compared with later."""
NEVER: Final = 4e18
"""A limit that nothing reaches."""


class RateRule(SignalRule):
    """A signal that changes faster than it should."""

    detector: Literal["rate"]
    rise: float | None = Field(None, gt=0, description="Raised when it rises by more than this in the time `per`.")
    fall: float | None = Field(None, gt=0, description="Raised when it falls by more than this in the time `per`.")
    per: Duration = Field(HOUR, gt=0, description="The time that `rise` and `fall` are said for.")
    within: Duration = Field(10 * MINUTE, gt=0, description="Over how long it is averaged, at least.")
    clear: float = Field(0.5, ge=0, le=1, description="Cleared below this share of the limit (hysteresis).")

    @model_validator(mode="after")
    def _sensible(self) -> RateRule:
        if self.rise is None and self.fall is None:
            raise ValueError("say rise or fall, or both")
        return self


LAYOUT: Final[Layout] = {**EPISODE, "kept": ("<f8", 6), "next": ("<f8", 3), "since": "<i8", "side": "|i1"}
# since: first reading of the run beyond the clear value, 0 for none; side: 1 up, -1 down


class Rate(Detector):
    """Too fast."""

    name: ClassVar[str] = "rate"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: RateRule) -> None:
        rise, fall, per, self._within, self._clear = self.shared(rule)
        self._rise = NEVER if rise is None else rise / per
        self._fall = NEVER if fall is None else fall / per
        self._rise_on = NEVER if rise is None else self._rise * self._clear
        self._fall_on = NEVER if fall is None else self._fall * self._clear
        self._per, self._step = per, self._within / 2
        self._rises, self._falls = rise is not None, fall is not None

    @classmethod
    def shared(cls, rule: RateRule) -> tuple[float | None, float | None, int, int, float]:
        """All settings."""
        return rule.rise, rule.fall, rule.per, rule.within, rule.clear

    def prepare(self, state: Columns, slots: Slots, rule: Any, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Nothing was read yet."""
        if fresh:
            state.of["kept"][slots] = np.nan
            state.of["next"][slots] = np.nan

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series; one that is not newer than the last is passed over."""
        slots, of = runs.slots, state.of
        kept = of["kept"].take(slots, axis=0)
        rows = None
        if np.count_nonzero(at <= kept[:, LAST_AT]):
            rows = (~(at <= kept[:, LAST_AT])).nonzero()[0]
            slots, kept, at, values = slots[rows], kept[rows], at[rows], values[rows]
        old, last, time = kept[:, OLD], kept[:, LAST], kept[:, LAST_AT]
        middle = np.fmax(np.fmin(old, last), np.fmin(np.fmax(old, last), values))  # median, of the time of the one between
        age = time - kept[:, FROM_AT]
        change = middle - kept[:, FROM]
        up = down = np.zeros(len(slots), bool)
        busy = of["since"].take(slots) > 0
        if self._rises:
            up = change > self._rise_on * age
            busy |= up
        if self._falls:
            down = change < -self._fall_on * age
            busy |= down
        found = None
        if np.count_nonzero(busy):
            found = self._judge(state, busy.nonzero()[0], slots, at, age, change, up, down)
        shift = (~(time - kept[:, YOUNG_AT] < self._step)).nonzero()[0]
        if len(shift):
            mine = slots[shift]
            then, here = of["next"][mine], kept[shift]
            kept[shift, FROM], kept[shift, FROM_AT], kept[shift, YOUNG_AT] = then[:, MID], then[:, MID_AT], here[:, LAST_AT]
            then[:, MID], then[:, MID_AT], then[:, YOUNG] = then[:, YOUNG], here[:, YOUNG_AT], middle[shift]
            of["next"][mine] = then
        kept[:, OLD], kept[:, LAST], kept[:, LAST_AT] = last, values, at
        of["kept"][slots] = kept
        if found is None or rows is None:
            return found
        return Episodes(rows[found.rows], found.change, found.onset, found.detected, found.numbers)

    def _judge(
        self, state: Columns, rows: Longs, slots: Longs, at: Longs, age: Floats, change: Floats, up: Bools, down: Bools
    ) -> Episodes | None:
        """The rows that change fast, or did."""
        of, mine = state.of, slots[rows]
        at, age, change, up, down = at[rows], age[rows], change[rows], up[rows], down[rows]
        side, active, since = of["side"][mine], of["active"][mine], of["since"][mine]
        now = np.where(up, 1, -down.astype(np.int8)).astype(np.int8)
        on = (now != 0) & (now == side)
        since = np.where(now == 0, 0, np.where(on, since, at))
        limit = np.where(now > 0, self._rise, -self._fall)
        raised = (now != 0) & ~active & (np.abs(change) > np.abs(limit) * age)
        cleared = active & ~on
        of["since"][mine], of["side"][mine] = since, now
        numbers = {"change": change, "over": age, "allowed": limit * self._per}
        return tell(state, rows, mine, at, raised, since, cleared, numbers)

    def say(self, rule: RateRule, change: Change, told: Told) -> str:
        """`pressure fell by 0.8 bar within 12 min, faster than 0.5 bar in 10 min.`."""
        over, moved = say_duration(round(told.numbers["over"])), told.numbers["change"]
        if change is Change.RAISED:
            went, allowed = "rose" if moved > 0 else "fell", told.amount(abs(told.numbers["allowed"]))
            return f"{told.signal} {went} by {told.amount(abs(moved))} within {over}, faster than {allowed} in {say_duration(rule.per)}."
        return f"{told.signal} is {told.amount(told.value)} and changed by no more than {told.amount(abs(moved))} within {over}."
