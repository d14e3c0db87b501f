"""The past lane: what a device kept and hands in beside what it measures now is judged by itself, as it would have been judged then.

A lane has state of its own, in a second book that nobody else sees: runs, counts and durations begin anew with the first reading of a
hole, and nothing of it reaches the state of the present. When a lane ends, its state is forgotten; what is still raised then ends with
the first live reading after the hole, without proof: from there on the present tells how it went on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from streams.detect.book import Book
from streams.detect.findings import Placed, end_orphans, place, unproven
from streams.detect.judge import judge
from streams.detect.rows import rows_of
from streams.detect.tables import OWNERS, Table
from streams.detect.words import Finding
from streams.event_time.timeline import Part
from streams.rules.ruleset import RuleSet
from vorab.clock import Micros
from vorab.processor import Registry

PREFIX: Final = "past."
NOT_THEN: Final = frozenset({"silence", "learned", "peer"})
"""Silence is judged by arrival, peers by what they do at the same time; what learns would learn a stretch of the past out of its order."""
WENT_ON: Final = "What the device kept ends here; the readings after it tell how it went on."


class Past:
    """The lanes of a partition."""

    def __init__(self, rules: RuleSet, registry: Registry) -> None:
        self._rules = RuleSet([rule for rule in rules if rule.detector not in NOT_THEN])
        self._registry = registry
        self._book: Book | None = None
        self._open: set[str] = set()
        """Devices with a lane."""
        self._written: set[str] = set()
        self._gone: set[str] = set()
        """Blocks of books before this one that are to be deleted."""
        self._told = b""

    def judge(self, part: Part, keys: list[str]) -> list[Finding]:
        """Judge rows that fill holes, then end lanes; `keys` are the devices by slot of the present."""
        found: list[Placed] = []
        if part.serials and len(self._rules):
            book = self._book = self._book or Book(self._rules, self._registry)
            rows = rows_of(part.frame, book.rules.watches, book.read_words)
            slots, mine = np.unique(rows.device, return_inverse=True)
            names = [keys[slot] for slot in slots.tolist()]
            rows.device = book.devices.slots(names)[mine]
            rows.apart = book.devices.apart(rows.device)
            self._open.update(names)
            judge(book, rows, np.ones(len(rows), bool), found)
        out = [replace(each.finding, historical=True) for each in sorted(found, key=place)]
        return out + self._close(part.closed)

    def _close(self, closed: Iterable[tuple[str, Micros]]) -> list[Finding]:
        book, out = self._book, list[Finding]()
        if book is None:
            return out
        for key, end in closed:
            if key not in self._open:
                continue
            self._open.discard(key)
            slot = book.devices.slot[key]
            for table in book.tables:
                of = table.columns.of
                for at in np.flatnonzero(of["device"][: table.columns.n] == slot + 1).tolist():
                    finding = unproven(book, table, at, end, WENT_ON) if "active" in of else None
                    out += [replace(finding, historical=True)] if finding is not None else []
                    self._forget(book, table, at, slot)
        if not self._open:
            self._book, self._gone, self._written = None, self._gone | self._written, set()
        return sorted(out, key=lambda each: (each.device, each.rule.id, each.signal))

    def _forget(self, book: Book, table: Table, at: int, device: int) -> None:
        for name, column in table.columns.of.items():
            if name not in OWNERS:
                column[at] = 0
        book.prepare(table, np.array([at]), int(table.columns.of["rule"][at]), np.array([device]), fresh=True)
        table.columns.touch(np.array([at]))

    def end_orphans(self, now: Micros) -> list[Finding]:
        """What was raised in the past by rules that do not look any more."""
        if self._book is None or not self._book.orphans:
            return []
        return [replace(each, historical=True) for each in end_orphans(self._book, now)]

    # ------------------------------------------------------------------------------------------------- state

    def dirty(self) -> dict[str, bytes]:
        """The blocks that changed."""
        gone, self._gone = dict.fromkeys(self._gone, b""), set()
        if self._book is None:
            return gone
        out = {PREFIX + name: block for name, block in self._book.dirty().items()}
        told = "\n".join(sorted(self._open)).encode()
        if out or told != self._told:
            self._told = out[PREFIX + "open"] = told
        self._written |= set(out)
        return {**gone, **out}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over state."""
        mine = {name.removeprefix(PREFIX): block for name, block in blocks.items() if name.startswith(PREFIX)}
        if "names" not in mine:
            return
        self._written = {PREFIX + name for name in mine}
        self._open = set(mine.pop("open").decode().split("\n"))
        self._book = Book(self._rules, self._registry)
        self._book.restore(mine)
