"""Which rules look at which series of which device, and where their state stands.

A series is one signal of one device. Slots of a series' rules stand side by side in one table per detector, and are found for all
rows of a frame at once. Devices are looked up in the registry when they are first seen, and again in turn as time goes on.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from operator import is_not
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Columns, Slots
from streams.detectors.flap import Damping
from streams.rules.rule import Flap
from vorab.processor import Registry
from vorab.records import Device

DEVICE_BLOCK: Final = 256
LOOK_UP: Final = 64
"""Devices looked up again per call: all of a busy partition within seconds, of a quiet one within a minute or two."""

DEVICE_LAYOUT: Final[dict[str, str | tuple[str, int]]] = {
    "entry": "<u4",  # what the registry said, as a number: whether it says something else after a restart
}


class Devices:
    """The devices of a partition: a slot each, and what the registry said of them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.slot: dict[str, int] = {}
        self.keys: list[str] = []
        self.entries: list[Device | None] = []
        self.models: list[str] = []
        """As last known: an entry that goes missing changes nothing."""
        self.columns = Columns("devices", DEVICE_LAYOUT, DEVICE_BLOCK)
        self._next = 0
        self._mark: Slots = np.zeros(0, np.intp)

    def slots(self, keys: Sequence[str]) -> Slots:
        """The slots of these devices; makes those that are new."""
        try:
            return np.fromiter(map(self.slot.__getitem__, keys), np.intp, len(keys))
        except KeyError:
            return np.array([self.slot[key] if key in self.slot else self.add(key) for key in keys], np.intp)

    def apart(self, slots: Slots) -> bool:
        """Whether no device occurs twice."""
        if len(self._mark) < self.columns.n:
            self._mark = np.zeros(2 * self.columns.n, np.intp)
        index = np.arange(len(slots))
        self._mark[slots] = index
        return bool(np.count_nonzero(self._mark[slots] == index) == len(slots))

    def add(self, key: str) -> int:
        """A new device."""
        return self._enter(key, self.columns.grow(1), "")

    def _enter(self, key: str, slot: int, model: str) -> int:
        entry = self._registry.device(key)
        self.slot[key] = slot
        self.keys.append(key)
        self.entries.append(entry)
        self.models.append(entry.model if entry is not None else model)
        if entry is not None:
            self.columns.of["entry"][slot] = print_of(entry)
        return slot

    def restore(self, name: str, block: bytes) -> list[int]:
        """Take over a block of devices, the blocks in their order; those of which the registry says something else now."""
        have = self.columns.n
        got = self.columns.unpack(name, block)
        was = self.columns.of["entry"][have : self.columns.n].copy()
        for slot, key, model in zip(range(have, self.columns.n), got["keys"], got["models"], strict=True):
            self._enter(key, slot, model)
        return (have + np.flatnonzero(self.columns.of["entry"][have : self.columns.n] != was)).tolist()

    def look_up(self) -> list[int]:
        """Look some devices up again, each in turn; the slots of those whose entry is another one now."""
        n = len(self.keys)
        first, last = self._next, min(self._next + LOOK_UP, n)
        self._next = last if last < n else 0
        entries = list(map(self._registry.device, self.keys[first:last]))
        changed: list[int] = []
        if any(map(is_not, entries, self.entries[first:last])):
            for slot, entry in enumerate(entries, first):
                if entry is not None and entry is not self.entries[slot]:
                    changed.append(slot)
                    self.entries[slot], self.models[slot] = entry, entry.model
                    self.columns.of["entry"][slot] = print_of(entry)
                    self.columns.touch(np.array([slot]))
        return changed

    def parts(self, slot: int) -> tuple[str, str]:
        """Tenant and name."""
        tenant, _, device = self.keys[slot].partition("/")
        return tenant, device


def print_of(entry: Device) -> int:
    """A number that changes when an entry says something else."""
    return zlib.crc32(entry.model_dump_json().encode())


UNKNOWN: Final = -1
IGNORED: Final = -2

OWNERS: Final[dict[str, str | tuple[str, int]]] = {
    "device": "<i4",  # slot of the device + 1; 0 is a free slot
    "signal": "<u2",  # number of the name
    "rule": "<u2",
    "together": "<u2",  # in the first slot of a series: how many rules look at it
}


class Table:
    """The state of one detector: the rules of a series stand in consecutive slots."""

    def __init__(self, name: str, layout: Mapping[str, str | tuple[str, int]], block: int, desk: Desk, *, timed: bool = False) -> None:
        """`timed` says that its rules look at certain hours only."""
        self.columns = Columns(name, {**OWNERS, **layout}, block)
        self._desk, self.timed = desk, timed
        self.damping = Damping(lambda slot: desk.flap_of(self, slot))
        self.damped = False
        """Whether any of its rules holds what comes and goes."""
        self._index: dict[int, NDArray[np.int32]] = {}
        self.single = True
        """Whether no series has more than one rule."""

    def firsts(self, signal: int, devices: Slots, count: int) -> Slots:
        """Per row the first slot of its series, negative where no rule looks at it; `count` is the number of devices there are."""
        index = self._index.get(signal)
        if index is None or len(index) < count:
            index = self._widen(signal, count)
        firsts = index[devices]
        if np.count_nonzero(firsts == UNKNOWN):
            wanted: dict[tuple[int, ...], list[int]] = {}
            for device in np.unique(devices[firsts == UNKNOWN]).tolist():
                wanted.setdefault(self._desk.choose(self, device, signal), []).append(device)
            for rules, alike in wanted.items():
                self._place_new(np.array(alike), signal, rules)
            firsts = index[devices]
        return firsts.astype(np.intp)

    def expand(self, firsts: Slots) -> tuple[Slots, Slots]:
        """All slots of these series: (index of the row, slot), rows in order."""
        rows = (firsts >= 0).nonzero()[0]
        firsts = firsts[rows]
        if self.single:
            return rows, firsts
        counts = self.columns.of["together"][firsts].astype(np.intp)
        every = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(every)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows[every], firsts[every] + within

    def settle(self, devices: Sequence[int]) -> list[int]:
        """Put the slots of these devices where the rules of now want them: state moves with its rule.

        Returns the slots whose rule does not look at their series any more, for the caller to end and free.
        """
        of = self.columns.of
        for index in self._index.values():
            mine = index[np.array([device for device in devices if device < len(index)], np.intp)]
            if (mine == IGNORED).any():
                index[index == IGNORED] = UNKNOWN
        groups: dict[tuple[int, int], list[int]] = {}
        wanted = np.flatnonzero(np.isin(of["device"][: self.columns.n], np.array(devices, np.int64) + 1))
        for slot in wanted.tolist():
            groups.setdefault((int(of["device"][slot]) - 1, int(of["signal"][slot])), []).append(slot)
        orphans: list[int] = []
        for (device, signal), slots in groups.items():
            rules = self._desk.choose(self, device, signal)
            old = {int(of["rule"][slot]): slot for slot in slots}
            kept = [old.get(rule, UNKNOWN) for rule in rules]
            if kept == slots and slots == list(range(slots[0], slots[0] + len(slots))):
                self._point(device, signal, slots[0], len(slots))
                for slot, rule in zip(slots, rules, strict=True):
                    self._desk.prepare(self, np.array([slot]), rule, np.array([device]), fresh=False)
            else:
                self._place(device, signal, rules, old)
                orphans += [slot for rule, slot in old.items() if rule not in rules]
        return orphans

    def find(self, count: int) -> None:
        """Find the series that stand in restored columns, of `count` devices."""
        of, n = self.columns.of, self.columns.n
        firsts = np.flatnonzero(of["together"][:n])
        self.single = self.single and not (of["together"][firsts] > 1).any()
        for signal in np.unique(of["signal"][firsts]).tolist():
            mine = firsts[of["signal"][firsts] == signal]
            self._widen(signal, count)[of["device"][mine] - 1] = mine

    def restore(self, name: str, block: bytes) -> tuple[int, int, dict[str, Any]]:
        """Take over a block: its first slot, how many, and what stood beside the columns. `find` when all are there."""
        got = self.columns.unpack(name, block)
        return int(name.rpartition("/")[2]) * self.columns.block, got["n"], got

    def free(self, slot: int) -> None:
        """Nobody looks at this slot any more."""
        for column in self.columns.of.values():
            column[slot] = 0
        self.damping.forget(slot)
        self.columns.touch(np.array([slot]))

    def _widen(self, signal: int, count: int) -> NDArray[np.int32]:
        old = self._index.get(signal, np.zeros(0, np.int32))
        index = np.full(max(count, 2 * len(old), 16), UNKNOWN, np.int32)
        index[: len(old)] = old
        self._index[signal] = index
        return index

    def _point(self, device: int, signal: int, first: int, count: int) -> None:
        index = self._index.get(signal)
        if index is None or len(index) <= device:
            index = self._widen(signal, device + 1)
        index[device] = first if count else IGNORED
        self.single = self.single and count <= 1

    def _place_new(self, devices: Slots, signal: int, rules: Sequence[int]) -> None:
        """Slots for the same series of many devices, all of them new."""
        width = len(rules)
        index, of = self._index[signal], self.columns.of
        if not width:
            index[devices] = IGNORED
            return
        firsts = self.columns.grow(width * len(devices)) + width * np.arange(len(devices))
        index[devices] = firsts
        self.single = self.single and width == 1
        of = self.columns.of
        of["together"][firsts] = width
        for nth, rule in enumerate(rules):
            slots = firsts + nth
            of["device"][slots], of["signal"][slots], of["rule"][slots] = devices + 1, signal, rule
            self._desk.prepare(self, slots, rule, devices, fresh=True)

    def _place(self, device: int, signal: int, rules: Sequence[int], old: Mapping[int, int]) -> None:
        """New slots for a series; state moves over from `old` (rule → slot)."""
        first = self.columns.grow(len(rules)) if rules else 0
        self._point(device, signal, first, len(rules))
        of = self.columns.of
        for slot, rule in enumerate(rules, first):
            source = old.get(rule)
            if source is not None:
                for column in of.values():
                    column[slot] = column[source]
                self.damping.move(source, slot)
                self._desk.move(self, source, slot)
                self.free(source)
            of["device"][slot], of["signal"][slot], of["rule"][slot] = device + 1, signal, rule
            of["together"][slot] = len(rules) if slot == first else 0
            self._desk.prepare(self, np.array([slot]), rule, np.array([device]), fresh=source is None)


class Desk(Protocol):
    """Who knows the rules."""

    def choose(self, table: Table, device: int, signal: int) -> tuple[int, ...]:
        """The numbers of the rules of this table that look at a series."""

    def prepare(self, table: Table, slots: Slots, rule: int, devices: Slots, *, fresh: bool) -> None:
        """Write a rule's settings for devices into a slot each; `fresh` when they have no state yet."""

    def move(self, table: Table, source: int, target: int) -> None:
        """Move what is kept beside the columns."""

    def flap_of(self, table: Table, slot: int) -> Flap | None:
        """When what a slot raises and clears again and again is held."""
