"""What every rule has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field, field_validator, model_validator

from streams.rules.schedule import When
from streams.rules.words import Applies, Bound, Duration, Globs, Slug, Strict, Title
from vorab.clock import HOUR, SECOND
from vorab.records import Severity

EVIDENCE: Final = 24
"""Most readings a symptom carries as evidence."""

NOT_MEASURED: Final = "@="
"""What the names of signals begin with that no device measured: what rows say of themselves, and what is computed."""


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
            from streams.rules.derive import Formula  # noqa: PLC0415 - only rules that compute load the library

            Formula(signal[1:])
        return signal

    @property
    def inputs(self) -> tuple[str, ...]:
        """The signals it is computed from."""
        if not self.signal.startswith("="):
            return ()
        from streams.rules.derive import Formula  # noqa: PLC0415 - the same

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
