"""alarms: what others found becomes a symptom, so that their rules open and close cases like vorab's own.

An alarm is told again and again by its source; a symptom is raised once, updated when it gets worse or better, and cleared once.
Whatever is told twice on the log (its writer was restarted) says nothing new.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

import msgspec

from vorab import ids
from vorab.clock import DAY, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import Alarm, Record, Symptom, SymptomState
from vorab.topics import ALARMS, SYMPTOMS

DETECTOR: Final = "reported"
REMEMBERED: Final[Micros] = DAY
"""An alarm that is over is remembered so long, because what ended it may stand on the log twice."""
MOST: Final = 256
"""Alarms of one device; more are made up."""
_MAX_CAUSE: Final = 100
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


def cause_of(name: str) -> str:
    """`HighTemperature`, `high temperature`, `HIGH-TEMPERATURE`: all `high_temperature`; `alarm` where no letter is left."""
    return "_".join(part.lower() for part in _WORD.split(name) if part)[:_MAX_CAUSE] or "alarm"


class Known(msgspec.Struct):
    """One alarm of one device."""

    key: str
    source: str
    name: str
    at: Micros
    """When it was last told."""
    raised_by: str = ""
    """Id of the alarm that raised it."""
    ended_by: str = ""
    symptom: str = ""
    """As JSON, while it is active."""

    @property
    def place(self) -> tuple[str, str, str]:
        """Which one it is."""
        return self.key, self.source, self.name

    @property
    def block(self) -> str:
        """Name of its block of state."""
        return ids.alarm_id(self.key, self.source, self.name, 0, active=True)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Known).decode


class Alarms:
    """The processor of one partition."""

    name: ClassVar[str] = "alarms"
    inputs: ClassVar[tuple[Input, ...]] = (Input(ALARMS, gating=False),)
    outputs: ClassVar[tuple[str, ...]] = (SYMPTOMS,)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 1

    def __init__(self) -> None:
        self._known: dict[str, dict[tuple[str, str, str], Known]] = {}
        """By device."""
        self._over: OrderedDict[tuple[str, str, str], Micros] = OrderedDict()
        """Alarms that are over, in the order in which they ended."""
        self._changed: dict[str, bytes] = {}

    # ----------------------------------------------------------------------------------------------- events

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Fold one alarm."""
        if not isinstance(record, Alarm):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        mine = self._known.setdefault(record.key, {})
        place = record.key, record.source, record.name
        known = mine.get(place)
        if known is None:
            if not record.active:
                return []
            if len(mine) >= MOST:
                raise Rejected(Reason.BAD_RECORD, f"more than {MOST} alarms of one device")
            known = mine[place] = Known(*place, record.at)
        symptom = self._fold(known, record)
        if symptom is None:
            return []
        known.at = record.at
        self._changed[known.block] = _encode(known)
        return [Out(SYMPTOMS, symptom)]

    def due(self, now: Micros) -> Iterable[Out]:
        """Forget alarms that have been over for long."""
        while self._over and next(iter(self._over.values())) < now - REMEMBERED:
            place, _ = self._over.popitem(last=False)
            known = self._known[place[0]].pop(place)
            if not self._known[place[0]]:
                del self._known[place[0]]
            self._changed[known.block] = b""
        return ()

    # ----------------------------------------------------------------------------------------------- inside

    def _fold(self, known: Known, alarm: Alarm) -> Symptom | None:
        was = Symptom.model_validate_json(known.symptom) if known.symptom else None
        if was is None:
            if not alarm.active or alarm.id == known.raised_by:
                return None
            self._over.pop(known.place, None)
            known.raised_by, found = alarm.id, _raised(alarm)
        elif not alarm.active:
            if alarm.id == known.ended_by:
                return None
            changes = {"state": SymptomState.CLEARED, "cleared_at": max(alarm.at, was.detected_at)}
            known.ended_by, known.symptom = alarm.id, ""
            self._over[known.place] = alarm.at
            return was.model_copy(update=changes)
        elif (was.severity, was.explanation) == (alarm.severity, _told(alarm)):
            return None
        else:
            at = max(alarm.at, was.detected_at)
            changes = {"severity": alarm.severity, "explanation": _told(alarm), "detected_at": at}
            found = was.model_copy(update={**changes, "state": SymptomState.UPDATED})
        known.symptom = found.model_dump_json()
        return found

    # ----------------------------------------------------------------------------------------------- state

    def dirty(self) -> Mapping[str, bytes]:
        """One block per alarm."""
        blocks, self._changed = self._changed, {}
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over what is known."""
        found = sorted((_decode(block) for block in blocks.values() if block), key=lambda known: known.at)
        for known in found:
            self._known.setdefault(known.key, {})[known.place] = known
            if not known.symptom:
                self._over[known.place] = known.at


def _told(alarm: Alarm) -> str:
    return alarm.text or f"{alarm.source} says: {alarm.name}"


def _raised(alarm: Alarm) -> Symptom:
    onset = alarm.at if alarm.since is None else min(alarm.since, alarm.at)
    rule = f"alarm:{alarm.source}"[:255]
    return Symptom(
        id=ids.symptom_id(alarm.key, f"{rule}:{alarm.name}", onset),
        tenant=alarm.tenant,
        device=alarm.device,
        state=SymptomState.RAISED,
        rule=rule,
        rule_version="1",
        detector=DETECTOR,
        cause=cause_of(alarm.name),
        severity=alarm.severity,
        onset=onset,
        detected_at=alarm.at,
        explanation=_told(alarm),
    )


def kind() -> Kind:
    """What hosts need to run it."""
    return kind_of(Alarms, lambda _partition, _registry: Alarms())
