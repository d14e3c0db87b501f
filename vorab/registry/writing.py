"""Registry entries, and what people say by command, as records of the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from vorab.log import EventLog, Outgoing, append_all
from vorab.records import Consent, Record, Silence, Switch, to_wire
from vorab.registry.kinds import KINDS
from vorab.topics import partition_of

SOURCE = "urn:vorab:registry"
AT_ONCE = 2_000
"""Entries that are confirmed together."""

WRITTEN: Final[Mapping[str, type[Record]]] = {
    **{topic: kind.record for topic, kind in KINDS.items()},
    **{said.TOPIC: said for said in (Silence, Switch, Consent)},
}
"""What is written so, by topic."""

Gone = tuple[str, str]
"""An entry that is taken out: its topic and key."""


def write(log: EventLog, recorded: int, entries: Iterable[Record], gone: Sequence[Gone] = (), timeout_s: float = 30.0) -> None:
    """Entries to the log, and others out of it; `recorded` is how many partitions are for recorded time. Raises Unavailable."""
    outgoing = _outgoing(log, recorded, entries, gone)
    while some := list(islice(outgoing, AT_ONCE)):
        append_all(log, some, timeout_s)


def _outgoing(log: EventLog, recorded: int, entries: Iterable[Record], gone: Sequence[Gone]) -> Iterator[Outgoing]:
    for entry in entries:
        key, value, headers = to_wire(entry, SOURCE)
        yield Outgoing(entry.TOPIC, partition_of(entry.key, log.partitions(entry.TOPIC), recorded), key, value, headers)
    for topic, name in gone:
        yield Outgoing(topic, partition_of(name, log.partitions(topic), recorded), name.encode(), None)
