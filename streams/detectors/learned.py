"""Learned anomaly: learns from a series itself how far its averages wander, and speaks when they leave that for good.

Every series keeps a few *memories*: the reading itself, three running averages (about 5, 30 and 170 readings long) and
the running average size of its steps. Each memory keeps the *record* range it has covered so far, slowly forgotten. A reading
is surprising when a memory is outside its record; an episode is raised when one is outside by a margin, several times in a row.
While a run of surprise lasts, nothing is learned from it. ``docs/learned.md`` tells the method, its sources and what it reaches.

Pure: NumPy only, no clock, one pass, no look-ahead. One slot per series, one column per state variable. Only additions,
multiplications, divisions and comparisons per element, so a result does not depend on the size of the batch it came in.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.learned_config import LARGEST, RESOLUTION, TOP_SCORE, Change, LearnedConfig
from streams.detectors.learned_few import update as update_one

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]
Slots = NDArray[np.intp]

FEW: Final = 6
"""Up to so many series at a time plain numbers are cheaper than columns."""
SCHEMA = 1
HEADER = struct.Struct("<4sHHII")  # magic, schema, memories, speeds (crc32), slots
MAGIC = b"vlrn"

# State of a slot, per memory and per slot, as it stands in a snapshot.
PER_MEMORY = ("level", "low", "high", "run_low", "run_high")
PER_SLOT = {
    "value": "<f8",  # last reading, cut at the glitch limit
    "credible": "<f8",  # what the averages took of it
    "usual_low": "<f8",  # where all but about 2 % of the readings lie
    "usual_high": "<f8",
    "first_at": "<i8",  # µs
    "last_at": "<i8",  # µs
    "onset": "<i8",  # µs, first reading of the run of surprise
    "readings": "<i8",
    "run": "<i4",  # readings since the onset, 0 when there is no run
    "calm": "<i4",  # calm readings in a row
    "beyond": "<i4",  # readings in a row beyond the margin
    "hold": "<i4",  # readings until another episode may be raised
    "raised": "|b1",
}


@dataclass(frozen=True)
class Verdicts:
    """What the detector says, one row per reading of the call."""

    change: NDArray[np.int8]
    """:class:`Change`."""
    raised: Bools
    """An episode is open after this reading."""
    score: Floats
    """0 inside the record of every memory, 1 at the margin, above 1 beyond it; 0 during warm-up, at most 1000."""
    low: Floats
    """Usual range of a reading as it stood before this one; NaN until it has settled."""
    high: Floats
    onset: Longs
    """First reading of the run of surprise (µs), 0 without one. Stays the same for a whole episode, also in the row that ends it."""
    memory: NDArray[np.int8]
    """Which memory is furthest out: an index into ``speeds``, or ``len(speeds)`` for the size of steps."""
    level: Floats
    """Where this memory stands, and between which values it has been so far (low, high)."""
    level_low: Floats
    level_high: Floats
    used: Bools
    """False for a reading that was passed over: not a finite number, or not newer than the one before."""


KINDS: Final = tuple(np.dtype(kind) for kind in ("i1", "?", "f8", "f8", "f8", "i8", "i1", "f8", "f8", "f8", "?"))
"""Of the columns of verdicts."""


class Learned:
    """The detector for any number of series. Decides, and remembers; owns no clock and no thread.

    A slot is a series: the caller keeps the map. Slots start empty and are made by :meth:`grow`.
    """

    def __init__(self, config: LearnedConfig | None = None, slots: int = 0, few: int = FEW) -> None:
        """Up to `few` series at a time are judged in plain numbers."""
        self.config = config or LearnedConfig()
        self._few = few
        self._speeds: Floats = np.array([*self.config.speeds, self.config.step_speed], dtype=np.float64)[:, None]
        self._need: Floats = np.maximum(float(self.config.warm_up), self.config.lives / self._speeds)
        self.shares: list[float] = self._speeds[:, 0].tolist()
        """Per memory the share of a new reading in it."""
        self.needs: list[float] = self._need[:, 0].tolist()
        """Per memory after how many readings it speaks."""
        self._slots = 0
        self.of_memory: dict[str, Floats] = {name: np.zeros((self.config.memories, 0)) for name in PER_MEMORY}
        self.of_slot: dict[str, NDArray[Any]] = {name: np.zeros(0, dtype=kind) for name, kind in PER_SLOT.items()}
        self.grow(slots)

    @property
    def slots(self) -> int:
        """Number of slots there are."""
        return self._slots

    def grow(self, n: int) -> None:
        """Make sure that slots 0 to n - 1 exist; never shrinks."""
        have = self.of_slot["readings"].shape[0]
        if n > have:
            more = max(n, 2 * have) - have  # doubling, so that growing one by one stays cheap
            for name, column in self.of_memory.items():
                self.of_memory[name] = np.pad(column, ((0, 0), (0, more)))
            for name, column in self.of_slot.items():
                self.of_slot[name] = np.pad(column, (0, more))
        self._slots = max(self._slots, n)

    def clear(self, slots: Slots) -> None:
        """Forget these slots, so that they can hold other series."""
        for column in self.of_memory.values():
            column[:, slots] = 0.0
        for column in self.of_slot.values():
            column[slots] = 0

    def snapshot(self, slots: Slots) -> bytes:
        """State of these slots, in this order, for :meth:`restore`: about 280 bytes each."""
        head = HEADER.pack(MAGIC, SCHEMA, self.config.memories, zlib.crc32(self._speeds.astype("<f8").tobytes()), len(slots))
        of_memory = [self.of_memory[name][:, slots].astype("<f8").tobytes() for name in PER_MEMORY]
        return b"".join([head, *of_memory, *(self.of_slot[name][slots].tobytes() for name in PER_SLOT)])

    def restore(self, slots: Slots, state: bytes) -> None:
        """Put a snapshot back, into any slots, as many as it was taken of. Raises ValueError when it does not fit this detector."""
        if len(state) < HEADER.size:
            raise ValueError("a snapshot of the learned detector is longer than this")
        magic, schema, memories, speeds, count = HEADER.unpack_from(state)
        if (magic, schema) != (MAGIC, SCHEMA):
            raise ValueError(f"not a snapshot of schema {SCHEMA} of the learned detector")
        if (memories, speeds) != (self.config.memories, zlib.crc32(self._speeds.astype("<f8").tobytes())):
            raise ValueError("the snapshot was taken with other speeds; its averages mean something else")
        width = 8 * len(PER_MEMORY) * memories + sum(np.dtype(kind).itemsize for kind in PER_SLOT.values())
        if count != len(slots) or len(state) != HEADER.size + count * width:
            raise ValueError(f"the snapshot holds {count} slots in {len(state)} bytes, {len(slots)} slots were asked for")
        at = HEADER.size
        for name in PER_MEMORY:
            self.of_memory[name][:, slots] = np.frombuffer(state, "<f8", memories * count, at).reshape(memories, count)
            at += 8 * memories * count
        for name, kind in PER_SLOT.items():
            self.of_slot[name][slots] = np.frombuffer(state, kind, count, at)
            at += np.dtype(kind).itemsize * count

    def update(self, slots: Slots, measured_at: Longs, values: Floats) -> Verdicts:
        """Take one reading each of some series: unique slots, time in µs, value.

        Readings of one series come in order of time; one that is not newer than the last of its series, or not finite, is
        passed over and changes nothing.
        """
        if 0 < len(slots) <= self._few:
            return self._one_by_one(slots, measured_at, values)
        of_slot = self.of_slot
        used = np.isfinite(values) & ((measured_at > of_slot["last_at"][slots]) | (of_slot["readings"][slots] == 0))
        if used.all():
            return self._update(slots, measured_at, values)
        some = self._update(slots[used], measured_at[used], values[used])
        n = len(slots)
        nothing: Floats = np.full(n, np.nan)
        verdicts = Verdicts(
            change=np.zeros(n, dtype=np.int8),
            raised=of_slot["raised"][slots],
            score=np.zeros(n),
            low=nothing,
            high=nothing.copy(),
            onset=np.where(of_slot["run"][slots] > 0, of_slot["onset"][slots], 0),
            memory=np.zeros(n, dtype=np.int8),
            level=nothing.copy(),
            level_low=nothing.copy(),
            level_high=nothing.copy(),
            used=used,
        )
        for name, column in vars(some).items():
            if name != "used":
                getattr(verdicts, name)[used] = column
        return verdicts

    def _one_by_one(self, slots: Slots, at: Longs, values: Floats) -> Verdicts:
        rows = [update_one(self, *row) for row in zip(slots.tolist(), at.tolist(), values.tolist(), strict=True)]
        return Verdicts(*(np.array(column, kind) for column, kind in zip(zip(*rows, strict=True), KINDS, strict=True)))

    def _update(self, slots: Slots, at: Longs, values: Floats) -> Verdicts:
        config, of_slot, of_memory = self.config, self.of_slot, self.of_memory
        readings: Longs = of_slot["readings"][slots] + 1
        first = readings == 1
        if first.any():
            self._begin(slots[first], at[first], values[first])
        level, low, high = (of_memory[name][:, slots] for name in ("level", "low", "high"))
        value = self._remember(slots, readings, values, level, low, high)

        ready = (readings >= self._need) & (at - of_slot["first_at"][slots] >= config.warm_up_us)
        width = np.maximum(high - low, np.maximum(config.floor * np.abs(value), RESOLUTION))
        scores = np.maximum(level - high, low - level) / (width * (config.margin * (1.0 + config.youth * self._need / readings)))
        scores = np.where(ready, np.minimum(scores, TOP_SCORE), -1.0)
        memory = scores.argmax(axis=0)
        here = (memory, np.arange(len(slots)))
        score = scores[here]
        in_run = (of_slot["run"][slots] > 0) | (score > 0.0)
        settled = readings > config.settle
        verdicts = Verdicts(
            change=np.zeros(len(slots), dtype=np.int8),
            raised=of_slot["raised"][slots],
            score=np.maximum(score, 0.0),
            low=np.where(settled, of_slot["usual_low"][slots], np.nan),
            high=np.where(settled, of_slot["usual_high"][slots], np.nan),
            onset=np.zeros(len(slots), dtype=np.int64),
            memory=memory.astype(np.int8),
            level=level[here],
            level_low=low[here],
            level_high=high[here],
            used=np.ones(len(slots), dtype=np.bool_),
        )
        self._learn_usual(slots, readings, value, low[0], high[0], in_run)
        fade = np.minimum(1.0 / config.forget, (at - of_slot["last_at"][slots]) / config.forget_us)
        new_low = np.minimum(level, low + fade * (level - low))
        new_high = np.maximum(level, high - fade * (high - level))
        rows = np.flatnonzero(in_run)
        if len(rows):
            self._run(rows, slots[rows], at[rows], scores[:, rows], (level, low, high, new_low, new_high), ready[:, rows], verdicts)
        for name, new in (("level", level), ("low", new_low), ("high", new_high)):
            of_memory[name][:, slots] = new
        for column, new_column in (("last_at", at), ("readings", readings)):
            of_slot[column][slots] = new_column
        of_slot["hold"][slots] = np.maximum(of_slot["hold"][slots] - 1, 0)
        return verdicts

    def _begin(self, slots: Slots, at: Longs, values: Floats) -> None:
        """First reading of a series: every average is this value, and so is every record."""
        value = np.minimum(np.maximum(values, -LARGEST), LARGEST)
        for name in ("level", "low", "high"):
            self.of_memory[name][:-1, slots] = value
        for name, column in (("first_at", at), ("last_at", at)):
            self.of_slot[name][slots] = column
        for name in ("value", "credible", "usual_low", "usual_high"):
            self.of_slot[name][slots] = value

    def _remember(self, slots: Slots, readings: Longs, values: Floats, level: Floats, low: Floats, high: Floats) -> Floats:
        """Move the averages (in place) and, once, let the records start where they stand. Gives the readings, glitches cut."""
        config = self.config
        value = np.minimum(np.maximum(values, -LARGEST), LARGEST)
        reach = config.glitch * (high[0] - low[0] + np.maximum(config.floor * np.abs(value), RESOLUTION))
        cut = np.where(readings > config.settle, np.minimum(np.maximum(value, low[0] - reach), high[0] + reach), value)
        speeds = np.maximum(self._speeds, 1.0 / readings)  # a plain mean until there is enough to be slow about
        last = self.of_slot["value"][slots]
        glitch = (cut != value) & (last >= low[0]) & (last <= high[0])
        value = cut
        old_credible = self.of_slot["credible"][slots]
        credible = np.where(glitch, old_credible, value)  # as if nothing had been read
        level[0] = value
        level[1:-1] += speeds[1:-1] * (credible - level[1:-1])
        level[-1] += speeds[-1] * (np.abs(credible - old_credible) - level[-1])
        for name, column in (("value", value), ("credible", credible)):
            self.of_slot[name][slots] = column
        start = readings == config.settle
        if start.any():
            low[:, start] = level[:, start]
            high[:, start] = level[:, start]
        return value

    def _learn_usual(self, slots: Slots, readings: Longs, value: Floats, low: Floats, high: Floats, in_run: Bools) -> None:
        """Move the usual range: its first guess is all that came before settling, then two trackers of a quantile each."""
        config = self.config
        old_low, old_high = self.of_slot["usual_low"][slots], self.of_slot["usual_high"][slots]
        step = config.usual_speed * np.maximum(high - low, old_high - old_low)
        new_low = old_low + step * (config.usual_share - (value < old_low))
        new_high = old_high - step * (config.usual_share - (value > old_high))
        first = readings <= config.settle
        new_low = np.where(first, np.minimum(old_low, value), np.minimum(new_low, new_high))
        new_high = np.where(first, np.maximum(old_high, value), np.maximum(new_low, new_high))
        self.of_slot["usual_low"][slots] = np.where(in_run, old_low, new_low)
        self.of_slot["usual_high"][slots] = np.where(in_run, old_high, new_high)

    def _run(
        self, rows: Slots, slots: Slots, at: Longs, scores: Floats, columns: tuple[Floats, ...], ready: Bools, verdicts: Verdicts
    ) -> None:
        """The rows in a run of surprise: does it begin, raise an episode, end? Their records are frozen until it ends (in place)."""
        config, of_slot, of_memory = self.config, self.of_slot, self.of_memory
        level_all, low_all, high_all, new_low_all, new_high_all = columns
        level, low, high = level_all[:, rows], low_all[:, rows], high_all[:, rows]
        score = scores.max(axis=0)
        begins = of_slot["run"][slots] == 0
        run = of_slot["run"][slots] + 1
        onset = np.where(begins, at, of_slot["onset"][slots])
        run_low = np.where(begins, level, np.minimum(of_memory["run_low"][:, slots], level))
        run_high = np.where(begins, level, np.maximum(of_memory["run_high"][:, slots], level))

        # Slow averages come back slowly. The trouble is over when the quick one is where every average has been before, almost.
        quick = level[config.quick]
        floor = np.where(ready[:-1], low[:-1], -LARGEST).max(axis=0)
        ceiling = np.where(ready[:-1], high[:-1], LARGEST).min(axis=0)
        floor -= config.almost * np.maximum(floor - run_low[config.quick], 0.0)
        ceiling += config.almost * np.maximum(run_high[config.quick] - ceiling, 0.0)
        back = (quick >= floor) & (quick <= ceiling) & (scores[-1] <= 0.0)
        was_raised = of_slot["raised"][slots]
        calm = np.where((score <= 0.0) | (was_raised & back), of_slot["calm"][slots] + 1, 0)
        beyond = np.where(score >= 1.0, of_slot["beyond"][slots] + 1, 0)

        raises = ~was_raised & (beyond >= config.persist) & (of_slot["hold"][slots] == 0)
        raised = was_raised | raises
        over = calm >= np.where(raised, config.calm, config.persist)
        adapts = ~over & ~raises & (run >= np.where(raised, config.patience, config.doubt))
        ends = over | adapts
        share = np.where(raised & ~adapts, config.learn, 1.0)
        learned_low = low - share * np.maximum(low - run_low, 0.0)
        learned_high = high + share * np.maximum(run_high - high, 0.0)
        new_low_all[:, rows] = np.where(ready, np.where(ends, learned_low, low), new_low_all[:, rows])
        new_high_all[:, rows] = np.where(ready, np.where(ends, learned_high, high), new_high_all[:, rows])
        recovered = raised & over
        back_inside = np.minimum(np.maximum(level[1:-1], new_low_all[1:-1, rows]), new_high_all[1:-1, rows])
        level_all[1:-1, rows] = np.where(recovered, back_inside, level[1:-1])

        of_memory["run_low"][:, slots] = run_low
        of_memory["run_high"][:, slots] = run_high
        of_slot["onset"][slots] = onset
        of_slot["raised"][slots] = raised & ~ends
        of_slot["hold"][slots] = np.where(raised & ends, config.hold + 1, of_slot["hold"][slots])
        for name, column in (("run", run), ("calm", calm), ("beyond", beyond)):
            of_slot[name][slots] = np.where(ends, 0, column)
        verdicts.change[rows] = np.select(
            [raises, recovered, was_raised & adapts], [Change.RAISED, Change.CLEARED, Change.ADAPTED], Change.NONE
        )
        verdicts.raised[rows] = raised & ~ends
        verdicts.onset[rows] = onset
