"""cohorts: summaries of partitions in, baselines of whole cohorts out; one place per cohort, like permits.

Partitions tell of buckets in order, so a baseline is told when every partition that told of the cohort lately has told of this bucket,
or of one after it. A partition that has lost its devices, or died, is waited for until somebody is `PATIENCE` buckets ahead; when it
speaks again it counts again. A baseline goes to each partition that told of the bucket. What comes after it is too late for it, and
what comes again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

import msgspec

from streams.peers import Sample, baseline_of, merge
from vorab import ids
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import Cohort, CohortKind, Record
from vorab.topics import COHORTS

BLOCK: Final = "cohort/"
PATIENCE: Final = 8
"""Buckets; less than devices are averaged over, so that they can still be judged."""
COLD: Final = 2
"""The same for the first bucket of a cohort, when nobody knows who else will tell of it."""


class Part(msgspec.Struct, array_like=True):
    """What a partition told of a bucket."""

    devices: int
    ranks: tuple[int, ...]
    values: tuple[float, ...]


class Asked(msgspec.Struct):
    """What is known of a cohort."""

    told: Micros = -1
    """Start of the last bucket whose baseline was told."""
    last: dict[int, Micros] = {}
    """Partition → start of the last bucket it told of."""
    open: dict[Micros, dict[int, Part]] = {}
    """Start of a bucket → partition → what it told."""


class Cohorts:
    """The processor of one partition of cohorts."""

    name: ClassVar[str] = "cohorts"
    inputs: ClassVar[tuple[Input, ...]] = (Input(COHORTS, gating=False),)
    outputs: ClassVar[tuple[str, ...]] = (COHORTS,)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 1

    def __init__(self) -> None:
        self._cohorts: dict[str, Asked] = {}
        self._changed: set[str] = set()

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Take a summary; baselines are answers, of this processor itself."""
        if not isinstance(record, Cohort):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        if record.kind is not CohortKind.SUMMARY:
            return []
        if not record.ranks or len(record.ranks) != len(record.values) or record.end <= record.start:
            raise Rejected(Reason.BAD_RECORD, "a summary without devices")
        known = self._cohorts.setdefault(record.key, Asked())
        known.last[record.partition] = max(record.start, known.last.get(record.partition, 0))
        self._changed.add(record.key)
        if record.start <= known.told:
            return []
        known.open.setdefault(record.start, {})[record.partition] = Part(record.devices, record.ranks, record.values)
        outs: list[Out] = []
        long = record.end - record.start
        for start in sorted(known.open):
            cold = known.told < 0
            whole = not cold and all(last >= start for last in known.last.values() if last >= start - PATIENCE * long)
            if not whole and max(known.open) < start + (COLD if cold else PATIENCE) * long:
                break
            outs += _baselines(record, start, known.open.pop(start))
            known.told = start
        return outs

    def due(self, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Nothing happens by time alone."""
        return []

    def dirty(self) -> Mapping[str, bytes]:
        """A block per cohort that changed."""
        blocks = {BLOCK + key: msgspec.msgpack.encode(self._cohorts[key]) for key in sorted(self._changed)}
        self._changed = set()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over cohorts."""
        for name, block in blocks.items():
            if name.startswith(BLOCK) and block:
                self._cohorts[name.removeprefix(BLOCK)] = msgspec.msgpack.decode(block, type=Asked)


def _baselines(record: Cohort, start: Micros, parts: Mapping[int, Part]) -> list[Out]:
    """The answer, for every partition that asked; `record` says which cohort and how long a bucket is."""
    level, spread, devices = baseline_of(merge(Sample(*msgspec.structs.astuple(parts[partition])) for partition in sorted(parts)))
    end, late = start + record.end - record.start, record.at - record.end
    return [
        Out(
            COHORTS,
            Cohort(
                id=ids.cohort_id(record.key, CohortKind.BASELINE, start, partition),
                tenant=record.tenant,
                cohort=record.cohort,
                kind=CohortKind.BASELINE,
                rule=record.rule,
                start=start,
                end=end,
                partition=partition,
                devices=devices,
                level=level,
                spread=spread,
                at=end + late,
            ),
            partition=partition,
        )
        for partition in sorted(parts)
    ]


def kind() -> Kind:
    """What hosts need to run it."""
    return kind_of(Cohorts, lambda _partition, _registry: Cohorts())
