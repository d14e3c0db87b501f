"""Symptoms found anew: the readings of their devices go through detect with the rules in force, and what is found is compared.

Of a rule that remembers for long, only agreement says something where readings were deleted since: the state it had is not known then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from streams.detect.processor import Detect
from streams.detectors.peer import PeerRule
from streams.hosts.instance import MOST_JOINED, Layout
from streams.recount.compare import Difference, State, changed, difference
from streams.recount.heard import cut
from streams.recount.registry import Versions
from streams.recount.sieve import Sieve
from streams.rules.ruleset import CLASSES, RuleSet
from streams.trials.backtest import silence_limits
from vorab.clock import Micros, iso
from vorab.frame import Frame
from vorab.frame_join import join
from vorab.log import EventLog
from vorab.processor import Out
from vorab.records import Symptom, SymptomState
from vorab.topics import READINGS, TOPICS

FORGETFUL: Final = frozenset({"threshold", "range", "code", "silence"})
"""Detectors that judge by the readings of the moment: what they find does not depend on readings of long ago."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A symptom, as it stands on the log."""

    id: str
    records: Sequence[Symptom]
    """Raised, updated, cleared, and what confirms that it is gone, in their order."""
    until: Micros
    """The time up to which all that was found stands there."""

    @property
    def first(self) -> Symptom:
        """How it began, as far as that is known."""
        return self.records[0]


class Found(NamedTuple):
    """What it comes to."""

    state: State
    difference: Difference | None = None
    note: str = ""

    def json(self) -> dict[str, Any]:
        """For `--json` and the API."""
        return {"state": self.state.value, "difference": self.difference.json() if self.difference else None, "note": self.note}


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds symptoms anew."""

    log: EventLog
    layout: Layout
    rules: RuleSet
    versions: Versions
    """The registry."""
    grace: Micros = 0
    """How long readings wait for earlier ones."""

    def find(self, wanted: Iterable[Wanted], tell: Callable[[int, int], None] = lambda _done, _total: None) -> dict[str, Found]:
        """All of them in one pass over what is kept, by their ids; `tell` hears how many offsets are done, and how many there are."""
        found: dict[str, Found] = {}
        readable: dict[int, list[Wanted]] = {}
        for each in wanted:
            before = self._beforehand(each.first)
            found[each.id] = before or Found(State.GONE)
            if before is None:
                readable.setdefault(self.layout.partition_of(READINGS, each.first.key), []).append(each)
        name = self.layout.name(READINGS)
        begins, ends = self.log.begins(name), self.log.ends(name)
        total, done = sum(ends.get(partition, 0) - begins.get(partition, 0) for partition in readable), 0
        for partition, mine in sorted(readable.items()):
            begin, end = begins.get(partition, 0), ends.get(partition, 0)
            devices = {each.first.key for each in mine}
            sieve = Sieve(self.log, (name, partition), devices, silence_limits(self.rules), self.layout.tick_every)
            said: dict[str, list[Symptom]] = {each.id: [] for each in mine}
            for symptom in self._again(partition, sieve, begin, end):
                tell(done + sieve.next - begin, total)
                if (symptom.confirms or symptom.id) in said:
                    said[symptom.confirms or symptom.id].append(symptom)
            done += end - begin
            tell(done, total)
            kept = TOPICS[READINGS].kept_days
            since = sieve.first if cut(begin, sieve.ended - sieve.began, kept, gaps=sieve.gaps) else None
            found.update((each.id, self._compare(each, said[each.id], since)) for each in mine)
        return found

    def _beforehand(self, symptom: Symptom) -> Found | None:
        """Why it need not be looked for."""
        rule = self.rules.by_id.get(symptom.rule)
        if symptom.detector not in CLASSES:
            return Found(State.BEYOND, note=f"it was not found in readings: {symptom.rule} says so")
        if rule is None:
            return Found(State.CHANGED, note=f"the rule {symptom.rule} is not in force any more")
        if rule.version != symptom.rule_version:
            note = f"the rule {rule.id} has changed since: {symptom.rule_version} found it, {rule.version} is in force"
            return Found(State.CHANGED, note=note)
        return Found(State.BEYOND, note=f"the rule {rule.id} compares peers") if isinstance(rule, PeerRule) else None

    def _again(self, partition: int, sieve: Sieve, begin: int, end: int) -> Iterator[Symptom]:
        """What detect finds, frames stepped together wherever it is all the same to it."""
        alone = RuleSet([rule for rule in self.rules if not isinstance(rule, PeerRule)])
        detect = Detect(alone, self.versions, self.grace, partition=partition)
        batch: list[Frame] = []
        rows = 0

        def step() -> Iterator[Out]:
            if batch:
                whole = join(batch)
                yield from detect.step(READINGS, sieve.next, whole, whole.now)
                yield from detect.due(whole.now)
                batch.clear()

        for frame in sieve.frames(begin, end):
            if batch and (not frame.n or rows >= MOST_JOINED or not detect.quiet(frame.now)):
                yield from _symptoms(step())
                rows = 0
            if frame.n:
                batch.append(frame)
                rows += frame.n
            else:
                yield from _symptoms(detect.due(frame.now))
        yield from _symptoms(step())

    def _compare(self, wanted: Wanted, anew: Sequence[Symptom], since: Micros | None) -> Found:
        first = _first(wanted, anew)
        if first is None:
            return Found(State.AGREES)
        symptom = wanted.first
        same = any(each.id == wanted.id for each in anew)
        earliest = min((point.at for each in wanted.records for point in each.evidence), default=symptom.onset)
        if since is not None and (min(earliest, symptom.onset) < since or not same or symptom.detector not in FORGETFUL):
            return Found(State.GONE, first, f"readings before {iso(since)} are no longer kept")
        later = [entry for entry in self.versions.about(symptom.key) if entry.time > symptom.onset]
        if later:
            return Found(State.CHANGED, first, f"the registry's entry {later[-1].key} was written at {iso(later[-1].time)}")
        return Found(State.DIFFERS, first)


def _symptoms(outs: Iterable[Out]) -> Iterator[Symptom]:
    return (out.record for out in outs if isinstance(out.record, Symptom))


def _first(wanted: Wanted, anew: Sequence[Symptom]) -> Difference | None:
    """The first record that is not as it is found anew."""
    said = _each(anew)
    stored = _each(wanted.records)
    found = list(_twice(wanted.records))
    for name, record in stored.items():
        if name not in said:
            found.append(difference(record, "stands on the log, but the readings do not lead to it"))
        elif said[name] != record:
            found.append(difference(record, changed(record, said[name])))
    found += [
        difference(record, "is found, but does not stand on the log")
        for name, record in said.items()
        if name not in stored and record.time < wanted.until
    ]
    return min(found, key=lambda each: each.at, default=None)


Name = tuple[str, SymptomState, int]
"""A symptom is updated more than once: which time it is."""


def _each(records: Sequence[Symptom]) -> dict[Name, Symptom]:
    found: dict[Name, Symptom] = {}
    for record in records:
        if record not in found.values():
            found[_name(record, found)] = record
    return found


def _name(record: Symptom, found: Mapping[Name, Symptom]) -> Name:
    once_only = record.state is not SymptomState.UPDATED
    return record.id, record.state, 0 if once_only else sum(state is SymptomState.UPDATED for _, state, _ in found)


def _twice(records: Sequence[Symptom]) -> Iterator[Difference]:
    """It is raised once, and cleared once."""
    first: dict[tuple[str, SymptomState], Symptom] = {}
    for record in records:
        if record.state is not SymptomState.UPDATED and first.setdefault((record.id, record.state), record) != record:
            yield difference(record, f"stands on the log twice: {changed(record, first[record.id, record.state])}")
