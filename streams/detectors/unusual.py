"""Unusual: what several kinds of strangeness agree on, learned from the series alone; for people who are called by it.

`streams.detectors.surprise` and the memories of `streams.detectors.second_stage` give evidence; an episode is raised where the second
stage calls. It is cleared when nothing was strange for some readings and, where the reading that raised it lay outside the usual range,
when readings lie inside again. What lasts longer than patience allows is the new normal: ended, nothing healed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from streams.detectors.apart import tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.learners import EPISODE_LEARNED, MOST, LearnerDetector, Over
from streams.detectors.second_stage import HOUR, SecondStage, StageConfig
from streams.detectors.shape import Change, Episodes, Floats, Layout, Longs, Told
from streams.detectors.surprise import Surprise
from streams.rules.rule import LearnerRule
from streams.rules.words import Bound

LAYOUT: Final[Layout] = {
    **EPISODE_LEARNED,
    "since": "<i8",  # µs, since when there has been evidence
}
FAINT: Final = 0.1
"""Share of the threshold below which evidence is over."""
WHAT: Final = (
    *("is higher than it has been", *["averages more than it has, over about {readings} readings"] * 3),
    *("is lower than it has been", *["averages less than it has, over about {readings} readings"] * 3),
    *["moves more from reading to reading than it has"] * 2,
    *["is further from its own mean than it has been"] * 3,
    *["averages more than it usually does at this time, over about {readings} readings"] * 4,
    *["averages less than it usually does at this time, over about {readings} readings"] * 4,
    *["is further from what it usually is at this time, over about {readings} readings"] * 4,
    "has been above what it usually is at this time for longer than ever",
    "has been below what it usually is at this time for longer than ever",
    "moves as it hardly ever does",
)
"""Per channel of the second stage."""


class UnusualRule(LearnerRule):
    """A signal that behaves as it never has, in several ways at once."""

    detector: Literal["unusual"]
    threshold: float = Field(StageConfig().threshold, gt=0, description="Evidence that is worth a call: more, and it calls less often.")
    hold: int = Field(StageConfig().hold, ge=1, le=MOST, description="Readings after a call without another one.")
    calm: int = Field(12, ge=1, le=MOST, description="Readings in a row without evidence before an episode ends.")
    patience: int = Field(1000, ge=1, le=MOST, description="Readings after which what it does is the new normal.")

    @property
    def config(self) -> StageConfig:
        """Settings of the second stage."""
        return replace(StageConfig(), threshold=self.threshold, hold=self.hold)


class Unusual(LearnerDetector):
    """Leads readings through both stages, which keep their own state: one of each per set of settings."""

    name: ClassVar[str] = "unusual"
    block: ClassVar[int] = 128
    layout = LAYOUT

    def __init__(self, rule: UnusualRule) -> None:
        self.surprise, self.stage = Surprise(), SecondStage(rule.config)
        super().__init__(rule, self.surprise, self.stage)
        self._over = Over(rule.calm, rule.patience)

    @classmethod
    def shared(cls, rule: UnusualRule) -> tuple[StageConfig, int, int]:
        """All settings."""
        return rule.config, rule.calm, rule.patience

    def prepare(self, state: Columns, slots: Slots, rule: UnusualRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Forget what stood there before."""
        if fresh:
            self.forget(state, slots)

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        self.grow(state.n)
        slots, of = runs.slots, state.of
        calls = self.stage.update(slots, at, values, self.surprise.update(slots, at, values).ratio)
        strange = calls.evidence >= FAINT
        since = np.where(strange, np.where(of["since"][slots] > 0, of["since"][slots], at), 0)
        of["since"][slots] = since
        look = (calls.raised | of["active"][slots]).nonzero()[0]
        if not len(look):
            return None
        mine = slots[look]
        raised = calls.raised[look] & ~of["active"][mine]
        low, high = np.full((2, len(look)), np.nan)
        if raised.any():
            low[raised], high[raised] = self.surprise.usual(mine[raised])
        cleared, adapted = self._over.judge(state, mine, values[look], raised, (low, high), strange[look])
        numbers = {"low": low, "high": high, "channel": calls.channel[look].astype(float), "evidence": calls.evidence[look]}
        return tell(state, look, mine, at[look], raised, since[look], cleared, numbers, adapted)

    def say(self, rule: UnusualRule, change: Change, told: Told) -> str:
        """`temperature averages more than it has, over about 5 readings. It is 71 Cel; usually it lies between 20 and 40 Cel.`."""
        signal, value, numbers = told.signal, told.amount(told.value), told.numbers
        if change is Change.ADAPTED:
            return f"{signal} has kept to what it does for so long that this is its new normal. It is {value}."
        if change is Change.CLEARED:
            return f"{signal} does what it usually does again; it is {value}."
        channel = int(numbers["channel"])
        speeds, first = (rule.config.speeds, 0) if channel < HOUR.start else (rule.config.hour_speeds, HOUR.start)
        what = WHAT[channel].format(readings=round(1.0 / speeds[(channel - first) % len(speeds)]))
        return f"{signal} {what}. It is {value}; usually it lies between {numbers['low']:.6g} and {told.amount(numbers['high'])}."
