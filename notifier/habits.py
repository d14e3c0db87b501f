"""The hour and channel at which somebody answers, the last word of what they prefer: one of those that are allowed. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

from notifier.days import quiet_days
from notifier.preferences import Preferences
from notifier.quiet import rest_until, zone_of
from vorab.clock import HOUR, Micros, to_datetime
from vorab.habits import Learner, Outcome, Patterns, choose, fit, lowered, rows_of, unheard
from vorab.records import Channel, Limit

LAYER: Final = "habits"
WAIT: Final[Micros] = 12 * HOUR
"""The longest that a message waits for a better hour."""


class Moment(NamedTuple):
    """A moment at which a message may be sent, and what a person's clock shows then."""

    at: Micros
    weekend: bool
    hour: int


class Advice(NamedTuple):
    """Where and when, and why."""

    at: Micros
    channel: Channel
    why: str


def moments(now: Micros, until: Micros, of: Preferences) -> list[Moment]:
    """Now, and every full hour before `until`, without those in which the person rests."""
    zone = zone_of(of.time_zone)
    local = to_datetime(now).astimezone(zone)
    begun = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond) // timedelta(microseconds=1)
    found = []
    for at in (now, *range(now - begun + HOUR, until, HOUR)):
        if rest_until(at, zone, of.quiet_from, of.quiet_until, quiet_days(of.quiet_days, of.region)) is None:
            then = to_datetime(at).astimezone(zone)
            found.append(Moment(at, then.weekday() >= 5, then.hour))
    return found


@dataclass(frozen=True, slots=True)
class Habits:
    """What has been learned, as of one moment."""

    patterns: Patterns
    outcomes: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)

    def advise(self, key: str, facts: Sequence[str], note: str, channels: Sequence[Channel], when: Sequence[Moment]) -> Advice:
        """One of these channels at one of these moments; the same for the same message as long as nothing else is known."""
        allowed = [(moment.weekend, channel.value, moment.hour) for moment in when for channel in channels]
        chosen = choose(self.patterns, key, facts, allowed, np.random.default_rng(zlib.crc32(note.encode())))
        moment = next(each for each in when if (each.weekend, each.hour) == (chosen.weekend, chosen.hour))
        mine = self.outcomes.get(key, ())
        answered = sum(each.answered_at is not None for each in mine)
        basis = f"answered {answered} of {len(mine)}" if mine else "nothing known of them yet, people like them answer then"
        return Advice(moment.at, Channel(chosen.channel), f"{chosen.channel} at {chosen.hour} ({basis})")

    def layered(self, key: str, of: Preferences, now: Micros) -> Preferences:
        """Who gives no sign is told half as often in a month; nobody is ever told more often."""
        most = of.budget.get(Limit.A_MONTH, 0)
        mine = self.outcomes.get(key, ())
        if not most or not unheard(mine, now):
            return of
        less = min(most, lowered(most))
        trace = {
            **of.trace,
            Limit.A_MONTH.value: f"{LAYER}: {less} (no sign at the last messages; {of.trace.get(Limit.A_MONTH.value, most)})",
        }
        return replace(of, budget={**of.budget, Limit.A_MONTH: less}, trace=trace)


def learned(
    outcomes: Mapping[str, Sequence[Outcome]], facts: Mapping[str, Sequence[str]], now: Micros, before: Patterns | None = None
) -> Habits:
    """What these outcomes say."""
    how = Learner()
    return Habits(fit(rows_of(outcomes, now, how), facts, how, before), outcomes)
