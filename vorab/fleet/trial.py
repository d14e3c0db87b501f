"""A trial for remedies: machines of which each breaks once, and half of those cannot be cured but say they were. A table to judge by.

Half are healed by a restart. The others answer *done* as well: nothing changes, or they are well for ten minutes, or are not heard
again, or go on to report the values of a moment when they were well. And some printers are well and cannot be heard, because the port
they hang on is stuck: only their gateway can help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vorab.clock import HOUR, MINUTE, Micros
from vorab.fleet.faults import DECEIVING, Planned
from vorab.fleet.models import GATEWAY, HEAT_PUMP, PRINTER, PUMP
from vorab.records import Customer, Device, Purpose
from vorab.topics import DEFAULT_TENANT, key_of

CALM: Final[Micros] = 45 * MINUTE
"""Before the first fault."""
BREAK_WITHIN: Final[Micros] = 4 * HOUR
"""Then they break, in this time."""
LASTS: Final[Micros] = CALM + BREAK_WITHIN + 3 * HOUR
"""After this everything is decided."""
PORTS: Final = 10
"""Printers at a gateway."""
_KINDS: Final = ((PUMP, "controller_hang"), (HEAT_PUMP, "valve_stuck"), (PUMP, "air_lock"), (PRINTER, "fuser_overheat"))
PORT: Final = "port_hung"


@dataclass(frozen=True, slots=True)
class Trial:
    """A fleet, what breaks in it, and what it should come to."""

    machines: Mapping[str, str]
    """Device id → model."""
    parents: Mapping[str, str]
    plan: Sequence[Planned]
    at: Micros

    @property
    def kinds(self) -> dict[str, str]:
        """Device id → the kind of its fault."""
        return {row.machine: row.kind for row in self.plan}

    def devices(self) -> list[Device]:
        """The registry: everybody has agreed to remote repair; gateways are the operator's own."""
        return [
            Device(
                id=key_of(DEFAULT_TENANT, name), device=name, model=model, name=name.replace("-", " ").capitalize(),
                site=f"site-{number % 40}", parent=self.parents.get(name, ""), customer="" if model == GATEWAY else f"c-{number % 97:03}",
                remote_repair=None if model == GATEWAY else True, at=self.at,
            )
            for number, (name, model) in enumerate(self.machines.items())
        ]  # fmt: skip

    def customers(self) -> list[Customer]:
        """Who owns them."""
        names = sorted({device.customer for device in self.devices() if device.customer})
        return [Customer(id=key_of(DEFAULT_TENANT, name), customer=name, purposes={Purpose.SERVICE: True}, at=self.at) for name in names]


def trial(faults: int, *, seed: int = 0, start: Micros = 0) -> Trial:
    """So many machines that break, and a twentieth more printers that cannot be heard, behind gateways; begins at `start` (µs)."""
    rng = np.random.default_rng([seed, 0x7A])
    machines: dict[str, str] = {}
    parents: dict[str, str] = {}
    plan: list[Planned] = []
    curable = rng.permutation(faults) < -(-faults // 2)
    for number in range(faults):
        model, kind = _KINDS[number % len(_KINDS)]
        name = f"{model}-{number:04}"
        machines[name] = model
        way = "" if curable[number] else f".{DECEIVING[int(rng.integers(len(DECEIVING)))]}"
        plan.append(Planned(name, kind + way, start + CALM + int(rng.integers(BREAK_WITHIN))))
    for number in range(faults // 20):
        gateway, name = f"gateway-{number // PORTS:02}", f"printer-p{number:03}"
        machines[gateway], machines[name], parents[name] = GATEWAY, PRINTER, gateway
        plan.append(Planned(name, PORT, start + CALM + int(rng.integers(BREAK_WITHIN))))
    return Trial(machines, parents, sorted(plan, key=lambda row: (row.at, row.machine)), start)
