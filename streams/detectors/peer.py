"""Peers: a device that does not do what devices like it do at the same time.

Readings are averaged over buckets of time, by when they were measured. When a bucket is over, the partition closes it and tells the
averages of its devices (`streams.peers`); the baseline of the whole cohort comes back, and each device's own average of the same bucket
is held against it, in standard deviations, as a threshold is. So what moves the whole cohort (the weather, a new firmware, the price of
electricity) is nobody's fault, by construction: the baseline has moved just as much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from streams.detectors import threshold
from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import Change, Detector, Episodes, Floats, Layout, Longs, Told
from streams.peers import Baseline
from streams.rules.rule import SignalRule
from streams.rules.words import Bound, Duration, say_duration
from vorab.clock import MINUTE, Micros

RING: Final = 12
"""Buckets that a device is averaged over before the oldest is overwritten: the baseline has so long to come back."""
SHOWN: Final = 4
"""Averages that a symptom carries as evidence."""
RESOLUTION: Final = 1e-3
"""A spread is not smaller than this share of the level."""

LAYOUT: Final[Layout] = {
    **threshold.LAYOUT,
    "bucket": ("<i8", RING),  # number of the bucket + 1; 0 is none
    "sum": ("<f8", RING),
    "n": ("<i4", RING),
    "closed": "<i8",  # number of the last bucket that was told + 1
    "judged": "<i8",  # number of the last bucket that was judged + 1
    "shown_at": ("<i8", SHOWN),  # µs, ends of the buckets that were judged last, the last one at the end; 0 is none
    "shown": ("<f8", SHOWN),
    "floor": "<f8",  # least spread
    "least": "<i4",  # devices
}


class PeerRule(SignalRule):
    """A signal that is not what it is on devices like this."""

    detector: Literal["peer"]
    same: tuple[Literal["model", "site", "firmware", "cohort"], ...] = Field(
        ("model",), description="What peers have in common in the registry."
    )
    bucket: Duration = Field(15 * MINUTE, ge=MINUTE, description="Readings are averaged and compared over so long.")
    beyond: float = Field(6.0, gt=0, le=1000, description="Raised beyond so many standard deviations of the peers' median …")
    clear: float | None = Field(None, gt=0, description="… and cleared within so many; none: half of that.")
    count: int = Field(2, ge=1, le=10_000, description="How many buckets in a row before it counts.")
    peers: int = Field(8, ge=4, le=1_000_000, description="With fewer devices, itself included, nothing is judged.")
    spread: float = Field(
        0.0, ge=0, description="Least standard deviation, in the unit of the signal: smaller differences are nobody's fault."
    )

    @model_validator(mode="after")
    def _sensible(self) -> PeerRule:
        if not self.same:
            raise ValueError("same is empty: name what peers have in common, [model] for example")
        if self.clear is not None and self.clear > self.beyond:
            raise ValueError(f"clear {self.clear:g} lies beyond {self.beyond:g}: it would clear while it is raised")
        return self


class Peer(Detector):
    """One per length of bucket."""

    name: ClassVar[str] = "peer"
    one_by_one: ClassVar[bool] = True
    layout = LAYOUT

    def __init__(self, rule: PeerRule) -> None:
        self.long: Micros = rule.bucket

    @classmethod
    def shared(cls, rule: PeerRule) -> object:
        """The buckets."""
        return rule.bucket

    def prepare(
        self,
        state: Columns,
        slots: Slots,
        rule: PeerRule,
        bound: Callable[[Bound], float | None],  # noqa: ARG002 - it has no limits
        *,
        fresh: bool,  # noqa: ARG002 - old ones are given the same
    ) -> None:
        """Write the limits, in standard deviations."""
        of = state.of
        of["sign"][slots], of["edge"][slots] = 1.0, rule.beyond
        of["inner"][slots] = rule.beyond / 2 if rule.clear is None else rule.clear
        of["need"][slots], of["floor"][slots], of["least"][slots] = rule.count, rule.spread, rule.peers

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Average one reading of each series; one of a bucket that was told, or is overwritten, comes too late."""
        of, slots = state.of, runs.slots
        mark = at // self.long + 1
        place = mark % RING
        have = of["bucket"][slots, place]
        taken = (mark > of["closed"][slots]) & (mark >= have)
        slots, mark, place, fresh = slots[taken], mark[taken], place[taken], (mark > have)[taken]
        of["bucket"][slots, place] = mark
        of["sum"][slots, place] = np.where(fresh, 0.0, of["sum"][slots, place]) + values[taken]
        of["n"][slots, place] = np.where(fresh, 0, of["n"][slots, place]) + 1
        return None

    def close(self, state: Columns, bucket: int) -> tuple[Slots, Floats]:
        """A bucket (its number) is over: the slots that had readings in it, and their averages. What comes later does not count."""
        closed = state.of["closed"][: state.n]
        np.maximum(closed, bucket + 1, out=closed)
        return self._averages(state, np.arange(state.n), bucket)

    def judge(self, state: Columns, slots: Slots, bucket: int, baseline: Baseline) -> Episodes | None:
        """Hold the slots of a cohort (each once, in order) against its baseline of a closed bucket; rows are places in `slots`."""
        of = state.of
        slots_before, slots = slots, slots[of["judged"][slots] <= bucket]  # a baseline that comes again says nothing new
        mine, values = self._averages(state, slots, bucket)
        of["judged"][mine] = bucket + 1
        for name, new in (("shown_at", (bucket + 1) * self.long), ("shown", values)):
            of[name][mine, :-1] = of[name][mine, 1:]
            of[name][mine, -1] = new
        place = np.searchsorted(slots_before, mine)
        enough = baseline.devices >= of["least"][mine]
        mine, values, place = mine[enough], values[enough], place[enough]
        if not len(mine):
            return None
        spread = np.maximum(np.maximum(baseline.spread, of["floor"][mine]), max(RESOLUTION * abs(baseline.level), 1e-12))
        at = np.full(len(mine), (bucket + 1) * self.long)
        found = threshold.update(state, Runs(mine, apart=True), at, np.abs(values - baseline.level) / spread)
        if found is None:
            return None
        rows = found.rows
        wide = of["edge"][mine[rows]] * spread[rows]
        # A run of buckets begins with the first one, not with its end.
        of["onset"][mine[rows]] = onset = np.where(found.change == Change.RAISED, found.onset - self.long, found.onset)
        numbers = {
            "value": values[rows],
            "usual": np.full(len(rows), baseline.level),
            "low": baseline.level - wide,
            "high": baseline.level + wide,
            "peers": np.full(len(rows), baseline.devices),
            "count": found.numbers["count"],
        }
        return Episodes(place[rows], found.change, onset, found.detected, numbers)

    @staticmethod
    def recall(state: Columns, slot: int) -> tuple[list[Micros], list[float]]:
        """The averages of a slot that were judged last, oldest first, each with the end of its bucket (µs)."""
        at, values = state.of["shown_at"][slot], state.of["shown"][slot]
        return at[at > 0].tolist(), values[at > 0].tolist()

    @staticmethod
    def _averages(state: Columns, slots: Slots, bucket: int) -> tuple[Slots, Floats]:
        of, place = state.of, (bucket + 1) % RING
        mine = slots[of["bucket"][slots, place] == bucket + 1]
        return mine, of["sum"][mine, place] / of["n"][mine, place]

    def say(self, rule: PeerRule, change: Change, told: Told) -> str:
        """What it is, and what it is elsewhere."""
        of, long = told.numbers, say_duration(rule.bucket)
        like = f"{of['peers']:.0f} devices of the same {' and '.join(rule.same)}"
        if change is Change.CLEARED:
            return f"{told.signal} averages {told.amount(of['value'])} over {long}, as on {like} again ({told.amount(of['usual'])})."
        return f"{told.signal} averages {told.amount(of['value'])} over {long}; on {like} it is {told.amount(of['usual'])}."
