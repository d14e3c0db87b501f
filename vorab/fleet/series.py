"""Recorded telemetry in CSV files: three shapes of header, plain or gzip, one reading per instant and device."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from vorab.clock import Micros, to_micros
from vorab.errors import ConfigError

_TIMES: Final = frozenset({"timestamp", "time", "ts", "date", "datetime"})
_MISSING: Final = frozenset({"", "nan", "null", "none", "na"})


class Reading(NamedTuple):
    """What one device showed at one instant."""

    at: Micros
    device: str
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Series:
    """A file and the names for what it does not name itself.

    The header is `timestamp,value`; or `timestamp,device,signal,value`; or wide: `timestamp`, optionally `device`, and a
    column per signal. Times are ISO 8601 or seconds or milliseconds since 1970; without a zone they are UTC. Empty cells
    and NaN are missing values.
    """

    path: Path
    device: str = ""
    """For files without a device column; empty: from the file's name."""
    signal: str = "value"
    """For files with a single `value` column."""

    @property
    def default_device(self) -> str:
        """The device of rows that name none."""
        stem = self.path.name.removesuffix(".gz").removesuffix(".csv").lower()
        return self.device or "".join(c if c.isalnum() else "-" for c in stem)

    def readings(self) -> Iterator[Reading]:
        """The readings in the order of the file.

        Raises:
            ConfigError: no such file, or a row that cannot be read; names file and line.
        """
        if not self.path.is_file():
            raise ConfigError("there is no such file", file=str(self.path))
        with _open(self.path) as file:
            yield from self._grouped(csv.reader(file))

    def span(self) -> Span:
        """Read the file once to know how much it holds, and from when until when."""
        count, first, last = 0, math.inf, -math.inf
        for reading in self.readings():
            count, first, last = count + 1, min(first, reading.at), max(last, reading.at)
        if not count:
            raise ConfigError("there is no reading in it", file=str(self.path))
        return Span(count, int(first), int(last))

    def _grouped(self, rows: Iterator[list[str]]) -> Iterator[Reading]:
        held: Reading | None = None
        for reading in self._single(rows):
            if held is not None and (held.at, held.device) == (reading.at, reading.device) and not held.values.keys() & reading.values:
                held.values.update(reading.values)
                continue
            if held is not None and held.values:
                yield held
            held = reading
        if held is not None and held.values:
            yield held

    def _single(self, rows: Iterator[list[str]]) -> Iterator[Reading]:
        header = [name.strip().lower() for name in next(rows, [])]
        if not header or header[0] not in _TIMES:
            raise ConfigError(
                f"the first column is {header[0] if header else 'missing'!r}",
                file=str(self.path),
                line=1,
                hint="timestamp,value or timestamp,device,signal,value or timestamp and a column per signal",
            )
        long = header[1:] == ["device", "signal", "value"]
        for line, row in enumerate(rows, 2):
            if not row:
                continue
            try:
                cells = dict(zip(header[1:], row[1:], strict=True))
                device = cells.pop("device", "") or self.default_device
                if long:
                    cells = {cells["signal"]: cells["value"]}
                elif list(cells) == ["value"]:
                    cells = {self.signal: cells["value"]}
                yield Reading(_time(row[0]), device, {name: float(text) for name, text in cells.items() if not _missing(text)})
            except ValueError as error:
                raise ConfigError(str(error), file=str(self.path), line=line) from None


class Span(NamedTuple):
    """How much a series holds."""

    readings: int
    first: Micros
    last: Micros


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8", newline=""))
    return path.open(encoding="utf-8", newline="")


def _missing(text: str) -> bool:
    return text.strip().lower() in _MISSING


def _time(text: str) -> Micros:
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not math.isfinite(number):
        raise ValueError(f"time {text!r}")
    # Seconds reach 1e11 in the year 5138; milliseconds were there in 1973.
    return round(number * (1_000 if abs(number) >= 1e11 else 1_000_000))
