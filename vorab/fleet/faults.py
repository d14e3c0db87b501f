"""What can go wrong with a machine, as a table, and the seeded plan of which machine gets what, when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from vorab.clock import HOUR, MINUTE, Micros
from vorab.fleet.models import HEAT_PUMP, PRINTER, PUMP

ANY: Final = "*"


class Answer(StrEnum):
    """What a machine with the fault answers to a restart."""

    OK = "succeeded"
    FAILED = "failed"
    NONE = "none"
    """Nothing: nobody is listening."""


class Shows(StrEnum):
    """How a fault becomes visible from outside."""

    BAND = "band"
    """A signal leaves its normal band."""
    SILENCE = "silence"
    FLAT = "flat"
    """The signals stop moving, inside their band."""


class Left(StrEnum):
    """What a restart that heals nothing does."""

    AS_IT_WAS = "as_it_was"
    RELIEVED = "relieved"
    """It is well for ten minutes."""
    SILENT = "silent"
    """It is not heard again."""
    FROZEN = "frozen"
    """It reports the values of a moment when it was well, for ever."""


RELIEF: Final[Micros] = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: which hidden quantities it pulls where, how fast, and what a restart does about it."""

    kind: str
    model: str
    about: str
    signal: str
    """The signal that shows it first; empty: all."""
    pulls: Mapping[str, float]
    """Hidden quantity → the value it is pulled to."""
    ramp_us: Micros = 0
    """How long the pull takes; 0 is at once."""
    restart_heals: bool = False
    restart_leaves: Left = Left.AS_IT_WAS
    """What a restart that heals nothing leaves behind; the machine answers as `answer` says all the same."""
    port_heals: bool = False
    """Whether it goes when the port it hangs on is restarted."""
    answer: Answer = Answer.OK
    clears_after_us: Micros | None = None
    """Goes away by itself after this long; None: stays."""
    shows: Shows = Shows.BAND

    def fits(self, model: str) -> bool:
        """Whether a machine of the model can have it."""
        return self.model in {ANY, model}


FAULTS: Final[dict[str, Fault]] = {
    fault.kind: fault
    for fault in (
        Fault("controller_hang", PUMP, "the controller hangs at low speed: pressure sags", "pressure",
              {"speed": 0.6}, 2 * MINUTE, restart_heals=True),
        Fault("air_lock", PUMP, "air in the housing, the pump runs dry: vibration jumps", "vibration",
              {"air": 0.85}, 4 * MINUTE, restart_heals=True),
        Fault("bearing_wear", PUMP, "a bearing goes: vibration first, then heat; a restart changes nothing", "vibration",
              {"wear": 1.0}, 3 * HOUR),
        Fault("fuser_overheat", PRINTER, "the fuser's control loop is stuck on: it overheats", "fuser_temperature",
              {"fuser": 236.0}, 5 * MINUTE, restart_heals=True),
        Fault("toner_feed_blocked", PRINTER, "toner no longer reaches the drum; the printer believes it does", "toner_feed",
              {"feed": 0.12}, 10 * MINUTE),
        Fault("spooler_stuck", PRINTER, "the spooler takes jobs and prints none: the queue grows", "queue",
              {"backlog": 60.0, "page_rate": 0.0}, 90 * MINUTE, restart_heals=True),
        Fault("paper_jam", PRINTER, "paper in the path: jams count up, the queue grows, a restart fails", "queue",
              {"backlog": 48.0, "page_rate": 0.0, "jam_rate": 12.0}, 75 * MINUTE, answer=Answer.FAILED),
        Fault("valve_stuck", HEAT_PUMP, "the expansion valve is stuck nearly shut: suction pressure falls", "pressure",
              {"opening": 0.3}, 4 * MINUTE, restart_heals=True),
        Fault("refrigerant_leak", HEAT_PUMP, "refrigerant leaks: pressure falls over hours", "pressure",
              {"charge": 0.35}, 3 * HOUR),
        Fault("coil_iced", HEAT_PUMP, "the coil is iced over: low pressure until the ice melts", "pressure",
              {"ice": 1.0}, 15 * MINUTE, clears_after_us=150 * MINUTE),
        Fault("network_dead", ANY, "the network module dies: silence", "",
              {"link": 0.0}, answer=Answer.NONE, shows=Shows.SILENCE),
        Fault("network_flaky", ANY, "the link is away for three quarters of an hour", "",
              {"link": 0.0}, answer=Answer.NONE, clears_after_us=45 * MINUTE, shows=Shows.SILENCE),
        Fault("sensor_noise", ANY, "a loose plug: all sensors are noisy", "",
              {"sensor_noise": 40.0}, 5 * MINUTE),
        Fault("sensor_flat", ANY, "the sensor board hangs: all values stand still", "",
              {"frozen": 1.0}, restart_heals=True, shows=Shows.FLAT),
    )
}  # fmt: skip


ORDINARY: Final = tuple(FAULTS)
"""What happens to machines anywhere; the others are made to try vorab."""

FAULTS["port_hung"] = Fault(
    "port_hung", PRINTER, "the port it hangs on is stuck: it speaks, and nobody hears", "", {"link": 0.0}, answer=Answer.NONE,
    port_heals=True, shows=Shows.SILENCE,
)  # fmt: skip
DECEIVING: Final = tuple(Left)
"""The ways in which a machine says it is done and is not."""
FAULTS.update(
    {
        f"{kind}.{left}": replace(FAULTS[kind], kind=f"{kind}.{left}", restart_heals=False, restart_leaves=left)
        for kind in ("controller_hang", "air_lock", "valve_stuck", "fuser_overheat")
        for left in DECEIVING
    }
)


class Planned(NamedTuple):
    """One fault of a plan."""

    machine: str
    kind: str
    at: Micros


def plan(
    seed: int, start: Micros, end: Micros, machines: Mapping[str, str], *, share: float = 0.08, calm: Micros = 30 * MINUTE
) -> list[Planned]:
    """A seeded plan: a share of the machines gets one fault each, after a calm while and early enough to be seen.

    `machines` maps the id of a machine to its model. Sorted by time; the same arguments give the same plan.
    """
    rng = np.random.default_rng([seed, 0xFA])
    ids = sorted(machines)
    chosen = rng.permutation(len(ids))[: round(share * len(ids))]
    first = start + calm
    last = max(first + 1, end - 2 * HOUR)
    planned = []
    for index in chosen:
        fitting = [kind for kind in ORDINARY if FAULTS[kind].fits(machines[ids[index]])]
        kind = fitting[int(rng.integers(len(fitting)))]
        planned.append(Planned(ids[index], kind, int(rng.integers(first, last))))
    return sorted(planned, key=lambda row: (row.at, row.machine))


def schedules(rows: Sequence[Planned]) -> dict[str, list[tuple[Micros, Fault]]]:
    """The plan by machine, in order of time."""
    by_machine: dict[str, list[tuple[Micros, Fault]]] = {}
    for row in sorted(rows, key=lambda row: row.at):
        by_machine.setdefault(row.machine, []).append((row.at, FAULTS[row.kind]))
    return by_machine
