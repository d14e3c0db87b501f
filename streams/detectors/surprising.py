"""Surprise as one of the detectors of series: its rule, its episodes, its sentences.

A report raises an episode. It is cleared when nothing was surprising for some readings and, where the reading that raised it lay outside
the usual range, when the readings lie inside again. What lasts longer than patience allows is the new normal: ended, nothing healed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.apart import tell
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.detectors.surprise import Surprise
from streams.detectors.surprise_config import SurpriseConfig
from streams.rule import NOT_MEASURED, Bound, Globs, Rule

LAYOUT: Final[Layout] = {
    **EPISODE,
    "inside": ("<f8", 2),  # where a reading counts as back
    "lasted": "<u2",  # readings since it was raised
    "calm": "<u2",  # readings in a row without surprise, and back
}
MOST: Final = 65_535
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


class SurpriseRule(Rule):
    """A signal that does what it hardly ever did, learned from the signal alone."""

    detector: Literal["surprise"]
    signals: Globs = Field(("*",), description="Patterns of the signals to learn.")
    ignore: tuple[str, ...] = Field((), description="Patterns of signals to leave out: counters, flags.")
    low: Bound | None = Field(None, description="Lower end of the range, where a data sheet says it; with `high`.")
    high: Bound | None = Field(None, description="Upper end of the range. Left out, the range is learned.")
    margin: float = Field(
        SurpriseConfig().margin, gt=0, description="By which share a record must be beaten: more, and it speaks less often."
    )
    hold: int = Field(SurpriseConfig().hold, ge=0, le=MOST, description="Readings after a report without another one.")
    calm: int = Field(12, ge=1, le=MOST, description="Readings in a row without surprise before an episode ends.")
    patience: int = Field(1000, ge=1, le=MOST, description="Readings after which what it does is the new normal.")

    @model_validator(mode="before")
    @classmethod
    def _one_signal(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("signals"), str):
            return {**data, "signals": (data["signals"],)}
        return data

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

    def looks_at(self, signal: str) -> bool:
        """Signals by their patterns; what a row says of itself is not judged."""
        if signal[0] in NOT_MEASURED or any(fnmatchcase(signal, glob) for glob in self.ignore):
            return False
        return any(fnmatchcase(signal, glob) for glob in self.signals)


class Surprising(Detector):
    """Leads readings to `Surprise`, which keeps its own state: one per set of settings."""

    name: ClassVar[str] = "surprise"
    block: ClassVar[int] = 512
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: SurpriseRule) -> None:
        self.surprise = Surprise(rule.config)
        self._calm, self._patience = rule.calm, rule.patience

    @classmethod
    def shared(cls, rule: SurpriseRule) -> tuple[SurpriseConfig, int, int]:
        """All settings but the range."""
        return rule.config, rule.calm, rule.patience

    def prepare(self, state: Columns, slots: Slots, rule: SurpriseRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:
        """Forget what stood there before; a range is of use only at the beginning."""
        if not fresh:
            return
        self.surprise.grow(state.n)
        self.surprise.clear(slots)
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
        mine, value, active = slots[look], values[look], of["active"][slots[look]]
        low, high = scores.low[look], scores.high[look]
        outside = (value < low) | (value > high)
        inside, raised = of["inside"][mine], ~active
        inside[raised, 0], inside[raised, 1] = np.where(outside, low, -np.inf)[raised], np.where(outside, high, np.inf)[raised]
        quiet = (scores.ratio[look] <= 0.0) & (value >= inside[:, 0]) & (value <= inside[:, 1])
        calm = np.where(active & quiet, np.minimum(of["calm"][mine], MOST - 1) + 1, 0)
        lasted = np.where(active, np.minimum(of["lasted"][mine], MOST - 1) + 1, 0)
        cleared = active & (calm >= self._calm)
        adapted = active & ~cleared & (lasted >= self._patience)
        of["inside"][mine], of["calm"][mine], of["lasted"][mine] = inside, calm, lasted
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

    def grow(self, slots: int) -> None:
        """There are so many slots now."""
        self.surprise.grow(slots)

    def move(self, source: int, target: int) -> None:
        """A slot's state goes to another one."""
        self.surprise.restore(np.array([target]), self.surprise.snapshot(np.array([source])))

    def beside(self, first: int, last: int) -> bytes:
        """What was learned in these slots."""
        return self.surprise.snapshot(np.arange(first, last))

    def take_beside(self, first: int, count: int, state: bytes) -> None:
        """Put it back."""
        self.surprise.restore(np.arange(first, first + count), state)
