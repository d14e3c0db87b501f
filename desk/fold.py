"""Pure folding: what one record of the log means for the desk's tables."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vorab import records, topics
from vorab.clock import Micros
from vorab.frame import Frame
from vorab.records import CaseEvent, CaseKind, Delivery, DeliveryState, Record, type_of

NOT_SENT: Final = "not sent "
"""Start of the names of counts of messages that were not sent; the reason follows."""
KEPT_ROWS: Final = 200_000
"""Most rows of frames kept in memory, for the curves of devices that turn out to be interesting."""
RECORDED: Final = topics.RECORDED_TENANT + "/"
"""Recorded devices are few, and their whole curve is the story."""


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


Points = list[tuple[str, str, Micros, float]]
"""Readings worth keeping: (device, signal, µs, value)."""


def counted(record: Record) -> list[str]:
    """The counts a record adds one to."""
    found = [type_of(record)]
    if isinstance(record, Delivery) and record.state is DeliveryState.SUPPRESSED:
        found.append(NOT_SENT + record.reason.value)
    return found


@dataclass(slots=True)
class Curves:
    """The latest frames as they came, and which devices' readings are worth keeping.

    Most devices are never looked at: a frame is only put aside, and searched when one of its devices becomes interesting.
    """

    watched: set[str] = field(default_factory=set)
    """Devices with an open case."""
    frames: deque[Frame] = field(default_factory=deque)
    rows: int = 0

    def take(self, frame: Frame) -> Points:
        """Put a frame aside; returns the readings of watched devices."""
        if not frame.n:
            return []
        self.frames.append(frame)
        self.rows += frame.n
        while self.rows > KEPT_ROWS and len(self.frames) > 1:
            self.rows -= self.frames.popleft().n
        interesting = {i for i, name in enumerate(frame.devices) if name in self.watched or name.startswith(RECORDED)}
        return _points(frame, interesting) if interesting else []

    def watch(self, device: str) -> Points:
        """From now on the readings of this device are kept; returns what was put aside of it."""
        if device in self.watched:
            return []
        self.watched.add(device)
        found: Points = []
        for frame in self.frames:
            if device in frame.devices:
                found += _points(frame, {frame.devices.index(device)})
        return found

    def forget(self, device: str) -> None:
        """Its readings are no longer kept."""
        self.watched.discard(device)


def _points(frame: Frame, devices: set[int]) -> Points:
    found: Points = []
    wanted = np.fromiter(devices, dtype=np.uint32)
    for block in frame.blocks:
        rows = np.flatnonzero(np.isin(block.device, wanted))
        if not rows.size:
            continue
        names = [frame.devices[i] for i in block.device[rows].tolist()]
        times = block.measured_at[rows].tolist()
        for signal, column in block.signals.items():
            if column.dtype == np.bool_:
                continue
            values = column[rows].astype(float)
            found += [(n, signal, at, v) for n, at, v in zip(names, times, values.tolist(), strict=True) if v == v]  # noqa: PLR0124 - NaN is no reading
    return found
