"""Office printers: people send jobs, pages come out, toner goes down, the fuser is kept hot by day and lukewarm by night.

- Jobs come at random (Poisson) while people are there, each of some pages; 30 pages a minute go out; what does not waits in the queue.
- The fuser follows its setpoint (180 °C, 150 °C when nobody is there) in first order, 8 minutes; each page takes heat away.
- A jam stops the paper until somebody takes it out: small ones at once, the fault for hours. Toner is replaced when it is used up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np

from vorab.clock import Micros
from vorab.fleet.physics.course import Floats, Wander, hour, office, toward, workday
from vorab.fleet.physics.sensors import Sensor

PAGES_A_MINUTE: Final = 30.0
PAGES_A_JOB: Final = 5.0
MOST_JOBS: Final = 40.0
"""Then people go to another printer."""
HOT: Final = 180.0
LUKEWARM: Final = 150.0
TAU_S: Final = 8 * 60.0
SMALL_JAM: Final = 1 / 4000
"""Per page; somebody clears it at once."""


class Printers:
    """All printers of a fleet."""

    model: ClassVar[str] = "printer"
    substeps: ClassVar[int] = 1
    sensors: ClassVar[tuple[Sensor, ...]] = (
        Sensor("fuser_temperature", "Cel", 0.5, 0.1, bias=0.6, glitch=70.0),
        Sensor("fuser_setpoint", "Cel", 0.0, 1.0),
        Sensor("voltage", "V", 0.03, 0.01, bias=0.05),
        Sensor("toner", "%", 0.0, 0.1),
        Sensor("queue", "", 0.0, 1.0),
        Sensor("pages", "", 0.0, 1.0),
        Sensor("jams", "", 0.0, 1.0),
    )

    def __init__(self, rng: np.random.Generator, n: int, at: Micros) -> None:
        self.n, self.rng = n, rng
        self.busy: Floats = rng.uniform(8.0, 25.0, n)  # jobs an hour when everybody is there
        self.early: Floats = rng.uniform(-0.75, 0.75, n)
        self.spoils: Floats = rng.uniform(8_000.0, 16_000.0, n)  # pages of a cartridge
        self.waiting: Floats = np.zeros(n)
        self.pages: Floats = rng.integers(1_000, 90_000, n).astype(np.float64)
        self.toner: Floats = rng.uniform(10.0, 100.0, n)
        self.jams: Floats = rng.integers(0, 40, n).astype(np.float64)
        self.stopped: Floats = np.zeros(n)
        self.wander = Wander(rng, n, 0.7, 7200.0)
        self.rail = Wander(rng, n, 0.015, 7200.0)
        self.fuser: Floats = self.setpoint(at)

    def setpoint(self, at: Micros) -> Floats:
        """What the fuser shall have, °C."""
        hours = hour(at, self.early)
        there = (hours > 6.5) & (hours < 19.5) & workday(at)
        return np.where(there, HOT, LUKEWARM)

    def step(self, at: Micros, dt_s: float, harm: Mapping[str, Floats]) -> dict[str, Floats]:
        """Go on for `dt_s` seconds up to `at`; the true values."""
        z, chance = self.rng.standard_normal((3, self.n)), self.rng.random(self.n)
        jobs = self.rng.poisson(self.busy * office(at, self.early) * dt_s / 3600.0)
        stuck = np.asarray(harm.get("jam", np.zeros(self.n))) > 0
        self.waiting = self.waiting + np.where(self.waiting >= MOST_JOBS, 0.0, jobs)
        room = np.floor(PAGES_A_MINUTE * dt_s / 60.0 / PAGES_A_JOB)
        done = np.where(stuck, 0.0, np.minimum(self.waiting, room))
        self.waiting = self.waiting - done
        printed = np.rint(done * PAGES_A_JOB * np.exp(0.3 * z[0]))
        self.pages = self.pages + printed
        self.toner = self.toner - 100.0 * printed / self.spoils
        self.toner = np.where(self.toner < 3.0, 100.0, self.toner)
        # A small jam comes with the pages; one that stays counts when it begins, and whenever somebody tries in vain.
        small = chance < np.where(stuck, 0.03, printed * SMALL_JAM)
        self.jams = self.jams + (small | (stuck & (self.stopped == 0)))
        self.stopped = stuck.astype(np.float64)
        load = np.minimum(printed / (PAGES_A_MINUTE * dt_s / 60.0), 1.0)
        setpoint = self.setpoint(at)
        target = setpoint + harm.get("overheating", 0.0) - 5.0 * load
        self.fuser = toward(self.fuser, target, dt_s, TAU_S)
        return {
            "fuser_temperature": self.fuser + self.wander.step(z[1], dt_s),
            "fuser_setpoint": setpoint,
            "voltage": 24.0 - 0.15 * load + self.rail.step(z[2], dt_s),
            "toner": self.toner,
            "queue": self.waiting + self.rng.binomial(done.astype(np.int64), 0.2),
            "pages": self.pages,
            "jams": self.jams,
        }
