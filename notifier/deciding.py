"""The decision on what is due: facts are read for many messages at once, and what a message is promised is on disk when this returns.

Nothing here calls a channel. All of one call of `decide` is one transaction: who may be told something, that their budget has room, and
that the place is taken, is one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from notifier import pipeline
from notifier.brake import Brake
from notifier.budget import Contact
from notifier.buttons import Buttons
from notifier.channels import ChannelPort, Message
from notifier.database import SENDING
from notifier.delivered import delivery_of, why_of
from notifier.habits import Advice, Moment
from notifier.preferences import Layer, Preferences
from notifier.quiet import zone_of
from notifier.render import Renderer
from notifier.sending import Job
from notifier.store import Notice, Store
from notifier.store_habits import HabitsStore, facts_of
from notifier.store_known import Known, Merged, begun
from vorab.clock import HOUR, Micros, to_datetime
from vorab.people import People, Person
from vorab.records import Channel, Delivery, DeliveryState, Notification, Purpose

BATCH: Final = 500


class Reach(Collection[Channel]):
    """The channels that reach a person; the person is looked up when somebody asks."""

    def __init__(self, channels: Mapping[Channel, ChannelPort], person: Callable[[], Person | None]) -> None:
        self._channels, self._person = channels, person
        self._found: list[Channel] | None = None

    def _all(self) -> list[Channel]:
        if self._found is None:
            person = self._person()
            self._found = [channel for channel, port in self._channels.items() if port.reaches(person)]
        return self._found

    def __contains__(self, channel: object) -> bool:
        """Whether this channel does."""
        return channel in self._all()

    def __iter__(self) -> Iterator[Channel]:
        """All that do."""
        return iter(self._all())

    def __len__(self) -> int:
        """How many do."""
        return len(self._all())


class Decider:
    """Decides what is due."""

    def __init__(  # noqa: PLR0913 - all that may be left out is given by name
        self,
        store: Store,
        people: People,
        channels: Mapping[Channel, ChannelPort],
        renderer: Renderer,
        buttons: Buttons,
        *,
        layers: Sequence[Layer] = (),
        passing: Sequence[str] = ("safety",),
        shadow: bool = False,
        an_hour: int = 0,
        habits: HabitsStore | None = None,
        stages: tuple[pipeline.Step, ...] = pipeline.STAGES,
    ) -> None:
        self.store, self.people, self.channels = store, people, channels
        self.renderer, self.buttons = renderer, buttons
        self.habits = habits
        self._merged, self.passing, self.shadow, self.stages = Merged(layers), passing, shadow, stages
        self.brake, self._recalls = Brake(an_hour), an_hour > 0

    def decide(self, now: Micros, free: int, busy: Collection[str] = (), base_url: str = "") -> tuple[list[Job], list[Delivery]]:
        """Look at what is due. What is to be said now is claimed, `free` messages at most; of the rest the deliveries say what became."""
        with self.store.database.begin():
            if self._recalls:
                self.brake.recall(begun(self.store.database, now - HOUR))
                self._recalls = False
            due = self.store.due(now, BATCH, busy)
            batch = Batch(self, Known(self.store.database, now, self._merged), now, free, base_url)
            batch.known.learn(due)
            for notice in due:
                if not batch.judge(notice):
                    break
            self.store.put_down(batch.put_down)
        return batch.jobs, [delivery for _, delivery in batch.put_down]


class Batch:
    """One transaction of decisions."""

    def __init__(self, decider: Decider, known: Known, now: Micros, free: int, base_url: str) -> None:
        self._decider, self.known, self._now, self._free, self._base_url = decider, known, now, free, base_url
        self.jobs: list[Job] = []
        self.put_down: list[tuple[Notice, Delivery]] = []
        self._habits = decider.habits.learned(now) if decider.habits is not None else None
        self._done: set[str] = set()
        self._waiting: dict[str, list[Notice]] = {}

    @property
    def full(self) -> bool:
        """Whether nothing more can be handed over."""
        return len(self.jobs) >= self._free

    def judge(self, notice: Notice) -> bool:
        """Decide on a message, after the one that goes first if there is one; False where it has to wait for a free hand."""
        if notice.note.id in self._done:
            return True
        facts = self._facts(notice)
        trace = pipeline.decide(notice.note, facts, self._decider.stages)
        if isinstance(trace.decision, pipeline.After):
            first = next(each for each in self._others(notice) if each.note.id == trace.decision.notification)
            self._settle(first, self._facts(first))
            if first.note.id not in self._done or notice.note.id in self._done:
                return first.note.id in self._done
            facts = self._facts(notice)
            trace = pipeline.decide(notice.note, facts, self._decider.stages)
        self._take(notice, facts, trace)
        return notice.note.id in self._done

    def _settle(self, notice: Notice, facts: pipeline.Facts) -> None:
        self._take(notice, facts, pipeline.decide(notice.note, facts, self._decider.stages))

    def _take(self, notice: Notice, facts: pipeline.Facts, trace: pipeline.Trace) -> None:
        note, why = notice.note, why_of(trace, facts.preferences)
        match trace.decision:
            case pipeline.Suppress(reason, detail):
                self._put(notice, delivery_of(note, DeliveryState.SUPPRESSED, reason, detail, self._now, why=why))
            case pipeline.Defer(due_at, reason, detail):
                n = notice.deferrals + 1
                delivery = delivery_of(note, DeliveryState.DEFERRED, reason, detail, self._now, due_at=due_at, attempt=n, why=why)
                self._put(notice, delivery)
            case pipeline.Send(channel, carries) if not self.full and facts.customer is not None:
                self._decider.store.claim(notice, channel, self._now, carries=carries, why=why)
                self._began(notice, channel, facts.preferences)
                self._done |= {note.id, *(other.id for other in carries)}
                self._decider.brake.counted(self._now)
                self.known.became(notice, SENDING)
                self.known.counted(note.key, Contact(note.id, None, note.purpose is Purpose.ADVERTISING))
                self.jobs.append(Job(notice, channel, self._message(notice, facts, carries)))

    def _put(self, notice: Notice, delivery: Delivery) -> None:
        self._done.add(notice.note.id)
        self.known.became(notice, delivery.state.value, delivery.reason)
        self.put_down.append((notice, delivery))

    def _facts(self, notice: Notice) -> pipeline.Facts:
        note, of = notice.note, self._decider
        preferences = self.known.preferences(note.key, note.tenant)
        if self._habits is not None:
            preferences = self._habits.layered(note.key, preferences, self._now)
        return pipeline.Facts(
            now=self._now,
            customer=self.known.customer(note.key),
            preferences=preferences,
            case=self.known.case(note.case),
            told=self.known.told(notice),
            newer=self.known.newer(notice),
            contacts=self.known.contacts(note.key),
            passing=of.passing,
            others=lambda: self._sayable(notice),
            reachable=Reach(of.channels, lambda: of.people.get(note.key)),
            advise=self._advising(note, preferences),
            shadow=of.shadow,
            braked=of.brake.on(self._now),
        )

    def _advising(self, note: Notification, of: Preferences) -> Callable[[Sequence[Channel], Sequence[Moment]], Advice] | None:
        if self._habits is None:
            return None
        return partial(self._habits.advise, note.key, facts_of(note, of.language), note.id)

    def _began(self, notice: Notice, channel: Channel, of: Preferences) -> None:
        habits = self._decider.habits
        if habits is not None:
            then = to_datetime(self._now).astimezone(zone_of(of.time_zone))
            habits.began(notice.note, channel, Moment(self._now, then.weekday() >= 5, then.hour), facts_of(notice.note, of.language))

    def _others(self, notice: Notice) -> list[Notice]:
        """What else waits for this person and was not decided in this batch."""
        key = notice.note.key
        if key not in self._waiting:
            self._waiting[key] = self._decider.store.waiting_for(key)
            self.known.learn(self._waiting[key])
        return [each for each in self._waiting[key] if each.note.id not in {*self._done, notice.note.id}]

    def _sayable(self, notice: Notice) -> list[Notification]:
        return [each.note for each in self._others(notice) if pipeline.sayable(each.note, self._facts(each))]

    def _message(self, notice: Notice, facts: pipeline.Facts, carries: Sequence[Notification]) -> Message:
        note, of, now = notice.note, self._decider, self._now
        to = of.people.get(note.key) or Person(note.key)
        link = of.buttons.page(note, self._base_url, now)
        words = of.renderer.render(note, facts.case, facts.preferences, now=now, name=to.name, link=link, besides=carries)
        unsubscribe = of.buttons.unsubscribe(note, now)
        parts = (words.language, now, words.subject, words.text, words.html, link, unsubscribe)
        call = of.buttons.call(note, now) if link else ""
        return Message(note.id, note.case, not facts.told, to, *parts, call=call, expires_at=note.expires_at, urgency=note.urgency)
