"""A rule with hours in front of its detector: which readings it is given, and when what it raised has ended because the hours did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.detectors.columns import Columns, Runs, Slots
from streams.detectors.shape import Bools, Layout, Longs
from streams.rules.schedule import ALWAYS, Calendar

HOURS: Final[Layout] = {
    "when": "<u2",  # number in the calendar, written anew after a restart
    "judged": "<i8",  # µs, the last reading within, while its stretch of hours lasts; else 0
}
"""The columns of a slot whose rule may have hours."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A part of the rows of a call, such that no hours end within it for any slot."""

    over: Slots
    """Slots whose stretch of hours is over, before these rows: whatever is raised there ends, without proof, and runs begin anew."""
    ended: Longs
    """Per slot of `over` when its hours ended (µs)."""
    noticed: Slots
    """Per slot of `over` the row that showed it."""
    rows: Slots
    """Rows within the hours, for the detector."""


def turns(calendar: Calendar, state: Columns, runs: Runs, at: Longs) -> Iterator[Turn]:
    """Cut the rows of a call, sorted by slot and in order of time, by the hours of their rules; remembers the last reading within.

    Nearly always it is one turn, with all rows where no rule has hours. Which readings a slot is given and when its stretches end
    does not depend on how rows were cut into calls.
    """
    slots, nothing = runs.slots, np.zeros(0, np.intp)
    numbers = state.of["when"][slots]
    if not np.count_nonzero(numbers != ALWAYS):
        yield Turn(nothing, np.zeros(0, np.int64), nothing, runs.index)
        return
    within = calendar.inside(numbers, at)
    judged = _judged_before(runs, at, within, state.of["judged"][slots])
    ended = np.where((judged > 0) & (numbers != ALWAYS), calendar.ended(numbers, judged, at), 0)
    first = (ended > 0) & (ended != runs.before(ended, np.zeros(len(ended), np.int64)))
    tails = runs.lasts
    state.of["judged"][runs.unique] = np.where(within[tails], at[tails], np.where(ended[tails] > 0, 0, judged[tails]))

    passed = np.cumsum(first)
    turn = passed - np.where(runs.start > 0, passed[runs.start - 1], 0)
    for nth in range(int(turn.max()) + 1):
        mine = turn == nth
        over = np.flatnonzero(first & mine)
        yield Turn(slots[over], ended[over], over, np.flatnonzero(within & mine))


def _judged_before(runs: Runs, at: Longs, within: Bools, carried: Longs) -> Longs:
    """Per row when the slot's last reading within its hours was measured, before this row."""
    last = runs.before(runs.last_where(within), np.full(len(at), -1))
    return np.where(last < 0, carried, at[last])
