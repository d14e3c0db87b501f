"""firmwares: what devices say of themselves and their symptoms in, hours of each firmware out; one place per partition of devices.

An hour is told when it is over and what belongs to it had a quarter of an hour to come. A device counts as affected once a day under each
firmware: one that raises the same thing every minute is one device with a fault, not a thousand faults. What runs on a device is what
`vorab firmware compare` takes: the registry's entry where it says so, else the device's own word.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

import msgspec

from vorab import ids
from vorab.clock import DAY, HOUR, MINUTE, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import Device, Facts, FirmwareLine, FirmwareUse, Record, Symptom, SymptomState
from vorab.topics import DEVICES, FACTS, FIRMWARES, RECORDED_TENANT, SYMPTOMS, key_of

LONG: Final[Micros] = HOUR
GRACE: Final[Micros] = 15 * MINUTE
SHARDS: Final = 64
"""Blocks of state a partition's devices stand in: a hundred thousand of them keep each below 512 KiB."""
DETECTOR: Final = "rollout"
"""Of symptoms that are about a firmware: they count for nobody's."""
MOST_LINES: Final = 200
"""Firmwares of a model; more are made up."""
MOST_CHANGES: Final = 16
"""Firmwares of a device within an hour."""


class Said(msgspec.Struct, array_like=True):
    """Since when a device runs what."""

    at: Micros
    firmware: str


class Known(msgspec.Struct, array_like=True):
    """A device."""

    model: str = ""
    registered: bool = False
    """The registry says what it runs, whatever the device says."""
    history: list[Said] = []
    """Oldest first; those of hours that were told are let go, but for the last."""
    symptoms: list[Micros] = []
    """When symptoms were detected in hours that were not told yet."""
    days: dict[str, int] = {}
    """Firmware → the last day on which it was counted as affected."""

    def at(self, time: Micros) -> str:
        """What it ran then."""
        return next((said.firmware for said in reversed(self.history) if said.at <= time), "")


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(dict[str, Known]).decode
_told: Final = msgspec.msgpack.Decoder(int).decode

Group = tuple[str, str, str]
"""Tenant, model, firmware."""


class Firmwares:
    """The processor of one partition."""

    name: ClassVar[str] = "firmwares"
    inputs: ClassVar[tuple[Input, ...]] = (Input(SYMPTOMS), Input(DEVICES, gating=False), Input(FACTS, gating=False))
    outputs: ClassVar[tuple[str, ...]] = (FIRMWARES,)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 1

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._known: dict[str, Known] = {}
        self._steady: Counter[Group] = Counter()
        """Devices that run the same through the whole of the hour that is told next, and after."""
        self._moving: set[str] = set()
        """All others."""
        self._affected: set[str] = set()
        """Devices with symptoms in hours that were not told yet."""
        self._told: Micros = 0
        """End of the last hour that was told."""
        self._changed: set[int] = set()
        self._closed = False

    # ----------------------------------------------------------------------------------------------- events

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Take what a device runs, or that it has a symptom."""
        if not isinstance(record, Device | Facts | Symptom):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        if record.tenant == RECORDED_TENANT:
            return []
        if isinstance(record, Symptom):
            known = self._known.get(record.key)
            # What was told late belongs to an hour that is over: it is let go, whoever it speaks against.
            if (
                known is not None
                and record.state is SymptomState.RAISED
                and record.detector != DETECTOR
                and record.detected_at >= self._told
            ):
                known.symptoms.append(record.detected_at)
                self._affected.add(record.key)
                self._touch(record.key)
        elif record.firmware:
            self._says(record, record.firmware)
        return []

    def due(self, now: Micros) -> Iterable[Out]:
        """Tell the hours that are over."""
        outs: list[Out] = []
        last = (now - GRACE) // LONG * LONG
        if not self._told:
            self._told, self._closed = last, True
        while self._told < last:
            # Where nothing was known for long, or time leapt, there is nothing to tell.
            if not self._known:
                self._told = last
                break
            outs += self._close(self._told, self._told + LONG)
            self._told += LONG
            self._closed = True
        return outs

    def _says(self, record: Device | Facts, firmware: str) -> None:
        key, registered = record.key, isinstance(record, Device)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Known()
        elif known.registered and not registered:
            return
        if registered and not known.registered:
            known.registered, known.history = True, []
        if record.model and record.model != known.model:
            self._unsettle(key)
            known.model = record.model
        if known.at(record.at) != firmware:
            self._unsettle(key)
            kept = [said for said in known.history if said.at != record.at]
            known.history = sorted([*kept, Said(record.at, firmware)], key=lambda said: (said.at, said.firmware))[-MOST_CHANGES:]
            self._moving.add(key)
            self._touch(key)
        elif key not in self._moving and not self._is_steady(known):
            self._moving.add(key)

    # ------------------------------------------------------------------------------------------------ hours

    def _close(self, start: Micros, end: Micros) -> Iterable[Out]:
        devices, ran = Counter(self._steady), Counter({group: n * LONG for group, n in self._steady.items()})
        affected: Counter[Group] = Counter()
        came: dict[Group, Counter[str]] = {}
        for key in sorted(self._moving):
            known = self._known[key]
            tenant = key.partition("/")[0]
            for said, following in zip(known.history, [*(each.at for each in known.history[1:]), end], strict=True):
                group = tenant, known.model, said.firmware
                ran[group] += max(0, min(following, end) - max(said.at, start))
                before = known.at(said.at - 1)
                if start <= said.at < end and before and before != said.firmware:
                    came.setdefault(group, Counter())[before] += 1
            if firmware := known.at(end - 1):
                devices[tenant, known.model, firmware] += 1
        for key in sorted(self._affected):
            for group in self._count(key, end):
                affected[group] += 1
        self._settle(end)
        groups = sorted(group for group in {*devices, *ran, *affected} if devices[group] or ran[group])
        for tenant, model in sorted({group[:2] for group in groups}):
            mine = sorted((group for group in groups if group[:2] == (tenant, model)), key=lambda group: (-ran[group], group))[:MOST_LINES]
            lines = tuple(
                FirmwareLine(
                    firmware=group[2],
                    devices=devices[group],
                    ran=ran[group],
                    affected=affected[group],
                    moved_from=dict(sorted(came.get(group, {}).items())),
                )
                for group in sorted(mine)
            )
            yield Out(
                FIRMWARES,
                FirmwareUse(
                    id=ids.firmware_use_id(key_of(tenant, model), start, self._partition),
                    tenant=tenant,
                    model=model,
                    partition=self._partition,
                    start=start,
                    end=end,
                    lines=lines,
                    at=end + GRACE,
                ),
            )

    def _count(self, key: str, end: Micros) -> Iterable[Group]:
        """Under which firmwares a device was affected for the first time of a day."""
        known = self._known[key]
        mine = sorted(at for at in known.symptoms if at < end)
        known.symptoms = [at for at in known.symptoms if at >= end]
        if not known.symptoms:
            self._affected.discard(key)
        self._touch(key)
        for at in mine:
            firmware, day = known.at(at), at // DAY
            if firmware and known.days.get(firmware, -1) < day:
                known.days = {**{name: was for name, was in known.days.items() if was >= day - 1}, firmware: day}
                yield key.partition("/")[0], known.model, firmware

    def _settle(self, end: Micros) -> None:
        """What devices ran before is of no interest any more; those that changed nothing since are counted by number again."""
        for key in sorted(self._moving):
            known = self._known[key]
            first = max((i for i, said in enumerate(known.history) if said.at <= end), default=0)
            if first:
                known.history = known.history[first:]
                self._touch(key)
            if self._is_steady(known, end):
                self._moving.discard(key)
                self._steady[key.partition("/")[0], known.model, known.history[0].firmware] += 1

    def _is_steady(self, known: Known, since: Micros | None = None) -> bool:
        return len(known.history) == 1 and known.history[0].at <= (self._told if since is None else since)

    def _unsettle(self, key: str) -> None:
        known = self._known[key]
        if key not in self._moving and known.history:
            group = key.partition("/")[0], known.model, known.history[0].firmware
            self._steady[group] -= 1
            if not self._steady[group]:
                del self._steady[group]
        self._moving.add(key)
        self._touch(key)

    # ------------------------------------------------------------------------------------------------ state

    def _touch(self, key: str) -> None:
        self._changed.add(zlib.crc32(key.encode()) % SHARDS)

    def dirty(self) -> Mapping[str, bytes]:
        """The shards that changed, and the hour."""
        blocks: dict[str, bytes] = {}
        if self._changed:
            shards: dict[int, dict[str, Known]] = {shard: {} for shard in self._changed}
            for key, known in self._known.items():
                shard = shards.get(zlib.crc32(key.encode()) % SHARDS)
                if shard is not None:
                    shard[key] = known
            blocks = {f"devices/{shard}": _encode(mine) for shard, mine in sorted(shards.items())}
            self._changed = set()
        if self._closed:
            blocks["told"] = msgspec.msgpack.encode(self._told)
            self._closed = False
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over devices."""
        if "told" in blocks:
            self._told = _told(blocks["told"])
        for name, block in blocks.items():
            if name.startswith("devices/") and block:
                self._known |= _decode(block)
        for key, known in self._known.items():
            if known.symptoms:
                self._affected.add(key)
            if self._is_steady(known):
                self._steady[key.partition("/")[0], known.model, known.history[0].firmware] += 1
            else:
                self._moving.add(key)


def kind() -> Kind:
    """What hosts need to run it."""
    return kind_of(Firmwares, lambda partition, _registry: Firmwares(partition))
