"""What came of messages, as evidence: answers count whenever they come, opens by machines do not, silence counts once it has lasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vorab.clock import DAY, HOUR, SECOND, Micros
from vorab.records import Channel

CHANNELS: Final[tuple[str, ...]] = tuple(channel.value for channel in Channel)
HOURS: Final = 24
Floats = NDArray[np.float64]
PATIENCE: Final[Micros] = 2 * DAY
"""An answer may still come; before that, silence says nothing."""
BY_MACHINE: Final[Micros] = 60 * SECOND
"""Nobody opens a message that soon; filters and proxies do."""
SPAN: Final = 12
"""Hours after which an answer says nothing about the hour at which they look."""


@dataclass(frozen=True, slots=True)
class Learner:
    """How it learns; the defaults are those of the product, the rest is there to show what each part is worth."""

    patterns: int = 10
    rounds: int = 12
    half_life_days: float = 120.0
    sinks: float = 0.65
    """How much of a message is still in sight an hour later."""
    pull: float = 3.0
    """Hours of waiting the population's rate counts for in a pattern's."""
    own: float = 3.0
    """And a pattern's in a person's."""
    wide: float = 0.6
    """Hours over which what is known of one hour says something about the next ones."""
    weekend: float = 0.3
    """How much a workday says about a weekend, and the other way round."""
    draws: int = 30
    """Patterns drawn for a person; the more, the less is tried out."""
    delays: bool = True
    facts: bool = True
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A message and what came of it; moments in µs."""

    channel: str
    hour: int
    """Of sending, in the person's own time."""
    weekend: bool
    at: Micros
    read_at: Micros | None = None
    answered_at: Micros | None = None
    """When they answered, or followed a link."""
    left: bool = False
    """Whether they unsubscribed by it."""

    @property
    def worth(self) -> float:
        """What it was worth: that somebody read it and did nothing is no success, it only says when they looked."""
        return float(self.answered_at is not None and not self.left)

    @property
    def by_machine(self) -> bool:
        """Whether it was opened sooner than anybody could."""
        return self.read_at is not None and self.read_at - self.at < BY_MACHINE

    @property
    def sign(self) -> bool:
        """Whether a person is known to have seen it."""
        return self.answered_at is not None or self.left or (self.read_at is not None and self.read_at - self.at >= BY_MACHINE)


@dataclass(frozen=True, slots=True)
class Rows:
    """Outcomes of many people in columns; `who` is a place in `people`. A place is a kind of day, channel and hour in one number."""

    people: tuple[str, ...]
    who: NDArray[np.int64]
    weight: NDArray[np.float64]
    """How much it counts: what is long past fades."""
    worth: NDArray[np.float64]
    places: NDArray[np.int64]
    """The hours after it was sent, one column each."""
    waited: NDArray[np.float64]
    """How much of each of these hours it was waiting, and in sight."""
    seen: NDArray[np.float64]
    """In which of them it was answered; spread where that is not known. Sums up to `worth`."""


def place_of(weekend: bool, channel: str, hour: int) -> int:  # noqa: FBT001 - a place has three parts
    """A kind of day, a channel and an hour as one number."""
    return (int(weekend) * len(CHANNELS) + CHANNELS.index(channel)) * HOURS + hour


def rows_of(found: Mapping[str, Sequence[Outcome]], now: Micros, how: Learner) -> Rows:
    """What is known by now. Where a person's mail is opened by a machine, none of its opens counts."""
    who, first, worth, lag, weight = [], [], [], [], []
    for number, outcomes in enumerate(found.values()):
        machines = {each.channel for each in outcomes if each.by_machine}
        for each in outcomes:
            if how.delays and each.answered_at is None and not each.left and now - each.at < PATIENCE:
                continue
            believed = how.delays and each.channel not in machines
            who.append(number)
            first.append(place_of(each.weekend, each.channel, each.hour))
            worth.append(each.worth)
            lag.append(_seen_after(each, believed=believed))
            weight.append(0.5 ** ((now - each.at) / (how.half_life_days * DAY)) if how.half_life_days else 1.0)
    return _columns(tuple(found), np.array(who, int), np.array(first, int), np.array(worth, float), np.array(lag, int),
                    np.array(weight, float), how)  # fmt: skip


def _seen_after(of: Outcome, *, believed: bool) -> int:
    """How many hours after it was sent it was looked at; -1: not known."""
    seen = of.read_at if believed and of.read_at is not None else of.answered_at
    return int((seen - of.at) // HOUR) if seen is not None and 0 <= seen - of.at < SPAN * HOUR else -1


def _columns(
    people: tuple[str, ...], who: NDArray[np.int64], first: NDArray[np.int64], worth: Floats, lag: NDArray[np.int64], weight: Floats,
    how: Learner,
) -> Rows:  # fmt: skip
    """The hours after each message. One that was looked at and not answered waits no more: it is mostly forgotten."""
    lags = np.arange(SPAN)
    hour = first % HOURS
    places = (first - hour)[:, None] + (hour[:, None] + lags) % HOURS
    sight = how.sinks**lags
    known, there, answered = (lag >= 0)[:, None], lags == lag[:, None], (worth >= 1)[:, None]
    seen = np.where(known, there, sight / sight.sum()) * worth[:, None]
    waited = sight * (~known | (lags < lag[:, None])) + known * there * np.where(answered, 0.5 * sight, 1.0)
    waited[(~known & answered)[:, 0]] *= 0.4  # answered at an hour nobody knows
    return Rows(people, who, weight, worth, places, waited, seen)
