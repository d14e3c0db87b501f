"""A ward for cases: three processors wired by hand, told what happens in the order of time, and all they answered written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import yaml

from streams.care.policy import Care
from streams.cases.policy import File, History, Policy
from streams.cases.processor import Cases
from streams.customers import Customers
from streams.hosts.registry import Tables
from streams.permits import Permits
from vorab import ids, topics
from vorab.clock import DAY, MINUTE, Micros, parse_iso, to_datetime
from vorab.processor import Out, Processor
from vorab.records import (
    Action,
    CaseEvent,
    CaseKind,
    Command,
    CommandKind,
    Customer,
    Device,
    Errand,
    Notification,
    Permit,
    PermitState,
    Recall,
    Record,
    Reply,
    ReplyStatus,
    Scalar,
    Severity,
    Symptom,
    SymptomState,
)

NIGHT: Final = parse_iso("2026-11-24T00:00:00+01:00")
"""Midnight where the customers live."""

HEAT_PUMP: Final = Device(
    id="main/hp-12", device="hp-12", model="heat-pump", name="Heat pump 12", site="ahornweg", customer="c-1", remote_repair=True
)
ASKS: Final = HEAT_PUMP.model_copy(update={"id": "main/hp-13", "device": "hp-13", "name": "Heat pump 13", "remote_repair": None})
REFUSES: Final = HEAT_PUMP.model_copy(update={"id": "main/hp-14", "device": "hp-14", "name": "Heat pump 14", "remote_repair": False})
PRINTER: Final = Device(id="main/printer-3", device="printer-3", model="printer", name="Printer 3", remote_repair=True)
RECORDED: Final = Device(id="recorded/machine", tenant="recorded", device="machine", model="machine")
OF_TRIED: Final = HEAT_PUMP.model_copy(update={"id": "main/hp-15", "device": "hp-15", "name": "Heat pump 15", "customer": "c-2"})
DEVICES: Final = (HEAT_PUMP, ASKS, REFUSES, PRINTER, RECORDED, OF_TRIED)
CUSTOMER: Final = Customer(id="main/c-1", customer="c-1", time_zone="Europe/Berlin")
TRIED: Final = CUSTOMER.model_copy(update={"id": "main/c-2", "customer": "c-2", "returns": 1, "wrong_bills": 1})
"""A customer who has sent something back and was sent a wrong bill."""

REMEDIES: Final = Path(__file__).resolve().parents[4] / "remedies"
"""The worked example."""

POLICY: Final = """
remedies:
  restart: {command: restart, said: restarted it, valid: 15m, grace: 5m, stands_still: 2m, limits: {out: 20, per_hour: 120}}
policy:
  - {line: a recorded machine is past help, tenant: recorded, do: hand_over}
  - {line: a silent machine hears no command, detector: silence, do: observe, observe: 30m, stays: 10m, readings: 0}
  - {line: an oddity is watched, detector: learned, do: observe, observe: 2h, readings: 0}
  - {line: one restart, do: restart, within: 30m, stays: 12m, readings: 0}
"""


def clock(text: str) -> Micros:
    """`02:10` of the night, `1+07:00` of the day after."""
    day, _, rest = text.rpartition("+")
    hours, minutes = rest.split(":")
    return NIGHT + int(day or 0) * DAY + (int(hours) * 60 + int(minutes)) * MINUTE


def shown(at: Micros) -> str:
    """The other way round."""
    days, rest = divmod(at - NIGHT, DAY)
    return (f"{days}+" if days else "") + f"{rest // (60 * MINUTE):02}:{rest // MINUTE % 60:02}"


def written(text: str) -> Policy:
    """A policy from YAML."""
    file = File.model_validate(yaml.safe_load(text))
    return Policy(file.remedies, file.policy, file.history or History(), file.playbooks)


class Ward:
    """One partition of everything."""

    def __init__(
        self, *, policy: Policy | None = None, devices: Iterable[Device] = DEVICES, forgetful: bool = False, permits_answer: bool = True,
        care: Care | None = None, customers: Iterable[Customer] = (),
    ) -> None:  # fmt: skip
        """`forgetful` restarts every processor from its own blocks after each record; without `permits_answer` they wait for `answer`."""
        self.policy, self.care = policy or written(POLICY), care
        self.registry = Tables(devices, [CUSTOMER, TRIED, *customers])
        self.forgetful, self.permits_answer = forgetful, permits_answer
        self.now = NIGHT
        self.at_once = False
        """Records come within one moment of the host's time: nothing is due between them."""
        self.out: list[Out] = []
        self.unanswered: list[Permit] = []
        self.processors: dict[str, Processor] = {}
        self._blocks: dict[str, dict[str, bytes]] = {}
        for name in ("cases", "permits", "customers"):
            self._blocks[name] = {}
            self.processors[name] = self._build(name)
        self._offset = 0

    def _build(self, name: str) -> Processor:
        made: Mapping[str, Processor] = {
            "cases": Cases(self.policy, self.registry, self.care),
            "permits": Permits(self.policy),
            "customers": Customers(self.policy, care=self.care),
        }
        made[name].restore({key: block for key, block in self._blocks[name].items() if block})
        return made[name]

    # --------------------------------------------------------------------------------------- what happens

    def raised(
        self, at: str | Micros, cause: str = "low_pressure", *, rule: str = "", device: Device = HEAT_PUMP, detector: str = "threshold",
        severity: Severity = Severity.MAJOR, onset: Micros | None = None,
    ) -> Symptom:  # fmt: skip
        """A symptom is raised."""
        moment = self._at(at)
        onset = moment if onset is None else onset
        symptom = Symptom(
            id=ids.symptom_id(device.key, rule or cause, onset), tenant=device.tenant, device=device.device, state=SymptomState.RAISED,
            rule=rule or cause, rule_version="1", detector=detector, cause=cause, severity=severity, signal="pressure", unit="bar",
            onset=onset, detected_at=moment, value=0.82, limit=1.0, explanation="pressure below 1 bar",
        )  # fmt: skip
        self.step(topics.SYMPTOMS, symptom)
        return symptom

    def updated(self, at: str | Micros, symptom: Symptom, severity: Severity) -> None:
        """A symptom gets worse or better."""
        changes = {"state": SymptomState.UPDATED, "detected_at": self._at(at), "severity": severity}
        self.step(topics.SYMPTOMS, symptom.model_copy(update=changes))

    def cleared(self, at: str | Micros, symptom: Symptom, *, proven: bool = True, followed: bool = True) -> None:
        """A symptom clears; the readings after it will be told, or not."""
        changes = {"state": SymptomState.CLEARED, "cleared_at": self._at(at), "proven": proven, "followed": followed}
        self.step(topics.SYMPTOMS, symptom.model_copy(update=changes))

    def confirmed(self, symptom: Symptom, since: str, until: str, *, readings: int = 5, changes: int = 4) -> None:
        """Readings have come since it cleared."""
        name = ids.confirmed_id(symptom.id, clock(since))
        span = {
            "cleared_at": clock(since),
            "since": clock(since),
            "confirmed_at": self._at(until),
            "readings": readings,
            "changes": changes,
        }
        told = {"id": name, "confirms": symptom.id, "state": SymptomState.CONFIRMED, **span}
        self.step(topics.SYMPTOMS, symptom.model_copy(update=told))

    def replied(self, at: str | Micros, status: ReplyStatus, action: Action | None = None, detail: str = "", **result: Scalar) -> None:
        """A device answers, by default to the latest action."""
        action = action or self.actions[-1]
        reply = Reply(
            id=ids.reply_id(action.id, status), tenant=action.tenant, device=action.device, action=action.id, status=status,
            at=self._at(at), detail=detail, result=result,
        )  # fmt: skip
        self.step(topics.REPLIES, reply)

    def asked(
        self, at: str | Micros, kind: CommandKind, case: str = "", device: Device = HEAT_PUMP, detail: str = "", by: str = "agent-7",
        because: str = "", doubts: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """A person asks for something about a case, by default the latest."""
        moment = self._at(at, moves=False)
        command = Command(
            id=ids.command_id(device.key, kind, str(moment)), tenant=device.tenant, device=device.device, kind=kind,
            case=case or self.events[-1].case, at=moment, by=by, detail=detail, because=because, doubts=doubts,
        )  # fmt: skip
        self.step(topics.COMMANDS, command)

    def tick(self, at: str | Micros) -> None:
        """Nothing happens until then, and then nothing either."""
        moment = self._at(at)
        self._gather("cases", self.processors["cases"].due(moment + 1))

    def answer(self, *, granted: bool = True) -> None:
        """Answer the oldest question for a permit, whatever `permits` would say."""
        permit = self.unanswered.pop(0)
        state, reason = (PermitState.GRANTED, "") if granted else (PermitState.REFUSED, "too many at it")
        self.step(topics.PERMITS, permit.model_copy(update={"state": state, "reason": reason}))

    def step(self, topic: str, record: Record, processor: str = "cases") -> None:
        """One record, after all that was due before it."""
        self._offset += 1
        if processor == "cases" and topic in {topics.SYMPTOMS, topics.REPLIES} and not self.at_once:
            self._gather("cases", self.processors["cases"].due(self.now))
        self._gather(processor, self.processors[processor].step(topic, self._offset, record, max(self.now, record.time)))

    def _at(self, at: str | Micros, *, moves: bool = True) -> Micros:
        moment = clock(at) if isinstance(at, str) else at
        if moves:
            self.now = max(self.now, moment)
        return moment

    def _gather(self, name: str, found: Iterable[Out]) -> None:
        outs = list(found)
        self.out += outs
        if self.forgetful:
            self._blocks[name].update(self.processors[name].dirty())
            self.processors[name] = self._build(name)
        for out in outs:
            if out.topic == topics.CASES_BY_CUSTOMER:
                self.step(topics.CASES_BY_CUSTOMER, out.record, "customers")
            elif isinstance(out.record, Permit) and out.record.state is PermitState.ASKED:
                if self.permits_answer:
                    self.step(topics.PERMITS, out.record, "permits")
                else:
                    self.unanswered.append(out.record)
            elif isinstance(out.record, Permit):
                self.step(topics.PERMITS, out.record)
            elif isinstance(out.record, Errand):
                self.step(topics.ERRANDS, out.record)
            elif isinstance(out.record, Command) and out.record.by == "account":
                self.step(topics.COMMANDS, out.record)

    # -------------------------------------------------------------------------------------- what came of it

    @property
    def events(self) -> list[CaseEvent]:
        """All case events."""
        return [out.record for out in self.out if out.topic == topics.CASES and isinstance(out.record, CaseEvent)]

    @property
    def actions(self) -> list[Action]:
        """All actions."""
        return [out.record for out in self.out if isinstance(out.record, Action)]

    @property
    def recalls(self) -> list[Recall]:
        """All actions that were taken back."""
        return [out.record for out in self.out if isinstance(out.record, Recall)]

    @property
    def notifications(self) -> list[Notification]:
        """All notifications."""
        return [out.record for out in self.out if isinstance(out.record, Notification)]

    @property
    def commands(self) -> list[Command]:
        """All commands."""
        return [out.record for out in self.out if isinstance(out.record, Command)]

    @property
    def story(self) -> list[str]:
        """The events as lines: when, what, status."""
        return [f"{shown(event.at)} {event.kind} {event.status}" for event in self.events]

    @property
    def last(self) -> CaseEvent:
        """The latest event."""
        return self.events[-1]

    def kinds(self, *kinds: CaseKind) -> list[CaseEvent]:
        """The events of these kinds."""
        return [event for event in self.events if event.kind in kinds]


def local(at: Micros) -> str:
    """A moment, for messages of failed tests."""
    return f"{to_datetime(at):%H:%M:%S}"
