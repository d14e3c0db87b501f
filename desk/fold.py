"""Pure folding: what one record of the log means for the desk's tables."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vorab import records
from vorab.clock import HOUR, Micros
from vorab.frame import Frame
from vorab.records import CaseEvent, CaseKind, Record

RING: Final = 240
"""Readings kept in memory per device and signal: at five minutes each, a day."""
BEFORE: Final[Micros] = 6 * HOUR
"""How much of a curve before a case opens belongs to its story."""


@dataclass(slots=True)
class CaseRow:
    """A case as one row: its last event and what follows from all."""

    last: CaseEvent
    changed_at: Micros
    needs_person: bool
    healed: bool


def fold_case(before: CaseRow | None, event: CaseEvent) -> CaseRow:
    """The row after one more event; events of a case come in order."""
    needs = before.needs_person if before else False
    if event.kind is CaseKind.HANDED_OVER:
        needs = True
    if not event.status.open:
        needs = False
    healed = event.healed or (before.healed if before else False)
    if event.kind is CaseKind.RELAPSED:
        healed = False
    return CaseRow(event, event.at, needs, healed)


def case_of(record: Record) -> str:
    """The case a record belongs to, if it says so."""
    return str(getattr(record, "case", "") or "")


def device_of(record: Record) -> str:
    """The key of the device a record is about, if any."""
    return record.key if isinstance(record, records.DeviceRecord) and not isinstance(record, records.Permit) else ""


@dataclass(slots=True)
class Curves:
    """The latest readings of every signal, in memory, and which devices' readings are worth keeping."""

    watched: set[str] = field(default_factory=set)
    """Devices with a case, open or recently closed."""
    rings: dict[tuple[str, str], deque[tuple[Micros, float]]] = field(default_factory=dict)
    last_at: dict[str, Micros] = field(default_factory=dict)

    def take(self, frame: Frame) -> list[tuple[str, str, Micros, float]]:
        """Remember a frame; returns the points of watched devices: (device, signal, µs, value)."""
        worth: list[tuple[str, str, Micros, float]] = []
        for block in frame.blocks:
            names = [frame.devices[i] for i in block.device.tolist()]
            times = block.measured_at.tolist()
            for name, at in zip(names, times, strict=True):
                self.last_at[name] = at
            for signal, column in block.signals.items():
                if column.dtype == np.bool_:
                    continue
                for name, at, value in zip(names, times, column.astype(float).tolist(), strict=True):
                    self._remember(name, signal, at, value)
                    if name in self.watched:
                        worth.append((name, signal, at, value))
        return worth

    def _remember(self, device: str, signal: str, at: Micros, value: float) -> None:
        ring = self.rings.get((device, signal))
        if ring is None:
            ring = self.rings[device, signal] = deque(maxlen=RING)
        ring.append((at, value))

    def watch(self, device: str) -> list[tuple[str, str, Micros, float]]:
        """From now on the readings of this device are kept; returns what the ring still holds of it."""
        if device in self.watched:
            return []
        self.watched.add(device)
        return [(name, signal, at, value) for (name, signal), ring in self.rings.items() if name == device for at, value in ring]
