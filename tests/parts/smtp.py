"""A real SMTP server that writes down every message before it answers, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.parts.base import PATIENCE_S, free_port, wait_until

DRIPS, DRIP_S = 30, 0.25
"""Letters of an answer that drips, and s between them."""


class Answer(StrEnum):
    """What the sink does with the next messages."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    """550: this message never."""
    BUSY = "busy"
    """451: not now."""
    HANG = "hang"
    """Takes the message, then says nothing until the answer is changed."""
    DROP = "drop"
    """Takes the message, then cuts the line: the sender cannot know."""
    DRIP = "drip"
    """Takes the message, then says yes one letter at a time, for longer than anybody should listen."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as it came."""

    received_at: float
    """Wall time, s, before the sink answered."""
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    answer: Answer

    @property
    def message(self) -> EmailMessage:
        """Headers and body, parsed."""
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def message_id(self) -> str:
        """Its Message-ID."""
        return str(self.message["Message-ID"])


class SmtpSink:
    """An SMTP server on loopback; also its own handler."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self._answer = Answer.ACCEPT
        self.to: dict[str, list[Answer]] = {}
        """What single recipients' next messages are answered; all else as `answer` says."""
        self._changed = threading.Condition()
        self._mails: list[Mail] = []
        self._controller: Controller | None = None

    @property
    def mails(self) -> list[Mail]:
        """What came so far, refused ones included; `answer` tells."""
        with self._changed:
            return list(self._mails)

    @property
    def accepted(self) -> list[Mail]:
        """What the sink said yes to."""
        return [mail for mail in self.mails if mail.answer is Answer.ACCEPT]

    @property
    def answer(self) -> Answer:
        """What it does with messages now."""
        return self._answer

    @answer.setter
    def answer(self, answer: Answer) -> None:
        with self._changed:
            self._answer = answer
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything and be friendly again."""
        with self._changed:
            self._mails.clear()
            self.to.clear()
        self.answer = Answer.ACCEPT

    def wait_for(self, count: int, *, timeout_s: float = PATIENCE_S) -> list[Mail]:
        """The messages, once there are so many; raises TimeoutError."""
        wait_until(lambda: len(self.mails) >= count, f"{count} mails at the sink", timeout_s=timeout_s)
        return self.mails

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._controller = Controller(self, hostname=self.host, port=self.port, ready_timeout=60)
        self._controller.start()

    def stop(self) -> None:
        """Be away: connections are refused until `start`."""
        if self._controller is not None:
            self.answer = Answer.ACCEPT
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Write the message down, then answer as told."""
        del session
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        with self._changed:
            recipients = tuple(str(recipient) for recipient in envelope.rcpt_tos)
            own = self.to.get(recipients[0])
            answer = own.pop(0) if own else self._answer
            self._mails.append(Mail(time.time(), str(envelope.mail_from), recipients, raw, answer))
        match answer:
            case Answer.REFUSE:
                return "550 5.7.1 not wanted here"
            case Answer.BUSY:
                return "451 4.3.0 come back later"
            case Answer.DROP:
                assert isinstance(server.transport, asyncio.WriteTransport)
                server.transport.abort()
                return "421 4.3.0 gone"
            case Answer.HANG:
                while not _left(server) and (self._answer is Answer.HANG or own is not None):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                return "421 4.3.0 hung too long"
            case Answer.DRIP:
                assert isinstance(server.transport, asyncio.WriteTransport)
                for letter in b"250-taken" + b"." * DRIPS:
                    server.transport.write(bytes((letter,)))
                    await asyncio.sleep(DRIP_S)
                return "\r\n250 2.0.0 taken"
            case Answer.ACCEPT:
                return "250 2.0.0 taken"


def _left(server: SMTP) -> bool:
    """Whether the client has gone."""
    return server.transport is None or server.transport.is_closing()
