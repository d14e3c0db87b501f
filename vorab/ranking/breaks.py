"""The day since when it is another world: something that helped does not any more, or the other way round. Pure.

For each thing and each day the counts before and since are told apart: how much likelier are they with two chances than with one? Where
that is too much for luck, what was counted before says little about today.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from vorab.ranking.counts import SOLVED, Cause

SURPRISE: Final = 7.0
"""Logarithm of how much likelier two chances must be. By Wilks, luck alone exceeds it once in some 5,000 comparisons; a month of five
things makes 150 of them, most of them nearly the same."""


def since(counts: Cause, things: Iterable[str], surprise: float = SURPRISE) -> tuple[int, str]:
    """The first day after the latest break, and the thing that showed it; day 0 where there was none."""
    found = 0, ""
    for thing in sorted(things):
        days: dict[int, tuple[int, float]] = {}
        for _, tallies in sorted(counts.tallies.items()):
            for number, day in (tallies[thing].days if thing in tallies else {}).items():
                tried, solved = days.get(number, (0, 0.0))
                days[number] = tried + day.tried, solved + day.halves / SOLVED
        found = max(found, (_break(days, surprise), thing))
    return found if found[0] else (0, "")


def _break(days: dict[int, tuple[int, float]], surprise: float) -> int:
    order = sorted(days)
    tried = [*accumulate(days[day][0] for day in order)]
    solved = [*accumulate(days[day][1] for day in order)]
    if not order:
        return 0
    whole = _fit(solved[-1], tried[-1])
    best, where = surprise, 0
    for i in range(len(order) - 1):
        gain = _fit(solved[i], tried[i]) + _fit(solved[-1] - solved[i], tried[-1] - tried[i]) - whole
        if gain > best:
            best, where = gain, order[i + 1]
    return where


def _fit(solved: float, tried: int) -> float:
    """Log-likelihood of the counts under the chance that fits them best."""
    failed = tried - solved
    return sum(part * math.log(part / tried) for part in (solved, failed) if part > 0)
