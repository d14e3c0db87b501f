"""What the case processor remembers: the cases of one device, small enough to be written whole whenever one of them changes."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from streams.care.state import Contact, Mind
from vorab.clock import Micros
from vorab.records import Severity, Status

SCHEMA: Final = 2
REMEMBERED: Final = 16
"""Actions, commands and closed cases of a device that are remembered, so that repetitions are recognised and memory is bounded."""


class Phase(StrEnum):
    """What a case is waiting for; finer than its status, and nobody's business but ours."""

    OBSERVING = "observing"
    """The symptom to pass, by policy."""
    CONSENT = "consent"
    """The customer's yes or no."""
    APPROVAL = "approval"
    """People to approve."""
    WAITING = "waiting"
    """The next attempt."""
    QUEUED = "queued"
    """The device to be free."""
    ERRAND = "errand"
    """Another machine."""
    PERMIT = "permit"
    """The fleet-wide permit."""
    ACTING = "acting"
    """The device's answer."""
    PROVING = "proving"
    """Telemetry to prove it."""
    PERSON = "person"
    """A person."""
    RESOLVED = "resolved"
    """The end of the clear window."""
    OVER = "over"


class Timer(StrEnum):
    """Deadlines of a case."""

    STAYS = "stays"
    """It has stayed clear long enough."""
    WITHIN = "within"
    """It should be clear by now."""
    ERRAND = "errand"
    """The other machine should have answered by now."""
    NEXT = "next"
    """Time for the next attempt."""
    CONSENT = "consent"
    APPROVAL = "approval"
    PROMISE = "promise"
    """Somebody should have taken it by now."""
    OBSERVE = "observe"
    CLOSE = "close"
    FORGET = "forget"


class Seen(msgspec.Struct):
    """A symptom as far as a case needs it."""

    id: str
    open: bool
    severity: Severity
    detector: str
    signal: str
    unit: str
    value: float | None
    limit: float | None
    onset: Micros
    explanation: str
    proven: bool = True
    """Once clear: whether readings showed it,"""
    cleared_at: Micros | None = None
    """and when."""
    unread: bool = False
    """Whether no readings can be asked for: none of those that follow will be told (others report it, or it is about what was)."""
    readings: int = 0
    """Readings that have come since the case may be proven,"""
    changes: int = 0
    """and how many of them were other than the one before,"""
    until: Micros = 0
    """until then; what is told of readings before that was told already."""


class Case(msgspec.Struct):
    """One case."""

    id: str
    cause: str
    status: Status
    phase: Phase
    severity: Severity
    opened_at: Micros
    last_at: Micros
    impact: int = 3
    urgency: int = 3
    history: list[str] = []
    """What of the customer's past raises its priority, as it was when it was weighed last."""
    customer: str = ""
    site: str = ""
    model: str = ""
    name: str = ""
    seq: int = 0
    symptoms: list[Seen] = []
    timers: dict[Timer, Micros] = {}
    clear_at: Micros | None = None
    """Since when all its symptoms are clear."""
    queued_at: Micros = 0
    consented: bool | None = None
    """What the customer said about this case; None where the registry decides."""
    asks: int = 0
    refusals: int = 0
    attempts: int = 0
    action: str = ""
    remedy: str = ""
    acted_at: Micros | None = None
    done_at: Micros | None = None
    """When the device said it is done."""
    replies: list[str] = []
    healed: bool = False
    call_wished: bool = False
    commands: list[str] = []
    policy: str = ""
    care: Mind = msgspec.field(default_factory=Mind)
    """Who acts, who approved, what is given."""
    plan: str = ""
    """The remedy or playbook that is followed,"""
    step: int = 0
    """the number of its step,"""
    tries: int = 0
    """how often that was tried,"""
    hops: int = 0
    """and how many steps were taken in all."""
    asking: bool = False
    """Whether what is under way changes nothing."""
    helper: str = ""
    """The other machine that is at it,"""
    helpers: list[str] = []
    """and those that were asked for this step."""
    learned: list[str] = []
    """What was tried, answered and concluded, for the person who takes over."""
    proven_since: Micros | None = None
    """Readings after this may prove it;"""
    proven_until: Micros | None = None
    """the latest that did."""

    @property
    def worst(self) -> Seen:
        """The symptom that matters now: open before clear, then the worst, then the first."""
        return min(self.symptoms, key=lambda seen: (not seen.open, seen.severity.rank, seen.onset, seen.id))

    def seen(self, symptom: str) -> Seen | None:
        """The symptom of this id."""
        return next((seen for seen in self.symptoms if seen.id == symptom), None)


class Held(msgspec.Struct):
    """A record that waits for the permit of its device."""

    type: str
    body: bytes
    now: Micros
    """Merged time when it came."""


class Flight(msgspec.Struct):
    """The action a device is at; only one at a time."""

    action: str
    case: str
    until: Micros


class Job(msgspec.Struct):
    """What the case of another machine asks of this one."""

    action: str
    errand: bytes
    """The record that asked."""
    queued_at: Micros
    not_after: Micros
    recalled: bool = False


class Early(msgspec.Struct):
    """An answer that came before its question, which happens on replay."""

    body: bytes
    until: Micros


class DeviceState(msgspec.Struct):
    """Everything about one device."""

    cases: list[Case] = []
    """Open and resolved ones, and those lately over, in order of opening."""
    asked: str = ""
    """The action a permit is out for; until its answer comes, all else is held."""
    held: list[Held] = []
    flight: Flight | None = None
    jobs: list[Job] = []
    """In the order they came; at most one of them is under way."""
    jobs_known: dict[str, Micros] = {}
    """Those that came, until their time is up."""
    silent: list[str] = []
    """Silence symptoms that are raised: while there is one, nothing is proven."""
    spoke_at: Micros = 0
    """When the last silence ended."""
    actions: list[str] = []
    early: dict[str, Early] = {}
    opened: list[Micros] = []
    """When its latest cases were opened."""
    acted: list[Micros] = []
    """When something was last done to it, for all its cases."""
    contacts: list[Contact] = []
    """When its customer last got in touch, and about what."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remember."""
        things = (
            self.cases,
            self.asked,
            self.held,
            self.flight,
            self.jobs,
            self.jobs_known,
            self.silent,
            self.early,
            self.opened,
            self.contacts,
        )
        return not any(things)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(DeviceState).decode


def dump(state: DeviceState) -> bytes:
    """The block of a device; empty bytes where nothing is left."""
    return b"" if state.empty else _encode(state)


def load(block: bytes) -> DeviceState:
    """A device from its block."""
    return _decode(block)


Thing = TypeVar("Thing", str, Micros, Contact)


def remember(things: list[Thing], thing: Thing) -> None:
    """Add a name or a time and forget the oldest where there are too many."""
    things.append(thing)
    del things[:-REMEMBERED]
