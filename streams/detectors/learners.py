"""What detectors share that learn from a series alone: state kept beside the columns, and when an episode is over."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Protocol

import numpy as np

from streams.detectors.columns import Columns, Slots
from streams.detectors.shape import EPISODE, Bools, Detector, Floats, Layout

MOST: Final = 65_535
EPISODE_LEARNED: Final[Layout] = {
    **EPISODE,
    "inside": ("<f8", 2),  # where a reading counts as back
    "lasted": "<u2",  # readings since it was raised
    "calm": "<u2",  # readings in a row without anything strange, and back
}


class Learner(Protocol):
    """What learns, and keeps its own state; a slot is a series."""

    def grow(self, n: int) -> None:
        """There are so many slots now."""

    def clear(self, slots: Slots) -> None:
        """Forget these slots."""

    def snapshot(self, slots: Slots) -> bytes:
        """The state of these slots."""

    def restore(self, slots: Slots, state: bytes) -> None:
        """Put it back, into any slots."""


class LearnerDetector(Detector):
    """A detector that leads readings to learners: one of each per set of settings."""

    one_by_one: ClassVar[bool] = True

    def __init__(self, rule: Any, *learners: Learner) -> None:
        super().__init__(rule)
        self._learners = learners

    def forget(self, state: Columns, slots: Slots) -> None:
        """What stood in these slots was another series."""
        self.grow(state.n)
        for learner in self._learners:
            learner.clear(slots)

    def grow(self, slots: int) -> None:
        """There are so many slots now."""
        for learner in self._learners:
            learner.grow(slots)

    def move(self, source: int, target: int) -> None:
        """A slot's state goes to another one."""
        for learner in self._learners:
            learner.restore(np.array([target]), learner.snapshot(np.array([source])))

    def beside(self, first: int, last: int) -> bytes:
        """What was learned in these slots; the length of each part before it, but for the last."""
        *parts, rest = (learner.snapshot(np.arange(first, last)) for learner in self._learners)
        return b"".join([len(part).to_bytes(4, "little") + part for part in parts] + [rest])

    def take_beside(self, first: int, count: int, state: bytes) -> None:
        """Put it back."""
        slots, at = np.arange(first, first + count), 0
        *before, final = self._learners
        for learner in before:
            end = at + 4 + int.from_bytes(state[at : at + 4], "little")
            learner.restore(slots, state[at + 4 : end])
            at = end
        final.restore(slots, state[at:])


class Over:
    """When an episode of a learner is over: calm for so many readings and back where it was, or there for so long that it is normal."""

    def __init__(self, calm: int, patience: int) -> None:
        self._calm, self._patience = calm, patience

    def judge(
        self, state: Columns, slots: Slots, values: Floats, raised: Bools, usual: tuple[Floats, Floats], strange: Bools
    ) -> tuple[Bools, Bools]:
        """Which rows clear, and which have become normal; `usual` is the range as it was for those that are `raised` now."""
        of, active, (low, high) = state.of, state.of["active"][slots], usual
        outside, inside = (values < low) | (values > high), of["inside"][slots]
        inside[raised, 0], inside[raised, 1] = np.where(outside, low, -np.inf)[raised], np.where(outside, high, np.inf)[raised]
        quiet = ~strange & (values >= inside[:, 0]) & (values <= inside[:, 1])
        calm = np.where(active & quiet, np.minimum(of["calm"][slots], MOST - 1) + 1, 0)
        lasted = np.where(active, np.minimum(of["lasted"][slots], MOST - 1) + 1, 0)
        of["inside"][slots], of["calm"][slots], of["lasted"][slots] = inside, calm, lasted
        cleared = active & (calm >= self._calm)
        return cleared, active & ~cleared & (lasted >= self._patience)
