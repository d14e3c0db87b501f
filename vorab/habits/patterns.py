"""A few patterns of when and where people answer, found in everybody's outcomes, and how far each person is of which.

A life table for each pattern: how often a message that waits at a kind of day, channel and hour is answered there (Gamma, smooth over
neighbouring hours, pulled to the population's), and how likely what is known about somebody is in it; by expectation maximization over
people. One more pattern answers nothing: who never answers teaches nothing about hours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vorab.habits.outcomes import CHANNELS, HOURS, SPAN, Learner, Rows

Array = NDArray[np.float64]
PLACES: Final = 2 * len(CHANNELS) * HOURS
SILENT_RATE: Final = 0.003
"""Answers an hour of somebody who never answers; not 0: they may begin."""
UNKNOWN_RATE: Final = 0.1
"""Of everybody, while nothing is known."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """What was found. The last pattern is the one that never answers."""

    how: Learner
    share: Array
    answers: Array
    """Of each pattern and place, smooth, with what the population adds."""
    waited: Array
    """Hours, likewise: rates are the one by the other."""
    facts: Mapping[str, Array]
    """Of what is known about somebody, how likely it is in each pattern."""
    belongs: Mapping[str, Array]
    """Of each person, how far they are of each pattern."""
    own: Mapping[str, tuple[Array, Array]]
    """Of each person, answers and hours waited by place, smooth."""

    def of(self, person: str, facts: Sequence[str]) -> Array:
        """How far somebody is of each pattern; who is not known yet, by what is known about them."""
        found = self.belongs.get(person)
        if found is not None:
            return found
        each = [np.log(self.facts[fact]) for fact in facts if fact in self.facts]
        return _normal(np.log(self.share) + sum(each, np.zeros(len(self.share))))


def fit(rows: Rows, facts: Mapping[str, Sequence[str]], how: Learner, before: Patterns | None = None, seed: int = 0) -> Patterns:
    """The patterns in these outcomes, from those found before where there are any."""
    if not len(rows.who):
        return _nothing(how)
    n, k, smooth = len(rows.people), how.patterns, _kernel(how)
    answers, waited = _tables(rows, n)
    total, base_waited = (rows_.sum(0) @ smooth for rows_ in (answers, waited))
    overall = (answers.sum() + 1) / (waited.sum() + 1 / UNKNOWN_RATE)
    base = (total + how.pull * overall) / (base_waited + how.pull)
    names, has = _facts(rows.people, facts if how.facts else {})
    belongs = _begin(rows, k, before, seed)
    rates = np.empty((k + 1, PLACES))
    for _ in range(how.rounds if before is None else max(4, how.rounds // 3)):
        share = (belongs.sum(0) + 1) / (n + k + 1)
        got = (belongs.T @ answers) @ smooth + how.pull * base
        had = (belongs.T @ waited) @ smooth + how.pull
        got[-1], had[-1] = SILENT_RATE * 1000, 1000.0
        rates = got / had
        likely = (belongs.T @ has + 1.0) / (belongs.sum(0)[:, None] + 3.0)
        belongs = _normal(answers @ np.log(rates).T - waited @ rates.T + has @ np.log(likely).T + np.log(share))
    own = dict(zip(rows.people, zip(answers @ smooth, waited @ smooth, strict=True), strict=True))
    known = {name: likely[:, i] for i, name in enumerate(names)}
    return Patterns(how, share, got, had, known, dict(zip(rows.people, belongs, strict=True)), own)


def worths(rates: Array, places: NDArray[np.int64], sinks: float) -> Array:
    """The chance that a message sent at each of these places is answered, by rates of answers an hour."""
    hour = places % HOURS
    after = (places - hour)[:, None] + (hour[:, None] + np.arange(SPAN)) % HOURS
    return np.asarray(1 - np.exp(-(rates[..., after] * sinks ** np.arange(SPAN)).sum(-1)))


def _nothing(how: Learner) -> Patterns:
    share = np.append(np.full(how.patterns, 0.7 / how.patterns), 0.3)
    waited = np.full((how.patterns + 1, PLACES), 2.0)
    return Patterns(how, share, waited * UNKNOWN_RATE, waited, {}, {}, {})


def _kernel(how: Learner) -> Array:
    """How much an answer at one place says about another: neighbouring hours of a channel, and a little across kinds of day."""
    apart = np.abs(np.arange(HOURS)[:, None] - np.arange(HOURS)[None])
    near = np.exp(-0.5 * (np.minimum(apart, HOURS - apart) / how.wide) ** 2)
    days = np.array([[1, how.weekend], [how.weekend, 1]])
    return np.asarray(np.kron(days, np.kron(np.eye(len(CHANNELS)), near)))


def _tables(rows: Rows, n: int) -> tuple[Array, Array]:
    """Answers and hours waited, by person and place."""
    at = (rows.who[:, None] * PLACES + rows.places).ravel()
    return tuple(np.bincount(at, (rows.weight[:, None] * each).ravel(), n * PLACES).reshape(n, PLACES) for each in (rows.seen, rows.waited))  # type: ignore[return-value]


def _facts(people: Sequence[str], facts: Mapping[str, Sequence[str]]) -> tuple[list[str], Array]:
    names = sorted({fact for person in people for fact in facts.get(person, ())})
    column, has = {name: i for i, name in enumerate(names)}, np.zeros((len(people), len(names)))
    for i, person in enumerate(people):
        for fact in facts.get(person, ()):
            has[i, column[fact]] = 1.0
    return names, has


def _begin(rows: Rows, k: int, before: Patterns | None, seed: int) -> Array:
    draw, n = np.random.default_rng(seed), len(rows.people)
    if before is not None and before.belongs:
        return np.vstack([before.belongs.get(person, before.share) for person in rows.people])
    found = np.hstack([0.7 * draw.dirichlet(np.full(k, 0.5), n), np.full((n, 1), 0.3)])
    found[np.bincount(rows.who, rows.worth, n) > 0, -1] = 0.01
    return np.asarray(found / found.sum(1, keepdims=True))


def _normal(logs: Array) -> Array:
    found = np.exp(logs - logs.max(-1, keepdims=True))
    return np.asarray(found / found.sum(-1, keepdims=True))
