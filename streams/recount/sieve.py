"""The readings of a few devices of a partition, sifted out of what stands there.

Whatever else was said is only told as time, often enough for those who judge silence; where time made a leap it is told exactly, with the
rows that show it, because a partition that nobody listened to is no crowd of silent devices. Ticks that the log has forgotten are told anew
where offsets are missing, and as many as there were ticks in that time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.detect.rows import part
from streams.hosts.replay import WAIT_S
from streams.trials.csvframes import passing
from vorab.clock import MINUTE, Micros
from vorab.errors import Rejected
from vorab.frame import Block, Frame, decode
from vorab.log import Entry, EventLog, Position

LIMIT: Final = 500
_MISSED_TICKS: Final = 3
"""As a replay has it: missing offsets are forgotten ticks where there is one in so many intervals between ticks or more."""

Bools = NDArray[np.bool_]


class _Head(msgspec.Struct):
    """What is read of every frame; its columns are passed over."""

    now: int
    n: int = 0
    devices: list[str] = []


_head: Final = msgspec.msgpack.Decoder(_Head).decode


class Sieve:
    """Sifts one partition, once."""

    def __init__(self, log: EventLog, place: Position, devices: set[str], limits: Sequence[Micros], tick: Micros) -> None:
        """`devices` are keys; `limits` are those of silence (µs); `tick` is how often ingest ticks, in the readings' time (µs)."""
        self._log, self._place, self._devices, self._limits, self._tick = log, place, devices, limits, tick
        self._leap: Micros | None = min(limits) // 2 if limits else None
        self._step = max(min(limits) // 8, 1) if limits else MINUTE
        self._told: Micros | None = None
        """The last time that was passed on."""
        self._now: Micros | None = None
        """The time of the last frame, passed on or not."""
        self.next = 0
        """The next offset."""
        self.first: Micros | None = None
        """The time of the first frame."""
        self.began: Micros = 0
        self.ended: Micros = 0
        """Wall times at which the first and the last were appended."""
        self.gaps = False
        """Whether offsets are missing."""

    def frames(self, begin: int, end: int) -> Iterator[Frame]:
        """What the devices said, and times, in their order; a frame without rows is a time."""
        self.next = begin
        while self.next < end:
            entries = self._log.read({self._place: self.next}, limit=LIMIT, wait_s=WAIT_S)
            if not entries:  # what is missing at the end was deleted
                break
            for entry in entries:
                if entry.offset < end:
                    yield from self._sift(entry)
                self.next = entry.offset + 1
        if self._now is not None and self._now != self._told:  # how late it is at the end decides who is silent
            yield Frame(self._now)

    def _sift(self, entry: Entry) -> Iterator[Frame]:
        missing = entry.offset - self.next
        self.gaps = self.gaps or missing > 0
        try:
            head = _head(entry.value or b"")
        except msgspec.MsgspecError:
            return
        self.began, self.ended = self.began or entry.appended_at, entry.appended_at
        self.first = head.now if self.first is None else self.first
        before = self._now
        if before is not None and missing and self._step <= head.now - before <= (missing + 1) * self._tick * _MISSED_TICKS:
            for time in passing(before, head.now - 1, self._limits):
                yield Frame(time)
                before = self._told = time
        leaps = before is None or (self._leap is not None and head.now - before >= self._leap)
        if leaps and before is not None and before != self._told:
            yield Frame(before)
        self._now = head.now if before is None else max(head.now, before)
        frame = Frame(head.now)
        if head.n and (leaps or not self._devices.isdisjoint(head.devices)):
            try:
                frame = self._part(decode(entry.value or b""), (before or 0) if leaps else None)
            except Rejected:
                return
        if leaps or frame.n or self._told is None or head.now - self._told >= self._step:
            self._told = head.now
            yield frame

    def _part(self, frame: Frame, before: Micros | None) -> Frame:
        """The rows of these devices; after a leap of time (since `before`), those that show it as well."""
        mine = np.array([key in self._devices for key in frame.devices], bool)
        wanted = [mine[block.device] for block in frame.blocks]
        if before is not None and self._leap is not None:
            order = np.argsort(np.concatenate([block.row for block in frame.blocks]), kind="stable")
            received = np.concatenate([block.received_at for block in frame.blocks])[order]
            steps = np.diff(np.maximum.accumulate(np.concatenate([[before], received])))
            leap = np.zeros(len(order), bool)
            leap[order] = steps >= self._leap
            ends = np.cumsum([len(block) for block in frame.blocks])
            wanted = [some | here for some, here in zip(wanted, np.split(leap, ends[:-1]), strict=True)]
        blocks = [_rows(block, some) for block, some in zip(frame.blocks, wanted, strict=True) if some.any()]
        spoke = np.unique(np.concatenate([block.device for block in blocks])) if blocks else np.zeros(0, np.int64)
        number = np.zeros(len(frame.devices) + 1, np.uint32)
        number[spoke] = np.arange(len(spoke))
        for block in blocks:
            block.device = number[block.device]
        return Frame(frame.now, [frame.devices[index] for index in spoke.tolist()], blocks)


def _rows(block: Block, which: Bools) -> Block:
    at = np.flatnonzero(which)
    return part(block, at, block.row[at], block.device[at])
