"""A fleet that is only told about: what is found on its devices, what they answer, and what people ask for, all by one dice."""

from __future__ import annotations

import heapq
import itertools
import random
from typing import Final

from vorab import ids
from vorab.clock import HOUR, MINUTE, SECOND, Micros
from vorab.records import (
    Action,
    CaseEvent,
    CaseKind,
    Command,
    CommandKind,
    Customer,
    Device,
    Record,
    Reply,
    ReplyStatus,
    Request,
    RequestKind,
    Severity,
    Symptom,
    SymptomState,
)

T0: Final[Micros] = 1_795_000_000 * SECOND
MODELS: Final = ("pump", "printer", "heat-pump", "lamp")
CAUSES: Final = (
    ("low_pressure", "threshold"), ("paper_jam", "threshold"), ("overheating", "threshold"), ("silence", "silence"), ("unusual", "learned"),
)  # fmt: skip


class Fleet:
    """What happens to devices, and what they and people answer; all by one dice."""

    def __init__(self, devices: int, length: Micros, seed: int) -> None:
        self._dice = random.Random(seed)
        self._coming: list[tuple[Micros, int, Record]] = []
        self._numbers = itertools.count()
        self._open: dict[str, list[Symptom]] = {}
        self.devices = [self._device(number) for number in range(devices)]
        self.customers = [
            Customer(id=f"main/c{n}", customer=f"c{n}", complaints=self._dice.choice((0, 0, 2)), returns=self._dice.choice((0, 1)), at=T0)
            for n in range(max(1, devices // 2))
        ]
        for device in self.devices:
            at = T0 + self._dice.randrange(length // 2)
            while at < T0 + length - 30 * MINUTE:
                self._fault(device, at)
                at += self._dice.randrange(20 * MINUTE, max(21 * MINUTE, length))
            if self._dice.random() < 0.05:
                changed = {"remote_repair": self._dice.choice((True, False))}
                self.later(T0 + self._dice.randrange(length), device.model_copy(update=changed))

    def _device(self, number: int) -> Device:
        dice = self._dice
        return Device(
            id=f"main/d{number}", device=f"d{number}", model=dice.choice(MODELS), name=f"No {number}", site=f"s{number % 7}",
            customer=f"c{number // 2}" if dice.random() < 0.8 else "", remote_repair=dice.choice((True, True, True, False, None)), at=T0,
        )  # fmt: skip

    def later(self, at: Micros, record: Record) -> None:
        """It comes to the log at this time, whatever its own is."""
        heapq.heappush(self._coming, (at, next(self._numbers), record))

    def due(self, until: Micros) -> list[Record]:
        """What comes before this time."""
        found = []
        while self._coming and self._coming[0][0] < until:
            found.append(heapq.heappop(self._coming)[2])
        return found

    def _fault(self, device: Device, at: Micros) -> None:
        dice = self._dice
        cause, detector = dice.choice(CAUSES)
        spells = dice.choice((1, 1, 1, 2, 3))
        for _ in range(spells):
            rule = f"{cause}-{dice.randrange(2)}"
            symptom = Symptom(
                id=ids.symptom_id(device.key, rule, at), device=device.device, state=SymptomState.RAISED, rule=rule, rule_version="v1",
                detector=detector, cause=cause, severity=dice.choice(list(Severity)), signal="p", unit="bar", onset=at,
                detected_at=at + dice.randrange(MINUTE), value=round(dice.uniform(0, 2), 3), limit=1.0, explanation="it is low",
            )  # fmt: skip
            late = dice.choice((0, 0, 0, 0, 5 * SECOND, 2 * MINUTE))
            self.later(symptom.time + late, symptom)
            if dice.random() < 0.3:
                worse_at = symptom.detected_at + 5 * MINUTE
                worse = {"state": SymptomState.UPDATED, "severity": Severity.CRITICAL, "detected_at": worse_at}
                self.later(worse_at, symptom.model_copy(update=worse))
            self._open.setdefault(device.key, []).append(symptom)
            if dice.random() < 0.4:
                self._clear(symptom, symptom.time + dice.randrange(6 * MINUTE, 40 * MINUTE))
            at += dice.randrange(MINUTE, 50 * MINUTE)

    def _clear(self, symptom: Symptom, at: Micros) -> None:
        ended = {"state": SymptomState.CLEARED, "cleared_at": at, "proven": self._dice.random() < 0.95}
        self.later(at, symptom.model_copy(update=ended))

    def hear(self, record: Record, now: Micros) -> None:
        """Devices and people answer what was decided, not before `now`."""
        if isinstance(record, Action):
            self._act(record, max(now, record.at))
        elif isinstance(record, CaseEvent) and record.kind is CaseKind.CONSENT_ASKED:
            self._consent(record, max(now, record.at))
        elif isinstance(record, CaseEvent) and self._dice.random() < 0.12:
            self._ask(record, max(now, record.at) + self._dice.randrange(20 * MINUTE))

    def _act(self, action: Action, at: Micros) -> None:
        dice = self._dice
        if dice.random() < 0.15:
            self._command(action.case, action.device, CommandKind.NO_CONSENT, at + dice.randrange(3 * MINUTE))
        if dice.random() < 0.1:
            return  # it is never heard of
        at += dice.choice((SECOND, 20 * SECOND, MINUTE, 90 * MINUTE))
        end = dice.choice((ReplyStatus.SUCCEEDED,) * 4 + (ReplyStatus.FAILED, ReplyStatus.REJECTED))
        for status in (ReplyStatus.ACCEPTED, ReplyStatus.RUNNING, end):
            name = ids.reply_id(action.id, status)
            self.later(at, Reply(id=name, device=action.device, action=action.id, status=status, at=at))
            at += dice.choice((SECOND, 30 * SECOND, 5 * MINUTE))
        if dice.random() < 0.7:
            for symptom in self._open.pop(action.key, []):
                if symptom.time < at:
                    self._clear(symptom, at + dice.randrange(10 * MINUTE))

    def _consent(self, event: CaseEvent, at: Micros) -> None:
        dice = self._dice
        kind = dice.choice((RequestKind.CONSENT, RequestKind.CONSENT, RequestKind.NO_CONSENT, RequestKind.CALL_ME, None))
        if kind is None:
            return
        at += dice.randrange(2 * HOUR)
        name = ids.request_id(f"main/{event.customer}", kind, event.case)
        said = Request(id=name, customer=event.customer, kind=kind, case=event.case, device=event.device, at=at)
        self.later(at, said)

    def _ask(self, event: CaseEvent, at: Micros) -> None:
        self._command(event.case, event.device, self._dice.choice(list(CommandKind)), at)
        if self._dice.random() < 0.3:
            self._command(event.case, event.device, self._dice.choice(list(CommandKind)), at + self._dice.randrange(MINUTE))

    def _command(self, case: str, device: str, kind: CommandKind, at: Micros) -> None:
        name = ids.command_id(f"main/{device}", kind, f"{case}{at}")
        late = self._dice.choice((0, 0, 0, SECOND, 3 * MINUTE))
        self.later(at + late, Command(id=name, device=device, kind=kind, case=case, at=at, by="ada", detail="seen"))
