"""Zigbee2MQTT: the devices behind a bridge, by their IEEE address, so that one that is renamed stays the same device.

    {base}/bridge/devices            what there is, stored: names, addresses, models, units
    {base}/bridge/state | info | event | response/…
    {base}/{name}                    what a device says; names may hold slashes
    {base}/{name}/availability       plain (version 1) or JSON
    {base}/{name}/set | get          what vorab says

A message of a name that `bridge/devices` has not told is refused: taken under its name it would make a second device of the same thing.
The bridge is a device of its own, called like its base topic.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from ingest.decoders.moments import counted, iso
from ingest.decoders.rows import Row
from ingest.decoders.strict import parse
from ingest.dialects.memory import Memory
from ingest.dialects.trees import an_object, as_object, device_id, flat, plain, results, short
from ingest.dialects.wanted import Wanted
from ingest.dialects.words import About, Answer, Heard, Order, Seen, Word
from ingest.dialects.zigbee2mqtt.inventory import Inventory, Member, inventory
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.records import Action, ReplyStatus

_MOST_REMEMBERED: Final = 100_000
"""Bridges, devices, groups and what waits, together."""
_MOST_WAITING: Final = 2_000
_LEFT_OUT: Final = frozenset({"last_seen", "device"})
_ONLINE: Final = {"online": True, "offline": False}
_REQUESTS: Final = {"configure": "device/configure", "interview": "device/interview", "update": "device/ota_update/update"}
"""What may be asked of the bridge about a device."""
_MARK: Final = "vorab"


@dataclass(slots=True)
class Bridge:
    """What is known behind one base topic."""

    inventory: Inventory | None = None
    """None until `bridge/devices` has been heard."""
    groups: frozenset[str] = frozenset()
    waiting: dict[str, bool] = field(default_factory=dict)
    """Availability that the broker handed out before it handed out who that is."""

    @property
    def weight(self) -> int:
        """What it takes of the memory."""
        return 1 + len(self.inventory.by_id if self.inventory else ()) + len(self.groups) + len(self.waiting)


class Zigbee2Mqtt:
    """The dialect."""

    name: ClassVar[str] = "zigbee2mqtt"
    filters: ClassVar[tuple[str, ...]] = ("zigbee2mqtt/#",)

    def __init__(self) -> None:
        self._bridges: Memory[Bridge] = Memory(_MOST_REMEMBERED)
        self._wanted = Wanted()

    def hear(self, heard: Heard) -> Iterable[Word]:
        """What a message says; raises Rejected."""
        if not heard.tail:
            return []
        levels = heard.levels[: len(heard.levels) - len(heard.tail)]
        base = "/".join(levels)
        if heard.tail[0] == "bridge":
            return self._of_the_bridge(base, device_id(*levels), heard)
        return self._of_a_device(base, "/".join(heard.tail), heard)

    def due(self, now: Micros) -> Iterable[Word]:  # noqa: ARG002 - nothing is said by itself
        """Nothing."""
        return []

    def command(self, action: Action, address: str, now: Micros) -> Order:  # noqa: ARG002 - a command carries no time
        """`set` and `read` of a device, answered by its next state; requests to the bridge, answered by their number."""
        base, _, name = address.partition("#")
        number = str(zlib.crc32(action.id.encode()))
        if name and action.name in {"set", "read", "diagnose"}:
            wanted: dict[str, Value | None] = {signal: value for signal, value in action.params.items() if value is not None}
            if action.name != "set":
                wanted = dict.fromkeys(action.params or ("state",))
            if not wanted:
                raise Rejected(Reason.UNSUPPORTED, "there is nothing to set")
            self._wanted.ask(action.device, number, wanted, action.not_after)
            verb = "set" if action.name == "set" else "get"
            return Order(f"{base}/{name}/{verb}", _nested(wanted), number, repeatable=verb == "get" or "TOGGLE" not in wanted.values())
        transaction = f"{_MARK} {number} {action.device}"
        if not name and action.name == "restart":
            return Order(f"{base}/bridge/request/restart", json.dumps({"transaction": transaction}).encode(), number)
        if name and action.name in _REQUESTS:
            body = {"id": name, "transaction": transaction}
            return Order(f"{base}/bridge/request/{_REQUESTS[action.name]}", json.dumps(body).encode(), number)
        raise Rejected(Reason.UNSUPPORTED, f"{action.name[:60]!r}: {'this device' if name else 'the bridge'} has no such command")

    # ----------------------------------------------------------------------------------------------- the bridge

    def _of_the_bridge(self, base: str, device: str, heard: Heard) -> list[Word]:
        what = "/".join(heard.tail[1:])
        if not heard.payload:
            return []
        if what in {"state", "info"}:
            return _itself(device, base, what, heard.payload)
        if what == "devices":
            return self._devices(base, heard)
        if what == "groups":
            groups, bridge = _groups(parse(heard.payload)), self._bridges.get(base) or Bridge()
            bridge.groups = groups
            self._keep(base, bridge)
        elif what == "event" and not heard.retained:
            return self._event(base, an_object(heard.payload))
        elif heard.tail[1:2] == ("response",) and not heard.retained:
            return self._response(base, device, an_object(heard.payload))
        return []  # logging, requests of others, definitions, extensions

    def _devices(self, base: str, heard: Heard) -> list[Word]:
        found, bridge = inventory(parse(heard.payload)), self._bridges.get(base) or Bridge()
        known = bridge.inventory or Inventory({}, {})
        words: list[Word] = [_about(member, base) for member in found.by_name.values()]
        words += [Seen(gone, online=False, evidence="goodbye") for gone in known.by_id if gone not in found.by_id]
        words += [Seen(found.by_name[name].device, online, "retained") for name, online in bridge.waiting.items() if name in found.by_name]
        bridge.inventory, bridge.waiting = found, {}
        self._keep(base, bridge)
        return words

    def _event(self, base: str, event: Mapping[str, Any]) -> list[Word]:
        kind, data = event.get("type"), as_object(event.get("data", {}))
        bridge, address = self._bridges.get(base), data.get("ieee_address")
        if bridge is None or bridge.inventory is None or not isinstance(address, str) or address not in bridge.inventory.by_id:
            return []
        if kind == "device_leave":
            return [Seen(address, online=False, evidence="goodbye")]
        return [Seen(address, online=True, evidence="birth")] if kind == "device_announce" else []

    def _response(self, base: str, device: str, body: Mapping[str, Any]) -> list[Word]:
        """The answer to a request; the number that came back says to which, and of which device of this bridge."""
        mark, number, asked = (*str(body.get("transaction")).split(" "), "", "")[:3]
        if mark != _MARK:
            return []  # to somebody else
        bridge = self._bridges.get(base)
        members = bridge.inventory.by_id if bridge is not None and bridge.inventory is not None else {}
        if asked != device and asked not in members:
            raise Rejected(Reason.IDENTITY_MISMATCH, f"the bridge answers for {asked[:60]!r}, which is not behind it")
        if body.get("status") == "ok":
            return [Answer(asked, number, ReplyStatus.SUCCEEDED, result=results(body.get("data")))]
        return [Answer(asked, number, ReplyStatus.FAILED, "failed", str(body.get("error"))[:255])]

    # ----------------------------------------------------------------------------------------------- its devices

    def _of_a_device(self, base: str, name: str, heard: Heard) -> list[Word]:
        bridge = self._bridges.get(base)
        names = bridge.inventory.by_name if bridge is not None and bridge.inventory is not None else {}
        owner, _, last = name.rpartition("/")
        if name in names:
            return self._state(names[name], heard)
        if last == "availability":
            return self._availability(base, owner, names.get(owner), heard)
        if last in {"set", "get"} or "/set/" in name or "/get/" in name:
            return []  # commands, whoever sends them
        if heard.retained or not heard.payload or (bridge is not None and name in bridge.groups):
            return []
        if owner in names:
            return self._attribute(names[owner], last, heard)
        known = bridge is not None and bridge.inventory is not None
        raise Rejected(Reason.UNKNOWN_TOPIC, "bridge/devices tells of no such device" if known else "bridge/devices has not been heard yet")

    def _state(self, member: Member, heard: Heard) -> list[Word]:
        if heard.retained or not heard.payload:
            return []
        body = an_object(heard.payload)
        about = body.get("device")
        if isinstance(about, dict) and about.get("ieeeAddr", member.device) != member.device:
            raise Rejected(Reason.IDENTITY_MISMATCH, f"the payload says {str(about['ieeeAddr'])[:60]}")
        at, quality = _last_seen(body.get("last_seen"))
        leave = _LEFT_OUT if isinstance(about, dict) or about is None else _LEFT_OUT - {"device"}
        values = flat(body, leave=leave)
        units = {name: member.units[name] for name in values if name in member.units}
        row = Row(at, values, units, device=member.device, quality=quality)
        return [*([row] if values else []), *self._wanted.met(member.device, values, heard.received_at)]

    def _attribute(self, member: Member, attribute: str, heard: Heard) -> list[Word]:
        """One value by itself, as bridges write it whose `output` is `attribute`."""
        text = plain(heard.payload)
        try:
            value = parse(heard.payload)
        except Rejected as why:
            if why.reason is not Reason.BAD_JSON:
                raise
            value = text
        if attribute == "last_seen":
            return []
        values = flat({attribute: value})
        units = {name: member.units[name] for name in values if name in member.units}
        row = Row(None, values, units, device=member.device)
        return [*([row] if values else []), *self._wanted.met(member.device, values, heard.received_at)]

    def _availability(self, base: str, name: str, member: Member | None, heard: Heard) -> list[Word]:
        if not heard.payload:
            return []
        word = _presence(member.device if member else "", heard.payload)
        if member is not None:
            return [word]
        bridge = self._bridges.get(base) or Bridge()
        if bridge.inventory is None and len(bridge.waiting) < _MOST_WAITING and len(name) <= 512:
            bridge.waiting[name] = word.online
            self._keep(base, bridge)
        return []  # else of a group, or of a device that has been removed

    # ----------------------------------------------------------------------------------------------- memory

    def _keep(self, base: str, bridge: Bridge) -> None:
        self._bridges.keep(base, bridge, bridge.weight)


def _itself(device: str, base: str, what: str, payload: bytes) -> list[Word]:
    about = About(device, name=base[:255], model="Zigbee2MQTT", address=f"{base}#")
    if what == "info":
        return [about._replace(firmware=short(an_object(payload).get("version")))]
    return [about, _presence(device, payload)]


def _about(member: Member, base: str) -> About:
    return About(member.device, member.name, member.model, member.firmware, f"{base}#{member.name}", member.units)


def _presence(device: str, payload: bytes) -> Seen:
    word = plain(payload).strip()
    if word.startswith("{"):
        word = str(an_object(payload).get("state"))
    online = _ONLINE.get(word)
    if online is None:
        raise Rejected(Reason.BAD_VALUE, f"{word[:40]!r} is neither online nor offline")
    return Seen(device, online, "birth" if online else "will")


def _groups(found: object) -> frozenset[str]:
    if not isinstance(found, list):
        raise Rejected(Reason.BAD_SHAPE, "groups is not a list")
    return frozenset(short(as_object(one).get("friendly_name")) for one in found) - {""}


def _last_seen(found: object) -> tuple[Micros | None, int]:
    if found is None:
        return None, 0
    if isinstance(found, str) and not found.isdecimal():
        return iso(found, None)
    return counted(found, "ms"), 0


def _nested(wanted: Mapping[str, Value | None]) -> bytes:
    """`color.x` as it stands in the payload; what is asked for is empty."""
    tree: dict[str, Any] = {}
    for signal, value in wanted.items():
        *path, last = signal.split(".")
        at = tree
        for step in path:
            at = at.setdefault(step, {})
            if not isinstance(at, dict):
                raise Rejected(Reason.UNSUPPORTED, f"{signal[:60]!r} stands below a value")
        at[last] = "" if value is None else value
    return json.dumps(tree).encode()
