"""When events were heard, where the log has forgotten its ticks: what the clock does not tell, what was written does.

A time is assumed only where offsets are missing, and taken only if more of what stands on the log agrees with it. It moves when something
was decided, never what it was decided about: a case that is missing, added or changed cannot be explained away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from streams.recount.heard import Hearing
from vorab.clock import MINUTE, Micros
from vorab.records import CaseKind, Incident

MOST_FOLDS: Final = 60
MOST_EVENTS: Final = 2_000_000
"""Folds of one partition, or more until so many events were folded; beyond, what was forgotten is not found."""
_FAR: Final[Micros] = MINUTE
_MOST_NEAR: Final = 8


class Folded(NamedTuple):
    """What is decided with some times assumed."""

    facts: list[Incident]
    times: list[Micros]
    """When each event was heard."""


class Bad(NamedTuple):
    """The first fact that is not as it would be decided."""

    fact: Incident
    twin: Incident | None
    """What is decided in its place."""

    @property
    def alike(self) -> int:
        """In how many fields they agree."""
        if self.twin is None:
            return 0
        return sum(getattr(self.fact, name) == getattr(self.twin, name) for name in Incident.model_fields)


@dataclass(frozen=True, slots=True)
class Match:
    """What stands on the log beside what is decided."""

    stored: Mapping[str, Incident]
    folded: Folded

    @property
    def agreeing(self) -> int:
        """How many stand there as they are decided."""
        return sum(self.stored.get(fact.id) == fact for fact in self.folded.facts)

    def extra(self) -> list[Incident]:
        """What was decided before the last that stands there, and does not stand there itself."""
        known = [place for place, fact in enumerate(self.folded.facts) if fact.id in self.stored]
        return [fact for fact in self.folded.facts[: known[-1] if known else 0] if fact.id not in self.stored]

    def bad(self, beside: Collection[str] = ()) -> Bad | None:
        """The first that does not agree, incidents `beside` left out."""
        anew = {fact.id: fact for fact in self.folded.facts}
        wrong = [fact for fact in self.stored.values() if anew.get(fact.id) != fact]
        those = [fact for fact in (*wrong, *self.extra()) if fact.incident not in beside]
        found = min(those, key=lambda fact: (fact.at, fact.incident, fact.seq), default=None)
        return None if found is None else Bad(found, anew.get(found.id) or self.like(found))

    def like(self, fact: Incident) -> Incident | None:
        """What is decided under another name in place of what stands there: the same of the same group, at about the same time."""
        if fact.id not in self.stored:
            return None
        like = [
            each
            for each in self.folded.facts
            if each.id not in self.stored and (each.key, each.kind, each.seq) == (fact.key, fact.kind, fact.seq)
        ]
        return min(like, key=lambda each: abs(each.at - fact.at), default=None)


def settle(
    heard: Hearing, stored: Mapping[str, Incident], decide: Callable[[Mapping[int, Micros]], Folded], waits: Sequence[Micros], tick: Micros
) -> Match:
    """The most that agrees; `waits` are how much later something is decided than what it is decided by was heard."""
    assumed: dict[int, Micros] = {}
    best = Match(stored, decide(assumed))
    folds = 1
    beside: set[str] = set()
    most = max(MOST_FOLDS, MOST_EVENTS // max(len(heard.events), 1)) if MOST_FOLDS > 1 else 1
    while folds < most and (bad := best.bad(beside)) is not None:
        for offset, time in _moves(heard, best.folded.times, bad, waits, tick, assumed):
            moved = {**assumed, offset: time}
            other = Match(stored, decide(moved))
            folds += 1
            later = other.bad(beside)
            if later is None or (later.fact.at, other.agreeing, later.alike) > (bad.fact.at, best.agreeing, bad.alike):
                assumed, best = moved, other
                break
            if folds >= most:
                break
        else:
            beside.add(bad.fact.incident)  # no time explains it; there are others
    return best


def _moves(
    heard: Hearing, times: Sequence[Micros], bad: Bad, waits: Sequence[Micros], tick: Micros, assumed: Mapping[int, Micros]
) -> Iterator[tuple[int, Micros]]:
    """Offsets, and what time may have come before them."""
    after = (bad.fact.at // tick + 1) * tick
    twin = bad.twin
    if twin is not None and twin.at != bad.fact.at:  # what it was decided by was heard later, or not as late as was assumed
        for wait in waits:
            for place in range(bisect_left(times, twin.at - wait), bisect_right(times, twin.at - wait)):
                for offset, time in _before(heard, times, place, times[place] + bad.fact.at - twin.at):
                    if twin.at < bad.fact.at or offset in assumed:
                        yield offset, time
    if twin is not None and (extra := set(twin.children) - set(bad.fact.children)):  # it was decided before these were heard
        opened = (CaseKind.OPENED, CaseKind.RELAPSED)
        places = [place for place, each in enumerate(heard.events) if each.event.case in extra and each.event.kind in opened]
        for place in places[:1]:
            yield from _before(heard, times, place, after)
    near = range(bisect_right(times, bad.fact.at - 2 * tick), bisect_right(times, bad.fact.at))
    for place in near[-_MOST_NEAR:]:
        yield from _before(heard, times, place, after)


def _before(heard: Hearing, times: Sequence[Micros], place: int, time: Micros) -> Iterator[tuple[int, Micros]]:
    """The nearest gap at or before an event."""
    for at in range(place, -1, -1):
        if times[at] < times[place] - _FAR:
            return
        if heard.events[at].forgotten:
            yield heard.events[at].offset, time
            return
