"""Tasmota: telemetry, presence, what it is, energy margins as alarms, and a few safe commands.

    tele/{device}/SENSOR | STATE | LWT | INFO1 | INFO3 | MARGINS | POWER_LOW …
    stat/{device}/POWER | RESULT | STATUS …
    cmnd/{device}/{command}                                   what vorab says

`FullTopic` may be changed on the device; a topic map entry with `{device}`, `{what}` and the level `tele` or `stat` anywhere fits all of
them (`tasmota/{device}/tele/{what}`). `Time` has no zone: the entry's zone counts, else UTC is assumed and the row is marked.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from ingest.decoders.moments import iso
from ingest.decoders.rows import Row
from ingest.dialects.trees import an_object, as_object, device_id, flat, plain, results, short
from ingest.dialects.words import About, Answer, Found, Heard, Order, Seen, Word
from ingest.units import unit
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.records import Action, ReplyStatus, Severity

_PREFIXES: Final = ("tele", "stat")
_POWER: Final = re.compile(r"POWER\d{0,2}")
_STATUS: Final = re.compile(r"STATUS\d{0,2}")
_MARGINS: Final = re.compile(r"(?:MAX_)?(?:POWER|VOLTAGE|CURRENT|ENERGY)_(?:LOW|HIGH|REACHED)|ENERGY_MONITOR")
_MARGIN_KEYS: Final = {
    "PowerLow": "power_low", "PowerHigh": "power_high", "VoltageLow": "voltage_low", "VoltageHigh": "voltage_high",
    "CurrentLow": "current_low", "CurrentHigh": "current_high", "MaxPowerReached": "max_power_reached",
    "MaxEnergyReached": "max_energy_reached",
}  # fmt: skip
_SWITCH: Final = {"ON": True, "OFF": False}
_STATES: Final = {"ON": "on", "1": "on", "TRUE": "on", "OFF": "off", "0": "off", "FALSE": "off"}
_MOST_KEYS: Final = 8

_NO_SIGNALS: Final = frozenset({"Time", "TempUnit", "PressureUnit", "SpeedUnit"})
_TEMPERATURES: Final = frozenset({"Temperature", "DewPoint", "HeatIndex", "FeelsLike", "ObjectTemperature", "AmbientTemperature"})
_PRESSURES: Final = frozenset({"Pressure", "SeaPressure"})
_FIXED: Final = {
    "Humidity": "%RH", "Moisture": "%RH", "Illuminance": "lx", "CarbonDioxide": "ppm", "eCO2": "ppm", "TVOC": "ppb", "UptimeSec": "s",
    "Signal": "dBm", "RSSI": "%", "Distance": "cm", "Battery": "%EL",
}  # fmt: skip
_ENERGY: Final = {
    "Total": "kWh", "Yesterday": "kWh", "Today": "kWh", "ExportActive": "kWh", "Period": "Wh", "Power": "W", "ApparentPower": "VA",
    "ReactivePower": "var", "Factor": "/", "Voltage": "V", "Current": "A", "Frequency": "Hz",
}  # fmt: skip
_INDEX: Final = re.compile(r"(?:\.\d+|\d+)$")

_ALLOWED: Final = re.compile(
    r"POWER\d{0,2}|DIMMER\d?|CT|COLOR|FANSPEED|SHUTTER(?:OPEN|CLOSE|STOP|POSITION)\d{0,2}|TELEPERIOD|STATE|STATUS", re.IGNORECASE
)
"""Commands that change nothing a person could not change with a switch. The others (Upgrade, Reset, SSID1, Backlog …) are not sent."""
_ARGUMENT: Final = re.compile(r"[A-Za-z0-9 ,.#+-]{0,64}")


class Tasmota:
    """The dialect; it keeps nothing."""

    name: ClassVar[str] = "tasmota"
    filters: ClassVar[tuple[str, ...]] = ("tele/{device}/{what}", "stat/{device}/{what}")

    def hear(self, heard: Heard) -> Iterable[Word]:
        """What a message says; raises Rejected."""
        device, what, prefix, base = _place(heard)
        if prefix == "tele" and what == "LWT":
            return [About(device, address=base), *_presence(device, heard.payload)]
        if prefix == "tele" and what == "INFO1":
            return [_about(device, base, _inside(an_object(heard.payload), "Info1"))]
        if heard.retained:
            return []
        if prefix == "tele":
            return self._telemetry(device, what, base, heard)
        return self._answer(device, what, base, heard)

    def due(self, now: Micros) -> Iterable[Word]:  # noqa: ARG002 - nothing is said by itself
        """Nothing."""
        return []

    def command(self, action: Action, address: str, now: Micros) -> Order:  # noqa: ARG002 - a command carries no time
        """One command word; the answer is known by it, since Tasmota repeats no number."""
        if action.name == "restart":
            return Order(f"{address}/Restart", b"1", "restart")
        if action.name == "diagnose":
            return Order(f"{address}/Status", b"0", "status", repeatable=True)
        if action.name == "read":
            return Order(f"{address}/TelePeriod", b"", "teleperiod", repeatable=True)
        if action.name == "set":
            if len(action.params) != 1:
                raise Rejected(Reason.UNSUPPORTED, "Tasmota sets one thing at a time")
            [(word, value)] = action.params.items()
        else:
            word, value = action.name, action.params.get("value")
        text = "" if value is None else "ON" if value is True else "OFF" if value is False else str(value)
        if not _ALLOWED.fullmatch(word):
            raise Rejected(Reason.UNSUPPORTED, f"{word[:60]!r} is not one of the commands sent to Tasmota")
        if not _ARGUMENT.fullmatch(text):
            raise Rejected(Reason.UNSUPPORTED, f"{text[:60]!r} is no argument of {word}")
        return Order(f"{address}/{word}", text.encode(), _key(word, text), repeatable=text.upper() not in {"TOGGLE", "2", "+", "-"})

    # ----------------------------------------------------------------------------------------------- inside

    def _telemetry(self, device: str, what: str, base: str, heard: Heard) -> list[Word]:
        if what in {"SENSOR", "STATE"}:
            return [About(device, address=base), _row(device, an_object(heard.payload), heard.zone)]
        if what == "INFO3":
            reason = _inside(an_object(heard.payload), "Info3").get("RestartReason")
            return [Row(None, {"RestartReason": reason[:255]}, device=device)] if isinstance(reason, str) else []
        if what == "MARGINS":
            margins = _inside(an_object(heard.payload), "MARGINS")
            return [_margin(device, _MARGIN_KEYS[key], value) for key, value in margins.items() if key in _MARGIN_KEYS]
        if _MARGINS.fullmatch(what):
            return [_margin(device, what.lower(), plain(heard.payload))]
        return []  # INFO2, UPTIME, and whatever else rules and drivers publish

    def _answer(self, device: str, what: str, base: str, heard: Heard) -> list[Word]:
        if _POWER.fullmatch(what) and not heard.payload.lstrip().startswith(b"{"):
            return [Row(None, {what: plain(heard.payload)}, device=device)] if heard.payload else []
        if what in {"LWT", "LOGGING"} or not heard.payload.lstrip().startswith(b"{"):
            return []
        body = an_object(heard.payload)
        words = _said(device, body)
        if _STATUS.fullmatch(what):
            words += _status(device, base, body, heard.zone)
        return words


def _place(heard: Heard) -> tuple[str, str, str, str]:
    """Device id, what is said, the prefix, and where commands for the device go."""
    named, what = heard.named.get("device", ""), heard.named.get("what", "")
    prefixes = [level for level in heard.levels if level in _PREFIXES]
    if not named or not what or named in {*_PREFIXES, "cmnd"} or len(prefixes) != 1:
        raise Rejected(Reason.UNKNOWN_TOPIC, "the topic names no device, or not whether it is `tele` or `stat`")
    base = "/".join("cmnd" if level in _PREFIXES else level for level in heard.levels[:-1])
    return device_id(named), what, prefixes[0], base


def _presence(device: str, payload: bytes) -> list[Word]:
    word = plain(payload).strip()
    if not word:
        return []  # somebody cleared the stored message
    if word not in {"Online", "Offline"}:
        raise Rejected(Reason.BAD_VALUE, f"LWT says {word[:40]!r}, neither Online nor Offline")
    return [Seen(device, word == "Online", "birth" if word == "Online" else "will")]


def _inside(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under a key, as newer firmware nests it; older had it plain."""
    return as_object(body[key]) if key in body else body


def _about(device: str, base: str, info: Mapping[str, Any]) -> About:
    return About(device, model=short(info.get("Module")), firmware=short(info.get("Version")), address=base)


def _row(device: str, body: Mapping[str, Any], zone: str) -> Row:
    at, quality = iso(body["Time"], _zone(zone)) if "Time" in body else (None, 0)
    values = flat(body, leave=_NO_SIGNALS)
    if not values:
        raise Rejected(Reason.EMPTY, "no values")
    return Row(at, values, _units(values, body), device=device, quality=quality)


@functools.lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        raise Rejected(Reason.BAD_TIME, f"the topic map names the zone {name[:40]!r}, which does not exist") from None


def _units(values: Iterable[str], body: Mapping[str, Any]) -> dict[str, str]:
    temperature = {"C": "Cel", "F": "[degF]"}.get(short(body.get("TempUnit")), "")
    pressure, speed = unit(short(body.get("PressureUnit"))), unit(short(body.get("SpeedUnit")))
    found = {}
    for path in values:
        head, _, _ = path.partition(".")
        leaf = _INDEX.sub("", path).rpartition(".")[2]
        if head == "ENERGY":
            name = _ENERGY.get(leaf, "")
        elif leaf in _TEMPERATURES:
            name = temperature
        elif leaf in _PRESSURES:
            name = pressure
        else:
            name = speed if leaf == "Speed" and head != "Speed" else _FIXED.get(leaf, "")
        if name:
            found[path] = name
    return found


def _margin(device: str, name: str, value: object) -> Found:
    active = _SWITCH.get(str(value).strip().upper())
    if active is None:
        raise Rejected(Reason.BAD_VALUE, f"{name} is neither ON nor OFF")
    return Found(device, name, active, Severity.MINOR, f"{name.replace('_', ' ')}: the energy margin set on the device")


def _said(device: str, body: Mapping[str, Any]) -> list[Word]:
    """An answer by each of its keys: `{"POWER": "ON", "Dimmer": 50}` answers Dimmer, and Power where ON or nothing definite was asked."""
    if str(body.get("Command")) in {"Unknown", "Error"}:
        code = "unsupported" if body["Command"] == "Unknown" else "failed"
        return [Answer(device, "", ReplyStatus.FAILED, code, f"Command: {body['Command']}")]
    result, words = results(body), list[Word]()
    for key, value in list(body.items())[:_MOST_KEYS]:
        words.append(Answer(device, _key(key), ReplyStatus.SUCCEEDED, result=result))
        if _POWER.fullmatch(key):
            words.append(Answer(device, _key(key, str(value)), ReplyStatus.SUCCEEDED, result=result))
    return words


def _key(word: str, value: str = "") -> str:
    """What a command and its answer have in common: `Power1` is answered as POWER where there is one relay."""
    word = word.lower()
    if word.startswith("status"):
        return "status"
    word = word.removesuffix("1")
    if word.startswith("power") and (state := _STATES.get(value.upper())):
        return f"{word}:{state}"
    return word


def _status(device: str, base: str, body: Mapping[str, Any], zone: str) -> list[Word]:
    words: list[Word] = []
    status, firmware = as_object(body.get("Status", {})), as_object(body.get("StatusFWR", {}))
    if status or firmware:
        words.append(About(device, name=short(status.get("DeviceName")), firmware=short(firmware.get("Version")), address=base))
    words += [_row(device, as_object(body[key]), zone) for key in ("StatusSNS", "StatusSTS") if body.get(key)]
    return words
