"""What detection finds."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, DeviceRecord, Name, Severity, Text


class SymptomState(StrEnum):
    """What happened to a symptom."""

    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"
    CONFIRMED = "confirmed"
    """It cleared, and readings have come since: so many, and so many of them other than the one before."""


class Point(BaseModel):
    """One reading kept as evidence."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    at: At
    value: float


class Symptom(DeviceRecord):
    """A rule's finding on a device; raised, updated and cleared share the id, a confirmed one names it."""

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
    confirms: str = ""
    """Of a confirmed one: the id of the symptom that is gone;"""
    since: At | None = None
    """readings after this …"""
    confirmed_at: At | None = None
    """… until this one, event time,"""
    readings: int = Field(default=0, ge=0)
    """were so many,"""
    changes: int = Field(default=0, ge=0)
    """and so many of them said something else than the one before: a sensor that stands still proves nothing."""
    followed: bool = False
    """Of a cleared symptom: whether the readings that follow will be told, so that they can be waited for."""
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
        """When it was raised or updated, when it cleared, or until when that is confirmed."""
        return next(at for at in (self.confirmed_at, self.cleared_at, self.detected_at) if at is not None)
