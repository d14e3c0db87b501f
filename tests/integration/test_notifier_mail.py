"""The mail channel against a real SMTP server that takes, refuses, stalls, hangs and cuts the line."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime

import pytest

from notifier.channels import Message, Outcome
from notifier.mail import MailChannel, Server, compose
from notifier.preview import Sample, message_of
from notifier.words import load_words
from tests.parts.base import PATIENCE_S
from tests.parts.smtp import Answer, SmtpSink
from tests.unit.notifier.house import NOON
from vorab.clock import to_datetime
from vorab.people import Person
from vorab.records import Stage

SENDER = "vorab Service <service@example.org>"


def message(**changes: object) -> Message:
    """A German message to Erika."""
    plain = Message(
        notification="5f0f7c0e-0000-5000-8000-000000000001",
        case="case-1",
        first=True,
        to=Person("main/c-1", "Erika Müster", "erika@example.org"),
        language="de",
        at=NOON,
        subject="Pumpe 7: zu wenig Druck",
        text="Guten Tag,\n\n.ein Punkt am Anfang\n\n" + "Eine lange Zeile mit Umlauten äöü. " * 40 + "\n",
        html="<p>Guten Tag</p>\n",
        link="https://desk.example.org/c/x",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def channel(sink: SmtpSink, timeout_s: float = PATIENCE_S) -> MailChannel:
    """A mail channel to the sink."""
    return MailChannel(Server(sink.host, sink.port, timeout_s=timeout_s), SENDER)


def test_a_mail_arrives_as_it_was_meant(smtp_sink: SmtpSink) -> None:
    """Text first, then HTML; headers that say it is automatic, which notification and which case it belongs to."""
    sent = message(unsubscribe="https://desk.example.org/u/token")
    assert channel(smtp_sink).send(sent).outcome is Outcome.SENT
    [mail] = smtp_sink.accepted
    assert mail.recipients == ("erika@example.org",)
    got = mail.message
    assert [part.get_content_type() for part in got.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    text = got.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == sent.text
    assert got["Message-ID"] == "<5f0f7c0e-0000-5000-8000-000000000001@example.org>"
    assert got["References"] == "<case.case-1@example.org>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(str(got["Date"])) == to_datetime(NOON)
    assert got["List-Unsubscribe"] == "<https://desk.example.org/u/token>"
    assert got["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(got["To"]) == "Erika Müster <erika@example.org>"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer.ACCEPT, Outcome.SENT),
        (Answer.REFUSE, Outcome.FAILED),
        (Answer.BUSY, Outcome.LATER),
        (Answer.DROP, Outcome.UNKNOWN),
        (Answer.HANG, Outcome.UNKNOWN),
    ],
)
def test_what_the_server_does_is_what_we_say(smtp_sink: SmtpSink, answer: Answer, outcome: Outcome) -> None:
    """Only the server's word makes it sent or failed; silence after the message is unknown, never failed."""
    smtp_sink.answer = answer
    # A provider that hangs has had the message by then, also where the machine is slow; nobody else is waited for so long.
    result = channel(smtp_sink, timeout_s=5 if answer is Answer.HANG else PATIENCE_S).send(message())
    assert result.outcome is outcome
    assert "@" not in result.detail


def test_a_server_that_is_away_certainly_has_nothing(smtp_sink: SmtpSink) -> None:
    """Before the message was handed over, trying again is safe."""
    smtp_sink.stop()
    assert channel(smtp_sink).send(message()).outcome is Outcome.LATER
    smtp_sink.start()
    assert channel(smtp_sink).send(message()).outcome is Outcome.SENT


def faults(raw: bytes) -> list[str]:
    """What keeps a mail from being signed and from staying signed on its way (RFC 5322, 6376, 8058)."""
    head, _, _ = raw.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].decode().lower() for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    found = [f"{name} {names.count(name)} times" for name in ONCE if names.count(name) != 1]
    found += [f"{name} more than once" for name in set(names) if names.count(name) > 1]
    found += ["a line of more than 998 octets"] * any(len(line) > 998 for line in raw.split(b"\r\n"))
    found += ["a bare line feed"] * (b"\n" in raw.replace(b"\r\n", b""))
    found += ["a bare carriage return"] * (b"\r" in raw.replace(b"\r\n", b""))
    found += ["eight bits, which a server on the way may recode"] * (not raw.isascii())
    found += ["an empty header"] * any(not line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line[:1] not in b" \t")
    found += ["a space at the end of a line"] * any(line.endswith((b" ", b"\t")) for line in head.split(b"\r\n"))
    return found


ONCE = ("from", "to", "subject", "date", "message-id", "mime-version", "list-unsubscribe", "list-unsubscribe-post")
"""A signature covers these: each has to be there once, or another could be put before it."""


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("stage", list(Stage))
def test_every_kind_of_mail_can_be_signed_as_it_reaches_the_server(smtp_sink: SmtpSink, stage: Stage, language: str) -> None:
    """Also with long and hostile names: no bare line ends, no long line, nothing twice, nothing a server on the way would change."""
    names = ["", "Ä" * 300, "x" * 2_000, EVIL[0], EVIL[5], "日本語のとても長い名前" * 30]
    for name in names:
        made = message_of(Sample(stage, language, machine=name, person=name), load_words())
        sent = replace(made, unsubscribe="https://desk.example.org/c/leave/" + "t" * 600)
        assert channel(smtp_sink).send(sent).outcome is Outcome.SENT
    assert [faults(mail.content) for mail in smtp_sink.accepted] == [[]] * len(names)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"\r\nTo:", b"\nTo:"), (b"\r\nDate:", b"\r\nDate: x\r\nDate:"), (b"\r\nMessage-ID:", b"\r\nX:"), (b"\r\nFrom:", b"\r\nX: \r\nFrom:")],
)
def test_a_mail_that_could_not_stay_signed_is_caught(old: bytes, new: bytes) -> None:
    """Known-bad: a bare line feed, a second date, no Message-ID, an empty header."""
    raw = b"\r\n" + compose(message(unsubscribe="https://desk.example.org/c/leave/t"), SENDER).as_bytes()
    assert faults(raw[2:]) == []
    assert faults(raw.replace(old, new, 1)[2:])


EVIL = [
    "Erika\r\nBcc: victim@example.org",
    "Erika\nSubject: something else",
    "Erika\r\n\r\nbody",
    'Erika" <victim@example.org>, "',
    "Erika\u2028Bcc: victim@example.org",
    "Erika\x00\x0b\x0c\x1c\x85Bcc: victim@example.org",
    "{{7*7}} ${7*7} {0.__class__} %s =?utf-8?q?=0ABcc:_victim@example.org?=",
    "x" * 5_000,
]


@pytest.mark.parametrize("text", EVIL)
def test_no_name_and_no_subject_makes_a_header(smtp_sink: SmtpSink, text: str) -> None:
    """Whatever a name holds, it is one message with the expected headers to the expected person."""
    sent = message(subject=text, to=Person("main/c-1", text, "erika@example.org"))
    assert channel(smtp_sink).send(sent).outcome is Outcome.SENT
    [mail] = smtp_sink.accepted
    assert mail.recipients == ("erika@example.org",)
    got = mail.message
    assert sorted(got.keys()) == sorted(compose(message(), SENDER).keys())
    assert len(got["To"].addresses) == 1
    assert got["To"].addresses[0].addr_spec == "erika@example.org"


@pytest.mark.parametrize(
    "address", ["erika@example.org\r\nBcc: x@example.org", "a@b, c@d", "<a@b>", "a b@c", "nobody", "", "@example.org", "ä@example.org"]
)
def test_what_is_no_plain_address_is_not_written_to(smtp_sink: SmtpSink, address: str) -> None:
    """An address that is not exactly one address reaches nobody."""
    assert not channel(smtp_sink).reaches(Person("main/c-1", "", address))


def test_the_same_message_has_the_same_id_and_the_thread_of_its_case() -> None:
    """A mail program shows all messages of a case as one conversation, and a repeated one as the same."""
    first, second = compose(message(), SENDER), compose(message(notification="other", first=False), SENDER)
    again = message_from_bytes(compose(message(), SENDER).as_bytes(), policy=policy.default)
    assert again["Message-ID"] == first["Message-ID"] != second["Message-ID"]
    assert second["References"] == first["References"] == second["In-Reply-To"]
