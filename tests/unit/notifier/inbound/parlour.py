"""A notifier that hears replies: the house of the notifier's tests, with an inbox, and answers that are given by hand."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

from notifier.channels import Outcome, Result
from notifier.database import Database
from notifier.inbound.answering import Answer, Answering, Given
from notifier.inbound.deciding import Limits
from notifier.inbound.mail_reading import read_mail
from notifier.inbound.replies import Replies, Ways
from notifier.inbound.said import MAIL, Said
from notifier.inbound.store import Inbox
from notifier.people_store import PeopleStore
from notifier.render import Renderer
from notifier.service import Notifier
from notifier.store import Store
from notifier.words import load_words
from tests.unit.notifier.house import NOON, PARTITIONS, House, case_event, customer, note
from vorab.clock import DAY, Micros
from vorab.codes import Codes
from vorab.knowledge import Library, folder_of, load_articles
from vorab.people import Person
from vorab.records import Answered, CaseKind, Heard, Record, Stage, Status
from vorab.sealing import opened
from vorab.topics import COMMANDS, CONSENTS, DIALOGUE, REQUESTS, SLOTS
from vorab.understanding import Recogniser, Route, recogniser

SENDER: Final = "vorab <service@example.org>"
CODES: Final = Codes("a secret for tests")
ERIKA: Final = Person("main/c-1", "Erika Muster", "erika@example.org", "+49 151 12345678")


class Told(Recogniser):
    """Understands some replies as it is told to; what is not told is left to the shipped one."""

    def __init__(self, meanings: dict[str, Any]) -> None:
        self.meanings = meanings

    def understand(self, text: str, language: str = "", now: Micros = 0, zone: str = "UTC") -> Any:
        """As told."""
        found = recogniser().understand(text, language, now, zone)
        wanted = self.meanings.get(text)
        return found if wanted is None else found._replace(**{"route": Route.BOT, "flags": (), **wanted})


class FakeMail:
    """Answers that are remembered."""

    channel = MAIL
    idempotent = False
    lasts = DAY

    def __init__(self, channel: str = MAIL) -> None:
        self.channel = channel
        self.given: list[Answer] = []
        self.outcomes: list[Outcome] = []

    def give(self, answer: Answer) -> Given:
        """Take it, or not."""
        self.given.append(answer)
        return Given(Result(self.outcomes.pop(0) if self.outcomes else Outcome.SENT, "as told"))


class Parlour(House):
    """The house, with an ear."""

    def __init__(self, folder: Path, *, limits: Limits | None = None, slots: bool = False, shadow: bool = False, **more: Any) -> None:
        self.limits, self.slots, self.shadow = limits or Limits(), slots, shadow
        self.out = FakeMail()
        self.meanings: dict[str, Any] = {}
        super().__init__(folder, now=NOON, **more)
        self.log.create(dict.fromkeys((DIALOGUE, REQUESTS, COMMANDS, SLOTS, CONSENTS), PARTITIONS))

    def open(self, database: str = "notifier.db") -> None:
        """A notifier with an inbox, as after a start."""
        self.database = Database(f"sqlite:///{self.folder / database}")
        self.store, self.people = Store(self.database), PeopleStore(self.database)
        renderer = Renderer(load_words(), CODES)
        ways = Ways(
            self.limits, SENDER, shadow=self.shadow, slots=self.slots, answerable=frozenset({self.out.channel}), codes=CODES,
        )  # fmt: skip
        self.inbox = Inbox(self.database)
        self.replies = Replies(self.inbox, self.people, renderer, lambda: Told(self.meanings), Library(load_articles(folder_of(""))), ways)
        self.notifier = Notifier(
            self.log, self.store, self.clock, self.people, self.channels, renderer, self.options, "https://desk.example.org", self.replies
        )
        self.answering = Answering(self.inbox, self.people, [self.out], self.clock)
        self.answering.prepare()

    def story(self, *, asked: bool = False, **changes: Any) -> str:
        """A customer with an open case, who was told of it; returns the notification."""
        self.know(ERIKA)
        kind, status = (CaseKind.CONSENT_ASKED, Status.PENDING) if asked else (CaseKind.HANDED_OVER, Status.HELD)
        said = note(Stage.CONSENT if asked else Stage.PERSON_NEEDED, at=NOON)
        of: dict[str, Any] = {"name": "Pumpe 7", "model": "heat-pump"}
        self.put(customer(quiet_from="00:00", quiet_until="00:00", **changes))
        self.put(case_event(CaseKind.OPENED, Status.IN_PROGRESS, seq=0, **of), case_event(kind, status, seq=1, **of))
        self.put(said)
        self.run()
        return said.id

    def hear(self, said: Said) -> None:
        """It comes, and is dealt with as far as that goes."""
        self.replies.receive(said)
        self.work()

    def work(self) -> None:
        """Deal with what waits, and answer."""
        self.notifier.prepare()
        self.notifier.step(wait_s=0.0)
        while self.answering.step():
            pass
        self.notifier.publish()

    def dialogue(self) -> list[Record]:
        """What was heard and answered, as the log has it."""
        return sorted(self.records(DIALOGUE), key=lambda each: (each.time, type(each).__name__ == "Answered"))

    def heard(self) -> list[Heard]:
        """What was heard."""
        return [each for each in self.dialogue() if isinstance(each, Heard)]

    def answered(self) -> list[Answered]:
        """What was answered."""
        return [each for each in self.dialogue() if isinstance(each, Answered)]

    def words(self, sealed: str, key: str = "main/c-1") -> str | None:
        """What was sealed."""
        return opened(self.people.key(key), key, sealed)


def mail(
    text: str = "Was ist mit meiner Pumpe?", *, answers: str = "", sender: str = "Erika Muster <erika@example.org>", **headers: str
) -> bytes:
    """A mail of a customer, as it comes."""
    made = EmailMessage()
    made["From"], made["To"] = sender, SENDER
    made["Message-ID"] = headers.pop("message_id", "<first@customer.example>")
    made["Subject"] = headers.pop("subject", "AW: Pumpe 7: zu wenig Druck")
    if answers:
        made["In-Reply-To"] = made["References"] = f"<{answers}@example.org>"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made.as_bytes()


def reply(text: str = "Was ist mit meiner Pumpe?", at: Micros = NOON, return_path: str = "erika@example.org", **more: str) -> Said:
    """The same, read."""
    return read_mail(mail(text, **more), at, return_path=return_path, own="service@example.org")
