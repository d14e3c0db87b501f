"""Fault codes: what the device itself says is wrong, as a word or a number in one of its signals.

Raised when one of the rule's codes appears, updated when it becomes another of them, cleared when the signal says something else.
Words come as numbers (`streams.words`); each different one is looked up once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors import threshold
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, Strict, Title, say_duration
from streams.words import LARGEST
from vorab.records import Severity

SEVERITIES: Final = list(Severity)
NONE: Final = -1
"""The place of what is no code of the rule."""
FINE: Final = ("", "0", "ok", "none", "normal", "no error")
MOST_SEEN: Final = 100_000
"""Different values remembered; a device that makes them up is looked up anew each time after that."""

Pattern = Annotated[str, Field(min_length=1, max_length=64)]


class Code(Strict):
    """What a code means."""

    title: Title | None = Field(None, description="What it means, in a few words.")
    severity: Severity | None = Field(None, description="Where it differs from the rule's.")


class CodeRule(SignalRule):
    """A fault the device reports by a code."""

    text: ClassVar[bool] = True

    detector: Literal["code"]
    codes: dict[Pattern, Code] = Field({}, description="Code, or pattern with * and ?, and what it means; the first that matches counts.")
    other: Code | None = Field(None, description="Any code that is not listed and not fine; none: it is passed over.")
    fine: tuple[str, ...] = Field(FINE, description="Values that say that nothing is wrong; capitals do not matter.")
    separator: str = Field("", max_length=4, description="Between several codes in one value; the most severe counts.")
    count: int = Field(1, ge=1, le=10_000, description="How many readings in a row before it counts.")
    hold: Duration = Field(0, alias="for", description="How long, in the device's own time, before it counts.")

    @model_validator(mode="after")
    def _some(self) -> CodeRule:
        if not self.codes and self.other is None:
            raise ValueError("give codes, or other for all that are not fine")
        return self

    def severity_of(self, place: int) -> Severity:
        """Of the code at a place; the last place is any other."""
        code = self.meaning(place)[1]
        return self.severity if code is None or code.severity is None else code.severity

    def meaning(self, place: int) -> tuple[str, Code | None]:
        """Pattern and meaning of the code at a place."""
        known = list(self.codes.items())
        return known[place] if 0 <= place < len(known) else ("*", self.other)

    def place(self, value: str) -> int:
        """The code in a value: of several the most severe, and of those the first that is listed."""
        parts = [part.strip() for part in value.split(self.separator)] if self.separator else [value.strip()]
        places = [place for part in parts if (place := self._place(part)) != NONE]
        return min(places, key=lambda place: (SEVERITIES.index(self.severity_of(place)), place), default=NONE)

    def _place(self, word: str) -> int:
        for place, pattern in enumerate(self.codes):
            if fnmatchcase(word, pattern):
                return place
        fine = word.lower() in {each.lower() for each in self.fine}
        return NONE if fine or self.other is None else len(self.codes)


LAYOUT: Final[Layout] = {
    **threshold.LAYOUT,
    "code": "<i4",  # place of the one that was told last
    "value": "<f8",  # what the device said then
}


class Codes(Detector):
    """Reported by the device."""

    name: ClassVar[str] = "code"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: CodeRule) -> None:
        self._rule = rule
        self._severity = np.array([SEVERITIES.index(rule.severity_of(place)) for place in range(len(rule.codes) + 1)], np.int8)
        self._seen: dict[float, int] = {}
        self.words: Mapping[float, str] = {}
        """Number → word, for all words that devices have said; whoever reads frames shares it."""

    @classmethod
    def shared(cls, rule: CodeRule) -> object:
        """All that says what a value means."""
        return rule.model_dump_json(include={"codes", "other", "fine", "separator", "severity"})

    def prepare(
        self,
        state: Columns,
        slots: Slots,
        rule: CodeRule,
        bound: Callable[[Bound], float | None],  # noqa: ARG002 - it has no limits
        *,
        fresh: bool,  # noqa: ARG002 - old ones are given the same
    ) -> None:
        """Readings are judged as values: 1 where there is a code, -1 where there is none."""
        of = state.of
        of["sign"][slots], of["edge"][slots], of["inner"][slots] = 1.0, 0.0, 0.0
        of["hold"][slots], of["need"][slots] = rule.hold, rule.count

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        of, slots = state.of, runs.slots
        different, which = np.unique(values, return_inverse=True)
        code = np.array([self._find(value) for value in different.tolist()], np.int32)[which]
        was_active, was, was_value = of["active"][slots], of["code"][slots], of["value"][slots]
        found = threshold.update(state, runs, at, np.where(code == NONE, -1.0, 1.0))
        change = np.zeros(len(slots), np.int8)
        if found is not None:
            change[found.rows] = found.change
        change[was_active & (code != NONE) & (code != was)] = Change.UPDATED
        told = (change == Change.RAISED) | (change == Change.UPDATED)
        of["code"][slots[told]], of["value"][slots[told]] = code[told], values[told]
        rows = np.flatnonzero(change)
        if not len(rows):
            return None
        mine, over = slots[rows], change[rows] == Change.CLEARED
        code, value = np.where(over, was[rows], code[rows]), np.where(over, was_value[rows], values[rows])
        numbers = {"code": code * 1.0, "value": value, "count": of["count"][mine] * 1.0}
        return Episodes(rows, change[rows], of["onset"][mine], of["detected"][mine], numbers, self._severity[code])

    def _find(self, value: float) -> int:
        place = self._seen.get(value)
        if place is None:
            place = self._rule.place(self.word(value))
            if len(self._seen) < MOST_SEEN and (value in self.words or abs(value) < LARGEST):
                self._seen[value] = place
        return place

    def word(self, value: float) -> str:
        """What the device said."""
        word = self.words.get(value)
        return word if word is not None else f"{value:.15g}"

    def say(self, rule: CodeRule, change: Change, told: Told) -> str:
        """The code, and what it means."""
        _, code = rule.meaning(int(told.numbers["code"]))
        word = self.word(told.numbers["value"])
        means = f" ({code.title.en})" if code is not None and code.title is not None else ""
        if change is Change.CLEARED:
            now = self.word(told.value)
            return f"{told.signal} says {now!r} and no longer {word!r}{means}." if now else f"{told.signal} no longer says {word!r}{means}."
        text = f"{told.signal} says {word!r}{means}" if change is Change.RAISED else f"{told.signal} says {word!r}{means} now"
        if change is Change.RAISED and told.numbers["count"] > 1:
            lasted = told.at - told.onset
            text += f", {told.numbers['count']:.0f} times in a row" + (f", for {say_duration(lasted)}" if lasted else "")
        return f"{text}."
