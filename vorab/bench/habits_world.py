"""Two thousand customers with habits nobody knows, for `vorab bench habits`, in a world that is not made like the learner.

The learner believes in a few patterns with one chance per channel and hour. Here a person looks at a channel with a hazard that rises and
falls with their day (humps at hours of their own), has more or less mind for it then, and what was looked at and not answered is
mostly forgotten; a message sinks as hours go by. Lives fall into patterns, but everybody differs from theirs, some are like nobody, hours
walk, lives change. Answers come late. Some mail is opened by machines, at once. A part never answers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CHANNELS: Final = ("mail", "sms", "push", "chat")
HOURS: Final = 24
MONTHS: Final = 6
A_MONTH: Final = 2
"""Messages to a person: what the budget allows."""
SILENT: Final = 0.3
"""Share of people who never answer, at any hour."""
UNLIKE: Final = 0.12
"""Share of people who live like no pattern."""
MACHINES: Final = 0.35
"""Share of people whose mail is opened by a machine within seconds."""
CHANGES: Final = 0.02
"""Share of people whose life becomes another one, a month."""
FORGOTTEN: Final = 0.75
"""Of what was looked at and not answered, what is never looked at again."""
SINKS: Final = 0.88
"""How much of a message is still in sight an hour later."""
LATE: Final = 0.12
"""Share of answers that come half a day to days after they looked."""


class Life(NamedTuple):
    """A pattern of life: when they look, with how much mind, on workdays and at weekends, and at what."""

    share: float
    work: tuple[tuple[float, float, float], ...]
    """Humps of a workday: hour, width, mind for an answer."""
    free: tuple[tuple[float, float, float], ...]
    """Those of a weekend."""
    likes: tuple[float, float, float, float]
    """How much they look at each channel."""
    model: tuple[float, float, float]
    """Which machine they have: pump, printer, heat pump."""
    language: float
    """Share that reads German."""
    old: float
    """Share that has been a customer for years."""


LIVES: Final = (
    Life(0.26, ((8, 1.0, 0.25), (12.5, 0.7, 0.3), (18.5, 1.2, 0.85)), ((10.5, 1.5, 0.8), (19, 2, 0.5)), (6, 1, 3, 1), (2, 7, 3), 0.8, 0.4),
    Life(0.16, ((6, 0.8, 0.2), (14.8, 1.1, 0.9), (20, 1, 0.3)), ((11, 1.5, 0.8), (17, 2, 0.5)), (1, 6, 2, 2), (7, 1, 3), 0.7, 0.5),
    Life(0.12, ((10.5, 1.2, 0.9), (17.5, 0.6, 0.2)), ((12, 1.5, 0.8),), (1, 2, 6, 2), (5, 2, 2), 0.5, 0.3),
    Life(0.22, ((9.5, 1.2, 0.9), (16, 1.2, 0.5)), ((10, 1.5, 0.9),), (6, 4, 0.4, 0.4), (3, 1, 8), 0.9, 0.9),
    Life(0.14, ((7.3, 0.5, 0.15), (13, 0.8, 0.35), (20.6, 0.9, 0.9)), ((13.5, 1, 0.6), (20.6, 1, 0.8)), (1, 1, 2, 7), (1, 4, 5), 0.7, 0.4),
    Life(0.10, ((12, 1, 0.5), (16, 1, 0.4), (21, 1.2, 0.8)), ((14, 1.5, 0.6), (20.5, 1.2, 0.8)), (0.6, 0.6, 6, 6), (1, 8, 1), 0.4, 0.05),
)
SPAN: Final = 24
"""Hours after which nobody comes back to a message."""


class Message(NamedTuple):
    """What would come of a message, as the notifier gets to know it; moments in hours since it was sent, negative: never."""

    answered: float
    read: float


class World:
    """Customers of a seed. `odd` is the world as it is; without, everybody is exactly their pattern and nothing changes or deceives."""

    def __init__(self, seed: int, people: int = 2_000, *, odd: bool = True) -> None:
        self.people, self.odd = people, odd
        self._chance = draw = np.random.default_rng((seed, 7))
        self.life = draw.choice(len(LIVES), people, p=[each.share for each in LIVES])
        self.silent = draw.random(people) < SILENT
        self._machine = (draw.random(people) < MACHINES) & odd
        self._humps(np.arange(people))
        self.keen = np.clip(draw.normal(0.9, 0.12, people), 0.4, 1.0) if odd else np.full(people, 0.9)
        self.facts = [self._facts(life) for life in self.life.tolist()]
        self.reached = self._reached()
        begin, end = draw.choice([22, 21, 23], people, p=[0.8, 0.1, 0.1]), draw.choice([7, 8, 6], people, p=[0.8, 0.1, 0.1])
        hour = np.arange(HOURS)
        self.awake = (hour[None] >= end[:, None]) & (hour[None] < begin[:, None])
        self.allowed = self.reached[:, :, None] & self.awake[:, None, :]
        """Channel and hour: within what the person prefers, outside their quiet hours."""
        self._tell()

    # -------------------------------------------------------------------------------------------- who they are

    def _humps(self, who: NDArray[np.int64]) -> None:
        """Where each hump of a day lies, how high it is, and what they look at: by pattern, and by themselves."""
        if not hasattr(self, "hazard"):
            self.hazard = np.zeros((self.people, 2, len(CHANNELS), HOURS))
            self.mind = np.zeros((self.people, 2, HOURS))
            self._off = np.zeros(self.people)
        for i in who.tolist():
            self._off[i] = self._chance.normal(0, 0.6) if self.odd else 0.0
            self._day(i)

    def _day(self, i: int) -> None:
        draw, life, odd = self._chance, LIVES[self.life[i]], self.odd
        hour = np.arange(HOURS) + 0.5
        likes = np.asarray(life.likes) / sum(life.likes)
        unlike = odd and draw.random() < UNLIKE
        if unlike:
            likes = draw.dirichlet(np.full(len(CHANNELS), 0.7))
        elif odd:
            likes = draw.dirichlet(14 * likes + 0.05)
        for day, humps in enumerate((life.work, life.free)):
            if unlike:
                humps = tuple((draw.uniform(7, 21), draw.uniform(0.6, 1.5), draw.uniform(0.2, 0.9)) for _ in range(2))  # noqa: PLW2901
            look, mind = np.full(HOURS, 0.01), np.full(HOURS, 0.1)
            for at, wide, attention in humps:
                own = at + self._off[i] + (draw.normal(0, 0.3) if odd else 0.0)
                height = draw.lognormal(0, 0.25) if odd else 1.0
                shape = np.exp(-0.5 * ((hour - own + 12) % 24 - 12) ** 2 / wide**2)
                look += 1.1 * height * shape
                mind = np.maximum(mind, attention * shape)
            self.hazard[i, day] = np.minimum(3.0, look[None] * 2.4 * likes[:, None])
            self.mind[i, day] = mind

    def _facts(self, life: int) -> tuple[str, ...]:
        """What is known of somebody without personal data."""
        draw, of = self._chance, LIVES[life]
        model = ("pump", "printer", "heat-pump")[draw.choice(3, p=np.asarray(of.model) / sum(of.model))]
        return (
            f"model:{model}",
            f"language:{'de' if draw.random() < of.language else 'en'}",
            f"since:{'years' if draw.random() < of.old else 'months'}",
        )

    def _reached(self) -> NDArray[np.bool_]:
        """The channels each allows: one to four."""
        found = self._chance.random((self.people, len(CHANNELS))) < 0.5
        best = self.hazard.sum((1, 3)).argmax(1)
        often = self._chance.random(self.people) < 0.9  # most allow what they look at
        found[np.arange(self.people)[often], best[often]] = True
        found[~found.any(1), 0] = True
        return found

    # -------------------------------------------------------------------------------------------- what comes of it

    def _tell(self) -> None:
        self.chance = chances(self.hazard, self.mind * self.keen[:, None, None])
        self.chance[self.silent] = 0.0

    def pass_month(self) -> None:
        """Hours walk a little; some lives become others."""
        if not self.odd:
            return
        draw = self._chance
        changed = np.flatnonzero(draw.random(self.people) < CHANGES)
        self.life[changed] = draw.choice(len(LIVES), len(changed), p=[each.share for each in LIVES])
        self._humps(changed)
        walks = draw.choice([-1, 0, 1], self.people, p=[0.04, 0.92, 0.04])
        for i in np.flatnonzero(walks).tolist():
            self.hazard[i] = np.roll(self.hazard[i], walks[i], axis=-1)
            self.mind[i] = np.roll(self.mind[i], walks[i], axis=-1)
        self._tell()

    def send(self, i: int, weekend: int, channel: int, hour: int, chance: np.random.Generator) -> Message:
        """What comes of a message to a person."""
        read = -1.0
        if channel == 0 and self._machine[i]:
            read = float(chance.uniform(0, 0.01))
        for lag in range(SPAN):
            at = (hour + lag) % HOURS
            if chance.random() >= 1 - np.exp(-self.hazard[i, weekend, channel, at] * SINKS**lag):
                continue
            looked = lag + float(chance.random())
            read = looked if read < 0 and chance.random() < 0.7 else read
            if not self.silent[i] and chance.random() < self.mind[i, weekend, at] * self.keen[i]:
                late = chance.uniform(12, 60) if self.odd and chance.random() < LATE else chance.lognormal(-1.5, 0.8)
                return Message(looked + float(late), read)
            if chance.random() < FORGOTTEN:
                break
        return Message(-1.0, read)

    def best(self, weekend: int) -> Array:
        """The chance of each person's true best channel and hour, now."""
        return np.asarray(np.where(self.allowed, self.chance[:, weekend], -1.0).reshape(self.people, -1).max(1))


def chances(hazard: Array, mind: Array) -> Array:
    """The chance of an answer by person, kind of day, channel and hour of sending."""
    left, found = np.ones(hazard.shape), np.zeros(hazard.shape)
    for lag in range(SPAN):
        looks = (1 - np.exp(-np.roll(hazard, -lag, -1) * SINKS**lag)) * left
        answers = looks * np.roll(mind, -lag, -1)[:, :, None]
        found += answers
        left = left - answers - (looks - answers) * FORGOTTEN
    return found
