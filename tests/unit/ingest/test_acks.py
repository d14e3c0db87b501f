"""The end-to-end promise, searched for holes: no number is acknowledged to a device before the log has it and all before it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from ingest import acks
from ingest.acks import IDLE, PAUSE, AckBook, Mark
from ingest.intake import Intake
from ingest.packets import Arrivals, Extra, Properties
from ingest.plan import Plan
from ingest.refusals import Note
from ingest.topicmap import TopicMap
from vorab.clock import HOUR, Micros

NOW = 1_795_000_000_000_000


def told(notes: Iterable[Note]) -> list[tuple[str, int, int]]:
    """Device, boot and number of each acknowledgement."""
    found = [(note.topic, json.loads(note.payload)) for note in notes]
    return [(topic.removeprefix("vorab/v1/").removesuffix("/ack"), body["boot"], body["seq"]) for topic, body in found]


def mark(seq: int, acked: int = 0, *, boot: int = 1, device: str = "main/pump-7") -> Mark:
    """A message of a pump."""
    return Mark(device, boot, seq, acked)


# ------------------------------------------------------------------------------------------------ single stories


def test_a_device_hears_up_to_where_nothing_is_missing() -> None:
    """Numbers behind a hole wait for the hole; when it is filled, all are acknowledged at once."""
    book = AckBook()
    assert told(book.stored([mark(1), mark(2), mark(4), mark(5)], NOW)) == [("main/pump-7", 1, 2)]
    assert told(book.stored([mark(3)], NOW + PAUSE)) == [("main/pump-7", 1, 5)]


def test_a_burst_gets_one_acknowledgement_and_one_a_little_later() -> None:
    """The first message is answered at once; what follows within a quarter of a second is answered together."""
    book = AckBook()
    assert told(book.stored([mark(1)], NOW)) == [("main/pump-7", 1, 1)]
    for seq in range(2, 100):
        assert book.stored([mark(seq)], NOW + seq) == []
    assert book.wait(NOW + 100) == PAUSE - 100
    assert book.due(NOW + PAUSE - 1) == []
    assert told(book.due(NOW + PAUSE)) == [("main/pump-7", 1, 99)]
    assert book.due(NOW + 2 * PAUSE) == []
    assert book.wait(NOW + 2 * PAUSE) == HOUR


def test_a_repeated_number_is_answered_at_once() -> None:
    """The device did not hear the acknowledgement, so it sends again: it is told again without waiting, once per read."""
    book = AckBook()
    book.stored([mark(1), mark(2)], NOW)
    assert told(book.stored([mark(1), mark(2)], NOW + 1)) == [("main/pump-7", 1, 2)]


def test_a_new_worker_takes_the_word_of_the_device_as_its_base() -> None:
    """No memory on disk: what the device says it has heard is where counting goes on."""
    assert told(AckBook().stored([mark(18, acked=17)], NOW)) == [("main/pump-7", 1, 18)]
    assert told(AckBook().stored([mark(20, acked=17)], NOW)) == [], "18 and 19 may be anywhere: they will be sent again"


def test_a_device_that_gives_a_number_up_says_so_by_its_base() -> None:
    """What a device will never send does not hold up what comes after."""
    book = AckBook()
    assert told(book.stored([mark(1), mark(3), mark(4)], NOW)) == [("main/pump-7", 1, 1)]
    assert told(book.stored([mark(5, acked=2)], NOW + PAUSE)) == [("main/pump-7", 1, 5)]


def test_a_new_boot_counts_from_its_own_base() -> None:
    """The number 1 of a new boot is not the number 1 of the last one; what was left over of the last boot may still come."""
    book = AckBook()
    book.stored([mark(1), mark(2), mark(3)], NOW)
    assert told(book.stored([mark(1, boot=2)], NOW + 1)) == [("main/pump-7", 2, 1)]
    assert told(book.stored([mark(4, boot=1), mark(2, boot=2)], NOW + PAUSE + 1)) == [("main/pump-7", 1, 4), ("main/pump-7", 2, 2)]


def test_devices_are_told_apart() -> None:
    """Each device has numbers of its own."""
    book = AckBook()
    marks = [mark(1), mark(1, device="main/pump-8"), mark(3, device="main/pump-8")]
    assert told(book.stored(marks, NOW)) == [("main/pump-7", 1, 1), ("main/pump-8", 1, 1)]


def test_whoever_is_silent_for_an_hour_is_forgotten() -> None:
    """And is known again by its own base."""
    book = AckBook()
    book.stored([mark(1)], NOW)
    book.due(NOW + IDLE - 1)
    assert len(book) == 1
    book.due(NOW + IDLE)
    assert len(book) == 0
    assert told(book.stored([mark(2, acked=1)], NOW + IDLE)) == [("main/pump-7", 1, 2)]


def test_memory_is_bounded_whatever_devices_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many devices, boots or numbers out of order: the oldest are forgotten or not remembered, and nothing false is said."""
    monkeypatch.setattr(acks, "MOST_DEVICES", 10)
    monkeypatch.setattr(acks, "MOST_AHEAD", 5)
    monkeypatch.setattr(acks, "MOST_AHEAD_IN_ALL", 20)
    book = AckBook()
    for i in range(100):
        for boot in range(4):
            assert told(book.stored([mark(seq, boot=boot, device=f"main/d{i}") for seq in range(3, 30)], NOW)) == []
    assert len(book) == 10
    assert book._ahead <= 20
    assert all(len(device.boots) <= 2 for device in book._devices.values())
    assert book._ahead == sum(len(boot.ahead) for device in book._devices.values() for boot in device.boots.values())


def test_a_clock_that_is_set_back_silences_nobody() -> None:
    """Time that jumps back an hour: the next message is answered all the same."""
    book = AckBook()
    book.stored([mark(1)], NOW)
    assert told(book.stored([mark(2)], NOW - HOUR)) == [("main/pump-7", 1, 2)]


# ------------------------------------------------------------------------------------------------ known-bad variants


class OnReceipt(AckBook):
    """Known bad: takes what was received for stored (the machine below feeds it too early)."""


class Highest(AckBook):
    """Known bad: acknowledges the highest number instead of the last before a hole."""

    def _store(self, boot: acks._Boot, mark: Mark) -> None:
        boot.whole = max(boot.whole, mark.seq, mark.acked)


class OneBoot(AckBook):
    """Known bad: mixes up the numbers of two boots."""

    def stored(self, marks: Iterable[Mark], now: Micros) -> list[Note]:
        """As if there was only one."""
        return [
            Note(note.topic, note.payload.replace(b'"boot": 0', b'"boot": %d' % one.boot))
            for one in marks
            for note in super(OneBoot, self).stored([one._replace(boot=0)], now)
        ]

    def due(self, now: Micros) -> list[Note]:
        """Says nothing later."""
        super().due(now)
        return []


# ------------------------------------------------------------------------------------------------ the machine


class Sent(NamedTuple):
    """A message of the device."""

    boot: int
    seq: int
    acked: int


class Promise(RuleBasedStateMachine):
    """A device with a buffer, a network that loses, doubles and reorders, a worker that dies, and a log."""

    kind: type[AckBook] = AckBook

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.boot, self.seq = 1, 0
        self.heard = {1: 0}
        self.buffer: list[tuple[int, int]] = []
        self.air: list[Sent] = []
        self.inbox: list[Sent] = []
        self.log: set[tuple[int, int]] = set()
        self.notes: list[Note] = []
        self.book = self.kind()

    def say(self, notes: list[Note]) -> None:
        """An acknowledgement leaves: from here on the device may forget."""
        for device, boot, seq in told(notes):
            assert device == "main/pump-7"
            missing = [n for n in range(1, seq + 1) if (boot, n) not in self.log]
            assert not missing, f"{seq} of boot {boot} was acknowledged, and {missing} are not in the log"
        self.notes += notes

    @rule(count=st.integers(1, 5))
    def speak(self, count: int) -> None:
        """The device measures."""
        for _ in range(count):
            self.seq += 1
            self.buffer.append((self.boot, self.seq))
            self.air.append(Sent(self.boot, self.seq, self.heard[self.boot]))

    @rule()
    def send_again(self) -> None:
        """Nothing was heard for a while."""
        self.air += [Sent(boot, seq, self.heard[boot]) for boot, seq in self.buffer]

    @precondition(lambda self: self.air)
    @rule(pick=st.integers(0, 100), what=st.sampled_from(["arrives", "arrives", "arrives", "is lost", "is doubled"]))
    def travel(self, pick: int, what: str) -> None:
        """A message is on its way."""
        message = self.air.pop(pick % len(self.air))
        if what == "is doubled":
            self.air.append(message)
        if what != "is lost":
            self.inbox.append(message)
            if self.kind is OnReceipt:
                self.say(self.book.stored([Mark("main/pump-7", *message)], self.now))

    @precondition(lambda self: self.inbox)
    @rule(count=st.integers(1, 4))
    def store(self, count: int) -> None:
        """The log confirms the oldest that were received."""
        done, self.inbox = self.inbox[:count], self.inbox[count:]
        self.log |= {(message.boot, message.seq) for message in done}
        if self.kind is not OnReceipt:
            self.say(self.book.stored([Mark("main/pump-7", *message) for message in done], self.now))

    @rule(micros=st.sampled_from([1, PAUSE // 2, PAUSE, IDLE]))
    def wait(self, micros: int) -> None:
        """Time passes."""
        self.now += micros
        self.say(self.book.due(self.now))

    @precondition(lambda self: self.notes)
    @rule(lost=st.booleans())
    def hear(self, *, lost: bool) -> None:
        """An acknowledgement reaches the device, or does not."""
        note = self.notes.pop(0)
        if not lost:
            for _, boot, seq in told([note]):
                self.heard[boot] = max(self.heard[boot], seq)
                self.buffer = [one for one in self.buffer if one[0] != boot or one[1] > self.heard[boot]]

    @rule(landed=st.integers(0, 3), often=st.integers(0, 3))
    def crash(self, landed: int, often: int) -> None:
        """Sometimes the worker dies: some of what it had lands in the log, and nobody is told."""
        if not often:
            self.log |= {(message.boot, message.seq) for message in self.inbox[:landed]}
            self.inbox = []
            self.book = self.kind()

    @rule(often=st.integers(0, 3))
    def reboot(self, often: int) -> None:
        """Sometimes the device starts anew; its buffer is on flash."""
        if not often:
            self.boot, self.seq = self.boot + 1, 0
            self.heard[self.boot] = 0

    def teardown(self) -> None:
        """With a calm network, every number is acknowledged in the end."""
        self.air, self.notes = [], []
        for _ in range(3):
            for boot in sorted({boot for boot, _ in self.buffer}):
                self.air += [Sent(boot, seq, self.heard[boot]) for place, seq in self.buffer if place == boot]
                while self.air:
                    self.travel(0, "arrives")
                while self.inbox:
                    self.store(4)
                self.wait(PAUSE)
                while self.notes:
                    self.hear(lost=False)
        assert not self.buffer, "never acknowledged, though the log has it"


SEARCH = settings(
    max_examples=300, stateful_step_count=40, suppress_health_check=list(HealthCheck), report_multiple_bugs=False, phases=[Phase.generate]
)


def test_no_order_of_events_breaks_the_promise() -> None:
    """Searched: lost, doubled and late messages, lost acknowledgements, dead workers and new boots: nothing false is said."""
    run_state_machine_as_test(Promise, settings=SEARCH)


@pytest.mark.parametrize("bad", [OnReceipt, Highest, OneBoot])
def test_the_search_finds_each_known_bad_book(bad: type[AckBook]) -> None:
    """Known bad: acknowledging on receipt, the highest number, or across boots is found by the same search."""
    machine = type("Broken", (Promise,), {"kind": bad})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=SEARCH)


# ------------------------------------------------------------------------------------------------ from payloads


numbers: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"x": st.sampled_from([1, 2.5, "a:b", None, {}])},
    optional={
        "boot": st.integers(0, 3),
        "seq": st.integers(0, 9) | st.just(2**64 - 1),
        "acked": st.integers(0, 9) | st.just(-1) | st.none(),
    },
)


@example([(0, [{"x": None, "boot": 1, "seq": 1, "acked": 0}, {"x": 1, "boot": 1, "seq": 2, "acked": 0}])])
@given(st.lists(st.tuples(st.integers(0, 2), numbers | st.lists(numbers, max_size=3)), max_size=20))
def test_whichever_way_a_message_takes_its_numbers_are_the_same(sent: list[tuple[int, Any]]) -> None:
    """Many at once, one by one, read in bulk or by the decoder: the same marks, also of what is refused; only `acked` makes one."""
    whole, parts = Arrivals(), []
    for number, body in sent:
        parts.append(
            Arrivals([b"telemetry/d%d" % number], [json.dumps(body).encode()], [b""], {0: Extra(properties=Properties("text/json"))})
        )
        for name in ("topics", "payloads", "mids"):
            getattr(whole, name).extend(getattr(parts[-1], name))
    at_once = [mark for taken in intake().take(whole, NOW) for mark in taken.marks]
    one_by_one = [mark for part in parts for taken in intake().take(part, NOW) for mark in taken.marks]
    wanted = [
        Mark(f"main/d{number}", one["boot"], one["seq"], one["acked"])
        for number, body in sent
        for found in [body if isinstance(body, list) else [body]]
        if all(map(_fine, found))
        for one in found
        if one.get("acked") is not None
    ]
    assert sorted(at_once) == sorted(one_by_one) == sorted(wanted)


def _fine(one: dict[str, Any]) -> bool:
    """Whether the numbers of an object can be what they say."""
    return one.get("acked") is None or (one["acked"] >= 0 and "boot" in one and one.get("seq", 0) > 0)


def intake() -> Intake:
    """A fresh one."""
    return Intake(Plan(partitions=4, rejected_partitions=4), TopicMap([], 4, 0))
