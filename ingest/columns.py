"""Rows of one shape as columns: what frames are built from, whichever way the rows came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vorab.frame import I8, SIGNAL_TYPES, U1, U4, U8, Reading, shape_of

ROWS_PER_MESSAGE: Final = 1024
"""Room for the rows of one message in a rank."""
_FRAME_BYTES: Final = 400_000
"""Kafka takes 1 MB per record; columns of many small odd rows are larger than their JSON, so a pass stops well before."""
_ROW_BYTES: Final = 240
_FRAME_ROWS: Final = _FRAME_BYTES // _ROW_BYTES
_LAST_RANK: Final = 2**62


@dataclass(slots=True)
class Columns:
    """Rows of one shape, of any devices, in the order in which they arrived."""

    rank: NDArray[np.int64]
    """Orders the rows of one pass: message index times `ROWS_PER_MESSAGE`, plus the row within the message."""
    number: NDArray[np.int64]
    """The number of the device, as the topic map counts."""
    measured_at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    quality: NDArray[np.uint8]
    boot: NDArray[np.uint32] | None = None
    seq: NDArray[np.uint64] | None = None
    signals: dict[str, NDArray[Any]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    text: dict[str, list[str]] = field(default_factory=dict)
    acked: NDArray[np.uint64] | None = None
    """What devices know to be in the log. No part of a frame: the intake reads it off."""


def between(columns: Columns, low: int, high: int) -> Columns | None:
    """The rows with `low <= rank < high`; None where there are none."""
    keep = (columns.rank >= low) & (columns.rank < high)
    if keep.all():
        return columns
    if not keep.any():
        return None
    picked = np.flatnonzero(keep)
    return Columns(
        rank=columns.rank[picked],
        number=columns.number[picked],
        measured_at=columns.measured_at[picked],
        received_at=columns.received_at[picked],
        quality=columns.quality[picked],
        boot=None if columns.boot is None else columns.boot[picked],
        seq=None if columns.seq is None else columns.seq[picked],
        signals={name: column[picked] for name, column in columns.signals.items()},
        units=columns.units,
        text={name: [texts[i] for i in picked.tolist()] for name, texts in columns.text.items()},
    )


class Placed(NamedTuple):
    """A decoded row with its place in the pass."""

    rank: int
    number: int
    reading: Reading


def of_rows(rows: Sequence[Placed]) -> list[Columns]:
    """Columns of rows that came out of the decoders."""
    groups: dict[Any, list[Placed]] = {}
    for row in rows:
        groups.setdefault(shape_of(row.reading), []).append(row)
    made = []
    for shape, same in groups.items():
        readings = [row.reading for row in same]
        signals: dict[str, NDArray[Any]] = {}
        text: dict[str, list[str]] = {}
        for name, code in shape.signals:
            column: list[Any] = [reading.values[name] for reading in readings]
            if code == "text":
                text[name] = column
            else:
                signals[name] = np.array(column, SIGNAL_TYPES[code])
        made.append(
            Columns(
                rank=np.array([row.rank for row in same], I8),
                number=np.array([row.number for row in same], I8),
                measured_at=np.array([reading.measured_at for reading in readings], I8),
                received_at=np.array([reading.received_at for reading in readings], I8),
                quality=np.array([reading.quality for reading in readings], U1),
                boot=np.array([reading.boot for reading in readings], U4) if shape.has_boot else None,
                seq=np.array([reading.seq for reading in readings], U8) if shape.has_seq else None,
                signals=signals,
                units=dict(shape.units),
                text=text,
            )
        )
    return made


def frames_of(made: list[Columns], rows: list[Placed]) -> Iterator[list[Columns]]:
    """The columns of each frame: one, or several where few messages made so many rows that a frame would outgrow what the log takes."""
    low = 0
    if len(rows) > _FRAME_ROWS:
        # What a dialect read one by one stands behind the rest; cuts go by the order of arrival.
        rows = sorted(rows, key=attrgetter("rank"))
    while len(rows) > _FRAME_ROWS:
        # The cut lies between two messages, so that none of them stands in two frames.
        cut = _FRAME_ROWS
        while cut and rows[cut].rank // ROWS_PER_MESSAGE == rows[cut - 1].rank // ROWS_PER_MESSAGE:
            cut -= 1
        if not cut:
            break
        high = rows[cut].rank // ROWS_PER_MESSAGE * ROWS_PER_MESSAGE
        yield [some for columns in made if (some := between(columns, low, high)) is not None] + of_rows(rows[:cut])
        low, rows = high, rows[cut:]
    if low:
        made = [some for columns in made if (some := between(columns, low, _LAST_RANK)) is not None]
    made = made + of_rows(rows)
    if made:
        yield made
