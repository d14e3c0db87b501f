"""The port to channels: what is handed over, and the four things that can come of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from vorab.clock import Micros
from vorab.people import Person
from vorab.records import Channel, Urgency


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered message, ready for any channel."""

    notification: str
    case: str
    first: bool
    """Whether it is the first about its case; later ones belong to the same thread."""
    to: Person
    language: str
    at: Micros
    """When it is sent, µs."""
    subject: str
    text: str
    html: str
    link: str = ""
    """Where its button leads."""
    unsubscribe: str = ""
    """One-click address by RFC 8058, if there is one."""
    call: str = ""
    """Token that says *yes, call me*, for ways that have a button of their own."""
    expires_at: Micros = 0
    """When nobody needs it any more, µs."""
    urgency: Urgency = Urgency.NORMAL
    answers: str = ""
    """Where it answers something a customer wrote: the Message-ID of that."""


def paragraphs(message: Message) -> tuple[str, ...]:
    """What a message says: without its button, and without the lines below it."""
    parts = message.text.partition("\n-- \n")[0].split("\n\n")
    said = (" ".join(part.split()) for part in parts if not (message.link and message.link in part))
    return tuple(part for part in said if part)


class Outcome(StrEnum):
    """What a channel says."""

    SENT = "sent"
    """The provider has taken responsibility."""
    FAILED = "failed"
    """The provider refused it for good."""
    LATER = "later"
    """It was certainly not taken; trying again may help."""
    UNKNOWN = "unknown"
    """It may have been taken: never tried again by itself."""


@dataclass(frozen=True, slots=True)
class Result:
    """An outcome, and what the provider said about it, without addresses."""

    outcome: Outcome
    detail: str = ""
    after_s: float = 0.0
    """The provider asks for so much patience before it is tried again."""
    gone: tuple[str, ...] = ()
    """Devices that show nothing any more, by their endpoints: to be forgotten."""


class ChannelPort(Protocol):
    """A way to reach a person."""

    channel: Channel
    idempotent: bool
    """Whether handing over the same notification twice makes one message: then an interrupted send is simply repeated."""

    def reaches(self, person: Person | None) -> bool:
        """Whether this customer has a contact point here."""

    def send(self, message: Message) -> Result:
        """Hand a message over; blocks; raises nothing that a provider can cause."""

    def forget(self, notification: str) -> None:
        """Delete what was kept of a message, if anything was."""
