"""Sensors: what is true becomes a number with an offset, noise and a last digit, and what can go wrong on that way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vorab.clock import Micros
from vorab.fleet.physics.course import Floats
from vorab.fleet.physics.harm import Harm, Longs


@dataclass(frozen=True, slots=True)
class Sensor:
    """One signal of a model."""

    name: str
    unit: str
    noise: float
    """Standard deviation of its white noise."""
    quantum: float
    """Its last digit."""
    bias: float = 0.0
    """Devices differ by an offset of this standard deviation."""
    glitch: float = 0.0
    """Once in a while a single reading of a healthy sensor is so far off, either way."""


GLITCH: Final = 1 / 2000
"""Share of readings that are a glitch: one a week at five minutes."""


class Senses:
    """The sensors of one signal on all devices of a model; remembers where a value got stuck."""

    def __init__(self, sensor: Sensor, rng: np.random.Generator, n: int) -> None:
        self.sensor, self.rng = sensor, rng
        self.bias: Floats = sensor.bias * rng.standard_normal(n)
        self._stuck: dict[Harm, float] = {}
        self._last: Floats = np.full(n, np.nan)

    def read(self, true: Floats, at: Longs, harms: Sequence[Harm], period: Micros) -> Floats:
        """Readings of a day, shape (steps, devices): true values at the times `at` (µs) as these harms let them through."""
        quantum = self.sensor.quantum
        value = true + self.bias + self._noise(at, harms)
        for harm in harms:
            column = value[:, harm.index]
            if harm.kind == "drift":
                column += harm.amount(at)
            elif harm.kind == "oscillation":
                turns = (at - harm.onset) / (harm.extra * period)
                column += np.where(harm.during(at), harm.size * np.sin(2 * np.pi * turns), 0.0)
            elif harm.kind == "spike":
                column += harm.spikes(at)
        digits = max(0, -int(np.floor(np.log10(quantum) + 1e-9)))
        value = np.round(np.rint(value / quantum) * quantum, digits)
        for harm in harms:
            if harm.kind == "stuck" and harm.during(at).any():
                self._hold(value[:, harm.index], at, harm)
        self._last = value[-1].copy()
        return value

    def _noise(self, at: Longs, harms: Sequence[Harm]) -> Floats:
        """What a sensor adds of its own: white noise, and a glitch once in a while."""
        sensor, rng, shape = self.sensor, self.rng, (len(at), len(self.bias))
        noise: Floats = sensor.noise * rng.standard_normal(shape) if sensor.noise else np.zeros(shape)
        for harm in harms:
            if harm.kind == "noise":
                noise[:, harm.index] *= np.where(harm.during(at), harm.size, 1.0)
        if sensor.glitch:
            odd = rng.random(shape) < GLITCH
            noise += np.where(odd, sensor.glitch * np.sign(rng.standard_normal(shape)), 0.0)
        return noise

    def _hold(self, column: Floats, at: Longs, harm: Harm) -> None:
        """Repeat the reading before the onset, or the first one there is."""
        during = harm.during(at)
        first = int(np.argmax(during))
        if harm not in self._stuck:
            before = float(column[first - 1] if first else self._last[harm.index])
            self._stuck[harm] = float(column[first]) if np.isnan(before) else before
        column[during] = self._stuck[harm]
