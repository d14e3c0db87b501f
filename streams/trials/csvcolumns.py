"""Recorded readings as columns, and how they grow while files are read. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Longs = NDArray[np.int64]
MOST_TOLD: Final = 1_000
"""Bad rows that are kept by name; all are counted."""


class BadRow(NamedTuple):
    """A row, or a cell of it, that could not be read."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """`file:line [column] reason`."""
        return f"{self.file}:{self.line}{f' [{self.column}]' if self.column else ''} {self.reason}"


@dataclass(slots=True)
class Recording:
    """Readings as columns of equal length, in the order of the files."""

    devices: list[str] = field(default_factory=list)
    """Keys, `tenant/device`."""
    signals: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    text_signals: set[int] = field(default_factory=set)
    """Signals that are words and not numbers: their values are places in `texts`."""
    at: Longs = field(default_factory=lambda: np.zeros(0, np.int64))
    """µs."""
    device: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    signal: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    value: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    bad: list[BadRow] = field(default_factory=list)
    """The first of them."""
    bad_rows: int = 0

    def __len__(self) -> int:
        """How many readings."""
        return len(self.at)

    def keep(self, which: Any) -> None:
        """Keep these readings, in this order: a mask or places."""
        self.at, self.device, self.signal, self.value = self.at[which], self.device[which], self.signal[which], self.value[which]


class Spoken(NamedTuple):
    """Cells of a signal that are no numbers: of one that never is, they are its values; of any other, mistakes."""

    file: str
    column: str
    signal: int
    lines: list[int]
    at: Longs
    device: NDArray[np.int32]
    cells: list[str]


class Columns:
    """What was read so far, of all files."""

    def __init__(self) -> None:
        self.devices: dict[str, int] = {}
        self.signals: dict[str, int] = {}
        self.parts: list[tuple[Longs, NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]] = []
        self.spoken: list[Spoken] = []
        self.bad: list[BadRow] = []
        self.bad_rows = 0

    def complain(self, row: BadRow) -> None:
        """A row, or a cell, is left out."""
        self.bad_rows += 1
        if len(self.bad) < MOST_TOLD:
            self.bad.append(row)

    def recording(self) -> Recording:
        """All that was read."""
        numeric: set[int] = set()
        for _, _, codes, _ in self.parts:
            numeric.update(np.unique(codes).tolist())
        out = Recording(list(self.devices), list(self.signals))
        texts: dict[str, int] = {}
        parts = list(self.parts)
        for said in self.spoken:
            if said.signal in numeric:
                for line, cell in zip(said.lines, said.cells, strict=True):
                    self.complain(BadRow(said.file, line, said.column, f"{cell!r} is no number"))
                continue
            out.text_signals.add(said.signal)
            places = [float(texts.setdefault(cell, len(texts))) for cell in said.cells]
            parts.append((said.at, said.device, np.full(len(places), said.signal, np.int32), np.array(places)))
        if parts:
            out.at, out.device, out.signal, out.value = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        out.texts = list(texts)
        out.bad, out.bad_rows = sorted(self.bad, key=lambda bad: (bad.file, bad.line)), self.bad_rows
        return out
