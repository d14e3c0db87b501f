"""The SLA clock of a case: time that is ours to answer for, read off the states it went through. Pure.

It runs from the first event until the case is resolved, and stands still while the customer is waited for (TMF621 `pending`); `held`
waits for us, so it runs. A case that comes back goes on where it stood. Where a contract promises hours, it says what is left of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from vorab.clock import HOUR, Micros
from vorab.records import CaseEvent, CaseKind, Contract, Status
from vorab.topics import RECORDED_TENANT


class SlaClock(NamedTuple):
    """What the clock shows."""

    ours: Micros
    """Time that counts (µs)."""
    customers: Micros
    """Time for which it stood still, because the customer was waited for (µs)."""
    runs: bool
    """Whether it runs now."""


class Promise(NamedTuple):
    """What a contract promises about a case, and how it stands."""

    name: str
    """`response`: that something is done about it; `repair`: that it is gone."""
    within: Micros
    left: Micros
    """Of the time that is ours (µs); below 0: it was broken."""
    open: bool
    """Whether it is still to be kept."""


RESPONSES: Final = frozenset({CaseKind.ACTION_REQUESTED, CaseKind.TAKEN, CaseKind.RESOLVED})
"""What is done about a fault: a command to the device, a person who takes it, or it is over before."""


def promises(events: Sequence[CaseEvent], contract: Contract | None, now: Micros) -> list[Promise]:
    """What was promised about a case, `events` in their order and at least one, at `now` (µs)."""
    if contract is None:
        return []
    first = next((i for i, event in enumerate(events) if event.kind in RESPONSES), None)
    responded = sla_clock(events, now) if first is None else sla_clock(events[: first + 1], events[first].at)
    whole, found = sla_clock(events, now), []
    for name, hours, used, is_open in (
        ("response", contract.response_h, responded.ours, first is None and events[-1].status.open),
        ("repair", contract.repair_h, whole.ours, events[-1].status.open),
    ):
        if hours is not None:
            within = round(hours * HOUR)
            found.append(Promise(name, within, within - used, is_open))
    return found


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
