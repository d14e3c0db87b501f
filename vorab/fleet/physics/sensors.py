"""Sensors: what is true becomes a number with an offset, noise and a last digit, and what can go wrong on that way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


class Senses:
    """The sensors of one signal on all devices of a model; remembers where a value got stuck."""

    def __init__(self, sensor: Sensor, rng: np.random.Generator, n: int) -> None:
        self.sensor, self.rng = sensor, rng
        self.bias: Floats = sensor.bias * rng.standard_normal(n)
        self._stuck: dict[Harm, float] = {}
        self._last: Floats = np.full(n, np.nan)

    def read(self, true: Floats, at: Longs, harms: Sequence[Harm], period: Micros) -> Floats:
        """Readings of a day, shape (steps, devices): true values at the times `at` (µs) as these harms let them through."""
        sensor, rng = self.sensor, self.rng
        value = true + self.bias
        if sensor.noise:
            noise = sensor.noise * rng.standard_normal(true.shape)
            for harm in harms:
                if harm.kind == "noise":
                    noise[:, harm.index] *= np.where(harm.during(at), harm.size, 1.0)
            value = value + noise
        for harm in harms:
            column, during = value[:, harm.index], harm.during(at)
            if harm.kind == "drift":
                column += harm.amount(at)
            elif harm.kind == "oscillation":
                turns = (at - harm.onset) / (harm.extra * period)
                column += np.where(during, harm.size * np.sin(2 * np.pi * turns), 0.0)
            elif harm.kind == "spike":
                column += harm.spikes(at)
        value = np.rint(value / sensor.quantum) * sensor.quantum
        digits = max(0, -int(np.floor(np.log10(sensor.quantum) + 1e-9)))
        value = np.round(value, digits)
        for harm in harms:
            if harm.kind == "stuck":
                during = harm.during(at)
                if during.any():
                    first = int(np.argmax(during))
                    held = self._stuck.setdefault(harm, float(value[first - 1, harm.index] if first else self._last[harm.index]))
                    if np.isnan(held):
                        held = self._stuck[harm] = float(value[first, harm.index])
                    value[during, harm.index] = held
        self._last = value[-1].copy()
        return value
