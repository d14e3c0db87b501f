"""What is known of a case, and of a customer's cases in an incident, for the messages about them. Pure folds, no records out."""

from __future__ import annotations

from typing import Final

import msgspec

from vorab.clock import Micros
from vorab.records import CaseEvent, CaseKind, Stage, Status

MOST_HELD: Final = 8
"""Events of a case that wait; what is older has been overtaken."""

WANTS: Final = frozenset({CaseKind.CONSENT_ASKED, CaseKind.HANDED_OVER})
"""What cannot go on without telling the customer."""
SAYS: Final = WANTS | {CaseKind.RESOLVED}
"""What gives something to say."""


class Told(msgspec.Struct):
    """What is known of a case, for the messages about it."""

    case: str
    device: str
    """Key of the device; empty where nothing but its incident is known."""
    seq: int = -1
    over_at: Micros | None = None
    onset: Micros | None = None
    acted_at: Micros | None = None
    clear_at: Micros | None = None
    remedy: str = ""
    stages: list[str] = []
    open: bool = True
    waits: bool = False
    """Whether nobody has said yet that it stands for itself."""
    alone: bool = False
    """Whether it was said that it stands for itself; on Kafka that may overtake the case."""
    pending: list[bytes] = []
    """What it will have said if it stands for itself, as it was when it was decided: so it does not matter when the word comes."""
    held: list[bytes] = []
    """Events that give something to say, and are not spoken of: it waits, or its incident is spoken of in its place."""
    incident: str = ""
    """The folded cases it is among."""

    def take(self, event: CaseEvent) -> None:
        """Fold an event."""
        self.seq, self.device, self.open = event.seq, event.key, event.status.open
        if self.over_at is None and event.status in {Status.CLOSED, Status.CANCELLED, Status.REJECTED}:
            self.over_at = event.at
        if self.onset is None:
            self.onset = event.onset
        match event.kind:
            case CaseKind.ACTION_REQUESTED:
                self.acted_at, self.remedy = event.at, event.remedy
            case CaseKind.SYMPTOM_CLEARED:
                self.clear_at = event.at
            case CaseKind.SYMPTOM_ADDED | CaseKind.RELAPSED:
                self.clear_at = None

    def hold(self, event: CaseEvent) -> None:
        """Keep what it has to say for later."""
        self.held = [*self.held, event.model_dump_json().encode()][-MOST_HELD:]

    def unsay(self) -> None:
        """It was not alone: what it would have said is not said."""
        if self.waits:
            self.pending, self.stages = [], []
        self.waits = False

    def last(self) -> CaseEvent | None:
        """What it has to say now, of all that was held."""
        return CaseEvent.model_validate_json(self.held[-1]) if self.held else None


class Folded(msgspec.Struct):
    """The cases of one customer in one incident: they are spoken of as one."""

    incident: str
    quiet: bool = False
    """It is a silence: nobody is told of it."""
    cases: list[str] = []
    open: list[str] = []
    """Of these, those that are not well."""
    joined: int = 0
    told: str = ""
    """The case by which the customer was told; empty: not told yet."""
    over: bool = False
    """Whether its end was told, or there was nothing to tell."""
    rounds: int = 0
    """How often it came back after that."""

    def join(self, told: Told) -> None:
        """Take a case in; a customer who knows of the case knows of the incident."""
        self.cases.append(told.case)
        self.joined += 1
        self.note(told)
        if not self.told and not self.over and told.open and told.stages:
            self.told = told.case

    def note(self, told: Told) -> None:
        """Whether a case is well."""
        if told.open and told.case not in self.open:
            self.open.append(told.case)
        elif not told.open and told.case in self.open:
            self.open.remove(told.case)

    def leave(self, case: str) -> None:
        """A case is not among them any more."""
        if case in self.cases:
            self.cases.remove(case)
        if case in self.open:
            self.open.remove(case)

    def wants(self) -> bool:
        """Whether the customer is to be told, where a case cannot go on without."""
        if self.quiet:
            return False
        if self.over:  # it came back
            self.over, self.told = False, ""
            self.rounds += 1
        return not self.told

    @property
    def name(self) -> str:
        """What makes messages about it unique."""
        return f"{self.incident}#{self.rounds}" if self.rounds else self.incident


def stage_of(told: Told, event: CaseEvent) -> Stage | None:
    """What an event gives to say: the end of a fault is news of another kind for those who knew of it."""
    match event.kind:
        case CaseKind.CONSENT_ASKED:
            return Stage.CONSENT
        case CaseKind.HANDED_OVER:
            return Stage.PERSON_NEEDED
        case CaseKind.RESOLVED:
            return Stage.HEALED if event.healed or not told.stages else Stage.RESOLVED
    return None
