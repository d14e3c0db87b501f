"""Threshold with hysteresis, duration and count, for any number of series at once.

A run is a row of readings beyond the limit without one inside it. It is raised by its first reading at which it is long enough in
readings and in the device's own time; once raised it stays so until a reading lies beyond the clear value on the way back.
All readings of a call are judged in one pass: who was last inside, and who last raised or cleared, are running maxima. Rules with stages
or with n of m readings are judged by `streams.detectors.staged`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Bools, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.detectors.staged import MOST, ORDER, UNCHANGED, Settings, Stage, Staged
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, say_duration

Ints = NDArray[Any]

LAYOUT: Final[Layout] = {
    **EPISODE,
    "sign": "|i1",  # 1 above, -1 below
    "edge": "<f8",  # limit times sign: a value times sign beyond it is in a run
    "inner": "<f8",  # clear value times sign: below it is cleared
    "hold": "<i8",  # µs
    "need": "<i4",  # readings in a row
    "count": "<i4",  # readings in the run
    "since": "<i8",  # first reading of the run
    "busy": "|b1",  # in a run or raised; all others need no second look
}


class ThresholdRule(SignalRule):
    """A signal beyond a limit."""

    detector: Literal["threshold"]
    above: Bound | None = Field(None, description="Raised while the signal is above this.")
    below: Bound | None = Field(None, description="Raised while the signal is below this.")
    clear: Bound | None = Field(None, description="Cleared only beyond this on the way back (hysteresis); none: as soon as it is back.")
    stages: tuple[Stage, ...] = Field((), max_length=8, description="In place of above, below and clear: limits, the mildest first.")
    hold: Duration = Field(0, alias="for", description="How long, in the device's own time, before it counts.")
    count: int = Field(1, ge=1, le=10_000, description="How many readings before it counts: in a row …")
    of: int | None = Field(None, ge=1, le=MOST, description="… or, with this, of the last so many.")

    @model_validator(mode="after")
    def _sensible(self) -> ThresholdRule:
        if self.stages and not (self.above is self.below is self.clear is None):
            raise ValueError("say stages or above, below and clear, not both")
        if not self.stages and (self.above is None) == (self.below is None):
            raise ValueError("say either above or below")
        if self.of is not None and self.of < self.count:
            raise ValueError(f"{self.count} of {self.of} readings cannot be")
        last = None
        for limit, clear in self.steps:
            if isinstance(limit, float) and isinstance(clear, float) and self.sign * (clear - limit) > 0:
                raise ValueError(f"clear {clear:g} lies beyond the limit {limit:g}: it would clear while it is raised")
            if isinstance(limit, float) and last is not None and self.sign * (limit - last) <= 0:
                raise ValueError(f"the stage at {limit:g} does not lie beyond the one before it, at {last:g}")
            last = limit if isinstance(limit, float) else last
        if len({stage.sign for stage in self.stages}) > 1:
            raise ValueError("all stages must be above, or all below")
        return self

    @property
    def limit(self) -> Bound:
        """The limit, on whichever side; the mildest of stages."""
        return self.steps[0][0]

    @property
    def steps(self) -> list[tuple[Bound, Bound | None]]:
        """Limit and clear value of each stage; without stages there is one."""
        if self.stages:
            return [(stage.limit, stage.clear) for stage in self.stages]
        return [(self.above if self.above is not None else self.below if self.below is not None else 0.0, self.clear)]

    @property
    def sign(self) -> float:
        """1 where above is bad, -1 where below is."""
        return self.stages[0].sign if self.stages else 1.0 if self.above is not None else -1.0

    @property
    def needs(self) -> tuple[Bound, ...]:
        """The limits."""
        return tuple(limit for limit, _ in self.steps)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The limits, and where they clear."""
        return (*self.needs, *(clear for _, clear in self.steps if clear is not None))

    @property
    def settings(self) -> Settings | None:
        """What rules of one table share; None where the judge of single limits does."""
        if not self.stages and self.of is None:
            return None
        severities = tuple(ORDER.index(stage.severity) for stage in self.stages)
        return Settings(self.sign, self.count, self.of or 0, self.hold, severities or (UNCHANGED,))


class Threshold(Detector):
    """Beyond a limit."""

    name: ClassVar[str] = "threshold"
    layout = LAYOUT

    def __init__(self, rule: ThresholdRule) -> None:
        settings = rule.settings
        self._staged = None if settings is None else Staged(settings)
        if self._staged is not None:
            self.layout = self._staged.layout
            self.one_by_one = True  # type: ignore[misc] # one kind of threshold takes all readings of a call at once, the other does not

    @classmethod
    def shared(cls, rule: ThresholdRule) -> object:
        """Nothing, or what stages share."""
        return () if rule.settings is None else rule.settings

    def prepare(self, state: Columns, slots: Slots, rule: ThresholdRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:
        """Write the limits; without a clear value it clears where it is not beyond the limit."""
        if self._staged is not None:
            self._staged.prepare(state, slots, rule.steps, bound, fresh=fresh)
            return
        of, sign = state.of, rule.sign
        limit: Any = bound(rule.limit)
        if limit is None:  # of a device the registry does not know (any more): what it said stays, else nothing is beyond
            limit = sign * (np.inf if fresh else of["edge"][slots])
        clear = None if rule.clear is None else bound(rule.clear)
        of["sign"][slots], of["edge"][slots] = sign, limit * sign
        of["inner"][slots] = np.nextafter(limit * sign, np.inf) if clear is None else clear * sign
        of["hold"][slots], of["need"][slots] = rule.hold, rule.count

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge readings."""
        return update(state, runs, at, values) if self._staged is None else self._staged.update(state, runs, at, values)

    def say(self, rule: ThresholdRule, change: Change, told: Told) -> str:
        """The value, the limit, and how long."""
        limit, count = told.numbers["limit"], int(told.numbers["count"])
        side, back = ("above", "below") if rule.sign > 0 else ("below", "above")
        value = told.amount(told.value)
        if change is Change.RAISED:
            text = f"{told.signal} is {value}, {side} the limit of {told.amount(limit)}"
            if rule.of is not None:
                text += f", {count} of the last {rule.of} readings"
            elif count > 1:
                text += f", {count} readings in a row"
            lasted = told.at - told.onset
            return text + (f", for {say_duration(lasted)}." if lasted else ".")
        if change is Change.UPDATED:
            left = told.numbers["left"]
            if left == left:  # noqa: PLR0124 - NaN is not itself: no stage was left
                return f"{told.signal} is back at {value}, no longer beyond {told.amount(left)} but beyond {told.amount(limit)}."
            return f"{told.signal} is {value} now, {side} the limit of {told.amount(limit)}."
        if all(clear is None for _, clear in rule.steps):
            return f"{told.signal} is back at {value}, no longer beyond the limit of {told.amount(limit)}."
        return f"{told.signal} is back at {value}, {back} {told.amount(told.numbers['clear'])}."


def update(state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
    """Judge readings sorted by slot: times in µs, values finite. None when nothing was raised or cleared."""
    of = state.of
    hot = values * of["sign"][runs.slots] > of["edge"][runs.slots]
    rows = runs.any(hot | of["busy"][runs.slots]).nonzero()[0]
    if not len(rows):
        return None
    runs, at, values, hot = Runs(runs.slots[rows], apart=runs.apart), at[rows], values[rows], hot[rows]

    slots, heads, tails = runs.slots, runs.unique, runs.lasts
    active, carried = of["active"][slots], of["count"][slots]
    count, since = _runs_of(runs, at, hot, carried, of["since"][slots])
    fire = hot & (count >= of["need"][slots]) & (at - since >= of["hold"][slots])
    calm = ~hot & (values * of["sign"][slots] < of["inner"][slots])
    if runs.apart:
        was, now = active, (active | fire) & ~calm
    else:
        decided = runs.last_where(fire | calm)
        now = np.where(decided < 0, active, fire[decided])
        was = runs.before(now, active)
    raised = fire & ~was
    changed = (raised | (calm & was)).nonzero()[0]
    of["count"][heads] = count[tails]
    of["since"][heads] = since[tails]
    of["active"][heads] = now[tails]
    of["busy"][heads] = now[tails] | (count[tails] > 0)
    if not len(changed):
        return None

    begun = runs.last_where(raised)[changed]
    mine = slots[changed]
    onset = np.where(begun < 0, of["onset"][mine], since[begun])
    detected = np.where(begun < 0, of["detected"][mine], at[begun])
    # Where a slot changed more than once, the last of its rows stands.
    of["onset"][mine], of["detected"][mine] = onset, detected
    sign = of["sign"][mine]
    return Episodes(
        rows[changed],
        np.where(raised[changed], np.int8(Change.RAISED), np.int8(Change.CLEARED)),
        onset,
        detected,
        {"limit": of["edge"][mine] * sign, "clear": of["inner"][mine] * sign, "count": count[changed]},
    )


def _runs_of(runs: Runs, at: Longs, hot: Bools, carried: Ints, since: Longs) -> tuple[Ints, Longs]:
    """Per row how many readings its run has, and since when; `carried` and `since` are what the slots had before."""
    if runs.apart:
        return np.where(hot, carried + 1, 0), np.where(carried > 0, since, at)
    index = runs.index
    cold = runs.last_where(~hot)
    whole = cold < 0  # the run began before this call, or with the slot's first row
    count = np.where(whole, carried + (index - runs.start + 1), index - cold)
    first = np.where(whole, runs.start, np.minimum(cold + 1, index))
    return count, np.where(whole & (carried > 0), since, at[first])
