"""A market square for incidents: cases open and get well in the order of time, and what was answered is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from streams.cases.policy import Policy
from streams.customers import Customers
from streams.hosts.registry import Tables
from streams.incidents.processor import Incidents
from vorab import ids, topics
from vorab.clock import SECOND, Micros, parse_iso
from vorab.processor import Out, Processor
from vorab.records import CaseEvent, CaseKind, Device, Incident, IncidentKind, Notification, Severity, Stage, Status
from vorab.settings import Incidents as Options

NOON: Final = parse_iso("2026-11-24T12:00:00Z")
STATUS: Final[Mapping[CaseKind, Status]] = {
    CaseKind.OPENED: Status.ACKNOWLEDGED,
    CaseKind.CONSENT_ASKED: Status.PENDING,
    CaseKind.HANDED_OVER: Status.HELD,
    CaseKind.RESOLVED: Status.RESOLVED,
    CaseKind.RELAPSED: Status.IN_PROGRESS,
    CaseKind.FALSE_ALARM: Status.CANCELLED,
}


def machine(name: str, **said: Any) -> Device:
    """A device; its customer is called after the first letter of its name unless something else is said."""
    return Device(id=f"main/{name}", device=name, name=name, **{"customer": f"c-{name[0]}", **said})


def at(seconds: float) -> Micros:
    """So many seconds after noon."""
    return NOON + round(seconds * SECOND)


class Square:
    """Incidents and customers, wired by hand."""

    def __init__(self, devices: Iterable[Device], *, forgetful: bool = False, kind: type[Incidents] = Incidents, **options: Any) -> None:
        """`forgetful` restarts both after each record from what they had saved."""
        self.devices = {device.device: device for device in devices}
        self.options = Options.model_validate({"settle_s": 5, "hold_s": 15, "patience_s": 0, **options})
        self.registry = Tables(self.devices.values())
        self.out: list[Out] = []
        self._forgetful, self._kind = forgetful, kind
        self._blocks: dict[str, dict[str, bytes]] = {"incidents": {}, "customers": {}}
        self._now: Micros = 0
        self._seq: dict[str, int] = {}
        self._since: dict[tuple[str, str], Micros] = {}
        self.processors = {name: self._build(name) for name in self._blocks}

    def _build(self, name: str) -> Processor:
        made: Processor = self._kind(self.options, self.registry) if name == "incidents" else Customers(Policy({}, ()), self.options)
        made.restore({key: block for key, block in self._blocks[name].items() if block})
        return made

    def happens(self, seconds: float, name: str, kind: CaseKind = CaseKind.OPENED, cause: str = "silent") -> CaseEvent:
        """A fact about the case of a device."""
        device, moment = self.devices[name], at(seconds)
        if kind is CaseKind.OPENED:
            self._since[name, cause] = moment
        opened = self._since[name, cause]
        case = f"{name}-{cause}-{opened}"
        self._seq[case] = self._seq.get(case, -1) + 1
        event = CaseEvent(
            id=ids.case_event_id(case, kind, str(moment)), tenant=device.tenant, device=name, case=case, kind=kind,
            status=STATUS[kind], at=moment, because="s", cause=cause, severity=Severity.MAJOR, priority=3,
            customer=device.customer, site=device.site,
            model=device.model, name=name, opened_at=opened, onset=opened, healed=False, seq=self._seq[case],
        )  # fmt: skip
        self.hear(event)
        return event

    def hear(self, event: CaseEvent) -> None:
        """An event reaches the customers, and if it opens or ends a case, the incidents."""
        self._step("customers", topics.CASES_BY_CUSTOMER, event)
        if event.kind not in {CaseKind.CONSENT_ASKED, CaseKind.HANDED_OVER}:
            self.tick_to(event.at)
            self._step("incidents", topics.CASES_BY_GROUP, event)

    def tick(self, seconds: float) -> None:
        """Nothing happens until then."""
        self.tick_to(at(seconds) + 1)

    def tick_to(self, now: Micros) -> None:
        """Merged time reaches this."""
        self._now = max(self._now, now)
        self._gather("incidents", self.processors["incidents"].due(self._now))

    def _step(self, name: str, topic: str, record: CaseEvent | Incident) -> None:
        self._gather(name, self.processors[name].step(topic, 0, record, max(self._now, record.time)))

    def _gather(self, name: str, found: Iterable[Out]) -> None:
        outs = list(found)
        self.out += outs
        if self._forgetful:
            self._blocks[name].update(self.processors[name].dirty())
            self.processors[name] = self._build(name)
        for out in outs:
            if out.topic == topics.CASES_BY_CUSTOMER and isinstance(out.record, Incident):
                self._step("customers", topics.CASES_BY_CUSTOMER, out.record)

    @property
    def blocks(self) -> dict[str, bytes]:
        """What the incidents have saved, with what changed since."""
        self._blocks["incidents"].update(self.processors["incidents"].dirty())
        return self._blocks["incidents"]

    @property
    def incidents(self) -> list[Incident]:
        """All facts about incidents."""
        return [out.record for out in self.out if out.topic == topics.INCIDENTS and isinstance(out.record, Incident)]

    @property
    def story(self) -> list[str]:
        """The same as lines: when (seconds after noon), what, whose."""
        return [
            f"{(fact.at - NOON) / SECOND:g} {fact.kind} {','.join(child.split('-')[0] for child in fact.children)}".strip()
            for fact in self.incidents
        ]

    @property
    def words(self) -> list[str]:
        """Cases of which it was said that they stand for themselves."""
        found = [out.record for out in self.out if isinstance(out.record, Incident) and out.record.kind is IncidentKind.ALONE]
        return [record.children[0].split("-")[0] for record in found]

    @property
    def notes(self) -> list[tuple[str, Stage, str]]:
        """What customers are told: who, what, by which device."""
        found = [out.record for out in self.out if isinstance(out.record, Notification)]
        return [(note.customer, note.stage, note.device) for note in found]
