"""A month of cases for `vorab bench ranking`: five remedies whose worth nobody knows, in a world that is not made like the learner.

The learner believes in one fixed chance per cause and model that fades into the past. Here a chance is a logistic function of cause, model,
the age of the machine (which the learner never sees) and the hour; it drifts a little every day and breaks once on some causes; answers
come late, successes sooner than failures; some never come, some are wrong, and some successes come undone days later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from vorab.clock import DAY, HOUR, Micros, parse_iso

REMEDIES: Final = ("restart", "reload", "bleed", "recalibrate", "replace_filter")
BY_HAND: Final = frozenset({"bleed", "replace_filter"})
"""Done by people: only their verdict tells what came of it, a day or two later."""
CAUSES: Final = ("low_pressure", "overheat", "flat", "toner_feed")
MODELS: Final = ("pump", "heat-pump", "printer")
DAYS: Final = 30
A_DAY: Final = 120.0
"""Cases a day: a fleet of five thousand machines, most of which have one fault in six weeks."""
BEGINS: Final[Micros] = parse_iso("2026-03-02T00:00:00Z")

SILENT: Final = 0.2
"""Share of what people did that nobody says anything about."""
MISTAKEN: Final = 0.05
"""Share of verdicts that are wrong."""
UNDONE: Final = 0.1
"""Share of failures that look solved at first, and come back."""


class Arrival(NamedTuple):
    """A case: where, when, and what would come of each remedy."""

    at: Micros
    cause: str
    model: str
    chance: tuple[float, ...]
    """Of each remedy, to solve this case."""
    solves: tuple[bool, ...]
    """Whether it would."""
    number: int


class World:
    """One world: the same seed is the same month."""

    def __init__(self, seed: int, a_day: float = A_DAY) -> None:
        self._a_day = a_day
        self._chance = np.random.default_rng(seed)
        draw, causes, models, remedies = self._chance, len(CAUSES), len(MODELS), len(REMEDIES)
        self._worth = draw.normal(-0.6, 1.3, (causes, 1, remedies)) + draw.normal(0, 0.6, (causes, models, remedies))
        self._age_matters = draw.normal(0, 0.8, remedies)
        self._night_matters = draw.normal(0, 0.4, remedies)
        self._share = draw.dirichlet(np.full(causes * models, 1.5)).reshape(causes, models)
        self._breaks = {cause: int(draw.integers(6, 19)) for cause in draw.choice(causes, 2, replace=False).tolist()}

    def arrivals(self) -> Iterator[Arrival]:
        """The month, in order of time."""
        number = 0
        for day in range(DAYS):
            self._pass(day)
            for at, cause, model in sorted(self._day(day)):
                age, night = self._chance.uniform(-1, 1), not 6 <= at % DAY // HOUR < 20
                worth = self._worth[cause, model] + self._age_matters * age + self._night_matters * night
                chance = 1 / (1 + np.exp(-worth))
                solves = self._chance.random(len(REMEDIES)) < chance
                yield Arrival(BEGINS + at, CAUSES[cause], MODELS[model], tuple(chance.tolist()), tuple(solves.tolist()), number)
                number += 1

    def _pass(self, day: int) -> None:
        """A little drift for all; and where it breaks, what was best is good for nothing, as after a new firmware, and another is found."""
        self._worth = self._worth + self._chance.normal(0, 0.05, self._worth.shape)
        for cause, when in self._breaks.items():
            if when == day:
                order = np.argsort(self._worth[cause].mean(0))
                self._worth[cause, :, order[-1]] -= 2.5
                self._worth[cause, :, order[self._chance.integers(0, 3)]] += 2.5

    def _day(self, day: int) -> Iterator[tuple[Micros, int, int]]:
        weekend = 0.6 if day % 7 >= 5 else 1.0
        flat = self._share.ravel()
        for place in self._chance.choice(flat.size, self._chance.poisson(self._a_day * weekend), p=flat).tolist():
            hour = min(23.99, abs(self._chance.normal(11, 5)))  # by day, mostly
            yield day * DAY + int(hour * HOUR), place // len(MODELS), place % len(MODELS)
        if self._chance.random() < 0.15:  # a storm: many with one cause at once, and no answer before the last of them
            cause, model, at = int(self._chance.integers(len(CAUSES))), int(self._chance.integers(len(MODELS))), self._chance.integers(DAY)
            for _ in range(25):
                yield day * DAY + min(DAY - 1, int(at + self._chance.integers(HOUR))), cause, model


def answers(seed: int, arrival: Arrival, remedy: int) -> list[tuple[Micros, bool]]:
    """What is heard of a try, and when: solved or not; a later word replaces an earlier one. Empty where nobody says anything."""
    # Of its own: what a policy tries does not change the world for the next case.
    chance = np.random.default_rng((seed, arrival.number, remedy))
    solved = arrival.solves[remedy]
    if REMEDIES[remedy] in BY_HAND:
        if chance.random() < SILENT:
            return []
        said = solved ^ bool(chance.random() < MISTAKEN)
        return [(arrival.at + int(DAY * chance.lognormal(0.4, 0.7)), said)]
    if solved:
        return [(arrival.at + int(HOUR * chance.lognormal(0.4, 0.8)), True)]
    if chance.random() < UNDONE:
        first = arrival.at + int(HOUR * chance.lognormal(0.4, 0.8))
        return [(first, True), (first + int(DAY * chance.lognormal(0.4, 0.5)), False)]
    return [(arrival.at + int(HOUR * chance.lognormal(2.2, 0.8)), False)]
