"""What is due when, for the cases and incidents of a tenant. A timer counts only while the thing it is about still says the same time."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Final

from streams.incidents.choice import Bars, Fresh
from streams.incidents.state import Kid, Story
from streams.incidents.telling import Teller
from streams.incidents.windows import Windows
from vorab.clock import SECOND, Micros
from vorab.processor import Registry
from vorab.settings import Incidents

TIMERS: Final[Mapping[str, str]] = {
    "decide": "decide_at",
    "tell": "tell_at",
    "flush": "flush_at",
    "idle": "idle_at",
    "warn": "warn_at",
    "until": "until",
    "close": "close_at",
    "word": "word_at",
    "fresh": "fresh_until",
    "forget": "forget_at",
}
"""Timer → where its time stands. What is due at the same moment is due in this order: a storm is seen before a case speaks for itself."""

_NAMES: Final = tuple(TIMERS)
_PLACES: Final = {name: place for place, name in enumerate(TIMERS)}
_OF_STORIES: Final = ("tell", "flush", "idle", "warn", "until", "close")
_OF_KIDS: Final = ("word", "fresh", "forget")


class Agenda(Teller):
    """The cases and incidents of a tenant, with their timers; taken over from their blocks as they were written."""

    def __init__(self, tenant: str, options: Incidents, registry: Registry) -> None:
        super().__init__(tenant, registry)
        self._options = options
        self._window, self._settle = round(options.window_s * SECOND), round(options.settle_s * SECOND)
        self._hold = max(round(options.hold_s * SECOND), self._settle)
        self._patience = round(options.patience_s * SECOND)
        self._close, self._straggle = round(options.close_s * SECOND), round(options.straggle_s * SECOND)
        self._fresh = Fresh(tenant, Bars(options.devices, options.share, options.share_wide), registry.size)
        self.windows = Windows(tenant, options)
        self._by_group: dict[str, str] = {}
        """Group → its incident, until that is closed."""
        self._due: list[tuple[Micros, int, str]] = []
        self.decide_at: Micros = 0
        """When it is decided what explains the cases of the moment; 0: there is nothing to explain."""
        self.changed: set[str] = set()
        """Cases and incidents that are other ones now, or gone."""
        self.gone: dict[str, str] = {}
        """Of those that are gone, whether they were cases or incidents."""

    @property
    def deadline(self) -> Micros | None:
        """When something is due next."""
        while self._due and not self._holds(*self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def fire(self) -> None:
        """Do what is due next."""
        at, place, name = heapq.heappop(self._due)
        story, kid = self.stories.get(name), self.kids.get(name)
        if story is not None:
            self.changed.add(name)
            self.fire_story(story, _NAMES[place], at)
        elif kid is not None:
            self.changed.add(name)
            self.fire_kid(kid, _NAMES[place], at)
        else:
            self.decide_at = 0
            self.decide(at)

    def decide(self, at: Micros) -> None:
        """What explains the cases of the moment."""
        raise NotImplementedError

    def fire_story(self, story: Story, timer: str, at: Micros) -> None:
        """A timer of an incident."""
        raise NotImplementedError

    def fire_kid(self, kid: Kid, timer: str, at: Micros) -> None:
        """A timer of a case."""
        raise NotImplementedError

    def put(self, kid: Kid) -> None:
        """Take a case over from its block; incidents come first."""
        self.kids[kid.case] = kid
        if kid.incident:
            self._of[kid.incident].add(kid.case)
        self._look_down(kid)
        if kid.fresh_until:
            self._fresh.add(kid)
        self._set_all(kid, kid.case, _OF_KIDS)

    def put_story(self, story: Story) -> None:
        """Take an incident over from its block."""
        self.stories[story.id], self._of[story.id] = story, set()
        if not story.until:
            self._by_group[story.group] = story.id
        self._set_all(story, story.id, _OF_STORIES)

    def put_decision(self, at: Micros) -> None:
        """Take over when it is decided."""
        self.decide_at = at
        self._set_all(self, "", ("decide",))

    def _look_down(self, kid: Kid) -> None:
        """A device that is down explains what is behind it."""
        if not kid.well and kid.cause in self._options.down:
            self._fresh.down[kid.device] = kid.case

    def _set(self, at: Micros, timer: str, name: str) -> None:
        heapq.heappush(self._due, (at, _PLACES[timer], name))

    def _set_all(self, thing: object, name: str, timers: tuple[str, ...]) -> None:
        for timer in timers:
            if at := getattr(thing, TIMERS[timer]):
                self._set(at, timer, name)

    def _holds(self, at: Micros, place: int, name: str) -> bool:
        thing: object = self.stories.get(name) or self.kids.get(name) if name else self
        return getattr(thing, TIMERS[_NAMES[place]], None) == at
