"""What is known of edge nodes and their devices between birth and death: names, aliases, sequence. Pure.

A session begins with NBIRTH and ends with the NDEATH that carries the same bdSeq. A birth replaces everything: no alias of an earlier one
lives on. Aliases are looked up within the device the topic names, so clients that number each device from 0 are understood as well.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ingest import units
from ingest.decoders.rows import SIGNAL
from ingest.dialects.sparkplug.payload import LAST_TYPE, Metric, datatype_of
from ingest.dialects.words import About, Heard
from vorab.clock import Micros
from vorab.errors import Reason, Rejected

MAX_NODES: Final = 20_000
MAX_DEVICES: Final = 1_000
"""Of one node."""
MAX_KNOWN: Final = 1_000_000
"""Metrics of all nodes together."""

REBIRTH: Final = "Node Control/Rebirth"
BDSEQ: Final = "bdSeq"
_NO_SIGNAL: Final = ("Node Control/", "Device Control/", "Properties/", "Node Info/", "Device Info/")
_NOT_IN_LINES: Final = re.compile(r"[^A-Za-z0-9_.:/\n-]")
"""What a signal's name may not hold, but for the line feed."""
_FIRMWARE: Final = ("fw", "fw version", "firmware", "firmware version", "software version", "sw version", "version")
_MAX_FACT: Final = 255


class Known(NamedTuple):
    """What a birth said about a metric."""

    name: str
    signal: str
    """Empty: it is no reading."""
    datatype: int
    unit: str


@dataclass(slots=True)
class Device:
    """A device, or the node itself, as its last birth said."""

    ident: str
    names: dict[str, Known]
    aliases: dict[int, Known]

    def known(self, metric: Metric) -> Known | None:
        """What the birth said about a metric of DATA; None where it said nothing. A name goes before an alias."""
        if metric.name:
            return self.names.get(metric.name)
        return None if metric.alias is None else self.aliases.get(metric.alias)


class Held(NamedTuple):
    """A message that came before one that is missing."""

    seq: int
    heard: Heard
    metrics: int
    """How many it holds."""


@dataclass(slots=True)
class Node:
    """An edge node."""

    group: str
    name: str
    ident: str
    born: bool = False
    """Between birth and death."""
    lost: bool = False
    """A message was missed for good: what aliases mean is open until the next birth."""
    obliging: bool = False
    """It offers to be born again when asked."""
    bdseq: int | None = None
    next: int = -1
    """The sequence number that comes next; -1: the node does not count, or nothing may be read now."""
    devices: dict[str, Device] = field(default_factory=dict)
    """By id; the node itself is ``."""
    present: set[str] = field(default_factory=set)
    """Devices that were said to be online."""
    births_due: Micros | None = None
    """By when devices that are present have to be born again."""
    died: tuple[int | None, Micros] | None = None
    """bdSeq and arrival of the last NDEATH."""
    gone_at: Micros | None = None
    """When it counts as gone unless it says something: the death of another session was heard. `FAR` until it has been asked."""
    doubted: list[Heard] = field(default_factory=list)
    """A birth that came with the death of the same session, and what came after it."""
    doubted_metrics: int = 0
    """In all of these."""
    held: list[Held] = field(default_factory=list)
    gap_since: Micros = 0
    topics: list[bytes] = field(default_factory=list)
    """Topics of its data that are read quickly."""

    @property
    def known(self) -> int:
        """Metrics it has named."""
        return sum(len(device.names) for device in self.devices.values())


def device_of(ident: str, metrics: Iterable[Metric]) -> Device:
    """What a birth says about a device; raises Rejected where a metric has no name."""
    units_of = {metric.name: metric.unit for metric in metrics if metric.unit}
    signals = signals_of(metric.name for metric in metrics)
    names: dict[str, Known] = {}
    aliases: dict[int, Known] = {}
    twice: set[int] = set()
    for metric in metrics:
        name, alias = metric.name, metric.alias
        if not name:
            raise Rejected(Reason.BAD_NAME, "a metric without a name in a birth")
        if metric.datatype > LAST_TYPE:
            raise Rejected(Reason.UNSUPPORTED, f"{name[:60]}: datatype {metric.datatype}")
        unit = units_of.get(name, "") if units_of else ""
        known = Known(name, signals[name], datatype_of(metric), units.unit(unit) if unit else "")
        names[name] = known
        if alias is not None:
            if alias in aliases and aliases[alias].name != name:
                twice.add(alias)
            aliases[alias] = known
    for alias in twice:
        del aliases[alias]  # it could be either; by name both are still understood
    return Device(ident, names, aliases)


def signals_of(names: Iterable[str]) -> dict[str, str]:
    """Signal names for metric names; empty for what is no reading.

    What a signal's name may not hold becomes `_`; where two names would meet, or one is too long, a checksum of the metric's name tells
    them apart, so that the same set of metrics always gets the same names.
    """
    found: dict[str, str] = {}
    plain = list(dict.fromkeys(names))
    taken = set(filter(SIGNAL.fullmatch, plain))
    wanted: dict[str, list[str]] = {}
    odd = []
    for name in plain:
        if name == BDSEQ or name.startswith(_NO_SIGNAL):
            found[name] = ""
        elif name in taken:
            found[name] = name
        else:
            odd.append(name)
    for name, signal in zip(odd, _plain(odd), strict=True):
        wanted.setdefault(signal, []).append(name)
    for signal, same in wanted.items():
        alone = len(same) == 1 and signal not in taken and len(signal) <= 128
        for name in same:
            found[name] = signal if alone else f"{signal[:119]}:{zlib.crc32(name.encode()):08x}"
    return found


def _plain(names: list[str]) -> list[str]:
    """Names with what no signal's name may hold as `_`: in one go, where no name holds a line feed."""
    together = "\n".join(names)
    if together.count("\n") == len(names) - 1:
        plain = _NOT_IN_LINES.sub("_", together).split("\n")
    else:
        plain = [_NOT_IN_LINES.sub("_", name).replace("\n", "_") for name in names]
    return [name if name[:1].isalnum() or name[:1] == "_" else f"_{name}" for name in plain]


def about(device: Device, metrics: Iterable[Metric], address: str) -> About:
    """What a birth says a device is: maker, model and version of its software, by the habit of `Properties/…`."""
    said = {metric.name.lower(): metric.raw for metric in metrics if isinstance(metric.raw, str)}
    info = {
        name.rpartition("/")[2]: str(text).strip()[:_MAX_FACT]
        for name, text in said.items()
        if name.startswith(("properties/", "node info/", "device info/"))
    }
    model = " ".join(part for part in (info.get("hardware make", ""), info.get("hardware model", info.get("model", ""))) if part)
    firmware = next((info[name] for name in _FIRMWARE if info.get(name)), "")
    system = " ".join(part for part in (info.get("os", ""), info.get("os version", "")) if part)
    return About(
        device.ident,
        name=address.rpartition("/")[2],
        model=model[:_MAX_FACT],
        firmware=firmware or system[:_MAX_FACT],
        address=address,
        units=units_by_signal(device.names),
    )


def units_by_signal(names: Mapping[str, Known]) -> dict[str, str]:
    """Unit by signal, where there is one."""
    return {known.signal: known.unit for known in names.values() if known.signal and known.unit}
