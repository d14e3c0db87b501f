"""What goes wrong: kinds of faults with their sizes, and the seeded plan of which device gets which, when.

Sizes are chosen to be found by somebody who looks closely, not by anybody: `docs/fleet.md` gives them in usual spreads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vorab.clock import DAY, HOUR, Micros
from vorab.fleet.physics.course import Floats, workday

Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]
Span = tuple[float, float]

PUMP: Final = "pump"
PRINTER: Final = "printer"
HEAT_PUMP: Final = "heat-pump"


class Size(NamedTuple):
    """How large a fault is on one signal of a model; what the number means depends on the kind."""

    model: str
    signal: str
    """Where a sensor is at fault, that sensor; where the machine is, the signal that shows it first."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    about: str
    sizes: tuple[Size, ...]
    lasts_h: Span
    ramp_h: Span = (0.0, 0.0)
    """How long it takes to grow; then it stays."""
    either_way: bool = False
    extra: Span = (0.0, 0.0)
    """oscillation: readings per turn; spike: share of readings; reboot_loop: readings between two."""
    physical: bool = False
    """Whether the machine is at fault, not a sensor or the link."""
    at_work: bool = False
    """Whether it begins while people are there."""

    def scaled(self, size: float, scale: float) -> float:
        """Such a size made larger or smaller; what is there or not has none, and noise is at least what it was."""
        if not any(each.signal for each in self.sizes) or self.name == "stuck":
            return size
        return 1.0 + (size - 1.0) * scale if self.name == "noise" else size * scale


def _everywhere(low: float, high: float) -> tuple[Size, ...]:
    return tuple(Size(model, "", low, high) for model in (PUMP, PRINTER, HEAT_PUMP))


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("spike", "single readings far off: a loose shield",
             (Size(PUMP, "pressure", 0.8, 1.5), Size(PRINTER, "fuser_temperature", 50.0, 90.0),
              Size(HEAT_PUMP, "supply_temperature", 12.0, 25.0)),
             (3.0, 8.0), either_way=True, extra=(0.12, 0.25)),
        Kind("drift", "a sensor shows more and more too much, or too little; the number is per day",
             (Size(PUMP, "pressure", 0.2, 0.4), Size(PUMP, "temperature", 10.0, 18.0), Size(PRINTER, "fuser_temperature", 8.0, 16.0),
              Size(PRINTER, "voltage", 0.25, 0.5), Size(HEAT_PUMP, "supply_temperature", 3.0, 6.0)),
             (48.0, 72.0), (48.0, 48.0), either_way=True),
        Kind("stuck", "a sensor gives the same number again and again",
             (Size(PUMP, "pressure", 1.0, 1.0), Size(PUMP, "temperature", 1.0, 1.0), Size(PRINTER, "fuser_temperature", 1.0, 1.0),
              Size(PRINTER, "voltage", 1.0, 1.0), Size(HEAT_PUMP, "supply_temperature", 1.0, 1.0),
              Size(HEAT_PUMP, "outdoor_temperature", 1.0, 1.0)),
             (8.0, 30.0)),
        Kind("noise", "a sensor is so many times as noisy",
             (Size(PUMP, "pressure", 5.0, 8.0), Size(PUMP, "vibration", 5.0, 8.0), Size(PRINTER, "voltage", 5.0, 8.0),
              Size(PRINTER, "fuser_temperature", 5.0, 8.0), Size(HEAT_PUMP, "supply_temperature", 5.0, 8.0)),
             (12.0, 36.0)),
        Kind("oscillation", "a control loop hunts; the number is the amplitude",
             (Size(PUMP, "pressure", 0.10, 0.16), Size(PRINTER, "fuser_temperature", 2.5, 4.0),
              Size(HEAT_PUMP, "supply_temperature", 0.8, 1.3)),
             (12.0, 36.0), extra=(5.0, 10.0)),
        Kind("dropout", "so large a share of the messages is lost on the radio", _everywhere(0.5, 0.75), (8.0, 30.0)),
        Kind("offline", "nothing comes any more", _everywhere(1.0, 1.0), (4.0, 24.0)),
        Kind("reboot_loop", "it starts anew again and again", _everywhere(1.0, 1.0), (4.0, 12.0), extra=(2.0, 6.0)),
        Kind("clock_skew", "its clock is so many minutes off", _everywhere(15.0, 180.0), (8.0, 30.0), either_way=True),
        Kind("leak", "water, m³/h at all hours; refrigerant, share lost",
             (Size(PUMP, "flow", 2.5, 5.0), Size(HEAT_PUMP, "low_pressure", 0.3, 0.5)),
             (48.0, 72.0), (12.0, 24.0), physical=True),
        Kind("wear", "a bearing, mm/s; a compressor, share of power more",
             (Size(PUMP, "vibration", 1.0, 2.0), Size(HEAT_PUMP, "power", 0.25, 0.40)),
             (60.0, 72.0), (24.0, 48.0), physical=True),
        Kind("overheating", "cooling blocked, share of thermal resistance more; a heater stuck, K; hot gas, K",
             (Size(PUMP, "temperature", 0.9, 1.4), Size(PRINTER, "fuser_temperature", 30.0, 50.0),
              Size(HEAT_PUMP, "discharge_temperature", 25.0, 40.0)),
             (4.0, 12.0), (0.25, 1.0), physical=True),
        Kind("jam", "a clogged impeller, times the inner resistance; paper that stays in the printer",
             (Size(PUMP, "flow", 10.0, 20.0), Size(PRINTER, "queue", 1.0, 1.0)),
             (4.0, 10.0), (0.3, 0.3), physical=True, at_work=True),
    )
}  # fmt: skip
"""Kind → what it is."""


@dataclass(frozen=True, eq=False)
class Harm:
    """One fault of one device: the label and what the simulation needs. µs from 1970."""

    device: str
    model: str
    index: int
    """Which of its model."""
    kind: str
    signal: str
    onset: Micros
    end: Micros
    size: float
    ramp: Micros = 0
    extra: float = 0.0
    seed: int = 0

    def during(self, at: Longs) -> Bools:
        """Whether it is there at these times."""
        out: Bools = (at >= self.onset) & (at < self.end)
        return out

    def amount(self, at: Longs) -> Floats:
        """How much of it there is; grows in a straight line while it ramps. A drift's size is per day."""
        most = self.size * self.ramp / DAY if self.kind == "drift" else self.size
        grown = np.ones(len(at)) if self.ramp == 0 else np.clip((at - self.onset) / self.ramp, 0.0, 1.0)
        return np.where(self.during(at), most * grown, 0.0)

    def spikes(self, at: Longs) -> Floats:
        """What single readings are off by; never two in a row. The first reading is one: a fault shows when it begins."""
        rng = np.random.default_rng([self.seed, 0x5B])
        during = self.during(at)
        out = np.zeros(len(at))
        if not during.any():
            return out
        # The same for every cut: drawn from the onset on, one number per reading.
        step = int(at[1] - at[0]) if len(at) > 1 else 1
        total = int((self.end - self.onset) // step) + 2
        chance, size, way = rng.random(total), rng.uniform(0.8, 1.2, total), rng.choice((-1.0, 1.0), total)
        place = ((at[during] - self.onset) // step).astype(np.intp)
        hit = chance < self.extra
        hit[0] = True
        for i in range(1, total):
            hit[i] &= not hit[i - 1]
        out[during] = np.where(hit, self.size * size * way, 0.0)[place]
        return out


class Cell(NamedTuple):
    """A kind on a signal of a model: what the plan deals out evenly."""

    kind: Kind
    size: Size


def cells(model: str) -> list[Cell]:
    """What can go wrong with a model."""
    return [Cell(kind, size) for kind in KINDS.values() for size in kind.sizes if size.model == model]


CALM_DAYS: Final = 5.0
"""At the beginning nothing goes wrong: what learns has something to learn from."""
TURN_DAYS: Final = 11.0
"""At most one fault per device in so many days, so that nobody has to guess which of two an alert means."""
SHARE: Final = 0.5
"""Chance of a fault in a turn."""


def plan(seed: int, start: Micros, days: int, devices: Mapping[str, int], scale: float = 1.0) -> list[Harm]:
    """The faults of a fleet, `devices` of each model, sorted by onset. Every cell is dealt out before one comes again.

    A fault begins while there is time for its whole length and a day more within its turn. `scale` makes all faults larger or smaller
    that have a size; when they happen and to whom stays the same.
    """
    out: list[Harm] = []
    for number, (model, n) in enumerate(sorted(devices.items())):
        rng = np.random.default_rng([seed, 0xFA, number])
        deck: list[Cell] = []
        turns = int((days - CALM_DAYS) // TURN_DAYS)
        for turn in range(turns):
            for index in np.flatnonzero(rng.random(n) < SHARE).tolist():
                if not deck:
                    deck = [cells(model)[i] for i in rng.permutation(len(cells(model))).tolist()]
                first = start + int((CALM_DAYS + turn * TURN_DAYS) * DAY)
                out.append(_deal(deck.pop(), model, index, first, rng, scale))
    return sorted(out, key=lambda harm: (harm.onset, harm.device))


def _deal(cell: Cell, model: str, index: int, first: Micros, rng: np.random.Generator, scale: float) -> Harm:
    kind, size = cell
    lasts = int(rng.uniform(*kind.lasts_h) * HOUR)
    # A fault that waits for people may have to wait for a weekend to pass.
    latest = first + int(TURN_DAYS * DAY) - (3 if kind.at_work else 1) * DAY - lasts
    onset = int(rng.integers(first, latest))
    if kind.at_work:
        day = onset - onset % DAY
        while not workday(day):
            day += DAY
        onset = day + int(rng.uniform(8.5, 13.5) * HOUR)
    sign = -1.0 if kind.either_way and rng.random() < 0.5 else 1.0
    return Harm(
        device=name(model, index),
        model=model,
        index=index,
        kind=kind.name,
        signal=size.signal,
        onset=onset,
        end=onset + lasts,
        size=sign * kind.scaled(float(rng.uniform(size.low, size.high)), scale),
        ramp=int(rng.uniform(*kind.ramp_h) * HOUR),
        extra=float(rng.uniform(*kind.extra)),
        seed=int(rng.integers(2**31)),
    )


def name(model: str, index: int) -> str:
    """The id of a device."""
    return f"{model}-{index + 1:05d}"
