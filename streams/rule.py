"""What every rule has, and the words rules are written with: durations, limits, patterns of devices."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

from streams.schedule import When
from vorab.clock import DAY, HOUR, MINUTE, SECOND, Micros
from vorab.records import Severity

EVIDENCE: Final = 24
"""Most readings a symptom carries as evidence."""

NOT_MEASURED: Final = "@="
"""What the names of signals begin with that no device measured: what rows say of themselves, and what is computed."""

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


class Flap(Strict):
    """What is raised more often than this is held: told once, and raised until it has become rare."""

    times: int = Field(5, ge=2, le=1000, description="Raised so often, evenly spread over the time, or quicker.")
    within: Duration = Field(HOUR, ge=SECOND, description="The time; also the half-life of the penalty.")

    @property
    def ceiling(self) -> float:
        """The penalty of that many episodes; each counts one when it is raised, and half after the time."""
        spread: float = sum(2.0 ** (-i / (self.times - 1)) for i in range(self.times))
        return spread * (1 - 1e-9)

    @property
    def reuse(self) -> float:
        """The penalty below which it is let go."""
        return self.ceiling / 2


def _off(value: object) -> object:
    return None if value == "off" else value


def _or_off(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"const": "off"} if each == {"type": "null"} else each for each in schema["anyOf"]]


class Rule(Strict):
    """What all rules have; a detector's module has the rest."""

    text: ClassVar[bool] = False
    """Whether it judges words: they come as numbers, and `read_words` tells which."""

    detector: str

    id: Slug = Field(description="Stays for ever: it is part of the ids of symptoms.")
    title: Title
    applies: Applies = Field(default_factory=Applies)
    cause: Slug = Field(description="Symptoms of one cause on one device belong to one case.")
    severity: Severity = Severity.MAJOR
    unit: str = Field("", max_length=32, description="UCUM code (Cel, bar, mm/s); for display.")
    evidence: int = Field(EVIDENCE, ge=1, le=EVIDENCE, description="Readings of the signal that a symptom carries.")
    when: When | None = Field(None, description="Days and hours in which it looks; none: always.")
    flap: Annotated[Flap | None, BeforeValidator(_off)] = Field(
        Flap(), description="When what comes and goes is held; off: never.", json_schema_extra=_or_off
    )

    @cached_property
    def version(self) -> str:
        """Short hash of the rule as it decides and speaks, whatever the spelling of its file."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:12]

    @property
    def needs(self) -> tuple[Bound, ...]:
        """What a device must have a number for; the rule does not look at one that has none."""
        return ()

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """All limits that a device may bring along; these are prepared for each device by itself."""
        return self.needs

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Signals it names in full: these are always remembered, however many others there are."""
        return ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Signals it reads without judging them."""
        return ()

    def looks_at(self, signal: str) -> bool:  # noqa: ARG002 - what other rules are asked
        """Whether it judges a signal by itself."""
        return False


class SignalRule(Rule):
    """A rule about one signal."""

    signal: str = Field(min_length=1, description="The signal it judges, or one that is computed: = supply - return (CEL).")

    @field_validator("signal")
    @classmethod
    def _can_be_computed(cls, signal: str) -> str:
        if signal.startswith("="):
            from streams.derive import Formula  # noqa: PLC0415 - only rules that compute load the library

            Formula(signal[1:])
        return signal

    @property
    def inputs(self) -> tuple[str, ...]:
        """The signals it is computed from."""
        if not self.signal.startswith("="):
            return ()
        from streams.derive import Formula  # noqa: PLC0415 - the same

        return Formula(self.signal[1:]).signals

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Its one signal."""
        return (self.signal,)

    def looks_at(self, signal: str) -> bool:
        """Whether this is its signal."""
        return signal == self.signal


class LearnerRule(Rule):
    """A rule that learns signals, each by itself."""

    signals: Globs = Field(("*",), description="Patterns of the signals to learn.")
    ignore: tuple[str, ...] = Field((), description="Patterns of signals to leave out: counters, flags.")

    @model_validator(mode="before")
    @classmethod
    def _one_signal(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("signals"), str):
            return {**data, "signals": (data["signals"],)}
        return data

    def looks_at(self, signal: str) -> bool:
        """Signals by their patterns; what a row says of itself is not learned."""
        if signal[0] in NOT_MEASURED or any(fnmatchcase(signal, glob) for glob in self.ignore):
            return False
        return any(fnmatchcase(signal, glob) for glob in self.signals)


def resolve(bound: Bound, limits: Mapping[str, float]) -> float | None:
    """The number of a limit for a device with these limits; None where it has none."""
    return bound if isinstance(bound, float) else limits.get(bound.limit, bound.default)
