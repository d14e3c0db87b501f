"""Who is there: devices, customers, sites, contracts, and whether a device is online."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vorab import topics
from vorab.clock import Micros, to_datetime
from vorab.records.base import At, CustomerRecord, DeviceRecord, Name, Record


class Device(DeviceRecord):
    """A device as the registry knows it; the id is its key."""

    TYPE = "io.vorab.device.v1"
    TOPIC = topics.DEVICES

    model: str = ""
    name: str = ""
    """What people call it (Pump 7); shown in messages."""
    firmware: str = ""
    site: str = ""
    parent: str = ""
    cohort: str = ""
    customer: str = ""
    contract: str = ""
    time_zone: str = ""
    """Where it stands (Europe/Berlin), for rules that look at certain hours."""
    medical: bool = False
    """Whether somebody's health hangs on it."""
    remote_repair: bool | None = None
    """The customer's consent to remote repair; None has not been asked."""
    limits: dict[str, float] = Field(default_factory=dict)
    """Values rules may refer to (a threshold of this one device)."""
    grace_s: float | None = Field(None, ge=0, le=3600)
    """Seconds its readings may come out of order; None: as the installation says."""
    at: At = 0

    @property
    def time(self) -> Micros:
        """When the entry was written."""
        return self.at


class Channel(StrEnum):
    """Ways to reach a person."""

    MAIL = "mail"
    FILE = "file"
    WEBHOOK = "webhook"
    LETTER = "letter"
    SMS = "sms"
    PUSH = "push"
    CHAT = "chat"
    WEB_PUSH = "web_push"


class Purpose(StrEnum):
    """What a message is for; consent is per purpose."""

    SERVICE = "service"
    ADVERTISING = "advertising"


class QuietDay(StrEnum):
    """Days on which a person is left in peace."""

    SUNDAY = "sunday"
    HOLIDAY = "holiday"
    """The public holidays of the person's region."""


class Limit(StrEnum):
    """How many messages a person may get: in a day (24 h), a week (7 days), a month (30 days), however many devices they have.

    Messages of all purposes count together; advertising has a limit of its own besides.
    """

    A_DAY = "a_day"
    A_WEEK = "a_week"
    A_MONTH = "a_month"
    ADVERTISING_A_MONTH = "advertising_a_month"


Budget = dict[Limit, Annotated[int, Field(ge=0)]]
"""Limit to number; 0: no limit."""


class Customer(CustomerRecord):
    """A customer without name and address; the id is the key."""

    TYPE = "io.vorab.customer.v1"
    TOPIC = topics.CUSTOMERS

    language: str = "en"
    time_zone: str = "Europe/Berlin"
    channels: tuple[Channel, ...] = (Channel.MAIL,)
    """In the order the customer likes them."""
    purposes: dict[Purpose, bool] = Field(default_factory=lambda: {Purpose.SERVICE: True})
    quiet_from: str = "22:00"
    quiet_until: str = "07:00"
    """Local time; equal means no quiet hours."""
    quiet_days: tuple[QuietDay, ...] | None = None
    """Whole days without messages; None: not said."""
    region: str = ""
    """Whose public holidays count for them, after ISO 3166: DE-BY; empty: not said."""
    tell_healed: bool = False
    """Whether to hear of faults that were fixed before anybody noticed."""
    budget: Budget = Field(default_factory=dict)
    """How many messages they wish at most; a limit that is not in it is not said."""
    own: tuple[Name, ...] | None = None
    """Which fields with a default were said; None: all. What was not said, contract and operator say."""
    returns: int = 0
    wrong_bills: int = 0
    complaints: int = 0
    vulnerable: bool = False
    """Whether people act for this customer, not machines: age, illness, a hardship."""
    marked: tuple[Name, ...] = ()
    """Ids of the marks that were counted last, so that one told twice counts once."""
    at: At = 0

    @property
    def time(self) -> Micros:
        """When the entry was written."""
        return self.at


class Site(Record):
    """A place where devices stand, without its address; the id is the key."""

    TYPE = "io.vorab.site.v1"
    TOPIC = topics.SITES

    site: Name
    name: str = ""
    time_zone: str = ""
    """For devices there that have none of their own; empty: as the site it belongs to."""
    region: str = ""
    """Whose public holidays count there, after ISO 3166: DE-BY."""
    parent: str = ""
    """The site it belongs to."""
    at: At = 0

    @property
    def key(self) -> str:
        """`tenant/site`."""
        return topics.key_of(self.tenant, self.site)

    @property
    def time(self) -> Micros:
        """When the entry was written."""
        return self.at


class Contract(Record):
    """What was agreed with a customer; the id is the key."""

    TYPE = "io.vorab.contract.v1"
    TOPIC = topics.CONTRACTS

    contract: Name
    customer: str = ""
    kind: str = ""
    """What the operator calls it: full service."""
    starts: date | None = None
    """Its first day; None: it always was."""
    ends: date | None = None
    """Its last day; None: until further notice."""
    response_h: float | None = Field(None, gt=0)
    """Within so many hours something is done about a fault; None: nothing was promised."""
    repair_h: float | None = Field(None, gt=0)
    """Within so many hours it is gone; None: nothing was promised."""
    remote_repair: bool | None = None
    """Whether remote repair was agreed, for devices of which nobody was asked; None: it says nothing."""
    purposes: dict[Purpose, bool] = Field(default_factory=dict)
    """What was agreed, for customers who have said nothing themselves; never advertising."""
    language: str = ""
    time_zone: str = ""
    region: str = ""
    channels: tuple[Channel, ...] = ()
    quiet_from: str = ""
    quiet_until: str = ""
    quiet_days: tuple[QuietDay, ...] | None = None
    tell_healed: bool | None = None
    budget: Budget = Field(default_factory=dict)
    """How its customer is spoken to, each as in the customer's own entry, which comes first; empty: it says nothing."""
    at: At = 0

    def in_force(self, at: Micros) -> bool:
        """Whether it holds at a moment (µs); its days are those of UTC."""
        day = to_datetime(at).date()
        return (self.starts is None or self.starts <= day) and (self.ends is None or day <= self.ends)

    @property
    def key(self) -> str:
        """`tenant/contract`."""
        return topics.key_of(self.tenant, self.contract)

    @property
    def time(self) -> Micros:
        """When the entry was written."""
        return self.at


class Presence(DeviceRecord):
    """Whether a device is there, and by what evidence."""

    TYPE = "io.vorab.device.presence.v1"
    TOPIC = topics.PRESENCE

    online: bool
    evidence: str
    """`will`, `birth`, `goodbye` or `retained`."""
    at: At

    @property
    def time(self) -> Micros:
        """When it was received."""
        return self.at
