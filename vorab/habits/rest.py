"""Who never gives a sign is told less, never more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vorab.clock import Micros
from vorab.habits.outcomes import PATIENCE, Outcome

ENOUGH: Final = 6
"""Messages in a row without a sign, after which somebody counts as not reading."""


def unheard(outcomes: Sequence[Outcome], now: Micros, enough: int = ENOUGH) -> bool:
    """Whether nothing came of the last messages, all of which have had their time."""
    last = sorted((each for each in outcomes if now - each.at >= PATIENCE), key=lambda each: each.at)[-enough:]
    return len(last) == enough and not any(each.sign for each in last)


def lowered(limit: int) -> int:
    """What is left of a monthly limit for somebody who does not read; 0 is none, and becomes one message."""
    return max(1, limit // 2) if limit else 1
