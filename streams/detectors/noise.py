"""Noise: a signal jitters more, or less, than it ever did: a loose contact, a worn bearing, a filter that froze.

What jitters is how far a reading lies beside the line between its neighbours, so ramps and slow swings are no noise. The distances that
nineteen of twenty readings, and half of them, keep within are learned by small steps up and down (stochastic approximation of a quantile,
Robbins and Monro 1951), which no spike can move far and which remember the loud hours of a machine that is quiet at night.
It is noisier when more than two of five among the last readings lie beyond `noisier` times what nineteen of twenty used to keep within,
and quieter when four of five lie within the half's distance divided by `quieter`. Two things are no noise. A reading that sticks out alone
between two neighbours that agree is not counted, nor is the one before it. And at a quarter of the far readings at least, the series must
have turned twice in a row: noise does so at every other one, a swing of five readings or longer hardly ever.
While it is raised, or about to be, nothing is learned; after `patience` readings it is the new normal.
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
from streams.rules.words import Bound

GAIN: Final = 0.01
"""Step of what is learned: up by this in a noisier hour, down by a twentieth of it in a quieter one, so that a week is remembered."""
YOUNG_GAIN: Final = 0.03
"""The same during the warm-up, which may see each hour of the day once only."""
SPEED: Final = 1 / 12
"""Of the running shares."""
LOUD_SHARE: Final = 0.4
QUIET_SHARE: Final = 0.8
"""Shares that raise; the one is cleared at a quarter, the other at half."""
TURN_SPEED: Final = 1 / 16
TURN_FADE: Final = 1 / 48
TURNING: Final = 0.25
"""Share of far readings at which the series turned twice in a row: how fast it is learned and forgotten, and what noise has."""
SETTLE: Final = 50
SWUNG: Final = 1.5
"""How it is written down that a reading was far, but may have swung there."""
STICKS_OUT: Final = 3.0
"""A reading is odd when it lies so many times further from both neighbours than these from one another."""
RESOLUTION: Final = 1e-4
"""Noise is not smaller than this share of the value: a series that never jitters has no scale of its own."""
OLD, LAST, OLD_AT, LAST_AT = range(4)
MOST, HALF, LOUD, QUIET, TURNS, SIDE, FAR, COUNT, RUN = range(9)


class NoiseRule(SignalRule):
    """A signal that jitters more, or less, than usual."""

    detector: Literal["noise"]
    noisier: float | None = Field(1.3, gt=1, description="Raised when it jitters so many times more than it ever did; null: do not look.")
    quieter: float | None = Field(None, gt=1, description="Raised when it jitters so many times less than it ever did.")
    above: float | None = Field(
        None, gt=0, description="A fixed distance beside the neighbours, in place of `noisier` times what is usual."
    )
    warm_up: int = Field(500, ge=2 * SETTLE, le=1_000_000, description="Readings that are learned from first.")
    patience: int = Field(2000, ge=10, le=10_000_000, description="Readings after which it is the new normal.")

    @model_validator(mode="after")
    def _sensible(self) -> NoiseRule:
        if self.noisier is None and self.quieter is None and self.above is None:
            raise ValueError("say noisier, quieter or above")
        return self


LAYOUT: Final[Layout] = {
    **EPISODE,
    "last": ("<f8", 4),  # the last two readings and their times (µs)
    "spread": (
        "<f4",
        9,
    ),  # what most and half keep within, shares, side of the last one and whether it was far, readings, readings in the run
    "since": "<i8",  # µs, first reading of the run
}


class Noise(Detector):
    """Too noisy, or too quiet."""

    name: ClassVar[str] = "noise"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: NoiseRule) -> None:
        noisier, self._quieter, above, self._warm_up, self._patience = self.shared(rule)
        self._given = above is not None or noisier is None
        self._noisier = None if self._given else noisier
        self._above = np.inf if above is None else above

    @classmethod
    def shared(cls, rule: NoiseRule) -> tuple[float | None, float | None, float | None, int, int]:
        """All settings."""
        return rule.noisier, rule.quieter, rule.above, rule.warm_up, rule.patience

    def prepare(self, state: Columns, slots: Slots, rule: Any, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Nothing was read yet."""
        if fresh:
            state.of["last"][slots] = np.nan

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series; one that is not newer than the last is passed over."""
        of = state.of
        last = of["last"].take(runs.slots, axis=0)
        rows = (~(at <= last[:, LAST_AT])).nonzero()[0]
        slots, at, values, last = runs.slots[rows], at[rows], values[rows], last[rows]
        old, mid = last[:, OLD].copy(), last[:, LAST].copy()
        there, here = mid - old, values - mid
        odd = (there * here < 0) & (np.minimum(np.abs(there), np.abs(here)) > STICKS_OUT * np.abs(values - old))
        line = old + (values - old) * ((last[:, LAST_AT] - last[:, OLD_AT]) / (at - last[:, OLD_AT]))
        beside = mid - line
        last[:, OLD], last[:, OLD_AT] = np.where(odd, line, mid), last[:, LAST_AT]
        last[:, LAST], last[:, LAST_AT] = values, at
        of["last"][slots] = last
        of["spread"][slots[odd], FAR] = 0.0
        use = (~odd & ~np.isnan(beside)).nonzero()[0]
        if not len(use):
            return None
        return self._judge(state, rows[use], slots[use], at[use], values[use], beside[use])

    def _judge(self, state: Columns, rows: Slots, slots: Slots, at: Longs, values: Floats, beside: Floats) -> Episodes | None:
        of = state.of
        spread = of["spread"].take(slots, axis=0).astype(np.float64)
        n = spread[:, COUNT] + 1.0
        size, least, most, half = np.abs(beside), RESOLUTION * np.abs(values) + 1e-12, spread[:, MOST], spread[:, HALF]
        turned = beside * spread[:, SIDE] < 0
        again = turned & (np.abs(spread[:, SIDE]) > 1.0)
        ready = n >= self._warm_up
        limit = np.full(len(n), self._above) if self._noisier is None else self._noisier * most
        floor = half / self._quieter if self._quieter is not None else np.zeros(len(n))
        counts = ready | self._given
        # A reading late, because only now it is known not to be a spike's neighbour.
        far, loud, turns = spread[:, FAR] > 0, spread[:, LOUD], spread[:, TURNS]
        loud = loud + SPEED * (far - loud)
        turns = np.where(far, turns + TURN_SPEED * ((spread[:, FAR] < SWUNG) - turns), turns - TURN_FADE * turns)
        quiet = spread[:, QUIET] + SPEED * ((ready & (size < floor)) - spread[:, QUIET])
        hot = ((loud > LOUD_SHARE) & (turns > TURNING)) | (quiet > QUIET_SHARE)

        active = of["active"].take(slots)
        suspect = active | (loud > LOUD_SHARE / 2) | (quiet > 0.9 * QUIET_SHARE)
        run = np.where(suspect, spread[:, RUN] + 1.0, 0.0)
        since = np.where(run == 1.0, at, of["since"].take(slots))
        raised = hot & ~active
        cleared = active & (loud < LOUD_SHARE / 4) & (quiet < QUIET_SHARE / 2)
        adapted = active & ~cleared & (run >= self._patience)
        anew = suspect & ~cleared & (run >= self._patience)  # also what was never raised: it is no suspicion any more
        gain = np.where(suspect, 0.0, np.maximum(np.where(ready, GAIN, YOUNG_GAIN), 2.0 / (n + 1.0)))
        most = np.where(size > most, most * (1.0 + 0.95 * gain), most * (1.0 - 0.05 * gain))
        half = np.where(size > half, half * (1.0 + 0.5 * gain), half * (1.0 - 0.5 * gain))
        first = n == 1.0
        spread[:, MOST] = np.maximum(np.where(first, size, most), least)
        spread[:, HALF] = np.maximum(np.where(first, size, half), least)
        spread[:, LOUD], spread[:, QUIET] = np.where(anew, 0.0, loud), np.where(anew, 0.0, quiet)
        spread[:, TURNS] = turns
        spread[:, FAR] = np.where(counts & (size > limit), np.where(again, 1.0, 2.0), 0.0)
        spread[:, SIDE] = np.where(turned, 2.0, 1.0) * np.sign(beside)
        spread[:, COUNT], spread[:, RUN] = np.where(anew, 0.0, np.minimum(n, 1e6)), np.where(cleared | anew, 0.0, run)
        of["spread"][slots], of["since"][slots] = spread, since
        noisy = loud / LOUD_SHARE >= quiet / QUIET_SHARE
        numbers = {
            "share": np.where(noisy, loud, quiet),
            "beyond": np.where(noisy, limit, floor),
            "usual": np.where(noisy, most, half),
            "noisy": noisy.astype(float),
        }
        return tell(state, rows, slots, at, raised, since, cleared, numbers, adapted)

    def say(self, rule: NoiseRule, change: Change, told: Told) -> str:
        """`pressure jitters: 31 % of the last readings lie more than 0.09 bar beside their neighbours; 19 of 20 used to …`."""
        if change is Change.ADAPTED:
            return f"{told.signal} has jittered like this for so long that it is its new normal."
        if change is Change.CLEARED:
            return f"{told.signal} jitters as it used to."
        share, beyond = f"{100 * told.numbers['share']:.0f} %", _short(told, told.numbers["beyond"])
        usual = _short(told, told.numbers["usual"])
        if not told.numbers["noisy"]:
            text = f"{told.signal} hardly jitters: {share} of the last readings lie less than {beyond} beside their neighbours"
            return f"{text}; half of them used to lie more than {usual} beside."
        text = f"{told.signal} jitters: {share} of the last readings lie more than {beyond} beside their neighbours"
        return f"{text}." if rule.above is not None else f"{text}; 19 of 20 used to lie within {usual}."


def _short(told: Told, value: float) -> str:
    """A size that is only an estimate, with two digits."""
    return told.amount(float(f"{value:.2g}"))
