"""What stands on the log beside what is decided anew: agreement, or the first difference by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from streams.recount.story import SAID_ELSEWHERE, Story
from vorab.clock import Micros, iso
from vorab.processor import Out
from vorab.records import Incident, Record, type_of

R = TypeVar("R", bound=Record)


class State(StrEnum):
    """What a comparison comes to."""

    AGREES = "agrees"
    DIFFERS = "differs"
    CHANGED = "changed"
    """What it was decided by is not what is in force now."""
    GONE = "gone"
    """What it was decided from is no longer kept."""
    BEYOND = "beyond"
    """What it was decided from is more than is read here: other devices, or another system."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that is not as it would be decided."""

    case: str
    """Or the incident."""
    id: str
    what: str
    """`case.opened`, `action`."""
    at: Micros
    text: str

    def json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"case": self.case, "id": self.id, "type": self.what, "at": iso(self.at), "text": self.text}


def differences(story: Story, out: Sequence[Out], facts_topic: str) -> list[Difference]:
    """All of them, the earliest first."""
    facts = once(each.record for each in out if each.topic == facts_topic)
    orders = once(each.record for each in out if each.topic != facts_topic and each.topic not in SAID_ELSEWHERE)
    stored_facts, stored_orders = once(each.record for each in story.facts), once(each.record for each in story.orders)
    found = [
        *twice(each.record for each in story.facts), *twice(each.record for each in story.orders),
        *_beside(story, stored_facts, facts), *_beside(story, stored_orders, orders),
    ]  # fmt: skip
    if not found:
        found += _order(stored_facts, facts)
    return sorted(found, key=lambda each: each.at)


def once(records: Iterable[R]) -> dict[str, R]:
    """By id, each as it was said first."""
    found: dict[str, R] = {}
    for record in records:
        found.setdefault(record.id, record)
    return found


def twice(records: Iterable[Record]) -> list[Difference]:
    """A record may stand twice after a crash, but not with other words."""
    first: dict[str, Record] = {}
    return [
        difference(record, f"stands on the log twice: {changed(record, first[record.id])}")
        for record in records
        if first.setdefault(record.id, record) != record
    ]


def _beside(story: Story, stored: dict[str, Record], anew: dict[str, Record]) -> list[Difference]:
    found = []
    for name, record in stored.items():
        if name not in anew:
            found.append(difference(record, "stands on the log, but no line of policy and nothing that was asked for leads to it"))
        elif anew[name] != record:
            found.append(difference(record, changed(record, anew[name])))
    since = {type(each.record): story.kept_since.get(each.place.topic) for each in (*story.facts, *story.orders)}
    for name, record in anew.items():
        kept = since.get(type(record))
        if name not in stored and record.time < story.until and (kept is None or record.time >= kept):
            found.append(difference(record, "was decided, but does not stand on the log"))
    return found


def _order(stored: dict[str, Record], anew: dict[str, Record]) -> list[Difference]:
    for one, other in zip(stored, anew, strict=False):
        if one != other:
            return [difference(stored[one], f"stands before {what(anew[other])} {other}, which was decided first")]
    return []


def changed(stored: Record, anew: Record) -> str:
    """The first field in which they differ, in words."""
    for name in type(stored).model_fields:
        one, other = getattr(stored, name), getattr(anew, name, None)
        if one != other:
            return f"says {name} {one!r}, and {other!r} is decided"
    return "is another kind of record"


def difference(record: Record, text: str) -> Difference:
    """A record, and what is the matter with it."""
    case = record.incident if isinstance(record, Incident) else str(getattr(record, "case", ""))
    return Difference(case, record.id, what(record), record.time, f"{what(record)} of {iso(record.time)} {text}")


def what(record: Record) -> str:
    """A record's type in short: `case.opened`."""
    return type_of(record).removeprefix("io.vorab.").removesuffix(".v1")
