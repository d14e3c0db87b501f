"""Drift: a level that moves away by and by, as a sensor that ages or a filter that clogs; two-sided CUSUM (Page, Biometrika 1954).

Readings are averaged over blocks of two hours, and each block is compared with the usual average of its time of day (or of its hour of
the week), so that a day's course is no drift. What it deviates by, in usual deviations of such blocks, is summed up on either side,
less a slack: sum = max(0, sum + deviation - slack). A sum over its limit raises a symptom. Its onset is the block with which the sum
left zero, which is Page's estimate of when the change began. Odd readings are cut to six times the usual distance from the block before,
odd blocks to four deviations: no single one can raise anything. While a sum is half way up, nothing is learned.

Instead of what is learned, `reference` and `sigma` may be said. What is summed is never more than a few numbers per series, and a reading
costs an addition: all else happens once per block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.apart import tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, say_duration
from vorab.clock import DAY, HOUR

CUT: Final = 4.0
"""Deviations of a block are cut to this: it takes two of them and more to raise anything."""
ODD: Final = 6.0
"""Readings are cut to so many usual distances from the average of the block before."""
SIGMA: Final = 1.2533
"""Standard deviation of normal values over their mean absolute one."""
SIGMA_SPEED: Final = 0.02
PROFILE_SPEED: Final = 0.1
"""A tenth of a day's deviation is learned: a new season of the year within weeks."""
RESOLUTION: Final = 1e-4
"""A deviation is not smaller than this share of the value."""
BACK: Final = 3
"""Blocks in a row that show that it is back."""
NEAR: Final = 1.0
"""Back is: less than this many deviations away, on the side it went to."""
SEASONS: Final = {"none": 0, "day": DAY, "week": 7 * DAY}
BLOCK, SEEN, TOTAL, SPREAD, CENTRE, WIDTH = range(6)
DEVIATION, UP, DOWN, JUDGED, CALM, SIDE, LASTED = range(7)


class DriftRule(SignalRule):
    """A signal that drifts away."""

    detector: Literal["drift"]
    season: Literal["none", "day", "week"] = Field("day", description="What repeats: compared with the same time of it.")
    block: Duration = Field(2 * HOUR, gt=0, description="Readings are averaged over so long; a day must be a multiple of it.")
    slack: float = Field(1.0, ge=0, le=3, description="Deviations (standard deviations of a block) that are let pass each time.")
    limit: float = Field(12.0, gt=0, le=1000, description="Sum of deviations at which it is raised.")
    warm_up: Duration = Field(4 * DAY, gt=0, description="How long is learned first.")
    patience: Duration = Field(14 * DAY, gt=0, description="How long it lasts before it is the new normal.")
    reference: Bound | None = Field(None, description="The level that is right, in place of what is learned; needs sigma.")
    sigma: float | None = Field(None, gt=0, description="Usual deviation of a block from the reference.")

    @model_validator(mode="after")
    def _sensible(self) -> DriftRule:
        if DAY % self.block:
            raise ValueError(f"a day is no multiple of the block of {say_duration(self.block)}")
        if (self.reference is None) != (self.sigma is None):
            raise ValueError("reference and sigma go together")
        return self

    @property
    def needs(self) -> tuple[Bound, ...]:
        """The reference."""
        return () if self.reference is None else (self.reference,)

    @property
    def bins(self) -> int:
        """How many usual levels there are."""
        return 1 if self.reference is not None else max(SEASONS[self.season] // self.block, 1)


class Drift(Detector):
    """Away by and by."""

    name: ClassVar[str] = "drift"
    one_by_one: ClassVar[bool] = True

    def __init__(self, rule: DriftRule) -> None:
        self._block, self._bins, self._slack, self._limit, self._warm_up, self._patience, sigma = self.shared(rule)
        self._given = sigma is not None
        self.block = max(64, 1024 // max(1, self._bins // 16))  # type: ignore[misc] # a week has many levels, and a block of state is 512 KiB at most
        self.layout: Layout = {
            **EPISODE,
            # Block, readings in it, sums of their distances from the centre, signed and not; the centre; how far a reading counts.
            "running": ("<f8", 6),
            # Usual deviation of a block, sums upwards and downwards, blocks judged, calm ones in a row, side it went to, blocks since.
            "judged": ("<f4", 7),
            "left": ("<i4", 2),  # blocks with which the sums left zero
            "usual": ("<f4", self._bins),
        }

    @classmethod
    def shared(cls, rule: DriftRule) -> tuple[int, int, float, float, int, int, float | None]:
        """All settings but the reference."""
        blocks = rule.warm_up // rule.block, rule.patience // rule.block
        return rule.block, rule.bins, rule.slack, rule.limit, *blocks, rule.sigma

    def prepare(self, state: Columns, slots: Slots, rule: DriftRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:
        """Nothing was read yet; or the reference."""
        of = state.of
        if fresh:
            of["running"][slots] = -1.0, 0.0, 0.0, 0.0, np.nan, np.inf
            of["usual"][slots] = np.nan
        reference = None if rule.reference is None else bound(rule.reference)
        if reference is not None and rule.sigma is not None:
            of["usual"][slots], of["judged"][slots, DEVIATION] = reference, rule.sigma

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series; one from before the block that has begun counts in that."""
        slots, of = runs.slots, state.of
        running = of["running"].take(slots, axis=0)
        block = at // self._block
        new = (block > running[:, BLOCK]).nonzero()[0]
        found = None
        if len(new):
            closing = running[new]
            found = self._close(state, new, slots[new], at[new], closing)
            closing[:, BLOCK] = block[new]
            closing[:, SEEN:CENTRE] = 0.0
            closing[:, CENTRE] = np.where(np.isnan(closing[:, CENTRE]), values[new], closing[:, CENTRE])
            running[new] = closing
        away = values - running[:, CENTRE]
        width = running[:, WIDTH]
        np.minimum(away, width, out=away)
        np.maximum(away, -width, out=away)
        running[:, SEEN] += 1.0
        running[:, TOTAL] += away
        running[:, SPREAD] += np.abs(away)
        of["running"][slots] = running
        return found

    def _close(self, state: Columns, rows: Slots, slots: Slots, at: Longs, running: Floats) -> Episodes | None:
        """Judge the blocks that are over, and take their averages into `running` (in place)."""
        full = running[:, SEEN] > 0
        if not full.all():
            rows, slots, at = rows[full], slots[full], at[full]
        was = running[full]
        mean = was[:, CENTRE] + was[:, TOTAL] / was[:, SEEN]
        spread = was[:, SPREAD] / was[:, SEEN]
        running[full, CENTRE] = mean
        running[full, WIDTH] = np.where(was[:, SEEN] > 1, ODD * np.maximum(spread, RESOLUTION * np.abs(mean) + 1e-12), was[:, WIDTH])
        return self._judge(state, rows, slots, at, was[:, BLOCK].astype(np.int64), mean) if len(rows) else None

    def _judge(self, state: Columns, rows: Slots, slots: Slots, at: Longs, block: Longs, mean: Floats) -> Episodes | None:
        of, place = state.of, block % self._bins
        judged, left, active = of["judged"][slots].astype(np.float64), of["left"][slots], of["active"][slots]
        usual = of["usual"][slots, place].astype(np.float64)
        known = ~np.isnan(usual)
        away = np.where(known, mean - usual, 0.0)
        sigma = np.maximum(judged[:, DEVIATION], RESOLUTION * np.abs(mean) + 1e-12)
        z = np.minimum(np.maximum(away / sigma, -CUT), CUT)
        n = judged[:, JUDGED] + known
        sums = known & ~active & ((n > self._warm_up) | self._given)
        up = np.where(sums, np.maximum(judged[:, UP] + z - self._slack, 0.0), judged[:, UP])
        down = np.where(sums, np.maximum(judged[:, DOWN] - z - self._slack, 0.0), judged[:, DOWN])
        left[:, 0] = np.where((judged[:, UP] == 0) & (up > 0), block, left[:, 0])
        left[:, 1] = np.where((judged[:, DOWN] == 0) & (down > 0), block, left[:, 1])

        upward, most = up >= down, np.maximum(up, down)
        raised = ~active & (most > self._limit)
        onset = np.where(upward, left[:, 0], left[:, 1]).astype(np.int64) * self._block
        side = np.where(raised, np.where(upward, 1.0, -1.0), judged[:, SIDE])
        calm = np.where(active & known & (side * z < NEAR), judged[:, CALM] + 1.0, 0.0)
        lasted = np.where(active, judged[:, LASTED] + 1.0, 0.0)
        cleared = active & (calm >= BACK)
        adapted = active & ~cleared & (lasted >= self._patience)
        over = raised | cleared | adapted
        judged[:, UP], judged[:, DOWN] = np.where(over, 0.0, up), np.where(over, 0.0, down)
        judged[:, CALM], judged[:, SIDE], judged[:, LASTED] = calm, side, lasted
        if not self._given:
            learns = known & ~active & (most <= 0.5 * self._limit)
            young = n <= self._warm_up
            cut = np.where(young, away, np.minimum(np.maximum(away, -CUT * sigma), CUT * sigma))
            speed = np.where(learns, np.maximum(SIGMA_SPEED, 1.0 / np.maximum(n, 1.0)), 0.0)
            judged[:, DEVIATION] += speed * (SIGMA * np.abs(cut) - judged[:, DEVIATION])
            judged[:, JUDGED] = np.where(adapted, 0.0, np.where(learns, n, judged[:, JUDGED]))
            share = np.where(learns, np.maximum(PROFILE_SPEED, 1.0 / (np.floor(n / self._bins) + 2.0)), 0.0)
            of["usual"][slots, place] = np.where(known, usual + share * cut, mean)
            of["usual"][slots[adapted]] = np.nan
        of["judged"][slots], of["left"][slots] = judged, left
        return tell(state, rows, slots, at, raised, onset, cleared, {"mean": mean, "usual": usual, "sigma": sigma}, adapted)

    def say(self, rule: DriftRule, change: Change, told: Told) -> str:
        """`temperature averages 47.2 Cel over 2 h and has drifted up; at that time 44.1 Cel is usual.`."""
        mean, usual = told.amount(told.numbers["mean"]), told.amount(told.numbers["usual"])
        average = f"{told.signal} averages {mean} over {say_duration(rule.block)}"
        right = (
            "is right"
            if rule.reference is not None
            else "is usual"
            if rule.season == "none"
            else f"is usual at that time of the {rule.season}"
        )
        if change is Change.RAISED:
            return f"{average} and has drifted {'up' if told.numbers['mean'] > told.numbers['usual'] else 'down'}; {usual} {right}."
        if change is Change.ADAPTED:
            return f"{average}, and has been away for so long that this is its new normal."
        return f"{average} and is back; {usual} {right}."
