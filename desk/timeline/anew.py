"""A timeline from the log alone, beside the desk's tables: rebuilt, and compared byte by byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from desk.timeline.entry import as_bytes
from desk.timeline.fold import OF_CUSTOMERS, belongs, timeline
from desk.timeline.source import Timelines
from desk.timeline.told import mark_of
from vorab import topics
from vorab.cloudevents import attributes
from vorab.errors import ConfigError, Rejected
from vorab.log import Entry, EventLog
from vorab.records import CaseEvent, Command, Incident, Record, Tick, parse

LIMIT: Final = 5_000
WAIT_S: Final = 1.0
OWN: Final = tuple(dict.fromkeys(kind.TOPIC for kind in OF_CUSTOMERS))
"""Topics whose key is the customer."""
Positions = Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of rebuilding a timeline."""

    entries: int
    size_bytes: int
    sha256: str
    """Of the timeline as the desk has it."""
    rebuilt_sha256: str
    gone: int
    """Records that the desk has and that the log no longer keeps; they are left out on both sides."""
    behind: int
    """Records on the log that the desk has not read yet."""
    in_tables: str = ""
    in_log: str = ""
    """The first entry that differs, as each has it."""

    @property
    def same(self) -> bool:
        """Whether every byte is."""
        return self.sha256 == self.rebuilt_sha256

    def json(self) -> dict[str, Any]:
        """For other programs."""
        return {
            "same": self.same, "entries": self.entries, "bytes": self.size_bytes,
            "sha256": self.sha256, "rebuilt_sha256": self.rebuilt_sha256,
            "no_longer_kept": self.gone, "not_read_yet": self.behind, "first_difference": {"tables": self.in_tables, "log": self.in_log},
        }  # fmt: skip


def records_in(log: EventLog, customer: str, until: Positions | None = None) -> list[Record]:
    """The records of a customer (by key) as the log has them, each once; up to where somebody has read, if that is named."""
    found: dict[str, Record] = {}
    tenant, _, name = customer.partition("/")
    for topic in OWN:
        _keep(found, (record for entry, record in _all(log, topic, until) if entry.key == customer.encode()))
    events = [
        record
        for entry, record in _all(log, topics.CASES, until, f'"{name}"'.encode())
        if isinstance(record, CaseEvent) and (record.tenant, record.customer) == (tenant, name)
    ]
    cases = {event.case: event.key for event in events}
    _keep(found, events)
    keys = {key.encode() for key in cases.values()}
    asked = (record for entry, record in _all(log, topics.COMMANDS, until) if entry.key in keys)
    _keep(found, (record for record in asked if isinstance(record, Command) and record.case in cases))
    told = (record for _, record in _all(log, topics.INCIDENTS, until) if cases)
    _keep(found, (record for record in told if isinstance(record, Incident) and belongs(record, customer, cases)))
    return list(found.values())


def check(log: EventLog, tables: Timelines, customer: str) -> Checked:
    """Rebuild the timeline of a customer (by key) from the log, as far as the desk has read it, and compare."""
    until = tables.positions()
    anew = records_in(log, customer, until)
    marks = {mark_of(record) for record in anew}
    placed = tables.placed(customer)
    begins = {topic: _begins(log, topic) for topic in {where[0] for _, where in placed}}
    kept = []
    for record, (topic, partition, offset) in placed:
        given_up = topics.TOPICS[topic].compacted or offset < begins[topic].get(partition, 0)
        if mark_of(record) in marks or not given_up:
            kept.append(record)
    ours, rebuilt = as_bytes(timeline(customer, kept)), as_bytes(timeline(customer, anew))
    lines = ours.decode().split("\n"), rebuilt.decode().split("\n")
    first = next(((one, other) for one, other in zip_longest(*lines, fillvalue="") if one != other), ("", ""))
    behind = sum(
        max(0, end - until.get((topic, partition), 0))
        for topic in (*OWN, topics.CASES, topics.COMMANDS, topics.INCIDENTS)
        for partition, end in _ends(log, topic).items()
    )
    digests = hashlib.sha256(ours).hexdigest(), hashlib.sha256(rebuilt).hexdigest()
    return Checked(len(lines[0]) - 1, len(ours), *digests, len(placed) - len(kept), behind, *first)


def _keep(found: dict[str, Record], records: Any) -> None:
    # The first of each is what the tables hold, too.
    for record in records:
        found.setdefault(mark_of(record), record)


def _begins(log: EventLog, topic: str) -> Mapping[int, int]:
    try:
        return log.begins(topic)
    except ConfigError:  # an older vorab made this log
        return {}


def _ends(log: EventLog, topic: str) -> Mapping[int, int]:
    try:
        return log.ends(topic)
    except ConfigError:
        return {}


def _all(log: EventLog, topic: str, until: Positions | None, holds: bytes = b"") -> Iterator[tuple[Entry, Record]]:
    """What stands on a topic and has these bytes in it, in the order of each partition."""
    places = {(topic, partition): begin for partition, begin in _begins(log, topic).items()}
    ends = {(topic, partition): end for partition, end in _ends(log, topic).items()}
    if until is not None:
        ends = {place: min(end, until.get(place, 0)) for place, end in ends.items()}
    places = {place: begin for place, begin in places.items() if begin < ends[place]}
    while places:
        entries = log.read(places, limit=LIMIT, wait_s=WAIT_S)
        if not entries:
            return
        for entry in entries:
            place = (entry.topic, entry.partition)
            if place in places and entry.offset < ends[place]:
                yield from _parsed(entry, holds)
            if place in places:
                places[place] = entry.offset + 1
        places = {place: at for place, at in places.items() if at < ends[place]}


def _parsed(entry: Entry, holds: bytes) -> Iterator[tuple[Entry, Record]]:
    if entry.value is None or holds not in entry.value:
        return
    try:
        context = attributes(entry.headers)
        if context.type != Tick.TYPE:
            yield entry, parse(context, entry.value)
    except Rejected:
        return
