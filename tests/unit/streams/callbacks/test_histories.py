"""Whatever is asked in whatever order: nobody is booked twice, restarts change nothing, and a replay is the same byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.streams.callbacks.office import MONDAY, Office, double_booked, slot
from vorab.callbacks import diary
from vorab.callbacks.shelf import Shelf
from vorab.clock import DAY, HOUR, MINUTE, Micros
from vorab.records import BookingKind, BookingStatus, Meeting, Slot, SlotKind

STEPS = st.tuples(
    st.sampled_from([SlotKind.BOOK, SlotKind.BOOK, SlotKind.BOOK, *SlotKind]),
    st.sampled_from("abcdef"),
    st.sampled_from([None, *range(5)]),
    st.sampled_from([0, 1, 20, 200]),
    st.sampled_from([Meeting.PHONE, Meeting.PHONE, Meeting.VISIT]),
    st.booleans(),
)
HISTORIES = st.lists(STEPS, min_size=10, max_size=40)
History = list[tuple[SlotKind, str, int | None, int, Meeting, bool]]


def requests(history: History) -> list[Slot]:
    """A history as requests: some are sent twice, some late."""
    made: list[Slot] = []
    now: Micros = MONDAY
    for number, (kind, name, start, minutes, how, again) in enumerate(history):
        now += minutes * MINUTE
        if again and made:
            made.append(made[number * 7 % len(made)])
        begins = None if start is None else MONDAY + HOUR + start * 30 * MINUTE
        made.append(slot(kind, name, now, begins, nonce=str(number), how=how))
    return made


def told(asked: list[Slot], *, forgetful: bool = False) -> Office:
    """An office that has heard all of it, and a fortnight more."""
    office = Office(forgetful=forgetful, hours=["09:00-13:00"], ahead_days=2)
    for each in asked:
        office.take(each)
    office.pass_time(MONDAY + 20 * DAY)
    return office


@given(HISTORIES)
def test_nobody_is_booked_twice_whatever_is_asked(history: History) -> None:
    """Read off the facts alone, as an outsider would."""
    nobody_twice(history)


def nobody_twice(history: History) -> None:
    """What must hold of every history."""
    asked = requests(history)
    facts = told(asked).bookings
    assert [double_booked(facts, how=how) for how in Meeting] == [0, 0]
    assert len({fact.id for fact in facts}) == len(facts)
    ids = {each.id for each in asked}
    assert {fact.because for fact in facts if fact.kind not in {BookingKind.REMINDED, BookingKind.LAPSED}} <= ids
    assert all(fact.attempts <= 3 for fact in facts)
    assert all(fact.attempts == 3 for fact in facts if fact.kind is BookingKind.CLOSED)


@given(HISTORIES)
def test_a_restart_after_everything_changes_nothing(history: History) -> None:
    """State from blocks decides as state that was never put away, and a replay from the beginning decides the same."""
    the_same_again(history)


def the_same_again(history: History) -> None:
    """Steady, restarted and replayed."""
    asked = requests(history)
    steady = told(asked).wire
    assert told(asked, forgetful=True).wire == steady
    assert told(asked).wire == steady


@given(HISTORIES)
def test_sequences_only_go_up_and_ends_are_ends(history: History) -> None:
    """A calendar that hears a lower sequence would keep the wrong time."""
    last: dict[str, tuple[int, BookingStatus]] = {}
    for fact in told(requests(history)).bookings:
        before, status = last.get(fact.booking, (0, BookingStatus.NONE))
        assert fact.sequence >= before
        if status in {BookingStatus.DONE, BookingStatus.CANCELLED, BookingStatus.CLOSED}:
            assert fact.kind is BookingKind.REFUSED
        last[fact.booking] = fact.sequence, fact.status


def test_a_diary_that_gives_a_slot_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: a look at all slots but the one that is asked for."""
    room = Shelf.room
    monkeypatch.setattr(Shelf, "room", lambda self, how, span, without="": how is Meeting.PHONE or room(self, how, span, without))
    with pytest.raises(AssertionError):
        nobody_twice([(SlotKind.BOOK, name, 0, 0, Meeting.PHONE, False) for name in "ab"])


def test_a_state_that_forgets_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: bookings that are put away without what was asked of them."""
    from streams import callbacks

    encode = diary.encode

    def without_memory(entry: object) -> bytes:
        seen, entry.seen = entry.seen, []  # type: ignore[attr-defined]
        block = encode(entry)
        entry.seen = seen  # type: ignore[attr-defined]
        return block

    monkeypatch.setattr(callbacks, "encode", without_memory)
    with pytest.raises(AssertionError):
        the_same_again(
            [(kind, "a", 0, 0, Meeting.PHONE, True) for kind in (SlotKind.BOOK, SlotKind.CANCEL, SlotKind.BOOK, SlotKind.CANCEL)]
        )
