"""A fleet's decisions, made by the real processors under the real embedded host, and every one of them decided again from the log.

    .venv/bin/python -m tests.decided --devices 3000 --ids 10000

A seeded generator raises, changes and clears symptoms, answers actions late, in part or never, lets people ask for things (also by
messages that come after their time), withdraws consent, and changes the registry; ticks move time on, so that deadlines pass. Then so many
random commands, actions and cases are compared with what is decided anew. Prints one line, and ends with 1 when any differs.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streams import customers, permits
from streams.care.files import load_care
from streams.cases import processor as cases
from streams.cases.policy import Policy
from streams.cases.remedies import load_policy
from streams.hosts.embedded import EmbeddedHost
from streams.hosts.instance import Layout
from streams.hosts.registry import TableLoader
from streams.recount.check import Checked, Recounter, choose
from streams.recount.compare import State
from streams.recount.story import read_all
from tests.simulated import T0, Fleet
from tests.system.figures import say
from vorab import topics
from vorab.clock import HOUR, MINUTE, Micros, SystemClock
from vorab.log import Entry, EventLog, Outgoing, Position, append_all
from vorab.log.sqlite import SqliteLog
from vorab.processor import Kind
from vorab.records import (
    Device,
    Record,
    Tick,
    from_wire,
    to_wire,
)

PARTITIONS: Final = 4
CARE: Final = load_care()
"""The worked example."""
GATED: Final = (topics.SYMPTOMS, topics.REPLIES)
PATIENCE_S: Final = 120


Edit = Callable[[Record], Record | None]
"""What becomes of a record; None takes it out."""


def kinds(policy: Policy) -> list[Kind]:
    """What decides."""
    return [cases.kind(policy, CARE), permits.kind(policy), customers.kind(policy, care=CARE)]


def layout(log: EventLog, prefix: str = "") -> Layout:
    """Of such a log, whose topics have names with a prefix."""
    return Layout(log.partitions, renames={name: prefix + name for name in topics.TOPICS} if prefix else {})


def outgoing(record: Record, key: str = "") -> Outgoing:
    """As its writer would append it."""
    own, value, headers = to_wire(record, "urn:vorab:test")
    where = key or own.decode()
    return Outgoing(record.TOPIC, topics.partition_of(where, PARTITIONS), where.encode(), value, headers)


def ticks(at: Micros) -> Iterator[Outgoing]:
    """Everything before this time has been written."""
    for topic in GATED:
        for partition in range(PARTITIONS):
            _, value, headers = to_wire(Tick(id=f"t{at}", at=at), "urn:vorab:test")
            yield Outgoing(topic, partition, None, value, headers)


@contextmanager
def hosted(log: SqliteLog, some: Sequence[Kind]) -> Iterator[TableLoader]:
    """The real host, as `vorab up` runs it."""
    tables = TableLoader(log).start()
    stop = threading.Event()
    host = EmbeddedHost(log, some, tables, SystemClock())
    thread = threading.Thread(target=host.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield tables
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        tables.stop()


def create(log: EventLog, policy: Policy) -> None:
    """All topics that are written and read."""
    names = {topic for kind in kinds(policy) for topic in (*(each.topic for each in kind.inputs), *kind.outputs)}
    log.create(dict.fromkeys(sorted({*names, *topics.REGISTRY}), PARTITIONS))


def play(log: SqliteLog, policy: Policy, *, devices: int, length: Micros, seed: int) -> Fleet:
    """Fill a log with the decisions about a fleet."""
    create(log, policy)
    fleet, dice = Fleet(devices, length, seed), random.Random(seed)
    append_all(log, [outgoing(entry) for entry in (*fleet.devices, *fleet.customers)])
    with hosted(log, kinds(policy)) as tables:
        listener = Listener(log)
        now = T0
        while now < T0 + length:
            now += dice.choice((1, 2, 5, 10)) * MINUTE
            due = fleet.due(now)
            coming = [outgoing(record) for record in due if not isinstance(record, Device)]
            dice.shuffle(people := [each for each in coming if each.topic not in GATED])
            first = dice.randrange(len(people) + 1)
            append_all(log, people[:first])
            append_all(log, [each for each in coming if each.topic in GATED])
            append_all(log, people[first:])
            append_all(log, ticks(now))
            for record in listener.until(now):
                fleet.hear(record, now)
            _rewrite(log, tables, [record.model_copy(update={"at": now}) for record in due if isinstance(record, Device)])
    return fleet


def _rewrite(log: SqliteLog, tables: TableLoader, devices: list[Device]) -> None:
    """The registry changes while nothing else happens."""
    append_all(log, [outgoing(device) for device in devices])
    for _ in range(PATIENCE_S * 20):
        if all(tables.device(device.key) == device for device in devices):
            return
        time.sleep(0.05)
    raise TimeoutError("the registry was not read")


def copy(source: SqliteLog, target: EventLog, *, edit: Edit = lambda record: record, prefix: str = "") -> None:
    """Write a log again elsewhere, record by record, as `edit` would have it; its topics are called `prefix` and their name there."""
    policy = load_policy()
    names = {topic for kind in kinds(policy) for topic in (*(each.topic for each in kind.inputs), *kind.outputs)}
    names |= set(topics.REGISTRY)
    target.create(dict.fromkeys((prefix + name for name in sorted(names)), PARTITIONS))
    for name in sorted(names):
        append_all(target, _edited(read_all(source, name, range(PARTITIONS)), edit, prefix))


def _edited(entries: Iterable[Entry], edit: Edit, prefix: str) -> Iterator[Outgoing]:
    for entry in entries:
        place = prefix + entry.topic, entry.partition
        record = from_wire(entry.value, entry.headers)
        other = edit(record)
        if other is not None:
            value = entry.value if other is record else to_wire(other, "")[1]
            yield Outgoing(*place, entry.key, value, entry.headers)


class Listener:
    """Reads what is decided."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._at: dict[Position, int] = {(topic, p): 0 for topic in (topics.CASES, topics.ACTIONS) for p in range(PARTITIONS)}
        self._told = dict.fromkeys(range(PARTITIONS), 0)

    def until(self, now: Micros) -> list[Record]:
        """All that is new, once the host has come to this time."""
        found: list[Record] = []
        for _ in range(PATIENCE_S * 20):
            entries = self._log.read(self._at, limit=5_000, wait_s=0.05)
            for entry in entries:
                self._at[entry.topic, entry.partition] = entry.offset + 1
                record = from_wire(entry.value, entry.headers)
                if isinstance(record, Tick):
                    if entry.topic == topics.CASES:
                        self._told[entry.partition] = record.at
                else:
                    found.append(record)
            if not entries and min(self._told.values()) >= now:
                return found
        msg = f"the host came to {self._told}, not to {now}"
        raise TimeoutError(msg)


def check(log: SqliteLog, policy: Policy, count: int, seed: int) -> Checked:
    """As `vorab why --check` does."""
    recounter = Recounter(log, cases.kind(policy, CARE), layout(log))
    return choose([each for _, _, some in recounter.all() for each in some], count, seed)


def main() -> int:
    """Fill a log, check it, and say what came of it."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--devices", type=int, default=3_000)
    arguments.add_argument("--hours", type=float, default=12.0)
    arguments.add_argument("--ids", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=20261130)
    asked = arguments.parse_args()
    policy = load_policy()
    with tempfile.TemporaryDirectory() as folder, SqliteLog(Path(folder) / "log.db", fsync=False) as log:
        began = time.monotonic()
        play(log, policy, devices=asked.devices, length=round(asked.hours * HOUR), seed=asked.seed)
        filled = time.monotonic()
        checked = check(log, policy, asked.ids, asked.seed)
        done = time.monotonic()
    kinds_ = ", ".join(f"{count} {name}s" for name, count in sorted(checked.kinds.items()))
    states = ", ".join(f"{count} {state}" for state, count in sorted(checked.states.items()))
    say(f"{checked.ids} ids of {checked.devices} devices ({kinds_}): {states}; {len(checked.beside)} beside")
    say(f"played in {filled - began:.0f} s, checked in {done - filled:.0f} s")
    for line in checked.lines[:10]:
        say(f"  {line.asked.kind} {line.asked.id} on {line.device}: {line.difference.text if line.difference else ''} {line.note}")
    for each in checked.beside[:10]:
        say(f"  {each.text}")
    return int(bool(checked.differ) or checked.states[State.AGREES] < asked.ids)


if __name__ == "__main__":
    sys.exit(main())
