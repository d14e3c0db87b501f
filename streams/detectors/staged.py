"""Thresholds in stages, and thresholds that count n of the last m readings: one reading of each series at a time.

Each stage has its limit and its clear value, and counts for itself how many readings lay beyond the limit: those in a row, or, as bits of a
number, those among the last ones. The highest stage that has enough of them is the stage of the episode; on the way down a stage is left
when a reading lies beyond its clear value (and, where readings are counted among the last ones, none of those lies beyond the limit).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import EPISODE, Bools, Change, Episodes, Floats, Layout, Longs
from streams.rules.words import Bound, Strict
from vorab.records import Severity

MOST: Final = 63
"""Readings that are looked back on: the bits of a number."""
ORDER: Final = list(Severity)
UNCHANGED: Final = -1


class Stage(Strict):
    """A limit with its own severity."""

    above: Bound | None = Field(None, description="Reached while the signal is above this.")
    below: Bound | None = Field(None, description="Reached while the signal is below this.")
    clear: Bound | None = Field(None, description="Left only beyond this on the way back (hysteresis); none: as soon as it is back.")
    severity: Severity = Field(description="Of the symptom while this is the highest stage.")

    @model_validator(mode="after")
    def _sensible(self) -> Stage:
        if (self.above is None) == (self.below is None):
            raise ValueError("say either above or below")
        return self

    @property
    def limit(self) -> Bound:
        """The limit, on whichever side."""
        return self.above if self.above is not None else self.below if self.below is not None else 0.0

    @property
    def sign(self) -> float:
        """1 where above is bad, -1 where below is."""
        return 1.0 if self.above is not None else -1.0


class Settings(NamedTuple):
    """What all series of a table share."""

    sign: float
    need: int
    of: int
    """0: in a row."""
    hold: int
    severities: tuple[int, ...]
    """Per stage its place in `list(Severity)`, or -1 for the rule's."""


class Staged:
    """The logic; `streams.detectors.threshold` has the rule and the sentences."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._severity = np.array([0, *settings.severities], np.int8)
        self._mask = np.uint64((1 << settings.of) - 1) if settings.of else np.uint64(0)
        stages = len(settings.severities)
        self.layout: Layout = {
            **EPISODE,
            "edge": ("<f8", stages),  # limits times sign
            "inner": ("<f8", stages),  # clear values times sign
            "seen": ("<u8", stages),  # readings beyond in a row, or bits of the last ones
            "since": ("<i8", stages),  # µs, first of them
            "stage": "|i1",  # 0: none
            "busy": "|b1",  # anything seen or raised; all others need no second look
        }

    def prepare(
        self, state: Columns, slots: Slots, steps: list[tuple[Bound, Bound | None]], bound: Callable[[Bound], float | None], *, fresh: bool
    ) -> None:
        """Write limits and clear values."""
        of, sign = state.of, self._settings.sign
        for i, (wanted, back) in enumerate(steps):
            limit: Any = bound(wanted)
            if limit is None:  # of a device the registry does not know (any more): what it said stays, else nothing is beyond
                limit = sign * (np.inf if fresh else of["edge"][slots, i])
            clear = None if back is None else bound(back)
            of["edge"][slots, i] = limit * sign
            of["inner"][slots, i] = np.nextafter(limit * sign, np.inf) if clear is None else clear * sign

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge one reading of each series."""
        of, x = state.of, values * self._settings.sign
        hot = x[:, None] > of["edge"].take(runs.slots, axis=0)
        rows = (hot.any(axis=1) | of["busy"].take(runs.slots)).nonzero()[0]
        if not len(rows):
            return None
        slots, hot, x, at = runs.slots[rows], hot[rows], x[rows], at[rows]
        before = of["seen"][slots]
        if self._settings.of:
            seen = ((before << np.uint64(1)) | hot.astype(np.uint64)) & self._mask
            count = np.bitwise_count(seen).astype(np.int64)
            gone = seen == 0
        else:
            seen = np.where(hot, before + np.uint64(1), np.uint64(0))
            count, gone = seen.astype(np.int64), ~hot
        since = np.where(hot & (before == 0), at[:, None], of["since"][slots])
        fired = hot & (count >= self._settings.need) & (at[:, None] - since >= self._settings.hold)
        was = of["stage"][slots].astype(np.int64)
        now = self._stage(was, fired, gone & (x[:, None] < of["inner"][slots]))
        of["seen"][slots], of["since"][slots], of["stage"][slots] = seen, since, now
        of["busy"][slots] = (now > 0) | (seen > 0).any(axis=1)
        changed = (now != was).nonzero()[0]
        if not len(changed):
            return None
        was, now, hot, since, count = was[changed], now[changed], hot[changed], since[changed], count[changed]
        return self._episodes(state, rows[changed], slots[changed], at[changed], was, now, hot, since, count)

    @staticmethod
    def _stage(was: Longs, fired: Bools, gone: Bools) -> Longs:
        """Down through the stages that are over, then up to the highest that has enough readings."""
        now = was.copy()
        for i in range(fired.shape[1], 0, -1):
            now[(now == i) & gone[:, i - 1]] = i - 1
        for i in range(1, fired.shape[1] + 1):
            now[fired[:, i - 1] & (now < i)] = i
        return now

    def _episodes(
        self, state: Columns, rows: Slots, slots: Slots, at: Longs, was: Longs, now: Longs, hot: Bools, since: Longs, count: Longs
    ) -> Episodes:
        of, index, top = state.of, np.arange(len(rows)), np.maximum(np.maximum(was, now) - 1, 0)
        raised, here = was == 0, np.where(now > 0, now - 1, was - 1)
        onset = np.where(raised, np.where(hot[:, 0], since[:, 0], since[index, here]), of["onset"][slots])
        detected = np.where(raised, at, of["detected"][slots])
        of["active"][slots] = now > 0
        of["onset"][slots], of["detected"][slots] = np.where(now > 0, onset, 0), np.where(now > 0, detected, 0)
        change = np.where(raised, np.int8(Change.RAISED), np.where(now > 0, np.int8(Change.UPDATED), np.int8(Change.CLEARED)))
        sign = self._settings.sign
        numbers = {
            "limit": of["edge"][slots, here] * sign,
            "clear": of["inner"][slots, here] * sign,
            "left": np.where(was > now, of["edge"][slots, top] * sign, np.nan),
            "count": count[index, here],
        }
        severity = None if UNCHANGED in self._settings.severities else self._severity[here + 1]
        return Episodes(rows, change, onset, detected, numbers, severity)
