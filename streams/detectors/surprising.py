"""Surprise as one of the detectors of series: its rule, its episodes, its sentences.

A report raises an episode. It is cleared when nothing was surprising for some readings and, where the reading that raised it lay outside
the usual range, when the readings lie inside again. What lasts longer than patience allows is the new normal: ended, nothing healed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.apart import tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.learners import EPISODE_LEARNED, MOST, LearnerDetector, Over
from streams.detectors.shape import Change, Episodes, Floats, Longs, Told
from streams.detectors.surprise import Surprise
from streams.detectors.surprise_config import SurpriseConfig
from streams.rules.rule import LearnerRule
from streams.rules.words import Bound

WORDS: Final = (
    "moved as it hardly ever does",
    "has moved for a while as it hardly ever does",
    "has long moved as it hardly ever does",
    "is not where it usually is {lag} readings after such a value",
    "has for a while not been where it usually is {lag} readings after such values",
    "has long not been where it usually is {lag} readings after such values",
    "averages what it never did, over about {mean} readings",
)
"""Per channel."""


class SurpriseRule(LearnerRule):
    """A signal that does what it hardly ever did, learned from the signal alone."""

    detector: Literal["surprise"]
    low: Bound | None = Field(None, description="Lower end of the range, where a data sheet says it; with `high`.")
    high: Bound | None = Field(None, description="Upper end of the range. Left out, the range is learned.")
    margin: float = Field(
        SurpriseConfig().margin, gt=0, description="By which share a record must be beaten: more, and it speaks less often."
    )
    hold: int = Field(SurpriseConfig().hold, ge=0, le=MOST, description="Readings after a report without another one.")
    calm: int = Field(12, ge=1, le=MOST, description="Readings in a row without surprise before an episode ends.")
    patience: int = Field(1000, ge=1, le=MOST, description="Readings after which what it does is the new normal.")

    @model_validator(mode="after")
    def _whole_range(self) -> SurpriseRule:
        if (self.low is None) != (self.high is None):
            raise ValueError("say low and high, or neither")
        if isinstance(self.low, float) and isinstance(self.high, float) and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self

    @property
    def config(self) -> SurpriseConfig:
        """The detector's settings."""
        return replace(SurpriseConfig(), margin=self.margin, hold=self.hold)


class Surprising(LearnerDetector):
    """Leads readings to `Surprise`, which keeps its own state: one per set of settings."""

    name: ClassVar[str] = "surprise"
    block: ClassVar[int] = 512
    layout = EPISODE_LEARNED

    def __init__(self, rule: SurpriseRule) -> None:
        self.surprise = Surprise(rule.config)
        super().__init__(rule, self.surprise)
        self._over = Over(rule.calm, rule.patience)

    @classmethod
    def shared(cls, rule: SurpriseRule) -> tuple[SurpriseConfig, int, int]:
        """All settings but the range."""
        return rule.config, rule.calm, rule.patience

    def prepare(self, state: Columns, slots: Slots, rule: SurpriseRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:
        """Forget what stood there before; a range is of use only at the beginning."""
        if not fresh:
            return
        self.forget(state, slots)
        low, high = (None if end is None else bound(end) for end in (rule.low, rule.high))
        if low is not None and high is not None and low < high:
            self.surprise.know(slots, np.full(len(slots), low), np.full(len(slots), high))

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        self.surprise.grow(state.n)
        slots, of = runs.slots, state.of
        scores = self.surprise.update(slots, at, values)
        look = ((scores.raw > 0.0) | of["active"][slots]).nonzero()[0]
        if not len(look):
            return None
        mine, low, high = slots[look], scores.low[look], scores.high[look]
        raised = ~of["active"][mine]
        cleared, adapted = self._over.judge(state, mine, values[look], raised, (low, high), ~(scores.ratio[look] <= 0.0))
        numbers = {"low": low, "high": high, "channel": scores.channel[look].astype(float), "beaten": scores.ratio[look]}
        return tell(state, look, mine, at[look], raised, scores.since[look], cleared, numbers, adapted)

    def say(self, rule: SurpriseRule, change: Change, told: Told) -> str:
        """`temperature averages what it never did, over about 12 readings. It is 71 Cel; usually it lies between 20 and 40 Cel.`."""
        signal, value, numbers = told.signal, told.amount(told.value), told.numbers
        if change is Change.ADAPTED:
            return f"{signal} has kept to what it does for so long that this is its new normal. It is {value}."
        if change is Change.CLEARED:
            return f"{signal} does what it usually does again; it is {value}."
        config = rule.config
        what = WORDS[int(numbers["channel"])].format(lag=config.lag, mean=round(1.0 / config.mean_speed))
        return f"{signal} {what}. It is {value}; usually it lies between {numbers['low']:.6g} and {told.amount(numbers['high'])}."
