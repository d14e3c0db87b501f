"""A fleet that a test speaks for: frames written straight to the log, a ledger of them, and what a run without any host makes of it.

Machines with three signals go wrong in every way the rules below look for. The ledger is what the test wrote, frame by frame; the
oracle folds it in one process, with neither Kafka nor Faust nor a restart.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import numpy as np

from streams.cases.processor import kind as cases_kind
from streams.cases.remedies import load_policy
from streams.detect.processor import Detect, detect_kind
from streams.hosts.faust_state import Shelf
from streams.hosts.instance import Instance, Layout
from streams.hosts.registry import Tables
from streams.rules.files import load_rules
from vorab import topics
from vorab.clock import DAY, SECOND, Micros
from vorab.cloudevents import attributes
from vorab.frame import Frame, Reading, encode, pack
from vorab.log import Entry, EventLog, Outgoing
from vorab.processor import Kind
from vorab.records import CaseEvent, CaseKind, Tick, from_wire, to_wire

PARTITIONS: Final = 4
DEVICES: Final = 300
START: Final[Micros] = 1_795_000_000 * SECOND
TURN: Final[Micros] = 2 * SECOND
END: Final = START + 365 * DAY
TURNS_PER_PERIOD: Final = 5
"""A device speaks every so many turns."""
AGAIN: Final = 0.04
"""Share of frames that are written twice, as ingest does when it dies between writing and acknowledging."""
RULES: Final = """rules:
  - {id: hot, title: {en: Hot, de: Heiß}, cause: heat, detector: threshold, signal: temperature,
     above: 90, clear: 85, count: 2, for: 15 s, evidence: 4}
  - {id: silent, title: {en: Silent, de: Still}, cause: silence, detector: silence, after: 45 s}
  - {id: leap, title: {en: Leap, de: Sprung}, cause: leak, detector: rate, signal: pressure,
     rise: 3, fall: 3, per: 1 min, within: 15 s, flap: off}
  - {id: stuck, title: {en: Stuck, de: Fest}, cause: stuck, detector: flat, signal: vibration, count: 5, for: 40 s}
  - {id: away, title: {en: Away, de: Fort}, cause: wear, detector: drift, signal: pressure, season: none, block: 30 s,
     reference: 3, sigma: 0.1, limit: 6, evidence: 8}
"""  # fmt: skip
KINDS: Final = ("threshold", "silence", "rate", "flat", "drift")


class Machine:
    """A device that goes wrong now and then."""

    def __init__(self, number: int) -> None:
        self.key = f"main/machine-{number:03d}"
        self.partition = topics.partition_of(self.key, PARTITIONS)
        self._chance = random.Random(number)
        self._seq, self._boot = 0, 1
        self._trouble, self._left, self._stuck = "", 0, 1.0

    def say(self, at: Micros) -> Reading | None:
        """What it says now; nothing while it is silent."""
        chance = self._chance
        if self._left:
            self._left -= 1
        else:
            self._trouble = chance.choice(["", "", "", "hot", "silent", "leap", "stuck", "away"])
            self._left = chance.randint(6, 12)
            self._stuck = chance.uniform(0.9, 1.1)
            if chance.random() < 0.05:
                self._boot, self._seq = self._boot + 1, 0
        if self._trouble == "silent":
            return None
        self._seq += 1
        hot, away = self._trouble == "hot", self._trouble == "away"
        pressure = chance.gauss(3.6 if away else 3.0, 0.05) + (2.0 if self._trouble == "leap" and self._left < 4 else 0.0)
        values: dict[str, float | int | bool | str] = {
            "temperature": round(chance.uniform(88, 97) if hot else chance.uniform(60, 70), 2),
            "vibration": self._stuck if self._trouble == "stuck" else chance.uniform(0.9, 1.1),
            "pressure": round(pressure, 3),
        }
        measured = at - chance.randrange(SECOND)
        return Reading(self.key, measured, at, 0, values, {}, self._boot, self._seq)


@dataclass
class Ledger:
    """What was written, per partition in its order."""

    frames: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    rows: int = 0
    again: int = 0
    """Frames that were written twice."""

    def write(self, log: EventLog, partition: int, frame: Frame) -> None:
        """Write a frame and note it."""
        value = encode(frame)
        log.append(Outgoing(topics.READINGS, partition, b"test", value))
        self.frames[partition].append(value)


class Fleet:
    """All machines, told turn by turn; what they say depends on their numbers alone."""

    def __init__(self, again: float = AGAIN) -> None:
        """`again` is the share of frames that are written twice."""
        self.machines = [Machine(number) for number in range(DEVICES)]
        self.ledger = Ledger()
        self.turn = 0
        self._again, self._chance = again, random.Random(1)
        self._last: list[Frame | None] = [None] * PARTITIONS

    def speak(self, log: EventLog) -> None:
        """One turn: a frame per partition, empty where nobody speaks, and some of the turn before once more."""
        self.turn += 1
        at = START + self.turn * TURN
        rows: list[list[Reading]] = [[] for _ in range(PARTITIONS)]
        for machine in self.machines[self.turn % TURNS_PER_PERIOD :: TURNS_PER_PERIOD]:
            said = machine.say(at)
            if said is not None:
                rows[machine.partition].append(said)
        for partition, some in enumerate(rows):
            before = self._last[partition]
            if before is not None and self._chance.random() < self._again:
                self.ledger.write(log, partition, before)
                self.ledger.again += 1
            frame = self._last[partition] = pack(some, at)
            self.ledger.write(log, partition, frame)
            self.ledger.rows += len(some)

    def end(self, log: EventLog) -> None:
        """Time goes on for three minutes, and nobody says anything more."""
        for _ in range(90):
            self.turn += 1
            for partition in range(PARTITIONS):
                self.ledger.write(log, partition, Frame(START + self.turn * TURN))


# ------------------------------------------------------------------------------------------------- what comes of it


def kind() -> Kind:
    """Detect with these rules."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(RULES, encoding="utf-8")
        return detect_kind(load_rules([file]))


def layout() -> Layout:
    """Four partitions of everything."""
    return Layout(lambda _: PARTITIONS)


@dataclass
class Judged:
    """Symptoms by type and id, the cases they open, and the state of every device."""

    symptoms: dict[str, dict[str, Any]]
    cases: Counter[tuple[str, str]]
    """How many were opened, per device and id."""
    states: dict[str, dict[str, Any]]
    repeats: int = 0
    """Symptoms that stand there once more."""
    differing: list[str] = field(default_factory=list)
    """Symptoms that stand there once more and say something else."""

    @property
    def detectors(self) -> Counter[str]:
        """How many symptoms each kind of rule raised."""
        return Counter(body["detector"] for name, body in self.symptoms.items() if "raised" in name)


def oracle(ledger: Ledger) -> Judged:
    """The fold over the ledger: every partition in one go, and nobody dies."""
    outputs: list[Outgoing] = []
    found: dict[str, dict[str, Any]] = {}
    detect = kind()
    for partition, frames in enumerate(ledger.frames):
        instance = Instance(detect, partition, Tables(), layout(), {})
        for offset, value in enumerate(frames):
            instance.take(topics.READINGS, offset, value, ())
        outputs += instance.work().outputs
        found |= states(instance.blocks(), partition)
    return judged(outputs, found)


def judged(records: Sequence[Outgoing | Entry], found: dict[str, dict[str, Any]]) -> Judged:
    """What these records of the topic of symptoms say, and the states beside them."""
    out = Judged({}, opened(records), found)
    for each in records:
        about = attributes(each.headers)
        if about.type == Tick.TYPE:
            continue
        name, body = f"{about.type} {about.id}", msgspec.json.decode(each.value or b"")
        out.repeats += name in out.symptoms
        if out.symptoms.setdefault(name, body) != body:
            out.differing.append(name)
    return out


def opened(records: Sequence[Outgoing | Entry]) -> Counter[tuple[str, str]]:
    """The cases that these symptoms open, read as they stand there, repeated ones too."""
    cases, found = cases_kind(load_policy([])), Counter[tuple[str, str]]()
    for partition in range(PARTITIONS):
        instance = Instance(cases, partition, Tables(), layout(), {})
        for offset, each in enumerate(each for each in records if each.partition == partition):
            instance.take(topics.SYMPTOMS, offset, each.value, each.headers)
        _, value, headers = to_wire(Tick(id="end", at=END), "urn:test")
        instance.take(topics.REPLIES, 0, value, headers)  # nobody answers: cases do not wait for it
        for out in instance.work().outputs:
            if out.topic == topics.CASES and attributes(out.headers).type != Tick.TYPE:
                event = from_wire(out.value, out.headers)
                if isinstance(event, CaseEvent) and event.kind is CaseKind.OPENED:
                    found[event.key, event.case] += 1
    return found


def states(blocks: Mapping[str, bytes], partition: int) -> dict[str, dict[str, Any]]:
    """What is known of each device, as a new worker finds it in these blocks; and of the partition, under its number."""
    detect = Instance(kind(), partition, Tables(), layout(), blocks).processor
    assert isinstance(detect, Detect)
    book, timeline = detect.book, detect.timeline
    found: dict[str, dict[str, Any]] = {f"partition {partition}": {"now": detect.listening.now, "resumed": dict(detect.listening.resumed)}}
    held = Counter(timeline.held.rows["device"].tolist())
    for slot, key in enumerate(book.devices.keys):
        found[key] = {
            "device": _row(book.devices.columns.of, slot),
            "times": _row(timeline.columns.of, slot),
            "odd": msgspec.to_builtins(timeline.odd.get(slot)),
            "held": held[slot],
        }
    for table in book.tables:
        pair = book.detectors.get(table.columns.name)
        for slot in (table.columns.of["device"][: table.columns.n] > 0).nonzero()[0].tolist():
            rule = "" if table is book.series else book.rule_of(table, slot).id
            found[book.device_of(table, slot)][f"{table.columns.name} {book.signal_of(table, slot)} {rule}"] = {
                **_row(table.columns.of, slot, without=("device", "signal", "rule", "together")),
                "beside": b"" if pair is None else pair[1].beside(slot, slot + 1),
                "flaps": table.damping.beside(slot, slot + 1),
            }
    return found


def _row(columns: Mapping[str, Any], slot: int, without: Sequence[str] = ()) -> dict[str, Any]:
    """The numbers of a slot, to the last bit."""
    values = {name: column[slot] for name, column in columns.items() if name not in without}
    return {name: value.tobytes() if isinstance(value, np.generic | np.ndarray) else value for name, value in values.items()}


# ------------------------------------------------------------------------------------------------- what stands on the log


@dataclass
class Changelog:
    """The state of detect as the changelog has it."""

    topic: str
    table: dict[bytes, bytes] = field(default_factory=dict)
    places: dict[tuple[str, int], int] = field(default_factory=dict)

    def read(self, log: EventLog) -> None:
        """What is new."""
        for entry in _entries(log, self.topic, self.places):
            if entry.value is None:
                self.table.pop(entry.key or b"", None)
            else:
                self.table[entry.key or b""] = entry.value

    def blocks(self, partition: int) -> dict[str, bytes]:
        """The blocks of the last checkpoint, as a worker loads them."""
        return Shelf(partition, "auditor").load(self.table)

    def offset(self, partition: int) -> int:
        """Up to where the state knows the readings."""
        host = self.blocks(partition).get("@host")
        return 0 if host is None else int(msgspec.json.decode(host)["offsets"].get(topics.READINGS, 0))


def _entries(log: EventLog, topic: str, places: dict[tuple[str, int], int]) -> Iterator[Entry]:
    ends = log.ends(topic)
    for partition, begin in log.begins(topic).items():
        places.setdefault((topic, partition), begin)
    while behind := {place: at for place, at in places.items() if at < ends[place[1]]}:
        entries = log.read(behind, limit=2_000, wait_s=1.0)
        if not entries:
            return  # compaction took the last ones
        for entry in entries:
            places[entry.topic, entry.partition] = entry.offset + 1
            yield entry


def written(log: EventLog) -> list[list[bytes]]:
    """The frames as they stand on the log."""
    found: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for entry in _entries(log, topics.READINGS, {}):
        found[entry.partition].append(entry.value or b"")
    return found


def told(log: EventLog) -> list[Entry]:
    """The topic of symptoms as it stands."""
    return list(_entries(log, topics.SYMPTOMS, {}))
