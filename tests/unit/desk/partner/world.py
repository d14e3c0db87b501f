"""Two sides and the network between them, in memory: a case that obeys the real table of states, and a partner that obeys nobody.

Everything that can go wrong is a choice of the test: requests and answers that are lost, events that come late, twice or never.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from desk.partner import tickets
from desk.partner.mirror import AUTHOR, Mirror, State, Story, Wish
from desk.partner.tickets import Ask, Change, Create, Find, Note, Read, Save, Ticket
from streams.cases.people import KINDS
from streams.cases.table import after
from vorab import ids
from vorab.clock import SECOND, Micros
from vorab.records import CaseEvent, CaseKind, Command, Severity, Status

DEVICE: Final = "main/pump-1"
CASE: Final = ids.case_id(DEVICE, "low_pressure", 0)
START: Final[Micros] = 1_795_000_000 * SECOND


@dataclass
class OurSide:
    """The case, its facts, and the commands on their way to it."""

    now: Micros = START
    events: list[CaseEvent] = field(default_factory=list)
    asked: dict[str, Command] = field(default_factory=dict)
    queue: list[Command] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    status: Status = Status.ACKNOWLEDGED
    priority: int = 3

    def __post_init__(self) -> None:
        self.fact(CaseKind.OPENED, "symptom", Status.ACKNOWLEDGED)

    @property
    def story(self) -> Story:
        """What the tables say."""
        return Story(list(self.events), dict(self.asked))

    def fact(self, kind: CaseKind, because: str, status: Status, detail: str = "") -> None:
        """One more fact."""
        self.now += SECOND
        self.status, seq = status, len(self.events)
        self.events.append(
            CaseEvent(
                id=ids.case_event_id(CASE, kind, f"{because}{seq}"), device="pump-1", case=CASE, kind=kind, status=status, at=self.now,
                because=because, cause="low_pressure", severity=Severity.MAJOR, priority=self.priority, opened_at=START, detail=detail,
                seq=seq,
            )
        )  # fmt: skip

    def change(self, kind: CaseKind, detail: str = "", priority: int = 0) -> None:
        """Something happens here, where the table allows it."""
        status = after(self.status, kind)
        if status is not None:
            self.priority = priority or self.priority
            self.fact(kind, "ours", status, detail)

    def command(self, partner: str, wish: Wish) -> None:
        """A wish of a partner is put on the log."""
        name = wish.command(DEVICE)
        made = Command(id=name, device="pump-1", kind=wish.kind, case=CASE, at=self.now, by=partner, because=wish.because, detail=wish.text)
        self.asked[name] = made
        self.queue.append(made)

    def obey(self) -> None:
        """The next command is done, or refused, as `streams.cases.people` does it."""
        command = self.queue.pop(0)
        if command.id in self.done:
            return
        self.done.add(command.id)
        kind = KINDS[command.kind]
        status, said = after(self.status, kind), f"{command.by}: {command.detail}"
        if status is None:
            self.fact(CaseKind.NOTED, command.id, self.status, f"refused: {command.kind}, because the case is {self.status}; {said}")
        else:
            self.fact(kind, command.id, status, said)


@dataclass
class TicketSide:
    """A ticket system: any state at any time, notes with ids of its own, and an event for every change, whoever made it."""

    tickets: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    requests: int = 0
    numbers: int = 0

    def do(self, step: Find | Create | Read | Change) -> Ticket | None:
        """One request."""
        self.requests += 1
        match step:
            case Find():
                found = [name for name, row in self.tickets.items() if row["case"] == step.case]
                return self.ticket(found[0]) if found else None
            case Create():
                name = f"INC-{len(self.tickets) + 1}"
                notes = [self._note(AUTHOR, event.detail) for event in step.story.notes()]
                self.tickets[name] = {"case": CASE, "state": State.of(step.story.last), "notes": notes}
                self.events.append(name)
                return self.ticket(name)
            case Read():
                return self.ticket(step.ticket)
            case Change():
                row = self.tickets[step.ticket.id]
                row["state"] = step.want
                row["notes"] = [*step.ticket.notes, *(self._note(AUTHOR, event.detail) for event in step.notes)]
                self.events.append(step.ticket.id)
                return self.ticket(step.ticket.id)

    def ticket(self, name: str) -> Ticket:
        """As it stands."""
        row = self.tickets[name]
        return Ticket(name, row["state"], tuple(row["notes"]))

    def touch(self, status: str = "", priority: str = "", note: str = "") -> None:
        """Somebody there works on the first ticket."""
        for name, row in list(self.tickets.items())[:1]:
            row["state"] = State(status or row["state"].status, priority or row["state"].priority)
            row["notes"] += [self._note("Ada", note)] if note else []
            self.events.append(name)

    def _note(self, author: str, text: str) -> Note:
        self.numbers += 1
        return Note(str(self.numbers), author, text)


@dataclass
class Bridge:
    """What the relay does, without threads, sockets and tables."""

    ours: OurSide
    theirs: TicketSide
    mirror: Mirror = field(default_factory=lambda: Mirror("itsm", CASE, DEVICE))
    attempt: Callable[..., tickets.Round] = tickets.attempt
    asks: int = 0

    def round(self, lose: str = "") -> None:
        """One round; `lose` names the step whose request or answer is lost (`change request`, `create answer`)."""
        steps = self.attempt(self.mirror, self.ours.story, self.ours.now, settle=0, look=0)
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                self.mirror = end.value
                return
            answer = None
            name = type(step).__name__.lower()
            if isinstance(step, Save):
                self.mirror = step.mirror
            elif isinstance(step, Ask):
                for wish in step.wishes:
                    self.asks += 1
                    self.ours.command("itsm", wish)
                if lose == "ask answer":
                    return
            elif lose == f"{name} request":
                return
            else:
                answer = self.theirs.do(step)
                if lose == f"{name} answer":
                    return

    def hint(self) -> None:
        """An event has come: the ticket is worth a look."""
        self.mirror = replace(self.mirror, wanted=self.mirror.wanted + 1)

    @property
    def quiet(self) -> bool:
        """Whether nothing is left to do."""
        told = self.mirror.sent_seq >= self.ours.events[-1].seq and self.mirror.wanted <= self.mirror.looked
        return told and not self.mirror.asked and not self.ours.queue

    def settle(self, rounds: int = 60) -> bool:
        """Let both sides come to rest, events included; whether they do."""
        for _ in range(rounds):
            if self.theirs.events:
                self.theirs.events.clear()
                self.hint()
            while self.ours.queue:
                self.ours.obey()
            if self.quiet:
                return True
            self.round()
        return False


@dataclass
class WebhookSide:
    """A receiver that keeps the fact with the highest number, and its own changes on top of it until a newer fact comes."""

    status: str = ""
    seq: int = -1
    seen: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    outgoing: list[tuple[int, str, str, str]] = field(default_factory=list)
    """Messages on their way to us: the fact it had read, its id, the state and the note."""
    requests: int = 0

    def receive(self, event: CaseEvent) -> None:
        """A fact has come, perhaps not for the first time."""
        self.requests += 1
        if event.id in self.seen:
            return
        self.seen.add(event.id)
        if event.detail and event.kind is CaseKind.NOTED:
            self.notes.append(event.detail)
        if event.seq > self.seq:
            self.seq, self.status = event.seq, event.status.value

    def touch(self, status: str = "", note: str = "") -> None:
        """Somebody there works on it."""
        if self.seq < 0:
            return
        self.status = status or self.status
        self.outgoing.append((self.seq, f"msg-{len(self.seen)}-{len(self.outgoing)}-{status}{note}", status, note))
