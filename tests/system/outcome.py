"""What a system made of a story: symptoms, case events and notifications by id, and how two outcomes differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from vorab import topics
from vorab.clock import Micros, parse_iso
from vorab.frame import decode, unpack
from vorab.log import EventLog, Position
from vorab.records import Tick

DECIDED: Final = (topics.SYMPTOMS, topics.CASES, topics.NOTIFICATIONS)
"""What must be the same whoever runs it, however often it is killed."""


class Row(NamedTuple):
    """One record."""

    type: str
    id: str
    key: str
    body: dict[str, Any]
    partition: int
    time: Micros
    value: bytes
    """The body as it stands."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Bodies by (topic, what makes a record one of its kind); raw counts tell of duplicates."""

    bodies: Mapping[str, Mapping[str, dict[str, Any]]]
    raw: Mapping[str, int]
    conflicts: tuple[str, ...] = field(default=())
    """Records of one id with two bodies."""

    @property
    def symptoms(self) -> Mapping[str, dict[str, Any]]:
        """By id and state."""
        return self.bodies[topics.SYMPTOMS]

    @property
    def cases(self) -> Mapping[str, dict[str, Any]]:
        """Case events by id."""
        return self.bodies[topics.CASES]

    @property
    def notifications(self) -> Mapping[str, dict[str, Any]]:
        """By id."""
        return self.bodies[topics.NOTIFICATIONS]

    @property
    def counts(self) -> dict[str, int]:
        """Records by topic, each once."""
        return {topic.removeprefix("vorab."): len(rows) for topic, rows in self.bodies.items()}

    @property
    def duplicates(self) -> int:
        """Records that stand more than once."""
        return sum(self.raw.values()) - sum(map(len, self.bodies.values()))


def outcome_of(rows: Mapping[str, Iterable[Row]]) -> Outcome:
    """The outcome of these records (ticks are none)."""
    bodies: dict[str, dict[str, dict[str, Any]]] = {}
    raw: Counter[str] = Counter()
    conflicts = []
    for topic, found in rows.items():
        known = bodies.setdefault(topic, {})
        for row in found:
            if row.type == Tick.TYPE:
                continue
            raw[topic] += 1
            # Raised, updated and cleared share an id; so do a permit's question and answer.
            name = f"{row.type} {row.id}"
            if known.setdefault(name, row.body) != row.body:
                conflicts.append(f"{topic} {name}: {_fields(known[name], row.body)}")
    return Outcome(bodies, dict(raw), tuple(conflicts))


def differences(one: Outcome, other: Outcome, topics_: Iterable[str] = DECIDED) -> list[str]:
    """What two outcomes do not share, a line each, in words that help to find out why."""
    found = [f"two bodies of one id: {conflict}" for conflict in (*one.conflicts, *other.conflicts)]
    for topic in topics_:
        left, right = one.bodies[topic], other.bodies[topic]
        found += [f"only in the first: {topic} {_say(left[name])}" for name in left.keys() - right.keys()]
        found += [f"only in the second: {topic} {_say(right[name])}" for name in right.keys() - left.keys()]
        for name in left.keys() & right.keys():
            if left[name] != right[name]:
                found.append(f"different: {topic} {_say(left[name])}: {_fields(left[name], right[name])}")
    return sorted(found)


def _say(body: Mapping[str, Any]) -> str:
    known = ("device", "rule", "state", "kind", "stage", "at", "detected_at", "detail", "id")
    return " ".join(f"{name}={body[name]}" for name in known if name in body)


def _fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return "; ".join(f"{name}: {one.get(name)!r} ≠ {other.get(name)!r}" for name in names)


def read_rows(log: EventLog, topic: str, positions: dict[Position, int] | None = None) -> list[Row]:
    """All records of a topic, ticks included; with `positions` only what is new since, which are moved on."""
    places = positions if positions is not None else {}
    ends = log.ends(topic)
    for partition, begin in log.begins(topic).items():
        places.setdefault((topic, partition), begin)
    rows = []
    while behind := {place: offset for place, offset in places.items() if place[0] == topic and offset < ends[place[1]]}:
        for entry in log.read(behind, limit=5_000, wait_s=1.0):
            places[entry.topic, entry.partition] = entry.offset + 1
            headers = dict(entry.headers)
            rows.append(
                Row(
                    headers["ce_type"].decode(),
                    headers["ce_id"].decode(),
                    (entry.key or b"").decode(),
                    json.loads(entry.value or b"{}"),
                    entry.partition,
                    parse_iso(headers["ce_time"].decode()),
                    entry.value or b"",
                )
            )
    return rows


def read_readings(log: EventLog) -> list[tuple[Any, ...]]:
    """Every row of every frame without `received_at`, sorted: what was said, however it was cut."""
    topic = topics.READINGS
    places: dict[Position, int] = {(topic, partition): begin for partition, begin in log.begins(topic).items()}
    ends, rows = log.ends(topic), []
    while behind := {place: offset for place, offset in places.items() if offset < ends[place[1]]}:
        for entry in log.read(behind, limit=5_000, wait_s=1.0):
            places[entry.topic, entry.partition] = entry.offset + 1
            for row in unpack(decode(entry.value or b"")):
                values = tuple(sorted(row.values.items()))
                rows.append((row.device, row.measured_at, row.quality, values, row.boot, row.seq))
    return sorted(rows)
