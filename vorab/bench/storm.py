"""A storm: thousands of devices fail within ten seconds and recover a minute later. One incident, every device in it, hardly a message.

The processors are the real ones, on a log in memory; time is the records' own. The storm is told twice, the second time with workers that
are killed and start again from what they had saved: every record has to be the same.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from vorab import ids, topics
from vorab.clock import SECOND, Micros, parse_iso
from vorab.records import (
    Action,
    CaseEvent,
    CaseKind,
    Customer,
    Device,
    Incident,
    IncidentKind,
    Notification,
    Record,
    Reply,
    ReplyStatus,
    Severity,
    Stage,
    Symptom,
    SymptomState,
)
from vorab.settings import Incidents

if TYPE_CHECKING:
    from streams.hosts.memory import MemoryHost
    from vorab.processor import Kind

START: Final = parse_iso("2026-11-24T09:00:00Z")
FAIL: Final = 10
"""Seconds in which the devices fail, and in which they recover."""
LASTS: Final = 60
"""Seconds from the first fault to the first recovery."""
END: Final = 180
ANSWERS: Final = 2
"""Seconds until a device answers."""
EACH: Final = 5
"""Devices of a customer."""
OTHERS: Final = 2
"""One in so many devices runs another firmware and is well; a few have a fault of their own."""
OUT: Final = 20
KILLS: Final = 60
BARS: Final = {
    "incidents": 1,
    "resolved_after_s": 60.0,
    "requests_per_customer": 1,
    "actions_out": OUT,
    "cpu_s": 60.0,
}

POLICY: Final = f"""
remedies:
  restart: {{command: restart, said: restarted it, valid: 5m, limits: {{out: {OUT}, per_hour: 120}}}}
policy:
  - {{line: one restart, do: restart, within: 2m, stays: 30s, close: 10m, readings: 0}}
"""
SAID: Final = frozenset({topics.CASES, topics.INCIDENTS, topics.NOTIFICATIONS, topics.ACTIONS})


class Town(Protocol):
    """Where a storm happens."""

    def put(self, record: Record) -> None:
        """Something happens."""

    def records(self, topic: str) -> Iterator[Record]:
        """What came of it."""


@dataclass(slots=True)
class Storm:
    """What happens, second by second."""

    devices: list[Device]
    customers: list[Customer]
    happens: dict[int, list[Symptom]] = field(default_factory=lambda: defaultdict(list))
    cleared_at: dict[str, Micros] = field(default_factory=dict)
    """Device → when it recovered."""


def storm(devices: int, seed: int = 1) -> Storm:
    """`devices` that fail, half as many that do not, five each at a home of its own."""
    chance = random.Random(seed)
    found = Storm([], [])
    whole = devices + devices // OTHERS
    names = list(range(whole))
    chance.shuffle(names)
    for place, number in enumerate(names):
        owner = f"c-{place // EACH}"
        if place % EACH == 0:
            found.customers.append(Customer(id=f"main/{owner}", customer=owner))
        device = Device(
            id=f"main/hp-{number}", device=f"hp-{number}", model="heat-pump", name=f"Heat pump {number}", site=f"home-{place // EACH}",
            firmware="4.2.0" if number < devices else "4.1.9", customer=owner,
            remote_repair=chance.choices([True, None, False], [8, 1, 1])[0],
        )  # fmt: skip
        found.devices.append(device)
        if number < devices:
            _fails(found, device, chance.uniform(0, FAIL), LASTS + chance.uniform(0, FAIL))
        elif number % 1_000 == 0:
            _fails(found, device, chance.uniform(0, FAIL), LASTS, cause="toner_feed")
    return found


def _fails(found: Storm, device: Device, since_s: float, until_s: float, cause: str = "low_pressure") -> None:
    at, end = START + round(since_s * SECOND), START + round(until_s * SECOND)
    raised = Symptom(
        id=ids.symptom_id(device.key, cause, at), device=device.device, state=SymptomState.RAISED, rule=cause, rule_version="1",
        detector="threshold", cause=cause, severity=Severity.MAJOR, signal="pressure", unit="bar", onset=at, detected_at=at,
        value=0.4, limit=1.0,
    )  # fmt: skip
    found.happens[int(since_s)].append(raised)
    found.happens[int(until_s)].append(raised.model_copy(update={"state": SymptomState.CLEARED, "cleared_at": end}))
    found.cleared_at[device.device] = end


def kinds(options: Incidents) -> list[Kind]:
    """The processors a storm passes through."""
    import yaml  # noqa: PLC0415 - a benchmark of a stage loads it when it runs

    from streams import customers, permits  # noqa: PLC0415
    from streams.cases import processor as cases  # noqa: PLC0415
    from streams.cases.policy import File, Policy  # noqa: PLC0415
    from streams.incidents import processor as incidents  # noqa: PLC0415

    file = File.model_validate(yaml.safe_load(POLICY))
    policy = Policy(file.remedies, file.policy)
    return [cases.kind(policy), incidents.kind(options), permits.kind(policy), customers.kind(policy, options)]


def tell(found: Storm, processors: list[Kind], *, kills: int = 0, seed: int = 1, partitions: int = 12) -> MemoryHost:
    """Live through the storm; with `kills`, instances are saved and killed at so many arbitrary points of it."""
    from streams.hosts.memory import MemoryHost  # noqa: PLC0415 - see `kinds`
    from streams.hosts.registry import Tables  # noqa: PLC0415

    host = MemoryHost(processors, Tables(found.devices, found.customers), partitions)
    chance = random.Random(seed)
    answered: set[str] = set()
    times = sorted(chance.uniform(0, FAIL + LASTS + FAIL) for _ in range(kills))
    for second in range(END):
        told = sorted(found.happens.get(second, []), key=lambda symptom: (symptom.time, symptom.id))
        parts = [each for each in times if int(each) == second]
        for part in range(len(parts) + 1):
            for symptom in told[part * len(told) // (len(parts) + 1) : (part + 1) * len(told) // (len(parts) + 1)]:
                host.put(symptom)
            host.work()
            if part < len(parts):
                _hurt(host, chance)
        answer(host, START + second * SECOND, answered)
        host.tick(START + (second + 1) * SECOND, (topics.SYMPTOMS, topics.REPLIES))
        host.work()
    return host


def _hurt(host: MemoryHost, chance: random.Random) -> None:
    """A few instances save, and a few, the same or others, are killed; one of them is where the incidents are."""
    for seat in chance.sample(host.seats, 6):
        host.save(seat)
    busy = [seat for seat in host.seats if seat.kind.name == "incidents" and seat.partition == _home(host)]
    for seat in [*chance.sample(host.seats, 6), *busy]:
        host.kill(seat)


def _home(host: MemoryHost) -> int:
    return topics.partition_of("main/fleet", len(host.seats) // len({seat.kind.name for seat in host.seats}))


def answer(host: Town, now: Micros, answered: set[str]) -> None:
    """Devices do what they are told to."""
    for action in host.records(topics.ACTIONS):
        if isinstance(action, Action) and action.id not in answered and action.at <= now - ANSWERS * SECOND:
            answered.add(action.id)
            host.put(
                Reply(
                    id=ids.reply_id(action.id, ReplyStatus.SUCCEEDED), device=action.device, action=action.id,
                    status=ReplyStatus.SUCCEEDED, at=action.at + ANSWERS * SECOND,
                )
            )  # fmt: skip


def _once(records: Iterable[Record]) -> Iterator[Record]:
    seen: set[str] = set()
    for record in records:
        if record.id not in seen:
            seen.add(record.id)
            yield record


def said(host: MemoryHost) -> dict[str, set[bytes]]:
    """Every record as it stands on the log, each once."""
    return {topic: host.values(topic) for topic in SAID}


def figures(found: Storm, host: Town) -> dict[str, Any]:
    """What came of a storm."""
    incidents = [record for record in _once(host.records(topics.INCIDENTS)) if isinstance(record, Incident)]
    events = [record for record in _once(host.records(topics.CASES)) if isinstance(record, CaseEvent)]
    notes = [record for record in _once(host.records(topics.NOTIFICATIONS)) if isinstance(record, Notification)]
    actions = [record for record in _once(host.records(topics.ACTIONS)) if isinstance(record, Action)]
    children = {child for record in incidents for child in record.children}
    ill = {event.case for event in events if event.cause == "low_pressure" and event.kind is CaseKind.OPENED}
    resolved = [event for event in events if event.kind is CaseKind.RESOLVED and event.case in ill]
    ends = [record for record in incidents if record.kind is IncidentKind.RESOLVED]
    recovered = max(at for device, at in found.cleared_at.items())
    over = {Stage.HEALED, Stage.RESOLVED}
    stormy = [note for note in notes if note.incident or note.case in ill]
    return {
        "incidents": len({record.incident for record in incidents}),
        "group": incidents[0].group if incidents else "",
        "cases": len(ill),
        "linked": len(children & ill),
        "linked_by_mistake": len(children - ill),
        "records_of_the_incident": len(incidents),
        "resolved": len(resolved),
        "resolved_after_s": max(((event.at - found.cleared_at[event.device]) / SECOND for event in resolved), default=None),
        "incident_resolved_after_s": (max(record.at for record in ends) - recovered) / SECOND if ends else None,
        "incident_after_last_case_s": (ends[-1].at - max(event.at for event in resolved)) / SECOND if ends and resolved else None,
        "customers": len({event.customer for event in events if event.case in ill}),
        "customers_told": len({note.customer for note in stormy}),
        "requests_per_customer": max(Counter(note.customer for note in stormy).values(), default=0),
        "requests_while_open": max(Counter(note.customer for note in stormy if note.stage not in over).values(), default=0),
        "requests_that_it_is_over": max(Counter(note.customer for note in stormy if note.stage in over).values(), default=0),
        "others_told": len({note.case for note in notes if not note.incident and note.case not in ill}),
        "actions": len(actions),
        "actions_out": max((sum(each.at <= one.at < each.not_after for each in actions) for one in actions), default=0),
    }


def passed(found: dict[str, Any], devices: int) -> bool:
    """Whether a storm is held to its bars."""
    return (
        found["incidents"] == BARS["incidents"]
        and found["cases"] == found["linked"] == found["resolved"] == devices
        and found["linked_by_mistake"] == 0
        and found["incident_after_last_case_s"] == 0
        and max(found["resolved_after_s"], found["incident_resolved_after_s"]) <= BARS["resolved_after_s"]
        and all(found[name] <= BARS[name] for name in ("requests_per_customer", "actions_out"))
    )


def run(devices: int = 10_000, kills: int = KILLS) -> dict[str, Any]:
    """A storm over so many devices, undisturbed and with kills."""
    options = Incidents()
    tale = storm(devices)
    began = time.process_time()
    host = tell(tale, kinds(options))
    cpu = time.process_time() - began
    found = figures(tale, host)
    again = said(tell(tale, kinds(options), kills=kills)) if kills else said(host)
    same = again == said(host)
    return {
        "bench": "storm",
        "devices": devices,
        "fail_within_s": FAIL,
        **found,
        "kills": kills,
        "same_after_kills": same,
        "cpu_s": round(cpu, 1),
        "bars": BARS,
        "ok": passed(found, devices) and same and cpu <= BARS["cpu_s"],
    }
