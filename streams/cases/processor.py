"""Cases: symptoms fold into one open case per device and cause; remedies are permitted, commanded, answered, and proven by telemetry.

The state table is `table`, the written policy `policy`, the proof `proof`; this is the processor around `DeviceCases`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

from streams.care.policy import Care
from streams.cases import state as states
from streams.cases.edition import edition
from streams.cases.flow import DeviceCases
from streams.cases.policy import Policy
from streams.cases.state import DeviceState
from vorab import topics
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, Registry, kind_of
from vorab.records import Command, Errand, Permit, PermitState, Record, Reply, Switch, Symptom

_EXPECTED: Final[Mapping[str, type[Record]]] = {
    topics.SYMPTOMS: Symptom,
    topics.REPLIES: Reply,
    topics.PERMITS: Permit,
    topics.COMMANDS: Command,
    topics.ERRANDS: Errand,
}


class Cases:
    """The single writer of the cases of a partition's devices."""

    name: ClassVar[str] = "cases"
    inputs: ClassVar[tuple[Input, ...]] = (
        Input(topics.SYMPTOMS),
        Input(topics.REPLIES),
        Input(topics.PERMITS, gating=False),
        Input(topics.COMMANDS, gating=False),
        Input(topics.ERRANDS, gating=False),
    )
    outputs: ClassVar[tuple[str, ...]] = (
        topics.CASES,
        topics.CASES_BY_CUSTOMER,
        topics.CASES_BY_GROUP,
        topics.ACTIONS,
        topics.PERMITS,
        topics.ERRANDS,
        topics.REJECTED,
    )
    ticks: ClassVar[tuple[str, ...]] = (topics.CASES, topics.CASES_BY_GROUP)
    schema: ClassVar[int] = states.SCHEMA

    def __init__(self, policy: Policy, registry: Registry, care: Care | None = None) -> None:
        self._policy, self._registry, self._care = policy, registry, care or Care()
        self._devices: dict[str, DeviceCases] = {}
        self._changed: set[str] = set()
        self._due: list[tuple[Micros, str]] = []
        self._scheduled: dict[str, Micros] = {}
        self._now: Micros = 0

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Fold one record; raises Rejected for a command about a case that is not there."""
        if isinstance(record, Switch):
            return ()  # it is for whoever gives permits
        if not isinstance(record, _EXPECTED[topic]):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        match record:
            case Permit() if record.state is PermitState.ASKED:
                return ()
            case Permit():
                device = self._device(record.key)
                device.answer(record)
                device.catch_up(self._now)
            case Symptom() | Reply() | Command() | Errand():
                device = self._device(record.key)
                try:
                    device.take(record)
                finally:
                    self._drop_empty(device)
        return self._done(device)

    def due(self, now: Micros) -> Iterable[Out]:
        """Fire the deadlines before `now`, over all devices in their order."""
        self._now = max(self._now, now)
        out: list[Out] = []
        while self._due and self._due[0][0] < now:
            deadline, key = heapq.heappop(self._due)
            if self._scheduled.get(key) == deadline:
                del self._scheduled[key]
            device = self._devices.get(key)
            if device is None or device.deadline != deadline:
                continue  # it was put off or is gone
            device.now = self._now
            device.fire()
            out += self._done(device)
        return out

    def dirty(self) -> Mapping[str, bytes]:
        """One block per device that changed."""
        blocks: dict[str, bytes] = {}
        for key in sorted(self._changed):
            device = self._devices.get(key)
            blocks[key] = states.dump(device.state) if device else b""
            if not blocks[key]:
                self._devices.pop(key, None)
        self._changed.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over the devices."""
        for key, block in blocks.items():
            if block:
                device = self._devices[key] = DeviceCases(key, states.load(block), self._policy, self._registry, self._care)
                self._schedule(device)

    def _device(self, key: str) -> DeviceCases:
        device = self._devices.get(key)
        if device is None:
            device = self._devices[key] = DeviceCases(key, DeviceState(), self._policy, self._registry, self._care)
        device.now = self._now
        return device

    def _drop_empty(self, device: DeviceCases) -> None:
        if device.state.empty and device.key not in self._changed:
            del self._devices[device.key]

    def _done(self, device: DeviceCases) -> list[Out]:
        out, device.out = device.out, []
        self._changed.add(device.key)
        self._schedule(device)
        return out

    def _schedule(self, device: DeviceCases) -> None:
        deadline = device.deadline
        if deadline is not None and deadline != self._scheduled.get(device.key):
            self._scheduled[device.key] = deadline
            heapq.heappush(self._due, (deadline, device.key))


def kind(policy: Policy, care: Care | None = None) -> Kind:
    """What hosts need to run it."""
    return kind_of(Cases, lambda _partition, registry: Cases(policy, registry, care), edition(policy, care))
