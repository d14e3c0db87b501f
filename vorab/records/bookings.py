"""What is asked of the diary of calls and visits, and what became of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, CustomerRecord, Name, Record, Text

MOST_FREE = 10
"""Free slots that are named where a wished one is taken."""


class Meeting(StrEnum):
    """How people meet."""

    PHONE = "phone"
    VISIT = "visit"


class Wishes(BaseModel):
    """When it suits a customer; carried along, so that whoever decides need not look anybody up."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    first: At | None = None
    """Not before."""
    until: At | None = None
    """Over by then."""
    zone: str = "UTC"
    """Of the customer's clocks,"""
    quiet_from: str = ""
    quiet_until: str = ""
    """which show when nobody is to call: `22:00` to `07:00`; equal: never."""


class SlotKind(StrEnum):
    """What may be asked of the diary."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    REACHED = "reached"
    """The call or visit took place."""
    NOT_REACHED = "not_reached"
    """Somebody tried, and nobody answered."""


class Slot(Record):
    """What is asked of the diary; may be refused. All of a team's come to one place."""

    TYPE = "io.vorab.slot.{kind}.v1"
    TOPIC = topics.SLOTS

    kind: SlotKind
    booking: Name
    """Which booking: a new one's id is made by who asks for it."""
    customer: Name
    case: str = Field("", max_length=255)
    device: str = Field("", max_length=255)
    how: Meeting = Meeting.PHONE
    start: At | None = None
    """Of the slot wished for; None: as soon as possible."""
    wishes: Wishes = Field(default_factory=Wishes)
    at: At
    by: str = ""
    """Role or pseudonymous id of who asks; never a name."""

    @property
    def key(self) -> str:
        """`tenant/team`: one place counts."""
        return topics.key_of(self.tenant, topics.TEAM)

    @property
    def time(self) -> Micros:
        """When it was asked."""
        return self.at


class BookingKind(StrEnum):
    """What became of a booking."""

    BOOKED = "booked"
    MOVED = "moved"
    CANCELLED = "cancelled"
    REACHED = "reached"
    NOT_REACHED = "not_reached"
    """And, for a call, moved to the next slot that is free."""
    CLOSED = "closed"
    """Tried often enough: closed in writing."""
    REMINDED = "reminded"
    """The visit is near."""
    LAPSED = "lapsed"
    """Nobody has said what became of it."""
    REFUSED = "refused"
    """What was asked changes nothing; `reason` says why."""


class BookingStatus(StrEnum):
    """Where a booking stands."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    NONE = "none"
    """It never came about."""


class SlotReason(StrEnum):
    """Why something is refused."""

    NONE = ""
    TAKEN = "taken"
    NO_SLOT = "no_slot"
    """Nobody works then, or no slot begins at that moment."""
    PAST = "past"
    """It is too near, or over."""
    FULL = "full"
    """Nothing is free as far ahead as one can book."""
    ALREADY = "already"
    """This case has an open one of the kind."""
    UNKNOWN = "unknown"
    """There is no such booking, or it is somebody else's."""
    OVER = "over"
    """The booking is over."""
    LATE = "late"
    """It was asked too long ago."""


class Booking(CustomerRecord):
    """One fact about a booking, with the state after it."""

    TYPE = "io.vorab.booking.{kind}.v1"
    TOPIC = topics.BOOKINGS

    booking: Name
    kind: BookingKind
    status: BookingStatus
    case: str = ""
    device: str = ""
    how: Meeting = Meeting.PHONE
    start: At | None = None
    end: At | None = None
    sequence: int = 0
    """Goes up with every change of time, and with its end: the SEQUENCE of its calendar entry."""
    soonest: bool = False
    """Whether it was booked as soon as possible;"""
    position: int = 0
    """then so many calls, this one among them, are to be made until then, when it was booked."""
    attempts: int = 0
    """How often nobody answered."""
    reason: SlotReason = SlotReason.NONE
    free: tuple[At, ...] = Field((), max_length=MOST_FREE)
    """What is free instead."""
    detail: Text = ""
    at: At
    because: str
    """The id of what asked for it; of the booking itself for what a deadline brings about."""
    by: str = ""

    @property
    def time(self) -> Micros:
        """When it became true."""
        return self.at
