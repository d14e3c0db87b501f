"""Whether the ranking learns: a month of cases, every first proposal tried, and what share of them solves, against the best possible.

The product's own path is taken: case events and verdicts into `vorab.ranking.Book`, proposals out of it. All policies see the same cases,
and in each case a remedy solves it for all of them or for none. The best possible knows every chance, also what the learner never sees.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

from vorab import ids
from vorab.bench.ranking_picture import LOWEST, picture, sparkline
from vorab.bench.ranking_world import A_DAY, BEGINS, BY_HAND, DAYS, REMEDIES, Arrival, World, answers
from vorab.clock import DAY, Micros
from vorab.ranking import ARTICLE, REMEDY, Book, Learner, propose
from vorab.ranking.beta import own_number
from vorab.records import CaseEvent, CaseKind, Command, CommandKind, Severity, Status

SEEDS: Final = (1, 2, 3, 4, 5)
BAR: Final = 0.9
"""Of the best possible, in the last week, as the mean of all seeds; the spread is printed beside it."""
WEEK: Final = 7
BEST: Final = "best possible"
THINGS: Final = tuple((ARTICLE if name in BY_HAND else REMEDY) + name for name in REMEDIES)
ABLATIONS: Final[dict[str, Learner]] = {
    "without discount": Learner(half_life_days=0),
    "without shrinkage": Learner(shrink=0),
    "without noticing breaks": Learner(surprise=0),
    "without delay handling": Learner(pending_fails=True),
    "without exploring": Learner(greedy=True),
}

Choose = Callable[[Arrival], int]
Played = list[tuple[int, bool]]
"""Day and whether the first proposal solved it, case by case."""


class Desk:
    """The learner, told what a desk would be told."""

    def __init__(self, seed: int, how: Learner) -> None:
        self._seed, self._how = seed, how
        self._book = Book()
        self._later: list[tuple[Micros, int, CaseEvent | Command]] = []

    def choose(self, arrival: Arrival) -> int:
        """The first proposal, tried."""
        while self._later and self._later[0][0] <= arrival.at:
            self._book.take(heapq.heappop(self._later)[2])
        case = ids.case_id("main/any", f"{arrival.cause} {self._seed}", arrival.number)
        proposals = propose(self._book.of("main", arrival.cause), case, arrival.model, THINGS, arrival.at // DAY, self._how)
        chosen = THINGS.index(proposals[0].thing)
        self._try(case, arrival, chosen)
        return chosen

    def _try(self, case: str, arrival: Arrival, remedy: int) -> None:
        name = REMEDIES[remedy]
        self._book.take(_event(case, arrival, CaseKind.OPENED, "", 0, arrival.at))
        by_hand = name in BY_HAND
        if not by_hand:
            self._book.take(_event(case, arrival, CaseKind.ACTION_REQUESTED, name, 1, arrival.at))
        for i, (at, solved) in enumerate(answers(self._seed, arrival, remedy)):
            if by_hand:
                record: CaseEvent | Command = _verdict(case, THINGS[remedy], at, solved=solved)
            else:
                kind = CaseKind.RESOLVED if solved else CaseKind.RELAPSED if i else CaseKind.DISPROVED
                record = _event(case, arrival, kind, name, 2 + i, at)
            heapq.heappush(self._later, (at, arrival.number * 4 + i, record))


def _event(case: str, arrival: Arrival, kind: CaseKind, remedy: str, seq: int, at: Micros) -> CaseEvent:
    return CaseEvent(
        id=f"{case}-{seq}", device="any", case=case, kind=kind, status=Status.IN_PROGRESS, at=at, because=case, cause=arrival.cause,
        severity=Severity.MAJOR, model=arrival.model, opened_at=arrival.at, remedy=remedy, healed=kind is CaseKind.RESOLVED, seq=seq,
    )  # fmt: skip


def _verdict(case: str, about: str, at: Micros, *, solved: bool) -> Command:
    kind = CommandKind.RIGHT if solved else CommandKind.WRONG
    return Command(id=f"{case}-{kind}", device="any", kind=kind, case=case, at=at, by="agent", about=about)


def play(month: Sequence[Arrival], choose: Choose) -> Played:
    """Try what is chosen first in every case of a month."""
    return [((arrival.at - BEGINS) // DAY, arrival.solves[choose(arrival)]) for arrival in month]


def best(arrival: Arrival) -> int:
    """What somebody who knows every chance would try first."""
    return max(range(len(REMEDIES)), key=lambda remedy: arrival.chance[remedy])


def popular() -> Choose:
    """What has solved most cases with this cause so far, whatever it failed at; told of every result at once."""
    solved: dict[tuple[str, int], int] = {}

    def choose(arrival: Arrival) -> int:
        chosen = max(
            range(len(REMEDIES)), key=lambda remedy: (solved.get((arrival.cause, remedy), 0), own_number(arrival.cause, REMEDIES[remedy]))
        )
        if arrival.solves[chosen]:
            solved[arrival.cause, chosen] = solved.get((arrival.cause, chosen), 0) + 1
        return chosen

    return choose


def fixed(month: Sequence[Arrival]) -> Choose:
    """The one remedy that, always tried first, would have solved most in the month; known only afterwards."""
    chosen = max(range(len(REMEDIES)), key=lambda remedy: sum(arrival.solves[remedy] for arrival in month))
    return lambda _: chosen


def share(played: Played, first: int, last: int) -> float:
    """The share of first proposals that solved, in the days from `first` to before `last`."""
    return mean(solved for day, solved in played if first <= day < last)


def month_of(seed: int, ablations: Mapping[str, Learner], a_day: float = A_DAY) -> dict[str, Played]:
    """One month of a seed, by every policy."""
    month = list(World(seed, a_day).arrivals())
    found = {
        "learner": play(month, Desk(seed, Learner()).choose),
        BEST: play(month, best),
        "random": play(month, lambda arrival: int(own_number(str(seed), str(arrival.number)) * len(REMEDIES))),
        "most popular": play(month, popular()),
        "best fixed": play(month, fixed(month)),
    }
    return found | {name: play(month, Desk(seed, how).choose) for name, how in ablations.items()}


def run(seeds: Sequence[int] = SEEDS, *, a_day: float = A_DAY, ablation: bool = False, plot: Path | None = None) -> dict[str, Any]:
    """All seeds; what reached which share of the best possible in the last week, seed by seed."""
    months = [month_of(seed, ABLATIONS if ablation else {}, a_day) for seed in seeds]
    of_best = {
        name: [round(share(month[name], DAYS - WEEK, DAYS) / share(month[BEST], DAYS - WEEK, DAYS), 3) for month in months]
        for name in months[0]
        if name != BEST
    }
    daily = [[share(month["learner"], day, day + 1) / share(month[BEST], day, day + 1) for month in months] for day in range(DAYS)]
    if plot is not None:
        plot.write_text(picture(daily, {name: mean(shares) for name, shares in of_best.items()}, BAR), encoding="utf-8")
    return {
        "bench": "ranking",
        "seeds": list(seeds),
        "cases": [len(month["learner"]) for month in months],
        "solved_last_week": {name: [round(share(month[name], DAYS - WEEK, DAYS), 3) for month in months] for name in months[0]},
        "of_best_first_day": [round(each, 3) for each in daily[0]],
        "of_best_last_week": of_best,
        "mean": {name: round(mean(shares), 3) for name, shares in of_best.items()},
        "spread": {name: [min(shares), max(shares)] for name, shares in of_best.items()},
        "curve": sparkline([mean(day) for day in daily]),
        "bar": {"mean_of_best_last_week": BAR},
        "ok": mean(of_best["learner"]) >= BAR,
    }


def table(found: dict[str, Any]) -> str:
    """A page for a terminal."""
    possible = mean(found["solved_last_week"][BEST])
    below = sum(each < BAR for each in found["of_best_last_week"]["learner"])
    rows = found["of_best_last_week"].items()
    lines = [
        "share of first proposals that solve, of the best possible, in the last week of a month",
        "",
        f"{'':26}{'mean':>6}  seeds {' '.join(map(str, found['seeds']))}",
        *(f"{name:26}{found['mean'][name]:>6.3f}  {' '.join(f'{each:.3f}' for each in shares)}" for name, shares in rows),
        "",
        f"day by day, from {LOWEST:.0%} to all of the best possible: {found['curve']}",
        f"on the first day {mean(found['of_best_first_day']):.3f}; the best possible solves {possible:.3f} of all",
        f"the mean has to reach {BAR}: {'it does' if found['ok'] else 'it does not'}; seeds below: {below} of {len(found['seeds'])}",
    ]
    return "\n".join(lines)
