"""What to try next: Thompson sampling over what helped, with the case's own number in place of chance. Pure.

For each thing that could be tried the chance that it solves the case is a beta distribution: what was counted on this model, on top of what
is known from the cause's other models. From each one value is drawn, and the largest goes first. What is proven draws high nearly always;
what is hardly known draws high sometimes, and so becomes known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from vorab.ranking.beta import own_number, quantile
from vorab.ranking.breaks import SURPRISE, since
from vorab.ranking.counts import Cause, Tally

EVEN: Final = 1.0
"""Of each, solved and not solved, that everything begins with: the uniform distribution, any chance is as likely as any other."""


class Learner(NamedTuple):
    """How it learns; each number has a line in the ablation of docs/knowledge.md."""

    half_life_days: float = 30.0
    """A case counts half as much after so many days; 0: for ever as much."""
    shrink: float = 20.0
    """At most so many cases' worth is believed of what other models say; 0: each model stands alone."""
    surprise: float = SURPRISE
    """How surprising a change must be for what was counted before it to be forgotten; 0: never."""
    bold: float = 2.0
    """How many times as sure as it is it acts."""
    pending_fails: bool = False
    """Known bad: what was not answered yet counts as not solved."""
    greedy: bool = False
    """Known bad: never explores."""


DEFAULT: Final = Learner()


class Proposal(NamedTuple):
    """Something to try, and why."""

    thing: str
    """`remedy:restart` or `article:pump-air`."""
    expected: float
    """The chance that it solves such a case, as far as is known."""
    drawn: float
    """What was drawn for this case; proposals are in this order."""
    exploring: bool
    """Whether it stands before another that is expected to do better, to become known."""
    tried: int
    solved: float
    by_hand: int
    pending: int
    elsewhere_tried: int
    elsewhere_solved: float

    def reason(self) -> str:
        """`solved 14 of 16 such cases; tried on 3 of them by hand`."""
        said = []
        if self.tried:
            said.append(f"solved {_half(self.solved)} of {self.tried} such {_cases(self.tried)}")
            if self.by_hand:
                said.append(f"tried on {self.by_hand} of them by hand" if self.by_hand < self.tried else "each time by hand")
        if self.elsewhere_tried and (self.tried < FEW or not self.tried):
            said.append(f"solved {_half(self.elsewhere_solved)} of {self.elsewhere_tried} {_cases(self.elsewhere_tried)} on other models")
        if not said:
            said.append("not tried on such cases yet")
        if self.pending:
            said.append(f"{self.pending} more not answered yet")
        if self.exploring:
            said.append("too little is known about it, so it gets its turn")
        return "; ".join(said)


FEW: Final = 5
"""Below so many cases of its own, what other models say is told too."""


def propose(counts: Cause, case: str, model: str, things: Iterable[str], today: int, how: Learner = DEFAULT) -> list[Proposal]:
    """All that could be tried, the best first; the same for the same counts, case and day.

    Args:
        counts: What helped with the case's cause.
        case: The case's id; its hash stands in for chance.
        model: The model of its device.
        things: What could be tried.
        today: Days since 1970, of the case's own time.
        how: How it learns.
    """
    found = []
    things = sorted(set(things))
    first, _ = since(counts, things, how.surprise) if how.surprise else (0, "")
    for thing in things:
        here, others = counts.on(model, thing), counts.elsewhere(model, thing)
        a, b = _posterior(here, others, today, first, how)
        drawn = a / (a + b) if how.greedy else quantile(own_number(case, thing), a * how.bold, b * how.bold)
        tried, solved = sum(tally.tried for tally in others), sum(tally.solved for tally in others)
        found.append(
            Proposal(thing, a / (a + b), drawn, False, here.tried, here.solved, here.by_hand, here.pending, tried, solved)  # noqa: FBT003 - a field
        )
    found.sort(key=lambda proposal: (-proposal.drawn, proposal.thing))
    return [each._replace(exploring=any(each.expected < other.expected for other in found[i + 1 :])) for i, each in enumerate(found)]


def _posterior(here: Tally, others: Sequence[Tally], today: int, first: int, how: Learner) -> tuple[float, float]:
    """Beta's two numbers: the prior from other models, worth at most `shrink` cases, and what was counted here."""
    solved, failed = _weighed([here], today, first, how)
    if not how.shrink:
        return EVEN + solved, EVEN + failed
    there_solved, there_failed = _weighed(others, today, first, how)
    known = there_solved + there_failed
    mean = (EVEN + there_solved) / (2 * EVEN + known)
    worth = min(2 * EVEN + known, max(2 * EVEN, how.shrink))
    return worth * mean + solved, worth * (1 - mean) + failed


def _weighed(tallies: Iterable[Tally], today: int, first: int, how: Learner) -> tuple[float, float]:
    solved = failed = 0.0
    for tally in tallies:
        more = tally.weighed(today, how.half_life_days, first)
        solved, failed = solved + more[0], failed + more[1] + (tally.pending if how.pending_fails else 0)
    return solved, failed


def _half(count: float) -> str:
    return f"{count:g}"


def _cases(count: int) -> str:
    return "case" if count == 1 else "cases"
