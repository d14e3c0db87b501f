"""Pure folding: what one record of the log means for the desk's tables."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vorab import records, topics
from vorab.clock import HOUR, Micros
from vorab.frame import Frame
from vorab.frame_join import join
from vorab.records import CaseEvent, CaseKind, Delivery, DeliveryState, Record, Status, type_of

NOT_SENT: Final = "not sent "
"""Start of the names of counts of messages that were not sent; the reason follows."""
KEPT_ROWS: Final = 200_000
"""Most rows of frames kept in memory, for the curves of devices that turn out to be interesting."""
YOUNG: Final = 256
"""Frames that are put aside as one."""
BEFORE: Final[Micros] = 6 * HOUR
AFTER: Final[Micros] = 2 * HOUR
"""How much of a curve before the onset and after the end of a case belongs to its story."""
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
    if event.status is Status.HELD:
        needs = True
    elif not event.status.open or event.kind is CaseKind.APPROVED:
        needs = False
    return CaseRow(event, event.at, needs, event.healed)


def case_of(record: Record) -> str:
    """The case a record belongs to, if it says so."""
    return str(getattr(record, "case", "") or "")


def device_of(record: Record) -> str:
    """The key of the device a record is about, if any; of a consent, the customer's."""
    if isinstance(record, records.Consent):
        return record.of
    return record.key if isinstance(record, records.DeviceRecord) and not isinstance(record, records.Permit) else ""


Points = list[tuple[str, str, Micros, float]]
"""Readings worth keeping: (device, signal, µs, value)."""


@dataclass(slots=True)
class Window:
    """When a device's readings are worth keeping."""

    first: Micros
    until: Micros | None = None


def counted(record: Record) -> list[str]:
    """The counts a record adds one to."""
    found = [type_of(record)]
    if isinstance(record, Delivery) and record.state is DeliveryState.SUPPRESSED:
        found.append(NOT_SENT + record.reason.value)
    return found


SPENT: Final = "goodwill cents "
"""Start of the names of counts of money that was given; the currency follows."""


def spent(record: Record) -> dict[str, int]:
    """The money a record says was given."""
    if isinstance(record, CaseEvent) and record.kind is CaseKind.GOODWILL_GRANTED:
        return {SPENT + record.currency: record.amount_cents}
    return {}


@dataclass(slots=True)
class Curves:
    """The latest frames as they came, and which devices' readings are worth keeping, from when to when.

    Most devices are never looked at: a frame is only put aside, and searched when one of its devices becomes interesting.
    """

    windows: dict[str, list[Window]] = field(default_factory=dict)
    frames: deque[Frame] = field(default_factory=deque)
    rows: int = 0
    young: list[Frame] = field(default_factory=list)
    """The latest frames, until there are enough of them to make a large one that is quickly searched."""

    def take(self, frame: Frame) -> Points:
        """Put a frame aside; returns the readings worth keeping."""
        if not frame.n:
            return []
        self.young.append(frame)
        self.rows += frame.n
        if len(self.young) == YOUNG or frame.n >= YOUNG:
            self.frames.append(join(self.young))
            self.young.clear()
        while self.rows > KEPT_ROWS and len(self.frames) > 1:
            self.rows -= self.frames.popleft().n
        return self._points(frame, frame.devices)

    def watch(self, device: str, first: Micros) -> Points:
        """Readings of this device since a moment (µs) are kept; returns those that were put aside."""
        windows = self.windows.setdefault(device, [])
        if any(window.first <= first and window.until is None for window in windows):
            return []
        windows.append(Window(first))
        return [point for frame in (*self.frames, *self.young) if device in frame.devices for point in self._points(frame, [device])]

    def forget(self, device: str, until: Micros) -> None:
        """Readings of this device later than a moment (µs) are no longer kept."""
        for window in self.windows.get(device, ()):
            if window.until is None:
                window.until = until

    def _points(self, frame: Frame, devices: Sequence[str]) -> Points:
        wanted = {name for name in devices if name in self.windows or name.startswith(RECORDED)}
        if not wanted:
            return []
        found: Points = []
        worth = np.array([name in wanted for name in frame.devices])
        for block in frame.blocks:
            rows = np.flatnonzero(worth[block.device])
            names = [frame.devices[i] for i in block.device[rows].tolist()]
            times = block.measured_at[rows].tolist()
            kept = [self._kept(name, at) for name, at in zip(names, times, strict=True)]
            for signal, column in block.signals.items():
                if column.dtype == np.bool_ or not any(kept):
                    continue
                values = column[rows].astype(float).tolist()
                for name, at, value, keep in zip(names, times, values, kept, strict=True):
                    if keep and math.isfinite(value):
                        found.append((name, signal, at, value))
        return found

    def _kept(self, device: str, at: Micros) -> bool:
        if device.startswith(RECORDED):
            return True
        return any(window.first <= at and (window.until is None or at <= window.until) for window in self.windows.get(device, ()))
