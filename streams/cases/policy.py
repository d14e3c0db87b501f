"""Written policy: which remedy for which cause, on which model, how often, how long, and who has to agree; read from YAML.

A file holds `remedies` (what can be done to a device, and how much of it at a time), `playbooks` (steps that ask, do, wait and hand
over) and `policy` (lines, of which the first that fits decides). Files are read in the order of their names. Every decision about a
case names its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from streams.cases.playbook import Part, Playbook, Step, schema_of, table_of, written
from streams.rules.schedule import When
from streams.rules.words import Duration
from vorab.records import Scalar, Severity

HAND_OVER: Final = "hand_over"
OBSERVE: Final = "observe"


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | list[str])]


def fits(patterns: Sequence[str], value: str) -> bool:
    """Whether any of these patterns, with `*` for anything, is the value's."""
    return any(fnmatchcase(value, pattern) for pattern in patterns)


class Limits(Part):
    """How much of a remedy the whole fleet may have at a time, the blast radius of a mistake; and one device."""

    out: int = Field(10, ge=1, description="Most actions under way at the same time.")
    per_hour: int = Field(60, ge=1, description="Most actions in any 60 minutes.")
    per_device: int = Field(4, ge=1, le=16, description="Most actions on one device in 24 hours, of any remedy: beyond, a person looks.")


class Remedy(Part):
    """What can be done to a device from afar."""

    about: str = Field("", description="One sentence for operators.")
    command: str = Field(min_length=1, description="Name of the command on the device's command topic.")
    params: dict[str, Scalar] = Field(default_factory=dict, description="Parameters sent with the command.")
    said: str = Field("", description="What was done, for the sentence an agent says: restarted.")
    valid: Duration = Field(written("15 min"), description="The device must not act later than this after the decision.")
    grace: Duration = Field(written("2 min"), description="How long an answer may be on its way after that.")
    stands_still: Duration = Field(written("2 min"), description="How long the device is out of use; told when consent is asked.")
    consent: bool = Field(default=True, description="Whether the customer must have agreed to remote repair.")
    models: Patterns = Field(("*",), description="Models it may be done to, whoever asks for it; others are refused.")
    when: When | None = Field(
        None, description="Days and hours at which it may begin, on the clock where the machine stands; none: always."
    )
    dry_run: bool = Field(default=False, description="Decide everything and do nothing: a person reads what would have been done.")
    limits: Limits = Field(default_factory=Limits, description="How much of it the whole fleet may have at a time.")


class Line(Part):
    """One line of policy: what it is about, what is to be done, and how long everything may take."""

    line: str = Field(min_length=1, max_length=120, description="The line in words an operator recognises; shown with every decision.")
    tenant: Patterns = Field(("*",), description="Tenants it is about, with `*` for anything; one or a list.")
    model: Patterns = Field(("*",), description="Models it is about.")
    cause: Patterns = Field(("*",), description="Causes it is about, as rules name them.")
    detector: Patterns = Field(("*",), description="Detectors it is about: `threshold`, `silence`, `learned`.")
    severity: tuple[Severity, ...] = Field(tuple(Severity), description="Severities it is about.")
    do: str = Field(min_length=1, description="A remedy, a playbook, `observe` or `hand_over`.")
    settle: Duration = Field(written("0 s"), description="Wait before the first attempt: it may pass by itself.")
    observe: Duration | None = Field(None, description="With `observe`: hand over to a person after this long; none: never.")
    attempts: int = Field(1, ge=1, le=10, description="Most actions for one case; with a playbook, its steps say how many each.")
    asks: int = Field(4, ge=1, le=100, description="How often a permit is asked for before a person has to look.")
    wait: Duration = Field(written("10 min"), description="Wait between attempts.")
    consent_wait: Duration = Field(written("12 h"), description="How long the customer's answer is waited for.")
    within: Duration = Field(written("30 min"), description="The symptom has to be gone this long after the device said it is done.")
    stays: Duration = Field(written("30 min"), description="It has to stay gone this long; longer than the limit of the silence rule.")
    readings: int = Field(
        3, ge=0, le=1000, description="So many readings have to show it meanwhile, and not stand still; 0: none, and none are written down."
    )
    close: Duration = Field(written("30 min"), description="A resolved case closes this much later; a relapse before that reopens it.")
    impact: Literal[1, 2, 3] | None = Field(None, description="1 many or critical, 3 few; none: 2 where there is a customer, else 3.")

    def fits(self, tenant: str, model: str, cause: str, detector: str, severity: Severity) -> bool:
        """Whether the line is about such a case."""
        asked = ((self.tenant, tenant), (self.model, model), (self.cause, cause), (self.detector, detector))
        return severity in self.severity and all(fits(patterns, value) for patterns, value in asked)


class History(Part):
    """What of a customer's past raises the priority of a case, by one level whatever and however much of it there is."""

    returns: int = Field(1, ge=1, description="So many returns.")
    wrong_bills: int = Field(1, ge=1, description="So many wrong bills.")
    complaints: int = Field(1, ge=1, description="So many complaints.")
    faults: int = Field(3, ge=2, description="So many cases of the device, this one among them …")
    window: Duration = Field(written("30 d"), description="… in this time.")


class File(Part):
    """One file of policy."""

    remedies: dict[str, Remedy] = Field(default_factory=dict)
    playbooks: dict[str, Playbook] = Field(default_factory=dict)
    policy: tuple[Line, ...] = ()
    history: History | None = None


NOBODY: Final = Line(line="no line of policy fits: a person looks", do=HAND_OVER)


@dataclass(frozen=True, slots=True)
class Policy:
    """All remedies and all lines, in order."""

    remedies: Mapping[str, Remedy]
    lines: Sequence[Line]
    history: History = field(default_factory=History)
    playbooks: Mapping[str, Playbook] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    """Cause → what a machine with it says, in English, with `{when}`: `has reported low pressure since {when}`."""
    _decided: dict[tuple[str, str, str, str, Severity], Line] = field(default_factory=dict, repr=False, compare=False)
    _alone: dict[tuple[str, int], tuple[Step, ...]] = field(default_factory=dict, repr=False, compare=False)

    def decide(self, *, tenant: str, model: str, cause: str, detector: str, severity: Severity) -> Line:
        """The first line that fits; where none does, a person looks."""
        asked = (tenant, model, cause, detector, severity)
        found = self._decided.get(asked)
        if found is None:
            found = self._decided[asked] = next((line for line in self.lines if line.fits(*asked)), NOBODY)
        return found

    def steps(self, line: Line) -> Sequence[Step]:
        """What a line does, step by step; a remedy is a playbook of one. Nothing for a line that observes or hands over."""
        if line.do in self.playbooks:
            return self.playbooks[line.do].steps
        if line.do not in self.remedies:
            return ()
        alone = self._alone.get((line.do, line.attempts))
        if alone is None:  # a case looks at its step several times for each thing that happens
            alone = self._alone[line.do, line.attempts] = (Step(do=line.do, attempts=line.attempts),)
        return alone


def json_schema() -> dict[str, Any]:
    """JSON Schema of a remedy file, for editors and for other tools."""
    return schema_of(File, "vorab remedies and policy")


def keys(part: type[Part]) -> str:
    """The keys of a part of a remedy file as a Markdown table, for `docs/remedies.md`."""
    return table_of(part, {"severity": "all", "limits": "see below"})
