"""The record of what became of a message, with why: the stage that had the last word, and what counted for the person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifier.pipeline import Trace
from notifier.preferences import Preferences
from vorab import ids
from vorab.clock import Micros
from vorab.records import Channel, Delivery, DeliveryReason, DeliveryState, Notification

Why = Mapping[str, Any]
"""Why something was decided, as a delivery tells it."""


def why_of(trace: Trace, preferences: Preferences) -> dict[str, Any]:
    """Why it was decided so."""
    chosen = {"habits": trace.habit} if trace.habit else {}
    return {"decided_by": trace.stages[-1], "preferences": {**preferences.trace, **chosen}}


def delivery_of(
    note: Notification,
    state: DeliveryState,
    reason: DeliveryReason,
    detail: str,
    now: Micros,
    *,
    channel: Channel | None = None,
    due_at: Micros | None = None,
    attempt: int = 0,
    why: Why | None = None,
) -> Delivery:
    """What became of a message at `now`; the same under the same id, however often it is told."""
    way = channel.value if channel is not None else ""
    return Delivery(
        id=ids.delivery_id(note.id, way, state.value, attempt),
        tenant=note.tenant,
        customer=note.customer,
        notification=note.id,
        case=note.case,
        stage=note.stage,
        channel=way,
        state=state,
        reason=reason,
        detail=detail,
        purpose=note.purpose,
        at=now,
        due_at=due_at,
        **(why or {}),
    )
