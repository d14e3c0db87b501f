"""Made-up telemetry with a known number of faults, for the benchmarks that need no broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from vorab.clock import SECOND, Micros
from vorab.frame import Block, Frame

START: Final[Micros] = 1_795_000_000 * SECOND
SIGNALS: Final = ("temperature", "vibration", "pressure")
# One cycle of twenty readings of a hot device: 0 is normal, 1 hot, 2 in the hysteresis band. One fault in each.
_CYCLE: Final = np.array([0, 1, 0, 0, 1, 1, 1, 1, 1, 2, 2, 1, 1, 1, 0, 0, 1, 1, 0, 0])


def temperatures(n: int, devices: int, seed: int = 7) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The temperature of reading i, which is the device i % devices; every twentieth device goes hot."""
    rng = np.random.default_rng(seed)
    index = np.arange(n)
    device, turn = index % devices, index // devices
    kind = np.where(device % 20 == 0, _CYCLE[(turn + device // 20 * 7) % 20], 0)
    low, high = np.array([60.0, 91.0, 86.0])[kind], np.array([80.0, 96.0, 89.0])[kind]
    return np.round(rng.uniform(low, high), 2)


def frames(n: int, devices: int, rows: int = 500, *, step: Micros = 1_000) -> Iterator[Frame]:
    """`n` readings of three signals in frames of `rows`, one reading every `step` µs."""
    rng = np.random.default_rng(8)
    temperature = temperatures(n, devices)
    names = [f"main/dev-{i:05d}" for i in range(devices)]
    for first in range(0, n, rows):
        index = np.arange(first, min(first + rows, n))
        present, device = np.unique(index % devices, return_inverse=True)
        at = START + index * step
        count = len(index)
        block = Block(
            row=np.arange(count, dtype=np.uint32),
            device=device.astype(np.uint32),
            measured_at=at,
            received_at=at + 2_000,
            quality=np.zeros(count, np.uint8),
            signals={
                "temperature": temperature[first : first + count],
                "vibration": np.round(rng.random(count), 3),
                "pressure": np.round(3 + rng.random(count) * 3, 2),
            },
        )
        yield Frame(int(at[-1]) + 2_000, [names[i] for i in present.tolist()], [block])


def expected_faults(n: int, devices: int) -> int:
    """How often `temperature > 90` three times in a row raises, `< 85` clearing, reading by reading."""
    temperature = temperatures(n, devices)
    faults = 0
    for device in range(0, devices, 20):
        count, active = 0, False
        for value in temperature[device::devices].tolist():
            count = count + 1 if value > 90 else 0
            if count >= 3 and not active:
                active, faults = True, faults + 1
            active = active and value >= 85
    return faults
