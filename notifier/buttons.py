"""Where the button of a message leads, and how a customer leaves: signed links (`vorab.links`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from vorab.clock import DAY, HOUR, Micros
from vorab.links import Claims, LinkFor, sign
from vorab.records import Notification, Stage
from vorab.topics import key_of

# Unlike a page, leaving must work for as long as somebody keeps the mail.
LEAVING_VALID: Final = 5 * 365 * DAY


@dataclass(frozen=True, slots=True)
class Buttons:
    """Signs the links of messages. Without a secret there are none."""

    secret: str = ""
    unsubscribe_url: str = ""
    """HTTPS address that takes one-click unsubscriptions (RFC 8058); a token is appended."""
    valid_us: Micros = 72 * HOUR

    def __repr__(self) -> str:
        """Without the secret."""
        return "Buttons()"

    def page(self, note: Notification, base_url: str, now: Micros) -> str:
        """The customer page of the case, under the address customers reach the desk at."""
        if not self.secret or not base_url:
            return ""
        return f"{base_url.rstrip('/')}/c/{sign(self.secret, self._claims(note, now + self.valid_us))}"

    def unsubscribe(self, note: Notification, now: Micros) -> str:
        """The one-click address."""
        if not self.secret or not self.unsubscribe_url:
            return ""
        claims = replace(self._claims(note, now + LEAVING_VALID), purpose=LinkFor.UNSUBSCRIBE)
        return f"{self.unsubscribe_url.rstrip('/')}/{sign(self.secret, claims)}"

    def call(self, note: Notification, now: Micros) -> str:
        """The token that says *yes, call me* from where a message is shown; only where that is what it asks."""
        if not self.secret or note.stage is not Stage.PERSON_NEEDED:
            return ""
        return sign(self.secret, replace(self._claims(note, now + self.valid_us), purpose=LinkFor.CALL))

    @staticmethod
    def _claims(note: Notification, until: Micros) -> Claims:
        return Claims(note.id, note.case, key_of(note.tenant, note.device), note.key, note.stage.value, until)
