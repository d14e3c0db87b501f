"""What the simulated machines are: three models with hidden quantities, and the signals those quantities show in.

Quantities wander around a value of their own (an Ornstein-Uhlenbeck process); faults pull them elsewhere; signals follow
with a lag and sensor noise. `NORMAL` is the band a healthy machine never leaves, `Signal.alarm_low` and `alarm_high` a
limit that every machine with the matching fault crosses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vorab.clock import DAY, HOUR, Micros

PUMP: Final = "pump"
PRINTER: Final = "printer"
HEAT_PUMP: Final = "heat-pump"
GATEWAY: Final = "gateway"

Hidden = Mapping[str, float]
Shown = dict[str, float]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One hidden physical quantity of a healthy machine."""

    name: str
    healthy: float
    spread: float = 0.0
    """Machines differ: uniform ± spread around `healthy`."""
    wander: float = 0.0
    """Standard deviation in time."""
    tau_s: float = 600.0
    """How fast it wanders."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One value in the telemetry."""

    name: str
    unit: str
    """UCUM code; empty for counts and flags."""
    low: float | None = None
    """Healthy machines stay within low and high; None for counters."""
    high: float | None = None
    alarm_low: float | None = None
    """Below this something is wrong: between the normal band and where a fault ends."""
    alarm_high: float | None = None
    noise: float = 0.0
    lag_s: float = 0.0
    kind: Literal["float", "int", "bool"] = "float"
    digits: int = 3


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of machine."""

    name: str
    title: str
    firmware: str
    quantities: tuple[Quantity, ...]
    signals: tuple[Signal, ...]
    show: Callable[[Hidden, Hidden, Micros], Shown]
    """From quantities, totals and the time to what the signals would show without lag and noise."""
    restart_us: Micros
    """How long a restart takes."""
    rates: Mapping[str, str]
    """Totals that only grow, each with the quantity that is its rate per hour."""


def _of_day(at: Micros) -> float:
    """A wave over the day, -1 at 05:00 UTC, the coldest hour, and 1 twelve hours later."""
    return -math.cos(2 * math.pi * ((at - 5 * HOUR) % DAY) / DAY)


def _pump(h: Hidden, _totals: Hidden, at: Micros) -> Shown:
    # The affinity laws: pressure and load go with the square of the speed.
    load = h["speed"] ** 2
    return {
        "pressure": 3.0 * load * (1 - 0.35 * h["air"]) + 0.04 * _of_day(at),
        "vibration": 1.2 * load + 8.0 * h["wear"] + 6.0 * h["air"],
        "temperature": h["ambient"] + 24.0 * load + 40.0 * h["wear"] + 8.0 * h["air"] + 0.8 * _of_day(at),
        "current": 4.2 * load * (1 + 0.35 * h["wear"]) * (1 - 0.3 * h["air"]),
    }


def _printer(h: Hidden, totals: Hidden, _at: Micros) -> Shown:
    return {
        "fuser_temperature": h["fuser"],
        "toner_feed": 48.0 * h["feed"],
        "toner_black": max(0.0, h["toner"] - 0.01 * totals["pages"]),
        "queue": max(0.0, h["backlog"]),
        "pages": totals["pages"],
        "jams": totals["jams"],
    }


def _gateway(h: Hidden, _totals: Hidden, at: Micros) -> Shown:
    return {"temperature": h["ambient"] + 14.0 + 0.8 * _of_day(at), "load": 0.2 * h["traffic"]}


DEFROST_EVERY: Final[Micros] = 95 * 60 * 1_000_000
DEFROST_LASTS: Final[Micros] = 7 * 60 * 1_000_000


def _heat_pump(h: Hidden, _totals: Hidden, at: Micros) -> Shown:
    # The evaporator starves when the valve shuts, the charge is lost or the coil is iced: suction pressure falls first,
    # then less heat reaches the house.
    capacity = h["opening"] * h["charge"] * (1 - 0.55 * h["ice"])
    outdoor = h["outdoor"] + 1.5 * _of_day(at)
    defrosting = (at + int(h["phase"] * DEFROST_EVERY)) % DEFROST_EVERY < DEFROST_LASTS
    return {
        "pressure": 1.68 * capacity + 0.006 * outdoor,
        "supply_temperature": 24.0 + 12.0 * capacity - (0.8 if defrosting else 0.0),
        "return_temperature": 24.0 + 6.0 * capacity,
        "current": 3.3 + 3.4 * capacity - 0.03 * outdoor - (0.3 if defrosting else 0.0),
        "defrost": float(defrosting),
    }


# What every machine has beside its physics: its sensors and its link.
_RIM: Final = (Quantity("sensor_noise", 1.0), Quantity("frozen", 0.0), Quantity("link", 1.0))

MODELS: Final[dict[str, Model]] = {
    model.name: model
    for model in (
        Model(
            name=PUMP,
            title="Pump",
            firmware="2.4.1",
            quantities=(
                Quantity("speed", 1.0, 0.02, 0.008),
                Quantity("air", 0.0),
                Quantity("wear", 0.06, 0.02),
                Quantity("ambient", 21.0, 2.0, 0.4, 3600.0),
                *_RIM,
            ),
            signals=(
                Signal("pressure", "bar", 2.4, 3.6, alarm_low=1.8, noise=0.02, lag_s=60.0),
                Signal("vibration", "mm/s", 0.5, 2.8, alarm_high=4.5, noise=0.06, lag_s=45.0),
                Signal("temperature", "Cel", 38.0, 58.0, alarm_high=70.0, noise=0.15, lag_s=900.0),
                Signal("current", "A", 3.4, 5.0, noise=0.03, lag_s=10.0),
            ),
            show=_pump,
            restart_us=120 * 1_000_000,
            rates={},
        ),
        Model(
            name=PRINTER,
            title="Printer",
            firmware="7.12",
            quantities=(
                Quantity("fuser", 180.0, 3.0, 0.8),
                Quantity("feed", 1.0, 0.03, 0.015),
                Quantity("toner", 70.0, 25.0),
                Quantity("backlog", 2.0, 0.8, 0.4, 900.0),
                Quantity("page_rate", 60.0, 30.0),
                Quantity("jam_rate", 0.01, 0.01),
                *_RIM,
            ),
            signals=(
                Signal("fuser_temperature", "Cel", 168.0, 192.0, alarm_high=210.0, noise=0.4, lag_s=240.0),
                Signal("toner_feed", "mg", 40.0, 56.0, alarm_low=25.0, noise=0.4, lag_s=60.0),
                Signal("toner_black", "%", 10.0, 100.0, digits=2),
                Signal("queue", "", 0.0, 8.0, alarm_high=20.0, kind="int"),
                Signal("pages", "", kind="int"),
                Signal("jams", "", kind="int"),
            ),
            show=_printer,
            restart_us=180 * 1_000_000,
            rates={"pages": "page_rate", "jams": "jam_rate"},
        ),
        Model(
            name=HEAT_PUMP,
            title="Heat pump",
            firmware="5.0.3",
            quantities=(
                Quantity("opening", 1.0, 0.02, 0.012),
                Quantity("charge", 1.0, 0.015),
                Quantity("ice", 0.0),
                Quantity("outdoor", 3.0, 1.0, 0.5, 7200.0),
                Quantity("phase", 0.5, 0.5),
                *_RIM,
            ),
            signals=(
                Signal("pressure", "bar", 1.4, 2.0, alarm_low=1.0, noise=0.015, lag_s=300.0),
                Signal("supply_temperature", "Cel", 31.0, 41.0, noise=0.1, lag_s=1200.0),
                Signal("return_temperature", "Cel", 26.0, 34.0, noise=0.1, lag_s=2400.0),
                Signal("current", "A", 5.4, 7.8, noise=0.04, lag_s=30.0),
                Signal("defrost", "", kind="bool"),
            ),
            show=_heat_pump,
            restart_us=240 * 1_000_000,
            rates={},
        ),
        Model(
            name=GATEWAY,
            title="Gateway",
            firmware="1.9.0",
            quantities=(Quantity("ambient", 21.0, 2.0, 0.4, 3600.0), Quantity("traffic", 1.0, 0.2, 0.1), *_RIM),
            signals=(
                Signal("temperature", "Cel", 25.0, 48.0, noise=0.15, lag_s=900.0),
                Signal("load", "1", 0.05, 0.5, noise=0.01, lag_s=10.0),
            ),
            show=_gateway,
            restart_us=90 * 1_000_000,
            rates={},
        ),
    )
}

NORMAL: Final[dict[str, dict[str, tuple[float, float]]]] = {
    model.name: {s.name: (s.low, s.high) for s in model.signals if s.low is not None and s.high is not None} for model in MODELS.values()
}
"""Model → signal → (low, high): a healthy machine never leaves it."""

LIMITS: Final[dict[str, dict[str, tuple[float | None, float | None]]]] = {
    model.name: {s.name: (s.alarm_low, s.alarm_high) for s in model.signals if s.alarm_low is not None or s.alarm_high is not None}
    for model in MODELS.values()
}
"""Model → signal → (low, high): beyond this something is wrong; every matching fault crosses it within two and a half hours."""
