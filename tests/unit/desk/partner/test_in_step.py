"""Both sides stay in step, whatever both do at once and whatever is lost on the way; and nothing goes round in circles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.partner import facts, tickets
from desk.partner.intake import WishData, wishes_of
from desk.partner.mirror import AUTHOR, TOLD, Mirror, State, Story
from desk.partner.tickets import Round, Ticket
from tests.unit.desk.partner.world import Bridge, OurSide, TicketSide, WebhookSide
from vorab.records import CaseEvent, CaseKind, Status

OURS = [
    CaseKind.TAKEN,
    CaseKind.RESOLVED,
    CaseKind.RELAPSED,
    CaseKind.HANDED_OVER,
    CaseKind.CONSENT_ASKED,
    CaseKind.CLOSED,
    CaseKind.FALSE_ALARM,
]
STATES = [status.value for status in Status]
LOSSES = ["", "find answer", "create request", "create answer", "read answer", "change request", "change answer", "ask answer"]
BOUND = 5
"""Requests per change of either side, in the worst case: look it up and open it, or look, ask, look again and change."""

actions = st.one_of(
    st.tuples(st.just("ours"), st.sampled_from(OURS), st.integers(1, 4)),
    st.tuples(st.just("our note"), st.sampled_from(["looked at", "part ordered"]), st.just(0)),
    st.tuples(st.just("theirs"), st.sampled_from(STATES), st.just(0)),
    st.tuples(st.just("their priority"), st.sampled_from(["Low", "Critical"]), st.just(0)),
    st.tuples(st.just("their note"), st.sampled_from(["called them", "van is on its way"]), st.just(0)),
    st.tuples(st.just("event"), st.booleans(), st.just(0)),
    st.tuples(st.just("round"), st.sampled_from(LOSSES), st.just(0)),
    st.tuples(st.just("obey"), st.just(0), st.just(0)),
)


def play(bridge: Bridge, what: str, how: Any, priority: int) -> int:
    """One thing happens; returns how many changes it was."""
    ours, theirs = bridge.ours, bridge.theirs
    match what:
        case "ours":
            ours.change(how, priority=priority)
        case "our note":
            ours.change(CaseKind.NOTED, f"{how} ({len(ours.events)})")
        case "theirs":
            theirs.touch(status=how)
        case "their priority":
            theirs.touch(priority=how)
        case "their note":
            theirs.touch(note=f"{how} ({theirs.numbers})")
        case "event" if theirs.events:
            theirs.events.pop(0 if how else -1)
            bridge.hint()
        case "round":
            bridge.round(how)
        case "obey" if ours.queue:
            ours.obey()
    return int(what in {"ours", "our note", "theirs", "their priority", "their note"})


@given(st.lists(actions, max_size=25))
def test_both_sides_come_to_the_same_state_with_one_ticket_and_few_requests(story: list[tuple[str, Any, int]]) -> None:
    """Random changes on both sides, lost requests and answers, events late and in any order: equal states, every note once, no circles."""
    bridge = Bridge(OurSide(), TicketSide())
    changes = 1 + sum(play(bridge, *step) for step in story)
    lost = sum(step[0] == "round" for step in story)
    assert bridge.settle(), "it never comes to rest"

    [ticket] = bridge.theirs.tickets.values()
    if bridge.mirror.reason != "differs":
        assert ticket["state"] == State.of(bridge.ours.events[-1])
    assert bridge.theirs.requests <= BOUND * (changes + lost)
    theirs = [note.text for note in ticket["notes"] if note.author != AUTHOR]
    noted = [event.detail for event in bridge.ours.events if event.kind is CaseKind.NOTED and event.because in bridge.ours.asked]
    assert sorted(f"itsm: {text}" for text in theirs) == sorted(text for text in noted if not text.startswith("refused"))
    told = [note.text for note in ticket["notes"] if note.author == AUTHOR]
    assert sorted(told) == sorted(event.detail for event in bridge.ours.story.notes())


def test_what_differs_for_good_is_what_the_partner_insists_on() -> None:
    """A correction is sent once; where the partner goes back to what was refused, it is left there and shown, until our side changes."""
    bridge = Bridge(OurSide(), TicketSide())
    assert bridge.settle()
    for _ in range(3):
        bridge.theirs.touch(status="pending")
        assert bridge.settle()
    assert bridge.mirror.reason == "differs"
    before = bridge.theirs.requests
    bridge.hint()
    assert bridge.settle()
    assert bridge.theirs.requests == before + 1, "a look, and no change"
    bridge.ours.change(CaseKind.RESOLVED)
    assert bridge.settle()
    assert (bridge.mirror.reason, bridge.theirs.tickets["INC-1"]["state"].status) == ("", "resolved")


def test_a_change_of_theirs_that_is_allowed_is_not_sent_back() -> None:
    """They take the ticket: the case is taken, and the ticket is not touched."""
    bridge = Bridge(OurSide(), TicketSide())
    assert bridge.settle()
    bridge.theirs.touch(status="inProgress")
    assert bridge.settle()
    assert bridge.ours.status is Status.IN_PROGRESS
    assert bridge.theirs.events == []


def test_a_change_that_is_not_allowed_comes_back_as_our_state() -> None:
    """They close what is closed by nobody but us in that state: refused, noted on the case, and put right with the reason."""
    ours = OurSide()
    bridge = Bridge(ours, TicketSide())
    ours.change(CaseKind.RESOLVED)
    ours.change(CaseKind.CLOSED)
    assert bridge.settle()
    bridge.theirs.touch(status="inProgress")
    assert bridge.settle()
    assert bridge.theirs.tickets["INC-1"]["state"].status == "closed"
    assert "refused: take" in ours.events[-1].detail


class Forgetful(Story):
    """Known-bad: every note is ours."""

    def notes(self, after: int = -1) -> list[CaseEvent]:
        """Also those that came from the partner."""
        return [event for event in self.events if event.seq > after and event.kind in TOLD and event.detail]


def forgetful(mirror: Mirror, story: Story, now: int, **how: Any) -> Round:
    """Known-bad: nobody remembers who said what, here or there."""
    steps = tickets.attempt(mirror, Forgetful(story.events, story.asked), now, **how)
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            after: Mirror = end.value
            return after
        answer = yield step
        if isinstance(answer, Ticket):
            answer = replace(answer, notes=tuple(replace(note, author="") for note in answer.notes))


def test_a_bridge_that_forgets_where_a_note_came_from_goes_round_in_circles() -> None:
    """Known bad: without the origin, one note of theirs never comes to rest; with it, it does."""
    for attempt, rests in ((tickets.attempt, True), (forgetful, False)):
        bridge = Bridge(OurSide(), TicketSide(), attempt=attempt)
        bridge.settle()
        bridge.theirs.touch(note="called them")
        assert bridge.settle() is rests


def without_memory(mirror: Mirror, story: Story, now: int, **how: Any) -> Round:
    """Known-bad: a ticket is opened without looking whether one is there."""
    inner = tickets.attempt(mirror, story, now, **how)
    answer: Any = None
    while True:
        try:
            step = inner.send(answer)
        except StopIteration as end:
            after: Mirror = end.value
            return after
        answer = None if isinstance(step, tickets.Find) else (yield step)


def test_a_bridge_that_opens_without_looking_opens_two() -> None:
    """A lost answer: looked up first, there is one ticket; known bad, there are two."""
    for attempt, count in ((tickets.attempt, 1), (without_memory, 2)):
        bridge = Bridge(OurSide(), TicketSide(), attempt=attempt)
        bridge.round("create answer")
        assert bridge.settle()
        assert len(bridge.theirs.tickets) == count


# --------------------------------------------------------------------------------------------------------- webhooks

webhook_actions = st.one_of(
    st.tuples(st.just("ours"), st.sampled_from(OURS)),
    st.tuples(st.just("theirs"), st.sampled_from(["inProgress", "resolved", "closed", "cancelled"])),
    st.tuples(st.just("their note"), st.sampled_from(["called them", "van is on its way"])),
    st.tuples(st.just("tell"), st.sampled_from(["", "lost", "twice"])),
    st.tuples(st.just("hear"), st.sampled_from([0, -1])),
    st.tuples(st.just("obey"), st.just(0)),
)


class Line:
    """A case and a receiver of webhooks."""

    def __init__(self, to_tell: Any = facts.to_tell) -> None:
        self.ours, self.theirs, self.sent, self._to_tell = OurSide(), WebhookSide(), -1, to_tell

    def waiting(self) -> Iterator[Any]:
        """What has to be told."""
        return (event for event in self._to_tell(self.ours.story) if event.seq > self.sent)

    def tell(self, how: str = "") -> bool:
        """Tell the next fact; lost: the answer is."""
        event = next(self.waiting(), None)
        if event is None:
            return False
        for _ in range(2 if how == "twice" else 1):
            self.theirs.receive(event)
        if how != "lost":
            self.sent = event.seq
        return True

    def hear(self, which: int = 0) -> None:
        """A wish of theirs arrives."""
        if self.theirs.outgoing:
            seen, message, status, note = self.theirs.outgoing.pop(which)
            wish = WishData(case="c", seq=seen, status=status, note=note)  # type: ignore[arg-type]
            for each in wishes_of("mail", message, wish, self.ours.story):
                self.ours.command("mail", each)

    def settle(self) -> None:
        """Until nothing is on its way."""
        while self.theirs.outgoing or self.ours.queue or self.tell():
            while self.theirs.outgoing:
                self.hear()
            while self.ours.queue:
                self.ours.obey()


def run(line: Line, story: list[tuple[str, Any]]) -> Line:
    """All of it, to its end."""
    for what, how in story:
        match what:
            case "ours":
                line.ours.change(how)
            case "theirs":
                line.theirs.touch(status=how)
            case "their note":
                line.theirs.touch(note=how)
            case "tell":
                line.tell(how)
            case "hear":
                line.hear(how)
            case "obey" if line.ours.queue:
                line.ours.obey()
    line.settle()
    return line


@given(st.lists(webhook_actions, max_size=25))
def test_a_receiver_of_webhooks_comes_to_the_state_of_the_case(story: list[tuple[str, Any]]) -> None:
    """Random changes on both sides, answers lost, facts twice, wishes in any order: the same state, and no more messages than facts."""
    line = run(Line(), story)
    if line.theirs.seq >= 0:
        assert line.theirs.status == line.ours.status.value
    repeated = sum(step[0] == "tell" and step[1] != "" for step in story)
    assert line.theirs.requests <= len(line.ours.events) + repeated


def test_a_wish_that_is_granted_is_not_told_to_who_wished_it() -> None:
    """They take it and nothing crossed: they stand there already, and nothing is sent."""
    line = run(Line(), [("tell", ""), ("theirs", "inProgress")])
    assert (line.ours.status, line.theirs.requests) == (Status.IN_PROGRESS, 1)


def test_an_origin_without_crossing_leaves_both_apart() -> None:
    """Known bad: skipping whatever came from the partner, also where a fact of ours crossed its wish, ends in two states."""
    story: list[tuple[str, Any]] = [("tell", ""), ("ours", CaseKind.HANDED_OVER), ("theirs", "inProgress"), ("tell", "")]

    def careless(told: Story) -> list[Any]:
        return [event for event in told.events if event.because not in told.asked]

    for to_tell, same in ((facts.to_tell, True), (careless, False)):
        line = run(Line(to_tell), story)
        assert (line.theirs.status == line.ours.status.value) is same


@pytest.mark.parametrize("status", list(Status))
def test_every_state_of_a_partner_leads_to_commands_or_back(status: Status) -> None:
    """Whatever a partner sets, in whatever state the case is, it ends equal."""
    for kinds in (
        [],
        [CaseKind.HANDED_OVER],
        [CaseKind.TAKEN],
        [CaseKind.RESOLVED],
        [CaseKind.RESOLVED, CaseKind.CLOSED],
        [CaseKind.FALSE_ALARM],
    ):
        bridge = Bridge(OurSide(), TicketSide())
        for kind in kinds:
            bridge.ours.change(kind)
        assert bridge.settle()
        bridge.theirs.touch(status=status.value)
        assert bridge.settle()
        assert bridge.theirs.tickets["INC-1"]["state"] == State.of(bridge.ours.events[-1])
