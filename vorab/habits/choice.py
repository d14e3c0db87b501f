"""Channel and hour for one message, by Thompson sampling among what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vorab.habits.outcomes import CHANNELS, HOURS
from vorab.habits.patterns import Array, Patterns, worths

Place = tuple[bool, str, int]
"""Kind of day, channel, hour of sending."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where and when, and why."""

    weekend: bool
    channel: str
    hour: int
    expected: float
    """The chance of an answer it is thought to have."""
    messages: int
    """Of this person, what it rests on; 0: only on others."""


def choose(patterns: Patterns, person: str, facts: Sequence[str], allowed: Sequence[Place], draw: np.random.Generator) -> Choice:
    """One of the allowed places. Patterns are drawn as likely as they are, their chances as uncertain as they are."""
    places = np.array([(int(w) * len(CHANNELS) + CHANNELS.index(c)) * HOURS + h for w, c, h in allowed])
    mean, drawn = believed(patterns, person, facts, places, draw)
    best = int(np.argmax(mean if patterns.how.greedy else drawn))
    own = patterns.own.get(person)
    tried = 0 if own is None else round(float(own[1].max()))
    weekend, channel, hour = allowed[best]
    return Choice(weekend, channel, hour, float(mean[best]), tried)


def believed(
    patterns: Patterns, person: str, facts: Sequence[str], places: NDArray[np.int64], draw: np.random.Generator
) -> tuple[Array, Array]:
    """The chance at each place: as it is believed to be, and one that may be."""
    how, belongs = patterns.how, patterns.of(person, facts)[:-1]
    belongs = belongs / max(belongs.sum(), 1e-12)
    answers, waited = patterns.answers[:-1], patterns.waited[:-1]
    own = patterns.own.get(person)
    mean = worths(_with_own(belongs @ (answers / waited), own, how.own), places, how.sinks)
    if how.greedy:
        return mean, mean
    counts = draw.multinomial(how.draws, belongs) / how.draws
    of = np.flatnonzero(counts)
    drawn = counts[of] @ (draw.gamma(answers[of] + 1e-3) / waited[of])
    return mean, worths(_with_own(drawn, own, how.own), places, how.sinks)


def _with_own(rates: Array, own: tuple[Array, Array] | None, pull: float) -> Array:
    return rates if own is None else np.asarray((own[0] + pull * rates) / (own[1] + pull))
