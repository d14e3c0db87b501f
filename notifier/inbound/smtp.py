"""Mail by LMTP or SMTP, handed over by a mail server on this machine. What was taken is on disk before the server is told so."""

from __future__ import annotations

from typing import Any, Final

from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from notifier.inbound.mail_reading import read_mail
from notifier.inbound.replies import Replies
from vorab.clock import Clock
from vorab.errors import Rejected
from vorab.service import logger

READY_S: Final = 60.0
TAKEN: Final = "250 2.0.0 taken"


class MailDoor:
    """Listens while it is started; also the listener's handler."""

    def __init__(
        self, replies: Replies, clock: Clock, own: str, host: str, port: int, *, lmtp: bool = True, most_bytes: int = 1 << 20
    ) -> None:
        self._replies, self._clock, self._own = replies, clock, own
        self._logger = logger("replies")
        speaks = LMTP if lmtp else SMTP

        class Door(Controller):
            def factory(self) -> Any:
                """One conversation."""
                return speaks(
                    self.handler, data_size_limit=most_bytes, enable_SMTPUTF8=True, hostname="localhost", ident="vorab", timeout=60
                )

        self._door = Door(self, hostname=host, port=port, ready_timeout=READY_S)

    def start(self) -> None:
        """Listen."""
        self._door.start()

    def stop(self) -> None:
        """Listen no more."""
        self._door.stop()

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """A mail has come. What cannot be read is kept with its reason and not sent back: it would only come again."""
        del server, session
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
        return self.take(raw, envelope.mail_from)

    async def handle_exception(self, error: Exception) -> str:
        """Whatever went wrong here, the mail is not lost: the server keeps it and comes again."""
        self._logger.warning("mail not taken", reason=type(error).__name__)
        return "451 4.3.0 come back later"

    def take(self, raw: bytes, return_path: str | None) -> str:
        """What the mail server is told."""
        now = self._clock.now()
        try:
            self._replies.receive(read_mail(raw, now, return_path=return_path or "", own=self._own))
        except Rejected as error:
            self._replies.refuse("mail", f"{len(raw)}", error, len(raw), now)
        return TAKEN
