"""A phone line for days: who has to call, who waits, who gives up; the same customers without and with the offer of a call.

The customers are the same in both: when their machine fails, how long they try to live with it, how long they wait in the line, whether
they read a message, whether they take a slot, how long they hold out for it, and whether they are there when they are called. With offers,
who has booked calls only where the slot is too far or nobody reached them. Who makes the booked calls is not on the line, all day long, so
that nothing is won by people who are not there. How people are is assumed, and said in `docs/callbacks.md`; the diary is the real one.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from vorab import ids
from vorab.clock import DAY, HOUR, MINUTE, SECOND, Micros, parse_iso, to_datetime
from vorab.records import Booking, BookingKind, BookingStatus, Slot, SlotKind, Wishes
from vorab.settings import Callbacks as Options

START: Final = parse_iso("2026-11-23T00:00:00+01:00")
DAYS: Final = 5
CUSTOMERS: Final = 400
"""Customers whose machine fails in these days, by day and by night."""
TEAM: Final = 6
CALLING: Final = 2
"""So many of the team make calls that were booked, whether any was booked or not: they are never on the line."""
NEVER: Final[Micros] = 0
BAR: Final = 0.6
ANSWER_BAR_MS: Final = 200.0

READS: Final = 0.85
"""Share of customers who read the message before they call."""
TAKES: Final = 0.85
"""Share of those who take a slot that is offered."""
HOLDS: Final = (12 * HOUR, 72 * HOUR)
"""Between these."""
THERE: Final = 0.8
"""Chance of being there when the phone rings."""


@dataclass(frozen=True, slots=True)
class Person:
    """A customer, as chance made them."""

    name: str
    fails: Micros
    tries: Micros
    """So long they try by themselves; then they would call."""
    patience: Micros
    """So long they wait in the line."""
    reads: Micros
    """So long after the fault they look at their messages."""
    willing: bool
    holds: Micros
    """So long they hold out for a call that is booked; then they call all the same."""
    there: tuple[bool, ...]


@dataclass
class Line:
    """The phone line, call by call."""

    options: Options
    team: int
    called: set[str] = field(default_factory=set)
    calls: int = 0
    given_up: int = 0
    waited: list[Micros] = field(default_factory=list)

    def play(self, people: list[Person], booked: dict[str, Micros]) -> None:
        """Everybody calls who has not booked before they would, and again an hour after giving up; a team works them off.

        `booked` says of those who have when they call all the same: NEVER, or when they were disappointed.
        """
        free = [START] * self.team
        # Who has booked calls only when they are disappointed.
        begins = ((booked.get(each.name, each.fails + each.tries), each) for each in people)
        attempts = [(self._open(at), each.name, 0, each) for at, each in begins if at != NEVER]
        heapq.heapify(attempts)
        while attempts:
            at, name, tries, person = heapq.heappop(attempts)
            self.called.add(name)
            self.calls += 1
            heapq.heapify(free)
            turn = self._open(max(at, free[0]))
            if turn - at > person.patience:
                self.given_up += 1
                if tries < 3:
                    heapq.heappush(attempts, (self._open(at + person.patience + HOUR), name, tries + 1, person))
                continue
            self.waited.append(turn - at)
            heapq.heapreplace(free, turn + self.options.slot_min * MINUTE)

    @staticmethod
    def _open(at: Micros) -> Micros:
        """The first moment from then on at which somebody answers: eight to six on working days (Berlin, winter)."""
        while True:
            local = to_datetime(at + HOUR)
            day = at - (local.hour * 60 + local.minute) * MINUTE - local.second * SECOND - local.microsecond
            if local.weekday() < 5 and 8 <= local.hour < 18:
                return at
            at = day + 8 * HOUR if local.weekday() < 5 and local.hour < 8 else day + DAY + 8 * HOUR


def crowd(seed: int, customers: int) -> list[Person]:
    """Customers with faults at any hour."""
    chance = np.random.default_rng(seed)
    return [
        Person(
            name=f"c-{n}",
            fails=START + int(chance.uniform(0, DAYS * DAY)),
            tries=int(chance.gamma(2, 60 * MINUTE)),
            patience=int(chance.exponential(6 * MINUTE)) + MINUTE,
            reads=int(chance.exponential(20 * MINUTE)) if chance.random() < READS else DAYS * DAY,
            willing=bool(chance.random() < TAKES),
            holds=int(chance.uniform(*HOLDS)),
            there=tuple(bool(x) for x in chance.random(8) < THERE),
        )
        for n in range(customers)
    ]


def offers(people: list[Person], options: Options) -> tuple[dict[str, Micros], list[Booking]]:
    """Who books before they would call, and when they call all the same, through the real processor; agents call, and try again."""
    from streams.callbacks import Callbacks  # noqa: PLC0415 - a benchmark of a stage loads it when it runs

    diary, asked = Callbacks(options), 0
    facts: list[Booking] = []
    booked: dict[str, Micros] = {}
    # What happens: somebody reads and books, or an agent calls at the time of a booking.
    events = [(each.fails + each.reads, each.name, -1, each) for each in people if each.willing and each.reads < each.tries]
    heapq.heapify(events)
    while events:
        at, name, sequence, person = heapq.heappop(events)
        last = next((fact for fact in reversed(facts) if fact.customer == name and fact.kind is not BookingKind.REFUSED), None)
        if sequence < 0:
            kind = SlotKind.BOOK
        elif last is None or last.sequence != sequence:
            continue
        else:
            kind = SlotKind.REACHED if person.there[last.attempts] else SlotKind.NOT_REACHED
        asked += 1
        booking = ids.booking_id(f"main/{name}", name, "bench")
        wish = Slot(
            id=ids.slot_id(booking, kind, str(asked)), kind=kind, booking=booking, customer=name, case=name, device=name, at=at,
            wishes=Wishes(zone="Europe/Berlin", quiet_from="22:00", quiet_until="07:00"),
        )  # fmt: skip
        for out in diary.step("", asked, wish, at):
            if not isinstance(out.record, Booking):
                continue
            facts.append(out.record)
            if out.record.kind is BookingKind.BOOKED:
                late = (out.record.start or 0) - at > person.holds
                booked[name] = at + person.holds if late else NEVER
            if out.record.kind is BookingKind.CLOSED:
                booked[name] = booked[name] or at
            if out.record.status is BookingStatus.OPEN and out.record.start is not None:
                heapq.heappush(events, (max(at + 1, out.record.start), name, out.record.sequence, person))
    return booked, facts


def doubles(facts: list[Booking], team: int) -> int:
    """Slots in more calendars than there are people, read off the facts alone."""
    held: dict[str, tuple[Micros, Micros]] = {}
    wrong = 0
    for fact in facts:
        if fact.kind is BookingKind.REFUSED:
            continue
        held.pop(fact.booking, None)
        if fact.status is BookingStatus.OPEN and fact.start is not None and fact.end is not None:
            wrong += sum(first < fact.end and fact.start < end for first, end in held.values()) >= team
            held[fact.booking] = fact.start, fact.end
    return wrong


def run(seed: int = 1, customers: int = CUSTOMERS) -> dict[str, Any]:
    """Both weeks, and what the desk takes to answer while somebody is on the line."""
    options = Options(team=CALLING, slot_min=15, ahead_days=7)
    people = crowd(seed, customers)
    before = Line(options, TEAM)
    before.play(people, {})
    booked, facts = offers(people, options)
    after = Line(options, TEAM - CALLING)
    after.play(people, booked)
    fell = 1 - len(after.called) / max(1, len(before.called))
    kinds = {kind: sum(fact.kind is kind for fact in facts) for kind in (BookingKind.REACHED, BookingKind.NOT_REACHED, BookingKind.CLOSED)}
    twice, answer_ms = doubles(facts, CALLING), answer()
    return {
        "bench": "callbacks", "seed": seed, "customers": customers,
        "had_to_call": {"without": len(before.called), "with": len(after.called)},
        "calls": {"without": before.calls, "with": after.calls},
        "given_up": {"without": before.given_up, "with": after.given_up},
        "wait_p90_min": {"without": _minutes(before.waited), "with": _minutes(after.waited)},
        "booked": len(booked), "called_all_the_same": sum(at != NEVER for at in booked.values()),
        **{kind.value: number for kind, number in kinds.items()}, "double_booked": twice,
        "fell": round(fell, 3), "bar": BAR, "answer_cpu_ms": round(answer_ms, 1), "answer_bar_ms": ANSWER_BAR_MS,
        "ok": fell >= BAR and twice == 0 and answer_ms <= ANSWER_BAR_MS,
    }  # fmt: skip


def answer(times: int = 9) -> float:
    """CPU (ms) of `POST /api/contacts` with `waiting`, the median, with a thousand bookings in the diary."""
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        from vorab.bench.callbacks_desk import furnished  # noqa: PLC0415

        with furnished(Path(folder)) as ask:
            ask(0)  # the first one loads
            spent = []
            for n in range(1, times + 1):
                begun = time.process_time()
                ask(n)
                spent.append(time.process_time() - begun)
    return float(np.median(spent)) * 1000


def _minutes(waited: list[Micros]) -> float:
    return round(float(np.quantile(waited, 0.9)) / MINUTE, 1) if waited else 0.0
