"""The notifier at work: reads the log, decides what is due, hands it to channels, and tells the log what became of it.

One thread owns the database and the log; a few hands call channels. Before it decides, it reads customers and cases to their end, so that
what it takes for true is all the log knew at that moment.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from notifier import intake
from notifier.buttons import Buttons
from notifier.channels import ChannelPort, Outcome, Result
from notifier.counting import count, count_from_zero
from notifier.deciding import BATCH, Decider
from notifier.inbound.replies import Replies
from notifier.intake import INPUTS, SOURCE
from notifier.preferences import Layer
from notifier.render import Renderer
from notifier.sending import Hands, Job
from notifier.store import Store
from notifier.store_habits import HabitsStore
from notifier.store_intake import Batch
from notifier.store_sweep import EVERY, sweep
from vorab.clock import DAY, SECOND, Clock, Micros
from vorab.errors import ConfigError, Unavailable
from vorab.log import EventLog, Outgoing, Position, append_all
from vorab.metrics import metric
from vorab.people import People, masked
from vorab.records import Channel, Delivery, DeliveryReason, Record, to_wire
from vorab.service import crash, logger
from vorab.testing import crashpoint
from vorab.topics import CASES_BY_CUSTOMER, CONTRACTS, CUSTOMERS, DELIVERIES, DIALOGUE, NOTIFICATIONS, REJECTED, REQUESTS, partition_of

IDLE_S: Final = 0.2
BUSY_S: Final = 0.02
AWAY_S: Final = 1.0
LONGEST_RETRY_S: Final = 900.0
# As long as the log keeps notifications and deliveries.
KEPT: Final = 400 * DAY
# A compacted topic may end in records that are gone: silence, a few times over, is its end.
SILENT_READS: Final = 5


@dataclass(frozen=True, slots=True)
class Options:
    """How a notifier works; durations in s count on the wall."""

    share: tuple[int, int] = (0, 1)
    recorded_partitions: int = 0
    shadow: bool = False
    senders: int = 4
    retry_s: float = 30.0
    """First wait after a channel was away; doubles, up to a quarter of an hour."""
    attempts: int = 8
    """Calls of a channel before a message counts as undeliverable."""
    buttons: Buttons = field(default_factory=Buttons)
    layers: Sequence[Layer] = ()
    """Preferences of vorab and of the operator; without any, no budget is kept."""
    passing: Sequence[str] = ("safety",)
    """What is said whatever the budget."""
    an_hour: int = 0
    """How many messages may begin in an hour before the rest waits for a person; 0: any."""
    habits: bool = False
    """Whether channel and hour are learned from what people answer."""


class Notifier:
    """Says what is due. `base_url` is where customers reach the desk; it may be set once that is known."""

    def __init__(
        self,
        log: EventLog,
        store: Store,
        clock: Clock,
        people: People,
        channels: Sequence[ChannelPort],
        renderer: Renderer,
        options: Options,
        base_url: str = "",
        replies: Replies | None = None,
        habits: HabitsStore | None = None,
    ) -> None:
        self.replies = replies
        self._reading = (*INPUTS, *((DIALOGUE,) if replies is not None else ()), *((REQUESTS,) if options.habits else ()))
        self._log, self.store, self._clock, self.people = log, store, clock, people
        self._channels: Mapping[Channel, ChannelPort] = {port.channel: port for port in channels}
        self._options = options
        self.base_url = base_url
        of = options
        self.habits = habits or HabitsStore(store.database)
        self._decider = Decider(
            store, people, self._channels, renderer, of.buttons, layers=of.layers, passing=of.passing, shadow=of.shadow,
            an_hour=of.an_hour, habits=self.habits if of.habits else None,
        )  # fmt: skip
        self._hands = Hands(self._channels, options.senders)
        self._next: dict[Position, int] = {}
        self._partitions, self._swept_at = 0, 0
        self._logger = logger("notifier")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble: str | None = "starting"
        count_from_zero(self._channels)

    # -------------------------------------------------------------------------------------------- life

    def start(self, on_crash: Callable[[], None] | None = None) -> None:
        """Work in a thread of its own. An unexpected error ends the process (exit 70), unless `on_crash` is given.

        Raises:
            ConfigError: as `find_place`.
        """
        with contextlib.suppress(Unavailable):  # the thread waits for the log
            self.find_place()

        def work() -> None:
            try:
                self.run()
            except Exception:
                if on_crash is None:
                    crash(self._logger, "notifying")
                else:
                    self._logger.exception("crashed")
                    on_crash()

        self._thread = threading.Thread(target=work, name="notifier", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 60.0) -> None:
        """Finish what is being sent, record it, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._hands.close()

    def run(self) -> None:
        """Work in this thread until `stop`."""
        if not self._patiently(self.prepare) or self._stop.is_set():
            return
        self._trouble = None
        while not self._stop.is_set():
            self._patiently(self.step)
        while self._hands.busy:
            self._patiently(lambda: self.settle(IDLE_S))
        self._patiently(self.publish, tries=3)

    @property
    def busy(self) -> bool:
        """Whether a channel is being called."""
        return bool(self._hands.busy)

    def ready(self) -> str | None:
        """None when it works, else what it waits for."""
        return self._trouble

    def _patiently(self, do: Callable[[], object], tries: int = 0) -> bool:
        """Do it, again and again while the log is away; whether it was done."""
        while True:
            try:
                do()
            except Unavailable as error:
                self._trouble = str(error)
                self._logger.warning("waiting", reason=str(error))
                tries -= 1
                if tries == 0 or self._stop.wait(AWAY_S):
                    return False
            else:
                self._trouble = None
                return True

    # -------------------------------------------------------------------------------------------- steps

    def find_place(self) -> None:
        """Find the place in the log.

        Raises:
            ConfigError: the log has no such topics, or is not the one the database belongs to.
            Unavailable: the log is away.
        """
        self._partitions = self._log.partitions(NOTIFICATIONS)
        stored = self.store.positions()
        for topic in (*self._inputs(), DELIVERIES, *([DIALOGUE] if self.replies is not None else [])):
            begins, ends = self._log.begins(topic), self._log.ends(topic)
            for position in intake.positions_of(self._partitions, self._options.share, (topic,)):
                place, end = stored.get(position, 0), ends.get(position[1], 0)
                if place > end:
                    raise ConfigError(
                        f"the notifier has read {topic}/{position[1]} up to {place}, but the log ends at {end}",
                        key="notifier.database",
                        hint="the database belongs to another log; give each log a database of its own",
                    )
                self._next[position] = max(place, begins.get(position[1], 0))

    def prepare(self) -> None:
        """Hold what was interrupted, hear what was said before, know everybody; raises as `find_place`."""
        self.find_place()
        self.store.prune(self._clock.now() - KEPT)
        if self.replies is not None:
            self.replies.inbox.prune(self._clock.now() - KEPT)
        self.habits.prune(self._clock.now() - KEPT)
        safe = [channel for channel, port in self._channels.items() if port.idempotent]
        for delivery in self.store.interrupted(safe, self._clock.now()):
            count(delivery)
        known = (DELIVERIES, CUSTOMERS, CONTRACTS, DIALOGUE)
        self.catch_up(known, known)
        self.publish()

    def step(self, wait_s: float = IDLE_S) -> None:
        """Record, publish, read, decide, send: once."""
        self.settle(BUSY_S if self._hands.busy else 0.0)
        self.publish()
        first = self.store.next_due()
        waits = not self._hands.busy and (first is None or first > self._clock.now())
        self.read(self._reading, wait_s if waits else 0.0)
        self.listen()
        due = self._hands.free and self.store.due(self._clock.now(), 1, self._hands.busy)
        if due and self.catch_up((CUSTOMERS, CONTRACTS, CASES_BY_CUSTOMER)):
            self.decide()
        self.sweep(first)

    def sweep(self, first: Micros | None) -> None:
        """Say how much waits and how late the first of it is, and now and then look for what nobody would come back to."""
        now = self._clock.now()
        metric("vorab_notifications_due").set(self.store.waiting())
        metric("vorab_notifications_braked").set(self._decider.brake.on(now))
        metric("vorab_notifications_overdue_seconds").set(max(0, now - first) / SECOND if first is not None else 0)
        if not 0 <= now - self._swept_at < EVERY:
            self._swept_at = now
            freed, lost = sweep(self.store, self._hands.busy, now)
            for delivery in lost:
                count(delivery)
            if freed or lost:
                metric("vorab_notifications_swept_total").inc(freed + len(lost))
                self._logger.error("swept", freed=freed, unknown=len(lost), hint="a row nobody would have come back to: please report it")

    def listen(self) -> None:
        """Look at what customers have answered, and tell the log; what they forbid holds for whatever is decided next."""
        if self.replies is not None and self.replies.waits() and self.catch_up((CUSTOMERS, CONTRACTS, CASES_BY_CUSTOMER)):
            self.replies.step(self._clock.now())
            self.publish()

    def read(self, topics: Sequence[str], wait_s: float) -> int:
        """Take over what the log has next; returns how many records."""
        places = {position: n for position, n in self._next.items() if position[0] in topics}
        entries = self._log.read(places, limit=BATCH, wait_s=wait_s)
        if not entries:
            return 0
        batch, refused = intake.sort(entries)
        if refused:
            append_all(self._log, [self._outgoing(REJECTED, rejection) for rejection in refused])
        self.take(batch)
        crashpoint("notifier.after_take")
        self._next.update(batch.next)
        return len(entries)

    def take(self, batch: Batch) -> None:
        """Take a batch over. What is just being said to a customer ends first: nothing begins once their word against it is taken."""
        changed = {key for key, _ in batch.customers}
        while any(job.notice.note.key in changed for job in self._hands.busy.values()):
            self.settle(IDLE_S)
        with self.store.database.begin():
            if self._options.habits:
                self.habits.left(key for key, customer in batch.customers if customer is not None and not any(customer.purposes.values()))
                self.habits.answered(batch.answered)
            self.store.take(batch)

    def catch_up(self, topics: Sequence[str], reading: Sequence[str] = ()) -> bool:
        """Read these topics to where they end now (always the same set, so that a log can read ahead); False when `stop` came first."""
        there = {topic for topic, _ in self._next}.intersection(topics)
        behind = {(topic, part): end for topic in there for part, end in self._log.ends(topic).items() if (topic, part) in self._next}
        silent = 0
        while any(self._next[position] < end for position, end in behind.items()) and silent < SILENT_READS:
            if self._stop.is_set():
                return False
            silent = 0 if self.read(reading or self._reading, IDLE_S) else silent + 1
        return True

    def decide(self) -> None:
        """Look at everything that is due; what is to be said now is claimed on disk, then handed over."""
        jobs, put_down = self._decider.decide(self._clock.now(), self._hands.free, self._hands.busy, self.base_url)
        for delivery in put_down:
            count(delivery)
        for job in jobs:
            crashpoint("notifier.after_claim")
            self._hands.take(job)

    def settle(self, wait_s: float = 0.0) -> None:
        """Record what became of the calls that are done."""
        finished = self._hands.finished(wait_s)
        if not finished:
            return
        with self.store.database.begin():
            recorded = [self._record(job, result) for job, result in finished]
        for found in recorded:
            for delivery in found:
                count(delivery)
            crashpoint("notifier.after_record")

    def _record(self, job: Job, result: Result) -> list[Delivery]:
        now, note = self._clock.now(), job.notice.note
        result = replace(result, detail=masked(job.message.to, result.detail))
        if job.message.to.name and self.people.get(note.key) is None:
            # Erased while the channel was at work: what it kept came too late to be forgotten with the rest.
            self._channels[job.channel].forget(note.id)
        for endpoint in result.gone:
            self.people.unsubscribe(note.key, endpoint)
        match result.outcome:
            case Outcome.SENT:
                return self.store.sent(note, job.channel, now, result.detail)
            case Outcome.FAILED:
                self.habits.failed(note.id)
                return self.store.failed(note, job.channel, DeliveryReason.REFUSED, result.detail, now)
            case Outcome.UNKNOWN:
                return self.store.unknown(note, job.channel, DeliveryReason.UNREACHABLE, result.detail, now)
            case Outcome.LATER:
                self.habits.failed(note.id)
                calls = job.notice.attempts + 1
                wait_s = min(self._options.retry_s * 2 ** (calls - 1), LONGEST_RETRY_S) * random.uniform(0.8, 1.2)
                wait_s = 0.0 if result.gone and not result.after_s else max(wait_s, result.after_s)
                due_at = now + int(wait_s * SECOND * self._clock.speed)
                if calls >= self._options.attempts or due_at >= note.expires_at:
                    return self.store.failed(note, job.channel, DeliveryReason.UNREACHABLE, result.detail, now)
                return self.store.later(job.notice, job.channel, due_at, result.detail, now)

    def publish(self) -> None:
        """Tell the log what became of messages; at least once, under ids that do not change."""
        while found := self.store.unpublished(BATCH):
            crashpoint("notifier.before_publish")
            append_all(self._log, [self._outgoing(DELIVERIES, delivery) for _, delivery in found])
            crashpoint("notifier.after_publish")
            self.store.published([n for n, _ in found])
        while self.replies is not None and (told := self.replies.inbox.untold(BATCH)):
            append_all(self._log, [self._outgoing(record.TOPIC, record) for _, record in told])
            crashpoint("replies.after_publish")
            self.replies.inbox.told([n for n, _ in told])

    # -------------------------------------------------------------------------------------------- inside

    def _inputs(self) -> Sequence[str]:
        """What is read; a log that an older vorab has made may hold no contracts."""
        try:
            self._log.partitions(CONTRACTS)
        except ConfigError:
            return [topic for topic in self._reading if topic != CONTRACTS]
        return self._reading

    def _outgoing(self, topic: str, record: Record) -> Outgoing:
        key, value, headers = to_wire(record, SOURCE)
        return Outgoing(topic, partition_of(record.key, self._partitions, self._options.recorded_partitions), key, value, headers)
