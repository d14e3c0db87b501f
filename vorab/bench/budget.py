"""A million reasons to write to a few thousand people, through months: nobody is told more often than agreed, and no reason is lost.

Store and decisions are the real ones, on a database in memory; channels answer as channels do (taken, refused, away, no answer, hours
late), and the notifier is killed now and then. What people got is written down by the channel and counted here anew, by a plain look at
every span.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from notifier.buttons import Buttons
from notifier.channels import Message, Result
from notifier.database import Database, deliveries
from notifier.deciding import Decider
from notifier.pipeline import STAGES as PIPELINE
from notifier.pipeline import Step
from notifier.preferences import from_settings
from notifier.render import Rendered
from notifier.sending import Job
from notifier.store import Store
from notifier.store_intake import Batch
from vorab.clock import DAY, HOUR, SECOND, Micros, parse_iso
from vorab.people import Person
from vorab.records import (
    CaseEvent,
    CaseKind,
    Channel,
    Customer,
    Delivery,
    DeliveryReason,
    DeliveryState,
    Limit,
    Notification,
    Purpose,
    Severity,
    Stage,
    Status,
    Urgency,
)
from vorab.settings import Notifier

START: Final = parse_iso("2026-01-05T08:00:00Z")
SPAN: Final[Mapping[Limit, Micros]] = {
    Limit.A_DAY: DAY,
    Limit.A_WEEK: 7 * DAY,
    Limit.A_MONTH: 30 * DAY,
    Limit.ADVERTISING_A_MONTH: 30 * DAY,
}
USUAL: Final = {limit: int(getattr(Notifier().budget, limit.value)) for limit in Limit}
OWN: Final[tuple[dict[Limit, int], ...]] = ({}, {}, {Limit.A_DAY: 2}, {Limit.A_WEEK: 1}, {Limit.A_DAY: 0, Limit.A_MONTH: 4})
"""What people wish, one after the other."""
ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Singapore", "Pacific/Auckland")
STAGES: Final = (Stage.PERSON_NEEDED, Stage.CONSENT, Stage.RESOLVED, Stage.HEALED, Stage.INCIDENT)
FREE: Final = 64
"""Messages that can be on their way at once."""
KEPT: Final = 4 * DAY
"""What ended before is forgotten, as after 400 days otherwise: a month of it would not fit into memory."""


class Got(NamedTuple):
    """A message that was put into somebody's hands, or may have been."""

    at: Micros
    passed: bool
    """Whether it may be said whatever the budget."""
    advertising: bool


class Everybody:
    """A channel that reaches everybody; what it answers is decided by the town."""

    channel = Channel.MAIL
    idempotent = False

    def reaches(self, person: Person | None) -> bool:  # noqa: ARG002 - the port
        """Always."""
        return True

    def send(self, message: Message) -> Result:
        """Nobody calls it."""
        raise NotImplementedError

    def forget(self, notification: str) -> None:
        """Nothing is kept."""


class Nameless:
    """No names, no addresses."""

    def get(self, customer: str) -> Person:
        """Somebody."""
        return Person(customer)


class Wordless:
    """Renders nothing: words are not what is counted here."""

    def render(self, *_: object, **__: object) -> Any:
        """An empty message."""
        return Rendered("en", "", "", "", (), "", "")


@dataclass
class Town:
    """People, their notifier, and what they got. `store` and `stages` are there for known-bad variants."""

    humans: int
    seed: int = 1
    varied: bool = True
    """Whether people live in several zones and have wishes of their own."""
    store: type[Store] = Store
    stages: tuple[Step, ...] = PIPELINE
    got: dict[str, list[Got]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    triggered: int = 0
    broken_sums: int = 0
    decided: int = 0
    interrupted: int = 0

    def __post_init__(self) -> None:
        """Open an empty notifier and tell it who there is."""
        self.chance = random.Random(self.seed)
        self.rows = self.store(Database("sqlite:///:memory:"))
        people: Any = Nameless()
        words: Any = Wordless()
        channels = {Channel.MAIL: Everybody()}
        buttons, layers = Buttons("a secret of a benchmark"), from_settings(Notifier())
        self.decider = Decider(self.rows, people, channels, words, buttons, layers=layers, stages=self.stages)
        self.out: dict[str, tuple[Job, Micros, str, Micros]] = {}
        """On the way: the job, when it was called, what will come of it, and when."""
        self._closing: dict[Micros, list[CaseEvent]] = {}
        self.own = OWN if self.varied else OWN[:1]
        self.wishes = {f"main/c-{n}": {**USUAL, **self.own[n % len(self.own)]} for n in range(self.humans)}
        self.rows.take(Batch(customers=[(f"main/c-{n}", self._customer(n)) for n in range(self.humans)]))

    def _customer(self, n: int) -> Customer:
        both = {Purpose.SERVICE: True, Purpose.ADVERTISING: True}
        return Customer(
            id=f"main/c-{n}", customer=f"c-{n}", time_zone=ZONES[n % len(ZONES) if self.varied else 0],
            purposes=both if n % 3 else {Purpose.SERVICE: True}, tell_healed=n % 2 == 0, budget=self.own[n % len(self.own)],
        )  # fmt: skip

    def trigger(self, now: Micros, count: int, *, ordinary: bool = False) -> None:
        """So many reasons to write to somebody; `ordinary` ones are faults, one each to all in turn."""
        chance, notes, events = self.chance, [], self._closing.pop(now // HOUR, [])
        for _ in range(count):
            n = self.triggered
            self.triggered += 1
            who = n % self.humans if ordinary else int(self.humans * chance.random() ** 2)  # some have many devices
            advert = not ordinary and chance.random() < 0.1
            stage = Stage.PERSON_NEEDED if ordinary or advert else chance.choices(STAGES, (60, 10, 15, 10, 5))[0]
            note = Notification(
                id=f"n-{n}", customer=f"c-{who}", case=f"case-{n}", device=f"d-{n % 7}", stage=stage, at=now, because="e",
                purpose=Purpose.ADVERTISING if advert else Purpose.SERVICE,
                urgency=Urgency.SAFETY if not ordinary and chance.random() < 0.01 else Urgency.NORMAL,
                expires_at=now + chance.choice((12, 24, 48, 72)) * HOUR,
            )  # fmt: skip
            notes.append((0, n, note))
            if chance.random() < 0.2:
                closed = CaseEvent(
                    id=f"e-{n}", device=note.device, case=note.case, kind=CaseKind.CLOSED, status=Status.CLOSED, seq=1, cause="c",
                    severity=Severity.MINOR, opened_at=now, onset=now, customer=note.customer, at=now, because="s",
                )  # fmt: skip
                self._closing.setdefault(now // HOUR + chance.randint(1, 20), []).append(closed)
        self.rows.take(Batch(notes=notes, events=[(f"main/{event.customer}", event) for event in events]))

    def work(self, now: Micros, late: Micros = 3 * HOUR) -> None:
        """Record what has come of calls, then decide until nothing is due; calls take up to `late`, one in three at once."""
        for job, called, outcome, until in list(self.out.values()):
            if until <= now:
                self._record(job, called, outcome, now)
        while True:
            jobs, put_down = self.decider.decide(now, FREE - len(self.out), self.out)
            self._count(put_down)
            for job in jobs:
                outcome = self.chance.choices(("sent", "failed", "later", "unknown"), (80, 5, 5, 10))[0]
                wait = self.chance.choice((0, 0, 0, self.chance.randint(0, late)))
                self.out[job.notice.note.id] = (job, now, outcome, now + wait)
                if not wait:
                    self._record(job, now, outcome, now)
            if not jobs and not put_down:
                return

    def kill(self, now: Micros) -> None:
        """The notifier dies: what was on its way may have arrived."""
        for job, called, _, _ in self.out.values():
            self._note(job, called)
        self.interrupted += len(self.out)
        self.out.clear()
        self._count(self.rows.interrupted((), now))

    def check(self) -> None:
        """Whether every reason has ended, waits, or is on its way."""
        counts = self.rows.counts()
        held = sum(counts.get(state, 0) for state in ("queued", "deferred", "sending"))
        self.broken_sums += sum(self.ended.values()) + held != self.triggered

    def forget(self, now: Micros) -> None:
        """Let go of what ended long ago."""
        with self.rows.database.begin() as connection:
            connection.execute(deliveries.update().values(published=True))
            self.rows.prune(now - KEPT)

    def _record(self, job: Job, called: Micros, outcome: str, now: Micros) -> None:
        self.out.pop(job.notice.note.id)
        note, channel = job.notice.note, job.channel
        if outcome in {"sent", "unknown"}:
            self._note(job, called)
        if outcome == "sent":
            found = self.rows.sent(note, channel, now)
        elif outcome == "unknown":
            found = self.rows.unknown(note, channel, DeliveryReason.UNREACHABLE, "", now)
        elif outcome == "later" and now + HOUR < note.expires_at:
            found = self.rows.later(job.notice, channel, now + HOUR, "", now)
        else:
            found = self.rows.failed(note, channel, DeliveryReason.REFUSED, "", now)
        self._count(found)

    def _note(self, job: Job, called: Micros) -> None:
        note = job.notice.note
        got = Got(called, note.urgency is Urgency.SAFETY, note.purpose is Purpose.ADVERTISING)
        self.got.setdefault(note.key, []).append(got)

    def _count(self, found: Iterable[Delivery]) -> None:
        for delivery in found:
            self.decided += delivery.decided_by != ""
            if delivery.state.final:
                grouped = delivery.state is DeliveryState.SUPPRESSED and delivery.reason is DeliveryReason.GROUPED
                self.ended["grouped" if grouped else delivery.state.value] += 1


def over_budget(town: Town) -> list[str]:
    """People who were told more often than agreed: a look back from each message that the budget could have kept, at every limit."""
    found = []
    for human, all_of_it in town.got.items():
        said = sorted(all_of_it)
        for limit, most in town.wishes[human].items():
            ours = [each for each in said if each.advertising or limit is not Limit.ADVERTISING_A_MONTH] if most else []
            begins = 0
            for last, each in enumerate(ours):
                while ours[begins].at <= each.at - SPAN[limit]:
                    begins += 1
                if last - begins + 1 > most and not each.passed:
                    found.append(f"{human}: {last - begins + 1} of {limit.value} {most}")
    return found


def months(town: Town, triggers: int, days: int, step_h: int = 1) -> Town:
    """Months of it, hour by hour or so; the notifier is killed about every other week."""
    steps = days * 24 // step_h
    for step in range(steps + 80 // step_h):  # after the last trigger until nothing waits
        now = START + step * step_h * HOUR
        if step < steps:
            town.trigger(now, triggers * (step + 1) // steps - triggers * step // steps)
        town.work(now)
        if town.chance.random() < step_h / (14 * 24):
            town.kill(now)
        if step * step_h % 24 == 0:
            town.check()
            town.forget(now)
    town.check()
    return town


def storm(devices: int = 5_000, customers: int = 1_000) -> dict[str, Any]:
    """So many devices fail within ten seconds; what the customers have got an hour later."""
    town = Town(customers, varied=False)
    for tenth in range(100):
        now = START + 4 * HOUR + tenth * SECOND // 10
        town.trigger(now, devices // 100, ordinary=True)
        town.work(now, late=SECOND)
    for minute in range(60):
        town.work(START + 4 * HOUR + (minute + 1) * 60 * SECOND, late=SECOND)
    town.check()
    most = max(Counter({human: len(said) for human, said in town.got.items()}).values(), default=0)
    return {"faults": town.triggered, "customers": customers, "told": len(town.got), "most_messages": most, "broken_sums": town.broken_sums}


def run(triggers: int = 1_000_000, humans: int = 5_000, days: int = 120, seed: int = 1) -> dict[str, Any]:
    """Months, and a storm."""
    began = time.process_time()
    town = months(Town(humans, seed), triggers, days)
    over = over_budget(town)
    cpu_s = time.process_time() - began
    rush = storm()
    counts = town.rows.counts()
    waiting = counts.get("queued", 0) + counts.get("deferred", 0)
    return {
        "bench": "budget",
        "triggered": town.triggered,
        "humans": humans,
        "days": days,
        **{name: town.ended[name] for name in ("sent", "unknown", "failed", "suppressed", "grouped")},
        "waiting": waiting,
        "interrupted": town.interrupted,
        "decisions": town.decided,
        "over_budget": len(over),
        "broken_sums": town.broken_sums,
        "storm": rush,
        "cpu_s": round(cpu_s, 1),
        "ok": not over
        and not town.broken_sums
        and sum(town.ended.values()) + waiting == town.triggered == triggers
        and town.ended["sent"] > 0
        and rush["most_messages"] == 1
        and not rush["broken_sums"],
    }
