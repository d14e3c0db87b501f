"""The ledger of lead times: who noticed a fault first."""

from __future__ import annotations

from enum import StrEnum

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, DeviceRecord, Name


class Verdict(StrEnum):
    """Who noticed a fault first."""

    VORAB_FIRST = "vorab_first"
    CUSTOMER_FIRST = "customer_first"
    UNKNOWN = "unknown"
    """Nobody got in touch, or it was a false alarm: never a success."""


class LeadTime(DeviceRecord):
    """The line of one fault (case) in the ledger, as far as it is known; the latest of a case counts, it holds all before it."""

    TYPE = "io.vorab.lead_time.v1"
    TOPIC = topics.LEAD_TIMES

    case: Name
    cause: Name
    first_sign: At
    """Earliest onset of its symptoms."""
    detected: At
    """When the case was opened."""
    acted: At | None = None
    """First action, or a person who took it."""
    told: At | None = None
    """When it was first decided to tell the customer; what became of it stands in the deliveries."""
    noticed: At | None = None
    """First contact of the customer about the device, from the first sign to the end."""
    ended: At | None = None
    """Closed or cancelled."""
    verdict: Verdict = Verdict.UNKNOWN
    at: At
    """The latest of its times."""

    @property
    def time(self) -> Micros:
        """The latest of its times."""
        return self.at
