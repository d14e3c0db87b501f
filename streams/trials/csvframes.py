"""A recording as frames, and the time that passes between them: what a partition would have read, had it been there.

A recording is judged as if each reading had arrived when it was measured, all devices side by side in the order of time. Time goes on
where nobody speaks, as ticks tell it live: else every hole would be an outage of the pipeline, and nobody would ever fall silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.trials.csvcolumns import Recording
from vorab.clock import Micros
from vorab.frame import Block, Frame, Quality

READINGS: Final = 50_000
"""Most readings in a frame."""

Longs = NDArray[np.int64]
Slots = NDArray[np.intp]


def ordered(recording: Recording) -> int:
    """Sort a recording by time, device and signal, and leave out what it says twice; returns how many readings that were."""
    recording.keep(np.lexsort((recording.signal, recording.device, recording.at)))
    at, device, signal = recording.at, recording.device, recording.signal
    again = np.zeros(len(at), bool)
    again[1:] = (at[1:] == at[:-1]) & (device[1:] == device[:-1]) & (signal[1:] == signal[:-1])
    repeats = int(np.count_nonzero(again))
    if repeats:
        recording.keep(~again)
    return repeats


def frames(recording: Recording, limits: Sequence[Micros] = (), most: int = READINGS, bucket: Micros | None = None) -> Iterator[Frame]:
    """Frames of an ordered recording; one ends before a hole of half of the shortest of `limits` (µs), for time to pass in it.

    None reaches over the end of a `bucket` of time (µs), in which devices are compared.
    """
    at, device = recording.at, recording.device
    if not len(at):
        return
    starts = np.flatnonzero(np.concatenate([[True], (at[1:] != at[:-1]) | (device[1:] != device[:-1])]))
    begins = {0}
    if limits:
        holes = np.flatnonzero(np.diff(at[starts]) >= min(limits) // 2) + 1
        begins.update(holes.tolist())
    if bucket is not None:
        begins.update((np.flatnonzero(np.diff(at[starts] // bucket)) + 1).tolist())
    # No row is cut in two: frames are cut between the first readings of rows.
    begins.update(np.searchsorted(starts, np.arange(most, len(at), most)).tolist())
    begins.discard(len(starts))
    ends = [*sorted(begins)[1:], len(starts)]
    marks = _marks(len(recording.signals))
    for first, end in zip(sorted(begins), ends, strict=True):
        yield _frame(recording, starts[first:end], int(starts[end]) if end < len(starts) else len(at), marks)


def passing(since: Micros, until: Micros, limits: Sequence[Micros]) -> Iterator[Micros]:
    """Times (µs) after `since` and up to `until` to say that time goes on, often enough for limits of silence.

    A step of half a limit would look like an outage. Once a limit has been over for all devices its steps do not matter any more,
    so they grow: a year in which nobody speaks is a few dozen of them.
    """
    at = since
    while at < until:
        waiting = [limit for limit in limits if at <= since + limit]
        if not waiting:
            break
        at = min(until, at + max(min(waiting) // 4, 1))
        yield at


def _marks(signals: int) -> NDArray[np.uint64]:
    """A number for each signal; sums of them tell sets of signals apart."""
    return np.random.default_rng(0).integers(1, 1 << 63, max(signals, 1), dtype=np.uint64)


def _frame(recording: Recording, starts: Slots, end: int, marks: NDArray[np.uint64]) -> Frame:
    """The rows that begin at `starts`, the last one ending before `end`: those with the same signals stand in one block."""
    sizes = np.diff(np.append(starts, end))
    sums = np.add.reduceat(marks[recording.signal[starts[0] : end]], starts - starts[0])
    codes, device = np.unique(recording.device[starts], return_inverse=True)
    _, which = np.unique(sums, return_inverse=True)
    order = np.argsort(which, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
    at = recording.at[starts]
    blocks = [_block(recording, rows, starts[rows], int(sizes[rows[0]]), at[rows], device[rows]) for rows in groups]
    return Frame(int(at[-1]), [recording.devices[code] for code in codes.tolist()], blocks)


def _block(recording: Recording, rows: Slots, starts: Slots, size: int, at: Longs, device: Slots) -> Block:
    block = Block(
        row=rows.astype(np.uint32),
        device=device.astype(np.uint32),
        measured_at=at,
        received_at=at,
        quality=np.full(len(rows), Quality.RECORDED, np.uint8),
    )
    for place in range(size):
        values = recording.value[starts + place]
        signal = int(recording.signal[starts[0] + place])
        name = recording.signals[signal]
        if signal in recording.text_signals:
            block.text[name] = [recording.texts[int(value)] for value in values.tolist()]
        else:
            block.signals[name] = values
    return block
