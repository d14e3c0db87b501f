"""The way from a device to us: lost and late messages, links that are away for a while, restarts, and clocks that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vorab.clock import MINUTE, SECOND, Micros
from vorab.fleet.physics.course import Floats, occasions
from vorab.fleet.physics.harm import Bools, Harm, Longs
from vorab.frame import Quality

LOST: float = 0.002
"""Share of messages an ordinary radio loses."""
RESTART_DAYS: float = 21.0
"""An update, a power cut: so many days between two."""
AWAY_DAYS: float = 20.0
"""A link that goes away for ten to forty minutes and hands in later what it kept: so many days between two."""
NEWEST: Micros = 5 * MINUTE
"""Ingest believes no clock that is further ahead."""


@dataclass(slots=True)
class Batch:
    """Rows of one model in the order of their arrival."""

    model: str
    device: Longs
    """Index among the devices of the model."""
    measured_at: Longs
    received_at: Longs
    quality: NDArray[np.uint8]
    boot: Longs
    seq: Longs
    signals: dict[str, Floats]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.device)

    def take(self, rows: NDArray[np.intp] | Bools) -> Batch:
        """Some of the rows."""
        return Batch(
            self.model,
            self.device[rows],
            self.measured_at[rows],
            self.received_at[rows],
            self.quality[rows],
            self.boot[rows],
            self.seq[rows],
            {name: column[rows] for name, column in self.signals.items()},
        )

    def then(self, other: Batch) -> Batch:
        """These rows and those, in the order of their arrival."""
        both = Batch(
            self.model,
            np.concatenate([self.device, other.device]),
            np.concatenate([self.measured_at, other.measured_at]),
            np.concatenate([self.received_at, other.received_at]),
            np.concatenate([self.quality, other.quality]),
            np.concatenate([self.boot, other.boot]),
            np.concatenate([self.seq, other.seq]),
            {name: np.concatenate([column, other.signals[name]]) for name, column in self.signals.items()},
        )
        return both.take(np.argsort(both.received_at, kind="stable"))


class Link:
    """The links and controllers of all devices of a model."""

    def __init__(self, rng: np.random.Generator, n: int, start: Micros, days: int, period: Micros) -> None:
        self.rng, self.n, self.period = rng, n, period
        self.phase: Longs = rng.integers(0, min(MINUTE, period), n)
        self.boot: Longs = rng.integers(1, 60, n)
        self.seq: Longs = rng.integers(0, 5_000, n)
        self._restarts = [start + each for each in occasions(rng, days, n, RESTART_DAYS)]
        self._away = [start + each for each in occasions(rng, days, n, AWAY_DAYS)]
        self._away_for = [rng.integers(10 * MINUTE, 40 * MINUTE, len(each)) for each in self._away]

    def carry(self, model: str, at: Longs, signals: dict[str, Floats], harms: Sequence[Harm]) -> Batch:
        """The rows of a day that arrive, of signals of shape (steps, devices) at the times `at`, in the order of their arrival."""
        shape = (len(at), self.n)
        rng = self.rng
        lost = rng.random(shape) < LOST
        chance = rng.random(shape)
        latency = (np.exp(0.5 * rng.standard_normal(shape)) * 0.5 * SECOND).astype(np.int64)
        measured = at[:, None] + self.phase
        received = measured + latency
        quality = np.zeros(shape, np.uint8)
        restart = self._restarting(at, harms)
        self._keep(at, received, quality)
        for harm in harms:
            during, column = harm.during(at), harm.index
            if harm.kind == "dropout":
                lost[:, column] |= during & (chance[:, column] < harm.size)
            elif harm.kind == "offline":
                lost[:, column] |= during
            elif harm.kind == "clock_skew":
                measured[during, column] += int(harm.size * MINUTE)
        boot, seq = self._number(restart)
        ahead = measured > received + NEWEST
        measured[ahead] = received[ahead]
        quality[ahead] |= int(Quality.CLAMPED)
        step, device = np.nonzero(~lost & ~restart)
        order = np.argsort(received[step, device], kind="stable")
        step, device = step[order], device[order]
        return Batch(
            model,
            device.astype(np.int64),
            measured[step, device],
            received[step, device],
            quality[step, device],
            boot[step, device],
            seq[step, device],
            {name: column[step, device] for name, column in signals.items()},
        )

    def _restarting(self, at: Longs, harms: Sequence[Harm]) -> Bools:
        restart = np.zeros((len(at), self.n), bool)
        last = int(at[-1]) + self.period
        for device, moments in enumerate(self._restarts):
            for moment in moments[(moments > int(at[0]) - self.period) & (moments < last)].tolist():
                step = int(np.searchsorted(at, moment))
                if step < len(at):
                    restart[step, device] = True
        for harm in harms:
            if harm.kind == "reboot_loop":
                often = np.random.default_rng([harm.seed, 0xB0])
                steps = often.integers(2, 7, int((harm.end - harm.onset) // self.period) + 1)
                moments = harm.onset + np.concatenate([[0], np.cumsum(steps)]) * self.period
                inside = moments[(moments < harm.end) & (moments > int(at[0]) - self.period) & (moments <= int(at[-1]))]
                restart[np.searchsorted(at, inside), harm.index] = True
        return restart

    def _keep(self, at: Longs, received: Longs, quality: NDArray[np.uint8]) -> None:
        """Links that are away: what was measured arrives together when they are back."""
        first, last = int(at[0]), int(at[-1])
        for device, (moments, lengths) in enumerate(zip(self._away, self._away_for, strict=True)):
            for moment, length in zip(moments.tolist(), lengths.tolist(), strict=True):
                if moment + length < first or moment > last + MINUTE:
                    continue
                measured = at + self.phase[device]
                kept = np.flatnonzero((measured >= moment) & (measured < moment + length))
                received[kept, device] = moment + length + np.arange(len(kept)) * (SECOND // 50)
                quality[kept, device] |= int(Quality.HISTORICAL)

    def _number(self, restart: Bools) -> tuple[Longs, Longs]:
        boot = self.boot + np.cumsum(restart, axis=0)
        counted = np.cumsum(~restart, axis=0)
        # Numbers begin anew with a boot: what was counted before the last restart is taken off, or what came from yesterday put on.
        before = np.maximum.accumulate(np.where(restart, counted, -1), axis=0)
        seq = np.where(before >= 0, counted - before - 1, self.seq + counted - 1)
        self.boot = boot[-1].astype(np.int64)
        self.seq = (seq[-1] + 1).astype(np.int64)
        return boot.astype(np.int64), seq.astype(np.int64)
