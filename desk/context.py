"""What the desk's routes work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desk.incident_queries import Incidents
from desk.partner.service import Partners
from desk.projector import Projector
from desk.queries import Queries
from desk.said_queries import Said
from desk.sealed import Seal
from vorab.clock import SECOND, Clock
from vorab.log import EventLog
from vorab.settings import Settings

Again = Callable[[str, str], dict[str, Any]]
"""Case or symptom and key of its device, or an incident and nothing → what comes of deciding it anew."""
Remedies = Callable[[], Mapping[str, str]]
"""The remedies there are, and what each is about."""

Hears = Callable[[str], Sequence[str]]
"""What a text is about, as far as the care file listens: its topics."""


@dataclass(frozen=True, slots=True)
class Context:
    """The log to write to, the tables to read from, and the time."""

    log: EventLog
    queries: Queries
    projector: Projector
    settings: Settings
    clock: Clock
    partners: Partners | None = None
    again: Again | None = None
    """Decides a case anew, where whoever put the desk up can."""
    remedies: Remedies | None = None
    """Knows the remedy files, where whoever put the desk up does."""
    hears: Hears | None = None
    """Knows the care file, where whoever put the desk up does."""

    @property
    def seal(self) -> Seal:
        """Seals what people write."""
        return Seal(self.settings.state_path)

    @property
    def incidents(self) -> Incidents:
        """What is asked about incidents."""
        return Incidents(self.queries.store)

    @property
    def said(self) -> Said:
        """What people said by command."""
        return Said(self.queries.store)

    def lag_s(self) -> float:
        """Wall seconds since the tables were last known to hold all of the log."""
        at = self.projector.refreshed_at
        if not at:
            return 0.0
        return max(0.0, (self.clock.wall(self.clock.now()) - self.clock.wall(at)) / SECOND)
