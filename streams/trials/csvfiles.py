"""Recorded readings in CSV files, as columns: long (`timestamp,device,signal,value`) or wide (a column per signal), plain or gzip.

What can be read is read: a row that cannot is named with file, line and reason, and never stops the good ones. Cells are taken by
the column, 50,000 rows at a time; only a chunk in which something is wrong is looked at cell by cell.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from streams.trials.csvcells import parse_time, parse_value
from streams.trials.csvcolumns import BadRow, Columns, Longs, Recording, Spoken
from vorab.clock import Micros
from vorab.errors import ConfigError
from vorab.topics import DEFAULT_TENANT, ID, key_of

TIMES: Final = ("timestamp", "time", "ts", "date", "datetime")
"""What the column of times may be called."""
SHAPES: Final = "timestamp,device,signal,value; or timestamp (and device) and a column per signal"
CHUNK: Final = 50_000

Progress = Callable[[int, int], None]
"""Told (bytes read, bytes in all)."""


@dataclass(slots=True)
class Words:
    """What files do not say themselves."""

    zone: tzinfo = UTC
    """Of times that name none."""
    device: str = ""
    """Of rows that name none; empty: the file's name."""
    signal: str = "value"
    """Of a file with the one column `value`."""
    tenant: str = DEFAULT_TENANT


def read_csv(files: Sequence[Path], words: Words | None = None, progress: Progress | None = None) -> Recording:
    """All readings of these files.

    Raises:
        ConfigError: a file that is not there, or whose first line does not name the columns.
    """
    words = words or Words()
    total = 0
    for file in files:
        if not file.is_file():
            raise ConfigError("there is no such file", file=str(file), hint=f"a CSV file: {SHAPES}")
        total += file.stat().st_size
    into, before = Columns(), 0
    for file in files:
        with _open(file) as text:
            reader = _File(file, words, into)
            for _ in reader.read(text):
                if progress is not None:
                    progress(before + _bytes_read(text), total)
        before += file.stat().st_size
    return into.recording()


class _File:
    """One file on its way into the columns."""

    def __init__(self, file: Path, words: Words, into: Columns) -> None:
        self._name, self._words, self._into = str(file), words, into
        stem = file.name.removesuffix(".gz").removesuffix(".csv")
        self._device = words.device or "".join(c if c.isalnum() or c in "._-" else "-" for c in stem).strip("._-") or "device"

    def read(self, text: IO[str]) -> Iterator[None]:
        """Take chunk by chunk."""
        head = text.readline()
        delimiter = next((mark for mark in (",", ";", "\t") if mark in head), ",")
        header = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
        places = self._places(header)
        reader = csv.reader(text, delimiter=delimiter)
        for first, rows in self._chunks(reader):
            self._take(rows, first, header, places)
            yield

    def _places(self, header: Sequence[str]) -> dict[str, int]:
        """Which column is what, by the names of the first line."""
        low = [name.lower() for name in header]
        time = next((name for name in TIMES if name in low), None)
        if time is None:
            what = f"no column is called {' or '.join(TIMES[:3])}; the first line says {', '.join(header) or 'nothing'}"
            raise ConfigError(what, file=self._name, line=1, hint=SHAPES)
        twice = sorted({name for name in low if name and low.count(name) > 1})
        if twice:
            raise ConfigError(f"two columns are called {twice[0]}", file=self._name, line=1, key=twice[0], hint="rename one of them")
        places = {"time": low.index(time)}
        if "device" in low:
            places["device"] = low.index("device")
        if "signal" in low and "value" in low:
            places |= {"signal": low.index("signal"), "value": low.index("value")}
        elif len(header) <= len(places):
            raise ConfigError("there is no column with values", file=self._name, line=1, hint=SHAPES)
        return places

    def _chunks(self, reader: Any) -> Iterator[tuple[int, list[list[str]]]]:
        """(line before the first row, rows) until the end."""
        while True:
            rows: list[list[str]] = []
            before = reader.line_num + 1
            try:
                rows.extend(islice(reader, CHUNK))
            except csv.Error as error:
                yield before, rows
                self._into.complain(BadRow(self._name, reader.line_num + 1, "", str(error)))
                continue
            if not rows:
                return
            yield before, rows

    def _take(self, rows: list[list[str]], before: int, header: Sequence[str], places: Mapping[str, int]) -> None:
        lines: list[int] | None = None
        if set(map(len, rows)) != {len(header)}:
            kept = [(before + i, row) for i, row in enumerate(rows, 1) if self._whole(row, before + i, header)]
            lines, rows = [line for line, _ in kept], [row for _, row in kept]
            if not rows:
                return
        where = lines or range(before + 1, before + 1 + len(rows))
        columns = list(zip(*rows, strict=True))
        at = self._column_of_times(columns[places["time"]], where, header[places["time"]])
        devices = self._codes(columns[places["device"]], self._device_code) if "device" in places else None
        if devices is None:
            devices = np.full(len(rows), self._device_code(self._device), np.int32)
        wrong = (devices < 0) & (at > 0)
        if wrong.any():
            names = columns[places["device"]]
            for i in np.flatnonzero(wrong).tolist():
                self._into.complain(BadRow(self._name, where[i], "device", f"{names[i]!r} is no device: letters, digits and . _ : ~ -"))
        good = (at > 0) & (devices >= 0)
        if "signal" in places:
            signals = self._codes(columns[places["signal"]], self._signal_code)
            for i in np.flatnonzero((signals < 0) & good).tolist():
                self._into.complain(BadRow(self._name, where[i], "signal", "there is no name"))
            self._put(at, devices, signals, columns[places["value"]], good & (signals >= 0), where, "value")
            return
        signals_at = [i for i in range(len(header)) if i not in places.values() and header[i]]
        alone = [header[i].lower() for i in signals_at] == ["value"]
        for i in signals_at:
            code = np.full(len(rows), self._signal_code(self._words.signal if alone else header[i]), np.int32)
            self._put(at, devices, code, columns[i], good, where, header[i])

    def _whole(self, row: Sequence[str], line: int, header: Sequence[str]) -> bool:
        if row and len(row) != len(header):
            reason = f"{len(row)} cells where the first line has {len(header)}"
            self._into.complain(BadRow(self._name, line, "", reason))
        return len(row) == len(header)

    def _column_of_times(self, cells: Sequence[str], lines: Sequence[int], column: str) -> Longs:
        """µs; 0 where it cannot be read, which is told."""
        known: dict[str, Micros] = {}
        why: dict[str, str] = {}
        for text in dict.fromkeys(cells):
            try:
                known[text] = parse_time(text, self._words.zone)
            except ValueError as error:
                known[text], why[text] = 0, str(error)
        at = np.fromiter(map(known.__getitem__, cells), np.int64, len(cells))
        if why:
            for i in np.flatnonzero(at == 0).tolist():
                self._into.complain(BadRow(self._name, lines[i], column, why[cells[i]]))
        return at

    def _codes(self, cells: Sequence[str], code: Callable[[str], int]) -> NDArray[np.int32]:
        known = {text: code(text) for text in dict.fromkeys(cells)}
        return np.fromiter(map(known.__getitem__, cells), np.int32, len(cells))

    def _device_code(self, name: str) -> int:
        tenant, slash, device = name.strip().rpartition("/")
        tenant = tenant if slash else self._words.tenant
        if not ID.fullmatch(device) or not ID.fullmatch(tenant):
            return -1
        return self._into.devices.setdefault(key_of(tenant, device), len(self._into.devices))

    def _signal_code(self, name: str) -> int:
        name = name.strip()
        return self._into.signals.setdefault(name, len(self._into.signals)) if name else -1

    def _put(
        self,
        at: Longs,
        devices: NDArray[np.int32],
        signals: NDArray[np.int32],
        cells: Sequence[str],
        good: NDArray[np.bool_],
        lines: Sequence[int],
        column: str,
    ) -> None:
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            values = np.full(len(cells), np.nan)
            other: dict[int, list[int]] = {}
            for i in np.flatnonzero(good).tolist():
                try:
                    number = parse_value(cells[i])
                except ValueError:
                    other.setdefault(int(signals[i]), []).append(i)
                else:
                    values[i] = math.nan if number is None else number
            for signal, rows in other.items():
                said = [cells[i].strip() for i in rows]
                self._into.spoken.append(Spoken(self._name, column, signal, [lines[i] for i in rows], at[rows], devices[rows], said))
        for i in np.flatnonzero(np.isinf(values) & good).tolist():
            self._into.complain(BadRow(self._name, lines[i], column, f"{cells[i]!r} is not finite"))
        usable = good & np.isfinite(values)
        if usable.all():
            self._into.parts.append((at, devices, signals, values))
        else:
            self._into.parts.append((at[usable], devices[usable], signals[usable], values[usable]))


def _bytes_read(text: IO[str]) -> int:
    """How far a file has been read, in the bytes it has on disk, compressed or not."""
    position: Any = getattr(text, "buffer", text)
    raw: Any = getattr(position, "fileobj", None) or position
    return int(raw.tell())


def _open(file: Path) -> IO[str]:
    # What is no UTF-8 becomes a mark that no name may have: the row is told, not the file refused.
    if file.suffix == ".gz":
        return cast("IO[str]", gzip.open(file, "rt", encoding="utf-8-sig", errors="replace", newline=""))
    return file.open(encoding="utf-8-sig", errors="replace", newline="")
