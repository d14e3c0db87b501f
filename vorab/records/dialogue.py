"""What is said between a customer and us beside notifications: heard, answered, and what a person corrected. Words are sealed."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, CustomerRecord, Name, Text

MAX_SEALED = 16_000
"""Letters of a sealed text: 2,000 of four bytes each, and what sealing adds."""


class HandedTo(StrEnum):
    """Who deals with what was heard."""

    VORAB = "vorab"
    """It is answered or done by itself."""
    PERSON = "person"
    """A person answers, with the whole story before them."""


class Heard(CustomerRecord):
    """A customer has said something, by whatever way; what it was taken for, and who deals with it."""

    TYPE = "io.vorab.heard.v1"
    TOPIC = topics.DIALOGUE

    case: str = Field("", max_length=255)
    """The case it belongs to, found without asking; empty where none could be told."""
    device: str = Field("", max_length=255)
    channel: Name
    """`mail`, `webhook`, `telegram`, `mastodon`, `phone`, `page`."""
    said: str = Field("", max_length=MAX_SEALED)
    """The words, sealed with the customer's key."""
    answers: str = Field("", max_length=255)
    """The notification it answers."""
    intent: str = Field("", max_length=64)
    """What it was taken for; empty where it was not understood."""
    handed_to: HandedTo
    doubts: tuple[str, ...] = ()
    """Why a person: anger, law, money, not understood, asked for one, …"""
    public: bool = False
    """Whether others could read it."""
    edited: bool = False
    """Whether it replaces what the same message said before."""
    at: At

    @property
    def time(self) -> Micros:
        """When it was said."""
        return self.at


class Answered(CustomerRecord):
    """What a customer was answered."""

    TYPE = "io.vorab.answered.v1"
    TOPIC = topics.DIALOGUE

    heard: Name
    """Id of what is answered."""
    case: str = Field("", max_length=255)
    channel: Name
    answer: Name
    """Which of the written answers: `state_of_device`, `call_booked`, `stopped`, `article`, `person_will_answer`, `by_hand`."""
    source: Text = ""
    """What it rests on: `article:pump-air`, `case:…`; named in the answer as well."""
    said: str = Field("", max_length=MAX_SEALED)
    """The words, sealed with the customer's key."""
    by: str = "vorab"
    """`vorab`, or the role or pseudonymous id of who answered."""
    at: At

    @property
    def time(self) -> Micros:
        """When it was answered."""
        return self.at


class Corrected(CustomerRecord):
    """A person says what was meant by something that was heard."""

    TYPE = "io.vorab.corrected.v1"
    TOPIC = topics.DIALOGUE

    heard: Name
    intent: str = Field("", max_length=64)
    """What it meant."""
    before: str = Field("", max_length=64)
    """What it had been taken for."""
    by: str = ""
    at: At

    @property
    def time(self) -> Micros:
        """When it was corrected."""
        return self.at
