"""A mailbox that is looked into: what was taken is seen, what was not stays unseen."""

from __future__ import annotations

import imaplib
from typing import Any

import pytest

from notifier.inbound.imap import Mailbox
from notifier.inbound.replies import Replies
from tests.unit.notifier.inbound.parlour import Parlour, mail
from vorab.errors import Unavailable
from vorab.inbound_settings import InboundImap


class Box:
    """An IMAP server with one folder, as imaplib shows it."""

    def __init__(self, *mails: bytes) -> None:
        self.mails = {str(number).encode(): raw for number, raw in enumerate(mails, 1)}
        self.seen: set[bytes] = set()
        self.says = "OK"
        self.left = 0

    def login(self, user: str, password: str) -> None:
        """Whoever knows the password."""
        assert (user, password) == ("service", "secret")

    def select(self, folder: str) -> tuple[str, list[bytes]]:
        """Open a folder."""
        assert folder == "INBOX"
        return self.says, [b"1"]

    def uid(self, command: str, *arguments: Any) -> tuple[str, list[Any]]:
        """Search, fetch, mark."""
        match command:
            case "SEARCH":
                return "OK", [b" ".join(uid for uid in self.mails if uid not in self.seen)]
            case "FETCH":
                assert "PEEK" in arguments[1]
                return "OK", [(b"1 (BODY[] {1}", self.mails[arguments[0]]), b")"]
            case _:
                self.seen.add(arguments[0])
                return "OK", [None]

    def logout(self) -> None:
        """Goodbye."""
        self.left += 1


def mailbox(replies: Replies, parlour: Parlour, box: Box) -> Mailbox:
    """A mailbox behind this server."""
    options = InboundImap.model_validate({"host": "imap.example.org", "username": "service", "password": "secret"})
    return Mailbox(replies, parlour.clock, "service@example.org", options, lambda _: box)


def test_every_mail_is_taken_once(parlour: Parlour) -> None:
    """Taken, then marked; a broken one is kept with its reason and does not come again."""
    box = Box(mail("Hallo"), b"no mail", mail("Danke", message_id="<2@customer.example>"))
    reader = mailbox(parlour.replies, parlour, box)
    assert (reader.poll(), reader.poll(), box.left) == (3, 0, 2)
    assert len(parlour.inbox.waiting(10)) == 2


def test_what_was_not_taken_stays_unseen(parlour: Parlour, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that fails before the mark: the mail is there the next time."""
    box = Box(mail("Hallo"))
    reader = mailbox(parlour.replies, parlour, box)

    def fails(_: object) -> bool:
        raise RuntimeError("no room")

    monkeypatch.setattr(parlour.replies, "receive", fails)
    with pytest.raises(RuntimeError):
        reader.poll()
    assert box.seen == set()


def test_a_server_that_says_no_is_away(parlour: Parlour) -> None:
    """Its words are not repeated: they may quote a password."""
    box = Box()
    box.says = "NO"
    with pytest.raises(Unavailable) as away:
        mailbox(parlour.replies, parlour, box).poll()
    assert str(away.value) == f"the mailbox cannot be read: {imaplib.IMAP4.error.__name__}"
