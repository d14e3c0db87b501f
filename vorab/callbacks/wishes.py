"""Whether a slot suits a customer: within what they wish, and while they are awake."""

from __future__ import annotations

import functools
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from vorab.callbacks.hours import Span, instant
from vorab.clock import Micros, to_datetime
from vorab.records import Customer, Wishes

UTC = "UTC"


def wishes_of(customer: Customer | None, first: Micros | None = None, until: Micros | None = None) -> Wishes:
    """What is known of a customer, and what they wish this time."""
    if customer is None:
        return Wishes(first=first, until=until)
    return Wishes(
        first=first, until=until, zone=customer.time_zone, quiet_from=customer.quiet_from, quiet_until=customer.quiet_until
    )  # fmt: skip


def whenever(wishes: Wishes) -> Wishes:
    """The same customer, at any time."""
    return wishes.model_copy(update={"first": None, "until": None})


def suits(slot: Span, wishes: Wishes) -> bool:
    """Whether a slot lies within the wishes, and in no quiet hour."""
    if (wishes.first is not None and slot.start < wishes.first) or (wishes.until is not None and slot.end > wishes.until):
        return False
    zone = zone_of(wishes.zone)
    day = to_datetime(slot.start).astimezone(zone).date()
    nights = (_quiet(day + timedelta(days=n), wishes.quiet_from, wishes.quiet_until, zone) for n in (-1, 0, 1))
    return not any(first < slot.end and slot.start < until for first, until in nights)


@functools.lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The zone of this name; UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(UTC)


@functools.lru_cache(maxsize=4096)
def _quiet(day: date, first: str, until: str, zone: ZoneInfo) -> tuple[Micros, Micros]:
    """The quiet hours that begin on a day; none where they begin when they end, or nobody can read them."""
    begin, end = _minute(first), _minute(until)
    if begin is None or end is None or begin == end:
        return 0, 0
    return instant(day, begin, zone), instant(day if end > begin else day + timedelta(days=1), end, zone, fold=1)


def _minute(text: str) -> int | None:
    hour, _, minute = text.partition(":")
    if not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        return None
    return int(hour) * 60 + int(minute)
