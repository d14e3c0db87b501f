"""Writers that all write at once about the same few devices."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests import decided
from tests.simulated import T0
from vorab import ids, topics
from vorab.clock import SECOND, Micros
from vorab.log import EventLog, append_all
from vorab.records import CaseEvent, Command, CommandKind, Device, Severity, Symptom, SymptomState, from_wire

WRITERS: Final = 8
EACH: Final = 500
SEED: Final = 20261130
DEVICES: Final = [Device(id=f"main/d{n}", device=f"d{n}", model="pump", remote_repair=True) for n in range(4)]
CAUSES: Final = ("low_pressure", "overheating", "vibration")
ASKED: Final = (CommandKind.NOTE, CommandKind.TAKE, CommandKind.CALL, CommandKind.CONSENT, CommandKind.NO_CONSENT)
"""None that ends a case: then the next symptom would rightly open another."""
STEP: Final[Micros] = SECOND // 100


@dataclass
class Crowd:
    """Writers that share a clock, and what they have written."""

    log: EventLog
    now: Micros = T0
    lock: threading.Lock = field(default_factory=threading.Lock)
    written: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    def moment(self) -> Micros:
        """A time of its own for each record."""
        with self.lock:
            self.now += STEP
            return self.now

    def write(self, number: int) -> None:
        """What one writer does."""
        dice = random.Random(SEED + number)
        for _ in range(EACH):
            at, device, cause = self.moment(), dice.choice(DEVICES), dice.choice(CAUSES)
            known = self.case(device, cause) if dice.random() < 0.25 else ""
            record = command(device, known, dice.choice(ASKED), at) if known else symptom(device, cause, at)
            append_all(self.log, [decided.outgoing(record)])
            with self.lock:
                self.written[type(record).__name__] += 1
                self.ids.append(record.id)

    def case(self, device: Device, cause: str) -> str:
        """The case about a cause as it stands on the log; empty where none does yet."""
        if (device.key, cause) not in self.known:
            partition = topics.partition_of(device.key, decided.PARTITIONS)
            for entry in self.log.read({(topics.CASES, partition): 0}, limit=50):
                record = from_wire(entry.value, entry.headers)
                if isinstance(record, CaseEvent):
                    self.known[record.key, record.cause] = record.case
        return self.known.get((device.key, cause), "")

    def run(self) -> None:
        """All at once, while time goes on."""
        writers = [threading.Thread(target=self.write, args=(number,)) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            append_all(self.log, decided.ticks(self.now - SECOND))
            writers[0].join(0.05)
        for writer in writers:
            writer.join()
        append_all(self.log, decided.ticks(self.now + 2 * SECOND))


def symptom(device: Device, cause: str, at: Micros) -> Symptom:
    """A symptom of its own, of one of the causes."""
    return Symptom(
        id=ids.symptom_id(device.key, cause, at), device=device.device, state=SymptomState.RAISED, rule=cause, rule_version="1",
        detector="threshold", cause=cause, severity=Severity.MAJOR, onset=at, detected_at=at,
    )  # fmt: skip


def command(device: Device, case: str, kind: CommandKind, at: Micros) -> Command:
    """What a person asks for."""
    return Command(id=ids.command_id(device.key, kind, str(at)), device=device.device, kind=kind, case=case, at=at, by="ada")
