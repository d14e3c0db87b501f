"""The file channel: each message a mail file in a folder, whole or not at all, once per notification. The demonstration's telephone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from notifier.channels import Message, Result
from notifier.folder import Folder
from notifier.mail import compose
from vorab.clock import iso
from vorab.people import Person
from vorab.records import Channel

NOWHERE: Final = "customer@invalid"
"""Stands in `To:` where a customer has no address; `.invalid` never exists (RFC 2606)."""


class FileChannel:
    """Writes `<notification>.eml` (or `.json`) into a folder; a file that is there already is left as it is."""

    idempotent = True

    def __init__(
        self,
        folder: Path,
        *,
        channel: Channel = Channel.FILE,
        sender: str = "vorab <service@example.org>",
        form: Literal["eml", "json"] = "eml",
    ) -> None:
        self.channel = channel
        """A folder may stand in for another channel, where nothing is to leave the machine."""
        self._folder, self._sender, self._form = Folder(folder, form), sender, form

    def reaches(self, person: Person | None) -> bool:  # noqa: ARG002 - the port's shape
        """Everybody: a folder needs no address."""
        return True

    def path(self, notification: str) -> Path:
        """Where the message of a notification stands."""
        return self._folder.path(notification)

    def send(self, message: Message) -> Result:
        """Write the message, on disk before it has its name."""
        return self._folder.write(message.notification, self._bytes(message))

    def forget(self, notification: str) -> None:
        """Delete the file."""
        self._folder.forget(notification)

    def _bytes(self, message: Message) -> bytes:
        if self._form == "eml":
            to = message.to if message.to.mail else replace(message.to, mail=NOWHERE)
            return compose(replace(message, to=to), self._sender).as_bytes()
        body = {
            "notification": message.notification,
            "case": message.case,
            "customer": message.to.customer,
            "language": message.language,
            "at": iso(message.at),
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "link": message.link,
        }
        return json.dumps(body, ensure_ascii=False, indent=1).encode("utf-8", "replace")
