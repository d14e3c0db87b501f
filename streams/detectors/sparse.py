"""A column of which nearly all slots are zero: only the others take memory, on the wire too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SPARSE = "sparse"
"""The dtype of such a column in a layout: whole numbers (i8)."""


class Sparse:
    """Indexed like an array, by a slot or by many."""

    ndim = 1

    def __init__(self, slots: int = 0) -> None:
        self._values: dict[int, int] = {}
        self._has = np.zeros(slots, bool)

    def __len__(self) -> int:
        """Number of slots."""
        return len(self._has)

    def __getitem__(self, slots: Any) -> Any:
        """The numbers of these slots."""
        if isinstance(slots, slice):
            slots = np.arange(*slots.indices(len(self)))
        if np.ndim(slots) == 0:
            return self._values.get(int(slots), 0)
        out = np.zeros(len(slots), np.int64)
        if self._values:
            for i in np.flatnonzero(self._has[slots]).tolist():
                out[i] = self._values[int(slots[i])]
        return out

    def __setitem__(self, slots: Any, values: Any) -> None:
        """Put a number, or one each, into slots."""
        some = np.atleast_1d(slots)
        given: NDArray[np.int64] = np.broadcast_to(np.asarray(values, np.int64), some.shape)
        for i in np.flatnonzero((given != 0) | self._has[some]).tolist():
            slot, value = int(some[i]), int(given[i])
            if value:
                self._values[slot] = value
            else:
                self._values.pop(slot, None)
        self._has[some] = given != 0

    def grown(self, slots: int) -> Sparse:
        """The same with more slots."""
        more = Sparse(slots)
        more._values = self._values
        more._has[: len(self)] = self._has
        return more

    def pack(self, first: int, last: int) -> tuple[bytes, bytes]:
        """Which slots from `first` on have a number, and which."""
        here = np.flatnonzero(self._has[first:last])
        return here.astype("<u4").tobytes(), np.array([self._values[first + i] for i in here.tolist()], "<i8").tobytes()

    def unpack(self, first: int, last: int, packed: tuple[bytes, bytes]) -> None:
        """Put them back."""
        self[np.arange(first, last)] = 0
        self[first + np.frombuffer(packed[0], "<u4").astype(np.intp)] = np.frombuffer(packed[1], "<i8")
