"""Incidents: many cases with one cause become one story. What explains them is `choice`, the life of an incident `table`.

All cases of a tenant are looked at in one place, because a case may stand in many groups and belongs to one incident only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

import msgspec

from streams.incidents import state as states
from streams.incidents import windows
from streams.incidents.fleet import Fleet
from vorab import topics
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, Registry, kind_of
from vorab.records import CaseEvent, Record, Silence
from vorab.settings import Incidents as Options

DECIDE: Final = "decide"


class Incidents:
    """The incidents of the tenants of a partition."""

    name: ClassVar[str] = "incidents"
    # Gating, because its time is made of the ticks of `cases`: so it does not matter how records and ticks are read.
    inputs: ClassVar[tuple[Input, ...]] = (Input(topics.CASES_BY_GROUP),)
    outputs: ClassVar[tuple[str, ...]] = (topics.INCIDENTS, topics.CASES_BY_CUSTOMER)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = states.SCHEMA

    def __init__(self, options: Options, registry: Registry) -> None:
        self._options, self._registry = options, registry
        self._fleets: dict[str, Fleet] = {}
        self._decisions: dict[str, Micros] = {}
        """As they were written last."""

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Fold what opens or ends a case, and the silences people set."""
        if not isinstance(record, CaseEvent | Silence):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        if record.tenant == topics.RECORDED_TENANT:
            return ()  # each of its partitions lives in a time of its own: nothing there happens at the same time
        fleet = self._fleet(record.tenant)
        if isinstance(record, Silence):
            fleet.silence(record, now)
        else:
            fleet.hear(record, now)
        return _taken(fleet)

    def due(self, now: Micros) -> Iterable[Out]:
        """Fire the deadlines before `now`, over all tenants in their order."""
        out: list[Out] = []
        while True:
            waiting = [(at, name) for name, fleet in self._fleets.items() if (at := fleet.deadline) is not None and at < now]
            if not waiting:
                break
            fleet = self._fleets[min(waiting)[1]]
            fleet.fire()
            out += _taken(fleet)
        for fleet in self._fleets.values():
            fleet.windows.forget(now)
        return out

    def dirty(self) -> Mapping[str, bytes]:
        """One block per case, incident and silence that changed, and one per tenant for what is about to be decided."""
        blocks: dict[str, bytes] = {}
        for tenant, fleet in self._fleets.items():
            for name in sorted(fleet.changed):
                thing = fleet.kids.get(name) or fleet.stories.get(name)
                if thing is None:
                    blocks[f"{fleet.gone[name]}/{tenant}/{name}"] = b""
                else:
                    blocks[f"{states.CASE if name in fleet.kids else states.INCIDENT}/{tenant}/{name}"] = states.dump(thing)
            fleet.changed.clear()
            fleet.gone.clear()
            blocks.update({f"{windows.SILENCE}/{tenant}/{name}": block for name, block in fleet.windows.dirty().items()})
            if fleet.decide_at != self._decisions.get(tenant, 0):
                self._decisions[tenant] = fleet.decide_at
                blocks[f"{DECIDE}/{tenant}/"] = msgspec.msgpack.encode(fleet.decide_at)
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over all tenants."""
        # Incidents before their cases.
        for name in sorted(blocks, key=lambda name: (not name.startswith(states.INCIDENT), name)):
            block = blocks[name]
            kind, _, rest = name.partition("/")
            if not block:
                continue
            fleet = self._fleet(rest.partition("/")[0])
            if kind == states.INCIDENT:
                fleet.put_story(states.load_story(block))
            elif kind == states.CASE:
                fleet.put(states.load_kid(block))
            elif kind == windows.SILENCE:
                fleet.windows.put(windows.load(block))
            else:
                self._decisions[fleet.tenant] = msgspec.msgpack.decode(block, type=int)
                fleet.put_decision(self._decisions[fleet.tenant])

    def _fleet(self, tenant: str) -> Fleet:
        fleet = self._fleets.get(tenant)
        if fleet is None:
            fleet = self._fleets[tenant] = Fleet(tenant, self._options, self._registry)
        return fleet


def _taken(fleet: Fleet) -> list[Out]:
    out, fleet.out = fleet.out, []
    return out


def kind(options: Options) -> Kind:
    """What hosts need to run it."""
    return kind_of(Incidents, lambda _partition, registry: Incidents(options, registry))
