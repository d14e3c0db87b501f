"""Time as machines feel it: hours, weeks and years, people who come and go, weather, and things that wander."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vorab.clock import DAY, HOUR, Micros

Floats = NDArray[np.float64]

MONDAY: Final[Micros] = 4 * DAY
"""1970-01-05 was a Monday."""
YEAR_DAYS: Final = 365.2425


def hour(at: Micros, shift_h: Floats | float = 0.0) -> Floats:
    """Hour of the day, 0 to 24; `shift_h` makes it later (a house that gets up early has a positive one)."""
    return np.asarray((at % DAY) / HOUR + shift_h, np.float64) % 24.0


def workday(at: Micros) -> bool:
    """Whether it is Monday to Friday."""
    return (at - MONDAY) // DAY % 7 < 5


def rising(hours: Floats, at_h: float, width_h: float = 0.5) -> Floats:
    """From 0 to 1 around `at_h`, smoothly."""
    out: Floats = 1.0 / (1.0 + np.exp(-(hours - at_h) / (width_h / 4.0)))
    return out


def office(at: Micros, shift_h: Floats | float = 0.0) -> Floats:
    """Share of the people who are at work: 0 at night and at weekends, less at noon."""
    hours = hour(at, shift_h)
    if not workday(at):
        return np.zeros_like(hours)
    there = rising(hours, 8.0, 1.5) * (1.0 - rising(hours, 17.5, 2.0))
    noon = 0.35 * np.exp(-(((hours - 12.5) / 0.6) ** 2))
    out: Floats = there * (1.0 - noon)
    return out


def household(at: Micros, shift_h: Floats | float = 0.0) -> Floats:
    """How much of its usual most a building draws, 0 to 1: peaks in the morning and the evening, later and flatter at weekends."""
    hours = hour(at, shift_h)
    late = 0.0 if workday(at) else 1.5
    height = 1.0 if workday(at) else 0.8
    morning = np.exp(-(((hours - 7.0 - late) / 1.8) ** 2))
    evening = np.exp(-(((hours - 19.0) / 2.6) ** 2))
    day = 0.45 * rising(hours, 6.0 + late, 2.0) * (1.0 - rising(hours, 22.0, 2.0))
    out: Floats = height * np.minimum(1.0, 0.08 + day + 0.5 * morning + 0.5 * evening)
    return out


def climate(at: Micros) -> float:
    """Outdoor temperature without weather in a temperate place, °C.

    The year ± 9 around 9, coldest on 20 January; the day ± 3.5, coldest at five.
    """
    day = (at / DAY) % YEAR_DAYS
    year = -9.0 * math.cos(2 * math.pi * (day - 19.0) / YEAR_DAYS)
    return 9.0 + year - 3.5 * math.cos(2 * math.pi * ((at % DAY) / HOUR - 5.0) / 24.0)


def occasions(rng: np.random.Generator, days: int, n: int, mean_days: float) -> list[NDArray[np.int64]]:
    """For each of n devices the moments (µs from the start) of something that happens every `mean_days` on average."""
    counts = rng.poisson(days / mean_days, n)
    return [np.sort(rng.integers(0, days * DAY, count)) for count in counts.tolist()]


class Wander:
    """Numbers that wander around 0 (an Ornstein-Uhlenbeck process, exact at any step): one per device."""

    def __init__(self, rng: np.random.Generator, n: int, sigma: Floats | float, tau_s: float) -> None:
        self.sigma, self.tau_s = sigma, tau_s
        self.now: Floats = sigma * rng.standard_normal(n)

    def step(self, z: Floats, dt_s: float) -> Floats:
        """Go on for `dt_s` seconds with these standard normal numbers."""
        keep = math.exp(-dt_s / self.tau_s)
        self.now = self.now * keep + self.sigma * math.sqrt(1.0 - keep * keep) * z
        return self.now


def toward(now: Floats, target: Floats | float, dt_s: float, tau_s: Floats | float) -> Floats:
    """First order: where something is after `dt_s` seconds on its way to `target` with the time constant `tau_s`, exactly."""
    out: Floats = target + (now - target) * np.exp(-dt_s / np.asarray(tau_s))
    return out
