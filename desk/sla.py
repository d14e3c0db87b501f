"""The SLA clock of a case: time that is ours to answer for, read off the states it went through. Pure.

It runs from the first event until the case is resolved, and stands still while the customer is waited for (TMF621 `pending`); `held`
waits for us, so it runs. A case that comes back goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from vorab.clock import Micros
from vorab.records import CaseEvent, Status
from vorab.topics import RECORDED_TENANT


class SlaClock(NamedTuple):
    """What the clock shows."""

    ours: Micros
    """Time that counts (µs)."""
    customers: Micros
    """Time for which it stood still, because the customer was waited for (µs)."""
    runs: bool
    """Whether it runs now."""


def sla_clock(events: Sequence[CaseEvent], now: Micros) -> SlaClock:
    """The clock of a case at `now` (µs); `events` in their order, at least one."""
    last, waits = events[-1], Status.PENDING
    if last.tenant == RECORDED_TENANT:
        now = last.at  # nobody is waiting for what was recorded years ago
    stretches = [(one.status, max(0, other.at - one.at)) for one, other in pairwise(events)]
    stretches.append((last.status, max(0, now - last.at)))
    ours = sum(length for status, length in stretches if status.open and status is not waits)
    customers = sum(length for status, length in stretches if status is waits)
    return SlaClock(ours, customers, last.status.open and last.status is not waits)
