"""A customer got in touch: what comes of it on the log, so that the ledger of lead times knows who noticed first. Pure.

What was said is personal and is not kept: neither here nor on the log stands more than when, by which way, and about which device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vorab import ids
from vorab.clock import DAY, MINUTE, Micros, iso
from vorab.records import At, Command, CommandKind
from vorab.topics import DEFAULT_TENANT, ID

MOST_DEVICES: Final = 200
"""A customer with more of them, none of which is known to be faulty, has to be asked which one."""
OLDEST: Final[Micros] = 30 * DAY
"""The ledger remembers no longer."""
AHEAD: Final[Micros] = 5 * MINUTE
"""Clocks of others may be wrong by so much."""

Id = Annotated[str, Field(pattern=rf"^{ID.pattern}$")]


class Way(StrEnum):
    """How the customer got in touch."""

    CALL = "call"
    MAIL = "mail"
    PAGE = "page"
    SOCIAL = "social"
    NOTE = "note"
    """As an agent wrote down."""


class Contact(BaseModel):
    """A customer got in touch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer: Id | None = Field(None, description="Id of the customer; or `device`.")
    device: Id | None = Field(None, description="Id of the device it was about; it need not be registered.")
    tenant: Id = DEFAULT_TENANT
    channel: Way = Field(description="How the customer got in touch.")
    at: At | None = Field(None, description="When, ISO 8601 with zone; now, if it is left out.")
    by: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,63}$")] | None = Field(
        None, description="Role or pseudonymous id of who tells; never a name. The token's name, if it is left out."
    )
    waiting: bool = Field(default=False, description="The customer is on the line: answer with what whoever takes the call needs.")
    detail: str = Field("", max_length=2_000, description="What was said. It is not kept: free text is personal data.")

    @model_validator(mode="after")
    def _about_something(self) -> Contact:
        if (self.customer is None) == (self.device is None):
            raise ValueError("names either a customer or a device")
        return self


def wrong_time(at: Micros, now: Micros) -> str:
    """What is wrong with the time of a contact; empty where nothing is."""
    if at > now + AHEAD:
        return "it lies ahead"
    return f"it is older than {OLDEST // DAY} days, and the ledger has forgotten those" if at < now - OLDEST else ""


def name_of(contact: Contact, at: Micros, key: str) -> str:
    """What makes a contact one and the same: the key it was sent with, else whom it is about, how and when."""
    about = f"customer {contact.customer}" if contact.customer else f"device {contact.device}"
    return key or f"{contact.tenant} {about} {contact.channel} {iso(at)}"


def commands(
    contact: Contact, name: str, at: Micros, by: str, devices: Sequence[str], cases: Mapping[str, Sequence[str]]
) -> Iterator[Command]:
    """One for each open case of these devices (by key); where none is open, one for each device: the customer may be first.

    The same name makes the same ids, so what is told twice counts once.
    """
    concerned = [(key, case) for key in devices for case in cases.get(key, ())] or [(key, "") for key in devices]
    for key, case in concerned:
        tenant, _, device = key.partition("/")
        yield Command(
            id=ids.command_id(key, CommandKind.COMPLAINT, f"contact {name} {case}"), tenant=tenant, device=device,
            kind=CommandKind.COMPLAINT, case=case, at=at, by=by, detail=f"the customer got in touch: {contact.channel}",
        )  # fmt: skip
