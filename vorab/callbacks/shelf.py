"""The bookings of one tenant as they stand, and what is still free. Whoever follows the log can have one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from vorab.callbacks.hours import Hours, Span
from vorab.callbacks.wishes import suits
from vorab.clock import DAY, HOUR, MINUTE, Micros
from vorab.records import Meeting, Wishes
from vorab.settings import Callbacks


class Held(msgspec.Struct):
    """A slot that is held for a booking."""

    booking: str
    how: str
    start: Micros
    end: Micros


class Shelf:
    """What is held, found by the hour."""

    def __init__(self, options: Callbacks, held: Iterable[Held] = ()) -> None:
        self.options = options
        self._hours = {how: Hours(options, how) for how in Meeting}
        self._by_hour: dict[tuple[str, int], dict[str, Held]] = defaultdict(dict)
        for each in held:
            self.hold(each)

    def hold(self, held: Held) -> None:
        """A slot is held from now on."""
        for place in _places(held.how, held.start, held.end):
            self._by_hour[place][held.booking] = held

    def release(self, held: Held) -> None:
        """It is free again."""
        for place in _places(held.how, held.start, held.end):
            self._by_hour[place].pop(held.booking, None)
            if not self._by_hour[place]:
                del self._by_hour[place]

    def slot(self, how: Meeting, start: Micros) -> Span | None:
        """The slot that begins at a moment."""
        return self._hours[how].at(start)

    def room(self, how: Meeting, slot: Span, without: str = "") -> bool:
        """Whether somebody is free in a slot, one booking left aside."""
        # Also those that were booked under other hours: whoever is with one customer cannot be with another.
        there = {
            booking
            for place in _places(how, slot.start, slot.end)
            for booking, held in self._by_hour.get(place, {}).items()
            if held.start < slot.end and slot.start < held.end
        }
        return len(there - {without}) < slot.capacity

    def reach(self, now: Micros) -> tuple[Micros, Micros]:
        """The earliest beginning of a slot that can be booked, and the latest end."""
        return now + self.options.notice_min * MINUTE, now + self.options.ahead_days * DAY

    def all_free(self, how: Meeting, now: Micros, wishes: Wishes, without: str = "") -> Iterator[Span]:
        """Free slots that suit a customer, the soonest first."""
        first, until = self.reach(now)
        first = max(first, wishes.first or first)
        until = min(until, wishes.until or until)
        for slot in self._hours[how].slots(first, until) if first < until else ():
            if suits(slot, wishes) and self.room(how, slot, without):
                yield slot

    def free(self, how: Meeting, now: Micros, wishes: Wishes, most: int = 0) -> list[Span]:
        """So many of them; as many as are offered, unless another number is said."""
        return list(islice(self.all_free(how, now, wishes), most or self.options.offers))


def _places(how: str, start: Micros, end: Micros) -> Iterator[tuple[str, int]]:
    return ((str(how), hour) for hour in range(start // HOUR, (end - 1) // HOUR + 1))
