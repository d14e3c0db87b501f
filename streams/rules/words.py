"""The words rules are written with: durations, limits, patterns of devices, titles."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from vorab.clock import DAY, HOUR, MINUTE, SECOND, Micros

_UNITS: Final[dict[str, Micros]] = {"ms": SECOND // 1000, "s": SECOND, "min": MINUTE, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION: Final = r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*$"


def parse_duration(value: object) -> object:
    """`90 s`, `2 min` (or `2m`), `1.5 h` as µs; anything that is not text passes through for the type to refuse."""
    if not isinstance(value, str):
        if isinstance(value, bool | float) or (isinstance(value, int) and value != 0):
            raise ValueError("a duration needs a unit: 90 s, 2 min, 1.5 h")
        return value
    found = re.match(_DURATION, value)
    if not found:
        raise ValueError(f"{value!r} is no duration; 90 s, 2 min, 1.5 h and 3 d are")
    return round(float(found[1]) * _UNITS[found[2]])


def say_duration(us: Micros) -> str:
    """µs as people and rule files write it: `2 min`."""
    for unit in ("d", "h", "min", "s"):
        if us >= _UNITS[unit] and us % _UNITS[unit] == 0:
            return f"{us // _UNITS[unit]} {unit}"
    return f"{us / _UNITS['min']:.1f} min" if us >= MINUTE else f"{us / SECOND:g} s"


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(say_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["90 s", "2 min", "1.5 h"]}),
]
"""µs in Python, text in files."""

Slug = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Globs = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class Strict(BaseModel):
    """Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Title(Strict):
    """What people call the finding."""

    en: str = Field(min_length=1, max_length=120, description="English, one short sentence without a full stop.")
    de: str = Field(min_length=1, max_length=120, description="German, the same.")


class Applies(Strict):
    """On which devices a rule looks; patterns with * and ?, every line must match."""

    models: Globs = Field(("*",), description="Models; a device the registry does not know matches only *.")
    devices: Globs = Field(("*",), description="Names of devices.")
    tenants: Globs = Field(("*",), description="Tenants.")

    def match(self, tenant: str, device: str, model: str) -> bool:
        """Whether the device is meant."""
        return (
            any(fnmatchcase(model, glob) for glob in self.models)
            and any(fnmatchcase(device, glob) for glob in self.devices)
            and any(fnmatchcase(tenant, glob) for glob in self.tenants)
        )


class FromRegistry(Strict):
    """A value each device brings along in its registry entry."""

    limit: str = Field(min_length=1, description="Name of the limit in the device's registry entry.")
    default: float | None = Field(None, description="For devices without it; none: the rule does not apply to them.")


Bound = float | FromRegistry
