"""Shelly of the second generation and later (Plus, Pro, Gen3, Gen4): notifications, presence, faults, and RPC.

    {device}/events/rpc             NotifyStatus, NotifyFullStatus, NotifyEvent
    {device}/status/{component}     the whole status of one component, where `status_ntf` is on
    {device}/online                 true, or false by the will
    {device}/rpc                    what vorab asks; the answer comes on vorab-{device}/rpc

These topics begin with the device, so others may use the same shapes. A first level that looks like the id of a Shelly is one; any other
(a prefix of the owner's choice) is believed after a notification whose `src` is a Shelly's. What is not one is left alone.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from ingest.decoders.rows import MAX_SIGNALS, Row, micros, number
from ingest.dialects.memory import Memory
from ingest.dialects.trees import an_object, as_object, device_id, flat, plain, results, short
from ingest.dialects.words import About, Answer, Found, Heard, Order, Seen, Word
from vorab.clock import SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.records import Action, ReplyStatus, Severity
from vorab.topics import ID

_SHELLY: Final = re.compile(r"(shelly[a-z0-9]{1,24})-[0-9a-f]{6,16}", re.IGNORECASE)
_COMPONENT: Final = re.compile(r"[a-z][a-z0-9_]{0,31}(?::\d{1,4})?")
_REPLIES: Final = "vorab-"
_MOST_REMEMBERED: Final = 300_000
"""Devices, components and faults together."""
_MOST_COMPONENTS: Final = 256
_MOST_FAULTS: Final = 64
"""Of one device."""

_MAJOR: Final = frozenset({"overtemp", "overpower", "overvoltage", "overcurrent"})
_PROTECTION: Final = ("overtemp", "overpower", "overvoltage", "undervoltage", "overcurrent")
_PROTECTED: Final = frozenset({"switch", "light", "cover", "rgb", "rgbw", "cct", "pm1"})
"""Components whose status names these faults."""

_LEFT_OUT: Final = frozenset({"id", "temperature.tF", "tF", "aenergy.by_minute", "aenergy.minute_ts", "ret_aenergy.by_minute",
                              "ret_aenergy.minute_ts"})  # fmt: skip
"""What says the same thing twice."""
_UNITS: Final = {
    "tC": "Cel", "rh": "%RH", "lux": "lx", "pf": "/", "rssi": "dBm", "uptime": "s", "battery.percent": "%EL", "battery.V": "V",
    "aenergy.total": "Wh", "ret_aenergy.total": "Wh", "total_act": "Wh", "total_act_ret": "Wh", "total_act_energy": "Wh",
    "total_act_ret_energy": "Wh", "ram_size": "B", "ram_free": "B", "fs_size": "B", "fs_free": "B", "current_pos": "%", "brightness": "%",
    "percent": "%",
}  # fmt: skip
_ENDINGS: Final = (
    ("apower", "W"), ("act_power", "W"), ("aprt_power", "VA"), ("aprtpower", "VA"), ("voltage", "V"), ("current", "A"), ("freq", "Hz"),
    ("act_energy", "Wh"), ("_pf", "/"),
)  # fmt: skip

_NEVER: Final = re.compile(
    r"(?:Shelly\.(?:FactoryReset|ResetWiFiConfig|ResetAuthCode|SetAuth)|WiFi\..*|Mqtt\..*|Script\..*)", re.IGNORECASE
)
"""After these the device may be out of reach, or somebody else's."""
_METHOD: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,31}\.[A-Z][A-Za-z0-9]{0,47}")

_Faults = dict[str, frozenset[str]]
"""By component, of one device."""


class Shelly:
    """The dialect; it remembers which prefixes are Shellys, and the faults of each."""

    name: ClassVar[str] = "shelly"
    filters: ClassVar[tuple[str, ...]] = ("{device}/events/rpc", "{device}/status/{component}", "{device}/online", "{reply}/rpc")

    def __init__(self) -> None:
        self._faults: Memory[_Faults] = Memory(_MOST_REMEMBERED)
        """By prefix of the topics: every Shelly that has been heard."""

    def hear(self, heard: Heard) -> Iterable[Word]:
        """What a message says; raises Rejected."""
        if "reply" in heard.named:
            return _reply(heard)
        prefix = _prefix(heard)
        if heard.levels[-1] == "online":
            return self._online(prefix, heard)
        if heard.levels[-2:] == ("events", "rpc"):
            return self._notification(prefix, heard) if heard.payload and not heard.retained else []
        if not self._known(prefix, heard) or not heard.payload:
            return []
        return self._status(prefix, heard)

    def due(self, now: Micros) -> Iterable[Word]:  # noqa: ARG002 - nothing is said by itself
        """Nothing."""
        return []

    def command(self, action: Action, address: str, now: Micros) -> Order:  # noqa: ARG002 - RPC carries no time
        """An RPC whose id comes from the action; other names than the usual four are methods of the device."""
        method, params = _method(action)
        number = zlib.crc32(action.id.encode()) & 0x7FFFFFFF
        call = {"id": number, "src": f"{_REPLIES}{action.device}", "method": method, "params": params}
        return Order(f"{address}/rpc", json.dumps(call).encode(), str(number), repeatable=action.name in {"read", "diagnose", "set"})

    # ----------------------------------------------------------------------------------------------- inside

    def _known(self, prefix: str, heard: Heard) -> bool:
        return prefix in self._faults or bool(_SHELLY.fullmatch(heard.named["device"]))

    def _online(self, prefix: str, heard: Heard) -> list[Word]:
        if not self._known(prefix, heard) or not heard.payload:
            return []
        word = plain(heard.payload).strip()
        if word not in {"true", "false"}:
            raise Rejected(Reason.BAD_VALUE, f"online says {word[:40]!r}, neither true nor false")
        device = device_id(heard.named["device"])
        return [_about(device, prefix, heard.named["device"]), Seen(device, word == "true", "birth" if word == "true" else "will")]

    def _notification(self, prefix: str, heard: Heard) -> list[Word]:
        frame = an_object(heard.payload)
        source, named = frame.get("src"), heard.named["device"]
        if not isinstance(source, str) or not _SHELLY.fullmatch(source):
            if self._known(prefix, heard):
                raise Rejected(Reason.BAD_SHAPE, "a notification without a Shelly's `src`")
            return []
        if _SHELLY.fullmatch(named) and source.lower() != named.lower():
            raise Rejected(Reason.IDENTITY_MISMATCH, f"the payload says {source}")
        device, method, params = device_id(named), str(frame.get("method")), as_object(frame.get("params"))
        known = self._faults.get(prefix) or {}
        if method in {"NotifyStatus", "NotifyFullStatus"}:
            words, faults = _overlay(device, params, known, whole=method == "NotifyFullStatus")
        elif method == "NotifyEvent":
            words, faults = _events(device, params, known)
        else:
            raise Rejected(Reason.UNSUPPORTED, f"the notification {method[:60]!r}")
        self._keep(prefix, faults)
        return [_about(device, prefix, source), *words]

    def _status(self, prefix: str, heard: Heard) -> list[Word]:
        """The whole of one component; a stored one says which faults there are, but its values are no news."""
        component = heard.named.get("component") or heard.levels[-1]
        if not _COMPONENT.fullmatch(component):
            raise Rejected(Reason.BAD_NAME, f"component {component[:60]!r}")
        device, status = device_id(heard.named["device"]), an_object(heard.payload)
        words, faults = _overlay(device, {component: status}, self._faults.get(prefix) or {}, whole=True)
        self._keep(prefix, faults)
        return [word for word in words if not (heard.retained and isinstance(word, Row))]

    def _keep(self, prefix: str, faults: _Faults) -> None:
        self._faults.keep(prefix, faults, 1 + len(faults) + sum(map(len, faults.values())))


def _prefix(heard: Heard) -> str:
    if not heard.named.get("device"):
        raise Rejected(Reason.UNKNOWN_TOPIC, "the topic names no device")
    cut = 1 if heard.levels[-1] == "online" else 2
    return "/".join(heard.levels[:-cut])


def _about(device: str, prefix: str, source: str) -> About:
    found = _SHELLY.fullmatch(source)
    return About(device, model=found[1].lower() if found else "", address=prefix)


def _overlay(device: str, params: Mapping[str, Any], known: _Faults, *, whole: bool) -> tuple[list[Word], _Faults]:
    """What changed of a status. Signals that are not named are what they were, and need not be said again."""
    if len(params) > _MOST_COMPONENTS:
        raise Rejected(Reason.TOO_MANY_SIGNALS, f"{len(params)} components")
    at, faults, found = _time(params.get("ts")), dict(known), list[Word]()
    rows: list[dict[str, Value]] = [{}]
    for component, status in params.items():
        if component == "ts" or status is None:
            continue
        if not _COMPONENT.fullmatch(component):
            raise Rejected(Reason.BAD_NAME, f"component {component[:60]!r}")
        status = as_object(status)  # noqa: PLW2901 - the same, looked at
        lists = {key: status[key] for key in status if key == "errors" or key.endswith("_errors")}
        if len(lists) > _MOST_FAULTS:
            raise Rejected(Reason.TOO_MANY_SIGNALS, f"{len(lists)} lists of faults")
        values = flat(status, component, frozenset(f"{component}.{name}" for name in (*_LEFT_OUT, *lists)))
        if len(rows[-1]) + len(values) > MAX_SIGNALS:
            rows.append({})
        rows[-1] |= values
        for place, now in _errors(component, lists, known, whole=whole).items():
            found += _changes(device, place, known.get(place), now)
            faults[place] = now
    # A component without faults is remembered where its faults are usual: then it need not be said again that they are over.
    faults = {place: some for place, some in faults.items() if some or _protected(place)}
    if len(faults) > _MOST_FAULTS or sum(map(len, faults.values())) > _MOST_FAULTS:
        raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {_MOST_FAULTS} faults")
    return [*(Row(at, values, _units(values), device=device) for values in rows if values), *found], faults


def _errors(component: str, lists: Mapping[str, Any], known: _Faults, *, whole: bool) -> _Faults:
    """The faults a status names, by place: `errors` of the component, `a_errors` of a phase. A whole status names all there are."""
    named: _Faults = {}
    if whole:
        named = {place: frozenset() for place in (component, *(place for place in known if place.startswith(f"{component}.")))}
    for key, found in lists.items():
        if isinstance(found, list) and len(found) > _MOST_FAULTS:
            raise Rejected(Reason.TOO_MANY_SIGNALS, f"{len(found)} faults")
        if found is not None and not (isinstance(found, list) and all(isinstance(one, str) and 0 < len(one) <= 64 for one in found)):
            raise Rejected(Reason.BAD_SHAPE, f"{key} is not a list of names")
        named[component if key == "errors" else f"{component}.{key.removesuffix('_errors')[:32]}"] = frozenset(found or ())
    return named


def _protected(place: str) -> bool:
    return place.partition(":")[0] in _PROTECTED


def _changes(device: str, component: str, before: frozenset[str] | None, now: frozenset[str]) -> list[Word]:
    """Faults that came and went. Of a component not heard before, those that are usual are said to be over: they may be from long ago."""
    if before is None:
        before = frozenset(_PROTECTION) - now if _protected(component) else frozenset()
    return [_fault(device, component, name, active=name in now) for name in sorted(now ^ before)]


def _fault(device: str, component: str, name: str, *, active: bool, since: Micros | None = None) -> Found:
    severity = Severity.MAJOR if name in _MAJOR else Severity.MINOR
    return Found(device, f"{component}.{name}", active, severity, f"{component} reports {name}", since)


def _events(device: str, params: Mapping[str, Any], known: _Faults) -> tuple[list[Word], _Faults]:
    events = params.get("events")
    if not isinstance(events, list) or len(events) > 256:
        raise Rejected(Reason.BAD_SHAPE, "events is not a list")
    faults, words = dict(known), list[Word]()
    for one in events:
        event = as_object(one)
        component, name = event.get("component"), event.get("event")
        if not isinstance(component, str) or not _COMPONENT.fullmatch(component) or not isinstance(name, str) or not 0 < len(name) <= 64:
            raise Rejected(Reason.BAD_SHAPE, "an event without component or name")
        at = _time(event.get("ts", params.get("ts")))
        if name in _PROTECTION:
            faults[component] = faults.get(component, frozenset()) | {name}
            words.append(_fault(device, component, name, active=True, since=at))
        words.append(Row(at, {f"{component}.event": name}, device=device))
    if len(faults) > _MOST_FAULTS:
        raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {_MOST_FAULTS} faults")
    return words, faults


def _time(found: object) -> Micros | None:
    """Seconds since 1970 as a float; null before the device knows the time."""
    if found is None:
        return None
    try:
        return micros(number("ts", found), SECOND)
    except Rejected as why:
        raise Rejected(Reason.BAD_TIME, why.detail) from None


def _units(values: Iterable[str]) -> dict[str, str]:
    found = {}
    for path in values:
        field = path.partition(".")[2]
        leaf = field.rpartition(".")[2]
        name = _UNITS.get(field) or _UNITS.get(leaf) or next((name for end, name in _ENDINGS if leaf.endswith(end)), "")
        if name:
            found[path] = name
    return found


def _reply(heard: Heard) -> list[Word]:
    """The answer to an RPC of vorab; requests of everybody, and answers to others, come on such topics too."""
    level = heard.named["reply"]
    if not level.startswith(_REPLIES) or heard.retained or not heard.payload:
        return []
    frame, device = an_object(heard.payload), level.removeprefix(_REPLIES)
    if not ID.fullmatch(device):
        raise Rejected(Reason.BAD_NAME, f"device {device[:60]!r}")
    source, correlation = frame.get("src"), frame.get("id")
    if _SHELLY.fullmatch(device) and str(source).lower() != device.lower():
        raise Rejected(Reason.IDENTITY_MISMATCH, f"the payload says {str(source)[:60]}")
    if isinstance(correlation, bool) or not isinstance(correlation, int):
        raise Rejected(Reason.BAD_SHAPE, "an answer without the number of its question")
    error = frame.get("error")
    if error is not None:
        error = as_object(error)
        return [Answer(device, str(correlation), ReplyStatus.FAILED, str(error.get("code"))[:64], str(error.get("message"))[:255])]
    result = frame.get("result")
    words: list[Word] = [Answer(device, str(correlation), ReplyStatus.SUCCEEDED, result=results(result))]
    if isinstance(result, dict) and "fw_id" in result:  # of Shelly.GetDeviceInfo
        words.append(About(device, name=short(result.get("name")), firmware=short(result.get("ver"))))
    return words


def _method(action: Action) -> tuple[str, dict[str, Any]]:
    if action.name == "restart":
        return "Shelly.Reboot", {"delay_ms": 1000}
    if action.name in {"read", "diagnose"}:
        return "Shelly.GetStatus", {}
    if action.name == "set":
        return _setting(action.params)
    if not _METHOD.fullmatch(action.name) or _NEVER.fullmatch(action.name):
        raise Rejected(Reason.UNSUPPORTED, f"{action.name[:60]!r} is not one of the methods sent to a Shelly")
    return action.name, dict(action.params)


_SETTINGS: Final = {
    ("switch", "output"): ("Switch.Set", "on"),
    ("light", "output"): ("Light.Set", "on"),
    ("light", "brightness"): ("Light.Set", "brightness"),
    ("cover", "current_pos"): ("Cover.GoToPosition", "pos"),
    ("cover", "target_pos"): ("Cover.GoToPosition", "pos"),
}


def _setting(params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """`{"switch:0.output": true}` as the method of its component."""
    call: dict[str, Any] = {}
    methods = set()
    for signal, value in params.items():
        component, _, field = signal.partition(".")
        kind, _, instance = component.partition(":")
        found = _SETTINGS.get((kind, field))
        if found is None or not instance.isdecimal():
            raise Rejected(Reason.UNSUPPORTED, f"{signal[:60]!r} cannot be set")
        methods.add((found[0], int(instance)))
        call[found[1]] = value
    if len(methods) != 1:
        raise Rejected(Reason.UNSUPPORTED, "a Shelly sets one component at a time")
    [(method, number)] = methods
    return method, {"id": number, **call}
