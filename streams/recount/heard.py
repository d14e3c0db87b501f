"""What the incidents of a partition were made of, as the log tells it: events of cases, and the time that had come when each was heard.

All of a tenant's cases come together in one partition, from instances of `cases` that need not have come equally far. So when an event
was heard is told by the records and ticks that stand before it; a log that has forgotten its ticks has only the gaps where they stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.hosts.instance import Layout, read_record
from streams.hosts.merge import BEGINNING
from streams.recount.registry import Then
from streams.recount.story import read_all
from vorab.clock import DAY, Micros
from vorab.errors import Rejected
from vorab.log import EventLog
from vorab.processor import Kind, Out, Registry
from vorab.records import CaseEvent, Incident
from vorab.topics import CASES_BY_GROUP, INCIDENTS, TOPICS

_SLACK: Final[Micros] = DAY
"""Whatever retention has reached is at least so nearly as old as it may become."""


class Heard(NamedTuple):
    """An event of a case."""

    offset: int
    before: Micros
    """The time that ticks before it say had come."""
    forgotten: bool
    """Whether offsets are missing just before it: ticks stood there that nobody kept."""
    event: CaseEvent


@dataclass(slots=True)
class Hearing:
    """All events of a partition, in their order."""

    partition: int
    events: list[Heard] = field(default_factory=list)
    end: Micros = BEGINNING
    """The last time that was told."""
    since: Micros | None = None
    """The time of the first record that is still kept, where earlier ones are not."""


def hear(log: EventLog, layout: Layout, partition: int) -> Hearing:
    """Read it."""
    name = layout.name(CASES_BY_GROUP)
    heard, following = Hearing(partition), log.begins(name).get(partition, 0)
    told, first, last, gaps, began = BEGINNING, 0, 0, False, following
    earliest: Micros | None = None
    forgotten = False
    for entry in read_all(log, name, [partition]):
        forgotten = forgotten or entry.offset > following
        gaps, following = gaps or forgotten, entry.offset + 1
        first, last = first or entry.appended_at, entry.appended_at
        time, taken = read_record(CASES_BY_GROUP, entry.value, entry.headers)
        if time is None:
            continue
        earliest = time if earliest is None else earliest
        heard.end = max(heard.end, time)
        if taken is None:
            told = max(told, time)
        elif isinstance(taken.record, CaseEvent):
            heard.events.append(Heard(entry.offset, told, forgotten, taken.record))
            forgotten = False
    if cut(began, last - first, TOPICS[CASES_BY_GROUP].kept_days, gaps=gaps):
        heard.since = earliest
    return heard


def cut(begin: int, age: Micros, kept_days: int | None, *, gaps: bool) -> bool:
    """Whether retention took something from the beginning of a partition.

    Its first offset is no proof of it where ticks are forgotten, which shows by the gaps that they leave: then it is as long as the rest is
    not nearly as old (`age`, wall time between the first and the last record, µs) as records may become.
    """
    return begin > 0 and not (gaps and age < (kept_days or 0) * DAY - _SLACK)


def fold(heard: Hearing, kind: Kind, registry: Registry, assumed: Mapping[int, Micros]) -> tuple[list[Incident], list[Micros]]:
    """What the processor says about incidents, and when it heard each event; `assumed` is the time that had come before some offsets."""
    then = registry if isinstance(registry, Then) else None
    processor = kind.build(heard.partition, registry)
    found: list[Incident] = []
    times: list[Micros] = []
    now = BEGINNING

    def reach(time: Micros) -> Micros:
        reached = max(now, time)
        if then is not None:
            then.reach(reached)
        found.extend(_incidents(processor.due(reached)))
        return reached

    for each in heard.events:
        before = max(each.before, assumed.get(each.offset, BEGINNING))
        if before > now:
            now = reach(before)
        now = reach(each.event.time)
        times.append(now)
        try:
            found += _incidents(processor.step(CASES_BY_GROUP, each.offset, each.event, now))
        except Rejected:
            continue
    reach(heard.end)
    return found, times


def _incidents(outs: Iterable[Out]) -> list[Incident]:
    return [out.record for out in outs if out.topic == INCIDENTS and isinstance(out.record, Incident)]
