"""Whether the notifier finds where and when people answer: half a year, two messages a month each, against somebody who knows.

The product's own path is taken: outcomes into `vorab.habits`, choices out of it. Everybody begins unknown, at the same time. What counts is
the chance of an answer that the chosen channel and hour truly had, in the messages after the fifth, by the best chance there was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vorab.bench.habits_world import A_MONTH, CHANNELS, MONTHS, World
from vorab.bench.ranking_picture import sparkline
from vorab.clock import DAY, HOUR, Micros
from vorab.habits import Learner, Outcome, choose, fit, rows_of, unheard

SEEDS: Final = (1, 2, 3, 4, 5)
PEOPLE: Final = 2_000
FIRST: Final = 5
"""Messages to each before it counts."""
BAR: Final = 0.8
"""Of somebody who knows everybody's best channel and hour, as the mean of all seeds."""
EVERY: Final = 3
"""Days after which it is learned anew."""

Floats = NDArray[np.float64]


class Policy:
    """Chooses by chance."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.draw = world, np.random.default_rng((seed, 3))

    def learn(self, now: Micros) -> None:
        """Some days have passed."""

    def chances(self, i: int, weekend: int) -> Floats:  # noqa: ARG002 - others ask
        """What it would choose by, for each channel and hour."""
        return np.asarray(self.draw.random(self.world.allowed[i].shape))

    def choose(self, i: int, weekend: int) -> tuple[int, int]:
        """Channel and hour for a message to somebody."""
        best = int(np.where(self.world.allowed[i], self.chances(i, weekend), -1.0).argmax())
        return best // 24, best % 24

    def heard(self, i: int, weekend: int, channel: int, outcome: Outcome) -> None:
        """What came of it."""

    def messages(self, i: int, now: Micros) -> int:  # noqa: ARG002 - others ask
        """How many of the month's messages somebody gets."""
        return A_MONTH


class Popular(Policy):
    """The channel and hour with most answers so far, whatever they failed at."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(world, seed)
        self._answers = self.draw.random((2, *world.allowed.shape[1:])) * 0.1

    def chances(self, i: int, weekend: int) -> Floats:  # noqa: ARG002 - others ask
        """By answers."""
        return np.asarray(self._answers[weekend])

    def heard(self, i: int, weekend: int, channel: int, outcome: Outcome) -> None:  # noqa: ARG002 - others listen
        """Told of every answer at once."""
        self._answers[weekend, channel, outcome.hour] += outcome.answered_at is not None


class Fixed(Policy):
    """The one order of channels and hours that is best for everybody together; known only to the world."""

    def chances(self, i: int, weekend: int) -> Floats:  # noqa: ARG002 - others ask
        """By the mean of all."""
        found: Floats = self._means()[weekend]
        return found

    def _means(self) -> Floats:
        if not hasattr(self, "_kept"):
            self._kept: Floats = self.world.chance.mean(0)
        return self._kept


class Learned(Policy):
    """The product."""

    def __init__(self, world: World, seed: int, how: Learner = Learner()) -> None:  # noqa: B008 - frozen
        super().__init__(world, seed)
        self._how, self._seed = how, seed
        self._known: dict[str, list[Outcome]] = {str(i): [] for i in range(world.people)}
        self._facts = {str(i): facts for i, facts in enumerate(world.facts)}
        self._patterns = fit(rows_of({}, 0, how), {}, how)

    def learn(self, now: Micros) -> None:
        """Anew from time to time, mostly from what was found before."""
        found = {who: outcomes for who, outcomes in self._known.items() if outcomes}
        before = self._patterns if now // DAY % 30 and self._patterns.belongs else None
        self._patterns = fit(rows_of(found, now, self._how), self._facts, self._how, before, self._seed)

    def choose(self, i: int, weekend: int) -> tuple[int, int]:
        """As the notifier does."""
        allowed = [(bool(weekend), CHANNELS[c], int(h)) for c, h in np.argwhere(self.world.allowed[i])]
        chosen = choose(self._patterns, str(i), self.world.facts[i], allowed, self.draw)
        return CHANNELS.index(chosen.channel), chosen.hour

    def heard(self, i: int, weekend: int, channel: int, outcome: Outcome) -> None:  # noqa: ARG002 - others listen
        """Kept."""
        self._known[str(i)].append(outcome)

    def messages(self, i: int, now: Micros) -> int:
        """Who gives no sign gets half."""
        return A_MONTH // 2 if unheard(self._known[str(i)], now) else A_MONTH


class Played:
    """What came of half a year: chances that were taken, and the best there were, by person and message."""

    def __init__(self, people: int) -> None:
        self.got, self.best = np.zeros((people, MONTHS * A_MONTH)), np.zeros((people, MONTHS * A_MONTH))
        self.sent = np.zeros(people, dtype=int)

    def of_best(self, first: int = FIRST, last: int = MONTHS * A_MONTH) -> float:
        """The share of the best possible in some of the messages."""
        return float(self.got[:, first:last].sum() / self.best[:, first:last].sum())


def play(world: World, policy: Policy, seed: int) -> Played:
    """Half a year of a world."""
    luck, found = np.random.default_rng((seed, 5)), Played(world.people)
    for month in range(MONTHS):
        if month:
            world.pass_month()
        tops = (world.best(0), world.best(1))
        days = np.stack([luck.integers(0, 15, world.people), luck.integers(15, 30, world.people)], 1)
        for day in range(30):
            now = (month * 30 + day) * DAY
            if day % EVERY == 0:
                policy.learn(now)
            for i in np.flatnonzero((days == day).any(1)).tolist():
                if day < 15 or policy.messages(i, now) == A_MONTH:
                    _send(world, policy, found, i, now, tops, luck)
    return found


def _send(world: World, policy: Policy, found: Played, i: int, now: Micros, tops: tuple[Floats, Floats], luck: np.random.Generator) -> None:
    weekend = int(now // DAY % 7 >= 5)
    channel, hour = policy.choose(i, weekend)
    if not world.allowed[i, channel, hour]:
        raise AssertionError("written to in quiet hours, or by a channel that was not allowed")
    came, at = world.send(i, weekend, channel, hour, luck), now + hour * HOUR
    read, answered = (at + int(after * HOUR) if after >= 0 else None for after in (came.read, came.answered))
    policy.heard(i, weekend, channel, Outcome(CHANNELS[channel], hour, bool(weekend), at, read, answered))
    n = found.sent[i]
    found.got[i, n], found.best[i, n] = world.chance[i, weekend, channel, hour], tops[weekend][i]
    found.sent[i] += 1


POLICIES: Final[dict[str, Callable[[World, int], Policy]]] = {
    "learner": Learned, "best fixed": Fixed, "most popular": Popular, "random": Policy,
}  # fmt: skip


def run(seeds: Sequence[int] = SEEDS, people: int = PEOPLE, *, odd: bool = True, plot: Path | None = None) -> dict[str, Any]:
    """All seeds, by every policy."""
    shares: dict[str, list[float]] = {name: [] for name in POLICIES}
    curves, silent, others = [], [], []
    for seed in seeds:
        for name, make in POLICIES.items():
            world = World(seed, people, odd=odd)
            played = play(world, make(world, seed), seed)
            shares[name].append(round(played.of_best(), 3))
            if name == "learner":
                curves.append([played.of_best(n, n + 1) for n in range(MONTHS * A_MONTH)])
                silent.append(float(played.sent[world.silent].mean()))
                others.append(float(played.sent[~world.silent].mean()))
    if plot is not None:
        from vorab.bench.habits_picture import picture  # noqa: PLC0415 - only where one is wanted

        plot.write_text(picture(curves, {name: mean(each) for name, each in shares.items()}, BAR), encoding="utf-8")
    less = all(a < b for a, b in zip(silent, others, strict=True))
    return {
        "bench": "habits",
        "seeds": list(seeds),
        "people": people,
        "world": "as it is" if odd else "of the learner's own form",
        "of_best": shares,
        "mean": {name: round(mean(each), 3) for name, each in shares.items()},
        "spread": {name: [min(each), max(each)] for name, each in shares.items()},
        "by_message": [round(mean(each), 3) for each in zip(*curves, strict=True)],
        "messages_to_silent": round(mean(silent), 2),
        "messages_to_others": round(mean(others), 2),
        "bar": {"mean_of_best_after_five": BAR, "silent_get_less": True},
        "ok": mean(shares["learner"]) >= BAR and less,
    }


def table(found: dict[str, Any]) -> str:
    """A page for a terminal."""
    below = "it does" if found["mean"]["learner"] >= BAR else "it does not"
    return "\n".join([
        f"chance of an answer, of the best possible, in the messages after the fifth; {found['people']} people, world {found['world']}",
        "",
        f"{'':16}{'mean':>6}  seeds {' '.join(map(str, found['seeds']))}",
        *(f"{name:16}{found['mean'][name]:>6.3f}  {' '.join(f'{each:.3f}' for each in row)}" for name, row in found["of_best"].items()),
        "",
        f"message by message: {sparkline(found['by_message'])}  {found['by_message'][0]:.2f} to {found['by_message'][-1]:.2f}",
        f"messages in half a year: {found['messages_to_silent']} to who never answers, {found['messages_to_others']} to others",
        f"the mean of the learner has to reach {BAR}: {below}",
    ])  # fmt: skip
