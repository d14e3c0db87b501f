"""A case in facts, and the talk with the machine: actions, replies, permits."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, DeviceRecord, Name, Record, Scalar, Severity, Text
from vorab.records.dialogue import MAX_SEALED


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
    MACHINE_ASKED = "machine_asked"
    """A machine is asked something, this one or another; that changes nothing."""
    MACHINE_ANSWERED = "machine_answered"
    CONCLUDED = "concluded"
    """What is learned from an answer."""
    PROVING = "proving"
    """The device says it is done; telemetry has to prove it."""
    DISPROVED = "disproved"
    """It said done, and the symptom is still there."""
    HANDED_OVER = "handed_over"
    """A person has to look."""
    TAKEN = "taken"
    """A person has acknowledged it."""
    APPROVAL_ASKED = "approval_asked"
    """One or two people must approve before anything is done."""
    APPROVAL_GIVEN = "approval_given"
    """One of them has."""
    APPROVED = "approved"
    """All of them have."""
    DECLINED = "declined"
    NOTED = "noted"
    CALL_WISHED = "call_wished"
    FALSE_ALARM = "false_alarm"
    """The customer says there was nothing wrong."""
    RESOLVED = "resolved"
    CLOSED = "closed"
    RELAPSED = "relapsed"
    GOODWILL_PROPOSED = "goodwill_proposed"
    GOODWILL_APPROVED = "goodwill_approved"
    """A person has approved it."""
    GOODWILL_ASKED = "goodwill_asked"
    """Enough people have: the account of the customer is asked whether the yearly cap allows it."""
    GOODWILL_GRANTED = "goodwill_granted"
    GOODWILL_DECLINED = "goodwill_declined"
    """By a person, or by the cap."""


class Proof(BaseModel):
    """Readings that came after something was done, or after it cleared, without the symptom."""

    model_config = ConfigDict(frozen=True)

    before: At
    """Onset of the symptom: the readings from there on show it."""
    since: At
    """Readings after this …"""
    until: At
    """… until this one show that it is gone:"""
    readings: int
    """so many,"""
    changes: int
    """and so many of them other than the one before."""


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
    history: tuple[Text, ...] = ()
    """What of the customer's past raises the priority by one level: `1 return`, `3 faults in 30 days`."""
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
    helper: str = ""
    """The other machine that is asked, or to which something is done."""
    detail: str = Field("", max_length=MAX_SEALED)
    """Words of people stand in it sealed: `sealed:…`."""
    healed: bool = False
    """Whether telemetry has proved a remedy or recovery."""
    proof: Proof | None = None
    """What shows it: the readings that do."""
    seq: int = 0
    """Position in the case's own history, from 0."""
    bot: str = ""
    """Whether vorab may act: `may`, `must_ask` or `must_not`."""
    care: str = ""
    """The line of the care file that says so, with its version."""
    queue: str = ""
    """The queue it waits in, once it needs a person."""
    skill: str = ""
    advice: Text = ""
    """What the care file would do next, and why."""
    said: tuple[Name, ...] = ()
    """Topics of what the customer has said lately: `anger`, `legal`; never the words."""
    approvals: tuple[str, ...] = ()
    """Who has approved so far."""
    approvals_needed: int = 0
    goodwill: str = ""
    """`proposed`, `asked`, `granted` or `declined`."""
    gesture: str = ""
    amount_cents: int = 0
    currency: str = ""
    goodwill_approvals: tuple[str, ...] = ()
    goodwill_needed: int = 0

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
    policy: str = ""
    """The line of policy it follows,"""
    consent: str = ""
    """and whose consent allows it; empty where only something is asked."""

    @property
    def time(self) -> Micros:
        """When it was decided."""
        return self.at


class Recall(DeviceRecord):
    """Takes back an action that the device has not answered: who hands actions over drops it, and says so in a reply."""

    TYPE = "io.vorab.recall.v1"
    TOPIC = topics.ACTIONS

    action: Name
    case: Name
    at: At
    because: str
    """Id of what brought it about: the command that withdrew consent."""

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


class SwitchState(StrEnum):
    """Whether a remedy may be used at all."""

    STOPPED = "stopped"
    RELEASED = "released"


class Switch(Record):
    """The kill switch of a remedy: while it is stopped no permit is given, to nobody. What is under way ends."""

    TYPE = "io.vorab.switch.{state}.v1"
    TOPIC = topics.PERMITS

    state: SwitchState
    remedy: Name
    at: At
    by: str = ""
    """Role or pseudonymous id of who did it; never a name."""
    detail: Text = ""

    @property
    def key(self) -> str:
        """The remedy: where its permits are counted it is heard."""
        return topics.key_of(self.tenant, self.remedy)

    @property
    def time(self) -> Micros:
        """When it was switched."""
        return self.at


class ErrandState(StrEnum):
    """What becomes of an errand."""

    ASKED = "asked"
    ANSWERED = "answered"
    RECALLED = "recalled"


class Errand(DeviceRecord):
    """What the case of one machine asks of another one: to answer something, or to have a remedy done to it.

    It goes to where the cases of the other machine are decided, because nobody else may ask anything of that machine, and is answered
    to where its own case is. Both happen before `not_after`.
    """

    TYPE = "io.vorab.errand.{state}.v1"
    TOPIC = topics.ERRANDS

    state: ErrandState
    helper: Name
    """The other machine."""
    case: Name
    action: Name
    """Id of the action it comes to."""
    remedy: str = ""
    """Empty: something is only asked."""
    step: int = 0
    attempt: int = 1
    name: Name
    """The command's name."""
    params: dict[str, Scalar] = Field(default_factory=dict)
    policy: str = ""
    at: At
    not_after: At
    status: ReplyStatus | None = None
    """Of an answer: what the machine said, or vorab in its place."""
    code: str = ""
    detail: Text = ""
    result: dict[str, Scalar] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """The other machine; of an answer the one whose case it is."""
        return topics.key_of(self.tenant, self.device if self.state is ErrandState.ANSWERED else self.helper)

    @property
    def time(self) -> Micros:
        """When it was asked, answered or taken back."""
        return self.at
