"""Where the records of people and of other processors came in: what the clock does not tell, the order of what was written does.

Only records of inputs that are not gating are ever moved. What was found and answered stands where its input was, so nothing that is
missing, added or changed there can be explained away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from streams.recount.story import Item, Story
from vorab.clock import HOUR, Micros
from vorab.processor import Out
from vorab.records import CaseEvent, Record

MOST_FOLDS: Final = 200
"""Of one device; beyond, it differs."""


def by_clock(story: Story) -> list[Item]:
    """Each at its own time, but never before what stands before it in its own input."""
    reached: dict[str, Micros] = {}
    found = []
    for item in sorted(story.items, key=lambda each: each.place):
        time = item.time if item.gating else max(item.time, reached.get(item.place.topic, item.time))
        reached[item.place.topic] = time
        found.append(item._replace(time=time))
    return sorted(found)


def as_seen(story: Story, fold: Callable[[Sequence[Item]], Sequence[Out]], facts_topic: str) -> Sequence[Out]:
    """What is decided in the order that agrees longest with what was written."""
    stored = _facts(each.record for each in story.facts)
    items = by_clock(story)
    best = fold(items)
    reached = agreed(stored, best, facts_topic)
    folds = 1
    while reached is not None and folds < MOST_FOLDS:
        for moved in _moves(items, stored, _anew(best, facts_topic), reached):
            out = fold(moved)
            folds += 1
            far = agreed(stored, out, facts_topic)
            if far is None or far > reached:
                items, best, reached = moved, out, far
                break
            if folds >= MOST_FOLDS:
                break
        else:
            break
    return best


def agreed(stored: Sequence[CaseEvent], out: Sequence[Out], facts_topic: str) -> int | None:
    """How many facts agree before the first that does not; None where all that were stored do."""
    anew = _anew(out, facts_topic)
    for place, fact in enumerate(stored):
        if place >= len(anew) or anew[place] != fact:
            return place
    return None


def _moves(items: Sequence[Item], stored: Sequence[CaseEvent], anew: Sequence[CaseEvent], place: int) -> Iterator[list[Item]]:
    """Other orders that may make the fact at this place agree."""
    free = {item.record.id: at for at, item in enumerate(items) if not item.gating}
    fact = stored[place]
    other = anew[place] if place < len(anew) else None
    if other is not None and other.because in free and other.because != fact.because:
        yield from _after(items, free[other.because], fact.at)  # it came later than that,
        yield from _after(items, free[other.because], fact.at - 2)  # or only just before: a deadline that says nothing had passed
    if fact.because in free and other is not None:
        yield _put(items, free[fact.because], other.at)  # it came sooner than that
    # What it did may show later only: those that came before, the latest first, may have come a few records sooner or later.
    near = [at for at in free.values() if items[at].time <= fact.at + _NEAR and items[at].time > fact.at - _FAR]
    for at in sorted(near, key=lambda at: abs(items[at].time - fact.at))[:_MOST_NEAR]:
        yield from _after(items, at, items[at].time)
        for before in range(at - 1, max(-1, at - 1 - _AROUND), -1):
            yield _put(items, at, items[before].time)


_NEAR: Final[Micros] = HOUR
_FAR: Final[Micros] = 12 * HOUR
_MOST_NEAR: Final = 8
_AROUND: Final = 4
"""Records of other inputs that a person's word may have been passed by."""


def _put(items: Sequence[Item], at: int, before: Micros) -> list[Item]:
    """The item stands just before this time, and so do those before it in its input."""
    item = items[at]
    found = [
        each._replace(time=min(each.time, before - 1))
        if each.place.topic == item.place.topic and each.place <= item.place and not each.gating
        else each
        for each in items
    ]
    return sorted(found)


def _after(items: Sequence[Item], at: int, time: Micros) -> Iterator[list[Item]]:
    """The item stands just after this time, or after one of the next records, and so do those after it in its input."""
    item = items[at]
    later = [time, *[each.time for each in items if each.time > time][:_AROUND]]
    for moment in later:
        yield sorted(
            each._replace(time=max(each.time, moment + 1))
            if each.place.topic == item.place.topic and each.place >= item.place and not each.gating
            else each
            for each in items
        )


def _anew(out: Sequence[Out], facts_topic: str) -> list[CaseEvent]:
    return _facts(each.record for each in out if each.topic == facts_topic)


def _facts(records: Iterator[Record]) -> list[CaseEvent]:
    found: dict[str, CaseEvent] = {}
    for record in records:
        if isinstance(record, CaseEvent):
            found.setdefault(record.id, record)
    return list(found.values())
