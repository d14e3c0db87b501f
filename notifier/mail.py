"""Mail: our own sender on the standard library, because the difference between *not sent* and *perhaps sent* is the whole point.

A message is multipart (text first), its Message-ID is made of the notification id, and all messages about a case are one thread.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any, Final, Literal

from notifier.channels import Message, Outcome, Result
from vorab.clock import to_datetime
from vorab.errors import ConfigError
from vorab.people import Person
from vorab.records import Channel

# Seven bits: no server has to be asked whether it takes eight.
_POLICY: Final = SMTP.clone(cte_type="7bit")
MAX_HEADER: Final = 200
MAX_ID: Final = 250
"""Letters of a Message-ID that is quoted."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control characters, line separators, marks that turn the direction of writing around, and halves of characters (JSON can hold them)."""
_ADDRESS: Final = re.compile(r"[^@\s<>,;:\"()\[\]\\]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_QUOTED: Final = re.compile(r"[^\s<>]+@[^\s<>]+")
_ID: Final = re.compile(r"[^A-Za-z0-9._-]")

Security = Literal["none", "starttls", "tls"]


def one_line(text: str, limit: int = MAX_HEADER) -> str:
    """Text as it may stand in a header: one line, no control characters, capped."""
    # "=?" opens an encoded word (RFC 2047), in which a line break could hide until some mail program decodes it.
    clean = _CONTROL.sub(" ", text).replace("=?", "= ?").strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def valid_address(text: str) -> bool:
    """Whether this is one plain mail address and nothing besides."""
    return len(text) <= 254 and text.isascii() and _ADDRESS.fullmatch(text) is not None


def message_id(domain: str, *parts: str) -> str:
    """A Message-ID that is the same for the same parts."""
    return f"<{'.'.join(_ID.sub('_', part) for part in parts)}@{domain}>"


def _address(name: str, address: str) -> Address:
    make: Any = Address  # typeshed has no types for its arguments
    found: Address = make(one_line(name), addr_spec=address)
    return found


def compose(message: Message, sender: str) -> EmailMessage:
    """The mail of a message; same message in, same headers out (only the MIME boundary is free)."""
    name, address = parseaddr(sender)
    domain = address.rpartition("@")[2]
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = _address(name, address)
    mail["To"] = _address(message.to.name, message.to.mail)
    mail["Subject"] = one_line(message.subject)
    mail["Date"] = format_datetime(to_datetime(message.at))
    mail["Message-ID"] = message_id(domain, message.notification)
    # The case's root is never sent; mail programs gather what refers to it.
    root, answered = message_id(domain, "case", message.case), one_line(message.answers, MAX_ID)
    mail["References"] = f"{root} {answered}" if answered else root
    if answered or not message.first:
        mail["In-Reply-To"] = answered or root
    mail["Auto-Submitted"] = "auto-replied" if answered else "auto-generated"
    mail["Content-Language"] = one_line(message.language)
    if message.unsubscribe:
        mail["List-Unsubscribe"] = f"<{one_line(message.unsubscribe, 2_000)}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to speak to it."""

    host: str
    port: int = 25
    username: str = ""
    password: str = ""
    timeout_s: float = 30.0
    security: Security = "none"

    def __repr__(self) -> str:
        """Without the password."""
        return f"Server({self.host}:{self.port})"


class MailChannel:
    """Sends mail; one connection per message, so that a broken one concerns one message."""

    channel = Channel.MAIL
    idempotent = False

    def __init__(self, server: Server, sender: str, connect: Callable[[Server], smtplib.SMTP] | None = None) -> None:
        if not valid_address(parseaddr(sender)[1]):
            raise ConfigError(
                f"sender {sender!r} holds no mail address", key="notifier.sender", hint='for example "vorab <service@example.org>"'
            )
        self._server, self._sender = server, sender
        self._connect = connect or _connect

    def reaches(self, person: Person | None) -> bool:
        """Whether there is an address that can be written to."""
        return person is not None and valid_address(person.mail)

    def forget(self, notification: str) -> None:
        """Nothing: what was sent is out of the house."""

    def send(self, message: Message) -> Result:
        """One conversation with the server, told by how far it came."""
        mail = compose(message, self._sender)
        body = mail.as_bytes()
        try:
            smtp = self._connect(self._server)
        except (OSError, smtplib.SMTPException) as error:
            return _before_data(error)
        try:
            return _converse(smtp, parseaddr(self._sender)[1], message.to.mail, body)
        finally:
            smtp.close()


@contextlib.contextmanager
def _in_time(sock: socket.socket | None, timeout_s: float) -> Iterator[None]:
    """Ends the line when an answer is not whole by then: a timeout of the socket begins anew with each letter that drips in."""

    def end() -> None:
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Smtp(smtplib.SMTP):
    """A conversation in which each answer has its time."""

    def getreply(self) -> tuple[int, bytes]:
        """One answer, whole and in time."""
        with _in_time(self.sock, self.timeout):
            return super().getreply()


class _SmtpTls(smtplib.SMTP_SSL):
    """The same within TLS from the first byte."""

    def getreply(self) -> tuple[int, bytes]:
        """One answer, whole and in time."""
        with _in_time(self.sock, self.timeout):
            return super().getreply()


def _connect(server: Server) -> smtplib.SMTP:
    if server.security == "tls":
        context = ssl.create_default_context()
        smtp: smtplib.SMTP = _SmtpTls(server.host, server.port, timeout=server.timeout_s, context=context)
    else:
        smtp = _Smtp(server.host, server.port, timeout=server.timeout_s)
    try:
        if server.security == "starttls":
            smtp.starttls(context=ssl.create_default_context())
        if server.username:
            smtp.login(server.username, server.password)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _converse(smtp: smtplib.SMTP, sender: str, recipient: str, body: bytes) -> Result:
    steps: tuple[tuple[Callable[[], tuple[int, bytes]], int], ...] = (
        (lambda: smtp.mail(sender), 250),
        (lambda: smtp.rcpt(recipient), 250),
        (lambda: smtp.docmd("DATA"), 354),
    )
    try:
        smtp.ehlo_or_helo_if_needed()
        for step, good in steps:
            code, said = step()
            if code // 10 != good // 10:
                return _answered(code, said) if code >= 400 else Result(Outcome.LATER, _told(code, said))
    except (OSError, smtplib.SMTPException) as error:
        return _before_data(error)
    # From here on the server may have the message: only its own word tells.
    try:
        smtp.send(_dotted(body))
        code, said = smtp.getreply()
    except (OSError, smtplib.SMTPException) as error:
        return Result(Outcome.UNKNOWN, f"no answer after the message: {type(error).__name__}")
    if code == 421:
        return Result(Outcome.UNKNOWN, _told(code, said))
    with contextlib.suppress(OSError, smtplib.SMTPException):  # a farewell changes nothing any more
        smtp.docmd("QUIT")
    return _answered(code, said)


def _dotted(body: bytes) -> bytes:
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", body)
    lines = re.sub(rb"(?m)^\.", b"..", lines)
    return lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _before_data(error: Exception) -> Result:
    """The message never left: whatever went wrong, it can be tried again, unless the server said no for good."""
    if isinstance(error, smtplib.SMTPResponseException) and 500 <= error.smtp_code < 600:
        # Wrong credentials are the operator's to mend, so the message waits.
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return Result(Outcome.LATER, "the mail server refuses our credentials")
        return _answered(error.smtp_code, error.smtp_error)
    return Result(Outcome.LATER, f"mail server: {type(error).__name__}")


def _answered(code: int, said: bytes | str) -> Result:
    if 200 <= code < 300:
        return Result(Outcome.SENT, _told(code, said))
    if 500 <= code < 600:
        return Result(Outcome.FAILED, _told(code, said))
    return Result(Outcome.LATER, _told(code, said))


def _told(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    # Servers like to quote the recipient; deliveries hold no personal data.
    return one_line(f"{code} {_QUOTED.sub('(address)', text)}", 120)
