"""The maintenance windows of a tenant: those of the settings, and those that people set and end by a word on the log. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streams.incidents.state import Kid, Story
from vorab import silences
from vorab.clock import MINUTE, Micros
from vorab.records import IncidentStatus, Silence, SilenceState
from vorab.settings import Incidents

SILENCE: Final = "silence"
NEVER: Final[Micros] = 1 << 62
WARNED: Final[Micros] = 15 * MINUTE
"""So long before its end it is told that a silence ends."""
IS_OVER: Final = "the silence is over"


class Windows:
    """Those that last or are to come. One that was ended is known until its time would have been over: its word may come again."""

    def __init__(self, tenant: str, options: Incidents) -> None:
        self._fixed = silences.configured(options, tenant)
        self._set: dict[str, Silence] = {}
        self._next: Micros = NEVER
        """When the first of those that people set is over."""
        self._changed: set[str] = set()

    def hear(self, said: Silence, now: Micros) -> bool:
        """Fold a word; whether a silence ends by it."""
        known = self._set.get(said.id)
        if said.until <= now or (known is not None and (known.state is SilenceState.ENDED or said.state is SilenceState.SET)):
            return False
        self.put(said)
        self._changed.add(said.id)
        return said.state is SilenceState.ENDED

    def over(self, kid: Kid, at: Micros) -> Silence | None:
        """The one that a case falls into."""
        if not self._fixed and not self._set:
            return None
        mine = silences.covering(kid.groups, kid.device, kid.cause)
        return silences.longest(
            each
            for each in (*self._fixed, *self._set.values())
            if each.state is SilenceState.SET and each.group in mine and each.since <= at < each.until
        )

    def forget(self, now: Micros) -> None:
        """Drop those whose time is over."""
        if now < self._next:
            return
        gone = [name for name, each in self._set.items() if each.until <= now]
        for name in gone:
            del self._set[name]
        self._changed.update(gone)
        self._next = min((each.until for each in self._set.values()), default=NEVER)

    def put(self, said: Silence) -> None:
        """Take one over from its block."""
        self._set[said.id] = said
        self._next = min(self._next, said.until)

    def dirty(self) -> Mapping[str, bytes]:
        """One block per silence that is another one now, by its id; an empty one is gone."""
        blocks = {name: self._set[name].model_dump_json().encode() if name in self._set else b"" for name in sorted(self._changed)}
        self._changed.clear()
        return blocks


def begun(said: Silence, at: Micros) -> Story:
    """The incident of a silence: it begins with the first case."""
    warn_at = said.until - WARNED
    story = Story(said.id, said.tenant, said.group, IncidentStatus.OPEN, at, said.since, [], why=said.why, until=said.until)
    story.warn_at = warn_at if warn_at > at else 0
    return story


def load(block: bytes) -> Silence:
    """A silence from its block."""
    return Silence.model_validate_json(block)
