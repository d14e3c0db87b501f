"""Incidents decided anew, from the beginning or from what is still kept, and compared with what stands on the log."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from streams.hosts.instance import Layout, read_record
from streams.incidents.fleet import FLUSH
from streams.recount.asked import Asked
from streams.recount.compare import Difference, State, changed, difference, once, twice
from streams.recount.guess import Folded, Match, settle
from streams.recount.heard import Hearing, fold, hear
from streams.recount.registry import Then, Versions
from streams.recount.story import Place, read_all
from vorab.clock import SECOND, Micros, iso
from vorab.errors import ConfigError
from vorab.groups import FLEET, parent_of, whole_groups, without_cause
from vorab.log import EventLog
from vorab.processor import Kind
from vorab.records import CaseEvent, CaseKind, Device, Incident, IncidentKind
from vorab.settings import Incidents as Options
from vorab.topics import CASES_BY_GROUP, INCIDENTS, key_of

_JOINS: Final = frozenset({IncidentKind.OPENED, IncidentKind.JOINED, IncidentKind.RELAPSED})
_OPENS: Final = frozenset({CaseKind.OPENED, CaseKind.RELAPSED})


class Written(NamedTuple):
    """A fact about an incident, and where it stands."""

    place: Place
    fact: Incident


class Measure(NamedTuple):
    """How well a group explained the cases of the moment."""

    devices: int
    """Devices of the group with such a case."""
    of: int
    """Devices of the group, as far as the registry knew."""
    elsewhere: int
    """Devices with such a case that are not in it."""
    root: str
    """The case that explains them whatever their number."""

    @property
    def fit(self) -> float:
        """Of all that either have such a case or are in the group, the share that are both."""
        return self.devices / (max(self.of, self.devices) + self.elsewhere)

    def json(self) -> dict[str, Any]:
        """For `--json` and the API."""
        return {"devices": self.devices, "of": self.of, "elsewhere": self.elsewhere, "fit": round(self.fit, 3), "root": self.root}


class Verdict(NamedTuple):
    """What it comes to for one incident."""

    state: State
    difference: Difference | None = None
    note: str = ""

    def json(self) -> dict[str, Any]:
        """For `--json` and the API."""
        return {"state": self.state.value, "difference": self.difference.json() if self.difference else None, "note": self.note}


@dataclass(slots=True)
class Gathered:
    """The incidents of a partition decided anew."""

    key: str
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    beside: list[Difference] = field(default_factory=list)
    """Incidents that were decided and do not stand on the log."""

    def of(self, case: str) -> Verdict:
        """What it comes to for an incident."""
        return self.verdicts[case]

    def asked(self) -> Iterator[Asked]:
        """All that can be checked."""
        return (Asked(name, "incident", name) for name in self.verdicts)

    def others(self, known: set[str]) -> list[Difference]:
        """The first difference that concerns none of these."""
        found = [each.difference for name, each in self.verdicts.items() if each.state is State.DIFFERS and name not in known]
        return [each for each in (*found, *self.beside) if each is not None][:1]


class Gatherer:
    """Decides incidents anew with the settings in force."""

    def __init__(self, log: EventLog, kind: Kind, layout: Layout, versions: Versions, options: Options) -> None:
        self._log, self._kind, self._layout, self._versions, self._options = log, kind, layout, versions, options
        waits = (options.settle_s, options.straggle_s, options.close_s, 0)
        self._waits: list[Micros] = [round(each * SECOND) for each in waits] + [FLUSH]
        self.written = list(_written(log, layout))
        """All that stands there about incidents."""

    def find(self, start: str) -> str:
        """The incident whose id, or of which a fact's id, begins like this; empty where none or several do."""
        found = {each.fact.incident for each in self.written if each.fact.incident.startswith(start) or each.fact.id.startswith(start)}
        return found.pop() if len(found) == 1 else ""

    def facts(self, incident: str) -> list[Written]:
        """What stands on the log about an incident, in its order."""
        return sorted((each for each in self.written if each.fact.incident == incident), key=lambda each: each.fact.seq)

    def partition_of(self, incident: str) -> int | None:
        """Where it was decided; None where nothing is known of it."""
        tenant = next((each.fact.tenant for each in self.written if each.fact.incident == incident), None)
        return None if tenant is None else self._place(tenant)

    def all(self) -> Iterator[Gathered]:
        """All partitions that have any."""
        for partition in sorted({where for each in self.written if (where := self.partition_of(each.fact.incident)) is not None}):
            yield self.partition(partition)

    def partition(self, partition: int) -> Gathered:
        """One partition: with the registry as it was, and else as it is."""
        heard = hear(self._log, self._layout, partition)
        mine = [each.fact for each in self.written if self._place(each.fact.tenant) == partition]
        stored = once(mine)
        history = self._versions.history()
        moved = bool(history and heard.events) and history[-1].time > heard.events[0].event.opened_at
        match = self._settle(heard, stored, lambda: Then(self._versions) if moved else self._versions)
        if moved and match.bad() is not None:
            other = self._settle(heard, stored, lambda: self._versions)
            match = max(match, other, key=lambda each: each.agreeing)
        found = Gathered(f"{self._layout.name(CASES_BY_GROUP)}/{partition}")
        for incident in dict.fromkeys(fact.incident for fact in mine):
            found.verdicts[incident] = self._verdict(heard, match, incident, [fact for fact in mine if fact.incident == incident])
        names = {fact.incident for fact in mine} | {each.difference.case for each in found.verdicts.values() if each.difference}
        unknown = [fact for fact in match.extra() if fact.incident not in names and heard.since is None and not _forgotten(heard)]
        found.beside = [difference(fact, "was decided, but does not stand on the log") for fact in unknown if fact.seq == 0]
        found.measures = dict(self._measures(heard, match.folded))
        return found

    def _place(self, tenant: str) -> int:
        return self._layout.partition_of(CASES_BY_GROUP, key_of(tenant, FLEET))

    def _settle(self, heard: Hearing, stored: Mapping[str, Incident], registry: Callable[[], Then | Versions]) -> Match:
        def decide(assumed: Mapping[int, Micros]) -> Folded:
            return Folded(*fold(heard, self._kind, registry(), assumed))

        return settle(heard, stored, decide, self._waits, self._layout.tick_every)

    # ----------------------------------------------------------------------------------------------- verdicts

    def _verdict(self, heard: Hearing, match: Match, incident: str, mine: list[Incident]) -> Verdict:
        first = _first(match, incident, mine)
        if first is None:
            return Verdict(State.AGREES)
        opened = min(mine, key=lambda fact: fact.seq)
        window = round(self._options.window_s * SECOND)
        if heard.since is not None and min(opened.onset, opened.opened_at - window) < heard.since:
            return Verdict(State.GONE, first, f"what was heard of cases before {iso(heard.since)} is no longer kept")
        if note := self._changed(heard, opened, mine):
            return Verdict(State.CHANGED, first, note)
        if _only_when(match, incident, mine) and _forgotten(heard, opened.onset, max(fact.at for fact in mine)):
            return Verdict(State.GONE, first, "the ticks that say when its cases were heard are no longer kept")
        return Verdict(State.DIFFERS, first)

    def _changed(self, heard: Hearing, opened: Incident, mine: list[Incident]) -> str:
        """In words, where the registry no longer holds what it said then about the devices it is about."""
        cases = {case for fact in mine for case in fact.children}
        about = {each.event.key for each in heard.events if each.event.case in cases}
        group = key_of(opened.tenant, without_cause(opened.group))
        written = [
            entry
            for entry in self._versions.history()
            if isinstance(entry, Device) and (entry.key in about or group in whole_groups(entry) or entry.device == parent_of(opened.group))
        ]
        since = [entry for entry in written if entry.time > opened.onset]
        if not cases or not since or {entry.id for entry in since} <= {entry.id for entry in written if entry.time <= opened.onset}:
            return ""
        return f"the registry's entry {since[-1].key} was written at {iso(since[-1].time)}, and what it said before is no longer kept"

    # ------------------------------------------------------------------------------------------------ measures

    def _measures(self, heard: Hearing, folded: Folded) -> Iterator[tuple[str, Measure]]:
        """For each incident that was opened by cases, how well its group fitted."""
        device = {each.event.case: each.event.key for each in heard.events}
        taken: set[str] = set()
        window = round(self._options.window_s * SECOND)
        for place, fact in enumerate(folded.facts):
            if fact.kind is IncidentKind.OPENED and fact.children:
                batch = [fact, *_batches(folded.facts, place)]
                mine = {device[case] for each in batch for case in each.children if case in device}
                slots = range(bisect_left(folded.times, fact.at - window), bisect_right(folded.times, fact.at))
                fresh = _fresh([heard.events[slot].event for slot in slots]) - taken
                others = {device[case] for case in fresh} - mine
                yield fact.incident, Measure(len(mine), fact.devices, len(others), fact.root)
            if fact.kind in _JOINS:
                taken |= set(fact.children)
            elif fact.kind is IncidentKind.RELEASED:
                taken -= set(fact.children)


def _written(log: EventLog, layout: Layout) -> Iterator[Written]:
    name = layout.name(INCIDENTS)
    try:
        partitions = range(layout.partitions(name))
    except ConfigError:  # a log from before there were any
        return
    for entry in read_all(log, name, partitions):
        _, taken = read_record(INCIDENTS, entry.value, entry.headers)
        if taken is not None and isinstance(taken.record, Incident):
            yield Written(Place(INCIDENTS, entry.partition, entry.offset), taken.record)


def _first(match: Match, incident: str, mine: list[Incident]) -> Difference | None:
    """The first difference of an incident."""
    anew = {fact.id: fact for fact in match.folded.facts}
    found = twice(mine)
    for fact in once(mine).values():
        twin = anew.get(fact.id)
        if twin is None:
            like = match.like(fact)
            found.append(difference(fact, changed(fact, like) if like else "stands on the log, but no cases lead to it"))
        elif twin != fact:
            found.append(difference(fact, changed(fact, twin)))
    found += [difference(fact, "was decided, but does not stand on the log") for fact in match.extra() if fact.incident == incident]
    return min(found, key=lambda each: each.at, default=None)


def _only_when(match: Match, incident: str, mine: list[Incident]) -> bool:
    """Whether it is about the same cases for the same reason, and only told in other portions and at other times."""
    like = match.like(min(mine, key=lambda fact: fact.seq))
    name = like.incident if like is not None else incident
    anew = [fact for fact in match.folded.facts if fact.incident == name]
    return bool(anew) and _about(anew) == _about(mine)


def _about(facts: list[Incident]) -> tuple[object, ...]:
    joined = {case for fact in facts if fact.kind in _JOINS for case in fact.children}
    released = {case for fact in facts if fact.kind is IncidentKind.RELEASED for case in fact.children}
    most = max(fact.total for fact in facts), max(fact.customers for fact in facts), {fact.devices for fact in facts}
    return joined, released, {fact.group for fact in facts}, {fact.root for fact in facts}, most


def _forgotten(heard: Hearing, first: Micros | None = None, last: Micros | None = None) -> bool:
    """Whether ticks are missing among the events of a time."""
    return any(
        each.forgotten and (first is None or each.event.at >= first) and (last is None or each.event.at <= last) for each in heard.events
    )


def _batches(facts: list[Incident], place: int) -> Iterator[Incident]:
    """Of an incident that was opened with more cases than one record names: the next records."""
    for fact in facts[place + 1 :]:
        if (fact.incident, fact.kind, fact.at) != (facts[place].incident, IncidentKind.JOINED, facts[place].at):
            return
        yield fact


def _fresh(events: list[CaseEvent]) -> set[str]:
    """Cases that opened and are not well."""
    found: set[str] = set()
    for event in events:
        if event.kind in _OPENS:
            found.add(event.case)
        elif not event.status.open:
            found.discard(event.case)
    return found
