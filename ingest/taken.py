"""What became of some messages, and how records leave ingest. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ingest.acks import Mark
from ingest.columns import Columns
from ingest.dialects.words import Say
from ingest.packets import Extra
from ingest.refusals import SOURCE, Note
from vorab import records, topics
from vorab.clock import Micros
from vorab.errors import Rejected
from vorab.log import Outgoing
from vorab.records import Rejection, Reply

NOTHING: Final = Extra()
"""What is unusual about a usual message."""


@dataclass(slots=True)
class Taken:
    """What became of one pass over some messages."""

    records: list[Outgoing] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    says: list[Say] = field(default_factory=list)
    """What dialects want published."""
    news: list[Rejection] = field(default_factory=list)
    """Refusals that the log of this process should mention."""
    counts: Counter[str] = field(default_factory=Counter)
    """Messages by what became of them."""
    reasons: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    answered: list[Reply] = field(default_factory=list)
    """Replies of devices that keep to the neutral contract."""
    rows: int = 0
    left_out: int = 0
    """Values that no signal can hold, of messages that were taken."""
    framed: list[int] = field(default_factory=list)
    """Partitions that got a frame."""
    marks: list[Mark] = field(default_factory=list)
    """What devices want acknowledged end to end, once all records are in the log."""
    refused: dict[int, Rejected] = field(default_factory=dict)
    """Why, by place among the arrivals."""


class Message(NamedTuple):
    """One message of a read."""

    place: int
    """Among the arrivals."""
    topic: bytes
    payload: bytes
    mid: bytes
    extra: Extra
    received_at: Micros


def marks_of(made: Sequence[Columns], keys: Sequence[str]) -> Iterator[Mark]:
    """What the quick way's messages want acknowledged."""
    for some in made:
        if some.acked is not None and some.boot is not None and some.seq is not None:
            numbers = zip(some.number.tolist(), some.boot.tolist(), some.seq.tolist(), some.acked.tolist(), strict=True)
            yield from (Mark(keys[number], *rest) for number, *rest in numbers)


def reply_tick(partition: int, now: Micros) -> Outgoing:
    """`Every reply up to now has been written to this partition`."""
    tick = records.Tick(id=f"tick/{topics.REPLIES}/{partition}/{now}", at=now)
    _, value, headers = records.to_wire(tick, SOURCE)
    return Outgoing(topics.REPLIES, partition, None, value, headers)


def outgoing(record: records.Record, partition: int) -> Outgoing:
    """A record on its way to the log."""
    key, value, headers = records.to_wire(record, SOURCE)
    return Outgoing(record.TOPIC, partition, key, value, headers)
