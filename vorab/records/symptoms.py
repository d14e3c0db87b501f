"""What detection finds."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, DeviceRecord, Name, Severity, Text


class SymptomState(StrEnum):
    """What happened to a symptom."""

    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


class Point(BaseModel):
    """One reading kept as evidence."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    at: At
    value: float


class Symptom(DeviceRecord):
    """A rule's finding on a device; raised, updated and cleared share the id."""

    TYPE = "io.vorab.symptom.{state}.v1"
    TOPIC = topics.SYMPTOMS

    state: SymptomState
    rule: Name
    rule_version: str
    """Hash of the rule's text: which wording decided."""
    detector: str
    cause: Name
    severity: Severity
    signal: str = ""
    unit: str = ""
    onset: At
    """Since when, event time."""
    detected_at: At
    """The deciding reading's time; for silence onset + limit."""
    cleared_at: At | None = None
    proven: bool = True
    """Of a cleared one: whether readings showed that it is gone; false where its rule was withdrawn or got used to it."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """The expected range."""
    limit: float | None = None
    """The limit that was crossed."""
    explanation: Text = ""
    evidence: tuple[Point, ...] = ()
    historical: bool = False
    """Learned of later: the reading that decided this was kept by the device, or was more than five minutes on its way."""
    recorded: bool = False

    @property
    def time(self) -> Micros:
        """When it was raised or updated, or when it cleared."""
        return self.cleared_at if self.cleared_at is not None else self.detected_at
