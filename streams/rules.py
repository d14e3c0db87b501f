"""Rules: what to look for on which devices, as operators write it down; validated here, read from YAML by `streams.rulefiles`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
    create_model,
    model_validator,
)

from streams.detectors.learned import LearnedConfig
from vorab.clock import DAY, HOUR, MINUTE, SECOND, Micros
from vorab.records import Severity

MOST_WATCHED: Final = 10_000
"""Signal names remembered; devices may make up as many as they like."""
EVIDENCE: Final = 24
"""Most readings a symptom carries as evidence."""

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


class _Rule(Strict):
    """What all rules have."""

    id: Slug = Field(description="Stays for ever: it is part of the ids of symptoms.")
    title: Title
    applies: Applies = Field(default_factory=Applies)
    cause: Slug = Field(description="Symptoms of one cause on one device belong to one case.")
    severity: Severity = Severity.MAJOR
    unit: str = Field("", max_length=32, description="UCUM code (Cel, bar, mm/s); for display.")
    evidence: int = Field(EVIDENCE, ge=1, le=EVIDENCE, description="Readings of the signal that a symptom carries.")

    signal_globs: ClassVar[bool] = False

    @cached_property
    def version(self) -> str:
        """Short hash of the rule as it decides and speaks, whatever the spelling of its file."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:12]


class ThresholdRule(_Rule):
    """A signal beyond a limit."""

    detector: Literal["threshold"]
    signal: str = Field(min_length=1)
    above: Bound | None = Field(None, description="Raised while the signal is above this.")
    below: Bound | None = Field(None, description="Raised while the signal is below this.")
    clear: Bound | None = Field(None, description="Cleared only beyond this on the way back (hysteresis); none: as soon as it is back.")
    hold: Duration = Field(0, alias="for", description="How long, in the device's own time, before it counts.")
    count: int = Field(1, ge=1, le=10_000, description="How many readings in a row before it counts.")

    @model_validator(mode="after")
    def _sensible(self) -> ThresholdRule:
        if (self.above is None) == (self.below is None):
            raise ValueError("say either above or below")
        if isinstance(self.limit, float) and isinstance(self.clear, float) and self.sign * (self.clear - self.limit) > 0:
            raise ValueError(f"clear {self.clear:g} lies beyond the limit {self.limit:g}: it would clear while it is raised")
        return self

    @property
    def limit(self) -> Bound:
        """The limit, on whichever side."""
        return self.above if self.above is not None else self.below if self.below is not None else 0.0

    @property
    def sign(self) -> float:
        """1 where above is bad, -1 where below is."""
        return 1.0 if self.above is not None else -1.0


class SilenceRule(_Rule):
    """A device that has spoken before says nothing."""

    detector: Literal["silence"]
    after: Duration = Field(ge=SECOND, description="How long after its last reading arrived.")


def _options() -> type[BaseModel]:
    given: dict[str, Any] = {}
    for field in fields(LearnedConfig):
        kind: Any = Duration if field.name.endswith("_us") else {"int": int, "float": float}.get(str(field.type), tuple[float, ...])
        given[field.name] = (kind, field.default)
    return create_model("LearnedOptions", __base__=Strict, **given)


LearnedOptions: Final = _options()
"""The settings of the learned detector, each with its default."""


class LearnedRule(_Rule):
    """A signal that behaves as it never has."""

    detector: Literal["learned"]
    signals: Globs = Field(("*",), description="Patterns of the signals to learn.")
    ignore: tuple[str, ...] = Field((), description="Patterns of signals to leave out: counters, flags.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the detector that differ from its defaults.")

    @model_validator(mode="before")
    @classmethod
    def _one_signal(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("signals"), str):
            return {**data, "signals": (data["signals"],)}
        return data

    @model_validator(mode="after")
    def _known_options(self) -> LearnedRule:
        LearnedOptions.model_validate(self.options)
        return self

    @property
    def config(self) -> LearnedConfig:
        """The detector's settings."""
        return LearnedConfig(**LearnedOptions.model_validate(self.options).model_dump(exclude_unset=True))


AnyRule = ThresholdRule | SilenceRule | LearnedRule
Rule = Annotated[AnyRule, Field(discriminator="detector")]

CLASSES: Final[dict[str, type[AnyRule]]] = {
    "threshold": ThresholdRule,
    "silence": SilenceRule,
    "learned": LearnedRule,
}


_RULE: Final[TypeAdapter[AnyRule]] = TypeAdapter(Rule)


def parse_rule(text: str) -> AnyRule:
    """A rule from the JSON that `model_dump_json(by_alias=True)` wrote."""
    return _RULE.validate_json(text)


class RuleFile(Strict):
    """One file of rules."""

    rules: list[Rule]


class RuleSet:
    """All rules in force, in the order of their ids."""

    def __init__(self, rules: Sequence[AnyRule] = ()) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: rule.id))
        self.by_id: Final = {rule.id: rule for rule in self.rules}
        if len(self.by_id) != len(self.rules):
            raise ValueError("two rules share an id")
        self._names_devices = any(rule.applies.devices != ("*",) for rule in self.rules)
        self._matched: dict[tuple[str, str, str], tuple[AnyRule, ...]] = {}
        self._watched: dict[str, bool] = {}

    def __iter__(self) -> Iterator[AnyRule]:
        """The rules."""
        return iter(self.rules)

    def __len__(self) -> int:
        """How many."""
        return len(self.rules)

    @property
    def titles(self) -> dict[str, Title]:
        """Rule id → what people call its finding."""
        return {rule.id: rule.title for rule in self.rules}

    def of_device(self, tenant: str, device: str, model: str) -> tuple[AnyRule, ...]:
        """The rules that look at a device."""
        key = (tenant, device if self._names_devices else "", model)
        found = self._matched.get(key)
        if found is None:
            found = self._matched[key] = tuple(rule for rule in self.rules if rule.applies.match(tenant, device, model))
        return found

    def watches(self, signal: str) -> bool:
        """Whether any rule looks at a signal on any device."""
        found = self._watched.get(signal)
        if found is None:
            found = any(looks_at(rule, signal) for rule in self.rules)
            if len(self._watched) < MOST_WATCHED:
                self._watched[signal] = found
        return found


def looks_at(rule: AnyRule, signal: str) -> bool:
    """Whether a rule looks at a signal (silence looks at none)."""
    if isinstance(rule, ThresholdRule):
        return rule.signal == signal
    if isinstance(rule, LearnedRule):
        return any(fnmatchcase(signal, glob) for glob in rule.signals) and not any(fnmatchcase(signal, glob) for glob in rule.ignore)
    return False


def json_schema() -> dict[str, Any]:
    """JSON Schema of a rule file, for editors and for other tools."""
    schema = RuleFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "vorab rules"
    options = LearnedOptions.model_json_schema()
    schema["$defs"]["LearnedRule"]["properties"]["options"].update({"properties": options["properties"], "additionalProperties": False})
    return schema
