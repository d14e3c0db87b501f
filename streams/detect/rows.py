"""A frame as plain columns in order of arrival."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Slots
from vorab.clock import SECOND
from vorab.frame import Block, Frame, Quality

Longs = NDArray[np.int64]
Bytes = NDArray[np.uint8]

CLAMPED: Final = int(Quality.CLAMPED)


@dataclass(slots=True)
class Rows:
    """The rows of a frame, in the order of their arrival."""

    device: Slots
    """Index into the frame's devices."""
    measured: Longs
    """µs; of rows whose clock cannot be believed the time of arrival."""
    received: Longs
    quality: Bytes
    signals: dict[str, NDArray[np.float64]]
    """NaN where a row does not carry the signal."""
    blocks: list[Block]
    block: Slots | None = None
    """Per row its block; None: there is only one."""
    boot: Longs | None = None
    seq: NDArray[np.uint64] | None = None
    numbered: NDArray[np.bool_] | None = None
    """Which rows carry a sequence number; None: all, where there is `seq`, else none."""

    apart: bool = False
    """Whether no device has two rows."""
    late: NDArray[np.bool_] | None = None
    """Which rows are older than something their device was judged by: they count for signals that have said nothing newer; None: none."""

    def unit(self, signal: str, row: int) -> str:
        """The unit a row gives for a signal, or nothing."""
        return self.blocks[0 if self.block is None else int(self.block[row])].units.get(signal, "")

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.device)


Watched = Callable[[str], bool]
ReadWords = Callable[[str, Sequence[str]], NDArray[np.float64]]

ABOUT: Final[dict[str, Callable[[Block], NDArray[Any] | None]]] = {
    "@messages": lambda block: np.ones(len(block)),
    "@boot": lambda block: block.boot,
    "@lag": lambda block: (block.received_at - block.measured_at) / SECOND,
    "@quality": lambda block: block.quality,
}
"""What every row says of itself, as signals: one message, number of the boot, seconds on the way, quality bits."""


def rows_of(frame: Frame, watched: Watched, read: ReadWords | None = None) -> Rows:
    """All rows; only signals that `watched(name)` says are wanted.

    `read(name, words)` gives numbers for words, or for the numbers of a signal that is read as words.
    """
    blocks = [block for block in frame.blocks if len(block)]
    if len(blocks) == 1:
        return _one(blocks[0], watched, read)
    if not blocks:
        empty: Longs = np.zeros(0, np.int64)
        return Rows(np.zeros(0, np.intp), empty, empty, np.zeros(0, np.uint8), {}, [])
    order = np.argsort(np.concatenate([block.row for block in blocks]), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    out = Rows(
        np.concatenate([block.device for block in blocks])[order].astype(np.intp),
        np.concatenate([believed(block) for block in blocks])[order],
        np.concatenate([block.received_at for block in blocks])[order],
        np.concatenate([block.quality for block in blocks])[order],
        {},
        blocks,
        np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])[order],
    )
    _merge_sequences(out, blocks, order)
    at = 0
    for block in blocks:
        mine = place[at : at + len(block)]
        at += len(block)
        for name, column in _columns(block, watched, read).items():
            whole = out.signals.get(name)
            if whole is None:
                whole = out.signals[name] = np.full(len(order), np.nan)
            whole[mine] = column
    return out


def _columns(block: Block, watched: Watched, read: ReadWords | None) -> dict[str, NDArray[Any]]:
    """The wanted signals of a block: measured, said in words, and what its rows say of themselves."""
    found: dict[str, NDArray[Any]] = {name: column for name, column in block.signals.items() if watched(name)}
    if read is not None:
        found.update({name: read(name, words) for name, words in block.text.items() if watched(name)})
    for name, about in ABOUT.items():
        told = about(block) if watched(name) else None
        if told is not None:
            found[name] = told
    return found


def _one(block: Block, watched: Watched, read: ReadWords | None) -> Rows:
    row = block.row
    order: Any = slice(None)
    if len(row) > 1 and not (row[1:] > row[:-1]).all():
        order = np.argsort(row, kind="stable")
    return Rows(
        block.device[order].astype(np.intp),
        believed(block)[order],
        block.received_at[order],
        block.quality[order],
        {name: column[order].astype(np.float64, copy=False) for name, column in _columns(block, watched, read).items()},
        [block],
        None,
        None if block.boot is None else block.boot[order].astype(np.int64),
        None if block.seq is None else block.seq[order],
    )


def _merge_sequences(out: Rows, blocks: list[Block], order: Slots) -> None:
    if all(block.seq is None for block in blocks):
        return
    out.numbered = np.concatenate([np.full(len(block), block.seq is not None) for block in blocks])[order]
    out.seq = np.concatenate([np.zeros(len(block), np.uint64) if block.seq is None else block.seq for block in blocks])[order]
    out.boot = np.concatenate([np.zeros(len(block), np.int64) if block.boot is None else block.boot.astype(np.int64) for block in blocks])[
        order
    ]


def believed(block: Block) -> Longs:
    """The times of a block, those of arrival where the device's clock was found wrong."""
    wrong = block.quality & CLAMPED
    return np.where(wrong, block.received_at, block.measured_at) if np.count_nonzero(wrong) else block.measured_at


def origins(frame: Frame) -> tuple[list[Block], Slots, Slots]:
    """The blocks of a frame, and per row, in the order of `rows_of`, its block and its place there."""
    blocks = [block for block in frame.blocks if len(block)]
    order = np.argsort(np.concatenate([block.row for block in blocks]), kind="stable")
    block = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    place = np.concatenate([np.arange(len(block)) for block in blocks])
    return blocks, block[order], place[order]


def part(block: Block, at: Slots, row: NDArray[Any], device: NDArray[Any]) -> Block:
    """Some rows of a block, in this order, with other row numbers and devices."""
    return Block(
        row=row.astype(np.uint32),
        device=device.astype(np.uint32),
        measured_at=block.measured_at[at],
        received_at=block.received_at[at],
        quality=block.quality[at],
        boot=None if block.boot is None else block.boot[at],
        seq=None if block.seq is None else block.seq[at],
        signals={name: column[at] for name, column in block.signals.items()},
        units=block.units,
        text={name: [words[i] for i in at.tolist()] for name, words in block.text.items()},
    )
