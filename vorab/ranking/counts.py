"""How often what helped: whole numbers per day, so that neither the order of records nor the moment of counting matters. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

REMEDY: Final = "remedy:"
ARTICLE: Final = "article:"
RULE: Final = "rule:"
"""What a verdict can be about; the name follows."""

KEPT_DAYS: Final = 180
"""What is older weighs less than one part in a thousand after the discount, so it is let go."""
SOLVED: Final = 2
HELPED: Final = 1
FAILED: Final = 0
"""What a try counts, in halves: what helped and was not enough is half of what solved it."""


class Result(NamedTuple):
    """What became of something that was tried in a case."""

    cause: str
    model: str
    thing: str
    day: int
    """Days since 1970 on which it was tried: an answer that comes late speaks of that day."""
    halves: int | None
    """None while the answer is pending: it counts neither way."""
    by_hand: bool


class Day(msgspec.Struct, array_like=True):
    """One day of one thing."""

    tried: int = 0
    halves: int = 0
    by_hand: int = 0


class Tally(msgspec.Struct):
    """One thing, tried for one cause on one model."""

    days: dict[int, Day] = {}
    pending: int = 0

    def add(self, result: Result, sign: int, oldest: int) -> None:
        """Count a result, or take it back (`sign` -1); what is older than the oldest day is not kept."""
        if result.halves is None:
            self.pending += sign
            return
        if result.day < oldest:
            return
        day = self.days.setdefault(result.day, Day())
        day.tried += sign
        day.halves += sign * result.halves
        day.by_hand += sign * result.by_hand
        if not day.tried:
            del self.days[result.day]

    def forget(self, oldest: int) -> None:
        """Let go what is older."""
        self.days = {day: counted for day, counted in self.days.items() if day >= oldest}

    @property
    def tried(self) -> int:
        """How often it was tried and answered."""
        return sum(day.tried for day in self.days.values())

    @property
    def solved(self) -> float:
        """How often that solved it; halves for what helped."""
        return sum(day.halves for day in self.days.values()) / SOLVED

    @property
    def by_hand(self) -> int:
        """How many of the tries were a person's."""
        return sum(day.by_hand for day in self.days.values())

    @property
    def empty(self) -> bool:
        """Whether nothing is counted."""
        return not self.days and not self.pending

    def weighed(self, today: int, half_life_days: float, since: int = 0) -> tuple[float, float]:
        """Solved and not solved, from the day `since` on; a day counts half as much for every half-life it is past, 0 is no discount."""
        solved = failed = 0.0
        for number, day in sorted(self.days.items()):
            if number < since:
                continue
            weight = 0.5 ** (max(0, today - number) / half_life_days) if half_life_days else 1.0
            solved += weight * day.halves / SOLVED
            failed += weight * (day.tried - day.halves / SOLVED)
        return solved, failed


class Cause(msgspec.Struct):
    """All that was tried for one cause: model → thing → how often what helped."""

    tallies: dict[str, dict[str, Tally]] = {}

    def add(self, result: Result, sign: int, oldest: int) -> None:
        """Count a result, or take it back."""
        things = self.tallies.setdefault(result.model, {})
        tally = things.setdefault(result.thing, Tally())
        tally.add(result, sign, oldest)
        if tally.empty:
            del things[result.thing]
            if not things:
                del self.tallies[result.model]

    def forget(self, oldest: int) -> None:
        """Let go what is older."""
        for model, things in list(self.tallies.items()):
            for thing, tally in list(things.items()):
                tally.forget(oldest)
                if tally.empty:
                    del things[thing]
            if not things:
                del self.tallies[model]

    def on(self, model: str, thing: str) -> Tally:
        """On this model."""
        return self.tallies.get(model, {}).get(thing) or Tally()

    def elsewhere(self, model: str, thing: str) -> list[Tally]:
        """On all other models, in the order of their names."""
        return [things[thing] for name, things in sorted(self.tallies.items()) if name != model and thing in things]

    def things(self) -> Iterator[str]:
        """All that was ever tried, each once."""
        yield from sorted({thing for things in self.tallies.values() for thing in things})

    @property
    def latest(self) -> int:
        """The last day on which something was counted; 0 where nothing was."""
        tallies = (tally for things in self.tallies.values() for tally in things.values())
        return max((day for tally in tallies for day in tally.days), default=0)
