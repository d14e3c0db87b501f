"""The dialects, by name. Each is loaded only where it is wanted."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from ingest.dialects.words import Dialect
from vorab.errors import ConfigError
from vorab.settings import TopicMapEntry

DIALECTS: Final[Mapping[str, str]] = {
    "homeassistant": "ingest.dialects.homeassistant:HomeAssistant",
    "homie": "ingest.dialects.homie:Homie",
    "shelly": "ingest.dialects.shelly:Shelly",
    "sparkplug": "ingest.dialects.sparkplug.dialect:Sparkplug",
    "tasmota": "ingest.dialects.tasmota:Tasmota",
    "thingsboard": "ingest.dialects.thingsboard:ThingsBoard",
    "zigbee2mqtt": "ingest.dialects.zigbee2mqtt:Zigbee2Mqtt",
}
"""Where each dialect lives, as `module:Class`."""


def dialect(name: str) -> Dialect:
    """A new instance of the dialect of this name; raises ConfigError where there is none."""
    return _class_of(name)()


def _class_of(name: str) -> type[Dialect]:
    place = DIALECTS.get(name)
    if place is None:
        raise ConfigError(f"there is no dialect {name!r}", key="ingest.dialects", hint=f"one of {', '.join(DIALECTS)}")
    module, _, attribute = place.partition(":")
    found: Any = getattr(importlib.import_module(module), attribute)
    return cast(type[Dialect], found)


def entries(names: Iterable[str]) -> list[TopicMapEntry]:
    """The usual topics of these dialects, for the topic map; raises ConfigError for a dialect that does not exist."""
    return [TopicMapEntry(filter=wanted, dialect=name) for name in names for wanted in _class_of(name).filters]
