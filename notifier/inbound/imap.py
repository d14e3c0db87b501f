"""Mail out of a mailbox: looked into every so often; what was taken is marked as seen once it is on disk, and stays where it is."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

from notifier.inbound.mail_reading import read_mail
from notifier.inbound.replies import Replies
from vorab.clock import Clock
from vorab.errors import Rejected, Unavailable
from vorab.inbound_settings import InboundImap

TIMEOUT_S: Final = 30.0
AT_ONCE: Final = 50
MOST_BYTES: Final = 1 << 20


class Mailbox:
    """Reads what nobody has seen."""

    def __init__(
        self, replies: Replies, clock: Clock, own: str, options: InboundImap, connect: Callable[[InboundImap], Any] | None = None
    ) -> None:
        self._replies, self._clock, self._own, self._options = replies, clock, own, options
        self._connect = connect or _connect

    def poll(self) -> int:
        """Look once; returns how many mails there were.

        Raises:
            Unavailable: the server does not answer, or not as it should.
        """
        try:
            box = self._connect(self._options)
            try:
                box.login(self._options.username, self._options.password.get_secret_value())
                _checked(box.select(self._options.folder))
                return sum(1 for _ in self._each(box))
            finally:
                box.logout()
        except (OSError, imaplib.IMAP4.error) as error:
            # The words of a server may quote what it was told.
            raise Unavailable(f"the mailbox cannot be read: {type(error).__name__}") from None

    def _each(self, box: Any) -> Iterator[bytes]:
        for uid in _checked(box.uid("SEARCH", None, "UNSEEN"))[0].split()[:AT_ONCE]:
            # PEEK: it is seen only once it is on disk here. A cut mail still has its words on top.
            answer = _checked(box.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MOST_BYTES}>)"))
            raw = next((part[1] for part in answer if isinstance(part, tuple)), b"")
            self._take(raw)
            _checked(box.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)"))
            yield uid

    def _take(self, raw: bytes) -> None:
        now = self._clock.now()
        try:
            self._replies.receive(read_mail(raw, now, own=self._own))
        except Rejected as error:
            self._replies.refuse("mail", f"{len(raw)}", error, len(raw), now)


def _connect(options: InboundImap) -> Any:
    if options.security == "tls":
        return imaplib.IMAP4_SSL(options.host, options.port, ssl_context=ssl.create_default_context(), timeout=TIMEOUT_S)
    return imaplib.IMAP4(options.host, options.port, timeout=TIMEOUT_S)


def _checked(answer: tuple[str, Any]) -> Any:
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(status)
    return data
