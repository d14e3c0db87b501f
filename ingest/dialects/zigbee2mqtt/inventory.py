"""`bridge/devices`: who is behind the bridge, under which name, and what its values are measured in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ingest.decoders.rows import MAX_SIGNALS, SIGNAL
from ingest.dialects.trees import as_object, short
from ingest.units import unit
from vorab.errors import Reason, Rejected

_ADDRESS: Final = re.compile(r"0x[0-9a-f]{16}")
_NO_NAME: Final = re.compile(r"[+#\0]")
_MOST_DEVICES: Final = 2_000
_MAX_NAME: Final = 512


class Member(NamedTuple):
    """A device behind the bridge."""

    device: str
    """Its IEEE address, which is its id."""
    name: str
    """What people call it, and its topics; may change."""
    model: str
    firmware: str
    units: Mapping[str, str]
    """By signal."""


class Inventory(NamedTuple):
    """All of them, by both names."""

    by_name: Mapping[str, Member]
    by_id: Mapping[str, Member]


def inventory(found: object) -> Inventory:
    """The devices of a bridge without the coordinator, which is the bridge itself.

    Raises:
        Rejected: BAD_SHAPE, BAD_NAME; also where two devices share a name or an address.
    """
    if not isinstance(found, list) or len(found) > _MOST_DEVICES:
        raise Rejected(Reason.BAD_SHAPE, "devices is not a list")
    by_name: dict[str, Member] = {}
    by_id: dict[str, Member] = {}
    for one in found:
        entry = as_object(one)
        address, name = entry.get("ieee_address"), entry.get("friendly_name")
        if entry.get("type") == "Coordinator":
            continue
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise Rejected(Reason.BAD_NAME, f"IEEE address {str(address)[:40]!r}")
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or _NO_NAME.search(name):
            raise Rejected(Reason.BAD_NAME, f"device {str(name)[:60]!r}")
        if name in by_name or address in by_id:
            raise Rejected(Reason.BAD_SHAPE, f"{name[:60]!r} or its address stands twice")
        member = _member(address, name, entry)
        by_name[name] = by_id[address] = member
    return Inventory(by_name, by_id)


def _member(address: str, name: str, entry: Mapping[str, Any]) -> Member:
    definition = entry.get("definition")
    known: Mapping[str, Any] = definition if isinstance(definition, dict) else {}
    model = " ".join(text for key in ("vendor", "model") if (text := short(known.get(key)))) if known else ""
    exposes = known.get("exposes")
    units: dict[str, str] = {}
    for signal, spelled in _units(exposes if isinstance(exposes, list) else [], ""):
        if len(units) < MAX_SIGNALS and SIGNAL.fullmatch(signal):
            units[signal] = unit(spelled)
    firmware = entry.get("software_build_id")
    return Member(address, name, model[:255] or short(entry.get("model_id")), short(firmware), units)


def _units(exposes: list[Any], under: str) -> Iterator[tuple[str, str]]:
    """Signal and unit of every value that has one; a composite nests its values below its property, a light or a switch does not."""
    for one in exposes:
        if not isinstance(one, dict):
            continue
        at, spelled = one.get("property"), one.get("unit")
        path = (f"{under}.{at}" if under else at) if isinstance(at, str) and at else under
        if isinstance(features := one.get("features"), list):
            yield from _units(features, path)
        elif path and isinstance(spelled, str) and 0 < len(spelled) <= 40:
            yield path, spelled
