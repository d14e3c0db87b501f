"""Who agreed to what: one record for each time somebody said yes or took it back. None replaces another."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, CustomerRecord


class ConsentTo(StrEnum):
    """What somebody agrees to: the purposes of messages, and what is done to machines."""

    SERVICE = "service"
    ADVERTISING = "advertising"
    REMOTE_REPAIR = "remote_repair"


class ConsentBy(StrEnum):
    """By which way it came."""

    PAGE = "page"
    """A button on the customer page."""
    MAIL = "mail"
    """A reply, or the button of a mail program."""
    IMPORT = "import"
    """A file of the operator's."""
    AGENT = "agent"
    """An agent wrote it down."""
    REST = "rest"
    """A system of the operator's."""


class Consent(CustomerRecord):
    """A customer has agreed to something, or has taken it back."""

    TYPE = "io.vorab.consent.v1"
    TOPIC = topics.CONSENTS

    purpose: ConsentTo
    given: bool
    """False: refused, or taken back."""
    way: ConsentBy
    text: str = Field("", max_length=255)
    """Version of the words that were agreed to: `remote-repair-1.de@1f2e3d4c5b6a`, or what the collector calls them; empty: not said."""
    case: str = Field("", max_length=255)
    device: str = Field("", max_length=255)
    """For what it holds, where not for all."""
    by: str = Field("", max_length=255)
    """Role or pseudonymous id of who wrote it down; never a name."""
    because: str = ""
    """Id of the request it came with."""
    at: At

    @property
    def key(self) -> str:
        """`tenant/customer/id`: a key of its own, so that compaction keeps every one."""
        return f"{topics.key_of(self.tenant, self.customer)}/{self.id}"

    @property
    def of(self) -> str:
        """The customer's key."""
        return topics.key_of(self.tenant, self.customer)

    @property
    def time(self) -> Micros:
        """When it was said."""
        return self.at
