"""The bench of the ranking: its world keeps its promises, and learners that are known to be bad fall short."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest

from vorab.bench import ranking
from vorab.bench.ranking import Desk, best, play, share
from vorab.bench.ranking_picture import sparkline
from vorab.bench.ranking_world import BEGINS, BY_HAND, DAYS, REMEDIES, Arrival, World, answers
from vorab.clock import DAY, HOUR
from vorab.ranking import ARTICLE, REMEDY, Learner
from vorab.records import Command

SEEDS = (201, 202)
"""Others than those the command runs by default."""


def month(seed: int, a_day: float = 40.0) -> list[Arrival]:
    """A month with few cases, so that it is quick."""
    return list(World(seed, a_day).arrivals())


def hard(cases: int = 300) -> list[Arrival]:
    """One remedy that solves six of ten, one done by hand that solves all but the first ten cases, and three that solve nothing."""
    chance = (0.6, 0.0, 1.0, 0.0, 0.0)
    solves = [(i % 5 < 3, False, i > 10, False, False) for i in range(cases)]
    return [Arrival(BEGINS + i * DAY * DAYS // cases, "flat", "pump", chance, each, i) for i, each in enumerate(solves)]


def reached(cases: list[Arrival], desk: Desk) -> float:
    """The share of the best possible in the last week."""
    return share(play(cases, desk.choose), DAYS - 7, DAYS) / share(play(cases, best), DAYS - 7, DAYS)


class Deaf(Desk):
    """Known bad: verdicts of agents are not heard."""

    def _try(self, case: str, arrival: Arrival, remedy: int) -> None:
        super()._try(case, arrival, remedy)
        self._later = [row for row in self._later if not isinstance(row[2], Command)]


def test_the_shipped_learner_finds_what_a_person_has_to_do() -> None:
    """What is best by hand is found by verdicts alone, although it did nothing at first."""
    assert mean(reached(hard(), Desk(seed, Learner())) for seed in SEEDS) > 0.9


@pytest.mark.parametrize(
    "bad",
    [lambda seed: Deaf(seed, Learner()), lambda seed: Desk(seed, Learner(greedy=True))],
    ids=["ignores verdicts", "never explores"],
)
def test_a_bad_learner_is_caught(bad: Callable[[int], Desk]) -> None:
    """Known bad: each of these stays below the bar on the same cases."""
    assert min(reached(hard(), bad(seed)) for seed in SEEDS) < 0.9


def test_the_same_seed_is_the_same_month() -> None:
    """Whatever is tried; and another seed is another one."""
    assert month(201) == month(201) != month(202)
    assert answers(201, month(201)[5], 2) == answers(201, month(201)[5], 2)


def test_answers_come_late_and_failures_later() -> None:
    """Whoever counts only what came has heard more of the good."""
    cases = month(201)
    heard = [(answers(201, case, 0), case) for case in cases]
    waits = {solved: [said[0][0] - case.at for said, case in heard if said and said[0][1] is solved] for solved in (True, False)}

    assert mean(waits[True]) * 2 < mean(waits[False])
    assert min(waits[True] + waits[False]) > 0
    assert any(len(said) == 2 for said, _ in heard)


def test_people_are_slow_silent_and_sometimes_wrong() -> None:
    """What is done by hand is heard of after a day or two, four times in five."""
    by_hand = REMEDIES.index(min(BY_HAND))
    heard = [(answers(201, case, by_hand), case) for case in month(201)]
    said = [(given[0][0] - case.at, given[0][1], case.solves[by_hand]) for given, case in heard if given]

    assert 0.7 < len(said) / len(heard) < 0.9
    assert mean(wait for wait, _, _ in said) > 24 * HOUR
    assert 0.01 < mean(word is not truth for _, word, truth in said) < 0.1


def test_the_bench_prints_what_it_measured(tmp_path: Path) -> None:
    """One line with a share for each seed and policy, a curve, and a picture that is well-formed."""
    found = ranking.run(SEEDS, a_day=15.0, plot=tmp_path / "curve.svg")

    assert {"learner", "random", "most popular", "best fixed"} <= set(found["of_best_last_week"])
    assert all(len(shares) == len(SEEDS) for shares in found["of_best_last_week"].values())
    assert found["ok"] is (mean(found["of_best_last_week"]["learner"]) >= ranking.BAR)
    assert len(found["curve"]) == DAYS
    assert ET.parse(tmp_path / "curve.svg").getroot().tag.endswith("svg")  # noqa: S314 - made a moment ago
    assert "the mean has to reach 0.9" in ranking.table(found)


def test_a_sparkline_rises_with_its_values() -> None:
    """From the foot to the top."""
    assert sparkline([0.0, 0.2, 0.6, 1.0, 2.0]) == "▁▁▄██"


def test_things_are_named_as_the_log_names_them() -> None:
    """What a machine does is a remedy, what a person does an article."""
    assert sorted(ranking.THINGS) == sorted((ARTICLE if name in BY_HAND else REMEDY) + name for name in REMEDIES)
