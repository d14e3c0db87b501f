"""One open case per device and cause, whoever writes at the same time; and the whole log read once more opens nothing and commands nothing.

Eight writers of 500 records each, symptoms and what people ask for, about the same few devices, through the real log while the host runs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from streams.cases.policy import Policy
from streams.cases.processor import Cases
from streams.cases.remedies import load_policy
from streams.recount.story import read_all
from tests import decided
from tests.contract.crowd import CAUSES, DEVICES, EACH, WRITERS, Crowd, symptom
from tests.parts.base import wait_until
from tests.simulated import T0
from tests.system.figures import say
from vorab import topics
from vorab.clock import SECOND, Micros
from vorab.frame import Frame
from vorab.log import EventLog, append_all
from vorab.log.sqlite import SqliteLog
from vorab.processor import Kind, Out, Registry
from vorab.records import (
    Action,
    CaseEvent,
    CaseKind,
    Record,
    Tick,
    from_wire,
)

POLICY: Final = load_policy()


@dataclass
class Outcome:
    """What stands on the log about cases."""

    events: dict[str, CaseEvent]
    actions: set[str]
    most_open: int
    """Most cases open at a time, of a device and cause."""

    @property
    def cases(self) -> set[str]:
        """All cases."""
        return {event.case for event in self.events.values()}


def outcome(log: EventLog) -> Outcome:
    """Each event once."""
    records = [from_wire(entry.value, entry.headers) for entry in read_all(log, topics.CASES, range(decided.PARTITIONS))]
    events: dict[str, CaseEvent] = {}
    for record in records:
        if isinstance(record, CaseEvent):
            events.setdefault(record.id, record)
    is_open: dict[tuple[str, str], set[str]] = {}
    most = 0
    for event in events.values():
        some = is_open.setdefault((event.key, event.cause), set())
        (some.add if event.status.open else some.discard)(event.case)
        most = max(most, len(some))
    actions = [from_wire(entry.value, entry.headers) for entry in read_all(log, topics.ACTIONS, range(decided.PARTITIONS))]
    return Outcome(events, {each.id for each in actions if isinstance(each, Action)}, most)


def host(log: EventLog, running: AbstractContextManager[object], until: Micros, crowd: Crowd | None = None) -> None:
    """Run the host until it has come so far, with a crowd that writes meanwhile."""
    told = dict.fromkeys(range(decided.PARTITIONS), 0)
    first = dict(log.ends(topics.CASES))
    with running:
        if crowd is not None:
            crowd.run()
            until = crowd.now

        def there() -> bool:
            for partition in told:
                for entry in log.read({(topics.CASES, partition): first.get(partition, 0)}, limit=2_000):
                    first[partition] = entry.offset + 1
                    record = from_wire(entry.value, entry.headers)
                    told[partition] = record.at if isinstance(record, Tick) else told[partition]
            return min(told.values()) >= until

        wait_until(there, "the host comes to the end")


def replayed(path: Path, some: list[Kind], until: Micros) -> Outcome:
    """The whole log read once more from offset 0, by a host that remembers nothing."""
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM state")
        db.execute("DELETE FROM offsets")
    db.close()
    with SqliteLog(path, fsync=False) as log:
        host(log, decided.hosted(log, some), until)
        return outcome(log)


class Forgetful(Cases):
    """Known bad: knows nothing of what came before."""

    def __init__(self, policy: Policy, registry: Registry) -> None:
        super().__init__(policy, registry)
        self._made = policy, registry

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:
        """With a fresh memory each time."""
        return Cases(*self._made).step(topic, offset, record, now)


class Renaming(Cases):
    """Known bad: names its cases by the run."""

    run = 0

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:
        """With other names."""
        for out in super().step(topic, offset, record, now):
            if isinstance(out.record, CaseEvent):
                names = {"case": f"{out.record.case}-{Renaming.run}", "id": f"{out.record.id}-{Renaming.run}"}
                yield out._replace(record=out.record.model_copy(update=names))
            else:
                yield out


def variant(bad: type[Cases]) -> list[Kind]:
    """The processors, with a defect in the first."""
    cases, *others = decided.kinds(POLICY)
    return [replace(cases, build=lambda _, registry: bad(POLICY, registry)), *others]


def fresh(path: Path) -> SqliteLog:
    """A log with all topics and a registry."""
    log = SqliteLog(path, fsync=False)
    decided.create(log, POLICY)
    append_all(log, [decided.outgoing(device) for device in DEVICES])
    return log


def test_one_open_case_per_device_and_cause(tmp_path: Path) -> None:
    """4,000 records of 8 writers at once: a case per device and cause, every symptom and command in one; replayed, none new."""
    path = tmp_path / "log.db"
    some = decided.kinds(POLICY)
    with fresh(path) as log:
        crowd = Crowd(log)
        host(log, decided.hosted(log, some), 0, crowd)
        found = outcome(log)
    prove(crowd, found, replayed(path, some, crowd.now))


def prove(crowd: Crowd, found: Outcome, again: Outcome) -> None:
    """What must hold, and its figures."""
    assert sum(crowd.written.values()) == WRITERS * EACH
    assert min(crowd.written["Symptom"], crowd.written["Command"]) > 100
    assert found.most_open == 1
    assert len(found.cases) == len(DEVICES) * len(CAUSES)
    assert {event.because for event in found.events.values()} >= set(crowd.ids)
    say(
        f"{WRITERS} writers x {EACH}: {crowd.written['Symptom']} symptoms, {crowd.written['Command']} commands, {len(found.cases)} cases, "
        f"at most {found.most_open} open per device and cause, {len(found.actions)} actions; replayed from offset 0: "
        f"{len(again.cases - found.cases)} new cases, {len(again.actions - found.actions)} new commands"
    )
    assert again.cases == found.cases
    assert again.actions == found.actions
    assert len(found.actions) > 0


def test_a_build_that_forgets_opens_many(tmp_path: Path) -> None:
    """Known bad: a case for each symptom."""
    with fresh(tmp_path / "log.db") as log:
        append_all(log, [decided.outgoing(symptom(DEVICES[0], CAUSES[0], T0 + n * SECOND)) for n in range(1, 20)])
        append_all(log, decided.ticks(T0 + 30 * SECOND))
        host(log, decided.hosted(log, variant(Forgetful)), T0 + 29 * SECOND)
        assert outcome(log).most_open == 19


def test_a_build_whose_names_depend_on_the_run_is_caught(tmp_path: Path) -> None:
    """Known bad: read once more, the log has new cases."""
    some = variant(Renaming)
    path = tmp_path / "log.db"
    until = T0 + 29 * SECOND
    with fresh(path) as log:
        append_all(log, [decided.outgoing(symptom(DEVICES[0], CAUSES[0], T0 + SECOND))])
        append_all(log, decided.ticks(T0 + 30 * SECOND))
        host(log, decided.hosted(log, some), until)
        found = outcome(log)
    Renaming.run += 1
    assert len(replayed(path, some, until).cases - found.cases) == 1
    assert CaseKind.OPENED in {event.kind for event in found.events.values()}
