"""Counts in four bits: tables that turn counters into surprise, and change whole sets of counters at once.

A counter holds a step of a scale on which each step is larger than the one before; it moves up with a chance that makes its expected
value the true count (R. Morris, *Counting large numbers of events in small registers*, CACM 21, 1978). The chance is taken from the
number of the reading, not from a generator, so that the same readings always give the same state. Two counters share a byte.
Logarithms are looked up, never computed for a batch, so a result does not depend on the size of the batch it came in.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]
Longs = NDArray[np.int64]

STEPS: Final = 16
NEAR: Final = 15
"""Mask of the counter in the lower half of a byte; the other one stands in the upper half."""
CHANCES: Final = 1 << 16


class Scale:
    """What the steps of a counter mean, and the surprise in nats that follows from them."""

    def __init__(self, base: float, neighbour: float, prior: float, cells: int, most: int) -> None:
        """`base`: growth of the steps; `neighbour`: weight of the cell beside; `prior`: readings that speak for every cell alike."""
        value: Floats = np.asarray((base ** np.arange(STEPS + 1) - 1.0) / (base - 1.0), np.float64)
        self.value: Floats = value[:STEPS]
        self._bounds: Floats = np.asarray((base ** (np.arange(STEPS - 1) + 0.5) - 1.0) / (base - 1.0), np.float64)
        self.limit: Words = np.ceil(CHANCES / np.diff(value)).astype(np.uint32)
        """A counter moves up when a number below 65536 is below this."""
        self.limit[-1] = 0
        first, second, third = np.meshgrid(self.value, self.value, self.value, indexing="ij")
        self.seen: Floats = np.log(first + neighbour * (second + third) + prior / cells).ravel()
        """By three counters, 256 times the cell's own plus 16 times one beside it plus the other: logarithm of how often it came."""
        self.visited: Floats = np.log(np.arange(most + 1) + prior / cells)
        self.visits: Floats = np.log(np.arange(most + 1) + prior)

    def chances(self, counts: Longs) -> Words:
        """32 mixed bits per number of a reading: the lower half for one counter, the upper for the other."""
        mixed = counts.astype(np.uint32) * np.uint32(2654435761)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(2246822519)
        mixed ^= mixed >> np.uint32(13)
        return mixed

    def step(self, values: Floats) -> Bytes:
        """The steps nearest to these counts."""
        return np.asarray(np.searchsorted(self._bounds, values, side="right"), np.uint8)

    def halved(self, moves: Bytes) -> Bytes:
        """Pairs of counters, each with half its count."""
        half = self.step(0.5 * self.value)
        return np.asarray(half[moves & NEAR] | (half[moves >> 4] << 4), np.uint8)

    def moved(self, moves: Bytes, to: Longs) -> Bytes:
        """Tables of pairs (n, cells × cells) after the cells of each have become those of `to` (n, cells); what meets is added up."""
        n, cells = to.shape
        target = (np.arange(n)[:, None, None] * cells + to[:, :, None]) * cells + to[:, None, :]
        flat, size = target.ravel(), n * cells * cells
        near = self.step(np.bincount(flat, self.value[(moves & NEAR).ravel()], size).astype(np.float64))
        far = self.step(np.bincount(flat, self.value[(moves >> 4).ravel()], size).astype(np.float64))
        return np.asarray(near | (far << 4), np.uint8).reshape(n, cells * cells)


def moved_visits(visits: NDArray[np.uint16], to: Longs) -> NDArray[np.uint16]:
    """The same for the plain counts (n, cells)."""
    n, cells = to.shape
    flat = np.arange(n)[:, None] * cells + to
    return np.bincount(flat.ravel(), visits.ravel(), n * cells).astype(np.uint16).reshape(n, cells)
