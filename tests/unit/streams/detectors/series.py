"""What the tests of detectors share: series are told to a detector in random calls, with its state written and read back in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from streams.detectors.columns import Columns, Runs
from streams.detectors.shape import Change, Detector, Told
from streams.rules.rule import Rule, resolve
from streams.rules.ruleset import CLASSES
from streams.rules.words import Bound
from vorab.clock import SECOND, Micros

T0: Micros = 1_795_000_000 * SECOND


class Row(NamedTuple):
    """One reading of a series."""

    slot: int
    at: Micros
    value: float


class Said(NamedTuple):
    """What a detector said about a series."""

    slot: int
    change: Change
    at: Micros
    onset: Micros
    detected: Micros
    numbers: tuple[tuple[str, float], ...] = ()


def rule(detector: str, **more: Any) -> Any:
    """A rule; what a test does not say is of no matter to it."""
    base = {"id": detector, "title": {"en": "x", "de": "x"}, "cause": "c", "detector": detector, "signal": "t"}
    return CLASSES[detector].model_validate({**base, **more})


class Table:
    """A detector with the state of some series, as detect leads them."""

    def __init__(self, kind: type[Detector], rule: Rule, slots: int, limits: Mapping[str, float] | None = None) -> None:
        self.kind, self.rule, self.limits = kind, rule, limits or {}
        self.detector = kind(rule)
        self.state = Columns("x", self.detector.layout, 2)
        self.state.grow(slots)
        for slot in range(slots):
            self.detector.prepare(self.state, np.array([slot]), rule, self._bound, fresh=True)
        self.blocks: dict[str, bytes] = {}

    def _bound(self, bound: Bound) -> float | None:
        return resolve(bound, self.limits)

    def again(self) -> None:
        """Die, and come back with what was written."""
        self.blocks.update({name: self.state.pack(first, last) for name, first, last in self.state.take_changed()})
        self.detector = self.kind(self.rule)
        self.state = Columns("x", self.detector.layout, 2)
        for name, block in self.blocks.items():
            self.state.unpack(name, block)
        for slot in range(self.state.n):
            self.detector.prepare(self.state, np.array([slot]), self.rule, self._bound, fresh=False)

    def tell(self, rows: Sequence[Row]) -> list[Said]:
        """Readings of one call; a detector that wants one per series gets them in turns."""
        runs = Runs(np.array([row.slot for row in rows], np.intp))
        at = runs.sort(np.array([row.at for row in rows], np.int64))
        values = runs.sort(np.array([row.value for row in rows], float))
        nth = runs.index - runs.start
        turns = [np.flatnonzero(nth == turn) for turn in range(int(nth.max()) + 1)] if self.detector.one_by_one else [runs.index]
        said: list[Said] = []
        for mine in turns:
            slots = runs.slots[mine]
            self.state.touch(slots)
            now = Runs(slots, apart=self.detector.one_by_one)
            found = self.detector.update(self.state, now, at[mine], values[mine])
            if found is None:
                continue
            for i, row in enumerate(found.rows.tolist()):
                numbers = tuple(sorted((name, float(column[i])) for name, column in found.numbers.items()))
                change = Change(int(found.change[i]))
                time = int(at[mine][row])
                said.append(Said(int(slots[row]), change, time, int(found.onset[i]), int(found.detected[i]), numbers))
                self._say(change, time, float(values[mine][row]), said[-1])
        return said

    def _say(self, change: Change, at: Micros, value: float, said: Said) -> None:
        told = Told("t", "K", value, at, said.onset, said.detected, dict(said.numbers))
        assert self.detector.say(self.rule, change, told).endswith(".")


def listen(kind: type[Detector], rule: Rule, rows: Sequence[Row], chance: random.Random | None = None, **more: Any) -> list[Said]:
    """What is said about rows; with `chance`, in calls of any size, and with a new process now and then."""
    table = Table(kind, rule, max(row.slot for row in rows) + 1, **more)
    said: list[Said] = []
    left = list(rows)
    while left:
        size = len(left) if chance is None else chance.choice([1, 2, 3, 7, 40])
        said += table.tell(left[:size])
        left = left[size:]
        if chance is not None and chance.random() < 0.2:
            table.again()
    return sorted(said)


def one(values: Iterable[float], step_s: float = 300.0, start: Micros = T0) -> list[Row]:
    """A regular series."""
    return [Row(0, start + round(i * step_s * SECOND), float(value)) for i, value in enumerate(values)]


def changes(said: Iterable[Said]) -> list[tuple[str, int]]:
    """What happened, and how many seconds after the start."""
    return [(each.change.name, (each.at - T0) // SECOND) for each in said]


def raised(said: Iterable[Said]) -> list[int]:
    """Seconds after the start at which something was raised."""
    return [second for name, second in changes(said) if name == "RAISED"]


class Referee(Protocol):
    """One series, one reading at a time, in plain Python."""

    def feed(self, at: Micros, value: float) -> tuple[Change, Micros] | None:
        """What the reading changes, and the onset of that episode."""


def refereed(make: Callable[[], Referee], rows: Iterable[Row]) -> list[tuple[int, Change, Micros, Micros, Micros]]:
    """What referees say, one per series: slot, change, time, onset, detected."""
    of: dict[int, Referee] = {}
    detected: dict[int, Micros] = {}
    out = []
    for row in rows:
        found = of.setdefault(row.slot, make()).feed(row.at, row.value)
        if found is not None:
            change, onset = found
            if change is Change.RAISED:
                detected[row.slot] = row.at
            out.append((row.slot, change, row.at, onset, detected[row.slot]))
    return sorted(out)


def bare(said: Iterable[Said]) -> list[tuple[int, Change, Micros, Micros, Micros]]:
    """Without the numbers, as referees say it."""
    return sorted(each[:5] for each in said)


def history(seed: int, slots: int = 3, length: int = 90) -> list[Row]:
    """Series that do everything in turn: rest, creep, ramps, noise, swings, spikes, steps, counting; at odd times, some of them twice."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for slot in range(slots):
        at, level, mood, left = T0 + chance.randrange(60) * SECOND, 20.0, "rest", 0
        for i in range(length):
            if not left:
                mood, left = (
                    chance.choice(["rest", "rest", "stay", "ramp", "creep", "noise", "swing", "spikes", "count"]),
                    chance.randint(3, 20),
                )
                level += chance.choice([0.0, 0.0, 9.0, -9.0])
            left -= 1
            level += {"ramp": 0.7, "creep": 0.05, "count": 3.0}.get(mood, 0.0)
            jitter = {"stay": 0.0, "count": 0.0, "noise": 3.0}.get(mood, 0.3) * chance.gauss(0, 1)
            swing = (3.0, 2.0, -1.0, -3.0, -2.0, 1.0)[i % 6] if mood == "swing" else 0.0
            spike = chance.choice([-40.0, 40.0]) if mood == "spikes" and chance.random() < 0.3 else 0.0
            rows.append(Row(slot, at, round(max(level + jitter + swing + spike, -5.0), 1)))
            at += chance.choice([60, 60, 60, 60, 60, 61, 59, 180, 300, 0, 4000 if chance.random() < 0.1 else 60]) * SECOND
    return sorted(rows, key=lambda row: row.at)


def agrees(kind: type[Detector], settings: Any, make: Callable[[], Referee], rows: Sequence[Row], seed: int, **more: Any) -> None:
    """Cut anyhow and restored anywhen, the detector says the same to the last bit, and the same as one reading at a time."""
    whole = listen(kind, settings, rows, **more)
    assert repr(listen(kind, settings, rows, random.Random(seed), **more)) == repr(whole)
    assert bare(whole) == refereed(make, rows)
