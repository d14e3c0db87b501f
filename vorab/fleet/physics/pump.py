"""Booster pumps: a speed-controlled pump holds the pressure of a building, whatever it draws.

- Pump curve `p = n² H0 - A Q²` (affinity laws; p in bar, n is the share of the nominal speed, Q in m³/h), the network as an orifice
  `Q = Qd √(p / p_set)`. The controller turns as fast as it must, at most 108 %.
- Shaft power `p Q / 36 / η` (kW) with an efficiency that falls off the best point; current from load and magnetisation.
- The motor warms by its losses over a thermal resistance to the room: first order, 45 minutes.
- Vibration grows with speed and off the best point.

Equations as in J. F. Gülich, *Centrifugal Pumps*, chapters 2 and 10; the numbers are those of a 1.5 kW multi-stage pump.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np

from vorab.clock import DAY, Micros
from vorab.fleet.physics.course import Floats, Wander, household, toward
from vorab.fleet.physics.sensors import Sensor

HEAD: Final = 5.0
"""bar at nominal speed and no flow."""
CURVE: Final = 0.006
"""bar per (m³/h)²."""
SETPOINT: Final = 3.0
FASTEST: Final = 1.08
BEST_FLOW: Final = 10.0
TAU_S: Final = 45 * 60.0
RESISTANCE: Final = 78.0
"""K per kW of losses."""


QUIET_DAYS: Final = 1 / 30
"""Share of days on which half of the people are away."""


class Pumps:
    """All pumps of a fleet."""

    model: ClassVar[str] = "pump"
    substeps: ClassVar[int] = 1
    sensors: ClassVar[tuple[Sensor, ...]] = (
        Sensor("pressure", "bar", 0.02, 0.01, bias=0.02, glitch=1.1),
        Sensor("flow", "m3/h", 0.08, 0.01),
        Sensor("speed", "%", 0.1, 0.1),
        Sensor("current", "A", 0.03, 0.01),
        Sensor("vibration", "mm/s", 0.06, 0.01),
        Sensor("temperature", "Cel", 0.15, 0.1),
    )

    def __init__(self, rng: np.random.Generator, n: int, at: Micros) -> None:
        self.n, self.rng = n, rng
        self.head = HEAD * rng.normal(1.0, 0.01, n)
        self.size: Floats = rng.uniform(9.0, 12.0, n)  # most it has to give, m³/h
        self.early: Floats = rng.uniform(-0.75, 0.75, n)
        self.rough: Floats = rng.uniform(0.9, 1.15, n)
        self.resistance = RESISTANCE * rng.normal(1.0, 0.04, n)
        self.room: Floats = rng.uniform(20.0, 24.0, n)
        self.here: Floats = np.ones(n)
        self._day = -1
        self.draw = Wander(rng, n, 0.05, 1800.0)
        self.hold = Wander(rng, n, 0.02, 3600.0)
        self.ambient = Wander(rng, n, 0.4, 6 * 3600.0)
        self.temperature: Floats = self.room + 15.0
        for _ in range(36):  # three hours: warm by its own
            self.step(at, 300.0, {})

    def step(self, at: Micros, dt_s: float, harm: Mapping[str, Floats]) -> dict[str, Floats]:
        """Go on for `dt_s` seconds up to `at`; the true values. `harm` says per kind how much of it each pump has."""
        z = self.rng.standard_normal((3, self.n))
        leak, clog, wear = harm.get("leak", 0.0), harm.get("jam", 0.0), harm.get("wear", 0.0)
        blocked, hunting = harm.get("overheating", 0.0), harm.get("oscillation", 0.0)
        if at // DAY != self._day:
            self._day = at // DAY
            self.here = np.where(self.rng.random(self.n) < QUIET_DAYS, 0.6, 1.0)
        wanted = self.size * self.here * (0.15 + 0.85 * household(at, self.early)) * (1.0 + self.draw.step(z[0], dt_s))
        wanted = wanted + leak
        held = SETPOINT + self.hold.step(z[1], dt_s) + hunting
        slope = 1.0 + CURVE * (1.0 + clog) * wanted**2 / held
        speed = np.minimum(np.sqrt(held * slope / self.head), FASTEST)
        pressure = speed**2 * self.head / slope
        flow = wanted * np.sqrt(pressure / held)
        share = flow / BEST_FLOW
        efficiency = 0.25 + 0.40 * np.clip(2.0 * share - share**2, 0.0, 1.0)
        # What stands in the way inside the pump costs power too.
        shaft = (pressure + CURVE * clog * flow**2 * 0.2) * flow / 36.0 / efficiency * (1.0 + 0.05 * wear) + 0.12 * speed**3
        power = shaft / 0.82
        current = np.sqrt((1.1 * speed) ** 2 + (power / 0.59) ** 2)
        losses = 0.18 * power + 0.04 * speed
        self.ambient.step(z[2], dt_s)
        room = self.room + self.ambient.now
        target = room + self.resistance * (1.0 + blocked) * losses + 2.0 * wear
        self.temperature = toward(self.temperature, target, dt_s, TAU_S)
        vibration = self.rough * (1.1 * speed**2 + 0.25 * (share - 1.0) ** 2) + wear + 0.03 * clog
        return {
            "pressure": pressure,
            "flow": flow,
            "speed": 100.0 * speed,
            "current": current,
            "vibration": vibration,
            "temperature": self.temperature,
        }
