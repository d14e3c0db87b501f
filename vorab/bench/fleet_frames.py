"""What a simulated fleet sends, as ingest would write it: frames of all models in the order of arrival."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vorab.clock import Micros
from vorab.fleet.physics.link import Batch
from vorab.fleet.physics.simulation import MODELS, Simulation
from vorab.frame import Block, Frame
from vorab.records import Contract, Customer, Device


class Fleet:
    """The registry of a simulated fleet: every device with its model, nothing else."""

    def __init__(self, simulation: Simulation) -> None:
        names = {model: simulation.names(model) for model in sorted(simulation.devices)}
        self.devices = {
            f"main/{name}": Device(id=f"main/{name}", device=name, model=model) for model, each in names.items() for name in each
        }

    def device(self, key: str) -> Device | None:
        """The entry of a device."""
        return self.devices.get(key)

    def customer(self, key: str) -> Customer | None:  # noqa: ARG002 - nobody owns a simulated fleet
        """None."""
        return None

    def related(self, key: str, how: str) -> list[Device]:  # noqa: ARG002 - nobody asks
        """Nobody is related to anybody."""
        return []

    def size(self, group: str) -> int:  # noqa: ARG002 - nobody asks
        """Nobody knows."""
        return 0

    def contract(self, key: str) -> Contract | None:  # noqa: ARG002 - nobody asks
        """None."""
        return None


def frames(simulation: Simulation, every: Micros) -> Iterator[Frame]:
    """All that arrives, cut into frames of `every` µs; the frames of a fleet share their list of devices."""
    names = {model: [f"main/{name}" for name in simulation.names(model)] for model in sorted(simulation.devices)}
    devices = [key for each in names.values() for key in each]
    first = {model: devices.index(each[0]) for model, each in names.items()}
    units = {model: {sensor.name: sensor.unit for sensor in MODELS[model].sensors if sensor.unit} for model in names}
    for batches in simulation.batches():
        last = max(int(batch.received_at[-1]) for batch in batches if len(batch))
        begin = min(int(batch.received_at[0]) for batch in batches if len(batch)) // every * every
        for now in range(begin + every, last + every + 1, every):
            cut = [batch.take(np.arange(*np.searchsorted(batch.received_at, (now - every, now)))) for batch in batches]
            yield _frame([batch for batch in cut if len(batch)], now, devices, first, units)


def _frame(batches: Sequence[Batch], now: Micros, devices: list[str], first: dict[str, int], units: dict[str, dict[str, str]]) -> Frame:
    if not batches:
        return Frame(now)
    order = np.argsort(np.concatenate([batch.received_at for batch in batches]), kind="stable")
    row = np.empty(len(order), np.uint32)
    row[order] = np.arange(len(order), dtype=np.uint32)
    blocks, at = [], 0
    for batch in batches:
        blocks.append(
            Block(
                row=row[at : at + len(batch)],
                device=(batch.device + first[batch.model]).astype(np.uint32),
                measured_at=batch.measured_at,
                received_at=batch.received_at,
                quality=batch.quality,
                boot=batch.boot.astype(np.uint32),
                seq=batch.seq.astype(np.uint64),
                signals=dict(batch.signals),
                units=units[batch.model],
            )
        )
        at += len(batch)
    return Frame(now, devices, blocks)
