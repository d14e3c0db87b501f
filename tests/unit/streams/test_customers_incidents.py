"""Customers in a storm: told once about it and once that it is over, whatever each of their devices has to say."""

from __future__ import annotations

import pytest

from tests.unit.streams.incidents.square import Square, at, machine
from vorab.records import CaseKind, Incident, Notification, Stage

HOUSE = [machine(f"{letter}{n}", site="hall", model="pump") for n in range(2) for letter in "abcde"]
PERSON, SOLVED = CaseKind.HANDED_OVER, CaseKind.RESOLVED


@pytest.fixture(params=[False, True], ids=["steady", "restarted after every record"])
def restarts(request: pytest.FixtureRequest) -> bool:
    """Whether everything starts again from its state after every record."""
    return bool(request.param)


def storm(square: Square) -> None:
    """All ten devices fail within a second, two for each of five customers; each needs a person at once."""
    for n, device in enumerate(HOUSE):
        square.happens(n / 10, device.device)
        square.happens(n / 10, device.device, PERSON)
    square.tick(30)


def test_a_customer_is_told_once_of_a_storm_and_once_that_it_is_over(restarts: bool) -> None:
    """Ten cases, five customers: five messages in place of ten; the end goes out when both devices of a customer are well."""
    square = Square(HOUSE, forgetful=restarts)
    storm(square)
    assert sorted(square.notes) == [(f"c-{name}", Stage.INCIDENT, f"{name}0") for name in "abcde"]
    square.happens(100, "a0", SOLVED)
    assert len(square.notes) == 5
    square.happens(101, "a1", SOLVED)
    assert square.notes[5:] == [("c-a", Stage.RESOLVED, "a0")]
    for name in "bcde":
        square.happens(110, f"{name}0", SOLVED)
        square.happens(111, f"{name}1", SOLVED)
    assert len(square.notes) == 10
    note = next(out.record for out in square.out if isinstance(out.record, Notification))
    assert (note.params["others"], note.incident) == (1, square.incidents[0].incident)


def test_a_storm_that_is_soon_over_is_told_once_as_over(restarts: bool) -> None:
    """Ten cases that need a person, well within the patience: five messages, each that it is over."""
    square = Square(HOUSE, forgetful=restarts, patience_s=120)
    storm(square)
    square.tick(100)
    assert square.notes == []
    for device in HOUSE:
        square.happens(110, device.device, SOLVED)
    square.tick(800)
    assert sorted(square.notes) == [(f"c-{name}", Stage.HEALED, f"{name}0") for name in "abcde"]


def test_a_storm_that_lasts_is_told_when_patience_ends(restarts: bool) -> None:
    """Two minutes after it was seen each customer hears of it, and one whose device joins later hears at once."""
    square = Square([*HOUSE, machine("f0", site="hall", model="pump")], forgetful=restarts, patience_s=120)
    storm(square)
    square.tick(124)
    assert square.notes == []
    square.tick(130)
    assert sorted(square.notes) == [(f"c-{name}", Stage.INCIDENT, f"{name}0") for name in "abcde"]
    square.happens(140, "f0")
    square.happens(140, "f0", PERSON)
    square.tick(145)
    assert square.notes[5:] == [("c-f", Stage.INCIDENT, "f0")]
    for device in HOUSE:
        square.happens(200, device.device, SOLVED)
    assert sorted(square.notes[6:]) == [(f"c-{name}", Stage.RESOLVED, f"{name}0") for name in "abcde"]


def test_without_the_hold_back_everybody_is_told_of_everything() -> None:
    """Known bad: cases that do not wait for the word are told one by one."""
    square = Square(HOUSE, at_once_priority=5)
    storm(square)
    assert len(square.notes) == 10


def test_nothing_is_said_until_the_incidents_have_caught_up() -> None:
    """The start-up barrier: while `incidents` is away nobody is told of a new case, however late it gets; then it is one message each."""
    square = Square(HOUSE)
    away, square.processors["incidents"] = square.processors["incidents"], Square([]).processors["incidents"]
    events = []
    for n, device in enumerate(HOUSE):
        events += [square.happens(n / 10, device.device), square.happens(n / 10, device.device, PERSON)]
    assert square.notes == []
    square.processors["incidents"] = away
    for event in events:
        square.hear(event)
    square.tick(3600)
    assert len(square.notes) == 5


def test_a_case_that_stands_for_itself_is_told_after_the_word(restarts: bool) -> None:
    """One device needs a person: told fifteen seconds later, as it was decided; what is overtaken by then is for the notifier to drop."""
    square = Square(HOUSE, forgetful=restarts)
    square.happens(0, "a0")
    square.happens(1, "a0", PERSON)
    square.happens(2, "b0")
    square.happens(3, "b0", PERSON)
    square.happens(4, "b0", SOLVED)
    square.tick(14)
    assert square.notes == []
    square.tick(20)
    assert square.notes == [("c-a", Stage.PERSON_NEEDED, "a0"), ("c-b", Stage.PERSON_NEEDED, "b0"), ("c-b", Stage.RESOLVED, "b0")]
    square.happens(60, "a0", SOLVED)
    assert square.notes[3:] == [("c-a", Stage.RESOLVED, "a0")]
    first = next(out.record for out in square.out if isinstance(out.record, Notification))
    assert first.at == at(1)


def test_it_does_not_matter_when_the_word_comes() -> None:
    """Everything first and the word after it: the same messages, byte for byte, as where the word comes in time."""
    told = []
    for late in (False, True):
        square = Square(HOUSE)
        away = square.processors["incidents"]
        if late:
            square.processors["incidents"] = Square([]).processors["incidents"]
        events = [square.happens(0, "a0"), square.happens(1, "a0", PERSON)]
        square.tick(20)
        events += [square.happens(60, "a0", SOLVED)]
        if late:
            square.processors["incidents"] = away
            for event in events:
                square.hear(event)
            square.tick(100)
        told.append([out.record for out in square.out if isinstance(out.record, Notification)])
    assert told[0] == told[1]
    assert len(told[0]) == 2


def test_recorded_time_waits_for_nobody() -> None:
    """Recordings of different years stand in different partitions: nothing there happens at the same time, so each case speaks at once."""
    square = Square([device.model_copy(update={"tenant": "recorded", "id": f"recorded/{device.device}"}) for device in HOUSE])
    for device in HOUSE:
        square.happens(0, device.device)
        square.happens(0, device.device, PERSON)
    assert (len(square.notes), square.incidents) == (10, [])


def test_a_storm_that_needed_nobody_is_told_as_healed() -> None:
    """Nobody had to be told while it lasted: at the end one message says so, which most customers do not wish to hear."""
    square = Square(HOUSE)
    for n, device in enumerate(HOUSE):
        square.happens(n / 10, device.device)
    square.tick(30)
    for device in HOUSE:
        square.happens(60, device.device, SOLVED)
    assert sorted(square.notes) == [(f"c-{name}", Stage.HEALED, f"{name}0") for name in "abcde"]


def test_who_stays_behind_is_told_what_the_case_has_to_say() -> None:
    """All but one are well; ten minutes later its owner hears that a person is needed, and later that it is settled."""
    square = Square(HOUSE)
    storm(square)
    for device in HOUSE[:-1]:
        square.happens(100, device.device, SOLVED)
    before = len(square.notes)
    square.tick(800)
    assert square.notes[before:] == [("c-e", Stage.PERSON_NEEDED, "e1"), ("c-e", Stage.RESOLVED, "e0")]
    square.happens(900, "e1", SOLVED)
    assert square.notes[before + 2 :] == [("c-e", Stage.RESOLVED, "e1")]


def test_who_knows_already_is_not_told_of_the_storm() -> None:
    """A customer who was told of a case is told of the end of the incident it became part of."""
    square = Square(HOUSE)
    square.happens(0, "a0")
    square.happens(1, "a0", PERSON)
    square.tick(20)
    for n, name in enumerate("bcde"):
        square.happens(30 + n, f"{name}0")
    square.tick(60)
    square.happens(61, "a1")
    square.happens(61, "a1", PERSON)
    square.tick(70)
    assert square.notes == [("c-a", Stage.PERSON_NEEDED, "a0")]
    square.happens(80, "a0", SOLVED)
    square.happens(81, "a1", SOLVED)
    assert square.notes[1:] == [("c-a", Stage.RESOLVED, "a0")]


def test_what_comes_back_after_the_end_is_told_once_more() -> None:
    """A relapse that needs a person is news; the second message has an id of its own."""
    square = Square(HOUSE)
    storm(square)
    for device in HOUSE:
        square.happens(100, device.device, SOLVED)
    before = len(square.notes)
    square.happens(200, "a0", CaseKind.RELAPSED)
    square.happens(210, "a0", PERSON)
    square.happens(220, "a0", SOLVED)
    assert square.notes[before:] == [("c-a", Stage.INCIDENT, "a0"), ("c-a", Stage.RESOLVED, "a0")]
    notes = [out.record for out in square.out if isinstance(out.record, Notification)]
    assert len({note.id for note in notes}) == len(notes)


def test_a_word_that_overtakes_its_case_is_heard() -> None:
    """The case does not wait for what was said already; and a word about a case that never comes is forgotten."""
    square, other = Square(HOUSE), Square(HOUSE)
    other.happens(0, "a0")
    other.tick(16)
    [word] = [out.record for out in other.out if isinstance(out.record, Incident)]
    list(square.processors["customers"].step("vorab.cases-by-customer", 0, word, at(40)))
    square.happens(0, "a0")
    square.happens(1, "a0", PERSON)
    assert square.notes == [("c-a", Stage.PERSON_NEEDED, "a0")]
    lost = word.model_copy(update={"children": ("nobody",)})
    list(square.processors["customers"].step("vorab.cases-by-customer", 0, lost, at(40)))
    square.happens(90_000, "b0")
    square.happens(90_001, "b0", CaseKind.FALSE_ALARM)
    assert square.processors["customers"].dirty()["nobody"] == b""


def test_an_incident_about_a_case_that_is_not_known_yet_is_no_harm() -> None:
    """On Kafka the word may overtake the case."""
    square, other = Square(HOUSE), Square(HOUSE)
    storm(other)
    told = [out.record for out in other.out if out.topic == "vorab.cases-by-customer"]
    for record in told:
        list(square.processors["customers"].step("vorab.cases-by-customer", 0, record, at(40)))
    for n, device in enumerate(HOUSE):
        square.happens(n / 10, device.device)
        square.happens(n / 10, device.device, PERSON)
    assert len(square.notes) == 5
