"""Waiting a moment for what was written to the log to come back in the tables, so that whoever looks next sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from vorab.clock import Clock

STEPS: Final = 20
STEP_S: Final = 0.05
T = TypeVar("T")


def awaited(clock: Clock, look: Callable[[], T | None], steps: int = STEPS) -> T | None:
    """What `look` finds as soon as it finds anything; None where that takes longer."""
    for _ in range(steps):
        found = look()
        if found is not None:
            return found
        clock.sleep(STEP_S)
    return None
