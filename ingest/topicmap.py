"""Which device a message comes from and how to read it, from its topic alone: a subscriber never learns who published.

The map is configuration. What a firmware author may rely on without any is the neutral contract and two short forms:

    vorab/v1/{tenant}/{device}/telemetry | status | cmd/{name}/res      the contract
    telemetry/{device}                                                  flat JSON, for first steps
    recorded/{device}/telemetry                                         recordings, in their own time
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from ingest.decoders import Decoder
from ingest.decoders.declared import Maker, by_properties, maker, speaks_of_others
from vorab.errors import ConfigError, Reason, Rejected
from vorab.settings import TopicMapEntry
from vorab.topics import DEFAULT_TENANT, ID, RECORDED_TENANT, key_of, partition_of

Kind = Literal["telemetry", "status", "reply", "dialect", "ignore"]

PREFIX: Final = "vorab/v1"

DEFAULTS: Final = (
    TopicMapEntry(filter=PREFIX + "/{tenant}/{device}/telemetry"),
    TopicMapEntry(filter=PREFIX + "/{tenant}/{device}/status", kind="status"),
    TopicMapEntry(filter=PREFIX + "/{tenant}/{device}/cmd/{name}/res", kind="reply"),
    TopicMapEntry(filter="telemetry/{device}"),
    TopicMapEntry(filter="recorded/{device}/telemetry", time="recorded"),
)

_CAPTURE: Final = re.compile(r"\{([a-z]+)\}")
_CAPTURES: Final = frozenset({"tenant", "device", "name"})


class Route(NamedTuple):
    """What a topic says about every message on it."""

    kind: Kind
    tenant: str
    device: str
    key: str
    partition: int
    decoder: str | Decoder
    """By name, or as the entry declares it; the name of the dialect, where one reads the topic."""
    recorded: bool
    number: int
    """Counts the devices seen, from 0."""
    plain: bool
    """Whether it is telemetry in live time that may take the fast way through the framer."""
    levels: tuple[str, ...] = ()
    """Of the topic, where a dialect reads it."""
    named: Mapping[str, str] = MappingProxyType({})
    """What the captures matched."""
    tail: tuple[str, ...] = ()
    """What `#` matched."""
    zone: str = ""
    """Of times that have none."""
    dialect: str = ""
    """Who reads it, where that is no decoder."""
    children: bool = False
    """Whether its messages may speak of devices behind the sender, which other workers may write."""


def _name(level: str) -> str:
    """The name of a capture; empty for any other level."""
    found = _CAPTURE.fullmatch(level)
    return found[1] if found else ""


class _Known(NamedTuple):
    """An entry, taken apart."""

    levels: tuple[str, ...]
    names: tuple[str, ...]
    """Of the captures, by level."""
    entry: TopicMapEntry
    make: Maker
    children: bool

    def begins(self, level: str) -> bool:
        """Whether topics with this first level may fit; empty: one that no entry names."""
        return self.levels[0] in {level, "+", "#"} or bool(self.names[0])

    def match(self, levels: Sequence[str]) -> dict[str, str] | None:
        """What the captures matched; None where the topic does not fit."""
        pattern = self.levels
        if len(pattern) != len(levels) and not (pattern[-1] == "#" and len(levels) >= len(pattern) - 1):
            return None
        found: dict[str, str] = {}
        for i, (wanted, name, level) in enumerate(zip(pattern, self.names, levels, strict=False)):
            if name:
                found[name] = level
            elif wanted == "#":
                found["#"] = "/".join(levels[i:])
            elif wanted not in {level, "+"}:
                return None
        return found


class TopicMap:
    """The entries in order of preference; the first that fits decides."""

    def __init__(self, entries: Iterable[TopicMapEntry], partitions: int, recorded_partitions: int) -> None:
        """`partitions` is what the device-keyed topics have, the recorded ones included."""
        self.partitions, self.recorded_partitions = partitions, recorded_partitions
        seen: set[str] = set()
        known: list[_Known] = []
        self.filters: list[tuple[str, Kind]] = []
        """What to subscribe to."""
        self.live: set[str] = set()
        """Those of them whose messages come without the retain flag, unless the broker had stored them."""
        for entry in (*entries, *DEFAULTS):
            levels = tuple(entry.filter.split("/"))
            _check(entry, levels)
            wanted = "/".join("+" if _CAPTURE.fullmatch(level) else level for level in levels)
            if wanted in seen or (entry.time == "recorded" and not recorded_partitions):
                continue
            seen.add(wanted)
            known.append(_Known(levels, tuple(_name(level) for level in levels), entry, maker(entry), speaks_of_others(entry)))
            if entry.retained:
                self.live.add(wanted)
            if entry.kind != "ignore":
                self.filters.append((wanted, "dialect" if entry.dialect else entry.kind))
        self._by_first = {some.levels[0]: [one for one in known if one.begins(some.levels[0])] for some in known}
        """By the first level of a topic, so that a long map costs no more than a short one."""
        self._any_first = [one for one in known if one.begins("")]
        self.dialects = sorted({some.entry.dialect for some in known if some.entry.dialect})
        """The dialects that are heard."""
        self.numbers: dict[str, int] = {}

    def resolve(self, topic: bytes) -> Route:
        """The route of a topic.

        Raises:
            Rejected: not UTF-8, fits no entry, or names a device or tenant by an id that is not allowed.
        """
        known, levels, found = self._find(topic)
        return self._of_dialect(known.entry, levels, found) if known.entry.dialect else self._route(known, found)

    def entry_of(self, topic: bytes) -> TopicMapEntry:
        """The entry that decides about a topic; raises Rejected where none does."""
        return self._find(topic)[0].entry

    def _find(self, topic: bytes) -> tuple[_Known, list[str], dict[str, str]]:
        try:
            levels = topic.decode().split("/")
        except UnicodeDecodeError:
            raise Rejected(Reason.BAD_UTF8, "the topic is not UTF-8") from None
        for known in self._by_first.get(levels[0], self._any_first):
            found = known.match(levels)
            if found is not None:
                return known, levels, found
        raise Rejected(Reason.UNKNOWN_TOPIC, "the topic map has no entry for this topic")

    def _of_dialect(self, entry: TopicMapEntry, levels: Sequence[str], found: dict[str, str]) -> Route:
        """What the dialect makes of names and tenants is its own affair, but an id stays an id."""
        tail = found.pop("#", "")
        tenant = found.get("tenant") or entry.tenant or DEFAULT_TENANT
        if not ID.fullmatch(tenant) or tenant == RECORDED_TENANT:
            raise Rejected(Reason.BAD_NAME, "tenant in the topic is not a valid id")
        return Route(
            "dialect", tenant, "", "", 0, "auto", recorded=False, number=-1, plain=False,
            levels=tuple(levels), named=found, tail=tuple(tail.split("/")) if tail else (), zone=entry.zone, dialect=entry.dialect,
        )  # fmt: skip

    def _route(self, known: _Known, found: dict[str, str]) -> Route:
        entry = known.entry
        tail = found.pop("#", "")
        for name, value in found.items():
            if not ID.fullmatch(value):
                raise Rejected(Reason.BAD_NAME, f"{name} in the topic is not a valid id")
        recorded = entry.time == "recorded"
        tenant = RECORDED_TENANT if recorded else found.get("tenant") or entry.tenant or DEFAULT_TENANT
        if tenant == RECORDED_TENANT and entry.kind == "telemetry" and not recorded:
            # A wall-clock row among recorded ones would move their time by years.
            raise Rejected(Reason.BAD_NAME, "the tenant `recorded` belongs to topics with time: recorded")
        device = found.get("device", "")
        key = key_of(tenant, device)
        decoder = by_properties(known.make(found), tail)
        return Route(
            kind=entry.kind,
            tenant=tenant,
            device=device,
            key=key,
            partition=partition_of(key, self.partitions, self.recorded_partitions),
            decoder=decoder,
            recorded=tenant == RECORDED_TENANT,
            number=self.numbers.setdefault(key, len(self.numbers)),
            plain=entry.kind == "telemetry" and not recorded and decoder in {"auto", "json", "senml+json"},
            children=known.children,
        )


def _check(entry: TopicMapEntry, levels: Sequence[str]) -> None:
    captures = [found[1] for level in levels if (found := _CAPTURE.fullmatch(level))]
    wrong = ""
    if any("{" in level and not _CAPTURE.fullmatch(level) for level in levels):
        wrong = "a capture takes a whole level: a/{device}/b, not a-{device}"
    elif not entry.dialect and (unknown := [name for name in captures if name not in _CAPTURES]):
        wrong = f"{{{unknown[0]}}} is not one of {{tenant}}, {{device}}, {{name}}"
    elif len(set(captures)) != len(captures):
        wrong = "a capture stands twice"
    elif "device" not in captures and entry.kind != "ignore" and not entry.dialect:
        wrong = "there is no {device}: the topic alone says who published"
    elif "#" in levels[:-1] or any(len(level) > 1 and ("#" in level or "+" in level) for level in levels):
        wrong = "not a valid MQTT topic filter"
    elif entry.time == "recorded" and (entry.tenant or "tenant" in captures):
        wrong = "recorded devices live in the tenant `recorded`; name no other"
    if wrong:
        raise ConfigError(f"topic map entry {entry.filter!r}: {wrong}", key="ingest.topic_map", hint="for example plant/{device}/telemetry")
