"""The shape of a detector of series: a rule, columns of state, and one pass over readings that says what changed.

A detector's module holds its rule (the configuration), its logic and its sentences. It owns no clock; it decides from the readings of
a series alone, in their order, so nothing depends on how they were cut into calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.sparse import SPARSE
from streams.rules.words import Bound
from vorab.clock import Micros

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]
Layout = Mapping[str, str | tuple[str, int]]
"""Column → dtype, or (dtype, width) for a column of rows."""

EPISODE: Layout = {
    "active": "|b1",  # raised
    "onset": SPARSE,  # µs, of the episode that is raised, or was last
    "detected": SPARSE,  # µs
}
"""The columns every detector has."""


RUNNING: Final = {"active", "busy", "count", "run", "since"}
"""Columns that tell of a run or an episode; zero is none."""


class Change(IntEnum):
    """What a reading did to the episode of its series."""

    NONE = 0
    RAISED = 1
    CLEARED = 2
    """A reading showed the end."""
    ADAPTED = 3
    """It lasted so long that it is the new normal: ended, but nothing was healed."""
    UPDATED = 4
    """Another severity."""


@dataclass(frozen=True, slots=True)
class Episodes:
    """What a call found: one entry per row that changed an episode."""

    rows: Slots
    """Index into the rows of the call."""
    change: NDArray[np.int8]
    onset: Longs
    """µs; the same for a whole episode, because it is in the id of its symptom."""
    detected: Longs
    """µs; the reading that raised it."""
    numbers: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What sentence and record need, NaN where there is none: `limit`, `low` and `high` go into the record."""
    severity: NDArray[np.int8] | None = None
    """Place in `list(Severity)`; None: the rule's."""


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of `Episodes`, for the sentence about it."""

    signal: str
    unit: str
    value: float
    at: Micros
    onset: Micros
    detected: Micros
    numbers: Mapping[str, float]

    def amount(self, value: float) -> str:
        """A value with the unit: `1.62 bar`."""
        return f"{value:.6g} {self.unit}".rstrip()


class Detector:
    """One per table of state; all rules of the table share it."""

    name: ClassVar[str]
    block: ClassVar[int] = 1024
    """Slots per block of state; a block is 512 KiB at most."""
    layout: Layout = EPISODE
    one_by_one: ClassVar[bool] = False
    """Whether a call has at most one row per slot."""

    def __init__(self, rule: Any) -> None:
        """`rule` is any one of the table."""

    @classmethod
    def shared(cls, rule: Any) -> object:  # noqa: ARG003 - most share nothing
        """What all rules of one table have in common besides the detector; rules that differ in it get tables of their own."""
        return ()

    def prepare(self, state: Columns, slots: Slots, rule: Any, bound: Callable[[Bound], float | None], *, fresh: bool) -> None:
        """Write a rule's settings into slots; `bound` gives the device's number for a limit, `fresh` says that they are new.

        There is one slot where the rule has limits of the device (`Rule.bounds`), else there may be many.
        """

    def update(self, state: Columns, runs: Runs, at: Longs, values: Floats) -> Episodes | None:
        """Judge readings sorted by slot, each slot's in order of time (µs); values are finite. None: nothing changed."""
        raise NotImplementedError

    def say(self, rule: Any, change: Change, told: Told) -> str:
        """The sentence that explains it to an operator."""
        raise NotImplementedError

    def rest(self, state: Columns, slots: Slots) -> None:
        """The hours of the rule are over: nothing is raised, and runs begin anew. What was learned stays."""
        for column in RUNNING & state.of.keys():
            state.of[column][slots] = 0

    # State that does not stand in columns; most detectors have none.

    def grow(self, slots: int) -> None:
        """There are so many slots now."""

    def move(self, source: int, target: int) -> None:
        """A slot's state goes to another one."""

    def beside(self, first: int, last: int) -> bytes:  # noqa: ARG002 - most have none
        """What is kept beside the columns of these slots."""
        return b""

    def take_beside(self, first: int, count: int, state: bytes) -> None:
        """Put it back."""


class DeviceDetector(Detector):
    """A detector of several signals of a device together: a slot per device and rule, all its signals in one call."""

    signals: tuple[str, ...] = ()
    """The signals it wants to see; the first one's readings are the evidence."""

    def judge(self, state: Columns, runs: Runs, at: Longs, columns: Mapping[str, Floats]) -> Episodes | None:
        """Judge rows of devices, sorted by slot, each slot's in order of time (µs); NaN where a row lacks the signal."""
        raise NotImplementedError
