"""End-to-end acknowledgements: what of a device's messages is in the log, told to the device itself. Pure.

An MQTT broker acknowledges for itself: it may lose afterwards what it has acknowledged. Firmware that wants more sends `acked` beside
`boot` and `seq`: the last number of this boot it knows to be in the log, 0 for none. It is answered with the highest number up to which
nothing is missing, and sends again what stays unanswered.

Nothing is kept on disk: a worker that starts takes the device's own `acked` as its base. What is forgotten here, of a device that was
silent for long or spoke too far out of order, is sent again and counts once; it is never acknowledged by mistake.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ingest.refusals import Note
from ingest.topicmap import PREFIX
from vorab.clock import HOUR, SECOND, Micros

PAUSE: Final[Micros] = SECOND // 4
"""Between two acknowledgements to a device: a burst gets one, not one per message."""
IDLE: Final[Micros] = HOUR
MOST_DEVICES: Final = 50_000
MOST_BOOTS: Final = 2
"""The present boot of a device, and the one before with messages that were left over."""
MOST_AHEAD: Final = 1024
"""Numbers remembered of a boot while an earlier one is missing."""
MOST_AHEAD_IN_ALL: Final = 200_000


class Mark(NamedTuple):
    """A message that wants to be acknowledged end to end."""

    key: str
    boot: int
    seq: int
    acked: int


@dataclass(slots=True)
class _Boot:
    whole: int = 0
    """Everything up to this number is in the log, or the device has said so."""
    ahead: set[int] = field(default_factory=set)
    """In the log as well, behind a number that is missing."""
    told: int = 0
    told_at: Micros = 0


@dataclass(slots=True)
class _Device:
    heard_at: Micros = 0
    boots: OrderedDict[int, _Boot] = field(default_factory=OrderedDict)


class AckBook:
    """Told of every message once the log has it; answers with what to tell its device, and when."""

    def __init__(self, speed: float = 1.0) -> None:
        """`speed` is the clock's."""
        self._pause, self._idle = int(PAUSE * speed), int(IDLE * speed)
        self._devices: OrderedDict[str, _Device] = OrderedDict()
        self._ahead = 0
        self._owed: dict[tuple[str, int], Micros] = {}
        """What is to be told, and when."""
        self._next: Micros = 0

    def __len__(self) -> int:
        """Devices remembered."""
        return len(self._devices)

    # ----------------------------------------------------------------------------------------------- events

    def stored(self, marks: Iterable[Mark], now: Micros) -> list[Note]:
        """The log has these messages; what to tell their devices at once."""
        again: set[tuple[str, int]] = set()
        touched: dict[tuple[str, int], _Boot] = {}
        for mark in marks:
            boot = self._boot(mark.key, mark.boot, now)
            if mark.seq <= boot.told:
                # Sent again though it was acknowledged: that acknowledgement was lost.
                again.add(mark[:2])
            self._store(boot, mark)
            touched[mark[:2]] = boot
        return [note for place, boot in touched.items() if (note := self._settle(place, boot, now, at_once=place in again)) is not None]

    def due(self, now: Micros) -> list[Note]:
        """What is to be told by now."""
        self._forget(now)
        if not self._owed or now < self._next:
            return []
        notes = []
        for place in [place for place, at in self._owed.items() if at <= now]:
            key, number = place
            device = self._devices.get(key)
            boot = device.boots.get(number) if device else None
            if boot is None:
                del self._owed[place]
            else:
                notes.append(self._tell(place, boot, now))
        self._next = min(self._owed.values(), default=0)
        return notes

    def wait(self, now: Micros) -> Micros:
        """How long until something is due; an hour where nothing is."""
        return max(0, self._next - now) if self._owed else HOUR

    # ----------------------------------------------------------------------------------------------- inside

    def _boot(self, key: str, number: int, now: Micros) -> _Boot:
        device = self._devices.setdefault(key, _Device())
        self._devices.move_to_end(key)
        device.heard_at = now
        boot = device.boots.setdefault(number, _Boot())
        device.boots.move_to_end(number)
        if len(device.boots) > MOST_BOOTS:
            self._drop(device.boots.popitem(last=False)[1])
        if len(self._devices) > MOST_DEVICES:
            self._drop(*self._devices.popitem(last=False)[1].boots.values())
        return boot

    def _store(self, boot: _Boot, mark: Mark) -> None:
        if mark.acked > boot.whole:
            boot.whole = mark.acked
            self._keep(boot, {number for number in boot.ahead if number > boot.whole})
        boot.told = max(boot.told, mark.acked)
        if mark.seq == boot.whole + 1:
            boot.whole = mark.seq
        elif mark.seq > boot.whole and mark.seq not in boot.ahead and len(boot.ahead) < MOST_AHEAD and self._ahead < MOST_AHEAD_IN_ALL:
            boot.ahead.add(mark.seq)
            self._ahead += 1
        while boot.whole + 1 in boot.ahead:
            boot.whole += 1
            boot.ahead.remove(boot.whole)
            self._ahead -= 1

    def _keep(self, boot: _Boot, ahead: set[int]) -> None:
        self._ahead -= len(boot.ahead) - len(ahead)
        boot.ahead = ahead

    def _settle(self, place: tuple[str, int], boot: _Boot, now: Micros, *, at_once: bool) -> Note | None:
        if at_once or (boot.whole > boot.told and (now - boot.told_at >= self._pause or now < boot.told_at)):
            return self._tell(place, boot, now)
        if boot.whole > boot.told and place not in self._owed:
            at = boot.told_at + self._pause
            self._next = min(at, self._next) if self._owed else at
            self._owed[place] = at
        return None

    def _tell(self, place: tuple[str, int], boot: _Boot, now: Micros) -> Note:
        self._owed.pop(place, None)
        boot.told, boot.told_at = boot.whole, now
        return Note(f"{PREFIX}/{place[0]}/ack", json.dumps({"boot": place[1], "seq": boot.whole}).encode())

    def _forget(self, now: Micros) -> None:
        while self._devices:
            device = next(iter(self._devices.values()))
            if 0 <= now - device.heard_at < self._idle:
                return
            self._drop(*self._devices.popitem(last=False)[1].boots.values())

    def _drop(self, *boots: _Boot) -> None:
        self._ahead -= sum(len(boot.ahead) for boot in boots)
