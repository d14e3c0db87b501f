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
        self.now: dict[int, Micros] = {}
        """What the last frame of each partition said."""

    def frames(
        self, columns: Sequence[Columns], partitions: NDArray[np.int64], keys: Sequence[str], received_at: Micros
    ) -> list[tuple[int, Frame]]:
        """Partition and frame for all these rows; `partitions` and `keys` go by device number."""
        slices: dict[int, list[Slice]] = {}
        for some in columns:
            places = partitions[some.number]
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
        index: dict[int, int] = {}
        blocks = [_block(part, index) for part in found]
        if len(blocks) > 1:
            _renumber(blocks, [part.columns.rank[part.order] for part in found])
        return Frame(self._forward(partition, now), [keys[number] for number in index], blocks)


def _block(part: Slice, index: dict[int, int]) -> Block:
    some, order = part
    place = index.setdefault
    devices = [place(number, len(index)) for number in some.number[order].tolist()]
    return Block(
        row=np.arange(len(order), dtype=U4),
        device=np.array(devices, U4),
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
