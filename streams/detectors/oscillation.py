"""Oscillation: a signal begins to swing to and fro, as a control loop does whose valve sticks or whose gain is too high.

A swing can be foretold from two readings: x[t] = a1 x[t-1] + a2 x[t-2] with a2 near -1, while for white noise, for slow wander and for
steps a2 is near 0 or above. The two are Yule and Walker's estimate (Yule 1927) from running covariances of the readings less their
running average. What is judged is the *energy of the swing*, -a2 times the variance: it must be far above what is usual for the series
(so a heater that has always switched on and off is no news), and a2 must be below -0.45, `count` readings in a row.
Readings far outside are cut, so that a spike or a step does not own the covariances.
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
from streams.rules.words import Bound

LEVEL_SPEED: Final = 1 / 16
"""The average that readings swing around; swings of up to about 40 readings pass, the day does not."""
SPEED: Final = 1 / 24
"""The running covariances."""
CUT: Final = 12.0
"""Readings are cut to so many usual deviations."""
PERIODIC: Final = -0.45
"""a2 of a swing; noise of two dozen readings stays above."""
SHARE: Final = 0.25
"""The usual energy of a swing is taken for at least this share of the usual variance."""
WIDEN: Final = 0.003
FORGET: Final = 0.0005
"""Steps of the usual energy, up and down: a swing shall not be usual before it is told."""
YOUNG_WIDEN: Final = 0.02
"""The step up during the warm-up."""
USUAL_SPEED: Final = 0.005
SETTLE: Final = 50
X1, X2, R0, R1, R2, USUAL, VARIANCE, COUNT, RUN = range(9)


class OscillationRule(SignalRule):
    """A signal that begins to swing."""

    detector: Literal["oscillation"]
    factor: float = Field(2.0, gt=1, description="How many times larger than usual the swing must be.")
    least: float = Field(0.0, ge=0, description="Swings of a smaller amplitude than this are no matter.")
    count: int = Field(12, ge=1, le=1000, description="How many readings in a row before it counts.")
    warm_up: int = Field(300, ge=2 * SETTLE, le=1_000_000, description="Readings that are learned from first.")
    patience: int = Field(2000, ge=10, le=10_000_000, description="Readings after which it is the new normal.")


LAYOUT: Final[Layout] = {
    **EPISODE,
    "level": ("<f8", 2),  # running average, and the running average of that
    # The last two distances from the level, covariances, usual energy and variance, readings, readings in the run.
    "swing": ("<f4", 9),
    "since": "<i8",  # µs, first reading of the run
}


class Oscillation(Detector):
    """To and fro."""

    name: ClassVar[str] = "oscillation"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: OscillationRule) -> None:
        factor, least, self._count, self._warm_up, self._patience = self.shared(rule)
        self._energy, self._least = factor * factor, least * least / 2

    @classmethod
    def shared(cls, rule: OscillationRule) -> tuple[float, float, int, int, int]:
        """All settings."""
        return rule.factor, rule.least, rule.count, rule.warm_up, rule.patience

    def prepare(self, state: Columns, slots: Slots, rule: Any, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:
        """All is zero at first."""

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        slots, of = runs.slots, state.of
        swing = of["swing"].take(slots, axis=0).astype(np.float64)
        n = swing[:, COUNT] + 1.0
        away = self._away(of["level"], slots, values, n)
        usual, variance = swing[:, USUAL], swing[:, VARIANCE]
        settled = n > SETTLE
        most = np.where(settled, CUT * np.sqrt(variance), np.inf)
        x = np.minimum(np.maximum(away, -most), most)
        speed = np.maximum(SPEED, 1.0 / n)
        r0 = swing[:, R0] + speed * (x * x - swing[:, R0])
        r1 = swing[:, R1] + speed * (x * swing[:, X1] - swing[:, R1])
        r2 = swing[:, R2] + speed * (x * swing[:, X2] - swing[:, R2])
        room = r0 * r0 - r1 * r1
        a2 = np.where(room > 1e-9 * r0 * r0, (r2 * r0 - r1 * r1) / np.where(room > 0, room, 1.0), 0.0)
        energy = np.maximum(-a2, 0.0) * r0
        limit = np.maximum(self._energy * np.maximum(usual, SHARE * variance), self._least)
        hot = (n >= self._warm_up) & (a2 < PERIODIC) & (energy > limit) & (r1 > -0.5 * r0)

        active = of["active"].take(slots)
        run = np.where(hot | active, swing[:, RUN] + 1.0, 0.0)
        since = np.where(run == 1.0, at, of["since"].take(slots))
        raised = hot & ~active & (run >= self._count)
        cleared = active & (energy < 0.5 * limit)
        adapted = active & ~cleared & (run >= self._patience)
        learns = settled & (run == 0.0)
        widen = np.where(n < self._warm_up, YOUNG_WIDEN, WIDEN)
        swing[:, VARIANCE] = np.where(settled, np.where(learns, variance + USUAL_SPEED * (x * x - variance), variance), r0)
        swing[:, USUAL] = np.where(
            adapted, energy, np.where(learns, usual + np.where(energy > usual, widen, FORGET) * (energy - usual), usual)
        )
        swing[:, X2], swing[:, X1] = swing[:, X1].copy(), x
        swing[:, R0], swing[:, R1], swing[:, R2] = r0, r1, r2
        swing[:, COUNT], swing[:, RUN] = np.minimum(n, 1e6), np.where(cleared | adapted, 0.0, run)
        of["swing"][slots], of["since"][slots] = swing, since
        if not (np.count_nonzero(raised) or np.count_nonzero(active)):
            return None
        numbers = {
            "amplitude": np.sqrt(2.0 * energy),
            "usual": np.sqrt(2.0 * np.maximum(usual, SHARE * variance)),
            "cosine": _cosine(r0, r1, a2),
        }
        return tell(state, runs.index, slots, at, raised, since, cleared, numbers, adapted)

    def _away(self, levels: Floats, slots: Slots, values: Floats, n: Floats) -> Floats:
        """How far readings are from where the level is, a steady slope included (double smoothing, Brown 1963)."""
        level, speed, first = levels.take(slots, axis=0), np.maximum(LEVEL_SPEED, 1.0 / n), n == 1.0
        away: Floats = np.where(first, 0.0, values - (2.0 * level[:, 0] - level[:, 1]))
        level[:, 0] = np.where(first, values, level[:, 0] + speed * (values - level[:, 0]))
        level[:, 1] = np.where(first, values, level[:, 1] + speed * (level[:, 0] - level[:, 1]))
        levels[slots] = level
        return away

    def say(self, rule: OscillationRule, change: Change, told: Told) -> str:  # noqa: ARG002 - the shape
        """`pressure swings by ±0.12 bar, once in about 7 readings; usually it swings by less than 0.02 bar.`."""
        amplitude = told.amount(float(f"{told.numbers['amplitude']:.2g}"))
        if change is Change.CLEARED:
            return f"{told.signal} swings no more."
        if change is Change.ADAPTED:
            return f"{told.signal} has swung by ±{amplitude} for so long that this is its new normal."
        period = round(2 * np.pi / np.arccos(min(max(told.numbers["cosine"], -1.0), 0.999)))
        usual = told.amount(float(f"{told.numbers['usual']:.2g}"))
        return f"{told.signal} swings by ±{amplitude}, once in about {period} readings; usually by no more than ±{usual}."


def _cosine(r0: Floats, r1: Floats, a2: Floats) -> Floats:
    """Cosine of the angle that the swing goes on by from one reading to the next."""
    safe = np.where(r0 > 0, r0, 1.0)
    cosine: Floats = (r1 / safe) * (1.0 - a2) / (2.0 * np.sqrt(np.maximum(-a2, 1e-12)))
    return cosine
