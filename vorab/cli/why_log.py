"""The chain of an incident, and what a case has to do with incidents, from the log alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from desk.chain import Chain, Link
    from vorab.cli.why_again import Again
    from vorab.records import Record


def incident(again: Again, name: str, start: str) -> Chain | None:
    """The chain of an incident that was asked for by the beginning of its id, or of a fact's."""
    from desk.why_incidents import IncidentFile, chain
    from streams.recount.heard import hear
    from vorab.records import CaseKind, Delivery, Notification
    from vorab.topics import DELIVERIES, NOTIFICATIONS

    facts = [each.fact for each in again.gatherer.facts(name)]
    partition = again.gatherer.partition_of(name)
    if not facts or partition is None:
        return None
    file = IncidentFile(facts)
    opened_by = set(file.opened_by())
    heard = hear(again.log, again.layout, partition)
    file.openings = [each.event for each in heard.events if each.event.kind is CaseKind.OPENED and each.event.case in opened_by]
    notes = [each for each in _records(again, NOTIFICATIONS, name.encode()) if isinstance(each, Notification)]
    file.notes = [each for each in notes if each.incident == name]
    wanted = {note.id for note in file.notes}
    deliveries = [each for each in (_records(again, DELIVERIES, b"") if wanted else ()) if isinstance(each, Delivery)]
    file.deliveries = [each for each in deliveries if each.notification in wanted]
    return chain(file, name if name.startswith(start) else next((fact.id for fact in facts if fact.id.startswith(start)), name))


def incidents_of(again: Again, case: str) -> list[Link]:
    """The incidents a case belonged to, as links of its chain."""
    from desk.why_incidents import case_links

    return list(case_links([each.fact for each in again.gatherer.written if case in each.fact.children]))


def _records(again: Again, topic: str, holds: bytes) -> Iterator[Record]:
    """What stands on a topic and has these bytes in it."""
    from streams.recount.story import read_all
    from vorab.errors import ConfigError, Rejected
    from vorab.records import from_wire

    name = again.layout.name(topic)
    try:
        partitions = range(again.layout.partitions(name))
    except ConfigError:  # nobody has ever written any
        return
    for entry in read_all(again.log, name, partitions):
        if entry.value is None or holds not in entry.value:
            continue
        try:
            yield from_wire(entry.value, entry.headers)
        except Rejected:
            continue
