"""The book: what helped is counted once, by what a case says as it stands, whatever the order in which it is read."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from tests.unit.vorab.ranking.cases import MONDAY, RESTART, TODAY, Told
from vorab.clock import DAY
from vorab.ranking import ARTICLE, RULE, Book
from vorab.ranking.counts import KEPT_DAYS, Tally
from vorab.records import CaseEvent, CaseKind, Command, CommandKind

BLEED = ARTICLE + "pump-air"
FOUND_BY = RULE + "pressure-low@1"


def book_of(*told: Told) -> Book:
    """A book of these cases."""
    book = Book()
    for case in told:
        for record in case.records:
            book.take(record)
    return book


def counted(book: Book, thing: str = RESTART, model: str = "pump") -> tuple[int, float, int, int]:
    """Tried, solved, by hand, pending."""
    tally = book.of("main", "low_pressure").on(model, thing)
    return tally.tried, tally.solved, tally.by_hand, tally.pending


def test_telemetry_says_what_solved_a_case() -> None:
    """Proven is solved, disproved and handed over is not, and what nobody answered yet is neither."""
    book = book_of(Told("a").healed(), Told("b").healed(), Told("c").failed(), Told("d").tried())

    assert counted(book) == (3, 2, 0, 1)


def test_what_is_tried_after_something_else_says_that_it_did_not_do() -> None:
    """The second remedy solved it, the first did not."""
    book = book_of(Told("a").tried("reload").healed())

    assert (counted(book, "remedy:reload"), counted(book)) == ((1, 0, 0, 0), (1, 1, 0, 0))


def test_a_second_attempt_of_the_same_is_one_try() -> None:
    """The case counts, not the presses of a button."""
    assert counted(book_of(Told("a").tried().event(CaseKind.DISPROVED, "restart").healed())) == (1, 1, 0, 0)


@pytest.mark.parametrize("end", [CaseKind.RESOLVED, CaseKind.CONSENT_REFUSED, CaseKind.TAKEN])
def test_what_was_never_put_to_the_proof_counts_nothing(end: CaseKind) -> None:
    """Over by itself, taken back, or in the hands of a person."""
    assert counted(book_of(Told("a").tried().event(end))) == (0, 0, 0, 0)


def test_a_relapse_takes_back_what_was_proven() -> None:
    """It came back, so it was not solved; also where an agent had said so."""
    assert counted(book_of(Told("a").healed().event(CaseKind.RELAPSED))) == (1, 0, 0, 0)
    by_hand = Told("b").event(CaseKind.OPENED).said(CommandKind.RIGHT, BLEED).event(CaseKind.RELAPSED)
    assert counted(book_of(by_hand), BLEED) == (1, 0, 1, 0)


def test_an_agents_verdict_counts_what_was_done_by_hand() -> None:
    """Right is solved, useful is half of it, wrong is not; each by hand."""
    kinds = (CommandKind.RIGHT, CommandKind.USEFUL, CommandKind.WRONG)
    book = book_of(*(Told(kind).event(CaseKind.HANDED_OVER).said(kind, BLEED) for kind in kinds))

    assert counted(book, BLEED) == (3, 1.5, 3, 0)


def test_the_later_word_counts() -> None:
    """An agent may change their mind, and knows more than the readings did."""
    changed = Told("a").event(CaseKind.OPENED).said(CommandKind.WRONG, BLEED).said(CommandKind.RIGHT, BLEED)
    assert counted(book_of(changed), BLEED) == (1, 1, 1, 0)
    assert counted(book_of(Told("b").healed().said(CommandKind.WRONG, RESTART))) == (1, 0, 0, 0)
    assert counted(book_of(Told("c").failed().said(CommandKind.USEFUL, RESTART))) == (1, 0.5, 0, 0)


def test_where_nothing_was_wrong_nothing_was_solved() -> None:
    """The customer's "this was wrong" takes the case out of the counts, and stands beside the rule."""
    told = Told("a").healed().said(CommandKind.FALSE_ALARM, FOUND_BY, by="customer").event(CaseKind.FALSE_ALARM)
    book = book_of(told)

    assert counted(book) == (0, 0, 0, 0)
    assert book.verdicts("main", "pressure-low@1") == {CommandKind.FALSE_ALARM: 1}


def test_too_late_is_half() -> None:
    """It worked, and the customer had noticed before: half as good, and the rule's to answer for."""
    book = book_of(Told("a").healed().said(CommandKind.TOO_LATE, FOUND_BY, by="customer"))

    assert counted(book) == (1, 0.5, 0, 0)
    assert book.verdicts("main", "pressure-low@1") == {CommandKind.TOO_LATE: 1}


def test_each_person_has_one_verdict_about_a_rule() -> None:
    """However often it is given; and versions of a rule are told apart."""
    told = Told("a").event(CaseKind.OPENED).said(CommandKind.RIGHT, FOUND_BY).said(CommandKind.WRONG, FOUND_BY)
    book = book_of(told, Told("b").said(CommandKind.RIGHT, RULE + "pressure-low@2"))

    assert book.verdicts("main", "pressure-low@1") == {CommandKind.WRONG: 1}
    assert book.said("a") == {FOUND_BY: {"agent": CommandKind.WRONG}}


def month() -> list[Told]:
    """Cases with everything in them."""
    return [
        Told("a").healed(),
        Told("b").failed().said(CommandKind.RIGHT, BLEED),
        Told("c", model="heat-pump").healed().event(CaseKind.RELAPSED),
        Told("d").tried(),
        Told("e").healed().said(CommandKind.TOO_LATE, FOUND_BY, by="customer").said(CommandKind.WRONG, RESTART),
        Told("f", cause="overheat").event(CaseKind.OPENED).said(CommandKind.USEFUL, BLEED).said(CommandKind.RIGHT, FOUND_BY),
    ]


def shuffled(chance: random.Random, told: Iterable[Told]) -> list[CaseEvent | Command]:
    """All records, facts of a case in order and everything else in any, some of it twice."""
    facts: list[list[CaseEvent | Command]] = [[record for record in case.records if isinstance(record, CaseEvent)] for case in told]
    queues = [*facts]
    for case in told:
        queues += [[record] for record in case.records if isinstance(record, Command)]
    mixed: list[CaseEvent | Command] = []
    while any(queues):
        queue = chance.choice([queue for queue in queues if queue])
        mixed.append(queue.pop(0))
        if chance.random() < 0.3:
            mixed.append(chance.choice(mixed))
    return mixed


@pytest.mark.parametrize("seed", range(20))
def test_neither_order_nor_repetition_changes_a_count(seed: int) -> None:
    """Verdicts before their case, records twice, cases in any order: the same bytes."""
    again = Book()
    for record in shuffled(random.Random(seed), month()):
        again.take(record)

    assert again.dump() == book_of(*month()).dump()


def replayed(healed: Told, *, forgetful: bool) -> Book:
    """A case that is read twice; the known-bad book does not remember what it said."""
    book = book_of(healed)
    if forgetful:
        book._notes.clear()
    for record in healed.records:
        book.take(record)
    return book


def test_a_book_that_counts_an_answer_twice_on_replay_is_caught() -> None:
    """Known bad: without remembering what a case said, a repeated proof is a second one."""
    assert counted(replayed(Told("a").healed(), forgetful=False)) == (1, 1, 0, 0)
    assert counted(replayed(Told("a").healed(), forgetful=True)) == (2, 2, 0, 0)


def test_a_book_is_taken_over_from_its_blocks() -> None:
    """What changed, bit by bit, is the whole; and who takes over goes on counting the same."""
    whole = Book()
    blocks: dict[str, bytes] = {}
    for case in month():
        for record in case.records:
            whole.take(record)
            blocks |= whole.dirty()
    successor = Book()
    successor.load({name: block for name, block in blocks.items() if block})
    for book in (whole, successor):
        for record in Told("d").tried().event(CaseKind.RESOLVED, "restart", healed=True).records:
            book.take(record)

    assert successor.dump() == whole.dump()
    assert max(map(len, whole.dump().values())) < 512 * 1024


def test_commands_that_are_no_verdicts_say_nothing() -> None:
    """Taking a case is not judging it."""
    book = book_of(Told("a").event(CaseKind.OPENED).said(CommandKind.TAKE, "").said(CommandKind.NOTE, RESTART))

    assert counted(book) == (0, 0, 0, 0)


def test_what_is_very_old_is_let_go() -> None:
    """Half a year later it says nothing, whichever was read first."""
    old, new = Told("a", at=MONDAY - (KEPT_DAYS + 1) * DAY).healed(), Told("b").failed()

    assert counted(book_of(old, new)) == counted(book_of(new, old)) == (1, 0, 0, 0)


def test_memory_is_bounded() -> None:
    """The case that was touched longest ago is forgotten; its counts stay."""
    book = Book(most=2)
    for name in "abc":
        for record in Told(name).healed().records:
            book.take(record)

    assert sum(name.startswith("case ") for name in book.dump()) == 2
    assert counted(book) == (3, 3, 0, 0)
    assert book.dirty()["case a"] == b""


def test_a_day_counts_half_after_its_half_life() -> None:
    """Six of today and four of a half-life ago are worth eight."""
    book = book_of(*(Told(f"new{i}").healed() for i in range(6)), *(Told(f"old{i}", at=MONDAY - 10 * DAY).failed() for i in range(4)))
    tally = book.of("main", "low_pressure").on("pump", RESTART)

    assert tally.weighed(TODAY, 10) == (6, 2)
    assert tally.weighed(TODAY, 0) == (6, 4)
    assert tally.weighed(TODAY, 10, TODAY) == (6, 0)
    assert Tally().weighed(TODAY, 10) == (0, 0)
