"""Fifty customers accept the same slots at once, through the real processor on a real log: nobody is booked twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams import callbacks
from streams.hosts.embedded import EmbeddedHost
from streams.hosts.registry import Tables
from tests.unit.streams.callbacks.office import BERLIN, MONDAY, clock, double_booked, options, slot
from vorab import topics
from vorab.callbacks.shelf import Held, Shelf
from vorab.clock import HOUR, MINUTE, ManualClock
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Booking, BookingKind, BookingStatus, Meeting, Record, Slot, SlotKind, from_wire, to_wire

WRITERS = 50
SLOTS = 8
PARTITIONS = 3
TIMEOUT_S = 120.0


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """A log with the topics of the diary."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as events:
        names = (topics.SLOTS, topics.BOOKINGS, topics.COMMANDS, topics.NOTIFICATIONS, topics.REJECTED)
        events.create(dict.fromkeys(names, PARTITIONS))
        yield events


def append(log: SqliteLog, record: Record) -> None:
    """As the desk does."""
    key, value, headers = to_wire(record, "urn:vorab:test")
    append_all(log, [Outgoing(record.TOPIC, topics.partition_of(record.key, PARTITIONS), key, value, headers)])


def facts(log: SqliteLog) -> list[Booking]:
    """Everything that became of bookings."""
    entries = log.read({(topics.BOOKINGS, partition): 0 for partition in range(PARTITIONS)}, limit=10_000)
    found = [from_wire(entry.value, entry.headers) for entry in sorted(entries, key=lambda entry: entry.appended_at)]
    return [record for record in found if isinstance(record, Booking)]


def accept(number: int) -> Slot:
    """A customer accepts a slot; fifty want the same few, and each sends it twice, as impatient people do."""
    start = clock("09:00") + number % SLOTS * 30 * MINUTE
    return slot(SlotKind.BOOK, f"c-{number}", MONDAY, start if start < clock("12:00") else start + HOUR)


def at_once(each: Callable[[int], None]) -> None:
    """Fifty threads that begin together."""
    gate = threading.Barrier(WRITERS)

    def one(number: int) -> None:
        gate.wait(TIMEOUT_S)
        each(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)


def run(log: SqliteLog, answers: int) -> None:
    """The processor in its host, until so many answers stand on the log."""
    stop = threading.Event()
    host = EmbeddedHost(log, [callbacks.kind(options())], Tables(), ManualClock(MONDAY), on_crash=lambda *_: None)
    thread = threading.Thread(target=host.run, args=(stop,), daemon=True)
    thread.start()
    try:
        for _ in range(round(TIMEOUT_S / 0.05)):
            seen = log.commits
            if len(facts(log)) >= answers:
                return
            log.wait(seen, 0.05)
        pytest.fail("the answers never came")
    finally:
        stop.set()
        thread.join(TIMEOUT_S)


def test_fifty_at_once_and_nobody_is_booked_twice(log: SqliteLog) -> None:
    """Each slot once, everybody is answered once, and whoever comes late is told what is free."""

    def twice(number: int) -> None:
        append(log, accept(number))
        append(log, accept(number))

    at_once(twice)
    run(log, WRITERS)
    found = facts(log)
    booked = [fact for fact in found if fact.kind is BookingKind.BOOKED]
    assert double_booked(booked) == 0
    assert len({fact.start for fact in booked}) == len(booked) == SLOTS
    assert sorted(fact.customer for fact in found) == sorted(f"c-{number}" for number in range(WRITERS))
    assert all(fact.free for fact in found if fact.kind is BookingKind.REFUSED)


class ReadThenWrite:
    """Known bad: every writer looks for itself whether a slot is free, and then writes that it has it."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self._looked = threading.Barrier(WRITERS)

    def book(self, number: int) -> None:
        """Read, then write; all have read before the first one writes, as may happen."""
        asked = accept(number)
        shelf, start = Shelf(options(), self.held), asked.start
        span = shelf.slot(Meeting.PHONE, start) if start is not None else None
        free = span is not None and shelf.room(Meeting.PHONE, span)
        self._looked.wait(TIMEOUT_S)
        if free and span is not None:
            self.held.append(Held(asked.booking, Meeting.PHONE.value, span.start, span.end))


def test_writers_that_read_and_then_write_are_caught() -> None:
    """Known bad: without a single writer the same slots are given away again and again, and the count sees it."""
    desk = ReadThenWrite()
    at_once(desk.book)
    said = [
        Booking(
            id=held.booking, customer=held.booking, booking=held.booking, kind=BookingKind.BOOKED, status=BookingStatus.OPEN,
            start=held.start, end=held.end, at=MONDAY, because="x",
        )
        for held in desk.held
    ]  # fmt: skip
    assert double_booked(said) == WRITERS - SLOTS


def test_a_replay_from_the_beginning_writes_the_same(log: SqliteLog, tmp_path: Path) -> None:
    """Another host that reads the same requests writes the same bytes."""
    for number in range(12):
        append(log, accept(number))
    append(log, slot(SlotKind.CANCEL, "c-3", MONDAY + MINUTE))
    append(log, slot(SlotKind.BOOK, "c-40", MONDAY + 2 * MINUTE, wishes=BERLIN))
    run(log, 14)
    with SqliteLog(tmp_path / "again.db", fsync=False) as other:
        other.create(dict.fromkeys((topics.SLOTS, topics.BOOKINGS, topics.COMMANDS, topics.NOTIFICATIONS, topics.REJECTED), PARTITIONS))
        for entry in log.read({(topics.SLOTS, partition): 0 for partition in range(PARTITIONS)}, limit=1000):
            append_all(other, [Outgoing(entry.topic, entry.partition, entry.key, entry.value, entry.headers)])
        run(other, 14)
        for topic in (topics.BOOKINGS, topics.COMMANDS):
            places = {(topic, partition): 0 for partition in range(PARTITIONS)}
            one, two = ([(e.key, e.value, e.headers) for e in each.read(places, limit=1000)] for each in (log, other))
            assert one == two
            assert one
