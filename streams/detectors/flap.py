"""Flap damping: what is raised and cleared again and again is told once, and stays raised until it has been quiet for a while.

The method is that of RFC 2439 (BGP Route Flap Damping): every time an episode is raised a penalty of the slot goes up by one, and it
decays with a half-life. Where it reaches a ceiling, and has gone up often enough, the episode that was just raised is told as one that
comes and goes, and is held: what the detector clears and raises after that is kept back until the penalty has decayed to half the
ceiling. Then the episode ends with the first reading that finds nothing raised, or goes on as an ordinary one.

A filter behind any detector, over the episodes it gives; time is that of the readings. Slots that raised nothing lately have no state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Runs
from streams.detectors.shape import Change, Episodes, Longs, Told
from streams.rules.rule import Flap
from streams.rules.words import say_duration
from vorab.clock import Micros

FLAPS: Final = "flaps"
"""The number that an episode carries that comes and goes: how often it was raised; NaN where it is an ordinary one."""
LONGEST: Final = 4
"""A slot is held for so many half-lives at most after it was last raised; RFC 2439 bounds that by a largest penalty, too."""
NOTHING: Final = 1 / 64
"""A penalty below this is none: nothing is kept for a slot six half-lives after a single episode."""
_ENDS: Final = (Change.CLEARED, Change.ADAPTED)


class Entry(msgspec.Struct, array_like=True):
    """What is known of a slot that raised something lately."""

    penalty: float
    at: Micros
    """When the penalty was this."""
    raises: int = 0
    """Since the penalty was nothing."""
    since: Micros = 0
    """The first of them."""
    held: bool = False
    raised: bool = False
    """What the detector says."""
    ended: int = Change.CLEARED
    """How it said so when it last ended."""
    severity: int = 0
    """Of what it was told with last."""
    told: tuple[Micros, Micros] | None = None
    """Onset and time of detection of the episode that is open for everybody else."""


@dataclass(slots=True)
class _Kept:
    """One entry of the episodes to tell."""

    row: int
    source: int
    """Place in the detector's episodes, -1 where the end of a held one is told."""
    change: int
    onset: Micros
    detected: Micros
    flaps: float
    severity: int = 0


class Damping:
    """The filter of one table; `setting` gives what the rule of a slot says, None where it is not damped."""

    def __init__(self, setting: Callable[[int], Flap | None]) -> None:
        self._setting = setting
        self._entries: dict[int, Entry] = {}
        self._known = np.zeros(0, bool)

    def told(self, slot: int) -> tuple[Micros, Micros] | None:
        """Onset and time of detection of the episode that everybody else believes is raised; the detector's columns may say another."""
        entry = self._entries.get(slot)
        return None if entry is None else entry.told

    def filter(self, runs: Runs, at: Longs, episodes: Episodes | None) -> Episodes | None:
        """What is to be told of the episodes that a detector found in rows sorted by slot, each slot's in order of time (µs)."""
        if episodes is None and not self._entries:
            return None
        self._grow(int(runs.slots.max()) + 1 if len(runs.slots) else 0)
        changed: dict[int, int] = {} if episodes is None else {row: i for i, row in enumerate(episodes.rows.tolist())}
        self._known[runs.slots[list(changed)]] = True
        kept = []
        for row in np.flatnonzero(self._known[runs.slots]).tolist():
            one = self._see(row, int(runs.slots[row]), int(at[row]), changed.get(row, -1), episodes)
            if one is not None:
                kept.append(one)
        return _episodes(kept, episodes) if kept else None

    def _see(self, row: int, slot: int, at: Micros, source: int, episodes: Episodes | None) -> _Kept | None:
        """A row of a slot that raised something lately, or does so now."""
        change, onset, detected = Change.NONE, 0, 0
        if episodes is not None and source >= 0:
            change, onset, detected = Change(int(episodes.change[source])), int(episodes.onset[source]), int(episodes.detected[source])
        severity = int(episodes.severity[source]) if episodes is not None and episodes.severity is not None and source >= 0 else 0
        setting, entry = self._setting(slot), self._entries.get(slot)
        if entry is None:
            if change is not Change.RAISED or setting is None:  # not damped, or it was raised before there was damping
                self._known[slot] = False
                return None if change is Change.NONE else _Kept(row, source, change, onset, detected, np.nan, severity)
            entry = self._entries[slot] = Entry(0.0, at)
            self._known[slot] = True
        if change in {Change.RAISED, Change.UPDATED}:
            entry.severity = severity
        _decay(entry, at, setting)
        kept = self._turn(entry, setting or Flap(), at, change, (onset, detected))
        if entry.penalty == 0.0 and not entry.held and entry.told is None:
            self.forget(slot)
        return None if kept is None else _Kept(row, source, *kept, entry.severity if source < 0 else severity)

    def _turn(
        self, entry: Entry, setting: Flap, at: Micros, change: Change, found: tuple[Micros, Micros]
    ) -> tuple[int, Micros, Micros, float] | None:
        """Change, onset, detection and flaps to tell, or nothing."""
        if change is Change.RAISED:
            if entry.penalty == 0.0 and not entry.held:
                entry.raises, entry.since = 0, at
            entry.raised, entry.raises = True, entry.raises + 1
            entry.penalty = min(entry.penalty + 1.0, setting.reuse * 2.0**LONGEST)
            if entry.held:
                return None
            entry.told = found
            entry.held = entry.penalty >= setting.ceiling and entry.raises >= setting.times
            return change, *found, float(entry.raises) if entry.held else np.nan
        if change in _ENDS:
            entry.raised, entry.ended = False, int(change)
        was_held = entry.held
        if entry.held and entry.penalty < setting.reuse:
            entry.held = False
        told = entry.told or found
        if not entry.held and not entry.raised and (change in _ENDS or (was_held and entry.told is not None)):
            entry.told = None
            return entry.ended, *told, float(entry.raises) if was_held else np.nan
        return (change, *told, np.nan) if change is Change.UPDATED else None

    # ------------------------------------------------------------------------------------------------- state

    def forget(self, slot: int) -> None:
        """Nobody looks at this slot any more, or there is nothing to know."""
        self._entries.pop(slot, None)
        if slot < len(self._known):
            self._known[slot] = False

    def move(self, source: int, target: int) -> None:
        """A slot's state goes to another one."""
        entry = self._entries.get(source)
        self.forget(source)
        if entry is not None:
            self._enter(target, entry)

    def beside(self, first: int, last: int) -> bytes:
        """What is to be kept of these slots, beside their block; empty for nothing."""
        known = np.flatnonzero(self._known[first:last]).tolist()
        mine = {slot: self._entries[first + slot] for slot in known if first + slot in self._entries}
        return msgspec.msgpack.encode(mine) if mine else b""

    def take_beside(self, first: int, state: bytes) -> None:
        """Put it back."""
        for slot, entry in msgspec.msgpack.decode(state, type=dict[int, Entry]).items():
            self._enter(first + slot, entry)

    def _enter(self, slot: int, entry: Entry) -> None:
        self._grow(slot + 1)
        self._entries[slot], self._known[slot] = entry, True

    def _grow(self, slots: int) -> None:
        if slots > len(self._known):
            known = np.zeros(max(slots, 2 * len(self._known)), bool)
            known[: len(self._known)] = self._known
            self._known = known


def _decay(entry: Entry, at: Micros, setting: Flap | None) -> None:
    if setting is None:  # not damped any more
        entry.penalty = 0.0
    elif at > entry.at:
        entry.penalty *= 2.0 ** (-(at - entry.at) / setting.within)
        entry.at = at
        if entry.penalty < NOTHING:
            entry.penalty = 0.0


def _episodes(kept: list[_Kept], found: Episodes | None) -> Episodes:
    columns = {field.name: [getattr(one, field.name) for one in kept] for field in fields(_Kept)}
    source = np.array(columns["source"], np.intp)
    mine = source >= 0

    def taken(column: NDArray[Any]) -> NDArray[np.float64]:
        out = np.full(len(source), np.nan)
        out[mine] = column[source[mine]]
        return out

    numbers = {} if found is None else {name: taken(column) for name, column in found.numbers.items()}
    return Episodes(
        np.array(columns["row"], np.intp),
        np.array(columns["change"], np.int8),
        np.array(columns["onset"], np.int64),
        np.array(columns["detected"], np.int64),
        {**numbers, FLAPS: np.array(columns["flaps"])},
        None if found is None or found.severity is None else np.array(columns["severity"], np.int8),
    )


def say(change: Change, told: Told, setting: Flap, text: str) -> str:
    """The sentence of an episode that comes and goes; `text` is the detector's own, as far as it has one."""
    times = f"{told.numbers[FLAPS]:.0f} times"
    if change is Change.RAISED:
        return f"{text} It comes and goes, {times} lately, and counts as raised until that has become rare."
    return f"It came and went {times} and has become rare: less than {setting.times} times in {say_duration(setting.within)}."
