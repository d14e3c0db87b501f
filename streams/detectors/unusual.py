"""Unusual: what several kinds of strangeness agree on, learned from the series alone; for people who are called by it.

`streams.detectors.surprise` and the memories of `streams.detectors.second_stage` give evidence; an episode is raised where the second
stage calls. It is cleared when nothing was strange for some readings and, where the reading that raised it lay outside the usual range,
when readings lie inside again. What lasts longer than patience allows is the new normal: ended, nothing healed.
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
from streams.detectors.second_stage import SecondStage, StageConfig
from streams.detectors.shape import EPISODE, Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.detectors.surprise import Surprise
from streams.rule import NOT_MEASURED, Bound, Globs, Rule

LAYOUT: Final[Layout] = {
    **EPISODE,
    "inside": ("<f8", 2),  # where a reading counts as back
    "lasted": "<u2",  # readings since it was raised
    "calm": "<u2",  # readings in a row without evidence, and back
    "since": "<i8",  # µs, since when there has been evidence
}
MOST: Final = 65_535
FAINT: Final = 0.1
"""Share of the threshold below which evidence is over."""
WHAT: Final = (
    *("is higher than it has been", *["averages more than it has, over about {readings} readings"] * 3),
    *("is lower than it has been", *["averages less than it has, over about {readings} readings"] * 3),
    *["moves more from reading to reading than it has"] * 2,
    *["is further from its own mean than it has been"] * 3,
    "moves as it hardly ever does",
)
"""Per channel of the second stage."""


class UnusualRule(Rule):
    """A signal that behaves as it never has, in several ways at once."""

    detector: Literal["unusual"]
    signals: Globs = Field(("*",), description="Patterns of the signals to learn.")
    ignore: tuple[str, ...] = Field((), description="Patterns of signals to leave out: counters, flags.")
    threshold: float = Field(StageConfig().threshold, gt=0, description="Evidence that is worth a call: more, and it calls less often.")
    hold: int = Field(StageConfig().hold, ge=1, le=MOST, description="Readings after a call without another one.")
    calm: int = Field(12, ge=1, le=MOST, description="Readings in a row without evidence before an episode ends.")
    patience: int = Field(1000, ge=1, le=MOST, description="Readings after which what it does is the new normal.")

    @model_validator(mode="before")
    @classmethod
    def _one_signal(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("signals"), str):
            return {**data, "signals": (data["signals"],)}
        return data

    @property
    def config(self) -> StageConfig:
        """Settings of the second stage."""
        return replace(StageConfig(), threshold=self.threshold, hold=self.hold)

    def looks_at(self, signal: str) -> bool:
        """Signals by their patterns; what a row says of itself is not judged."""
        if signal[0] in NOT_MEASURED or any(fnmatchcase(signal, glob) for glob in self.ignore):
            return False
        return any(fnmatchcase(signal, glob) for glob in self.signals)


class Unusual(Detector):
    """Leads readings through both stages, which keep their own state: one of each per set of settings."""

    name: ClassVar[str] = "unusual"
    block: ClassVar[int] = 256
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: UnusualRule) -> None:
        self.surprise, self.stage = Surprise(), SecondStage(rule.config)
        self._calm, self._patience = rule.calm, rule.patience

    @classmethod
    def shared(cls, rule: UnusualRule) -> tuple[StageConfig, int, int]:
        """All settings."""
        return rule.config, rule.calm, rule.patience

    def prepare(self, state: Columns, slots: Slots, rule: UnusualRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Forget what stood there before."""
        if fresh:
            self.grow(state.n)
            self.surprise.clear(slots)
            self.stage.clear(slots)

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
        mine, value, active = slots[look], values[look], of["active"][slots[look]]
        raised = calls.raised[look] & ~active
        low, high = np.full((2, len(look)), np.nan)
        if raised.any():
            low[raised], high[raised] = self.surprise.usual(mine[raised])
        outside, inside = (value < low) | (value > high), of["inside"][mine]
        inside[raised, 0], inside[raised, 1] = np.where(outside, low, -np.inf)[raised], np.where(outside, high, np.inf)[raised]
        quiet = ~strange[look] & (value >= inside[:, 0]) & (value <= inside[:, 1])
        calm = np.where(active & quiet, np.minimum(of["calm"][mine], MOST - 1) + 1, 0)
        lasted = np.where(active, np.minimum(of["lasted"][mine], MOST - 1) + 1, 0)
        cleared = active & (calm >= self._calm)
        adapted = active & ~cleared & (lasted >= self._patience)
        of["inside"][mine], of["calm"][mine], of["lasted"][mine] = inside, calm, lasted
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
        what = WHAT[channel].format(readings=round(1.0 / rule.config.speeds[channel % len(rule.config.speeds)]))
        return f"{signal} {what}. It is {value}; usually it lies between {numbers['low']:.6g} and {told.amount(numbers['high'])}."

    def grow(self, slots: int) -> None:
        """There are so many slots now."""
        self.surprise.grow(slots)
        self.stage.grow(slots)

    def move(self, source: int, target: int) -> None:
        """A slot's state goes to another one."""
        for part in (self.surprise, self.stage):
            part.restore(np.array([target]), part.snapshot(np.array([source])))

    def beside(self, first: int, last: int) -> bytes:
        """What was learned in these slots, the length of the first part before it."""
        slots = np.arange(first, last)
        surprise = self.surprise.snapshot(slots)
        return len(surprise).to_bytes(4, "little") + surprise + self.stage.snapshot(slots)

    def take_beside(self, first: int, count: int, state: bytes) -> None:
        """Put it back."""
        slots, end = np.arange(first, first + count), 4 + int.from_bytes(state[:4], "little")
        self.surprise.restore(slots, state[4:end])
        self.stage.restore(slots, state[end:])
