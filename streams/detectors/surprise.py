"""Surprise: how unlikely a reading is after the readings before it, learned from the series alone.

The range of a series is cut into cells. A table counts how often the series moved from the cell it was in one reading, and some readings,
ago to the cell it is in now; the surprise of a reading is the negative logarithm of the share such moves had. Each surprise is followed at
three speeds; beside them goes an average of the value. Each of these *channels* keeps its own record, slowly forgotten, and only a
channel that beats its record by a margin reports. Then it is quiet for a while. ``docs/learned.md`` tells the method, its sources,
an ablation and what it reaches.

Pure: NumPy only, no clock, one pass, no look-ahead, under 1 KB per series. Only additions, multiplications, divisions, comparisons and
look-ups per element, so a result does not depend on the size of the batch it came in.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.surprise_config import SurpriseConfig
from streams.detectors.surprise_tables import NEAR, Scale, moved_visits

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]
Slots = NDArray[np.intp]

SCHEMA: Final = 1
HEADER: Final = struct.Struct("<4sHHII")  # magic, schema, nothing, settings (crc32), slots
MAGIC: Final = b"vsur"
LARGEST: Final = 1e100
"""Readings are cut to this, so that no sum or quotient below can overflow."""
SMALLEST: Final = 1e-9
"""Half the first range of a series that begins with zero."""
FEW: Final = 64
"""Slots whose tables are changed in one go; bounds the memory that takes."""
SPEEDS: Final = 3
LAGS: Final = 2
MOVES: Final = LAGS * SPEEDS
CHANNELS: Final = MOVES + 1

# Columns of the numbers of a slot.
COUNT, LOW, HIGH, FAR, LAST, QUIET, VISITS, SINCE, MEAN, FLOOR, CEILING = range(11)
SMOOTH = slice(11, 17)
RECORD = slice(17, 23)
WIDTH: Final = 23


@dataclass(frozen=True)
class Scores:
    """What a call found, one row per reading."""

    raw: Floats
    """0 where there is no report; else by which share a channel beat its record, at least the margin. This is what the benchmark scores."""
    ratio: Floats
    """The same for every reading, not held back: negative within all records; -1 while the detector warms up."""
    since: Longs
    """µs: first reading of the run of readings beyond a record this one stands in; 0 within all records."""

    channel: NDArray[np.int8]
    """Which channel is furthest beyond its record, 0 where none is: 0 to 2 the moves from the reading before (as it is, middle, slow),
    3 to 5 those over the longer lag, 6 the average of the value."""
    low: Floats
    """Where a report was made: the range that held 98 % of the readings so far; NaN elsewhere."""
    high: Floats


class Surprise:
    """The detector for any number of series. A slot is a series: the caller keeps the map. Slots are made by :meth:`grow`."""

    def __init__(self, config: SurpriseConfig | None = None, slots: int = 0) -> None:
        self.config = config = config or SurpriseConfig()
        self._slots = 0
        self._numbers: Floats = np.zeros((0, WIDTH))
        self._moves: NDArray[np.uint8] = np.zeros((0, config.cells**2), np.uint8)
        self._visits: NDArray[np.uint16] = np.zeros((0, config.cells), np.uint16)
        self._cells: NDArray[np.uint8] = np.zeros((0, config.lag), np.uint8)
        """The cells of the last readings, in a ring."""
        self._scale = Scale(config.base, config.neighbour, config.prior, config.cells, config.most)
        self._speeds: Floats = np.array([1.0, config.middle_speed, config.slow_speed])[:, None]
        weights = np.outer([1.0, config.far_weight], [1.0, 1.0, config.slow_weight])
        self._weights: Floats = weights.reshape(MOVES, 1)
        self._settings = zlib.crc32(repr(config).encode())
        self.grow(slots)

    @property
    def slots(self) -> int:
        """Number of slots there are."""
        return self._slots

    @property
    def bytes_per_slot(self) -> int:
        """Size of the state of a series."""
        return 8 * WIDTH + self.config.cells**2 + 2 * self.config.cells + self.config.lag

    def grow(self, n: int) -> None:
        """Make sure that slots 0 to n - 1 exist; never shrinks."""
        have = len(self._numbers)
        if n > have:
            many = max(n, 2 * have)  # doubling, so that growing one by one stays cheap; what is not used yet takes no memory
            self._numbers, self._moves = _longer(self._numbers, many), _longer(self._moves, many)
            self._visits, self._cells = _longer(self._visits, many), _longer(self._cells, many)
        self._slots = max(self._slots, n)

    def clear(self, slots: Slots) -> None:
        """Forget these slots, so that they can hold other series."""
        for column in (self._numbers, self._moves, self._visits, self._cells):
            column[slots] = 0

    def know(self, slots: Slots, low: Floats, high: Floats) -> None:
        """Give the range of fresh series, as a data sheet does. Readings outside widen it nevertheless."""
        self._numbers[slots, LOW], self._numbers[slots, HIGH] = low, high

    def snapshot(self, slots: Slots) -> bytes:
        """State of these slots, in this order, for :meth:`restore`: below 1 KB each."""
        head = HEADER.pack(MAGIC, SCHEMA, 0, self._settings, len(slots))
        return b"".join([head, *(column[slots].tobytes() for column in (self._numbers, self._moves, self._visits, self._cells))])

    def restore(self, slots: Slots, state: bytes) -> None:
        """Put a snapshot back, into any slots, as many as it was taken of. Raises ValueError when it does not fit this detector."""
        if len(state) < HEADER.size or HEADER.unpack_from(state)[:2] != (MAGIC, SCHEMA):
            raise ValueError(f"not a snapshot of schema {SCHEMA} of the surprise detector")
        _, _, _, settings, count = HEADER.unpack_from(state)
        if settings != self._settings:
            raise ValueError("the snapshot was taken with other settings; its counts mean something else")
        if count != len(slots) or len(state) != HEADER.size + count * self.bytes_per_slot:
            raise ValueError(f"the snapshot holds {count} slots in {len(state)} bytes, {len(slots)} slots were asked for")
        at = HEADER.size
        for column in (self._numbers, self._moves, self._visits, self._cells):
            width = column.shape[1]
            column[slots] = np.frombuffer(state, column.dtype, count * width, at).reshape(count, width)
            at += count * width * column.itemsize

    def update(self, slots: Slots, measured_at: Longs, values: Floats) -> Scores:
        """Take one reading each of some series: unique slots, time in µs, finite value. Those of a series come in order of time."""
        config = self.config
        numbers: Floats = np.ascontiguousarray(self._numbers.take(slots, axis=0).T)
        value = np.minimum(np.maximum(values, -LARGEST), LARGEST)
        value = self._fit(numbers, slots, value)
        count = numbers[COUNT]
        surprise, cell = self._learn(numbers, slots, value)

        speeds = np.maximum(self._speeds, 1.0 / (count + 1.0))  # a plain mean until there is enough to be slow about
        smooth, record = numbers[SMOOTH], numbers[RECORD]
        by_lag = smooth.reshape(LAGS, SPEEDS, -1)
        by_lag += speeds * (surprise[:, None, :] - by_lag)
        record *= 1.0 - 1.0 / config.forget
        beaten = np.empty((CHANNELS, len(slots)))
        np.divide(smooth + config.offset, record + config.offset, out=beaten[:MOVES])
        beaten[:MOVES] -= 1.0
        beaten[:MOVES] *= self._weights
        np.maximum(record, smooth, out=record)
        self._average(numbers, value, beaten[MOVES])

        warm = count >= config.warm_up
        ratio = np.where(warm, beaten.max(axis=0), -1.0)
        quiet = numbers[QUIET]
        reports = warm & (quiet <= 0.0) & (ratio >= config.margin)
        numbers[QUIET] = np.where(reports, config.hold, np.maximum(quiet - 1.0, 0.0))
        beyond = ratio > 0.0
        numbers[SINCE] = np.where(beyond, np.where(numbers[SINCE] > 0.0, numbers[SINCE], measured_at), 0.0)
        since = numbers[SINCE].astype(np.int64)
        numbers[COUNT] += 1.0
        numbers[LAST] = cell
        channel = np.zeros(len(slots), np.int8)
        rows = beyond.nonzero()[0]
        if len(rows):
            channel[rows] = beaten[:, rows].argmax(axis=0)
        low, high = np.full((2, len(slots)), np.nan)
        rows = reports.nonzero()[0]
        if len(rows):
            low[rows], high[rows] = self._usual(slots[rows], numbers[LOW, rows], numbers[HIGH, rows])
        self._numbers[slots] = numbers.T
        return Scores(np.where(reports, ratio, 0.0), ratio, since, channel, low, high)

    def _learn(self, numbers: Floats, slots: Slots, value: Floats) -> tuple[Floats, Slots]:
        """Surprise at either lag (0 where there is nothing to look back to) and cell; counts what came."""
        config, scale = self.config, self._scale
        cells, count = config.cells, numbers[COUNT]
        position = ((value - numbers[LOW]) / (numbers[HIGH] - numbers[LOW]) * cells).astype(np.intp)
        to = np.minimum(position, cells - 1)
        ring = slots * config.lag + count.astype(np.intp) % config.lag
        visits, moves = self._visits.reshape(-1), self._moves.reshape(-1)
        here = slots * cells
        base = here * cells
        left, right = np.maximum(to - 1, 0), np.minimum(to + 1, cells - 1)
        rare = scale.visits.take(numbers[VISITS].astype(np.intp)) - scale.visited.take(visits.take(here + to))
        chances = scale.chances(count.astype(np.int64))
        surprise = np.empty((LAGS, len(slots)))
        around = self._cells.reshape(-1)
        for lag in range(LAGS):
            start = around.take(ring).astype(np.intp) if lag else numbers[LAST].astype(np.intp)
            row = base + start * cells
            target = row + to
            pair, before, behind = moves.take(target), moves.take(row + left), moves.take(row + right)
            if lag:
                step, code = pair >> 4, (pair & 0xF0).astype(np.intp) << 4
                code += before & 0xF0
                code += behind >> 4
            else:
                step = pair & NEAR
                code = (step.astype(np.intp) << 8) + ((before & NEAR) << 4)
                code += behind & NEAR
            known = count >= (config.lag if lag else 1)
            unlikely = scale.visits.take(visits.take(here + start)) - scale.seen.take(code)
            surprise[lag] = known * ((1.0 - config.rarity) * unlikely + config.rarity * rare)
            chance = chances >> np.uint32(16) if lag else chances & np.uint32(0xFFFF)
            up = known & (chance < scale.limit.take(step))
            moves[target] = pair + (up.view(np.uint8) << 4 if lag else up.view(np.uint8))
        around[ring] = to
        visits[here + to] += 1
        numbers[VISITS] += 1.0
        full = np.flatnonzero(numbers[VISITS] >= config.most)
        if len(full):
            self._visits[slots[full]] >>= 1
            self._moves[slots[full]] = scale.halved(self._moves[slots[full]])
            numbers[VISITS, full] = self._visits[slots[full]].sum(axis=1, dtype=np.int64)
        return surprise, to

    def _average(self, numbers: Floats, value: Floats, beaten: Floats) -> None:
        """Follow the average of the value; `beaten` becomes how far it is outside its record."""
        config = self.config
        count, mean, floor, ceiling = numbers[COUNT], numbers[MEAN], numbers[FLOOR], numbers[CEILING]
        first = count == 0.0
        if first.any():
            for column in (mean, floor, ceiling):
                column[first] = value[first]
        mean += np.maximum(config.mean_speed, 1.0 / (count + 1.0)) * (value - mean)
        width = ceiling - floor + 0.01 * (numbers[HIGH] - numbers[LOW])
        floor += (mean - floor) / config.mean_forget
        ceiling += (mean - ceiling) / config.mean_forget
        np.maximum(mean - ceiling, floor - mean, out=beaten)
        beaten *= config.mean_weight / width
        np.minimum(floor, mean, out=floor)
        np.maximum(ceiling, mean, out=ceiling)

    def _fit(self, numbers: Floats, slots: Slots, value: Floats) -> Floats:
        """Make the ranges hold the readings (in place); gives the readings, cut where a range did not grow that far."""
        low, high = numbers[LOW], numbers[HIGH]
        unknown = high <= low
        if unknown.any():
            reach = np.maximum(np.abs(value) * 0.01, SMALLEST)
            low[unknown], high[unknown] = (value - reach)[unknown], (value + reach)[unknown]
        outside = (value < low) | (value > high)
        rows = np.flatnonzero(outside)
        if len(rows):
            value = value.copy()
            for some in np.split(rows, range(FEW, len(rows), FEW)):
                value[some] = self._widen(numbers, slots, some, value[some])
        numbers[FAR] *= outside
        return value

    def _widen(self, numbers: Floats, slots: Slots, rows: Slots, value: Floats) -> Floats:
        config, cells = self.config, self.config.cells
        low, high, mine = numbers[LOW, rows], numbers[HIGH, rows], slots[rows]
        width = high - low
        careful = (numbers[COUNT, rows] >= config.settle) & (numbers[FAR, rows] == 0.0)
        reach = np.where(careful, config.growth * width, 4.0 * LARGEST)
        cut = np.minimum(np.maximum(value, low - reach), high + reach)
        headroom = config.headroom * (np.maximum(high, cut) - np.minimum(low, cut))
        new_low, new_high = np.where(cut < low, cut - headroom, low), np.where(cut > high, cut + headroom, high)
        middle = low[:, None] + (np.arange(cells) + 0.5) / cells * width[:, None]
        to = np.minimum(((middle - new_low[:, None]) / (new_high - new_low)[:, None] * cells).astype(np.int64), cells - 1)
        self._moves[mine] = self._scale.moved(self._moves[mine], to)
        self._visits[mine] = moved_visits(self._visits[mine], to)
        self._cells[mine] = np.take_along_axis(to, self._cells[mine].astype(np.intp), axis=1)
        last = numbers[LAST, rows].astype(np.intp)
        numbers[LAST, rows] = np.take_along_axis(to, last[:, None], axis=1)[:, 0]
        numbers[LOW, rows], numbers[HIGH, rows], numbers[FAR, rows] = new_low, new_high, cut != value
        return np.asarray(cut)

    def usual(self, slots: Slots) -> tuple[Floats, Floats]:
        """Where readings of these series usually lie: the range that holds all but 1 % of them at either end."""
        return self._usual(slots, self._numbers[slots, LOW], self._numbers[slots, HIGH])

    def _usual(self, slots: Slots, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """The range that holds all but 1 % of the readings at either end, as fine as the cells are."""
        share = np.cumsum(self._visits[slots], axis=1, dtype=np.float64)
        share /= share[:, -1:]
        first, last = (share <= 0.01).sum(axis=1), (share < 0.99).sum(axis=1) + 1
        cell = (high - low) / self.config.cells
        return low + first * cell, low + last * cell


def _longer(column: NDArray[Any], rows: int) -> NDArray[Any]:
    out = np.zeros((rows, column.shape[1]), column.dtype)
    out[: len(column)] = column
    return out
