"""Callbacks: a slot is given once, a request counts once, three attempts end in writing, and the case learns of all of it."""

from __future__ import annotations

import pytest

from streams.callbacks import Callbacks
from tests.unit.streams.callbacks.office import MONDAY, Office, clock, slot
from vorab import pipeline, topics
from vorab.callbacks.diary import MEMORY, Diary
from vorab.callbacks.shelf import Shelf
from vorab.clock import DAY, MINUTE
from vorab.errors import Rejected
from vorab.processor import Input
from vorab.records import BookingKind, BookingStatus, CommandKind, Meeting, SlotKind, SlotReason, Stage, Tick, Wishes
from vorab.settings import Settings


@pytest.fixture(params=[False, True], ids=["steady", "restarted after everything"])
def office(request: pytest.FixtureRequest) -> Office:
    """Nine to twelve, one to five, one person."""
    return Office(forgetful=request.param)


def test_the_next_free_slots_are_offered(office: Office) -> None:
    """Not sooner than the notice, not in the break, and not what is taken."""
    assert office.free(clock("11:00")) == [clock("11:30"), clock("13:00"), clock("13:30")]
    office.book("ada", clock("11:00"), clock("13:00"))
    assert office.free(clock("11:00")) == [clock("11:30"), clock("13:30"), clock("14:00")]


def test_a_slot_is_given_once_and_the_second_is_told_what_is_free(office: Office) -> None:
    """Whoever comes second is refused, with other slots."""
    first, second = (office.book(name, MONDAY, clock("09:00")) for name in ("ada", "bob"))
    assert (first.kind, first.status, first.end) == (BookingKind.BOOKED, BookingStatus.OPEN, clock("09:30"))
    assert (second.kind, second.reason, second.status) == (BookingKind.REFUSED, SlotReason.TAKEN, BookingStatus.NONE)
    assert second.free == (clock("09:30"), clock("10:00"), clock("10:30"))
    assert office.book("bob", MONDAY, second.free[0], nonce="again").kind is BookingKind.BOOKED


def test_a_diary_that_does_not_look_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: without the look at what is held the second one gets the slot, too."""
    monkeypatch.setattr(Shelf, "room", lambda *_: True)
    with pytest.raises(AssertionError):
        test_a_slot_is_given_once_and_the_second_is_told_what_is_free(Office())


def test_the_same_request_twice_changes_nothing(office: Office) -> None:
    """Also one that was refused, after the slot has become free: a repetition is no new wish."""
    asked = slot(SlotKind.BOOK, "ada", MONDAY, clock("09:00"))
    refused = slot(SlotKind.BOOK, "bob", MONDAY, clock("09:00"))
    assert [len(office.take(each)) for each in (asked, asked, refused, refused)] == [1, 0, 1, 0]
    office.ask(SlotKind.CANCEL, "ada", MONDAY + MINUTE)
    count = len(office.out)
    assert office.take(refused) == []
    assert office.take(asked) == []
    assert len(office.out) == count


def test_a_diary_without_a_memory_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: where nothing is remembered the refused one gets the slot at the second try."""
    ask = Diary.ask

    def forgetting(diary: Diary, asked: object, now: int) -> object:
        for entry in diary.entries.values():
            entry.seen.clear()
        return ask(diary, asked, now)  # type: ignore[arg-type]

    monkeypatch.setattr(Diary, "ask", forgetting)
    with pytest.raises(AssertionError):
        test_the_same_request_twice_changes_nothing(Office())


def test_as_soon_as_possible_is_a_place_in_the_queue_and_a_time(office: Office) -> None:
    """The place counts who comes before, the time is a slot that is held: it is kept whoever comes later."""
    facts = [office.book(name, MONDAY + n * MINUTE) for n, name in enumerate(("ada", "bob", "cyd"))]
    assert [(fact.position, fact.start) for fact in facts] == [(1, clock("09:00")), (2, clock("09:30")), (3, clock("10:00"))]
    assert all(fact.soonest for fact in facts)


def test_nobody_is_called_while_asleep(office: Office) -> None:
    """As soon as possible is within the customer's own hours and wishes."""
    late = Wishes(zone="Europe/Berlin", quiet_from="20:00", quiet_until="10:30")
    assert office.book("ada", MONDAY, wishes=late).start == clock("10:30")
    afternoon = Wishes(first=clock("14:10"), until=clock("15:00"), zone="Europe/Berlin")
    assert office.book("bob", MONDAY, wishes=afternoon).start == clock("14:30")
    assert office.book("cyd", MONDAY, wishes=afternoon).reason is SlotReason.FULL


def test_moving_and_cancelling_make_room(office: Office) -> None:
    """The sequence of the calendar entry goes up each time, and the slot that was left is free at once."""
    office.book("ada", MONDAY, clock("09:00"))
    [moved] = office.ask(SlotKind.MOVE, "ada", MONDAY + 1, clock("10:00"))
    assert (moved.kind, moved.start, moved.sequence) == (BookingKind.MOVED, clock("10:00"), 1)
    assert office.book("bob", MONDAY + 2, clock("09:00")).kind is BookingKind.BOOKED
    [refused] = office.ask(SlotKind.MOVE, "ada", MONDAY + 3, clock("09:00"))
    assert (refused.reason, refused.status, refused.start) == (SlotReason.TAKEN, BookingStatus.OPEN, clock("10:00"))
    [gone] = office.ask(SlotKind.CANCEL, "ada", MONDAY + 4)
    assert (gone.kind, gone.status, gone.sequence) == (BookingKind.CANCELLED, BookingStatus.CANCELLED, 2)
    assert office.book("cyd", MONDAY + 5, clock("10:00")).kind is BookingKind.BOOKED
    assert office.ask(SlotKind.MOVE, "ada", MONDAY + 6, clock("11:00"))[0].reason is SlotReason.OVER


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (clock("08:00"), SlotReason.PAST),
        (clock("08:10"), SlotReason.PAST),
        (clock("12:00"), SlotReason.NO_SLOT),
        (clock("09:10"), SlotReason.NO_SLOT),
        (clock("09:00", "2026-11-28"), SlotReason.NO_SLOT),
        (clock("09:00", "2026-12-25"), SlotReason.NO_SLOT),
    ],
)
def test_what_is_no_slot_cannot_be_booked(start: int, reason: SlotReason) -> None:
    """Too near, in the break, between two slots, on a Saturday, on a public holiday."""
    office = Office(closed=["2026-12-25"], ahead_days=90)
    assert office.book("ada", MONDAY, start).reason is reason


def test_a_case_has_one_call_at_a_time(office: Office) -> None:
    """A second one is refused and names the first; a visit beside it is fine."""
    first = office.book("ada", MONDAY, clock("09:00"))
    other = slot(SlotKind.BOOK, "ada", MONDAY + 1, clock("11:00"), booking="another")
    [refused] = office.take(other)
    assert (refused.reason, refused.detail) == (SlotReason.ALREADY, first.booking)
    [visit] = office.take(slot(SlotKind.BOOK, "ada", MONDAY + 2, clock("13:00"), booking="visit", how=Meeting.VISIT))
    assert (visit.kind, visit.end) == (BookingKind.BOOKED, clock("15:00"))


def test_whose_booking_it_is_matters(office: Office) -> None:
    """Nobody cancels for somebody else, and nothing happens to a booking that is not there."""
    mine = office.book("ada", MONDAY, clock("09:00"))
    [refused] = office.take(slot(SlotKind.CANCEL, "bob", MONDAY + 1, booking=mine.booking))
    assert refused.reason is SlotReason.UNKNOWN
    early = slot(SlotKind.CANCEL, "cyd", MONDAY + 2)
    assert office.take(early)[0].reason is SlotReason.UNKNOWN
    office.book("cyd", MONDAY + 3, clock("10:00"))
    assert office.take(early) == []
    assert office.free(MONDAY)[0] == clock("09:30")


def test_after_three_attempts_it_is_closed_in_writing(office: Office) -> None:
    """Each attempt that nobody answers is followed by another slot, two hours later at the earliest; after the third, a letter."""
    office.book("ada", MONDAY, clock("09:00"))
    [once] = office.ask(SlotKind.NOT_REACHED, "ada", clock("09:05"))
    [twice] = office.ask(SlotKind.NOT_REACHED, "ada", clock("11:35"))
    assert [(fact.start, fact.sequence, fact.status) for fact in (once, twice)] == [
        (clock("11:30"), 1, BookingStatus.OPEN), (clock("14:00"), 2, BookingStatus.OPEN),
    ]  # fmt: skip
    assert office.written == []
    [last] = office.ask(SlotKind.NOT_REACHED, "ada", clock("14:05"))
    assert (last.kind, last.status, last.attempts) == (BookingKind.CLOSED, BookingStatus.CLOSED, 3)
    [note] = office.written
    assert (note.stage, note.case, note.key, note.because) == (Stage.PERSON_NEEDED, "case-ada", "main/ada", last.id)
    assert office.commands[-1].detail == "not reached 3 times: closed in writing"
    assert office.ask(SlotKind.NOT_REACHED, "ada", clock("14:06"))[0].reason is SlotReason.OVER


def test_the_case_learns_of_a_call_once(office: Office) -> None:
    """A call that is booked is a call that is wished; the rest is noted, and what is refused is not."""
    office.book("ada", MONDAY, clock("09:00"))
    office.book("bob", MONDAY, clock("09:00"))
    office.ask(SlotKind.MOVE, "ada", MONDAY + 1, clock("10:00"))
    office.ask(SlotKind.REACHED, "ada", clock("10:10"))
    assert [(command.kind, command.key, command.case, command.detail) for command in office.commands] == [
        (CommandKind.CALL, "main/d-ada", "case-ada", "call booked for 2026-11-23 08:00 UTC"),
        (CommandKind.NOTE, "main/d-ada", "case-ada", "call moved to 2026-11-23 09:00 UTC"),
        (CommandKind.NOTE, "main/d-ada", "case-ada", "call made"),
    ]


def test_a_reminder_is_due_a_day_before_a_visit(office: Office) -> None:
    """Once, at its own time, and for the time the visit has then; who books within that day needs none."""
    office.book("ada", MONDAY, clock("09:00", "2026-11-25"), how=Meeting.VISIT)
    office.book("bob", MONDAY, clock("13:00"), how=Meeting.VISIT)
    office.pass_time(clock("09:00", "2026-11-24"))
    assert [fact for fact in office.bookings if fact.kind is BookingKind.REMINDED] == []
    office.pass_time(clock("10:00", "2026-11-24"))
    office.pass_time(clock("10:00", "2026-11-25"))
    [fact] = [fact for fact in office.bookings if fact.kind is BookingKind.REMINDED]
    assert (fact.customer, fact.at, fact.start) == ("ada", clock("09:00", "2026-11-24"), clock("09:00", "2026-11-25"))


def test_a_visit_that_is_moved_is_reminded_of_at_its_new_time(office: Office) -> None:
    """And not at the old one."""
    office.book("ada", MONDAY, clock("09:00", "2026-11-25"), how=Meeting.VISIT)
    office.ask(SlotKind.MOVE, "ada", MONDAY + 1, clock("13:00", "2026-11-26"), how=Meeting.VISIT)
    office.pass_time(clock("18:00", "2026-11-26"))
    assert [fact.at for fact in office.bookings if fact.kind is BookingKind.REMINDED] == [clock("13:00", "2026-11-25")]


def test_what_nobody_speaks_of_any_more_is_forgotten(office: Office) -> None:
    """A booking without a word lapses after a week, and what is over is forgotten after another: the state does not grow."""
    office.book("ada", MONDAY, clock("09:00"))
    office.book("bob", MONDAY, clock("09:00"))
    office.pass_time(clock("09:30") + MEMORY + 1)
    assert office.bookings[-1].kind is BookingKind.LAPSED
    office.pass_time(clock("09:30") + 2 * MEMORY + 2)
    assert office.processor._diary("main").entries == {}
    blocks = office.blocks | dict(office.processor.dirty())
    assert not any(blocks.values())


def test_a_request_that_comes_a_day_late_is_refused(office: Office) -> None:
    """What it was about may be forgotten, and the same twice must stay the same."""
    office.pass_time(MONDAY + 2 * DAY)
    [refused] = office.take(slot(SlotKind.BOOK, "ada", MONDAY))
    assert (refused.reason, refused.at) == (SlotReason.LATE, MONDAY)


def test_a_team_of_another_size_has_other_room() -> None:
    """Two people, and one over lunch."""
    office = Office(team=2, team_at=["12=1"], hours=["09:00-17:00"])
    found = [
        office.book(name, MONDAY, start).kind for name, start in zip("abcdef", [clock("09:00")] * 3 + [clock("12:00")] * 3, strict=True)
    ]
    booked, refused = BookingKind.BOOKED, BookingKind.REFUSED
    assert found == [booked, booked, refused, booked, refused, refused]


def test_slots_of_earlier_hours_still_count(office: Office) -> None:
    """Where the length of a slot was changed meanwhile, whoever is on the phone is not free."""
    office.book("ada", MONDAY, clock("09:00"))
    blocks = office.blocks | dict(office.processor.dirty())
    other = Office(slot_min=20)
    other.processor.restore(blocks)
    assert other.free(MONDAY)[0] == clock("09:40")


def test_tenants_have_diaries_of_their_own(office: Office) -> None:
    """The same hour of two tenants is two hours."""
    assert office.book("ada", MONDAY, clock("09:00")).kind is BookingKind.BOOKED
    assert office.book("bob", MONDAY, clock("09:00"), tenant="other").kind is BookingKind.BOOKED


def test_the_diary_lives_in_the_time_of_the_cases() -> None:
    """Where calls can be booked, cases say on its topic what time it is; where nobody calls, nothing of it runs."""
    on, off = Settings.model_validate({"streams": {"callbacks": {"team": 1}}}), Settings()
    kinds = {kind.name: kind for kind in pipeline.kinds(on)}
    assert topics.SLOTS in kinds["cases"].ticks
    assert kinds["callbacks"].inputs == (Input(topics.SLOTS),)
    idle = {kind.name: kind for kind in pipeline.kinds(off)}
    assert "callbacks" not in idle
    assert topics.SLOTS not in idle["cases"].ticks


def test_what_is_no_request_is_rejected() -> None:
    """Something else on the topic, and recorded devices, whose owners live in no present."""
    for record in (Tick(id="t", at=1), slot(SlotKind.BOOK, "ada", MONDAY, tenant=topics.RECORDED_TENANT)):
        with pytest.raises(Rejected):
            list(Callbacks(Office().options).step(topics.SLOTS, 0, record, MONDAY))


def test_a_call_nobody_has_time_for_is_refused() -> None:
    """Honestly: nothing is promised that cannot be held."""
    office = Office(hours=["09:00-09:30"], ahead_days=1)
    assert office.book("ada", MONDAY).start == clock("09:00")
    refused = office.book("bob", MONDAY)
    assert (refused.reason, refused.free) == (SlotReason.FULL, ())
