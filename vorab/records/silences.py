"""A maintenance window that people set, or end before its time."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from vorab import topics
from vorab.clock import Micros
from vorab.groups import FLEET
from vorab.records.base import At, Name, Record, Text


class SilenceState(StrEnum):
    """What was said of a silence."""

    SET = "set"
    ENDED = "ended"


class Silence(Record):
    """Cases of a group that open in this time are muted: one incident, of which no customer is told.

    It stands among the cases of its tenant, where incidents are found. Said twice it is one; once ended it stays so.
    """

    TYPE = "io.vorab.silence.{state}.v1"
    TOPIC = topics.CASES_BY_GROUP
    MOVES_TIME: ClassVar[bool] = False  # the time of that topic is made of cases; whoever is behind would be pushed to the present

    state: SilenceState
    group: Name
    """Whose cases: `site/ahornweg`, `device/pump-7`, `model/pump|low_pressure`, …"""
    since: At
    until: At
    why: Text = ""
    """What is done there."""
    by: str = ""
    """Role or pseudonymous id of who said this; never a name."""
    at: At
    """When this was said."""

    @property
    def key(self) -> str:
        """That of all cases of the tenant."""
        return topics.key_of(self.tenant, FLEET)

    @property
    def time(self) -> Micros:
        """When it was said."""
        return self.at
