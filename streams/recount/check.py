"""Whether what stands on the log is what is decided from it: device by device, each once, however many ids are asked for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from streams.hosts.instance import Layout
from streams.recount.asked import Asked
from streams.recount.compare import Difference, State, differences
from streams.recount.fold import fold
from streams.recount.order import as_seen, by_clock
from streams.recount.registry import AsOf, Versions
from streams.recount.story import Item, Shelf, Story
from streams.recount.symptoms import Found
from vorab.clock import iso
from vorab.log import EventLog
from vorab.processor import Kind, Out
from vorab.records import Action, CaseEvent, Command, Symptom


class Decided(Protocol):
    """Something decided anew: a device, or the incidents of a partition."""

    @property
    def key(self) -> str:
        """Its name."""

    def asked(self) -> Iterator[Asked]:
        """All that can be checked of it."""

    def of(self, case: str) -> tuple[State, Difference | None, str]:
        """What it comes to for one case or incident: the state, the first difference, and why it cannot be compared."""

    def others(self, known: set[str]) -> list[Difference]:
        """The first difference that concerns none of these."""


@dataclass(slots=True)
class Recount:
    """A device decided anew."""

    story: Story
    state: State
    found: list[Difference] = field(default_factory=list)
    note: str = ""
    """Why it cannot be compared, where it cannot."""

    @property
    def key(self) -> str:
        """Of the device."""
        return self.story.key

    def others(self, known: set[str]) -> list[Difference]:
        """The first difference that concerns none of these cases."""
        return [each for each in self.found if each.case not in known][:1] if self.state is State.DIFFERS else []

    def events(self, case: str) -> list[CaseEvent]:
        """What stands on the log about a case."""
        return [told.record for told in self.story.facts if isinstance(told.record, CaseEvent) and told.record.case == case]

    def symptoms(self, case: str) -> dict[str, list[Symptom]]:
        """What was said of the symptoms a case knows of, by their ids."""
        known = {name for event in self.events(case) for name in (event.because, event.symptom)}
        return {name: found for name in sorted(known) if (found := self.symptom(name))}

    def symptom(self, name: str) -> list[Symptom]:
        """What was said of a symptom."""
        records = [item.record for item in self.story.items]
        return [each for each in records if isinstance(each, Symptom) and name in {each.id, each.confirms}]

    def of(self, case: str) -> tuple[State, Difference | None, str]:
        """What it comes to for one case, and the first difference."""
        mine = [each for each in self.found if each.case == case]
        if not mine:
            return State.AGREES, None, ""
        return self.state, mine[0], self.note

    def asked(self) -> Iterator[Asked]:
        """All that can be checked of it."""
        cases = dict.fromkeys(each.record.case for each in self.story.facts if isinstance(each.record, CaseEvent))
        yield from (Asked(case, "case", case) for case in cases)
        for told in self.story.orders:
            if isinstance(told.record, Action):
                yield Asked(told.record.id, "action", told.record.case)
        for item in self.story.items:
            if isinstance(item.record, Command):
                yield Asked(item.record.id, "command", item.record.case)

    def json(self, case: str) -> dict[str, Any]:
        """For `--json` and the API."""
        state, first, note = self.of(case)
        return {"state": state.value, "difference": first.json() if first else None, "note": note}


class Recounter:
    """Decides devices anew with the policy in force."""

    def __init__(self, log: EventLog, kind: Kind, layout: Layout) -> None:
        self._log, self._kind, self._layout = log, kind, layout
        self.versions = Versions.read(log, layout)
        """The registry, with what it said before."""
        self._registry = AsOf(self.versions)

    def device(self, key: str) -> Recount:
        """One device."""
        shelf = Shelf(self._log, self._kind, self._layout, key)
        (partition,) = shelf.partitions()
        return self.recount(shelf.stories(partition).get(key) or Story(key, partition))

    def all(self) -> Iterator[tuple[int, int, list[Recount]]]:
        """All devices: partitions done, partitions in all, and those of the last one."""
        shelf = Shelf(self._log, self._kind, self._layout)
        partitions = shelf.partitions()
        for done, partition in enumerate(partitions, 1):
            yield done, len(partitions), [self.recount(story) for story in shelf.stories(partition).values()]

    def recount(self, story: Story) -> Recount:
        """Fold and compare: by the clock, and else in the order that the log shows; with the registry as it was, and else as it is."""
        first: list[Difference] = []
        for seen in (False, True):
            for then in (True, False):
                found = differences(story, self._decide(story, seen=seen, then=then), self._kind.ticks[0])
                if not found:
                    return Recount(story, State.AGREES)
                first = found if not first or len(found) < len(first) else first
        gone, changed = _gone(story), self._changed(story)
        if gone:
            return Recount(story, State.GONE, first, gone)
        return Recount(story, State.CHANGED if changed else State.DIFFERS, first, changed)

    def _decide(self, story: Story, *, seen: bool, then: bool) -> Sequence[Out]:
        def again(items: Sequence[Item]) -> Sequence[Out]:
            return fold(story, self._kind, self._registry, items, then=then)

        return as_seen(story, again, self._kind.ticks[0]) if seen else again(by_clock(story))

    def _changed(self, story: Story) -> str:
        """In words, where what decided is not what is in force: the policy, or the registry that no longer holds what it said then."""
        others = sorted({each.edition for each in story.facts} - {"", self._kind.edition})
        if others:
            return f"the policy has changed since: {', '.join(others)} decided, {self._kind.edition} is in force"
        written = self.versions.about(story.key)
        began = min((each.record.time for each in story.facts), default=0)
        since = [entry for entry in written if entry.time > began]
        if not since or {entry.id for entry in since} <= {entry.id for entry in written if entry.time <= began}:
            return ""
        return f"the registry's entry {since[-1].key} was written at {iso(since[-1].time)}, and what it said before is no longer kept"


def _gone(story: Story) -> str:
    """In words, where a case was opened by something that the log no longer holds."""
    known = {item.record.id for item in story.items}
    seen: set[str] = set()
    for told in story.facts:
        if isinstance(told.record, CaseEvent) and told.record.case not in seen:
            seen.add(told.record.case)
            if told.record.seq > 0 or told.record.because not in known:
                return f"what opened case {told.record.case} is no longer kept"
    return ""


class Line(NamedTuple):
    """One id that does not agree."""

    asked: Asked
    device: str
    state: State
    difference: Difference | None
    note: str


@dataclass(slots=True)
class Checked:
    """What a check of many ids came to."""

    states: Counter[State] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    devices: int = 0
    lines: list[Line] = field(default_factory=list)
    """Those that do not agree."""
    beside: list[Difference] = field(default_factory=list)
    """What was found on the way and concerns none of them."""
    cases: dict[str, str] = field(default_factory=dict)
    """The cases and incidents of all that were picked, and whose they are."""
    symptoms: dict[str, tuple[Symptom, Found]] = field(default_factory=dict)
    """The symptoms behind them, by id, and what finding them anew came to."""

    @property
    def ids(self) -> int:
        """How many were checked."""
        return sum(self.states.values())

    @property
    def differ(self) -> int:
        """How many differ, symptoms and those beside among them."""
        return self.states[State.DIFFERS] + len(self.beside) + self.symptom_states[State.DIFFERS]

    @property
    def symptom_states(self) -> Counter[State]:
        """How many symptoms came to what."""
        return Counter(found.state for _, found in self.symptoms.values())


def choose(recounts: Sequence[Decided], count: int, seed: int) -> Checked:
    """Pick ids at random (all where there are fewer) and say what each came to."""
    everything = sorted(
        {(asked, recount.key): recount for recount in recounts for asked in recount.asked()}.items(), key=lambda each: each[0]
    )
    chosen = random.Random(seed).sample(everything, min(count, len(everything)))
    checked = Checked(devices=len({key for (asked, key), _ in chosen if asked.kind != "incident"}))
    for (asked, key), recount in chosen:
        state, difference, note = recount.of(asked.case)
        checked.states[state] += 1
        checked.kinds[asked.kind] += 1
        checked.cases.setdefault(asked.case, key)
        if state is not State.AGREES:
            checked.lines.append(Line(asked, key, state, difference, note))
    for recount in recounts:
        checked.beside += recount.others(set(checked.cases))
    return checked
