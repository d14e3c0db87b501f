"""State in columns: one slot per series, kept in blocks that are written to the log when something in them changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.detectors.sparse import SPARSE, Sparse

Slots = NDArray[np.intp]

_decoder: Final = msgspec.msgpack.Decoder(dict[str, Any])


class Columns:
    """Growable NumPy columns of equal length with a mark per block of slots that changed.

    `layout` maps a column to its dtype, to (dtype, width) for a column of rows, or to `sparse` for numbers that few slots have.
    """

    def __init__(self, name: str, layout: Mapping[str, str | tuple[str, int]], block: int) -> None:
        self.name, self.block = name, block
        self.n = 0
        self.changed: NDArray[np.bool_] = np.zeros(0, bool)
        self.of: dict[str, Any] = {}
        """Arrays, or `Sparse`."""
        for column, kind in layout.items():
            if kind == SPARSE:
                self.of[column] = Sparse()
                continue
            dtype, width = kind if isinstance(kind, tuple) else (kind, 0)
            self.of[column] = np.zeros((0, width) if width else 0, dtype)

    def grow(self, more: int) -> int:
        """Make so many new slots, all zero, and give the first of them."""
        first, self.n = self.n, self.n + more
        have = len(next(iter(self.of.values())))
        if self.n > have:
            room = max(self.n, 2 * have, 16)  # doubling, so that growing one by one stays cheap
            for name, old in self.of.items():
                if isinstance(old, Sparse):
                    self.of[name] = old.grown(room)
                    continue
                new = np.zeros((room, *old.shape[1:]), old.dtype)
                new[:have] = old
                self.of[name] = new
            marks = np.zeros(room // self.block + 1, bool)
            marks[: len(self.changed)] = self.changed
            self.changed = marks
        self.changed[first // self.block : (self.n - 1) // self.block + 1] = True
        return first

    def touch(self, slots: Slots) -> None:
        """Mark what changed."""
        self.changed[slots // self.block] = True

    def take_changed(self) -> Iterator[tuple[str, int, int]]:
        """Name of each changed block with its first slot and the one after its last; takes the marks back."""
        for i in np.flatnonzero(self.changed).tolist():
            yield f"{self.name}/{i}", i * self.block, min((i + 1) * self.block, self.n)
        self.changed[:] = False

    def pack(self, first: int, last: int, **more: object) -> bytes:
        """The bytes of a block, `more` beside the columns."""
        columns = {
            name: column.pack(first, last) if isinstance(column, Sparse) else column[first:last].tobytes()
            for name, column in self.of.items()
        }
        return msgspec.msgpack.encode({"n": last - first, "block": self.block, "columns": columns, **more})

    @staticmethod
    def slots_per_block(data: bytes) -> int:
        """How many slots the blocks of the table have that this one was packed from."""
        return int(_decoder.decode(data).get("block", 1024))

    def unpack(self, name: str, data: bytes) -> dict[str, Any]:
        """Put a block back where it was, and give what stood beside it.

        Columns of rows whose width is another one now are not put back but given as `resized`.
        """
        got = _decoder.decode(data)
        first = int(name.rpartition("/")[2]) * self.block
        last = first + got["n"]
        if last > self.n:
            self.grow(last - self.n)
        resized = got["resized"] = dict[str, NDArray[Any]]()
        for column, raw in got["columns"].items():
            if column in self.of:  # a column of yesterday is let go, a column of today starts at zero
                have = self.of[column]
                if isinstance(have, Sparse):
                    have.unpack(first, last, raw)
                    continue
                was = np.frombuffer(raw, have.dtype).reshape(last - first, *((-1,) if have.ndim > 1 else ()))
                if was.shape[1:] == have.shape[1:]:
                    have[first:last] = was
                else:
                    resized[column] = was
        self.changed[:] = False
        return got


class Runs:
    """Rows sorted by slot, each slot's rows in order of arrival: what lets one pass stand for many rounds."""

    def __init__(self, slots: Slots, *, apart: bool = False) -> None:
        """`apart` says that no slot occurs twice, which saves the sorting."""
        n = len(slots)
        self.order: Slots | None = None
        self.index: Slots = np.arange(n)
        self.apart = apart
        """Every slot has one row."""
        if not apart:
            if n > 1 and np.count_nonzero(slots[1:] >= slots[:-1]) < n - 1:
                # Small numbers are sorted by their digits, in a third of the time.
                keys = slots.astype(np.uint16) if slots.max() < 1 << 16 else slots
                self.order = keys.argsort(kind="stable")
                slots = slots[self.order]
            new = np.empty(n, bool)
            new[:1] = True
            np.not_equal(slots[1:], slots[:-1], out=new[1:])
            self.new = new
            """The first row of each slot."""
            self.firsts: Slots = new.nonzero()[0]
            self.apart = len(self.firsts) == n
        self.slots = slots
        if self.apart:
            self.new = np.ones(n, bool)
            self.firsts = self.lasts = self.start = self.index
        else:
            self.lasts = np.empty_like(self.firsts)
            self.lasts[:-1], self.lasts[-1:] = self.firsts[1:] - 1, n - 1
            self.start = self.firsts.repeat(self.lasts - self.firsts + 1)
            """Per row the first row of its slot."""

    def sort(self, column: NDArray[Any]) -> NDArray[Any]:
        """A column in this order."""
        return column if self.order is None else column[self.order]

    @property
    def unique(self) -> Slots:
        """Each slot once."""
        return self.slots if self.apart else self.slots[self.firsts]

    def before(self, column: NDArray[Any], carried: NDArray[Any]) -> NDArray[Any]:
        """Per row the value of the slot's row before it; `carried` (one per row) where there is none."""
        if self.apart:
            return carried
        shifted = np.empty_like(carried)
        shifted[1:] = column[:-1]
        return np.where(self.new, carried, shifted)

    def running_max(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """Per row the largest value of its slot so far, itself included."""
        if self.apart:
            return column
        least = column.min()
        lift = np.cumsum(self.new) * (column.max() - least + 1)  # lifts each slot above all before it
        lifted: NDArray[np.int64] = np.maximum.accumulate(column - least + lift) - lift + least
        return lifted

    def any(self, hit: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Per row whether any row of its slot is `hit`."""
        if self.apart:
            return hit
        any_of: NDArray[np.bool_] = np.logical_or.reduceat(hit, self.firsts)
        return any_of.repeat(self.lasts - self.firsts + 1)

    def last_where(self, hit: NDArray[np.bool_]) -> Slots:
        """Per row the last row of its slot, itself included, where `hit`; -1 where there is none."""
        if self.apart:
            return np.where(hit, self.index, -1)
        found = np.maximum.accumulate(np.where(hit, self.index, -1))
        return np.where(found >= self.start, found, -1)
