"""Home Assistant discovery as a source of facts: name, model, firmware, units and heartbeat of whatever announces itself there.

    homeassistant/{component}/[{node}/]{object}/config      one entity
    homeassistant/device/{object}/config                    a whole device with its components

Which device it is, is said by the topic its state comes on, read by the same topic map that reads the state. Templates are foreign code:
of `value_template` only plain paths like `{{ value_json.a.b }}` and `{{ value_json['a'] }}` are read, as text; nothing is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from ingest.decoders.rows import SIGNAL
from ingest.decoders.strict import parse
from ingest.dialects.words import About, Heard, Order, Word
from ingest.units import unit
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.records import Action

# What the abbreviations of discovery stand for, where vorab reads it.
_SHORT: Final = {
    "stat_t": "state_topic", "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template", "exp_aft": "expire_after",
    "dev": "device", "cmps": "components", "json_attr_t": "json_attributes_topic",
}  # fmt: skip
_SHORT_DEVICE: Final = {"mf": "manufacturer", "mdl": "model", "sw": "sw_version"}
_PATH: Final = re.compile(
    r"\{\{\s*value_json((?:\.[A-Za-z_]\w*|\[(?:'[^'\]]*'|\"[^\"\]]*\")\])+)\s*(?:\|\s*(?:float|int|round)(?:\(\d*\))?\s*)*\}\}"
)
_STEP: Final = re.compile(r"\.([A-Za-z_]\w*)|\[(?:'([^'\]]*)'|\"([^\"\]]*)\")\]")
_MAX_COMPONENTS: Final = 256
_LONGEST: Final = 200
"""Characters of a template that may be a plain path."""
_DAY_S: Final = 86_400.0


class HomeAssistant:
    """The dialect: it only listens."""

    name: ClassVar[str] = "homeassistant"
    filters: ClassVar[tuple[str, ...]] = ("homeassistant/#",)

    def hear(self, heard: Heard) -> Iterable[Word]:
        """The facts of one announcement; a stored one is as good as a new one. Raises Rejected."""
        if not heard.tail or heard.tail[-1] != "config" or not heard.payload:
            return []  # births of Home Assistant itself, and withdrawn entities
        body = parse(heard.payload)
        if not isinstance(body, dict):
            raise Rejected(Reason.BAD_SHAPE, "an announcement is an object")
        body = _long(body, _SHORT)
        device = body.get("device")
        about = _device(_long(device, _SHORT_DEVICE) if isinstance(device, dict) else {})
        words: dict[str, About] = {}
        for entity in _entities(body):
            topic = _topic(entity, body)
            if not topic:
                continue
            known = words.get(topic, about._replace(via=topic))
            words[topic] = _with(known, entity, topic)
        return list(words.values())

    def due(self, now: Micros) -> Iterable[Word]:  # noqa: ARG002 - nothing is said by itself
        """Nothing."""
        return []

    def command(self, action: Action, address: str, now: Micros) -> Order:  # noqa: ARG002 - there is none
        """Discovery is no way to reach a device."""
        raise Rejected(Reason.UNSUPPORTED, f"{action.name}: Home Assistant discovery takes no commands")


def _long(body: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in body.items()}


def _entities(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    components = body.get("components")
    if not isinstance(components, dict):
        yield body
        return
    for component in list(components.values())[:_MAX_COMPONENTS]:
        if isinstance(component, dict):
            yield {**{key: body[key] for key in ("state_topic", "~") if key in body}, **_long(component, _SHORT)}


def _topic(entity: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    topic = entity.get("state_topic") or entity.get("json_attributes_topic")
    base = entity.get("~", body.get("~", ""))
    if not isinstance(topic, str) or not isinstance(base, str):
        return ""
    if topic.startswith("~"):
        topic = base + topic[1:]
    elif topic.endswith("~"):
        topic = topic[:-1] + base
    return topic if len(topic) <= 512 and not {"+", "#"} & set(topic) else ""


def _device(device: Mapping[str, Any]) -> About:
    model = " ".join(text for key in ("manufacturer", "model") if (text := _text(device.get(key))))
    return About("", name=_text(device.get("name")), model=model, firmware=_text(device.get("sw_version")))


def _with(about: About, entity: Mapping[str, Any], topic: str) -> About:
    signal, named = signal_of(entity.get("value_template"), topic), _text(entity.get("unit_of_measurement"))
    units = {**about.units, signal: unit(named)} if signal and named else about.units
    expiry = entity.get("expire_after")
    heartbeat_s = about.heartbeat_s
    if isinstance(expiry, int | float) and not isinstance(expiry, bool) and 0 < expiry <= _DAY_S:
        heartbeat_s = float(expiry) if heartbeat_s is None else min(heartbeat_s, float(expiry))
    return about._replace(units=units, heartbeat_s=heartbeat_s)


def signal_of(template: object, topic: str) -> str:
    """The signal a template reads, by its plain path; without a template the state is a bare value and named by its topic; else empty."""
    if template is None:
        levels = [level for level in topic.split("/") if level]
        found = levels[-2] if len(levels) > 1 and levels[-1] == "state" else levels[-1] if levels else ""
    else:
        match = _PATH.fullmatch(template.strip()) if isinstance(template, str) and len(template) <= _LONGEST else None
        path = match[1] if match else ""
        found = ".".join("".join(step) for step in _STEP.findall(path)) if "[" in path else path[1:]
    return found if SIGNAL.fullmatch(found) else ""


def _text(value: object) -> str:
    return value[:255] if isinstance(value, str) else ""
