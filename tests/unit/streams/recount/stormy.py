"""A log with storms: cases open and get well by one dice, are written by instances that have not come equally far, and become incidents."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.hosts.instance import Instance, Layout
from streams.hosts.registry import Tables
from streams.incidents import processor as incidents
from streams.recount.incidents import Gathered, Gatherer
from streams.recount.registry import Versions
from streams.recount.story import read_all
from vorab import ids, topics
from vorab.clock import HOUR, MINUTE, SECOND, Micros, SystemClock
from vorab.groups import FLEET
from vorab.log import EventLog, Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import CaseEvent, CaseKind, Device, Incident, Record, Severity, Status, Tick, from_wire, to_wire
from vorab.settings import Incidents as Options

PARTITIONS: Final = 3
T0: Final[Micros] = 1_795_000_000 * SECOND
OPTIONS: Final = Options(settle_s=5, hold_s=15, close_s=600, straggle_s=120)
TOPICS: Final = (topics.CASES_BY_GROUP, topics.INCIDENTS, topics.CASES_BY_CUSTOMER, *topics.REGISTRY)
KEY: Final = topics.key_of("main", FLEET)
PLACE: Final = topics.partition_of(KEY, PARTITIONS)
STATUS: Final = {CaseKind.OPENED: Status.ACKNOWLEDGED, CaseKind.RESOLVED: Status.RESOLVED, CaseKind.RELAPSED: Status.IN_PROGRESS}

Edit = Callable[[Record], Record | None]
"""What becomes of a record; None takes it out."""


def devices() -> list[Device]:
    """Eight sites of twelve pumps, one behind a gateway each."""
    return [
        Device(
            id=f"main/{site}-{n}", device=f"{site}-{n}", customer=f"c-{site}{n % 4}", site=f"s{site}", model="pump",
            parent=f"{site}-0" if site < 2 and n else "",
        )
        for site in range(8)
        for n in range(12)
    ]  # fmt: skip


@dataclass(slots=True)
class Town:
    """What happens, in the order of time."""

    dice: random.Random
    events: list[CaseEvent]

    def case(self, device: Device, opened: Micros, cause: str, *later: tuple[CaseKind, Micros]) -> None:
        """A case from its beginning to its end."""
        for seq, (kind, at) in enumerate([(CaseKind.OPENED, opened), *later]):
            case = ids.case_id(device.key, cause, opened)
            self.events.append(
                CaseEvent(
                    id=ids.case_event_id(case, kind, str(seq)),
                    device=device.device,
                    case=case,
                    kind=kind,
                    status=STATUS[kind],
                    at=at,
                    because="s",
                    cause=cause,
                    severity=Severity.MAJOR,
                    priority=3,
                    customer=device.customer,
                    site=device.site,
                    model=device.model,
                    name=device.device,
                    opened_at=opened,
                    onset=opened,
                    healed=False,
                    seq=seq,
                )
            )


def happens(seed: int, hours: int = 2) -> list[CaseEvent]:
    """Storms at sites and behind gateways, cases that stand alone, some that come back and some that stay."""
    town, all_ = Town(random.Random(seed), []), devices()
    dice = town.dice
    at = T0 + 5 * SECOND
    while at < T0 + hours * HOUR:
        site = dice.randrange(8)
        here = [device for device in all_ if device.site == f"s{site}"]
        if dice.random() < 0.8:
            cause = dice.choice(("silent", "low_pressure", "paper_jam"))
            for device in dice.sample(here, dice.randrange(6, 13)):
                opened = at + dice.randrange(25 * SECOND)
                well = opened + dice.randrange(2 * MINUTE, 8 * MINUTE)
                later = [(CaseKind.RESOLVED, well)] if dice.random() < 0.9 else []
                if later and dice.random() < 0.15:
                    later += [(CaseKind.RELAPSED, well + 3 * MINUTE), (CaseKind.RESOLVED, well + 6 * MINUTE)]
                town.case(device, opened, cause, *later)
        else:
            town.case(dice.choice(here), at, "worn", (CaseKind.RESOLVED, at + 10 * MINUTE))
        at += dice.randrange(2 * MINUTE, 10 * MINUTE)
    return sorted(town.events, key=lambda event: event.at)


def entries(events: list[CaseEvent], dice: random.Random) -> Iterator[Outgoing]:
    """Events as instances of cases write them: those of one partition tick, and the others may be behind it by up to two seconds."""
    arrivals: list[tuple[Micros, int, Record]] = []
    reached: dict[int, Micros] = {}
    for event in events:
        instance = topics.partition_of(event.key, PARTITIONS)
        late = 0 if instance == PLACE else dice.randrange(2 * SECOND)
        reached[instance] = max(reached.get(instance, 0), event.at + late)  # in the order of its own
        arrivals.append((reached[instance], 1, event))
    last = max(arrival for arrival, _, _ in arrivals) + 20 * MINUTE
    arrivals += [(at, 0, Tick(id=f"t{at}", at=at)) for at in range(T0, last, SECOND)]
    for _, _, record in sorted(arrivals, key=lambda each: each[:2]):
        _, value, headers = to_wire(record, "urn:vorab:cases")
        yield Outgoing(topics.CASES_BY_GROUP, PLACE, None if isinstance(record, Tick) else KEY.encode(), value, headers)


def layout(log: EventLog) -> Layout:
    """Of such a log."""
    return Layout(log.partitions)


def live(path: Path, events: list[CaseEvent], seed: int = 1, registry: list[Device] | None = None) -> None:
    """Write the log, and let the processor decide."""
    with SqliteLog(path, fsync=False) as log:
        log.create(dict.fromkeys(TOPICS, PARTITIONS))
        some = devices() if registry is None else registry
        append_all(log, [outgoing(device) for device in some])
        append_all(log, entries(events, random.Random(seed)))
        instance = Instance(incidents.kind(OPTIONS), PLACE, Tables(some), layout(log), {})
        for entry in read_all(log, topics.CASES_BY_GROUP, [PLACE]):
            instance.take(topics.CASES_BY_GROUP, entry.offset, entry.value, entry.headers)
        append_all(log, instance.work().outputs)


def outgoing(record: Record) -> Outgoing:
    """As its writer would append it."""
    key, value, headers = to_wire(record, "urn:vorab:test")
    return Outgoing(record.TOPIC, topics.partition_of(key.decode(), PARTITIONS), key, value, headers)


def copy(source: Path, target: Path, edit: Edit) -> None:
    """The log again, as `edit` would have it."""
    with SqliteLog(source, read_only=True) as one, SqliteLog(target, fsync=False) as other:
        other.create(dict.fromkeys(TOPICS, PARTITIONS))
        for topic in TOPICS:
            found: list[Outgoing] = []
            for entry in read_all(one, topic, range(PARTITIONS)):
                record = from_wire(entry.value, entry.headers)
                changed = edit(record)
                if changed is not None:
                    value = entry.value if changed is record else to_wire(changed, "urn:vorab:incidents")[1]
                    found.append(Outgoing(topic, entry.partition, entry.key, value, entry.headers))
            append_all(other, found)


def facts(path: Path) -> list[Incident]:
    """All that stands there about incidents."""
    with SqliteLog(path, read_only=True) as log:
        records = [from_wire(entry.value, entry.headers) for entry in read_all(log, topics.INCIDENTS, range(PARTITIONS))]
    return [record for record in records if isinstance(record, Incident)]


def forget(path: Path) -> None:
    """The log forgets its ticks, as it does after some minutes."""
    with SqliteLog(path, fsync=False) as log:
        log.forget_ticks(SystemClock().now() + HOUR, 0)


def gather(path: Path, options: Options = OPTIONS) -> Gathered:
    """All incidents of a log decided anew."""
    with SqliteLog(path, read_only=True) as log:
        gatherer = Gatherer(log, incidents.kind(options), layout(log), Versions.read(log, layout(log)), options)
        return gatherer.partition(PLACE)
