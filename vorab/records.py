"""The records that travel on the log: facts and wishes, frozen, validated at the edge and trusted inside.

Times are aware UTC datetimes on the wire (ISO 8601, µs) and `Micros` in the core: `record.at_us` and friends convert.
No record holds a name, an address or any other personal data; ids of customers are random.
Consumers ignore keys they do not know; a record of a newer major version (`….v2`) is refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from vorab import topics
from vorab.clock import Micros, iso, parse_iso
from vorab.cloudevents import Attributes, Headers, attributes, headers
from vorab.errors import Reason, Rejected

MAX_TEXT: Final = 2_000


def _micros(value: object) -> object:
    return parse_iso(value) if isinstance(value, str) else value


At = Annotated[int, BeforeValidator(_micros), PlainSerializer(iso, return_type=str, when_used="json")]
"""A moment: µs UTC in Python, ISO 8601 with `Z` in JSON."""

Name = Annotated[str, Field(min_length=1, max_length=255)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Scalar = str | int | float | bool | None


class Record(BaseModel):
    """What all records share."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]

    id: Name
    tenant: Name = topics.DEFAULT_TENANT

    @property
    def key(self) -> str:
        """The key on the log."""
        raise NotImplementedError

    @property
    def time(self) -> Micros:
        """The record's own time, data-derived: what `ce_time` says."""
        raise NotImplementedError


class DeviceRecord(Record):
    """A record keyed by device."""

    device: Name

    @property
    def key(self) -> str:
        """`tenant/device`."""
        return topics.key_of(self.tenant, self.device)


class CustomerRecord(Record):
    """A record keyed by customer."""

    customer: Name

    @property
    def key(self) -> str:
        """`tenant/customer`."""
        return topics.key_of(self.tenant, self.customer)


class Severity(StrEnum):
    """Effect on function, after X.733; `rank` orders them."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)


# ------------------------------------------------------------------------------------------------ registry


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
    remote_repair: bool | None = None
    """The customer's consent to remote repair; None has not been asked."""
    limits: dict[str, float] = Field(default_factory=dict)
    """Values rules may refer to (a threshold of this one device)."""
    at: At = 0

    @property
    def time(self) -> Micros:
        """When the entry was written."""
        return self.at


class Channel(StrEnum):
    """Ways to reach a person."""

    MAIL = "mail"
    FILE = "file"


class Purpose(StrEnum):
    """What a message is for; consent is per purpose."""

    SERVICE = "service"
    ADVERTISING = "advertising"


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
    tell_healed: bool = False
    """Whether to hear of faults that were fixed before anybody noticed."""
    returns: int = 0
    wrong_bills: int = 0
    complaints: int = 0
    at: At = 0

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


# ------------------------------------------------------------------------------------------------ symptoms


class SymptomState(StrEnum):
    """What happened to a symptom."""

    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


class Point(BaseModel):
    """One reading kept as evidence."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    at: At
    value: float


class Symptom(DeviceRecord):
    """A rule's finding on a device; raised, updated and cleared share the id."""

    TYPE = "io.vorab.symptom.{state}.v1"
    TOPIC = topics.SYMPTOMS

    state: SymptomState
    rule: Name
    rule_version: str
    """Hash of the rule's text: which wording decided."""
    detector: str
    cause: Name
    severity: Severity
    signal: str = ""
    unit: str = ""
    onset: At
    """Since when, event time."""
    detected_at: At
    """The deciding reading's time; for silence onset + limit."""
    cleared_at: At | None = None
    proven: bool = True
    """Of a cleared one: whether readings showed that it is gone; false where its rule was withdrawn or got used to it."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """The expected range."""
    limit: float | None = None
    """The limit that was crossed."""
    explanation: Text = ""
    evidence: tuple[Point, ...] = ()
    recorded: bool = False

    @property
    def time(self) -> Micros:
        """When it was raised or updated, or when it cleared."""
        return self.cleared_at if self.cleared_at is not None else self.detected_at


# ------------------------------------------------------------------------------------------------ cases


class Status(StrEnum):
    """TMF621 TroubleTicketStatusType."""

    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "inProgress"
    PENDING = "pending"
    """Waits for the customer."""
    HELD = "held"
    """Waits for a person at the operator's."""
    RESOLVED = "resolved"
    CLOSED = "closed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """Whether work goes on."""
        return self not in {Status.RESOLVED, Status.CLOSED, Status.REJECTED, Status.CANCELLED}


class CaseKind(StrEnum):
    """Facts about a case."""

    OPENED = "opened"
    SYMPTOM_ADDED = "symptom_added"
    SYMPTOM_CLEARED = "symptom_cleared"
    CONSENT_ASKED = "consent_asked"
    CONSENT_GIVEN = "consent_given"
    CONSENT_REFUSED = "consent_refused"
    PERMIT_ASKED = "permit_asked"
    PERMIT_GRANTED = "permit_granted"
    PERMIT_REFUSED = "permit_refused"
    ACTION_REQUESTED = "action_requested"
    ACTION_ANSWERED = "action_answered"
    ACTION_TIMED_OUT = "action_timed_out"
    PROVING = "proving"
    """The device says it is done; telemetry has to prove it."""
    DISPROVED = "disproved"
    """It said done, and the symptom is still there."""
    HANDED_OVER = "handed_over"
    """A person has to look."""
    TAKEN = "taken"
    """A person has acknowledged it."""
    NOTED = "noted"
    CALL_WISHED = "call_wished"
    FALSE_ALARM = "false_alarm"
    """The customer says there was nothing wrong."""
    RESOLVED = "resolved"
    CLOSED = "closed"
    RELAPSED = "relapsed"


class CaseEvent(DeviceRecord):
    """One fact about a case, with the state after it."""

    TYPE = "io.vorab.case.{kind}.v1"
    TOPIC = topics.CASES

    case: Name
    kind: CaseKind
    status: Status
    """After this event."""
    at: At
    because: str
    """The id of what brought it about: a symptom, reply, permit, command, request, or the case itself for a deadline."""
    cause: Name
    severity: Severity
    priority: int = Field(default=4, ge=1, le=5)
    impact: int = Field(default=3, ge=1, le=3)
    urgency: int = Field(default=3, ge=1, le=3)
    customer: str = ""
    site: str = ""
    model: str = ""
    name: str = ""
    """What people call the device."""
    opened_at: At
    symptom: str = ""
    """Id of the symptom that matters now."""
    signal: str = ""
    unit: str = ""
    value: float | None = None
    limit: float | None = None
    onset: At | None = None
    action: str = ""
    remedy: str = ""
    policy: str = ""
    """The line of policy that decided, in words an operator recognises."""
    detail: Text = ""
    healed: bool = False
    """Whether telemetry has proved a remedy or recovery."""
    seq: int = 0
    """Position in the case's own history, from 0."""

    @property
    def time(self) -> Micros:
        """When it became true."""
        return self.at


class Action(DeviceRecord):
    """A request to a device."""

    TYPE = "io.vorab.action.v1"
    TOPIC = topics.ACTIONS

    case: Name
    remedy: Name
    step: int = 0
    attempt: int = 1
    name: Name
    """The command's name on the device's command topic (`restart`)."""
    params: dict[str, Scalar] = Field(default_factory=dict)
    at: At
    not_before: At
    not_after: At
    counter: int = 0
    key_id: str = ""
    signature: str = ""
    permit: str = ""

    @property
    def time(self) -> Micros:
        """When it was decided."""
        return self.at


class ReplyStatus(StrEnum):
    """What a device, or vorab in its place, says to an action."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether no further answer is expected."""
        return self not in {ReplyStatus.ACCEPTED, ReplyStatus.RUNNING}


class Reply(DeviceRecord):
    """What a device answered to an action."""

    TYPE = "io.vorab.reply.v1"
    TOPIC = topics.REPLIES

    action: Name
    status: ReplyStatus
    at: At
    progress: int | None = None
    code: str = ""
    detail: Text = ""
    result: dict[str, Scalar] = Field(default_factory=dict)

    @property
    def time(self) -> Micros:
        """When it was received (recorded time: when the device says it spoke)."""
        return self.at


class PermitState(StrEnum):
    """Asked, granted or refused."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"


class Permit(DeviceRecord):
    """A fleet-wide permission for one action. Asked under the remedy's key; answered on the device's partition.

    The question travels with `key` of the remedy; the answer is found by the case through its device, so `permits` writes it
    with the device's key to the device's partition of the same topic.
    """

    TYPE = "io.vorab.permit.{state}.v1"
    TOPIC = topics.PERMITS

    state: PermitState
    action: Name
    case: Name
    remedy: Name
    at: At
    expires_at: At
    reason: str = ""

    @property
    def key(self) -> str:
        """The remedy when asked, the device when answered."""
        if self.state is PermitState.ASKED:
            return topics.key_of(self.tenant, self.remedy)
        return topics.key_of(self.tenant, self.device)

    @property
    def time(self) -> Micros:
        """When it was asked (an answer is as old as its question)."""
        return self.at


# ------------------------------------------------------------------------------------------------ people


class Stage(StrEnum):
    """What a notification tells; one notification per case and stage."""

    CONSENT = "consent"
    PERSON_NEEDED = "person_needed"
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
    at: At
    due_at: At | None = None
    """When a deferred message is looked at again."""

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


class Command(DeviceRecord):
    """What a person or partner asks for; may be refused."""

    TYPE = "io.vorab.command.{kind}.v1"
    TOPIC = topics.COMMANDS

    kind: CommandKind
    case: Name
    at: At
    by: str = ""
    """Role or pseudonymous id of who asked; never a name."""
    because: str = ""
    detail: Text = ""

    @property
    def time(self) -> Micros:
        """When it was asked."""
        return self.at


class RequestKind(StrEnum):
    """What a customer can ask for on the customer page."""

    WAS_WRONG = "was_wrong"
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

    @property
    def time(self) -> Micros:
        """When it was asked."""
        return self.at


# ------------------------------------------------------------------------------------------------ the rest


class Rejection(Record):
    """Refused input: its bytes (capped), why, and where it came from."""

    TYPE = "io.vorab.rejection.v1"
    TOPIC = topics.REJECTED

    source: Name
    """Who sent it: an MQTT topic, or `topic/partition` of the log."""
    reason: Reason
    detail: Text = ""
    device: str = ""
    """Key of the device, where it is known."""
    at: At
    size_bytes: int = 0
    payload_base64: str = ""
    """At most the first 1024 bytes."""
    origin_topic: str = ""
    origin_partition: int | None = None
    origin_offset: int | None = None

    @property
    def key(self) -> str:
        """The source."""
        return topics.key_of(self.tenant, self.source)

    @property
    def time(self) -> Micros:
        """When it was received."""
        return self.at


class Tick(Record):
    """`Everything before this time has been written here`: moves time on where nothing happens."""

    TYPE = "io.vorab.tick.v1"
    TOPIC = ""

    at: At

    @property
    def key(self) -> str:
        """Ticks belong to a partition, not to a key."""
        return ""

    @property
    def time(self) -> Micros:
        """The time it announces."""
        return self.at


KINDS: Final[tuple[type[Record], ...]] = (
    Device, Customer, Presence, Symptom, CaseEvent, Action, Reply, Permit, Notification, Delivery, Command, Request, Rejection, Tick,
)  # fmt: skip

_BY_FAMILY: Final[dict[str, type[Record]]] = {kind.TYPE.split(".")[2]: kind for kind in KINDS if kind is not Presence}


def type_of(record: Record) -> str:
    """The CloudEvents type: `io.vorab.symptom.raised.v1`."""
    return record.TYPE.format_map({name: getattr(record, name, "") for name in ("state", "kind")})


def family_of(ce_type: str) -> type[Record]:
    """The record class of a CloudEvents type.

    Raises:
        Rejected: a type nobody knows, or a newer major version.
    """
    parts = ce_type.split(".")
    if parts[:2] != ["io", "vorab"] or len(parts) < 4:
        raise Rejected(Reason.BAD_RECORD, f"type {ce_type!r}")
    if parts[-1] != "v1":
        raise Rejected(Reason.NEWER_VERSION, ce_type)
    kind = Presence if parts[2:4] == ["device", "presence"] else _BY_FAMILY.get(parts[2])
    if kind is None:
        raise Rejected(Reason.BAD_RECORD, f"type {ce_type!r}")
    return kind


def to_wire(record: Record, source: str) -> tuple[bytes, bytes, Headers]:
    """Key, value and CloudEvents headers of a record; `source` is a URI such as `urn:vorab:detect`."""
    value = record.model_dump_json(exclude_none=True).encode()
    return (
        record.key.encode(),
        value,
        headers(id=record.id, type=type_of(record), source=source, time=record.time, subject=record.key),
    )


def from_wire(value: bytes | None, found: Headers) -> Record:
    """The record back.

    Raises:
        Rejected: unknown type, newer version, or a body that is not valid.
    """
    return parse(attributes(found), value)


def parse(context: Attributes, value: bytes | None) -> Record:
    """The record of already parsed attributes; raises as `from_wire`."""
    kind = family_of(context.type)
    try:
        return kind.model_validate_json(value or b"")
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise Rejected(Reason.BAD_RECORD, f"{kind.__name__} {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
