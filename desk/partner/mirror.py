"""A case as one partner has it: what was told, what was heard, and what both sides stand at. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from desk.tmf621 import PRIORITIES
from vorab import ids
from vorab.clock import Micros
from vorab.records import CaseEvent, CaseKind, Command, CommandKind, Status

AUTHOR: Final = "vorab"
"""Who our notes are by."""
TOLD: Final = frozenset({CaseKind.NOTED, CaseKind.HANDED_OVER, CaseKind.DISPROVED, CaseKind.FALSE_ALARM})
"""Facts whose words go along as a note."""

WISHED: Final[Mapping[CommandKind, Status | None]] = {
    CommandKind.TAKE: Status.IN_PROGRESS,
    CommandKind.RESOLVE: Status.RESOLVED,
    CommandKind.CLOSE: Status.CLOSED,
    CommandKind.FALSE_ALARM: Status.CANCELLED,
    CommandKind.NOTE: None,
}
"""What a partner may ask for, and the state it then stands at itself."""


class State(NamedTuple):
    """What has to be equal on both sides, in the words of TMF621."""

    status: str
    priority: str

    @classmethod
    def of(cls, event: CaseEvent) -> State:
        """The state after a fact."""
        return cls(event.status.value, PRIORITIES[event.priority])


class Wish(NamedTuple):
    """Something a partner asks for."""

    kind: CommandKind
    nonce: str
    """The same nonce is the same wish."""
    text: str = ""
    because: str = ""

    def command(self, device: str) -> str:
        """The id of the command it becomes."""
        return ids.command_id(device, self.kind, self.nonce)


def kinds_for(ours: Status, theirs: str) -> tuple[CommandKind, ...]:
    """The commands that lead from our state to the one a partner has set; none where there are none, and our state goes back to it."""
    if theirs == Status.IN_PROGRESS:
        return (CommandKind.TAKE,)
    if theirs == Status.RESOLVED:
        return (CommandKind.RESOLVE,)
    if theirs == Status.CLOSED:
        return (CommandKind.CLOSE,) if ours is Status.RESOLVED else (CommandKind.RESOLVE, CommandKind.CLOSE)
    if theirs == Status.CANCELLED:
        return (CommandKind.FALSE_ALARM,)
    return ()


@dataclass(frozen=True, slots=True)
class Mirror:
    """One case at one partner, as the outbox keeps it."""

    partner: str
    case: str
    device: str
    """Key: `tenant/device`."""
    ticket: str = ""
    """What the partner calls it; empty as long as it has not said."""
    last_seq: int = 0
    """The newest fact of the case."""
    sent_seq: int = -1
    """The newest fact the partner was told, or did not have to be told."""
    known: State | None = None
    """What the partner stood at when we last knew."""
    settled: str = ""
    """The difference that was put right last, so that it is put right once."""
    wanted: int = 0
    looked: int = 0
    """How often somebody said that the ticket is worth a look, and up to where that was done."""
    posted_at: Micros = 0
    """When we last tried to open a ticket without hearing what became of it; 0: not."""
    asked: tuple[str, ...] = ()
    """Commands in the partner's name that are not answered yet."""
    asked_until: Micros = 0
    due_at: Micros = 0
    """When it is looked at next; 0: when something happens."""
    waiting_since: Micros = 0
    """Since when there is something to tell."""
    tries: int = 0
    dead: bool = False
    reason: str = ""
    detail: str = ""
    sent_at: Micros = 0
    heard_at: Micros = 0


@dataclass(frozen=True, slots=True)
class Story:
    """A case with all its facts in order, and the commands in this partner's name."""

    events: Sequence[CaseEvent]
    asked: Mapping[str, Command] = field(default_factory=dict)

    @property
    def last(self) -> CaseEvent:
        """The newest fact."""
        return self.events[-1]

    def since(self) -> int:
        """The fact with which the present state began."""
        now, seq = State.of(self.last), self.last.seq
        for event in reversed(self.events):
            if State.of(event) != now:
                break
            seq = event.seq
        return seq

    def answered(self, commands: Sequence[str]) -> bool:
        """Whether each of these commands has become a fact, or a refusal that is noted."""
        return set(commands) <= {event.because for event in self.events}

    def notes(self, after: int = -1) -> list[CaseEvent]:
        """Facts with words for the partner, later than a place: not those that came from it."""
        return [
            event for event in self.events if event.seq > after and event.kind in TOLD and event.detail and event.because not in self.asked
        ]
