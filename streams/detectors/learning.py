"""The learned detector as one of the detectors of series: its rule, its state beside the columns, its sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import BaseModel, Field, create_model, model_validator

from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.learned import Learned
from streams.detectors.learned_config import Change as Verdict
from streams.detectors.learned_config import LearnedConfig
from streams.detectors.learners import LearnerDetector
from streams.detectors.shape import Change, Episodes, Floats, Longs, Told
from streams.rules.rule import LearnerRule
from streams.rules.words import Bound, Duration, Strict

CHANGES: Final = np.zeros(len(Verdict), np.int8)
CHANGES[[Verdict.RAISED, Verdict.CLEARED, Verdict.ADAPTED]] = Change.RAISED, Change.CLEARED, Change.ADAPTED


def _options() -> type[BaseModel]:
    given: dict[str, Any] = {}
    for field in fields(LearnedConfig):
        kind: Any = Duration if field.name.endswith("_us") else {"int": int, "float": float}.get(str(field.type), tuple[float, ...])
        given[field.name] = (kind, field.default)
    return create_model("LearnedOptions", __base__=Strict, **given)


LearnedOptions: Final = _options()
"""The settings of the learned detector, each with its default."""


class LearnedRule(LearnerRule):
    """A signal that behaves as it never has."""

    detector: Literal["learned"]
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the detector that differ from its defaults.")

    @model_validator(mode="after")
    def _known_options(self) -> LearnedRule:
        LearnedOptions.model_validate(self.options)
        return self

    @property
    def config(self) -> LearnedConfig:
        """The detector's settings."""
        return LearnedConfig(**LearnedOptions.model_validate(self.options).model_dump(exclude_unset=True))


class Learning(LearnerDetector):
    """Leads readings to `Learned`, which keeps its own state: one per set of settings."""

    name: ClassVar[str] = "learned"
    block: ClassVar[int] = 512

    def __init__(self, rule: LearnedRule) -> None:
        self.learned = Learned(rule.config)
        super().__init__(rule, self.learned)

    @classmethod
    def shared(cls, rule: LearnedRule) -> LearnedConfig:
        """The settings."""
        return rule.config

    def prepare(self, state: Columns, slots: Slots, rule: LearnedRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:  # noqa: ARG002 - the shape
        """Forget what stood there before."""
        if fresh:
            self.forget(state, slots)

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        self.learned.grow(state.n)
        verdicts = self.learned.update(runs.slots, at, values)
        rows = np.flatnonzero(verdicts.change)
        if not len(rows):
            return None
        of, slots, change = state.of, runs.slots[rows], CHANGES[verdicts.change[rows]]
        raised = change == Change.RAISED
        onset = verdicts.onset[rows]
        of["active"][slots] = raised
        of["onset"][slots] = onset
        detected = of["detected"][slots] = np.where(raised, at[rows], of["detected"][slots])
        names = ("low", "high", "memory", "level", "level_low", "level_high")
        return Episodes(rows, change, onset, detected, {name: getattr(verdicts, name)[rows] for name in names})

    def say(self, rule: LearnedRule, change: Change, told: Told) -> str:
        """What went where it never was: the reading, an average of it, or its steps."""
        signal, value, numbers = told.signal, told.amount(told.value), told.numbers
        if change is Change.ADAPTED:
            return f"{signal} has stayed at about {value} for so long that this is its new normal."
        if change is Change.CLEARED:
            return f"{signal} is back at {value}, where it has been before."
        speeds, memory = rule.config.speeds, int(numbers["memory"])
        level, so_far = told.amount(numbers["level"]), f"{told.amount(numbers['level_low'])} to {told.amount(numbers['level_high'])}"
        if memory >= len(speeds):
            return f"{signal} moves by {level} from reading to reading; so far it was {so_far}. It is {value} now."
        if speeds[memory] >= 1.0:
            return f"{signal} is {value}; so far it was {so_far}."
        return f"{signal} averages {level} over about {round(1.0 / speeds[memory])} readings; so far that was {so_far}. It is {value} now."
