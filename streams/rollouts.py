"""rollouts: hours of firmwares in, a symptom out where a newer firmware makes more devices fail while devices are moving to it.

One place per model, like cohorts. A firmware is newer than another one when a device was seen to move from that to this; from then on
the two are compared hour by hour, by `streams.rollout_evidence`. The symptom is about a device of its own, `firmware:MODEL:NEWER`, so that
a rollout has a case like a machine. It is raised once, and cleared when the evidence is gone or nobody runs the newer firmware any
more. When nobody is left who runs the older one there is nothing to compare with, and it stays as it is.

Hours are taken when every partition that told of the model lately has told of them; a partition that is away is waited for until
somebody is `PATIENCE` hours ahead. What comes after that is too late, and what comes again changes nothing.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final

import msgspec

from streams.firmwares import DETECTOR
from streams.rollout_evidence import ALPHA, CLEARED, RAISED, TOLERATED, Evidence
from vorab import ids
from vorab.clock import DAY, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.rates import rate_ratio
from vorab.records import FirmwareUse, Point, Record, Severity, Symptom, SymptomState
from vorab.topics import FIRMWARES, SYMPTOMS, key_of

BLOCK: Final = "model/"
PATIENCE: Final = 8
"""Hours: longer than a worker is away in which nobody notices, shorter than a working day."""
COLD: Final = 2
"""The same for the first hour of a model, when nobody knows who else will tell of it."""
MOST_PAIRS: Final = 64
"""Pairs of firmwares of a model; the one that was compared longest ago is let go."""
KEPT: Final = 24
"""Hours that the symptom shows."""
RULE: Final = "firmware-rollout"
CAUSE: Final = "firmware"
_ODD: Final = re.compile(r"[^A-Za-z0-9._~-]+")


class Line(msgspec.Struct, array_like=True):
    """What a partition told of a firmware in an hour."""

    firmware: str
    ran: int
    affected: int
    moved_from: dict[str, int]


class Pair(msgspec.Struct):
    """An older and a newer firmware."""

    older: str
    newer: str
    since: Micros
    """Start of the hour with which the evidence began."""
    compared: Micros
    """End of the last hour in which both ran."""
    evidence: Evidence
    counts: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    """Affected devices under the older and the newer one."""
    ran: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    """How long each ran (µs)."""
    recent: list[tuple[Micros, float]] = []
    """End of an hour, and how many times as many devices failed until then."""
    symptom: str = ""
    """As JSON, while it is raised."""


class Model(msgspec.Struct):
    """What is known of a model."""

    told: Micros = -1
    """Start of the last hour that was taken."""
    last: dict[int, Micros] = {}
    """Partition → start of the last hour it told of."""
    open: dict[Micros, dict[int, list[Line]]] = {}
    pairs: list[Pair] = []


class Rollouts:
    """The processor of one partition of models."""

    name: ClassVar[str] = "rollouts"
    inputs: ClassVar[tuple[Input, ...]] = (Input(FIRMWARES, gating=False),)
    outputs: ClassVar[tuple[str, ...]] = (SYMPTOMS,)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 1

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._changed: set[str] = set()

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Take an hour of a partition."""
        if not isinstance(record, FirmwareUse):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        if record.end <= record.start:
            raise Rejected(Reason.BAD_RECORD, "an hour that ends before it begins")
        known = self._models.setdefault(record.key, Model())
        known.last[record.partition] = max(record.start, known.last.get(record.partition, 0))
        self._changed.add(record.key)
        if record.start <= known.told:
            return []
        lines = [Line(each.firmware, each.ran, each.affected, dict(each.moved_from)) for each in record.lines]
        known.open.setdefault(record.start, {})[record.partition] = lines
        outs: list[Out] = []
        long = record.end - record.start
        for start in sorted(known.open):
            cold = known.told < 0
            whole = not cold and all(last >= start for last in known.last.values() if last >= start - PATIENCE * long)
            if not whole and max(known.open) < start + (COLD if cold else PATIENCE) * long:
                break
            parts = known.open.pop(start)
            hour = _Hour(record.tenant, record.model, start, start + long, merged(parts[partition] for partition in sorted(parts)))
            outs += [Out(SYMPTOMS, symptom) for symptom in _judge(known, hour)]
            known.told = start
        return outs

    def due(self, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Nothing happens by time alone."""
        return []

    def dirty(self) -> Mapping[str, bytes]:
        """A block per model that changed."""
        blocks = {f"{BLOCK}{key}": msgspec.msgpack.encode(self._models[key]) for key in sorted(self._changed)}
        self._changed = set()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over models."""
        for name, block in blocks.items():
            if name.startswith(BLOCK) and block:
                self._models[name.removeprefix(BLOCK)] = msgspec.msgpack.decode(block, type=Model)


class _Hour(msgspec.Struct):
    """An hour of a model, all partitions together."""

    tenant: str
    model: str
    start: Micros
    end: Micros
    lines: dict[str, Line]


def merged(parts: Iterable[Sequence[Line]]) -> dict[str, Line]:
    """The lines of all partitions by firmware: whole numbers, so that their order is no matter."""
    out: dict[str, Line] = {}
    for line in (line for part in parts for line in part):
        whole = out.setdefault(line.firmware, Line(line.firmware, 0, 0, {}))
        whole.ran += line.ran
        whole.affected += line.affected
        for older, devices in line.moved_from.items():
            whole.moved_from[older] = whole.moved_from.get(older, 0) + devices
    return out


def _judge(known: Model, hour: _Hour) -> list[Symptom]:
    """Compare all pairs, new ones included."""
    for newer, line in sorted(hour.lines.items()):
        for older in sorted(line.moved_from):
            # Who was moved back is no newer for that.
            if not any({pair.older, pair.newer} == {older, newer} for pair in known.pairs):
                known.pairs.append(Pair(older, newer, hour.start, hour.end, Evidence()))
    said = [symptom for pair in known.pairs if (symptom := _compare(pair, hour)) is not None]
    # A pair that nobody runs any more, and of which nothing is raised, is over: the next rollout of these two begins anew.
    known.pairs = [pair for pair in known.pairs if pair.symptom or pair.compared > hour.end - DAY]
    known.pairs = sorted(known.pairs, key=lambda pair: (bool(pair.symptom), pair.compared, pair.newer, pair.older))[-MOST_PAIRS:]
    known.pairs.sort(key=lambda pair: (pair.newer, pair.older))
    return said


def _compare(pair: Pair, hour: _Hour) -> Symptom | None:
    """Fold an hour, and say what has become another one."""
    older, newer = (hour.lines.get(name) or Line(name, 0, 0, {}) for name in (pair.older, pair.newer))
    if older.ran and newer.ran:
        pair.compared = hour.end
        pair.evidence.add(older.affected, newer.affected, newer.ran / (older.ran + newer.ran))
        for side, line in enumerate((older, newer)):
            pair.counts[side] += line.affected
            pair.ran[side] += line.ran
        ratio = _ratio(pair)
        if math.isfinite(ratio):
            pair.recent = [*pair.recent, (hour.end, ratio)][-KEPT:]
    evidence = pair.evidence.value
    if not pair.symptom:
        if evidence <= CLEARED:
            pair.since = hour.end
        if evidence < RAISED:
            return None
        found = _symptom(pair, hour, evidence)
        pair.symptom = found.model_dump_json()
        return found
    if evidence > CLEARED and newer.ran:
        return None
    why = "Nobody runs it any more." if not newer.ran else f"It is no worse than {pair.older} by now: {_figures(pair)}."
    was = Symptom.model_validate_json(pair.symptom)
    pair.symptom, pair.since = "", hour.end
    if not newer.ran:  # a rollout of the same two would be another one
        pair.compared = hour.end - DAY
    return was.model_copy(update={"state": SymptomState.CLEARED, "cleared_at": hour.end, "explanation": why, "proven": bool(newer.ran)})


def _symptom(pair: Pair, hour: _Hour, evidence: float) -> Symptom:
    device = device_of(hour.model, pair.newer)
    key, days = key_of(hour.tenant, device), [time / DAY for time in pair.ran]
    ratio = rate_ratio(pair.counts[0], days[0], pair.counts[1], days[1])
    onset = min(pair.since, hour.start)
    return Symptom(
        id=ids.symptom_id(key, f"{RULE}:{pair.older}", onset),
        tenant=hour.tenant,
        device=device,
        state=SymptomState.RAISED,
        rule=RULE,
        rule_version="1",
        detector=DETECTOR,
        cause=CAUSE,
        severity=Severity.MAJOR,
        onset=onset,
        detected_at=hour.end,
        value=_finite(ratio.ratio),
        low=ratio.low,
        high=_finite(ratio.high),
        limit=TOLERATED,
        explanation=f"{pair.newer} makes more devices of the model {hour.model or '?'} fail than {pair.older}: {_figures(pair)}; evidence "
        f"{min(evidence, 1e6):.0f} to 1, where {RAISED:.0f} to 1 is reached by {ALPHA:.0%} of the rollouts that are no worse.",
        evidence=tuple(Point(at=at, value=value) for at, value in pair.recent),
    )


def device_of(model: str, firmware: str) -> str:
    """What a rollout is called among devices: an id, whatever people write into models and versions."""
    name = ":".join(["firmware", *(_ODD.sub("-", part)[:50] or "-" for part in (model, firmware))])
    return name if name == f"firmware:{model}:{firmware}" else f"{name}:{zlib.crc32(f'{model}:{firmware}'.encode()):08x}"


def _ratio(pair: Pair) -> float:
    (older, newer), (before, after) = pair.counts, pair.ran
    return math.nan if not older else (newer / after) / (older / before)


def _figures(pair: Pair) -> str:
    days = [time / DAY for time in pair.ran]
    ratio = rate_ratio(pair.counts[0], days[0], pair.counts[1], days[1])
    times = f"{ratio.ratio:.2f} times as many" if math.isfinite(ratio.ratio) else "only the newer one has any"
    return (
        f"{times} a device-day (95 %: {ratio.low:.2f} to {ratio.high:.2f}), {pair.counts[1]} in {days[1]:.1f} device-days against "
        f"{pair.counts[0]} in {days[0]:.1f}"
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def kind() -> Kind:
    """What hosts need to run it."""
    return kind_of(Rollouts, lambda _partition, _registry: Rollouts())
