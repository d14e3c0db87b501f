"""What dialects say becomes rows, records and messages to publish: for the devices whose partition this worker writes. Pure.

Facts and alarms are told again and again by those who know them; here they are written once, until they change.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ingest.columns import Columns
from ingest.decoders.rows import MAX_SIGNALS, Row
from ingest.dialects import dialect
from ingest.dialects.batch import Batch, InBulk
from ingest.dialects.words import About, Answer, Found, Heard, LeftOut, Order, Refused, Say, Seen, Word, ident
from ingest.plan import Plan
from ingest.presence import PresenceBook
from ingest.topicmap import Route
from vorab import ids
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.records import Action, Alarm, Facts, Record, Reply
from vorab.topics import ID, key_of

_REMEMBERED: Final = 200_000

Resolve = Callable[[str, Answer, Micros], Reply | None]
"""The reply an answer of a device (by key) amounts to; None where nothing was asked."""


class Owned(NamedTuple):
    """A row of a device of this worker."""

    device: str
    key: str
    partition: int
    row: Row


@dataclass(slots=True)
class Told:
    """What one message, or a passing second, amounts to."""

    rows: list[Owned] = field(default_factory=list)
    records: list[tuple[int, Record]] = field(default_factory=list)
    """Partition and record."""
    says: list[Say] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    left_out: int = 0
    """Values that no signal can hold."""


class Hearing:
    """One instance of each dialect, and what it has said before."""

    def __init__(
        self, plan: Plan, names: Iterable[str], presence: PresenceBook, resolve: Resolve, route_of: Callable[[bytes], Route]
    ) -> None:
        """`route_of` is the topic map with its memory. Raises ConfigError for a dialect that does not exist."""
        self._plan, self._presence, self._resolve, self._route_of = plan, presence, resolve, route_of
        self.dialects = {name: dialect(name) for name in names}
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._said: OrderedDict[str, About] = OrderedDict()
        """The last word about each device, so that saying it again costs nothing."""
        self._routes: dict[str, Route] = {}
        """The last route of each dialect: what it says later belongs to the same tenant."""

    def recall(self, facts: Facts) -> None:
        """Facts as they stand on the log."""
        self._facts[facts.key] = facts
        if len(self._facts) > _REMEMBERED:
            self._facts.popitem(last=False)

    def facts(self, key: str) -> Facts | None:
        """What is known of a device: how it speaks, and where it hears."""
        return self._facts.get(key)

    def hear(self, route: Route, heard: Heard) -> Told:
        """What a message says; raises Rejected where it cannot be taken."""
        self._routes[route.dialect] = route  # of a refused message too: a dialect may have to ask for what it lacks
        words = list(self.dialects[route.dialect].hear(heard))
        told = Told()
        for word in words:
            self._add(told, word, route, heard)
        return told

    @property
    def in_bulk(self) -> tuple[str, ...]:
        """The dialects that read many messages at once."""
        return tuple(name for name, some in self.dialects.items() if isinstance(some, InBulk))

    def hear_all(self, name: str, batch: Batch) -> tuple[list[Columns], int]:
        """The columns of what needs no second look, and how many messages these were."""
        some = self.dialects[name]
        return some.hear_all(batch) if isinstance(some, InBulk) else ([], 0)

    def command(self, facts: Facts, action: Action, now: Micros) -> Order:
        """An action in the words of the device's dialect; raises Rejected where the dialect has none for it, or is not heard here."""
        some = self.dialects.get(facts.dialect)
        if some is None:
            raise Rejected(Reason.UNSUPPORTED, f"the dialect {facts.dialect!r} is not heard")
        return some.command(action, facts.address, now)

    def due(self, now: Micros) -> Told:
        """What is to be said because time has passed."""
        told = Told()
        for name, some in self.dialects.items():
            route = self._routes.get(name)
            if route is None:
                continue
            for word in some.due(now):
                self._add(told, word, route, Heard((), {}, (), b"", now))
        return told

    def _add(self, told: Told, word: Word, route: Route, heard: Heard) -> None:
        if isinstance(word, Say):
            if not word.device or self._plan.owns(self._plan.partition_of(key_of(route.tenant, word.device))):
                told.says.append(word)
            return
        if isinstance(word, Refused):
            told.refused.append(word)
            return
        if isinstance(word, About) and word.via:
            found = self._behind(word.via)
            if found is None:
                return
            route, word = found[0], word._replace(device=found[1])
        device = word.device or route.device
        if not ID.fullmatch(device):
            raise Rejected(Reason.BAD_NAME, f"device {device[:60]!r}")
        key = key_of(route.tenant, device)
        partition = self._plan.partition_of(key)
        if not self._plan.owns(partition):
            return
        if isinstance(word, LeftOut):
            told.left_out += word.values
            return
        if isinstance(word, Row):
            if word.values:
                told.rows.append(Owned(device, key, partition, word))
            return
        record = self._record(word, route, device, key, heard)
        if record is not None:
            told.records.append((partition, record))

    def _behind(self, topic: str) -> tuple[Route, str] | None:
        """The route of a topic and the device that publishes on it; None where the topic map does not know."""
        try:
            route = self._route_of(topic.encode())
        except Rejected:
            return None
        named = route.named.get("device", "")
        device = ident(named) if route.kind == "dialect" and named else route.device
        return (route, device) if device and not route.recorded else None

    def _record(self, word: Seen | Found | About | Answer, route: Route, device: str, key: str, heard: Heard) -> Record | None:
        if isinstance(word, Seen):
            why = "retained" if heard.retained else word.evidence
            return self._presence.said(route.tenant, device, heard.received_at, online=word.online, evidence=why)
        if isinstance(word, Answer):
            return self._resolve(key, word, heard.received_at)
        if isinstance(word, Found):
            return _alarm(word, route, device, key, heard.received_at)
        return self._about(word, route, device, key, heard.received_at)

    def about(self, word: About, route: Route, received_at: Micros) -> Facts | None:
        """What a device says of itself in its telemetry, as a record; None where it says nothing new."""
        return self._about(word, route, word.device, key_of(route.tenant, word.device), received_at)

    def _about(self, word: About, route: Route, device: str, key: str, received_at: Micros) -> Facts | None:
        if self._said.get(key) == word:
            return None
        self._said[key] = word
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        known = self._facts.get(key) or Facts(id=key, tenant=route.tenant, device=device)
        said = {name: value for name, value in word._asdict().items() if value and name not in {"device", "via", "units"}}
        if word.address:
            said["dialect"] = route.dialect
        units = dict(itertools.islice({**known.units, **word.units}.items(), MAX_SIGNALS))
        facts = known.model_copy(update={**said, "units": units, "at": received_at})
        self.recall(facts)
        return None if facts.model_copy(update={"at": known.at}) == known else facts


def _alarm(word: Found, route: Route, device: str, key: str, received_at: Micros) -> Alarm:
    stamp = received_at if word.since is None else word.since
    return Alarm(
        id=ids.alarm_id(key, route.dialect, word.name, stamp, active=word.active),
        tenant=route.tenant,
        device=device,
        name=word.name,
        source=route.dialect,
        active=word.active,
        severity=word.severity,
        text=word.text,
        since=word.since,
        at=received_at,
    )
