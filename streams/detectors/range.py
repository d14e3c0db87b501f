"""Range and plausibility: values no such sensor can measure, jumps no such machine can make, and numbers that stand for a fault.

Single odd readings are common, and no fault: it is raised when `count` of the last `of` readings were odd, and cleared when none of
them is. The last readings are bits of one number. A jump is measured from the last reading that was plausible, and what is allowed grows
with the time since: a machine that really is somewhere else is believed in the end.
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
from vorab.clock import MINUTE

MOST: Final = 63
"""Readings that are looked back on: the bits of a number."""
LOW, HIGH, JUMP, CODE = 1.0, 2.0, 3.0, 4.0
"""What is odd about a reading, as a number of its episode."""


class RangeRule(SignalRule):
    """A signal outside what can be."""

    detector: Literal["range"]
    low: Bound | None = Field(None, description="Nothing below this can be.")
    high: Bound | None = Field(None, description="Nothing above this can be.")
    jump: float | None = Field(None, gt=0, description="It cannot change by more than this in the time `per`.")
    per: Duration = Field(MINUTE, gt=0, description="The time that `jump` is said for.")
    codes: dict[float, str] = Field(default_factory=dict, description="Numbers that stand for a fault of the sensor, and what each says.")
    count: int = Field(1, ge=1, le=MOST, description="So many odd readings …")
    of: int | None = Field(None, ge=1, le=MOST, description="… of the last so many raise it; left out: that many in a row.")
    reason: str = Field("", max_length=200, description="Why nothing else can be; one short sentence for the explanation.")

    @model_validator(mode="after")
    def _sensible(self) -> RangeRule:
        if self.low is None and self.high is None and self.jump is None and not self.codes:
            raise ValueError("say low, high, jump or codes")
        if isinstance(self.low, float) and isinstance(self.high, float) and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.of is not None and self.of < self.count:
            raise ValueError(f"{self.count} of {self.of} readings cannot be")
        return self

    @property
    def needs(self) -> tuple[Bound, ...]:
        """Its bounds."""
        return tuple(bound for bound in (self.low, self.high) if bound is not None)


LAYOUT: Final[Layout] = {
    **EPISODE,
    "bounds": ("<f8", 2),
    "good": ("<f8", 2),  # the last plausible reading and its time (µs)
    "odd": "<u8",  # a bit per reading, the last one lowest
    "since": "<i8",  # µs, first odd one of those
}


class Range(Detector):
    """Cannot be."""

    name: ClassVar[str] = "range"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: RangeRule) -> None:
        jump, per, codes, self._count, of = self.shared(rule)
        self._jump, self._per = jump, float(per)
        self._codes = np.array(codes)
        self._mask = np.uint64((1 << of) - 1)

    @classmethod
    def shared(cls, rule: RangeRule) -> tuple[float | None, int, tuple[float, ...], int, int]:
        """All settings but the bounds."""
        return rule.jump, rule.per, tuple(rule.codes), rule.count, rule.of or rule.count

    def prepare(self, state: Columns, slots: Slots, rule: RangeRule, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:
        """Write the bounds; where the registry does not know them any more they stay."""
        of = state.of
        for i, (wanted, none) in enumerate(((rule.low, -np.inf), (rule.high, np.inf))):
            limit = none if wanted is None else bound(wanted)
            if limit is not None or fresh:
                of["bounds"][slots, i] = none if limit is None else limit
        if fresh:
            of["good"][slots] = np.nan, 0.0

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        slots, of = runs.slots, state.of
        bounds, good, bits = of["bounds"].take(slots, axis=0), of["good"].take(slots, axis=0), of["odd"].take(slots)
        why = np.where(values < bounds[:, 0], LOW, np.where(values > bounds[:, 1], HIGH, 0.0))
        step = values - good[:, 0]
        if self._jump is not None:
            allowed = self._jump * np.maximum((at - good[:, 1]) / self._per, 1.0)
            why[(why == 0) & (np.abs(step) > allowed)] = JUMP
        if len(self._codes):
            why[np.isin(values, self._codes)] = CODE
        odd = why > 0
        fine = (~odd).nonzero()[0]
        good[fine, 0], good[fine, 1] = values[fine], at[fine]
        of["good"][slots] = good
        look = (odd | (bits > 0)).nonzero()[0]
        if not len(look):
            return None
        mine, before, odd = slots[look], bits[look], odd[look]
        since = np.where(odd & (before == 0), at[look], of["since"][mine])
        now = ((before << np.uint64(1)) | odd.astype(np.uint64)) & self._mask
        of["odd"][mine], of["since"][mine] = now, since
        active, count = of["active"][mine], np.bitwise_count(now)
        raised, cleared = ~active & odd & (count >= self._count), active & (now == 0)
        numbers = {
            "low": np.where(np.isfinite(bounds[look, 0]), bounds[look, 0], np.nan),
            "high": np.where(np.isfinite(bounds[look, 1]), bounds[look, 1], np.nan),
            "count": count,
            "why": why[look],
            "step": step[look],
        }
        return tell(state, look, mine, at[look], raised, since, cleared, numbers)

    def say(self, rule: RangeRule, change: Change, told: Told) -> str:
        """`outdoor is -127 Cel: no such sensor is there. 3 of the last 5 readings were odd.`."""
        value, numbers = told.amount(told.value), told.numbers
        if change is not Change.RAISED:
            return f"{told.signal} is plausible again: it is {value}."
        if numbers["why"] == CODE:
            text = f"{told.signal} is {value}: {rule.codes[told.value].rstrip('.')}."
        elif numbers["why"] == JUMP:
            limit = f"{told.amount(rule.jump or 0.0)} in {say_duration(rule.per)}"
            text = f"{told.signal} jumped by {told.amount(numbers['step'])} to {value}; it cannot change by more than {limit}."
        else:
            side, bound = ("below", numbers["low"]) if numbers["why"] == LOW else ("above", numbers["high"])
            text = f"{told.signal} is {value}; nothing {side} {told.amount(bound)} can be."
        if rule.reason and numbers["why"] != CODE:
            text += f" {rule.reason.rstrip('.')}."
        count, last = int(numbers["count"]), rule.of or rule.count
        return text + (f" {count} of the last {last} readings were odd." if last > 1 else "")
