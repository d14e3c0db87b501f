"""A finding as a record: the symptom with its evidence, and the sentence that explains it to an operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streams.detectors.silence import SilenceRule
from streams.rules.rule import Rule
from streams.rules.words import say_duration
from streams.words import LARGEST
from vorab import ids
from vorab.clock import Micros
from vorab.records import Severity, Symptom, SymptomState
from vorab.topics import RECORDED_TENANT


@dataclass(slots=True)
class Finding:
    """What a detector found, before it is a record."""

    rule: Rule
    device: str
    """The device's key."""
    onset: Micros
    detected: Micros
    cleared: Micros | None = None
    updated: bool = False
    severity: Severity | None = None
    """Where it is another one than the rule's."""
    signal: str = ""
    unit: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    explanation: str = ""
    times: Sequence[Micros] = ()
    values: Sequence[float] = ()
    proven: bool = True
    """Whether readings showed the end."""
    historical: bool = False
    """Whether it says what was, not what is."""
    followed: bool = False
    """Of one that has cleared: whether what comes after it will be told."""
    since: Micros | None = None
    """Of one that is confirmed: readings after this …"""
    confirmed: Micros | None = None
    """… until this one"""
    readings: int = 0
    changes: int = 0
    """were so many, and so many of them other than the one before."""

    @property
    def state(self) -> SymptomState:
        """What happened to it."""
        if self.confirmed is not None:
            return SymptomState.CONFIRMED
        if self.cleared is not None:
            return SymptomState.CLEARED
        return SymptomState.UPDATED if self.updated else SymptomState.RAISED


def symptom(found: Finding) -> Symptom:
    """The record; words stand in its explanation, and not as numbers among its values."""
    rule, value = found.rule, found.value
    points: Iterable[tuple[Micros, float]] = zip(found.times, found.values, strict=True)
    if min(found.values, default=0.0) <= -LARGEST or (value or 0.0) <= -LARGEST:
        value = None if value is not None and value <= -LARGEST else value
        points = [(at, number) for at, number in points if number > -LARGEST]
    tenant, _, device = found.device.partition("/")
    name = ids.symptom_id(found.device, rule.id, found.onset)
    return Symptom(
        id=name if found.since is None else ids.confirmed_id(name, found.since),
        tenant=tenant,
        device=device,
        state=found.state,
        rule=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        cause=rule.cause,
        severity=found.severity or rule.severity,
        signal=found.signal,
        unit=rule.unit or found.unit,
        onset=found.onset,
        detected_at=found.detected,
        cleared_at=found.cleared,
        confirms="" if found.since is None else name,
        since=found.since,
        confirmed_at=found.confirmed,
        readings=found.readings,
        changes=found.changes,
        followed=found.followed,
        proven=found.proven,
        value=value,
        low=found.low,
        high=found.high,
        limit=found.limit,
        explanation=found.explanation,
        # As mappings: pydantic turns them into points faster than Python could.
        evidence=[{"at": at, "value": value} for at, value in points],  # type: ignore[arg-type]
        historical=found.historical,
        recorded=tenant == RECORDED_TENANT,
    )


def silence_raised(rule: SilenceRule) -> str:
    """Why it was raised."""
    return f"Nothing was received for {say_duration(rule.after)}."


def silence_cleared(lasted: Micros) -> str:
    """Why it was cleared."""
    return f"The device speaks again after {say_duration(lasted)}."


WITHDRAWN: Final = "The rule does not look at this device any more."
"""Why a symptom ends whose rule is gone."""
OVER: Final = "The hours of the rule are over."
"""Why a symptom ends whose rule looks at certain hours only."""
