"""That a symptom is gone is confirmed by the readings that follow: how many there were, and how many said something else than before.

Who takes a machine for healed wants more than that nothing is said against it: a machine that fell silent, or whose sensor stands
still, clears its symptom too. So after a symptom has cleared its device is followed for a while, and every few minutes of its own
time it is told what came. A measured value has to change itself; one that is whole may rightly stand still (a queue that stays empty),
then another signal of the device has to change; and where there is nothing else to look at, a reading is all that can be asked for.

Depends on the readings of the device in their order alone, never on how they were cut into frames. It is told when time has come that
far, after the silences of other devices until then: who waits for a proof must not be carried past one of those.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.detect.book import Book
from streams.detect.findings import Placed
from streams.detect.rows import Rows
from streams.detect.words import Finding
from streams.rules.derive import COMPUTED
from vorab.clock import MINUTE, Micros
from vorab.records import Severity, SymptomState

BLOCK: Final = "confirm."
"""How the names of its blocks begin."""
DEVICES: Final = 256
"""Devices in a block: small enough, also where all of a partition clear at once."""
FIRST: Final[Micros] = MINUTE
LONGEST: Final[Micros] = 10 * MINUTE
"""A first word soon, because somebody may wait for it; then every ten minutes."""
MOST: Final = 16
"""Words about one clearing: two hours of them, longer than any proof takes; nobody else reads them."""


class Word(msgspec.Struct):
    """What is to be told: readings after `since` until `until`, µs."""

    since: Micros
    until: Micros
    readings: int
    changes: int
    value: float | None


class Watch(msgspec.Struct):
    """A symptom that has cleared, and what came since."""

    rule: str
    signal: str
    unit: str
    severity: Severity | None
    onset: Micros
    detected: Micros
    cleared: Micros
    start: Micros
    """Readings after this count for the next word."""
    at: Micros
    """The latest reading."""
    length: Micros = FIRST
    said: int = 0
    readings: int = 0
    changes: int = 0
    last: dict[str, float] = {}
    """What each signal said last."""
    words: list[Word] = []
    """Not told yet."""

    def see(self, at: Micros, own: float | None, rest: Callable[[], Mapping[str, float]]) -> bool:
        """Count one reading of its signal, and of the `rest` where that may matter; whether it is time to say so."""
        if at <= self.at or (self.signal and own is None):
            return False
        self.at = at
        self.readings += 1
        self.changes += self._changed(own, rest)
        return at - self.start >= self.length

    def _changed(self, own: float | None, rest: Callable[[], Mapping[str, float]]) -> bool:
        before = self.last.get(self.signal, own)
        if own is not None:
            self.last[self.signal] = own
            if not own.is_integer():
                return own != before
        # A whole number may stand still and be alive: then the others tell. They are kept from one such reading to the next.
        others = {name: value for name, value in rest().items() if name != self.signal}
        changed = not others or any(value != self.last.get(name, value) for name, value in others.items())
        self.last.update(others)
        return changed or own != before

    def turn(self, value: float | None) -> None:
        """Have a word to tell, and begin to count for the next."""
        self.words.append(Word(self.start, self.at, self.readings, self.changes, value))
        self.start, self.readings, self.changes = self.at, 0, 0
        self.length = min(LONGEST, self.length * 2)
        self.said += 1


class Confirm:
    """The symptoms of a partition that have cleared lately."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._watches: dict[int, list[Watch]] = {}
        """By the slot of the device."""
        self._watched = np.zeros(0, bool)
        """By slot as well: whether there are any."""
        self._ready: set[int] = set()
        """Devices with something to tell."""
        self._changed: set[int] = set()
        """Numbers of the blocks that changed."""

    def follow(self, rows: Rows, which: NDArray[np.bool_], found: Sequence[Placed]) -> None:
        """Take rows that were judged, and what was found in them."""
        events = _events(self._book, found)
        if not self._watches and not events:
            return
        near = self._near(rows, events)
        if not near.any():
            return
        mine = near & which
        if rows.late is not None:
            mine &= ~rows.late
        for device, row in _in_order(np.flatnonzero(mine), rows, events):
            watches = self._watches.get(device)
            if watches and mine[row]:
                self._see(device, row, watches, rows)
            for finding in events.pop((device, row), ()):
                self._take(device, row, finding, rows)

    def _near(self, rows: Rows, events: Mapping[tuple[int, int], object]) -> NDArray[np.bool_]:
        """The rows of devices that are watched, or will be."""
        if len(self._watched) < len(self._book.devices.keys):
            self._watched = np.zeros(2 * len(self._book.devices.keys), bool)
            self._watched[list(self._watches)] = True
        if not events:
            return self._watched.take(rows.device)
        soon = [device for device, _ in events if not self._watched[device]]
        self._watched[soon] = True
        near = self._watched.take(rows.device)
        self._watched[soon] = False
        return near

    def _see(self, device: int, row: int, watches: list[Watch], rows: Rows) -> None:
        self._changed.add(device // DEVICES)
        at = int(rows.measured[row])
        for watch in watches:
            if watch.said < MOST:
                column = rows.signals.get(watch.signal)
                own = None if column is None else float(column[row])
                own = own if own is not None and math.isfinite(own) else None
                if watch.see(at, own, lambda: _values(rows, row)):
                    watch.turn(own)
                    self._ready.add(device)

    def due(self, now: Micros) -> list[Finding]:
        """What is told by `now` (µs), in the order of time."""
        found: list[Finding] = []
        for device in sorted(self._ready):
            for watch in list(self._watches.get(device, ())):
                found += self._told(device, watch, now)
                if watch.said >= MOST and not watch.words:
                    self._watches[device].remove(watch)
            if not any(watch.words for watch in self._watches.get(device, ())):
                self._ready.discard(device)
            if not self._watches.get(device):
                self._watches.pop(device, None)
                self._watched[device] = False
        return sorted(found, key=lambda each: (each.confirmed or 0, each.device, each.rule.id, each.signal))

    def _told(self, device: int, watch: Watch, now: Micros) -> list[Finding]:
        rule, words = self._book.rules.by_id.get(watch.rule), [word for word in watch.words if word.until <= now]
        if not words:
            return []
        self._changed.add(device // DEVICES)
        watch.words = watch.words[len(words) :]
        if rule is None:
            return []
        return [
            Finding(
                rule, self._book.devices.keys[device], watch.onset, watch.detected, watch.cleared, severity=watch.severity,
                signal=watch.signal, unit=watch.unit, value=word.value, since=word.since, confirmed=word.until, readings=word.readings,
                changes=word.changes, explanation=_said(word),
            )
            for word in words
        ]  # fmt: skip

    def _take(self, device: int, row: int, finding: Finding, rows: Rows) -> None:
        watches = []
        for each in self._watches.pop(device, []):
            if (each.rule, each.signal) == (finding.rule.id, finding.signal):
                each.said = MOST  # it ends here, and what it has to tell is told yet
            if each.said < MOST or each.words:
                watches.append(each)
        if finding.state is SymptomState.CLEARED and finding.proven:
            finding.followed = True
            at = int(rows.measured[row])
            watches.append(
                Watch(
                    finding.rule.id, finding.signal, finding.unit, finding.severity, finding.onset, finding.detected,
                    finding.cleared if finding.cleared is not None else at, at, at, last=_values(rows, row),
                )
            )  # fmt: skip
        if watches:
            self._watches[device] = watches
        self._watched[device] = bool(watches)
        self._changed.add(device // DEVICES)

    def dirty(self) -> dict[str, bytes]:
        """The blocks that changed; empty bytes where nothing is left."""
        changed, self._changed = self._changed, set()
        keys = self._book.devices.keys
        found: dict[int, dict[str, list[Watch]]] = {number: {} for number in sorted(changed)}
        for device, watches in self._watches.items():
            if device // DEVICES in found:
                found[device // DEVICES][keys[device]] = watches
        return {f"{BLOCK}{number}": msgspec.msgpack.encode(kept) if kept else b"" for number, kept in found.items()}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over state, after the book has."""
        slot = self._book.devices.slot
        for name, block in blocks.items():
            if name.startswith(BLOCK) and block:
                kept = msgspec.msgpack.decode(block, type=dict[str, list[Watch]])
                self._watches.update((slot[key], watches) for key, watches in kept.items() if key in slot)
        self._watched = np.zeros(len(slot), bool)
        self._watched[list(self._watches)] = True
        self._ready = {device for device, watches in self._watches.items() if any(watch.words for watch in watches)}


def _events(book: Book, found: Iterable[Placed]) -> dict[tuple[int, int], list[Finding]]:
    """By device and row, what was raised or cleared there."""
    events: dict[tuple[int, int], list[Finding]] = {}
    for each in found:
        if each.finding.state is not SymptomState.UPDATED:
            events.setdefault((book.devices.slot[each.finding.device], each.row), []).append(each.finding)
    return events


def _in_order(rows: NDArray[np.intp], of: Rows, events: Mapping[tuple[int, int], object]) -> list[tuple[int, int]]:
    places = {(int(of.device[row]), row) for row in rows.tolist()} | {place for place in events if 0 <= place[1] < len(of)}
    return sorted(places, key=lambda place: (place[1], place[0]))


def _values(rows: Rows, row: int) -> dict[str, float]:
    """What a row says, by signal; nothing that is computed or about the row itself."""
    found = {name: float(column[row]) for name, column in rows.signals.items() if not name.startswith(("@", COMPUTED))}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _said(word: Word) -> str:
    many = "1 reading" if word.readings == 1 else f"{word.readings} readings"
    if not word.changes:
        return f"{many} since, and none of them other than the one before."
    return f"{many} since, without it."
