"""Quiet hours: when a customer sleeps, exact through time zones and the two odd nights of the year.

A night is the span between two moments, not a comparison of clock faces. Where a face is shown twice (clocks go back) the night
starts at the first and ends at the second; where it is never shown (clocks go forward) it counts as the moment of the jump.
So nobody is woken by arithmetic.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from vorab.clock import Micros, to_datetime, to_micros

DEFAULT_ZONE: Final = "Europe/Berlin"
DEFAULT_FROM: Final = time(22)
DEFAULT_UNTIL: Final = time(7)

LONGEST_REST: Final = 60
"""Nights and days looked ahead; no table of holidays has as many in a row."""


@functools.cache
def zone_of(name: str) -> ZoneInfo:
    """The zone of a name; one that does not exist counts as the default, because a message in the night is worse than one an hour late."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(DEFAULT_ZONE)


def quiet_until(now: Micros, zone: tzinfo, start: str, end: str) -> Micros | None:
    """When the quiet hours end that `now` lies in, µs; None when it lies in none.

    `start` and `end` are local `HH:MM`; equal means there are no quiet hours, unreadable ones count as 22:00 and 07:00.
    """
    first, last = _time(start, DEFAULT_FROM), _time(end, DEFAULT_UNTIL)
    if first == last:
        return None
    today = to_datetime(now).astimezone(zone).date()
    overnight = timedelta(days=int(first > last))
    for back in (2, 1, 0, -1):
        # Two days back and one ahead: a few zones have skipped or repeated a whole day.
        day = today - timedelta(days=back)
        begins = _moment(day, first, zone, late=False)
        ends = _moment(day + overnight, last, zone, late=True)
        if begins <= now < ends:
            return ends
    return None


def rest_until(now: Micros, zone: tzinfo, start: str, end: str, why: Callable[[date], str]) -> tuple[Micros, str] | None:
    """When a person may be spoken to again, µs, and the first quiet day that keeps it; None when that is now.

    `why` names a day that is quiet as a whole. Nights and quiet days that touch are one rest: after a holiday people sleep in.
    """
    at, kept = now, ""
    for _ in range(LONGEST_REST):
        ends = quiet_until(at, zone, start, end)
        if ends is None:
            day = to_datetime(at).astimezone(zone).date()
            name = why(day)
            if not name:
                break
            kept = kept or name
            ends = _moment(day + timedelta(days=1), time(0), zone, late=False)
        at = ends
    return (at, kept) if at > now else None


@functools.cache
def _time(text: str, default: time) -> time:
    try:
        found = time.fromisoformat(text)
    except ValueError:
        return default
    return default if found.tzinfo else found


@functools.lru_cache(maxsize=20_000)  # people of one zone share their nights
def _moment(day: date, face: time, zone: tzinfo, *, late: bool) -> Micros:
    """The moment a clock shows this face on this day: of two the earlier or the later, of none the moment of the jump."""
    local = datetime.combine(day, face)
    early = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    other = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if early <= other:
        return to_micros(other if late else early)
    return _jump(other, early, zone)


def _jump(low: datetime, high: datetime, zone: tzinfo) -> Micros:
    """The moment (to the second) between two moments at which the offset of a zone changes."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return to_micros(high)
