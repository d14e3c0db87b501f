"""Proposals: what helped goes first, what is hardly known gets its turn, each says why, and the same case gets the same answer."""

from __future__ import annotations

import random

import pytest

from tests.unit.vorab.ranking.cases import MONDAY, RESTART, TODAY, Told
from vorab.clock import DAY
from vorab.ranking import ARTICLE, REMEDY, Book, Learner, Proposal, propose
from vorab.ranking.beta import own_number, quantile
from vorab.ranking.breaks import since
from vorab.rates import beta_below
from vorab.records import CaseEvent, CaseKind, CommandKind

RELOAD = REMEDY + "reload"
BLEED = ARTICLE + "pump-air"
THINGS = (RESTART, RELOAD, BLEED)


def counts(solved: int, failed: int, remedy: str = "restart", model: str = "pump", at: int = MONDAY, book: Book | None = None) -> Book:
    """A book in which something solved so many cases and failed in so many."""
    book = book or Book()
    for i in range(solved + failed):
        told = Told(f"{remedy}-{model}-{at}-{i}", model=model, at=at)
        for record in (told.healed(remedy) if i < solved else told.failed(remedy)).records:
            book.take(record)
    return book


def asked(book: Book, case: str = "case", model: str = "pump", how: Learner | None = None) -> list[Proposal]:
    """The proposals for a case."""
    return propose(book.of("main", "low_pressure"), case, model, THINGS, TODAY, how or Learner())


def share_first(book: Book, thing: str, how: Learner | None = None) -> float:
    """In which share of a thousand cases this goes first."""
    return sum(asked(book, f"case {i}", how=how)[0].thing == thing for i in range(1_000)) / 1_000


def test_what_solved_most_goes_first_nearly_always() -> None:
    """Thirty of thirty-two against two of twenty: hardly anything is left to find out."""
    book = counts(2, 18, "reload", book=counts(30, 2))
    both = Learner()
    first = [propose(book.of("main", "low_pressure"), f"case {i}", "pump", (RESTART, RELOAD), TODAY, both)[0].thing for i in range(300)]

    assert first.count(RESTART) >= 299


def test_what_is_hardly_known_gets_its_turn() -> None:
    """One failure does not condemn it; without exploring it would never be tried again."""
    book = counts(0, 1, "reload", book=counts(11, 9))

    assert 0.03 < share_first(book, RELOAD) < 0.5
    assert share_first(book, RELOAD, Learner(greedy=True)) == 0


def test_nothing_known_is_any_of_them() -> None:
    """At the beginning each is as good as another."""
    assert all(0.27 < share_first(Book(), thing) < 0.40 for thing in THINGS)


def test_the_same_case_gets_the_same_answer() -> None:
    """Nobody's random numbers are used: not those of the process, not those of the day."""
    book = counts(3, 3)
    random.seed(1)
    first = asked(book)
    random.seed(2)

    assert asked(book) == first
    assert len({asked(book, f"case {i}")[0].thing for i in range(20)}) > 1


def test_one_more_answer_hardly_moves_what_was_drawn() -> None:
    """An order does not jump while it is read."""
    before, after = (next(each.drawn for each in asked(counts(n, 9)) if each.thing == RESTART) for n in (30, 31))

    assert 0 < after - before < 0.02


def test_other_models_lend_what_they_know_until_there_is_more() -> None:
    """Their twenty cases count at first, and hardly when this model has forty of its own."""
    lent = counts(20, 0, model="heat-pump")
    alone, own = asked(lent, how=Learner(shrink=0)), asked(counts(4, 36, book=counts(20, 0, model="heat-pump")))

    def expected(found: list[Proposal]) -> float:
        return next(each.expected for each in found if each.thing == RESTART)

    assert expected(asked(lent)) > 0.9
    assert expected(alone) == 0.5
    assert expected(own) < 0.45


def test_pending_answers_count_neither_way() -> None:
    """A storm of cases without an answer leaves everything as it was; counting them as failures is known to be bad."""
    book, stormy = counts(8, 2), counts(8, 2)
    for i in range(30):
        for record in Told(f"open {i}").tried().records:
            stormy.take(record)

    def restart(found: list[Proposal]) -> Proposal:
        return next(each for each in found if each.thing == RESTART)

    calm, storm, bad = restart(asked(book)), restart(asked(stormy)), restart(asked(stormy, how=Learner(pending_fails=True)))

    assert (storm.expected, storm.pending) == (calm.expected, 30)
    assert bad.expected < 0.5


def test_a_learner_that_ignores_verdicts_is_caught() -> None:
    """Known bad: what agents say decides about what only agents can judge; who does not listen proposes the wrong thing."""
    book, deaf = counts(5, 5), counts(5, 5)
    for i in range(20):
        for record in Told(f"hand {i}").event(CaseKind.TAKEN).said(CommandKind.RIGHT, BLEED).records:
            book.take(record)
            if isinstance(record, CaseEvent):
                deaf.take(record)

    assert share_first(book, BLEED) > 0.95
    assert share_first(deaf, BLEED) < 0.5


def test_a_break_is_noticed_and_what_was_before_is_forgotten() -> None:
    """It solved everything for ten days, and nothing since yesterday."""
    book = Book()
    for day in range(10, 0, -1):
        counts(4, 0, at=MONDAY - (day + 1) * DAY, book=book)
    cause = book.of("main", "low_pressure")
    assert since(cause, THINGS) == (0, "")
    counts(0, 6, at=MONDAY - DAY, book=book)

    assert since(cause, THINGS) == (TODAY - 1, RESTART)
    now, never = (next(each.expected for each in asked(book, how=how) if each.thing == RESTART) for how in (Learner(), Learner(surprise=0)))
    assert (now < 0.2, never > 0.7) == (True, True)


def test_luck_is_no_break() -> None:
    """Of two hundred quiet months with a chance that never changes, at most one in fifty is taken for a break."""
    alarms = 0
    for seed in range(200):
        chance, book = random.Random(seed), Book()
        for day in range(20):
            for i in range(2):
                told = Told(f"{day} {i}", at=MONDAY - (20 - day) * DAY)
                for record in (told.healed() if chance.random() < 0.6 else told.failed()).records:
                    book.take(record)
        alarms += since(book.of("main", "low_pressure"), THINGS)[0] > 0

    assert alarms <= 4


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, "not tried on such cases yet"),
        ({"tried": 16, "solved": 14.0, "by_hand": 3}, "solved 14 of 16 such cases; tried on 3 of them by hand"),
        ({"tried": 1, "solved": 0.5, "by_hand": 1}, "solved 0.5 of 1 such case; each time by hand"),
        ({"elsewhere_tried": 9, "elsewhere_solved": 7.0}, "solved 7 of 9 cases on other models"),
        ({"tried": 9, "solved": 9.0, "elsewhere_tried": 9, "elsewhere_solved": 7.0}, "solved 9 of 9 such cases"),
        (
            {"pending": 2, "exploring": True},
            "not tried on such cases yet; 2 more not answered yet; too little is known about it, so it gets its turn",
        ),
    ],
)
def test_a_proposal_says_why(told: dict[str, object], reason: str) -> None:
    """In numbers a person can check."""
    nothing = Proposal(
        thing=RESTART,
        expected=0.5,
        drawn=0.5,
        exploring=False,
        tried=0,
        solved=0.0,
        by_hand=0,
        pending=0,
        elsewhere_tried=0,
        elsewhere_solved=0.0,
    )

    assert nothing._replace(**told).reason() == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.2, 6), (3, 0.4), (40, 2), (300, 500)])
def test_quantiles_are_those_of_the_beta_distribution(a: float, b: float) -> None:
    """Below a quantile lies its share, as the exact distribution has it, to a millionth of a chance."""
    for share in (0.01, 0.3, 0.5, 0.9, 0.999):
        found = quantile(share, a, b)
        assert beta_below(a, b, found - 2e-6) <= share <= beta_below(a, b, found + 2e-6)


def test_a_cases_own_number_is_even() -> None:
    """A thousand cases fill the range like chance does: no tenth has less than 70 or more than 130 of them."""
    numbers = [own_number("case", str(i)) for i in range(1_000)]

    assert all(70 <= sum(tenth / 10 <= number < (tenth + 1) / 10 for number in numbers) <= 130 for tenth in range(10))
