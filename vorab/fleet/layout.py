"""Which machines a fleet has, and on which connection each of them speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vorab.clock import MINUTE, SECOND, Micros
from vorab.fleet.connection import Broker, Connection, Inbox
from vorab.fleet.faults import FAULTS, Planned, Shows, schedules
from vorab.fleet.machines import Machine
from vorab.fleet.models import MODELS
from vorab.fleet.protocol import Responder, prefix_of
from vorab.topics import DEFAULT_TENANT

MAX_CONNECTIONS: Final = 30
MOST_LATE: Final[Micros] = 30 * MINUTE
"""A fleet that starts later than its story makes up for this much: a start costs minutes on a fast clock."""


@dataclass(frozen=True)
class Options:
    """How a fleet runs."""

    machines: dict[str, str]
    """Device id → model."""
    plan: Sequence[Planned] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    """Device id → the gateway it hangs on."""
    seed: int = 0
    tenant: str = DEFAULT_TENANT
    period: Micros = 5 * MINUTE
    """Between two readings of a machine, µs on the clock."""
    qos: int = 1
    gateways: int = 4
    own_connections: frozenset[str] = frozenset()
    """Machines with a connection of their own beside those that will fall silent."""
    boot: int | None = None
    """First boot number; None takes the seconds of the clock, so that a fleet started again counts higher."""
    client_id: str = "vorab-fleet"
    start: Micros | None = None
    """When the machines' story begins, µs; what they would have said since then is said late. None is now."""
    end: Micros | None = None
    """Stop at this time of the clock, µs."""
    drain_s: float = 10.0
    """Longest wait at the end for what the broker has not yet acknowledged, seconds on the wall."""
    buffer: int = 10_000
    status_file: Path | None = None


@dataclass(eq=False)
class Member:
    """A machine with its place on MQTT."""

    machine: Machine
    responder: Responder
    prefix: str
    connection: Connection | None = None
    shared: bool = True
    linked: bool = True


def members(options: Options, now: Micros) -> dict[str, Member]:
    """The machines, their readings spread evenly over the period."""
    boot = now // SECOND if options.boot is None else options.boot
    start = now if options.start is None else options.start
    faults = schedules(options.plan)
    found = {}
    for index, (device, model) in enumerate(options.machines.items()):
        # Whole milliseconds: time stamps are whole numbers then.
        phase = options.period * index // len(options.machines) // 1000 * 1000
        machine = Machine(
            device,
            MODELS[model],
            seed=options.seed,
            start=start // 1000 * 1000,
            period=options.period,
            phase=phase,
            boot=boot,
            faults=faults.get(device, ()),
        )
        machine.skip_to(now - MOST_LATE)
        prefix = prefix_of(options.tenant, device)
        found[device] = Member(machine, Responder(machine, prefix), prefix)
    machines = {device: member.machine for device, member in found.items()}
    for device, parent in options.parents.items():
        hub = found[parent].machine
        hub.others = {**hub.others, device: machines[device]}
    return found


def connect(options: Options, all_members: dict[str, Member], broker: Broker, inbox: Inbox) -> list[Connection]:
    """A connection with a last will for each machine that will fall silent, a few gateways for the others."""

    def connection(name: str, some: Sequence[Member], will: tuple[str, bytes] | None = None) -> Connection:
        made = Connection(
            f"{options.client_id}-{options.tenant}-{name}",
            broker,
            inbox,
            filters=[f"{member.prefix}/{rest}" for member in some for rest in ("cmd/+", "errors")],
            will=will,
            buffer=options.buffer,
        )
        for member in some:
            member.connection = made
        return made

    silent = {row.machine for row in options.plan if FAULTS[row.kind].shows is Shows.SILENCE}
    wanted = sorted(all_members, key=lambda device: (device not in silent, device))
    own = [d for d in wanted if d in silent | options.own_connections][: MAX_CONNECTIONS - options.gateways]
    connections = []
    for device in own:
        member = all_members[device]
        member.shared = False
        connections.append(connection(device, [member], will=(f"{member.prefix}/status", b'{"status":"offline"}')))
    others = [member for member in all_members.values() if member.shared]
    many = min(options.gateways, len(others))
    return connections + [connection(f"gateway-{i + 1}", others[i::many]) for i in range(many)]
