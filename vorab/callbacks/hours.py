"""Slots: the hours a team works, on the clocks of the business, cut into pieces. Exact where clocks are changed.

An hour that is skipped in spring has no slots; one that is doubled in autumn has them twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from vorab.clock import MINUTE, Micros, to_datetime, to_micros
from vorab.records import Meeting
from vorab.settings import WEEKDAYS, Callbacks, span_of

MOST_DAYS: Final = 500
"""Days whose slots are remembered."""


class Span(NamedTuple):
    """A slot, and how many people have it."""

    start: Micros
    end: Micros
    capacity: int


def instant(day: date, minute: int, zone: ZoneInfo, fold: int = 0) -> Micros:
    """When the clocks of a zone show a minute of a day; `fold=1`: the second time, where they show it twice."""
    return to_micros((datetime.combine(day, time()) + timedelta(minutes=minute)).replace(tzinfo=zone, fold=fold))


def _hour_and_size(text: str) -> tuple[int, int]:
    hour, _, size = text.partition("=")
    return int(hour), int(size)


class Hours:
    """The slots for one kind of meeting."""

    def __init__(self, options: Callbacks, how: Meeting) -> None:
        visit = how is Meeting.VISIT
        self.zone = ZoneInfo(options.zone)
        self.team = options.visit_team if visit else options.team
        self.length: Micros = (options.visit_min if visit else options.slot_min) * MINUTE
        self._by_hour = {} if visit else dict(_hour_and_size(text) for text in options.team_at)
        self._days = {WEEKDAYS.index(day) for day in options.days}
        self._spans = [span_of(text) for text in options.hours]
        self._closed = set(options.closed)
        self._known: dict[date, tuple[Span, ...]] = {}

    def slots(self, first: Micros, until: Micros) -> Iterator[Span]:
        """Those that begin at `first` or later and end by `until`, in order."""
        day = self._date(first)
        last = self._date(until)
        while day <= last:
            yield from (slot for slot in self._on(day) if slot.start >= first and slot.end <= until)
            day += timedelta(days=1)

    def at(self, start: Micros) -> Span | None:
        """The slot that begins at a moment."""
        return next((slot for slot in self._on(self._date(start)) if slot.start == start), None)

    def _date(self, at: Micros) -> date:
        return to_datetime(at).astimezone(self.zone).date()

    def _on(self, day: date) -> tuple[Span, ...]:
        found = self._known.get(day)
        if found is None:
            if len(self._known) > MOST_DAYS:
                self._known.clear()
            works = self.team and day.weekday() in self._days and day not in self._closed
            found = self._known[day] = tuple(sorted(slot for span in self._spans for slot in self._cut(day, *span))) if works else ()
        return found

    def _cut(self, day: date, opens: int, closes: int) -> Iterator[Span]:
        # In a gap the second reading is the earlier instant, and clocks shown twice end with the second: so nothing is left out,
        # and what the clocks show decides.
        start = min(instant(day, opens, self.zone, fold) for fold in (0, 1))
        end = max(instant(day, closes, self.zone, fold) for fold in (0, 1))
        while start + self.length <= end:
            inside = all(self._shows(day, at, opens, closes) for at in (start, start + self.length - MINUTE))
            if inside:
                hour = to_datetime(start).astimezone(self.zone).hour
                capacity = self._by_hour.get(hour, self.team)
                if capacity:
                    yield Span(start, start + self.length, capacity)
            # Where the clocks leap over the opening or back over the closing, the next slot begins when they show an hour of work.
            start += self.length if inside else MINUTE

    def _shows(self, day: date, at: Micros, opens: int, closes: int) -> bool:
        local = to_datetime(at).astimezone(self.zone)
        return local.date() == day and opens <= local.hour * 60 + local.minute < closes
