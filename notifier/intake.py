"""From the log to a batch for the store: what the notifier reads, and what it refuses."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final

from notifier.store_intake import Batch
from vorab import ids
from vorab.errors import Reason, Rejected
from vorab.log import Entry, Position
from vorab.records import (
    Answered,
    CaseEvent,
    Contract,
    Corrected,
    Customer,
    Delivery,
    Heard,
    Incident,
    Notification,
    Record,
    Rejection,
    Request,
    Tick,
    from_wire,
)
from vorab.topics import CASES_BY_CUSTOMER, CONTRACTS, CUSTOMERS, DEFAULT_TENANT, DELIVERIES, DIALOGUE, NOTIFICATIONS, REQUESTS

SOURCE: Final = "urn:vorab:notifier"
INPUTS: Final = (CUSTOMERS, CONTRACTS, CASES_BY_CUSTOMER, NOTIFICATIONS)
MAX_PAYLOAD: Final = 1_024

_EXPECTED: Final[dict[str, type[Record] | tuple[type[Record], ...]]] = {
    CUSTOMERS: Customer,
    CONTRACTS: Contract,
    CASES_BY_CUSTOMER: CaseEvent,
    NOTIFICATIONS: Notification,
    DELIVERIES: Delivery,
    DIALOGUE: (Heard, Answered, Corrected),
    REQUESTS: Request,
}


def positions_of(partitions: int, share: tuple[int, int], topics: Iterable[str] = INPUTS) -> list[Position]:
    """What the i-th of n workers reads: the partitions with `p % n == i`, and all contracts, whose key is not the customer's."""
    i, n = share
    return [(topic, part) for topic in topics for part in range(partitions) if part % n == i or topic == CONTRACTS]


def sort(entries: Iterable[Entry]) -> tuple[Batch, list[Rejection]]:
    """Entries as a batch, and what cannot be taken."""
    batch, refused = Batch(), []
    for entry in entries:
        try:
            _add(batch, entry)
        except Rejected as error:
            refused.append(_rejection(entry, error))
        batch.next[entry.topic, entry.partition] = entry.offset + 1
    return batch, refused


def _add(batch: Batch, entry: Entry) -> None:
    key = (entry.key or b"").decode("utf-8", "replace")
    if entry.topic == CUSTOMERS and not entry.value:
        batch.customers.append((key, None))
        return
    if entry.topic == CONTRACTS and not entry.value:
        batch.contracts.append((key, None))
        return
    record = from_wire(entry.value, entry.headers)
    if isinstance(record, Tick) or (isinstance(record, Incident) and entry.topic == CASES_BY_CUSTOMER):
        return  # which cases are one story was decided before the notification was written
    if not isinstance(record, _EXPECTED[entry.topic]):
        raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {entry.topic}")
    match record:
        case Customer():
            batch.customers.append((record.key, record))
        case Contract():
            batch.contracts.append((record.key, record))
        case CaseEvent():
            batch.events.append((key, record))
        case Notification():
            batch.notes.append((entry.partition, entry.offset, record))
        case Request(notification=said) if said:
            batch.answered.append((said, record.at))
        case Delivery():
            batch.said.append(record)
        case Heard() | Answered():
            batch.dialogue.append(record)


def _rejection(entry: Entry, error: Rejected) -> Rejection:
    source = f"{entry.topic}/{entry.partition}"
    return Rejection(
        id=ids.rejection_id(entry.topic, entry.partition, entry.offset, SOURCE),
        tenant=DEFAULT_TENANT,
        source=source,
        reason=error.reason,
        detail=error.detail[:500],
        at=entry.appended_at,
        size_bytes=len(entry.value or b""),
        payload_base64=base64.b64encode((entry.value or b"")[:MAX_PAYLOAD]).decode(),
        origin_topic=entry.topic,
        origin_partition=entry.partition,
        origin_offset=entry.offset,
    )
