"""A finding as a record: the symptom with its evidence, and the sentence that explains it to an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.detectors.learned import Change
from streams.rules import AnyRule, SilenceRule, ThresholdRule, say_duration
from vorab import ids
from vorab.clock import Micros
from vorab.records import Symptom, SymptomState
from vorab.topics import RECORDED_TENANT


@dataclass(slots=True)
class Finding:
    """What a detector found, before it is a record."""

    rule: AnyRule
    device: str
    """The device's key."""
    onset: Micros
    detected: Micros
    cleared: Micros | None = None
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


def symptom(found: Finding) -> Symptom:
    """The record."""
    rule = found.rule
    tenant, _, device = found.device.partition("/")
    return Symptom(
        id=ids.symptom_id(found.device, rule.id, found.onset),
        tenant=tenant,
        device=device,
        state=SymptomState.RAISED if found.cleared is None else SymptomState.CLEARED,
        rule=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        cause=rule.cause,
        severity=rule.severity,
        signal=found.signal,
        unit=rule.unit or found.unit,
        onset=found.onset,
        detected_at=found.detected,
        cleared_at=found.cleared,
        proven=found.proven,
        value=found.value,
        low=found.low,
        high=found.high,
        limit=found.limit,
        explanation=found.explanation,
        # As mappings: pydantic turns them into points faster than Python could.
        evidence=[{"at": at, "value": value} for at, value in zip(found.times, found.values, strict=True)],  # type: ignore[arg-type]
        recorded=tenant == RECORDED_TENANT,
    )


def amount(value: float, unit: str) -> str:
    """A value with its unit: `1.62 bar`."""
    return f"{value:.6g} {unit}".rstrip()


def threshold_raised(rule: ThresholdRule, value: float, limit: float, unit: str, count: int, lasted: Micros) -> str:
    """Why it was raised."""
    side = "above" if rule.sign > 0 else "below"
    text = f"{rule.signal} is {amount(value, unit)}, {side} the limit of {amount(limit, unit)}"
    if count > 1:
        text += f", {count} readings in a row"
    return text + (f", for {say_duration(lasted)}." if lasted else ".")


def threshold_cleared(rule: ThresholdRule, value: float, clear: float | None, limit: float, unit: str) -> str:
    """Why it was cleared."""
    side = "below" if rule.sign > 0 else "above"
    if clear is None:
        return f"{rule.signal} is back at {amount(value, unit)}, no longer beyond the limit of {amount(limit, unit)}."
    return f"{rule.signal} is back at {amount(value, unit)}, {side} {amount(clear, unit)}."


def silence_raised(rule: SilenceRule) -> str:
    """Why it was raised."""
    return f"Nothing was received for {say_duration(rule.after)}."


def silence_cleared(lasted: Micros) -> str:
    """Why it was cleared."""
    return f"The device speaks again after {say_duration(lasted)}."


WITHDRAWN: Final = "The rule does not look at this device any more."
"""Why a symptom ends whose rule is gone."""


def learned_raised(signal: str, value: float, unit: str, memory: int, bounds: tuple[float, float, float], speeds: Sequence[float]) -> str:
    """Why it was raised; `bounds` are where the memory stands and between what it has been."""
    level, low, high = bounds
    if memory >= len(speeds):
        return (
            f"{signal} moves by {amount(level, unit)} from reading to reading; so far it was {amount(low, unit)} to {amount(high, unit)}."
            f" It is {amount(value, unit)} now."
        )
    if speeds[memory] >= 1.0:
        return f"{signal} is {amount(value, unit)}; so far it was {amount(low, unit)} to {amount(high, unit)}."
    length = round(1.0 / speeds[memory])
    return (
        f"{signal} averages {amount(level, unit)} over about {length} readings; so far that was {amount(low, unit)} to"
        f" {amount(high, unit)}. It is {amount(value, unit)} now."
    )


def learned_cleared(signal: str, value: float, unit: str, change: int) -> str:
    """Why it was cleared."""
    if change == Change.ADAPTED:
        return f"{signal} has stayed at about {amount(value, unit)} for so long that this is its new normal."
    return f"{signal} is back at {amount(value, unit)}, where it has been before."
