"""Several frames of a partition as one: nothing depends on how rows were cut into frames, and one costs less than many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vorab.frame import U4, Block, Frame


def join(frames: Sequence[Frame]) -> Frame:
    """One frame of all rows, in the order in which the frames stand; its time is that of the last."""
    if len(frames) == 1:
        return frames[0]
    index: dict[str, int] = {}
    alike: dict[Any, list[Block]] = {}
    first = 0
    for frame in frames:
        numbers = np.array([index.setdefault(key, len(index)) for key in frame.devices], U4)
        for block in frame.blocks:
            alike.setdefault(_shape(block), []).append(_moved(block, first, numbers))
        first += max((int(block.row.max()) for block in frame.blocks if len(block)), default=-1) + 1
    return Frame(frames[-1].now, list(index), [_together(blocks) for blocks in alike.values()])


def _shape(block: Block) -> Any:
    """What blocks have in common whose rows may stand in one."""
    signals = tuple((name, column.dtype.char) for name, column in block.signals.items())
    return signals, tuple(block.text), tuple(block.units.items()), block.boot is None, block.seq is None


def _moved(block: Block, first: int, numbers: Any) -> Block:
    return Block(
        row=block.row + U4.type(first),
        device=numbers[block.device],
        measured_at=block.measured_at,
        received_at=block.received_at,
        quality=block.quality,
        boot=block.boot,
        seq=block.seq,
        signals=block.signals,
        units=block.units,
        text=block.text,
    )


def _together(blocks: Sequence[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    one = blocks[0]

    def column(of: Iterable[Any]) -> Any:
        return np.concatenate(list(of))

    return Block(
        row=column(block.row for block in blocks),
        device=column(block.device for block in blocks),
        measured_at=column(block.measured_at for block in blocks),
        received_at=column(block.received_at for block in blocks),
        quality=column(block.quality for block in blocks),
        boot=None if one.boot is None else column(block.boot for block in blocks),
        seq=None if one.seq is None else column(block.seq for block in blocks),
        signals={name: column(block.signals[name] for block in blocks) for name in one.signals},
        units=one.units,
        text={name: [word for block in blocks for word in block.text[name]] for name in one.text},
    )
