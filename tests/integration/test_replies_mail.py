"""A whole conversation over real SMTP: a message out, the customer answers, the answer stands in their thread, once."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest

from notifier.wiring import Service
from tests.parts.base import free_port, wait_until
from tests.parts.smtp import Mail, SmtpSink
from tests.unit.notifier.house import case_event, customer, note
from vorab import provision, settings
from vorab.clock import MINUTE, SystemClock
from vorab.log import EventLog, Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.people import Person
from vorab.records import Answered, CaseEvent, CaseKind, HandedTo, Heard, Record, Stage, Status, from_wire, to_wire
from vorab.sealing import opened
from vorab.topics import CASES_BY_CUSTOMER, DIALOGUE, REJECTED, partition_of

ASKS: Final = "Wie ist der Stand bei meiner Wärmepumpe?"


class Town:
    """A notifier with a mail server before it, and a customer who writes."""

    def __init__(self, folder: Path, sink: SmtpSink, protocol: str) -> None:
        self.folder, self.sink, self.protocol, self.port = folder, sink, protocol, free_port()
        values: dict[str, Any] = {
            "state_dir": str(folder), "link_secret": "a secret for tests", "notifier.smtp_host": sink.host, "notifier.smtp_port": sink.port,
            "notifier.inbound.on": True, "notifier.inbound.mail.port": self.port, "notifier.inbound.mail.protocol": protocol,
            "topics.partitions": 3, "topics.recorded_partitions": 0,
        }  # fmt: skip
        self.settings = settings.load(None, env={}, overrides=values)
        self.log: EventLog = SqliteLog(folder / "log.db", fsync=False)
        provision.create_topics(self.log, self.settings)
        self.service = Service(self.log, self.settings, SystemClock())

    def put(self, *records: Record) -> None:
        """Append records; case events by customer."""
        out = []
        for record in records:
            key, value, headers = to_wire(record, "urn:test")
            topic, name = (CASES_BY_CUSTOMER, b"main/c-1") if isinstance(record, CaseEvent) else (record.TOPIC, key)
            out.append(Outgoing(topic, partition_of(name.decode(), 3), name, value, headers))
        append_all(self.log, out)

    def records(self, topic: str) -> list[Record]:
        """All on a topic."""
        return [from_wire(each.value, each.headers) for each in self.log.read({(topic, part): 0 for part in range(3)}, limit=10_000)]

    def write(self, mail: EmailMessage, sender: str) -> None:
        """Hand a mail over, as a mail server does."""
        make = smtplib.LMTP if self.protocol == "lmtp" else smtplib.SMTP
        with make("127.0.0.1", self.port) as server:
            server.send_message(mail, sender, ["service@example.org"])

    def close(self) -> None:
        """End."""
        self.service.stop()
        self.log.close()


@pytest.fixture(params=["lmtp", "smtp"])
def town(tmp_path: Path, smtp_sink: SmtpSink, request: pytest.FixtureRequest) -> Iterator[Town]:
    """A notifier that runs."""
    made = Town(tmp_path, smtp_sink, request.param)
    now = SystemClock().now()
    made.service.people.put([Person("main/c-1", "Erika Muster", "erika@example.org")])
    of: dict[str, Any] = {"name": "Pumpe 7", "model": "heat-pump", "at": now, "onset": now - 5 * MINUTE, "opened_at": now}
    made.put(customer(quiet_from="00:00", quiet_until="00:00", quiet_days=()))
    made.put(case_event(CaseKind.OPENED, Status.IN_PROGRESS, seq=0, **of), case_event(CaseKind.HANDED_OVER, Status.HELD, seq=1, **of))
    made.put(note(Stage.PERSON_NEEDED, at=now))
    made.service.start()
    try:
        yield made
    finally:
        made.close()


def answer_to(mail: Mail, text: str, **headers: str) -> EmailMessage:
    """What a mail program makes of an answer."""
    made = EmailMessage()
    made["From"], made["To"] = "Erika Muster <erika@example.org>", str(mail.message["From"])
    made["Subject"], made["Message-ID"] = f"AW: {mail.message['Subject']}", headers.pop("message_id", "<answer-1@customer.example>")
    made["In-Reply-To"] = mail.message_id
    made["References"] = f"{mail.message['References']} {mail.message_id}"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(f"{text}\n\nAm 24.11.2026 um 12:00 schrieb vorab:\n> Dürfen wir Sie anrufen?\n")
    return made


def test_a_customer_asks_and_is_answered_in_their_thread_once(town: Town) -> None:
    """Message out, answer in, understood, answered from live state; twice delivered, once answered; sealed on the log."""
    [out] = town.sink.wait_for(1)
    asked = answer_to(out, ASKS)
    town.write(asked, "erika@example.org")
    town.write(asked, "erika@example.org")
    answer = town.sink.wait_for(2)[1]
    got = answer.message
    assert (answer.recipients, got["In-Reply-To"]) == (("erika@example.org",), "<answer-1@customer.example>")
    assert str(got["References"]).split() == ["<case.case-1@example.org>", "<answer-1@customer.example>"]
    assert (got["Auto-Submitted"], got["Subject"]) == ("auto-replied", asked["Subject"])
    text = got.get_body(("plain",))
    assert text is not None
    assert "Jetzt kümmert sich ein Mensch" in text.get_content()
    wait_until(lambda: len(town.records(DIALOGUE)) == 2, "both sides on the log")

    town.write(asked, "erika@example.org")
    town.write(answer_to(out, ASKS, message_id="<ooo@customer.example>", Auto_Submitted="auto-replied"), "erika@example.org")
    bounce = answer_to(answer, ASKS, message_id="<bounce@customer.example>")
    town.write(bounce, "")
    town.write(
        answer_to(answer, "Ich bin stinksauer, ich rufe meinen Anwalt an.", message_id="<last@customer.example>"), "erika@example.org"
    )
    town.sink.wait_for(3)
    wait_until(lambda: len(town.records(DIALOGUE)) == 4, "what a person has to answer on the log")
    heard = [each for each in town.records(DIALOGUE) if isinstance(each, Heard)]
    answered = [each for each in town.records(DIALOGUE) if isinstance(each, Answered)]
    assert [each.handed_to for each in heard] == [HandedTo.VORAB, HandedTo.PERSON]
    assert [each.answer for each in answered] == ["state_of_device", "person_will_answer"]
    assert {"anger", "law"} & set(heard[1].doubts)
    key = town.service.people.key("main/c-1")
    assert opened(key, "main/c-1", heard[0].said) == ASKS
    kept = b"".join(file.read_bytes() for file in town.folder.iterdir() if file.name.startswith("log.db"))
    assert heard[0].id.encode() in kept
    for word in ("Stand bei meiner", "erika", "Anwalt", "Muster"):
        assert word.encode() not in kept, word


def test_bad_mail_never_stops_the_good(town: Town) -> None:
    """From nobody, from two, in three thousand layers, too large: kept with a reason or refused, and the next one is answered."""
    [out] = town.sink.wait_for(1)
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(3_000))
    make = smtplib.LMTP if town.protocol == "lmtp" else smtplib.SMTP
    with make("127.0.0.1", town.port) as server:
        for bad in ("no mail", "From: a@b.example, c@d.example\r\n\r\nHallo", f"From: a@b.example\r\n{deep}"):
            server.sendmail("a@b.example", ["service@example.org"], bad)
    with make("127.0.0.1", town.port) as server, pytest.raises(smtplib.SMTPException):
        server.sendmail("a@b.example", ["service@example.org"], "From: a@b.example\r\n\r\n" + "Hallo\r\n" * 300_000)
    town.write(answer_to(out, ASKS), "erika@example.org")
    town.sink.wait_for(2)
    wait_until(lambda: len(town.records(REJECTED)) >= 2, "what was refused on the log")
