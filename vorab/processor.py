"""The processor shape: events in, effects out; everything in the pipeline that decides has it.

One instance per assigned partition, built on assignment and dropped on revocation, sharing nothing. It owns no socket, thread or clock.
A host (embedded or Faust) feeds it, writes what it answers, and keeps its state together with the offsets the state belongs to.

The host merges the inputs by their own time: the record with the smallest (time, place in `inputs`, offset) is stepped once
every gating input has been read up to that time, and `due` is called before with that time. So the outcome does not depend on
how topics happen to interleave.

A frame is the exception, because it is a stretch of time and not a moment: its rows are older than its `now`. It is stepped first
and `due(frame.now)` is called after it, else a timer would fire for a device that speaks in this very frame. Frames that wait together
may be joined into one where the processor is `quiet` in between, and no tick lies there: a worker that is behind catches up sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from vorab.clock import Micros
from vorab.frame import Frame
from vorab.records import Contract, Customer, Device, Record
from vorab.topics import key_of


@dataclass(frozen=True, slots=True)
class Input:
    """A topic a processor reads."""

    topic: str
    gating: bool = True
    """Whether time waits for it: true where its writer sends ticks, false for what comes back or from people."""


class Out(NamedTuple):
    """A record to write. The host finds the partition from the key unless `partition` says otherwise."""

    topic: str
    record: Record
    partition: int | None = None
    key: str | None = None
    """Another key than the record's own, for topics that hold the same record under another key."""


class Registry(Protocol):
    """Read-only view of the compacted registry topics, kept up to date by a table loader outside the processor."""

    def device(self, key: str) -> Device | None:
        """The registry's entry for `tenant/device`; a time zone it has not is that of its site."""

    def customer(self, key: str) -> Customer | None:
        """The registry's entry for `tenant/customer`."""

    def related(self, key: str, how: str) -> Sequence[Device]:
        """Other devices: the `parent`, each `sibling` (same parent) or the `cohort` of a device, by id; none where it is not known."""

    def size(self, group: str) -> int:
        """How many devices it has in `tenant/group`, for the groups of `vorab.groups`; 0 where it knows of none."""

    def contract(self, key: str) -> Contract | None:
        """The registry's entry for `tenant/contract`."""


def remote_repair(registry: Registry, device_key: str, at: Micros) -> bool | None:
    """Whether remote repair of a device is agreed at a moment (µs): what was asked about it, else what its contract says; None: neither."""
    device = registry.device(device_key)
    if device is None or device.remote_repair is not None or not device.contract:
        return device.remote_repair if device else None
    contract = registry.contract(key_of(device.tenant, device.contract))
    return contract.remote_repair if contract and contract.customer in {"", device.customer} and contract.in_force(at) else None


class Processor(Protocol):
    """What hosts host."""

    name: ClassVar[str]
    """Names the consumer group, the state and the source of its records (`urn:vorab:detect`)."""
    inputs: ClassVar[tuple[Input, ...]]
    outputs: ClassVar[tuple[str, ...]]
    ticks: ClassVar[tuple[str, ...]]
    """Outputs keyed like the inputs, to whose same partition the host forwards time as ticks."""
    schema: ClassVar[int]
    """Version of the state's layout; a newer state than this is refused."""

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:
        """Fold one record (a whole frame is one record); raises Rejected for one that cannot be taken, state unchanged."""

    def due(self, now: Micros) -> Iterable[Out]:
        """Fire the timers whose deadline lies before `now`, in order of deadline; outputs carry the deadline as their time."""

    def dirty(self) -> Mapping[str, bytes]:
        """The blocks of state (≤ 512 KiB each) that changed since the last call; an empty value is a block that is gone."""

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over state written by `dirty`, in a fresh instance."""


@runtime_checkable
class TakesJoined(Protocol):
    """A processor to which it is all the same how rows were cut into frames."""

    def quiet(self, now: Micros) -> bool:
        """Whether `due` would do nothing until `now`, whatever frames before it bring: they may be stepped as one."""


Factory = Callable[[int, Registry], Processor]
"""Builds the instance of one partition."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A processor as hosts know it before they build an instance."""

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    ticks: tuple[str, ...]
    schema: int
    build: Factory
    edition: str = ""
    """Which wording of what people wrote decides; the host writes it beside every output (`ce_edition`)."""


def kind_of(cls: Any, build: Factory, edition: str = "") -> Kind:
    """The `Kind` of a processor class and how its instances are built."""
    return Kind(cls.name, cls.inputs, cls.outputs, cls.ticks, cls.schema, build, edition)
