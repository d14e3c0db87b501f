"""What is said to people and what became of it; what people ask for."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import Field, model_validator

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, CustomerRecord, DeviceRecord, Name, Scalar, Text
from vorab.records.dialogue import MAX_SEALED
from vorab.records.registry import Purpose


class Stage(StrEnum):
    """What a notification tells; one notification per case and stage."""

    CONSENT = "consent"
    PERSON_NEEDED = "person_needed"
    INCIDENT = "incident"
    """Many devices have the same trouble, the customer's among them; said once in place of what each of them has to say."""
    HEALED = "healed"
    RESOLVED = "resolved"


class Urgency(StrEnum):
    """Whether a message may wait for the morning."""

    SAFETY = "safety"
    NORMAL = "normal"


class Notification(CustomerRecord):
    """What should be said to a customer, and why."""

    TYPE = "io.vorab.notification.v1"
    TOPIC = topics.NOTIFICATIONS

    case: Name
    device: Name
    incident: str = ""
    """The incident it is about, by the first of the customer's cases in it."""
    stage: Stage
    purpose: Purpose = Purpose.SERVICE
    urgency: Urgency = Urgency.NORMAL
    at: At
    expires_at: At
    because: str
    """Id of the case event that asked for it."""
    params: dict[str, Scalar] = Field(default_factory=dict)
    """What the template needs: name, model, cause, signal, value, unit, times as ISO 8601; no personal data."""

    @property
    def time(self) -> Micros:
        """When it was decided."""
        return self.at


class DeliveryState(StrEnum):
    """What became of a notification."""

    DEFERRED = "deferred"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It may have arrived; it is held, not sent again."""
    SUPPRESSED = "suppressed"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self is not DeliveryState.DEFERRED


class DeliveryReason(StrEnum):
    """Why; also a metric label and a line in the timeline."""

    NONE = "none"
    QUIET_HOURS = "quiet_hours"
    QUIET_DAY = "quiet_day"
    HABITS = "habits"
    """A better hour for this person is near."""
    BUDGET = "budget"
    BRAKE = "brake"
    GROUPED = "grouped"
    ALREADY_FIXED = "already_fixed"
    SUPERSEDED = "superseded"
    NO_CONSENT = "no_consent"
    NO_CHANNEL = "no_channel"
    UNKNOWN_CUSTOMER = "unknown_customer"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    SHADOW = "shadow"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"


class Delivery(CustomerRecord):
    """What became of a notification, on which channel, and why."""

    TYPE = "io.vorab.delivery.{state}.v1"
    TOPIC = topics.DELIVERIES

    notification: Name
    case: str = ""
    stage: Stage | None = None
    channel: str = ""
    state: DeliveryState
    reason: DeliveryReason = DeliveryReason.NONE
    detail: Text = ""
    purpose: Purpose = Purpose.SERVICE
    at: At
    due_at: At | None = None
    """When a deferred message is looked at again."""
    decided_by: str = ""
    """The last stage it came to."""
    preferences: dict[str, str] = Field(default_factory=dict)
    """What counted for this person, and who said so: `quiet_hours` to `person: 22:00-07:00`."""

    @property
    def time(self) -> Micros:
        """When it happened."""
        return self.at


class CommandKind(StrEnum):
    """What may be asked for about a case or a device."""

    TAKE = "take"
    NOTE = "note"
    RESOLVE = "resolve"
    CLOSE = "close"
    CONSENT = "consent"
    NO_CONSENT = "no_consent"
    CALL = "call"
    FALSE_ALARM = "false_alarm"
    COMPLAINT = "complaint"
    """A customer has told of a fault by another way: by phone, by mail. Needs no case."""
    RIGHT = "right"
    """A verdict: the finding was right, or what was tried solved it."""
    USEFUL = "useful"
    """A verdict: it helped, and was not all that was needed."""
    WRONG = "wrong"
    """A verdict: the finding was wrong, or what was tried did not help."""
    TOO_LATE = "too_late"
    """A verdict, mostly a customer's: it was right, and came too late to be of use."""
    APPROVE = "approve"
    """A person approves what vorab would do to the device."""
    DECLINE = "decline"
    APPROVE_GOODWILL = "approve_goodwill"
    DECLINE_GOODWILL = "decline_goodwill"
    GOODWILL_COUNTED = "goodwill_counted"
    """The customer's account says: it is within the yearly cap. Names the event that asked."""
    GOODWILL_OVER = "goodwill_over"
    """The account says: that would be more than the cap."""


class Command(DeviceRecord):
    """What a person or partner asks for; may be refused."""

    TYPE = "io.vorab.command.{kind}.v1"
    TOPIC = topics.COMMANDS

    kind: CommandKind
    case: str = Field("", max_length=255)
    """Only a complaint may do without."""
    at: At
    by: str = ""
    """Role or pseudonymous id of who asked; never a name."""
    because: str = ""
    detail: str = Field("", max_length=MAX_SEALED)
    """Words of people stand in it sealed: `sealed:…`."""
    doubts: tuple[str, ...] = ()
    """What the words are about, as far as it matters who acts: topics of the care file. Found where they were written."""
    about: str = Field("", max_length=255)
    """What a verdict is about: `rule:pump-pressure-low@1f2e…`, `remedy:restart` or `article:pump-air`."""

    @model_validator(mode="after")
    def _about_a_case(self) -> Command:
        if not self.case and self.kind is not CommandKind.COMPLAINT:
            raise ValueError("names no case; only a complaint may do without")
        return self

    @property
    def time(self) -> Micros:
        """When it was asked."""
        return self.at


class RequestKind(StrEnum):
    """What a customer can ask for on the customer page."""

    WAS_WRONG = "was_wrong"
    TOO_LATE = "too_late"
    CALL_ME = "call_me"
    CONSENT = "consent"
    NO_CONSENT = "no_consent"


class Request(CustomerRecord):
    """What a customer asks for."""

    TYPE = "io.vorab.request.{kind}.v1"
    TOPIC = topics.REQUESTS

    kind: RequestKind
    case: Name
    device: Name
    at: At
    notification: str = ""
    about: str = Field("", max_length=255)
    """What a verdict is about: the rule that found it."""
    said: str = Field("", max_length=MAX_SEALED)
    """What the customer wrote with it, sealed with the customer's key."""
    doubts: tuple[str, ...] = ()
    """What the words are about, as far as it matters who acts: topics of the care file. Found where they were written."""
    text: Text = ""
    """What stands with it that is nobody's words; in records of earlier versions the customer's, in clear."""

    @property
    def time(self) -> Micros:
        """When it was asked."""
        return self.at


class Contact(StrEnum):
    """Whether this is a time to offer a customer anything."""

    OK = "ok"
    FAULT_OPEN = "fault_open"
    RECOVERING = "recovering"
    """The last fault is over, and not long ago."""
    DO_NOT_CONTACT = "do_not_contact"
    """The customer has not agreed to advertising."""


class ContactState(CustomerRecord):
    """How things stand with a customer, for whoever else writes to them: the last one counts."""

    TYPE = "io.vorab.contact-state.v1"
    TOPIC = topics.CONTACT_STATE

    state: Contact
    at: At
    until: At | None = None
    """While recovering: until when to wait. From then on it is as good as `ok`, also where nothing came that would have said so."""
    open: int = Field(0, ge=0)
    """Cases that are open."""
    because: str = ""
    """Id of the case event that changed it."""

    @property
    def time(self) -> Micros:
        """Since when."""
        return self.at


class OfferKind(StrEnum):
    """What a fault suggests to sell."""

    PART = "part"
    CONTRACT = "contract"


class Offer(CustomerRecord):
    """A hint for whoever sells; nothing that was said to the customer."""

    TYPE = "io.vorab.offer.v1"
    TOPIC = topics.OFFERS

    kind: OfferKind
    what: Name
    """Number of the part, or the contract that ends."""
    article: str = ""
    """Of a part: the knowledge article that names it."""
    ends: date | None = None
    """Of a contract: its last day."""
    case: Name
    device: Name
    model: str = ""
    mention: bool = False
    """Whether the customer has agreed to hear of such things."""
    at: At
    because: str
    """Id of the case event that suggested it."""

    @property
    def time(self) -> Micros:
        """When it was suggested."""
        return self.at
