"""Keeping a trouble ticket in step: one round as a generator that says what to do and is told what came of it. Pure.

Events of the partner are only hints to look: what counts is the ticket as it stands there. So it does not matter whether they come late,
twice, in another order or not at all, and nobody can change a case by forging one.

Loops cannot arise. What the partner stands at already is not sent; what came from it is told by its commands and not sent back; and one
difference is put right once: where the partner goes back to what was refused, that is shown to operators and left, until our side changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from desk.partner.mirror import AUTHOR, Mirror, State, Story, Wish, kinds_for
from vorab.clock import DAY, SECOND, Micros
from vorab.records import MAX_TEXT, CaseEvent, CommandKind

ANSWER_WITHIN: Final[Micros] = 60 * SECOND
"""A command that is not answered by then is refused for good: the case is not remembered any more."""
OLD: Final[Micros] = DAY
"""A case that was over so long ago when a partner would first hear of it is history."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a ticket."""

    id: str
    author: str
    text: str
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """As the partner keeps it, with whatever else it says."""

    @property
    def key(self) -> str:
        """The same for the same note; a note that was changed is another one."""
        return hashlib.sha256(f"{self.id}\x1f{self.author}\x1f{self.text}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it stands at the partner."""

    id: str
    state: State
    notes: Sequence[Note] = ()
    etag: str = ""

    def filled(self, want: State) -> Ticket:
        """What a partner does not keep at all is as we want it."""
        return replace(self, state=State(self.state.status or want.status, self.state.priority or want.priority))


@dataclass(frozen=True, slots=True)
class Find:
    """Look the ticket up by the case; answered with a `Ticket` or None."""

    case: str
    again: bool
    """Whether we may have opened it already without knowing."""


@dataclass(frozen=True, slots=True)
class Create:
    """Open a ticket; answered with the `Ticket`."""

    story: Story


@dataclass(frozen=True, slots=True)
class Read:
    """Read the ticket; answered with the `Ticket`."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Change:
    """Change the ticket; answered with the `Ticket` after it."""

    ticket: Ticket
    want: State
    notes: Sequence[CaseEvent]
    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Put these wishes of the partner on the log."""

    wishes: Sequence[Wish]


@dataclass(frozen=True, slots=True)
class Save:
    """Remember this before going on."""

    mirror: Mirror


Step = Find | Create | Read | Change | Ask | Save
Round = Generator[Step, Any, Mirror]


def attempt(mirror: Mirror, story: Story, now: Micros, *, settle: Micros, look: Micros, notes: bool = True) -> Round:
    """One round; returns the mirror as it is after it.

    Args:
        mirror: What is known.
        story: The case.
        now: The time, µs.
        settle: How long an attempt to open a ticket may still come true after we stopped waiting for it (µs).
        look: Time between two looks at an open ticket (µs); 0: only when there is a reason.
        notes: Whether notes travel at all.
    """
    expired = False
    if mirror.asked:
        if not story.answered(mirror.asked) and now < mirror.asked_until:
            return replace(mirror, due_at=mirror.asked_until)
        expired = not story.answered(mirror.asked)
        mirror = replace(mirror, asked=(), asked_until=0)
    want, fresh = State.of(story.last), story.notes(mirror.sent_seq) if notes else []
    if not mirror.ticket:
        if not mirror.posted_at and not story.last.status.open and now - story.last.at > OLD:
            return _done(mirror, story, 0, "old")
        if mirror.posted_at and now < mirror.posted_at + settle:
            return replace(mirror, due_at=mirror.posted_at + settle)
        ticket = yield Find(mirror.case, bool(mirror.posted_at))
        if ticket is None:
            mirror = replace(mirror, posted_at=now, known=want)
            yield Save(mirror)
            ticket = yield Create(story)
            fresh = []  # they went along
        ticket = ticket.filled(want)
        mirror = replace(mirror, ticket=ticket.id, posted_at=0, known=mirror.known or ticket.state, sent_at=now)
        yield Save(mirror)
        if ticket.state == want and not fresh:
            return _done(replace(mirror, known=want), story, now, look=look)
    else:
        looks = mirror.wanted > mirror.looked or mirror.sent_seq >= story.last.seq or expired
        if not looks and mirror.known == want and not fresh:
            return _done(mirror, story, now, look=look)
        read = yield Read(mirror.ticket)
        ticket = read.filled(want)
    return (yield from _compare(replace(mirror, heard_at=now), story, ticket, now, want, fresh, expired, look, notes))


def _compare(
    mirror: Mirror,
    story: Story,
    ticket: Ticket,
    now: Micros,
    want: State,
    fresh: Sequence[CaseEvent],
    expired: bool,  # noqa: FBT001 - handed on
    look: Micros,
    notes: bool,  # noqa: FBT001 - handed on
) -> Round:
    wishes = _notes_of(mirror, story, ticket) if notes else []
    difference = f"{ticket.state.status}/{ticket.state.priority}>{want.status}/{want.priority}@{story.since()}"
    theirs = ticket.state not in {want, mirror.known}
    if theirs and difference != mirror.settled:
        wishes += _states_of(mirror, story, ticket)
    if wishes:
        yield Ask(wishes)
        asked = tuple(wish.command(mirror.device) for wish in wishes)
        known, settled = (ticket.state, difference) if theirs else (mirror.known, mirror.settled)
        return replace(mirror, known=known, settled=settled, asked=asked, asked_until=now + ANSWER_WITHIN, due_at=now + ANSWER_WITHIN)
    missing = _missing(fresh, ticket)
    if ticket.state == want:
        changes = False
    elif theirs:
        changes = difference != mirror.settled
    else:
        changes = mirror.sent_seq < story.last.seq or expired
    if not changes and not missing:
        differs = "" if ticket.state == want else "differs"
        return _done(replace(mirror, known=want if not differs else mirror.known), story, now, differs, look=look)
    reason = story.last.detail if story.last.because in story.asked else story.last.kind.value
    changed = yield Change(ticket, want, missing, reason)
    after = changed.filled(want)
    mirror = replace(mirror, known=after.state, settled=difference if theirs else mirror.settled, sent_at=now)
    return _done(mirror, story, now, "" if after.state == want else "differs", look=look)


def _states_of(mirror: Mirror, story: Story, ticket: Ticket) -> list[Wish]:
    ours, theirs = story.last.status, ticket.state.status
    if theirs in {ours.value, mirror.known.status if mirror.known else ""}:
        return []  # the priority was changed, and that is never set by hand
    nonce = f"{mirror.partner}:{ticket.id}:{theirs}:{story.since()}"
    return [Wish(kind, nonce, f"{mirror.partner} set {ticket.id} to {theirs}", ticket.id) for kind in kinds_for(ours, theirs)]


def _notes_of(mirror: Mirror, story: Story, ticket: Ticket) -> list[Wish]:
    ours = {event.id for event in story.events}
    found = []
    for note in ticket.notes:
        if note.id in ours or note.author == AUTHOR or not note.text.strip():
            continue
        wish = Wish(CommandKind.NOTE, f"{mirror.partner}:{ticket.id}:note:{note.key}", note.text.strip()[: MAX_TEXT // 2], ticket.id)
        if wish.command(mirror.device) not in story.asked:
            found.append(wish)
    return found


def _missing(fresh: Sequence[CaseEvent], ticket: Ticket) -> list[CaseEvent]:
    """Notes that are not there yet: an earlier attempt may have come through unseen, and the partner may give ids of its own."""
    there, said = {note.id for note in ticket.notes}, {note.text for note in ticket.notes if note.author == AUTHOR}
    return [event for event in fresh if event.id not in there and event.detail not in said]


def _done(mirror: Mirror, story: Story, now: Micros, reason: str = "", *, look: Micros = 0) -> Mirror:
    again = now + look if look and mirror.ticket and story.last.status.open else 0
    return replace(
        mirror, sent_seq=story.last.seq, looked=mirror.wanted, due_at=again, tries=0, dead=False, reason=reason, detail="", posted_at=0
    )
