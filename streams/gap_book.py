"""The numbers of one device that have not come: ranges per boot, told when they are late, and told again when they have come. Pure.

What is said depends only on the numbers and the times at which their rows were received, never on how rows were cut into frames:
before a row is looked at, everything that was due before it is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from vorab.clock import SECOND, Micros

REORDER: Final[Micros] = 10 * SECOND
"""So much later may a message come than those sent after it: no gap, only another order."""
TOGETHER: Final[Micros] = 5 * SECOND
"""Numbers that come late come in rows: what fills up within so long is told as one."""
MOST_RANGES: Final = 256
"""Kept per boot; a device that counts by twos would fill the memory. The oldest told one is let go: it stays told."""
MOST_BOOTS: Final = 4


class Said(NamedTuple):
    """Something to tell."""

    boot: int
    first: int
    last: int
    filled: bool
    at: Micros


class Range(msgspec.Struct, array_like=True):
    """Numbers from `first` to `last`."""

    first: int
    last: int
    since: Micros
    """When it was noticed, or when the first of them came."""
    told: bool = False


class Count(msgspec.Struct, array_like=True):
    """The numbers of one boot."""

    boot: int
    first: int
    """The smallest seen."""
    last: int
    """The largest seen."""
    began: Micros
    missing: list[Range] = []
    """In order."""
    come: list[Range] = []
    """Were told missing and have come since; not told yet."""

    def see(self, seq: int, at: Micros) -> Iterator[Said]:
        """A number, in a row received at `at` µs."""
        if seq > self.last:
            if seq > self.last + 1:
                self.missing.append(Range(self.last + 1, seq - 1, at))
                yield from self._bound(at)
            self.last = seq
        elif seq < self.first:
            # Before everything we know: only in the beginning is that another order, later on it is a repetition.
            if at - self.began <= REORDER:
                if seq + 1 < self.first:
                    self.missing.insert(0, Range(seq + 1, self.first - 1, at))
                    yield from self._bound(at)
                self.first = seq
        else:
            self._fill(seq, at)

    def tell(self, before: Micros) -> Iterator[Said]:
        """What is due before this time, at its deadline."""
        for late in self.missing:
            if not late.told and late.since + REORDER < before:
                late.told = True
                yield Said(self.boot, late.first, late.last, filled=False, at=late.since + REORDER)
        for come in self.come:
            if come.since + TOGETHER < before:
                yield Said(self.boot, come.first, come.last, filled=True, at=come.since + TOGETHER)
        self.come = [come for come in self.come if come.since + TOGETHER >= before]

    @property
    def deadline(self) -> Micros | None:
        """When the next thing is due."""
        waiting = [late.since + REORDER for late in self.missing if not late.told]
        return min([*waiting, *(come.since + TOGETHER for come in self.come)], default=None)

    def _fill(self, seq: int, at: Micros) -> None:
        for i, hole in enumerate(self.missing):
            if hole.first <= seq <= hole.last:
                parts = [(hole.first, seq - 1), (seq + 1, hole.last)]
                self.missing[i : i + 1] = [Range(first, last, hole.since, hole.told) for first, last in parts if first <= last]
                if hole.told:
                    self._arrive(seq, at)
                return

    def _arrive(self, seq: int, at: Micros) -> None:
        whole = Range(seq, seq, at)
        apart = []
        for come in self.come:
            if come.last + 1 == whole.first or whole.last + 1 == come.first:
                whole = Range(min(come.first, whole.first), max(come.last, whole.last), min(come.since, whole.since))
            else:
                apart.append(come)
        self.come = [*apart, whole]

    def _bound(self, at: Micros) -> Iterator[Said]:
        if len(self.missing) > MOST_RANGES:
            oldest = min(self.missing, key=lambda hole: (not hole.told, hole.since, hole.first))
            self.missing.remove(oldest)
            if not oldest.told:
                yield Said(self.boot, oldest.first, oldest.last, filled=False, at=at)


class Book(msgspec.Struct):
    """What is to be known of a device beside its last number: missing numbers, and boots before this one."""

    now: Count
    """Of the boot that spoke last; where its `last` is out of date, the columns know better."""
    before: list[Count] = []
    """Other boots, the latest at the end."""

    def see(self, boot: int, seq: int, at: Micros) -> Iterator[Said]:
        """A number of a boot, in a row received at `at` µs."""
        yield from self.tell(at)
        if boot != self.now.boot:
            found = next((count for count in self.before if count.boot == boot), None)
            if found is not None:
                self.before.remove(found)
            self.before.append(self.now)
            self.now = found or Count(boot, seq, seq, at)
            if len(self.before) >= MOST_BOOTS:
                gone = self.before.pop(0)
                yield from (said._replace(at=min(said.at, at)) for said in gone.tell(at + REORDER + TOGETHER + 1))
        yield from self.now.see(seq, at)

    def tell(self, before: Micros) -> list[Said]:
        """What is due before this time, in order."""
        said = [each for count in (*self.before, self.now) for each in count.tell(before)]
        return sorted(said, key=lambda each: (each.at, each.boot, each.first))

    @property
    def deadline(self) -> Micros | None:
        """When the next thing is due."""
        return min((at for count in (*self.before, self.now) if (at := count.deadline) is not None), default=None)

    @property
    def plain(self) -> bool:
        """Whether there is nothing in it that the columns do not know."""
        return not (self.before or self.now.missing or self.now.come)
