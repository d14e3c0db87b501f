"""A small world for the desk's tests: a log with a few cases as the other stages would write them, and a desk that is stepped by hand."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import SecretStr

from desk.app import create_app
from desk.context import Context
from desk.projector import Projector
from desk.queries import Queries
from desk.sealed import Seal
from desk.store import Store
from tests.unit.notifier.beside import notifier_beside
from vorab import frame, ids, links, topics
from vorab.cli.hears import hears_on
from vorab.clock import DAY, MINUTE, ManualClock, Micros, parse_iso
from vorab.frame import Reading
from vorab.log import EventLog, Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import (
    Action,
    CaseEvent,
    CaseKind,
    Customer,
    Delivery,
    DeliveryReason,
    DeliveryState,
    Device,
    Notification,
    Record,
    Reply,
    ReplyStatus,
    Severity,
    Stage,
    Status,
    Symptom,
    SymptomState,
    from_wire,
    to_wire,
)
from vorab.settings import Settings

with warnings.catch_warnings():  # Starlette would rather have httpx2; httpx does all we need of it
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

PARTITIONS: Final = 3
SECRET: Final = "a secret for tests, long enough"
NIGHT: Final = parse_iso("2026-11-24T02:10:00+01:00")
MORNING: Final = parse_iso("2026-11-24T07:20:00+01:00")


def device(name: str, /, **changes: Any) -> Device:
    """A heat pump."""
    base = {"id": f"main/{name}", "device": name, "model": "heat-pump", "name": name.replace("-", " ").title(), "customer": "c-1"}
    return Device.model_validate({**base, **changes})


def customer(name: str = "c-1", language: str = "de") -> Customer:
    """Somebody in Berlin."""
    return Customer(id=f"main/{name}", customer=name, language=language)


@dataclass
class Story:
    """Writes the records of one case, in order."""

    device: str
    customer: str = "c-1"
    name: str = ""
    onset: Micros = NIGHT
    cause: str = "low_pressure"
    severity: Severity = Severity.MAJOR
    records: list[Record] = field(default_factory=list)
    status: Status = Status.ACKNOWLEDGED

    @property
    def key(self) -> str:
        """The device's key."""
        return f"main/{self.device}"

    @property
    def case(self) -> str:
        """The case's id."""
        return ids.case_id(self.key, self.cause, self.onset)

    @property
    def symptom(self) -> str:
        """The symptom's id."""
        return ids.symptom_id(self.key, "pressure-low", self.onset)

    @property
    def action(self) -> str:
        """The action's id."""
        return ids.action_id(self.case, "restart", 0, 1)

    def note(self, stage: Stage) -> str:
        """The id of a message."""
        return ids.notification_id(f"main/{self.customer}", self.case, stage)

    def event(self, kind: CaseKind, at: Micros, *, status: Status | None = None, because: str = "", **changes: Any) -> str:
        """A fact; returns its id."""
        self.status = status or self.status
        seq = sum(isinstance(record, CaseEvent) for record in self.records)
        made = {
            "id": ids.case_event_id(self.case, kind, f"{because}{seq}"),
            "device": self.device,
            "case": self.case,
            "kind": kind,
            "status": self.status,
            "at": at,
            "because": because or self.case,
            "cause": self.cause,
            "severity": self.severity,
            "priority": 2,
            "customer": self.customer,
            "model": "heat-pump",
            "name": self.name or self.device.replace("-", " ").title(),
            "opened_at": self.onset + 5 * MINUTE,
            "onset": self.onset,
            "symptom": self.symptom,
            "signal": "pressure",
            "unit": "bar",
            "value": 0.62,
            "limit": 1.0,
            "seq": seq,
        }
        event = CaseEvent.model_validate({**made, **changes})
        self.records.append(event)
        return event.id

    def found(self, state: SymptomState, at: Micros, value: float) -> None:
        """The symptom in one of its states."""
        self.records.append(
            Symptom(
                id=self.symptom,
                device=self.device,
                state=state,
                rule="pressure-low",
                rule_version="abc123",
                detector="threshold",
                cause=self.cause,
                severity=self.severity,
                signal="pressure",
                unit="bar",
                onset=self.onset,
                detected_at=self.onset + 5 * MINUTE,
                cleared_at=at if state is SymptomState.CLEARED else None,
                value=value,
                limit=1.0,
                explanation=f"pressure is {value} bar",
            )
        )

    def opened(self) -> Story:
        """Found, and a case."""
        at = self.onset + 5 * MINUTE
        self.found(SymptomState.RAISED, at, 0.62)
        self.event(CaseKind.OPENED, at, because=self.symptom, policy="a heat pump is given one restart")
        return self

    def restarted(self) -> Story:
        """Asked to restart, and it says done."""
        at = self.onset + 6 * MINUTE
        self.event(CaseKind.ACTION_REQUESTED, at, status=Status.IN_PROGRESS, because=self.symptom, action=self.action, remedy="restart")
        self.records.append(
            Action(
                id=self.action,
                device=self.device,
                case=self.case,
                remedy="restart",
                name="restart",
                at=at,
                not_before=at,
                not_after=at + 15 * MINUTE,
            )
        )
        for status, minutes in ((ReplyStatus.ACCEPTED, 7), (ReplyStatus.SUCCEEDED, 9)):
            reply = ids.reply_id(self.action, status)
            self.records.append(Reply(id=reply, device=self.device, action=self.action, status=status, at=self.onset + minutes * MINUTE))
        self.event(CaseKind.PROVING, self.onset + 9 * MINUTE, because=ids.reply_id(self.action, "succeeded"))
        return self

    def healed(self) -> Story:
        """Proven, and nobody is told."""
        self.found(SymptomState.CLEARED, self.onset + 14 * MINUTE, 1.6)
        self.event(CaseKind.SYMPTOM_CLEARED, self.onset + 14 * MINUTE, because=self.symptom)
        detail = "healed by restart: 25 minutes of normal readings"
        resolved = self.event(CaseKind.RESOLVED, self.onset + 39 * MINUTE, status=Status.RESOLVED, healed=True, detail=detail)
        self.say(Stage.HEALED, self.onset + 39 * MINUTE, resolved)
        self.became(Stage.HEALED, self.onset + 40 * MINUTE, DeliveryState.SUPPRESSED, DeliveryReason.ALREADY_FIXED)
        self.event(CaseKind.CLOSED, self.onset + 69 * MINUTE, status=Status.CLOSED, healed=True)
        return self

    def doubted(self) -> Story:
        """It said done, and is not; a person has it, and the customer knows since the morning."""
        at = self.onset + 39 * MINUTE
        self.event(CaseKind.DISPROVED, at)
        handed = self.event(CaseKind.HANDED_OVER, at, status=Status.HELD, detail="I am calling about your heat pump.")
        self.say(Stage.PERSON_NEEDED, at, handed)
        self.became(Stage.PERSON_NEEDED, at + MINUTE, DeliveryState.DEFERRED, DeliveryReason.QUIET_HOURS)
        self.became(Stage.PERSON_NEEDED, MORNING - 15 * MINUTE, DeliveryState.SENT)
        return self

    def asked(self) -> Story:
        """The owner is asked for consent."""
        at = self.onset + 6 * MINUTE
        asked = self.event(CaseKind.CONSENT_ASKED, at, status=Status.PENDING, because=self.symptom, remedy="restart")
        self.say(Stage.CONSENT, at, asked)
        self.became(Stage.CONSENT, MORNING - 18 * MINUTE, DeliveryState.SENT)
        return self

    def say(self, stage: Stage, at: Micros, because: str) -> None:
        """A message is decided."""
        self.records.append(
            Notification(
                id=self.note(stage),
                customer=self.customer,
                case=self.case,
                device=self.device,
                stage=stage,
                at=at,
                expires_at=at + DAY,
                because=because,
                params={"name": self.name or self.device},
            )
        )

    def became(self, stage: Stage, at: Micros, state: DeliveryState, reason: DeliveryReason = DeliveryReason.NONE) -> None:
        """What became of it."""
        self.records.append(
            Delivery(
                id=ids.delivery_id(self.note(stage), "file", state),
                customer=self.customer,
                notification=self.note(stage),
                case=self.case,
                stage=stage,
                channel="file",
                state=state,
                reason=reason,
                at=at,
            )
        )

    def claims(self, stage: Stage = Stage.PERSON_NEEDED, **changes: Any) -> links.Claims:
        """What a link about it says."""
        base = {
            "notification": self.note(stage),
            "case": self.case,
            "device": self.key,
            "customer": f"main/{self.customer}",
            "stage": stage.value,
            "expires_at": MORNING + DAY,
        }
        return links.Claims(**{**base, **changes})

    def token(self, stage: Stage = Stage.PERSON_NEEDED, **changes: Any) -> str:
        """A link about it."""
        return links.sign(SECRET, self.claims(stage, **changes))


def healed(name: str = "heat-pump-001", **changes: Any) -> Story:
    """A case that healed itself."""
    return Story(name, **changes).opened().restarted().healed()


def doubted(name: str = "heat-pump-002", **changes: Any) -> Story:
    """A case that needs a person."""
    return Story(name, **changes).opened().restarted().doubted()


def nobodys(story: Story) -> list[Record]:
    """What stands on the log of a case that began before its machine was registered: its events name nobody."""
    return [each.model_copy(update={"customer": ""}) for each in story.records if isinstance(each, CaseEvent)]


def asked(name: str = "heat-pump-003", **changes: Any) -> Story:
    """A case that waits for its owner."""
    return Story(name, **changes).opened().asked()


def settings_of(folder: Path) -> Settings:
    """Settings for a desk in a folder, on a free port."""
    return Settings.model_validate(
        {
            "state_dir": str(folder),
            "link_secret": SecretStr(SECRET),
            "desk": {"port": 0},
            "topics": {"partitions": PARTITIONS},
        }
    )


class House:
    """The log, the tables, the application and a browser-like client."""

    def __init__(self, folder: Path, log: EventLog | None = None) -> None:
        self.folder = folder
        self.settings = settings_of(folder)
        self._owns = log is None
        self.log = log if log is not None else SqliteLog(folder / "log.db", fsync=False)
        if self._owns:
            self.log.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
        self.clock = ManualClock(MORNING)
        self.store = Store(f"sqlite:///{folder / 'desk.db'}")
        self.queries = Queries(self.store, Seal(folder))
        self.people = notifier_beside(folder)
        self.projector = Projector(self.log, self.store, self.clock)
        self.context = Context(self.log, self.queries, self.projector, self.settings, self.clock, hears=hears_on(self.settings))
        self.client = TestClient(
            create_app(self.context), base_url="http://127.0.0.1", headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False
        )
        self._loaded = False

    def write(self, records: Iterable[Record]) -> None:
        """Append records to the log."""
        outgoing = []
        for record in records:
            key, value, headers = to_wire(record, "urn:vorab:test")
            outgoing.append(Outgoing(record.TOPIC, topics.partition_of(record.key, PARTITIONS), key, value, headers))
        append_all(self.log, outgoing)

    def readings(self, device: str, values: Mapping[Micros, float]) -> None:
        """Append a curve of the pressure, one frame per reading."""
        outgoing = []
        for at, value in values.items():
            row = Reading(device, at, at, 0, {"pressure": value}, {"pressure": "bar"})
            body = frame.encode(frame.pack([row], at))
            outgoing.append(Outgoing(topics.READINGS, topics.partition_of(device, PARTITIONS), device.encode(), body))
        append_all(self.log, outgoing)

    def catch_up(self) -> None:
        """Fold everything the log has."""
        if not self._loaded:
            self.projector.load()
            self._loaded = True
        while self.projector.step():
            pass

    def told(self, topic: str, wait_s: float = 0.0) -> list[Record]:
        """The records of a topic."""
        positions = {(topic, partition): 0 for partition in range(PARTITIONS)}
        return [from_wire(entry.value, entry.headers) for entry in self.log.read(positions, limit=1000, wait_s=wait_s)]

    def ends(self) -> dict[str, dict[int, int]]:
        """Where every topic ends: equal before and after means nothing was written."""
        return {topic: dict(self.log.ends(topic)) for topic in topics.TOPICS}

    def close(self) -> None:
        """Let go."""
        self.client.close()
        self.store.close()
        if self._owns:
            self.log.close()


def night(onset: Micros = NIGHT) -> dict[Micros, float]:
    """A pressure that falls at its onset and is back a quarter of an hour later."""
    times = range(onset - 120 * MINUTE, onset + 120 * MINUTE, 5 * MINUTE)
    wobble = np.sin(np.arange(len(times))) * 0.03
    return {at: float(0.62 if onset <= at < onset + 14 * MINUTE else 1.6) + float(w) for at, w in zip(times, wobble, strict=True)}


def furnish(house: House) -> dict[str, Story]:
    """Three homes: one healed, one in doubt, one asked."""
    stories = {"healed": healed(), "doubted": doubted(), "asked": asked(customer="c-2")}
    house.write([customer(), customer("c-2", "en"), *(device(story.device, customer=story.customer) for story in stories.values())])
    for story in stories.values():
        house.readings(story.key, night())
        house.write(story.records)
    house.catch_up()
    return stories
