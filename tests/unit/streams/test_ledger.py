"""The ledger of lead times: who noticed a fault first, the same however often and in whatever order the day is told."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Final

import pytest

import streams.ledger_book as book_module
from streams.ledger import Ledger
from streams.ledger_book import KEPT, Book, Fault
from tests.unit.streams.cases.ward import ASKS, PRINTER, REFUSES, Ward, clock
from vorab import ids, topics
from vorab.clock import DAY, MINUTE, Micros
from vorab.errors import Rejected
from vorab.records import Command as Asked
from vorab.records import CommandKind, LeadTime, Record, ReplyStatus, Tick, Verdict

Log = list[tuple[str, Record]]
TOPICS: Final = (topics.SYMPTOMS, topics.CASES, topics.COMMANDS)


class Recorder(Ward):
    """A ward that keeps what it was told."""

    def step(self, topic: str, record: Record, processor: str = "cases") -> None:
        """One record."""
        if processor == "cases" and topic in {topics.SYMPTOMS, topics.COMMANDS}:
            self.told.append((topic, record))
        super().step(topic, record, processor)

    told: Log


def day() -> Recorder:
    """Four faults: healed in the night, asked about, left to a person who takes it, told of by nobody."""
    ward = Recorder()
    ward.told = []
    healed = ward.raised("02:10", onset=clock("02:03"))
    ward.replied("02:14", ReplyStatus.SUCCEEDED)
    ward.cleared("02:19", healed)
    ward.raised("03:00", device=ASKS, onset=clock("02:50"))
    ward.asked("03:30", CommandKind.CONSENT, device=ASKS)
    held = ward.raised("04:00", device=REFUSES, onset=clock("03:40"))
    ward.asked("04:30", CommandKind.TAKE, device=REFUSES)
    ward.raised("04:40", device=REFUSES, rule="also_low", onset=clock("03:20"))
    ward.cleared("05:30", held)
    ward.raised("06:00", device=PRINTER, onset=clock("05:55"))
    ward.tick("23:00")
    return ward


def log_of(ward: Recorder) -> Log:
    """The day as it stands on the log, in the order of merged time."""
    log: Log = [*ward.told, *((topics.CASES, event) for event in ward.events)]
    return sorted(log, key=lambda entry: (entry[1].time, TOPICS.index(entry[0])))


def complaint(at: str, device: str = "hp-12", case: str = "") -> tuple[str, Record]:
    """Somebody calls."""
    moment = clock(at)
    name = ids.command_id(f"main/{device}", CommandKind.COMPLAINT, str(moment))
    return topics.COMMANDS, Asked(id=name, device=device, kind=CommandKind.COMPLAINT, case=case, at=moment, by="agent-7")


def run(log: Iterable[tuple[str, Record]], *, forgetful: bool = False, ledger: Ledger | None = None) -> list[LeadTime]:
    """All lines that are written; `forgetful` restarts the processor after each record."""
    ledger, blocks, lines = ledger or Ledger(), dict[str, bytes](), list[LeadTime]()
    for offset, (topic, record) in enumerate(log):
        for out in ledger.step(topic, offset, record, record.time):
            assert out.topic == topics.LEAD_TIMES
            assert isinstance(out.record, LeadTime)
            lines.append(out.record)
        if forgetful:
            blocks |= ledger.dirty()
            ledger = Ledger()
            ledger.restore({name: block for name, block in blocks.items() if block})
    return lines


def last(lines: Iterable[LeadTime]) -> dict[str, LeadTime]:
    """The line of each device's case that counts."""
    return {line.device: line for line in lines}


def story(line: LeadTime) -> tuple[Micros | None, ...]:
    """The times of a line."""
    return line.first_sign, line.detected, line.acted, line.told, line.noticed


def test_each_fault_has_its_times() -> None:
    """First sign, detected, acted, told, noticed; the second symptom of a case may have begun before the first."""
    ward = day()
    found = last(run(log_of(ward)))
    assert {name: line.verdict for name, line in found.items()} == {
        "hp-12": Verdict.UNKNOWN,
        "hp-13": Verdict.VORAB_FIRST,
        "hp-14": Verdict.UNKNOWN,
        "printer-3": Verdict.UNKNOWN,
    }
    assert story(found["hp-12"]) == (clock("02:03"), clock("02:10"), clock("02:10"), clock("02:31"), None)
    assert story(found["hp-13"]) == (clock("02:50"), clock("03:00"), clock("03:30"), clock("03:00"), clock("03:30"))
    assert story(found["hp-14"]) == (clock("03:20"), clock("04:00"), clock("04:30"), clock("04:00"), None)
    assert found["printer-3"].told is None  # it has no customer
    said = {note.device: note.at for note in reversed(ward.notifications)}
    assert {name: line.told for name, line in found.items() if line.told} == said


def test_the_ledger_of_a_recorded_day_is_the_same_twice() -> None:
    """The day is told to all processors twice, and once more to a ledger that is restarted after every record."""
    first = run(log_of(day()))
    assert len(first) >= 8
    assert run(log_of(day())) == first
    assert run(log_of(day()), forgetful=True) == first
    assert len({line.id for line in first}) == len(first)


@pytest.mark.parametrize(("device", "at"), [("hp-12", "02:05"), ("hp-13", "02:55"), ("hp-14", "03:59"), ("printer-3", "06:00")])
def test_a_complaint_before_detection_flips_exactly_that_fault(device: str, at: str) -> None:
    """One call between first sign and detection; every other line stays as it was, to the byte."""
    log = log_of(day())
    before = last(run(log))
    after = last(run(sorted([*log, complaint(at, device)], key=lambda entry: (entry[1].time, TOPICS.index(entry[0])))))
    assert after[device].verdict is Verdict.CUSTOMER_FIRST
    assert after[device].noticed == clock(at)
    assert {name: line for name, line in after.items() if name != device} == {n: line for n, line in before.items() if n != device}


@pytest.mark.parametrize(("at", "case", "verdict"), [
    ("02:02", "", Verdict.UNKNOWN), ("02:03", "", Verdict.CUSTOMER_FIRST), ("02:10", "", Verdict.CUSTOMER_FIRST),
    ("02:11", "", Verdict.VORAB_FIRST), ("02:05", "another", Verdict.UNKNOWN), ("1+02:00", "", Verdict.UNKNOWN),
])  # fmt: skip
def test_a_contact_counts_from_the_first_sign_to_the_end(at: str, case: str, verdict: Verdict) -> None:
    """Before the onset, about another case, after the end: none of this fault. At the same moment the customer was first."""
    assert last(run([*log_of(day()), complaint(at, case=case)]))["hp-12"].verdict is verdict


def test_a_false_alarm_is_no_success() -> None:
    """The customer calls after we told him, and there was nothing."""
    ward = day()
    ward.asked("06:30", CommandKind.CALL, device=ASKS, case=_case(ward, "hp-13"))
    ward.asked("06:31", CommandKind.FALSE_ALARM, device=ASKS, case=_case(ward, "hp-13"))
    assert last(run(log_of(ward)))["hp-13"].verdict is Verdict.UNKNOWN


def _case(ward: Recorder, device: str) -> str:
    return next(event.case for event in ward.events if event.device == device)


def test_cases_take_no_offence_at_a_complaint_without_a_case() -> None:
    """It is about a device; only about a case that is there it is noted. Any other wish needs a case."""
    ward = day()
    before = len(ward.events)
    ward.step(*complaint("06:10"))
    assert len(ward.events) == before
    ward.step(*complaint("06:20", "printer-3", _case(ward, "printer-3")))
    assert len(ward.events) == before + 1
    with pytest.raises(ValueError, match="names no case"):
        Asked(id="x", device="p", kind=CommandKind.TAKE, at=0)


def shuffled(ledger: Callable[[], Ledger] = Ledger) -> bool:
    """Whether the last line of each fault is the same in twenty orders, with repetitions."""
    log = [*log_of(day()), complaint("02:05"), complaint("02:06"), complaint("04:10", "hp-14")]
    found = []
    for seed in range(20):
        mixed = log + random.Random(seed).sample(log, 10)
        random.Random(seed).shuffle(mixed)
        found.append({name: line.model_dump() for name, line in last(run(mixed, ledger=ledger())).items()})
    return all(each == found[0] for each in found)


def test_the_order_of_arrival_decides_nothing() -> None:
    """What stands in a line depends only on the times that the records tell."""
    assert shuffled()


def test_an_order_of_arrival_that_decides_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: a contact counts only for what is known when it arrives."""
    line = Book._line

    def late(self: Book, fault: Fault) -> LeadTime | None:
        self.contacts = {} if not fault.said else self.contacts
        return line(self, fault)

    monkeypatch.setattr(Book, "_line", late)
    assert not shuffled()


def test_no_contact_that_counts_as_a_success_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: silence of the customer is taken for a fault that was seen before him."""
    right = book_module.verdict_of
    monkeypatch.setattr(book_module, "verdict_of", lambda detected, noticed: right(detected, detected + 1 if noticed is None else noticed))
    with pytest.raises(AssertionError):
        test_each_fault_has_its_times()


def test_what_is_long_over_is_let_go() -> None:
    """Thirty days after its end nothing of a fault is kept; what goes on is."""
    ledger = Ledger()
    run(log_of(day()), ledger=ledger)
    list(ledger.due(clock("00:00") + KEPT))
    assert ledger.dirty()["main/hp-12"] != b""
    list(ledger.due(clock("00:00") + KEPT + 2 * DAY + MINUTE))
    blocks = ledger.dirty()
    assert blocks["main/hp-12"] == b""
    assert blocks.get("main/printer-3", b"kept") != b""


def test_what_does_not_belong_is_refused() -> None:
    """A tick is no record of the ledger."""
    with pytest.raises(Rejected):
        list(Ledger().step(topics.CASES, 0, Tick(id="x", at=0), 0))


def test_the_printer_has_an_open_line() -> None:
    """A fault that goes on has no end."""
    assert last(run(log_of(day())))["printer-3"].ended is None


@pytest.mark.parametrize(("at", "verdict"), [("7+04:00", Verdict.VORAB_FIRST), ("7+04:01", Verdict.UNKNOWN)])
def test_after_seven_days_nobody_knows_who_noticed(at: str, verdict: Verdict) -> None:
    """A case that is still open: who gets in touch a week after it was found may have another reason."""
    ward = day()
    assert last(run([*log_of(ward), complaint(at, "hp-14")]))["hp-14"].verdict is verdict
