"""Where the readings stand that decided: the offsets of the frames that hold a device's readings of a stretch of time."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.hosts.instance import Layout
from streams.hosts.replay import WAIT_S, offset_at
from vorab.clock import MINUTE, Micros
from vorab.errors import Rejected
from vorab.frame import Frame, decode
from vorab.log import EventLog
from vorab.topics import READINGS

LATE: Final[Micros] = 5 * MINUTE
"""How much later than its time a reading is still looked for."""
MOST_FRAMES: Final = 20_000


class Offsets(NamedTuple):
    """Frames of readings of one partition."""

    topic: str
    partition: int
    first: int
    last: int
    frames: int
    """How many of them hold readings of the device."""

    def __str__(self) -> str:
        """`vorab.readings/3 offsets 1042-1187`."""
        where = f"{self.topic}/{self.partition}"
        return f"{where} offset {self.first}" if self.first == self.last else f"{where} offsets {self.first}-{self.last}"


def offsets(log: EventLog, layout: Layout, device: str, first: Micros, last: Micros) -> Offsets | None:
    """Of the readings of a device (its key) from one moment to another; None where none are kept."""
    topic = layout.name(READINGS)
    partition = layout.partition_of(READINGS, device)
    place = topic, partition
    begin, end = log.begins(topic).get(partition, 0), log.ends(topic).get(partition, 0)
    at = offset_at(log, place, first, begin, end)
    found: list[int] = []
    looked = 0
    while at < end and looked < MOST_FRAMES:
        entries = [entry for entry in log.read({place: at}, limit=500, wait_s=WAIT_S) if entry.offset < end]
        if not entries:
            break
        for entry in entries:
            looked += 1
            try:
                frame = decode(entry.value or b"")
            except Rejected:
                continue
            if frame.now > last + LATE:
                return _found(topic, partition, found)
            if _holds(frame, device, first, last):
                found.append(entry.offset)
        at = entries[-1].offset + 1
    return _found(topic, partition, found)


def _found(topic: str, partition: int, found: list[int]) -> Offsets | None:
    return Offsets(topic, partition, found[0], found[-1], len(found)) if found else None


def _holds(frame: Frame, device: str, first: Micros, last: Micros) -> bool:
    """Whether a frame has a reading of the device of that time."""
    if device not in frame.devices:
        return False
    number = frame.devices.index(device)
    return any(
        bool(((block.device == number) & (block.measured_at >= first) & (block.measured_at <= last)).any()) for block in frame.blocks
    )
