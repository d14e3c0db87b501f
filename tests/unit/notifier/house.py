"""A small world for the notifier's tests: customers, cases, notifications, and a notifier that is stepped by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from notifier.buttons import Buttons
from notifier.channels import ChannelPort, Message, Outcome, Result
from notifier.database import Database
from notifier.people_store import PeopleStore
from notifier.render import Renderer
from notifier.service import Notifier, Options
from notifier.store import Store
from notifier.words import load_words
from vorab import ids
from vorab.clock import DAY, ManualClock, Micros, parse_iso
from vorab.log import EventLog, Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.people import Person
from vorab.records import (
    CaseEvent,
    CaseKind,
    Channel,
    Contract,
    Customer,
    Delivery,
    Notification,
    Record,
    Severity,
    Stage,
    Status,
    from_wire,
    to_wire,
)
from vorab.topics import CASES_BY_CUSTOMER, CONTRACTS, CUSTOMERS, DELIVERIES, NOTIFICATIONS, REJECTED, partition_of

PARTITIONS: Final = 3
EVENING: Final = parse_iso("2026-11-23T21:00:00+01:00")
NIGHT: Final = parse_iso("2026-11-24T02:10:00+01:00")
MORNING: Final = parse_iso("2026-11-24T07:00:00+01:00")
NOON: Final = parse_iso("2026-11-24T12:00:00+01:00")


def customer(name: str = "c-1", **changes: Any) -> Customer:
    """A customer in Berlin who sleeps from ten to seven."""
    return Customer.model_validate({"id": f"main/{name}", "customer": name, "language": "de", "channels": ["mail"], **changes})


def case_event(kind: CaseKind, status: Status, *, seq: int, case: str = "case-1", at: Micros = NIGHT, **changes: Any) -> CaseEvent:
    """A fact about a case of a heat pump."""
    base = {"cause": "low_pressure", "severity": Severity.MAJOR, "opened_at": NIGHT, "onset": NIGHT, "customer": "c-1"}
    of = {"id": ids.case_event_id(case, kind, str(seq)), "device": "pump-7", "case": case, "kind": kind, "status": status}
    return CaseEvent.model_validate({**base, **of, "at": at, "because": "symptom-1", "seq": seq, **changes})


def note(
    stage: Stage = Stage.PERSON_NEEDED, *, case: str = "case-1", name: str = "c-1", at: Micros = NIGHT, **changes: Any
) -> Notification:
    """Something to say about a case."""
    params = {"name": "Pumpe 7", "model": "heat-pump", "cause": "low_pressure", "onset": "2026-11-24T01:10:00.000000Z"}
    base = {"id": ids.notification_id(f"main/{name}", case, stage), "customer": name, "case": case, "device": "pump-7", "stage": stage}
    return Notification.model_validate({**base, "at": at, "expires_at": at + 2 * DAY, "because": "event-1", "params": params, **changes})


@dataclass
class FakeChannel:
    """A channel that remembers, and answers what it is told to."""

    channel: Channel = Channel.MAIL
    idempotent: bool = False
    answers: list[Outcome] = field(default_factory=list)
    """What it answers next; afterwards it takes everything."""
    sent: list[Message] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def reaches(self, person: Person | None) -> bool:
        """Whoever has an address."""
        return person is not None and bool(person.mail)

    def send(self, message: Message) -> Result:
        """Take it, or not."""
        self.sent.append(message)
        return Result(self.answers.pop(0) if self.answers else Outcome.SENT, "as told")

    def forget(self, notification: str) -> None:
        """Remember to have forgotten."""
        self.forgotten.append(notification)


class House:
    """A log, a clock, people, and a notifier that `run` steps until nothing happens any more."""

    def __init__(self, folder: Path, *, now: Micros = NIGHT, channels: Sequence[ChannelPort] = (), options: Options | None = None) -> None:
        self.folder = folder
        self.log: EventLog = SqliteLog(folder / "log.db", fsync=False)
        self.log.create(dict.fromkeys((CUSTOMERS, CONTRACTS, CASES_BY_CUSTOMER, NOTIFICATIONS, DELIVERIES, REJECTED), PARTITIONS))
        self.clock = ManualClock(now)
        self.mail = FakeChannel()
        self.channels = list(channels) or [self.mail]
        self.options = options or Options(buttons=Buttons("a secret for tests"), senders=1, retry_s=60)
        self.open()

    def open(self, database: str = "notifier.db") -> None:
        """A notifier as after a start of the process."""
        self.database = Database(f"sqlite:///{self.folder / database}")
        self.store = Store(self.database)
        self.people = PeopleStore(self.database)
        renderer = Renderer(load_words())
        self.notifier = Notifier(
            self.log, self.store, self.clock, self.people, self.channels, renderer, self.options, "https://desk.example.org"
        )

    def restart(self, database: str = "notifier.db") -> None:
        """End without a farewell, and start again."""
        self.database.close()
        self.open(database)

    def put(self, *records: Record, key: str = "main/c-1") -> None:
        """Append records to their topics; case events go to the topic by customer."""
        out = []
        for record in records:
            own, value, headers = to_wire(record, "urn:test")
            by_customer = isinstance(record, CaseEvent)
            topic, name = (CASES_BY_CUSTOMER, key) if by_customer else (record.TOPIC, own.decode())
            out.append(Outgoing(topic, partition_of(name, PARTITIONS), name.encode(), value, headers))
        append_all(self.log, out)

    def contracts(self, *entries: Contract | str) -> None:
        """Write contracts, or take those of a key out."""
        for entry in entries:
            name, value, headers = (entry.encode(), None, ()) if isinstance(entry, str) else to_wire(entry, "urn:test")
            append_all(self.log, [Outgoing(CONTRACTS, partition_of(name.decode(), PARTITIONS), name, value, headers)])

    def know(self, *people: Person) -> None:
        """Write people."""
        self.people.put(people or [Person("main/c-1", "Erika Muster", "erika@example.org")])

    def run(self, *, prepare: bool = True) -> None:
        """Step until everything that can happen now has happened."""
        if prepare:
            self.notifier.prepare()
        idle = 0
        while idle < 2:
            before = (self.store.counts(), len(self.deliveries()))
            self.notifier.step(wait_s=0.0)
            while self.notifier.busy:
                self.notifier.settle(0.05)
            self.notifier.publish()
            idle = idle + 1 if before == (self.store.counts(), len(self.deliveries())) else 0

    def deliveries(self) -> list[Delivery]:
        """What the log was told, in order within a partition."""
        return [record for record in self.records(DELIVERIES) if isinstance(record, Delivery)]

    def records(self, topic: str) -> list[Record]:
        """Everything on a topic."""
        entries = self.log.read({(topic, p): 0 for p in range(PARTITIONS)}, limit=100_000)
        return [from_wire(entry.value, entry.headers) for entry in entries]

    def told(self) -> list[str]:
        """States and reasons of the deliveries, as words."""
        return [f"{d.state}:{d.reason}" if d.reason != "none" else str(d.state) for d in self.deliveries()]

    def close(self) -> None:
        """Let go."""
        self.notifier.stop()
        self.database.close()
        self.log.close()


def states(deliveries: Iterable[Delivery]) -> list[str]:
    """Just the states."""
    return [str(delivery.state) for delivery in deliveries]
