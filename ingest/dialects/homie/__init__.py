"""Homie 5 and 4: devices that describe themselves, their state, their alerts, their properties.

    homie/5/{device}/$state | $description | $alert/{id} | {node}/{property}[/$target | /set]
    homie/{device}/$state | $name | {node}/{property}[/$datatype | /$unit | /$settable | /set]

Everything is stored by the broker, so what comes at the subscription is state: who is there, what it is, which alerts stand. Only what is
published from then on is a reading. Another first level (a domain) is an entry of the topic map: `plant/#`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Final

from ingest.decoders.rows import MAX_SIGNALS, Row, check_value
from ingest.decoders.values import number_in
from ingest.dialects.homie.description import MOST_PROPERTIES, Property, description, read, signal, written
from ingest.dialects.memory import Memory
from ingest.dialects.trees import device_id, plain
from ingest.dialects.wanted import Wanted, same
from ingest.dialects.words import About, Answer, Found, Heard, Order, Seen, Word
from ingest.units import unit
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.records import Action, ReplyStatus

_STATES: Final[dict[str, tuple[bool, str] | None]] = {
    "init": None, "ready": (True, "birth"), "alert": (True, "birth"), "disconnected": (False, "goodbye"), "sleeping": (False, "goodbye"),
    "lost": (False, "will"),
}  # fmt: skip
"""What each means for presence: who sleeps has said goodbye."""
_STATS: Final = {"uptime": "s", "signal": "%", "cputemp": "Cel", "cpuload": "%", "battery": "%EL", "freeheap": "B", "supply": "V"}
_MOST_REMEMBERED: Final = 300_000
"""Devices, properties and alerts together."""
_MOST_ALERTS: Final = 256
_DAY_S: Final = 86_400
_LEVEL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(slots=True)
class Thing:
    """What is known of a device."""

    state: str = ""
    name: str = ""
    root: str = ""
    """Address of the device whose connection it uses; empty: its own."""
    described: bool = False
    """Whether its properties are all known."""
    properties: dict[str, Property] = field(default_factory=dict)
    alerts: dict[str, int] = field(default_factory=dict)
    """Those that stand, each with a sum of its text."""

    @property
    def weight(self) -> int:
        """What it takes of the memory."""
        return 1 + len(self.properties) + len(self.alerts)


class Homie:
    """The dialect."""

    name: ClassVar[str] = "homie"
    filters: ClassVar[tuple[str, ...]] = ("homie/#",)

    def __init__(self) -> None:
        self._things: Memory[Thing] = Memory(_MOST_REMEMBERED)
        """By address: the beginning of their topics."""
        self._behind: dict[str, set[str]] = {}
        """Addresses of devices by the address of their root."""
        self._wanted = Wanted()

    def hear(self, heard: Heard) -> Iterable[Word]:
        """What a message says; raises Rejected."""
        five = heard.tail[:1] == ("5",)
        place = 1 if five else 0
        if len(heard.tail) < place + 2 or heard.tail[place].startswith("$"):
            return []  # broadcasts
        name, rest = heard.tail[place], heard.tail[place + 1 :]
        address = "/".join(heard.levels[: len(heard.levels) - len(rest)])
        device = device_id(name)
        if rest == ("$state",):
            return self._state(address, device, heard)
        if rest[0].startswith("$"):
            return self._of_five(address, device, rest, heard) if five else self._of_four(address, device, rest, heard)
        if len(rest) == 2:
            return self._value(address, device, rest, heard)
        if len(rest) == 3 and rest[2] == "$target" and not heard.retained:
            return self._target(address, device, rest, heard)
        return self._attribute(address, device, rest, heard) if len(rest) == 3 and not five else []  # `set`, by whoever sends it

    def due(self, now: Micros) -> Iterable[Word]:  # noqa: ARG002 - nothing is said by itself
        """Nothing."""
        return []

    def command(self, action: Action, address: str, now: Micros) -> Order:  # noqa: ARG002 - a command carries no time
        """`set` of one property; the device answers by publishing that value."""
        if action.name != "set" or len(action.params) != 1:
            raise Rejected(Reason.UNSUPPORTED, f"{action.name[:60]!r}: Homie knows `set` of one property")
        [(wanted, value)] = action.params.items()
        node, _, name = wanted.partition(".")
        if not _LEVEL.fullmatch(node) or not _LEVEL.fullmatch(name) or value is None:
            raise Rejected(Reason.UNSUPPORTED, f"{wanted[:60]!r} is no property")
        thing = self._things.get(address)
        known = thing.properties.get(wanted) if thing is not None else None
        if (known is None and thing is not None and thing.described) or (known is not None and known.settable is False):
            raise Rejected(Reason.UNSUPPORTED, f"{wanted[:60]!r} cannot be set")
        number = str(zlib.crc32(action.id.encode()))
        self._wanted.ask(action.device, number, {wanted: value}, action.not_after)
        return Order(f"{address}/{node}/{name}/set", written(value), number, repeatable=True)

    # ----------------------------------------------------------------------------------------------- who is there

    def _state(self, address: str, device: str, heard: Heard) -> list[Word]:
        if not heard.payload:
            return self._removed(address, device)
        state = plain(heard.payload).strip()
        if state not in _STATES:
            raise Rejected(Reason.BAD_VALUE, f"$state says {state[:40]!r}")
        thing = self._things.get(address) or Thing()
        before, thing.state = thing.state, state
        words: list[Word] = [About(device, address=address)]
        if not self._lost_with_its_root(thing):
            words += _presence(device, state)
        if (state == "alert") != ("alert" in thing.alerts):
            if state == "alert":
                thing.alerts["alert"] = 0
            else:
                del thing.alerts["alert"]
            words.append(Found(device, "alert", state == "alert", text="the device is in the state `alert`"))
        self._keep(address, thing)
        if (state == "lost") != (before == "lost"):
            words += self._children(address)
        return words

    def _children(self, root: str) -> list[Word]:
        """Who is gone with a lost root is back with it, in the state it was in."""
        words: list[Word] = []
        for address in sorted(self._behind.get(root, ())):
            child = self._things.get(address)
            if child is not None:
                words += _presence(device_id(address.rpartition("/")[2]), "lost" if self._lost_with_its_root(child) else child.state)
        return words

    def _lost_with_its_root(self, thing: Thing) -> bool:
        root = self._things.get(thing.root) if thing.root else None
        return root is not None and root.state == "lost"

    def _removed(self, address: str, device: str) -> list[Word]:
        thing = self._things.get(address) or Thing()
        words: list[Word] = [Found(device, name, active=False) for name in sorted(thing.alerts)]
        self._unlink(address, thing.root)
        self._things.forget(address)
        return [*words, Seen(device, online=False, evidence="goodbye")]

    # ----------------------------------------------------------------------------------------------- what it is

    def _of_five(self, address: str, device: str, rest: tuple[str, ...], heard: Heard) -> list[Word]:
        if rest == ("$description",) and heard.payload:
            return self._description(address, device, heard.payload)
        if len(rest) == 2 and rest[0] == "$alert":
            return self._alert(address, device, rest[1], heard.payload)
        return []  # $log, and what extensions add

    def _description(self, address: str, device: str, payload: bytes) -> list[Word]:
        found = description(payload)
        thing = self._things.get(address) or Thing()
        root = f"{address.rpartition('/')[0]}/{found.root}" if found.root else ""
        root = "" if root == address else root
        self._unlink(address, thing.root)
        thing.name, thing.described, thing.properties, thing.root = found.name, True, dict(found.properties), root
        self._keep(address, thing)
        if root:
            self._behind.setdefault(root, set()).add(address)
        about = About(device, name=found.name, address=address, units={at: one.unit for at, one in found.properties.items() if one.unit})
        return [about, *(_presence(device, "lost") if self._lost_with_its_root(thing) else ())]

    def _alert(self, address: str, device: str, name: str, payload: bytes) -> list[Word]:
        """A finding of the device itself: there as long as its text is stored."""
        if not 0 < len(name) <= 128:
            raise Rejected(Reason.BAD_NAME, f"alert {name[:60]!r}")
        thing = self._things.get(address) or Thing()
        if not payload:  # one that is not known here may be from before this worker's time
            if name in thing.alerts:
                del thing.alerts[name]
                self._keep(address, thing)
            return [Found(device, name, active=False)]
        text = plain(payload, 2_000)
        if name not in thing.alerts and len(thing.alerts) >= _MOST_ALERTS:
            raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {_MOST_ALERTS} alerts")
        told, now = thing.alerts.get(name), zlib.crc32(payload)
        thing.alerts[name] = now
        self._keep(address, thing)
        return [Found(device, name, active=True, text=text)] if told != now else []  # stored ones come with each connection

    def _of_four(self, address: str, device: str, rest: tuple[str, ...], heard: Heard) -> list[Word]:
        what = "/".join(rest)
        if not heard.payload:
            return []
        if what == "$name":
            return [About(device, name=plain(heard.payload), address=address)]
        if what == "$fw/name":
            return [About(device, model=plain(heard.payload), address=address)]
        if what == "$fw/version":
            return [About(device, firmware=plain(heard.payload), address=address)]
        return _stats(address, device, rest[1], heard) if len(rest) == 2 and rest[0] == "$stats" else []

    def _attribute(self, address: str, device: str, rest: tuple[str, ...], heard: Heard) -> list[Word]:
        """What Homie 4 says of a property, one topic for each."""
        node, name, what = rest
        if what not in {"$datatype", "$unit", "$settable"} or node.startswith("$") or not heard.payload:
            return []
        at, text = signal(node, name), plain(heard.payload)
        thing = self._things.get(address) or Thing()
        if at not in thing.properties and len(thing.properties) >= MOST_PROPERTIES:
            raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {MOST_PROPERTIES} properties")
        known = thing.properties.get(at, Property())
        if what == "$datatype":
            known = known._replace(datatype=text)
        elif what == "$settable":
            known = known._replace(settable=text == "true")
        else:
            known = known._replace(unit=unit(text))
        thing.properties[at] = known
        self._keep(address, thing)
        return [About(device, address=address, units={at: known.unit})] if what == "$unit" and known.unit else []

    # ----------------------------------------------------------------------------------------------- what it measures

    def _value(self, address: str, device: str, rest: tuple[str, ...], heard: Heard) -> list[Word]:
        if heard.retained or not heard.payload or rest[1].startswith("$"):
            return []
        values, units = self._read(address, signal(*rest), heard.payload)
        row = [Row(None, values, units, device=device)] if values else []
        return [*row, *self._wanted.met(device, values, heard.received_at)]

    def _target(self, address: str, device: str, rest: tuple[str, ...], heard: Heard) -> list[Word]:
        """A device that is on its way to the value it was asked for."""
        wish = self._wanted.wish(device, heard.received_at)
        if wish is None or not heard.payload:
            return []
        at = signal(rest[0], rest[1])
        values, _ = self._read(address, at, heard.payload)
        correlation, wanted = wish
        value: Value | None = wanted.get(at)
        return [Answer(device, correlation, ReplyStatus.ACCEPTED)] if at in values and value is not None and same(values[at], value) else []

    def _read(self, address: str, at: str, payload: bytes) -> tuple[dict[str, Value], dict[str, str]]:
        thing = self._things.get(address)
        known = thing.properties.get(at, Property()) if thing is not None else Property()
        values = read(at, known.datatype, payload)
        if len(values) > MAX_SIGNALS:
            raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {MAX_SIGNALS} values")
        return values, {at: known.unit} if known.unit and at in values else {}

    # ----------------------------------------------------------------------------------------------- memory

    def _keep(self, address: str, thing: Thing) -> None:
        for gone, forgotten in self._things.keep(address, thing, thing.weight):
            self._unlink(gone, forgotten.root)

    def _unlink(self, address: str, root: str) -> None:
        some = self._behind.get(root)
        if some is not None:
            some.discard(address)
            if not some:
                del self._behind[root]


def _stats(address: str, device: str, what: str, heard: Heard) -> list[Word]:
    """How often it speaks, and how it is doing."""
    if what == "interval":
        interval = number_in(what, plain(heard.payload))
        return [About(device, address=address, heartbeat_s=float(interval))] if 0 < interval <= _DAY_S else []
    if what not in _STATS or heard.retained:
        return []
    at = f"stats.{what}"
    value = number_in(at, plain(heard.payload))
    check_value(at, value)
    return [Row(None, {at: value}, {at: _STATS[what]}, device=device)]


def _presence(device: str, state: str) -> list[Word]:
    found = _STATES.get(state)
    return [Seen(device, *found)] if found is not None else []
