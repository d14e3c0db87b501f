"""Silence: a device that has spoken says nothing for longer than its limit, judged by when its readings arrived.

Time that nobody was listening does not count: where the partition itself was without rows and ticks for half a limit or more,
every device gets its whole limit again from the moment it went on. So an outage of the pipeline is not a thousand silent devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from streams.detectors.columns import Columns, Runs
from streams.rules.rule import Rule
from streams.rules.words import Duration
from vorab.clock import SECOND, Micros

Longs = NDArray[np.int64]

LAYOUT: Final[dict[str, str | tuple[str, int]]] = {
    "after": "<i8",  # µs
    "heard": "<i8",  # arrival of the last reading
    "spoke": "<i8",  # its own time
    "active": "|b1",
    "onset": "<i8",
    "detected": "<i8",
}
FAR: Final[Micros] = 2**62


class SilenceRule(Rule):
    """A device that has spoken before says nothing."""

    detector: Literal["silence"]
    after: Duration = Field(ge=SECOND, description="How long after its last reading arrived.")

    @model_validator(mode="after")
    def _at_all_hours(self) -> SilenceRule:
        if self.when is not None:
            raise ValueError("silence is judged by when readings arrive, at all hours: leave out when")
        return self


@dataclass(frozen=True, slots=True)
class Gaps:
    """Rows (in the order of `runs`) of devices that came back; `fresh` where nobody had noticed the gap before."""

    rows: NDArray[np.intp]
    fresh: NDArray[np.bool_]
    onset: Longs
    detected: Longs


class Listening:
    """What a partition knows about its own time: its now, and since when it has been without an outage, per limit."""

    def __init__(self, limits: Iterable[Micros] = ()) -> None:
        self.now: Micros = 0
        self.resumed: dict[Micros, Micros] = dict.fromkeys(limits, 0)
        """Limit (µs) → when the partition last went on after an outage."""

    def restore(self, now: Micros, resumed: Mapping[Micros, Micros]) -> None:
        """Go on where another one stopped; limits may be others."""
        self.now = now
        for limit in self.resumed:
            self.resumed[limit] = resumed.get(limit, 0)

    def move(self, times: Longs) -> dict[int, Longs]:
        """Go through times in order of arrival; per limit with an outage, when it was last over at each row."""
        if not len(times):
            return {}
        before = self.now
        self.now = max(before, int(times.max()))
        if not self.resumed or self.now - before < min(self.resumed) // 2:
            return {}
        reached = np.maximum.accumulate(np.concatenate([[before], times]))
        steps = np.diff(reached)
        out: dict[int, Longs] = {}
        for limit in self.resumed:
            if (steps >= limit // 2).any():
                last = np.maximum.accumulate(np.where(steps >= limit // 2, reached[1:], 0))
                out[limit] = np.maximum(last, self.resumed[limit])
                self.resumed[limit] = int(out[limit][-1])
        return out

    def reach(self, now: Micros) -> bool:
        """Go on to a time; whether it ended an outage."""
        step, self.now = now - self.now, max(self.now, now)
        ended = False
        for limit in self.resumed:
            if step >= limit // 2:
                self.resumed[limit] = now
                ended = True
        return ended


def hear(state: Columns, runs: Runs, measured: Longs, received: Longs, resumed: Longs) -> Gaps | None:
    """Devices speak: rows sorted by slot; `resumed` is per row when the pipeline went on after its last outage, 0 for never."""
    slots, of = runs.slots, state.of
    carried = of["heard"][slots]
    reached = np.maximum(runs.running_max(received), carried)
    heard = runs.before(reached, carried)
    late = (heard > 0) & (received > np.maximum(heard, resumed) + of["after"][slots])
    active = of["active"][slots] & runs.new
    back = late | active
    heads, tails = runs.unique, runs.lasts
    found = None
    if back.any():
        rows = np.flatnonzero(back)
        fresh = ~active[rows]
        found = Gaps(
            rows,
            fresh,
            np.where(fresh, runs.before(measured, of["spoke"][slots])[rows], of["onset"][slots[rows]]),
            np.where(fresh, (heard + of["after"][slots])[rows], of["detected"][slots[rows]]),
        )
        of["active"][heads] = False
    of["heard"][heads] = reached[tails]
    of["spoke"][heads] = measured[tails]
    return found


def _counts_from(state: Columns, listening: Listening) -> Longs:
    """Per slot since when silence counts: its last reading, or the end of the last outage."""
    heard: Longs = state.of["heard"][: state.n]
    after = state.of["after"][: state.n]
    for limit, resumed in listening.resumed.items():
        if resumed:
            heard = np.where((after == limit) & (heard > 0), np.maximum(heard, resumed), heard)
    return heard


def fall_silent(state: Columns, listening: Listening, now: Micros) -> NDArray[np.intp]:
    """Slots whose limit ended before `now`; they are raised by this."""
    n, of = state.n, state.of
    waiting = (of["heard"][:n] > 0) & ~of["active"][:n] & (of["after"][:n] > 0)
    slots = np.flatnonzero(waiting & (_counts_from(state, listening) + of["after"][:n] < now))
    of["active"][slots] = True
    of["onset"][slots] = of["spoke"][slots]
    of["detected"][slots] = of["heard"][slots] + of["after"][slots]
    return slots


def next_deadline(state: Columns, listening: Listening) -> Micros:
    """No slot falls silent before this."""
    n, of = state.n, state.of
    waiting = (of["heard"][:n] > 0) & ~of["active"][:n] & (of["after"][:n] > 0)
    if not waiting.any():
        return FAR
    return int((_counts_from(state, listening) + of["after"][:n])[waiting].min())
