"""While something of a customer's is broken, and for a while after, nobody should offer them anything."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from streams.cases.policy import Policy
from streams.contact_state import ContactBook
from streams.customers import kind
from streams.hosts.registry import Tables
from vorab import topics
from vorab.clock import DAY, HOUR, Micros, parse_iso
from vorab.records import CaseEvent, CaseKind, Contact, ContactState, Customer, Purpose, Severity, Status

NOON = parse_iso("2026-11-24T12:00:00Z")
WAIT = 3 * DAY
OPEN, OVER = Status.IN_PROGRESS, Status.RESOLVED


def customer(name: str, *, advertising: bool = True) -> Customer:
    """Somebody in the registry."""
    return Customer(id=f"main/{name}", customer=name, purposes={Purpose.SERVICE: True, Purpose.ADVERTISING: advertising})


PEOPLE = {f"main/{name}": customer(name) for name in "ab"} | {"main/no": customer("no", advertising=False)}


def event(case: str, status: Status, at: Micros, who: str = "a", number: int = 0) -> CaseEvent:
    """A fact about a case."""
    return CaseEvent(
        id=f"{case}-{at}-{number}", device="p", case=case, kind=CaseKind.OPENED if status is OPEN else CaseKind.RESOLVED, status=status,
        at=at, opened_at=at, because="s", cause="c", severity=Severity.MAJOR, customer=who, seq=number,
    )  # fmt: skip


class Told:
    """A book, restarted from its blocks after every event, and what it has told."""

    def __init__(self, wait: Micros = WAIT) -> None:
        self._wait = wait
        self.book = ContactBook(PEOPLE.get, wait)
        self._blocks: dict[str, bytes] = {}
        self.said: list[ContactState] = []

    def _take(self, found: Iterator[ContactState]) -> None:
        self.said += found
        self._blocks.update(self.book.dirty())
        self.book = ContactBook(PEOPLE.get, self._wait)
        self.book.restore(self._blocks)

    def happens(self, case: str, status: Status, at: Micros, who: str = "a", number: int = 0) -> None:
        """An event, and what was due before it."""
        self.passes(at)
        self._take(self.book.hear(event(case, status, at, who, number)))

    def passes(self, at: Micros) -> None:
        """Time."""
        self._take(self.book.due(at))

    def states(self, who: str = "a") -> list[Contact]:
        """What was told of a customer."""
        return [each.state for each in self.said if each.customer == who]


def test_nothing_is_offered_while_something_is_broken_and_for_three_days_after() -> None:
    """Broken, mended, and after the wait all is well again; the word says until when to wait."""
    told = Told()
    told.happens("c1", OPEN, NOON)
    told.happens("c1", OVER, NOON + HOUR)
    assert told.said[-1].until == NOON + HOUR + WAIT
    told.passes(NOON + HOUR + WAIT - 1)
    assert told.states() == [Contact.FAULT_OPEN, Contact.RECOVERING]
    told.passes(NOON + HOUR + WAIT)
    assert told.states() == [Contact.FAULT_OPEN, Contact.RECOVERING, Contact.OK]


def test_the_last_of_several_faults_counts() -> None:
    """Two machines broken: the wait begins when the second is mended, and anew when one breaks again."""
    told = Told()
    told.happens("c1", OPEN, NOON)
    told.happens("c2", OPEN, NOON + 1)
    told.happens("c1", OVER, NOON + HOUR)
    assert told.states() == [Contact.FAULT_OPEN]
    told.happens("c2", OVER, NOON + 2 * HOUR)
    told.happens("c1", OPEN, NOON + 3 * HOUR)
    told.passes(NOON + 2 * HOUR + WAIT)
    assert told.states() == [Contact.FAULT_OPEN, Contact.RECOVERING, Contact.FAULT_OPEN]


def test_who_has_not_agreed_to_advertising_is_not_contacted() -> None:
    """Neither during a fault nor after."""
    told = Told()
    told.happens("c1", OPEN, NOON, "no")
    told.happens("c1", OVER, NOON + HOUR, "no")
    told.passes(NOON + 9 * DAY)
    assert told.states("no") == [Contact.DO_NOT_CONTACT]


def broken_promises(seed: int, wait: Micros) -> int:
    """How often, in a random month, something was offered in the middle of a fault or too soon after."""
    chance = random.Random(seed)
    told, at, wrong = Told(wait), NOON, 0
    open_cases: dict[str, set[str]] = {"a": set(), "b": set()}
    last_end = dict.fromkeys(open_cases, NOON - WAIT)
    for number in range(80):
        at += int(chance.expovariate(1 / (10 * HOUR)))
        who = chance.choice("ab")
        case = f"{who}{chance.randrange(3)}"
        if case in open_cases[who]:
            open_cases[who].discard(case)
            last_end[who] = at
            told.happens(case, OVER, at, who, number)
        else:
            open_cases[who].add(case)
            told.happens(case, OPEN, at, who, number)
        for name, cases in open_cases.items():
            states = told.states(name)
            well = not states or states[-1] is Contact.OK
            wrong += well and bool(cases or at < last_end[name] + WAIT)
            wrong += not well and not cases and at > last_end[name] + WAIT
    return wrong


@pytest.mark.parametrize("seed", range(20))
def test_no_random_month_has_an_offer_at_the_wrong_time(seed: int) -> None:
    """Two customers, three cases each, restarts after each event: never during a fault or in the wait, and not silent for ever."""
    assert broken_promises(seed, WAIT) == 0


def test_a_build_that_does_not_wait_is_caught() -> None:
    """Known bad: the last fault is over, and the next letter goes out."""
    assert broken_promises(1, 0) > 0


def test_customers_tells_it_on_a_topic_of_its_own() -> None:
    """The processor has the record on the log with the case event that changes it, once."""
    processor = kind(Policy({}, ())).build(0, Tables([], PEOPLE.values()))
    outs = [out for _ in range(2) for out in processor.step(topics.CASES_BY_CUSTOMER, 0, event("c1", OPEN, NOON), NOON)]
    assert [(out.topic, out.record.key) for out in outs] == [(topics.CONTACT_STATE, "main/a")]
