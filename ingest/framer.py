"""One frame per partition out of the columns of one pass, and the `now` each partition has reached. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.columns import Columns
from vorab.clock import Micros
from vorab.frame import U4, Block, Frame


class Slice(NamedTuple):
    """The rows of one set of columns that belong to one partition: `order[low:high]`."""

    columns: Columns
    order: NDArray[np.int64]


class Framer:
    """Builds frames; `now` of a partition never goes back, whatever the clock or the data do."""

    def __init__(self, first_recorded: int) -> None:
        """Partitions from `first_recorded` on are in recorded time."""
        self._first_recorded = first_recorded
        self._places = np.zeros(1024, np.int64)
        """Scratch, by device number: where a device stands in the frame that is being made."""
        self.now: dict[int, Micros] = {}
        """What the last frame of each partition said."""

    def frames(
        self, columns: Sequence[Columns], partitions: NDArray[np.int64], keys: Sequence[str], received_at: Micros
    ) -> list[tuple[int, Frame]]:
        """Partition and frame for all these rows; `partitions` and `keys` go by device number."""
        slices: dict[int, list[Slice]] = {}
        for some in columns:
            # Partitions fit 16 bits, for which a stable sort is linear.
            places = partitions[some.number].astype(np.int16)
            order = np.argsort(places, kind="stable")
            places = places[order]
            cuts = np.flatnonzero(places[1:] != places[:-1]) + 1
            edges = [0, *cuts.tolist(), len(places)]
            for low, high in itertools.pairwise(edges):
                slices.setdefault(int(places[low]), []).append(Slice(some, order[low:high]))
        return [(partition, self._frame(partition, found, keys, received_at)) for partition, found in slices.items()]

    def tick(self, partition: int, now: Micros) -> Frame:
        """An empty frame: time goes on though nobody speaks."""
        return Frame(self._forward(partition, now))

    def _forward(self, partition: int, to: Micros) -> Micros:
        now = max(to, self.now.get(partition, to))
        self.now[partition] = now
        return now

    def _frame(self, partition: int, found: list[Slice], keys: Sequence[str], received_at: Micros) -> Frame:
        now = received_at
        if partition >= self._first_recorded:
            now = max(int(part.columns.measured_at[part.order].max()) for part in found)
        numbers = [part.columns.number[part.order] for part in found]
        together = numbers[0] if len(numbers) == 1 else np.concatenate(numbers)
        if len(keys) > len(self._places):
            self._places = np.zeros(2 * len(keys), np.int64)
        named, devices = self._index(together)
        edges = [0, *itertools.accumulate(map(len, numbers))]
        blocks = [_block(part, devices[low:high]) for part, (low, high) in zip(found, itertools.pairwise(edges), strict=True)]
        if len(blocks) > 1:
            _renumber(blocks, [part.columns.rank[part.order] for part in found])
        return Frame(self._forward(partition, now), [keys[number] for number in named.tolist()], blocks)

    def _index(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """The devices among these rows, each once, and for each row where its device stands among them."""
        places = self._places
        row = np.arange(len(numbers))
        places[numbers] = row
        named = numbers[places[numbers] == row]  # one row of each device stood its ground
        places[named] = np.arange(len(named))
        return named, places[numbers].astype(U4)


def _block(part: Slice, devices: NDArray[np.uint32]) -> Block:
    some, order = part
    return Block(
        row=np.arange(len(order), dtype=U4),
        device=devices,
        measured_at=some.measured_at[order],
        received_at=some.received_at[order],
        quality=some.quality[order],
        boot=None if some.boot is None else some.boot[order],
        seq=None if some.seq is None else some.seq[order],
        signals={name: column[order] for name, column in some.signals.items()},
        units=some.units,
        text={name: _pick(texts, order) for name, texts in some.text.items()},
    )


def _pick(texts: list[str], order: NDArray[Any]) -> list[str]:
    return [texts[i] for i in order.tolist()]


def _renumber(blocks: list[Block], ranks: list[NDArray[np.int64]]) -> None:
    """Number the rows across blocks by their rank."""
    together = np.concatenate(ranks)
    row = np.empty(len(together), U4)
    row[np.argsort(together, kind="stable")] = np.arange(len(together), dtype=U4)
    at = 0
    for block in blocks:
        block.row = row[at : at + len(block)]
        at += len(block)
