"""Heat pumps: a compressor charges a buffer tank, a mixing valve gives the house the water the weather asks for.

- The house loses `UA (20 - outdoor)`; the supply follows the heating curve in first order (15 minutes), the return is what is left.
- The tank: `C dT/dt = heat - draw`; the compressor starts 2.5 K below its setpoint, stops 2.5 K above, and rests for at least 5 minutes.
- Evaporation lies 7 K below the outdoor air, condensation 5 K above the tank; the coefficient of performance is 0.45 of Carnot's; the
  suction pressure is the saturation pressure of propane (`4.75 e^{0.031 t}` bar between -25 and 15 °C, within 4 % of the tables).
- Lost refrigerant lowers evaporation and capacity; a worn compressor takes more power for the same heat.

A minute is simulated at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np

from vorab.clock import Micros
from vorab.fleet.physics.course import Floats, Wander, climate, hour, toward
from vorab.fleet.physics.sensors import Sensor

CAPACITY: Final = 10.0
"""kW at 2 °C outside."""
TANK: Final = 0.8
"""kWh/K: 690 litres."""
HYSTERESIS: Final = 2.5
REST_S: Final = 300.0


def saturation(celsius: Floats) -> Floats:
    """Pressure of boiling propane, bar."""
    out: Floats = 4.75 * np.exp(0.031 * celsius)
    return out


class HeatPumps:
    """All heat pumps of a fleet."""

    model: ClassVar[str] = "heat-pump"
    substeps: ClassVar[int] = 5
    sensors: ClassVar[tuple[Sensor, ...]] = (
        Sensor("outdoor_temperature", "Cel", 0.1, 0.1, bias=0.2),
        Sensor("supply_temperature", "Cel", 0.15, 0.1, bias=0.15, glitch=18.0),
        Sensor("supply_setpoint", "Cel", 0.0, 0.1),
        Sensor("return_temperature", "Cel", 0.15, 0.1, bias=0.15),
        Sensor("buffer_temperature", "Cel", 0.1, 0.1),
        Sensor("low_pressure", "bar", 0.03, 0.01),
        Sensor("discharge_temperature", "Cel", 0.4, 0.1),
        Sensor("power", "kW", 0.02, 0.01),
        Sensor("compressor", "", 0.0, 1.0),
    )

    def __init__(self, rng: np.random.Generator, n: int, at: Micros) -> None:
        self.n, self.rng = n, rng
        self.here: Floats = rng.normal(0.0, 1.0, n)
        self.early: Floats = rng.uniform(-0.75, 0.75, n)
        self.loss: Floats = rng.uniform(0.15, 0.22, n)  # kW/K
        self.curve: Floats = rng.uniform(0.55, 0.75, n)
        self.big: Floats = rng.normal(1.0, 0.02, n)
        self.region = Wander(rng, 1, 3.0, 40 * 3600.0)
        self.weather = Wander(rng, n, 0.5, 4 * 3600.0)
        self.living = Wander(rng, n, 0.08, 5400.0)
        self.outdoor: Floats = climate(at) + self.here + self.region.now
        self.supply: Floats = self.setpoint(at)
        self.buffer: Floats = self.supply + 4.0 + rng.uniform(-2.0, 2.0, n)
        self.running: Floats = (rng.random(n) < 0.4).astype(np.float64)
        self.rested: Floats = np.full(n, REST_S)
        self.pressure: Floats = saturation(self.outdoor - 7.0 * self.running)
        self.discharge: Floats = self.buffer + 20.0 * self.running
        for _ in range(180):
            self.step(at, 60.0, {})

    def setpoint(self, at: Micros) -> Floats:
        """The heating curve, three kelvins lower at night, °C."""
        hours = hour(at, self.early)
        night = np.where((hours > 22.0) | (hours < 5.0), 3.0, 0.0)
        out: Floats = 24.0 + self.curve * np.maximum(20.0 - self.outdoor, 0.0) - night
        return out

    def step(self, at: Micros, dt_s: float, harm: Mapping[str, Floats]) -> dict[str, Floats]:
        """Go on for `dt_s` seconds up to `at`; the true values."""
        z = self.rng.standard_normal((3, self.n))
        lost, wear, hot = harm.get("leak", 0.0), harm.get("wear", 0.0), harm.get("overheating", 0.0)
        # A region shares its weather; each garden has its own corner of it.
        region = self.region.step(z[0, :1], dt_s)
        self.outdoor = climate(at) + self.here + region + self.weather.step(z[1], dt_s)
        setpoint = self.setpoint(at)
        self.supply = toward(self.supply, setpoint, dt_s, 900.0)
        draw = self.loss * np.maximum(20.0 - self.outdoor, 0.5) * (1.0 + self.living.step(z[2], dt_s))
        on = self.running
        evaporating = self.outdoor - 7.0 - 35.0 * lost
        condensing = self.buffer + 5.0
        heat = CAPACITY * self.big * (1.0 + 0.02 * (self.outdoor - 2.0)) * (1.0 - 0.6 * lost)
        performance = 0.45 * (condensing + 273.15) / np.maximum(condensing - evaporating, 10.0)
        self.buffer = self.buffer + (heat * on - draw) / TANK * dt_s / 3600.0
        wanted = setpoint + 4.0
        self.rested = np.where(on > 0, 0.0, self.rested + dt_s)
        start = (self.buffer < wanted - HYSTERESIS) & (self.rested >= REST_S)
        stop = self.buffer > wanted + HYSTERESIS
        self.running = np.where(on > 0, np.where(stop, 0.0, 1.0), np.where(start, 1.0, 0.0))
        self.pressure = toward(self.pressure, saturation(np.where(on > 0, evaporating, self.outdoor)), dt_s, 120.0)
        gas = condensing + 8.0 + 0.55 * (condensing - evaporating) + hot
        self.discharge = toward(self.discharge, np.where(on > 0, gas, self.buffer), dt_s, np.where(on > 0, 300.0, 900.0))
        power = np.where(on > 0, heat / performance * (1.0 + wear), 0.03)
        return {
            "outdoor_temperature": self.outdoor,
            "supply_temperature": self.supply,
            "supply_setpoint": setpoint,
            "return_temperature": self.supply - draw / 1.0,
            "buffer_temperature": self.buffer,
            "low_pressure": self.pressure,
            "discharge_temperature": self.discharge,
            "power": power,
            "compressor": on,
        }
