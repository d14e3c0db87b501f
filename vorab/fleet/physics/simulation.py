"""A whole fleet, day by day: physics, sensors and links of all devices of a model at once, with the faults of the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final, Protocol

import numpy as np

from vorab.clock import DAY, MINUTE, SECOND, Micros
from vorab.fleet.physics.course import Floats
from vorab.fleet.physics.harm import HEAT_PUMP, KINDS, PRINTER, PUMP, Harm, Longs, name, plan
from vorab.fleet.physics.heat_pump import HeatPumps
from vorab.fleet.physics.link import Batch, Link
from vorab.fleet.physics.printer import Printers
from vorab.fleet.physics.pump import Pumps
from vorab.fleet.physics.sensors import Senses, Sensor

START: Final[Micros] = 20_458 * DAY
"""2026-01-05, a Monday in the heating season."""
PERIOD: Final[Micros] = 5 * MINUTE
SHARES: Final = {PUMP: 0.4, PRINTER: 0.25, HEAT_PUMP: 0.35}


class Machines(Protocol):
    """All machines of a model."""

    model: ClassVar[str]
    sensors: ClassVar[tuple[Sensor, ...]]
    substeps: ClassVar[int]

    def __init__(self, rng: np.random.Generator, n: int, at: Micros) -> None:
        """`n` machines that have been running for long, at `at`."""

    def step(self, at: Micros, dt_s: float, harm: Mapping[str, Floats]) -> dict[str, Floats]:
        """Go on for `dt_s` seconds up to `at`; the true values of all signals."""


MODELS: Final[dict[str, type[Machines]]] = {PUMP: Pumps, PRINTER: Printers, HEAT_PUMP: HeatPumps}


def shares(devices: int) -> dict[str, int]:
    """How many of each model make a fleet of so many."""
    pumps, printers = round(devices * SHARES[PUMP]), round(devices * SHARES[PRINTER])
    return {PUMP: pumps, PRINTER: printers, HEAT_PUMP: devices - pumps - printers}


class Simulation:
    """A fleet and its faults.

    Args:
        seed: Everything follows from it.
        devices: How many, of all models.
        days: Whole days from `start` on.
        start: 00:00, µs.
        period: Between two readings of a device, µs.
        scale: How large the faults are, 1 is as `harm` says.
        harms: The faults; without, they are planned by the seed.
    """

    def __init__(
        self,
        seed: int,
        devices: int,
        days: int,
        *,
        start: Micros = START,
        period: Micros = PERIOD,
        scale: float = 1.0,
        harms: Sequence[Harm] | None = None,
    ) -> None:
        self.seed, self.days, self.start, self.period = seed, days, start, period
        self.devices = {model: n for model, n in shares(devices).items() if n}
        self.harms = list(plan(seed, start, days, self.devices, scale) if harms is None else harms)
        """The labels."""

    @property
    def end(self) -> Micros:
        """The first moment after it."""
        return self.start + self.days * DAY

    def names(self, model: str) -> list[str]:
        """The ids of the devices of a model."""
        return [name(model, index) for index in range(self.devices[model])]

    def batches(self) -> Iterator[list[Batch]]:
        """What arrives, one list per day with a batch per model; the last day has also what comes later."""
        kinds = [_Model(self, model, n, number) for number, (model, n) in enumerate(sorted(self.devices.items()))]
        for day in range(self.days):
            first = self.start + day * DAY
            yield [kind.day(first, last=day == self.days - 1) for kind in kinds]


class _Model:
    """All devices of one model."""

    def __init__(self, fleet: Simulation, model: str, n: int, number: int) -> None:
        def rng(part: int) -> np.random.Generator:
            return np.random.default_rng([fleet.seed, number, part])

        self.model, self.n, self.period = model, n, fleet.period
        self.machines: Machines = MODELS[model](rng(1), n, fleet.start)
        self.senses = {sensor.name: Senses(sensor, rng(10 + place), n) for place, sensor in enumerate(self.machines.sensors)}
        self.link = Link(rng(2), n, fleet.start, fleet.days, fleet.period)
        self.harms = [harm for harm in fleet.harms if harm.model == model]
        self._late: Batch | None = None

    def day(self, first: Micros, *, last: bool) -> Batch:
        """What arrives on a day."""
        at: Longs = np.arange(first, first + DAY, self.period, dtype=np.int64)
        harms = [harm for harm in self.harms if harm.onset < first + DAY and harm.end > first - self.period]
        true = self._physics(at, [harm for harm in harms if physical(harm)])
        sensed = {
            name: self.senses[name].read(column, at, [h for h in harms if h.signal == name and not physical(h)], self.period)
            for name, column in true.items()
        }
        batch = self.link.carry(self.model, at, sensed, harms)
        if self._late is not None:
            batch = self._late.then(batch)
        if not last:
            late = batch.received_at >= first + DAY
            self._late, batch = batch.take(late), batch.take(~late)
        return batch

    def _physics(self, at: Longs, harms: Sequence[Harm]) -> dict[str, Floats]:
        forces: dict[str, Floats] = {}
        for harm in harms:
            force = forces.setdefault(harm.kind, np.zeros((len(at), self.n)))
            amount = harm.amount(at)
            if harm.kind == "oscillation":
                amount = amount * np.sin(2 * np.pi * (at - harm.onset) / (harm.extra * self.period))
            force[:, harm.index] += amount
        out = {sensor.name: np.empty((len(at), self.n)) for sensor in self.machines.sensors}
        substeps = self.machines.substeps
        part = self.period // substeps
        for step, now in enumerate(at.tolist()):
            harm_now = {kind: force[step] for kind, force in forces.items()}
            for sub in range(substeps):
                values = self.machines.step(now - (substeps - 1 - sub) * part, part / SECOND, harm_now)
            for key, value in values.items():
                out[key][step] = value
        return out


def physical(harm: Harm) -> bool:
    """Whether the machine itself is at fault: then the signals follow by physics. The pump's own loop hunts, too."""
    return KINDS[harm.kind].physical or (harm.kind == "oscillation" and harm.model == PUMP)
