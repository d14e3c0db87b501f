"""What a dialect hears and what it says. Pure; every dialect shares these words.

A dialect is a family of topics with words of its own: Tasmota, Sparkplug, Homie. It may keep state (aliases, names, sessions). Every worker
hears every message of a dialect and keeps the whole state, and only what is said of a device whose partition the worker writes goes on;
so the messages of one edge node stay in order, and a partition keeps one writer (docs/decisions/0005).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final, NamedTuple, Protocol

from ingest.decoders.rows import Row
from vorab.clock import Micros
from vorab.errors import Rejected
from vorab.records import Action, ReplyStatus, Severity

_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9._-]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def ident(*parts: str) -> str:
    """A device id out of foreign names: joined by `:`, with what an id may not hold written as `~` and its code; no two names meet."""
    joined = ":".join(parts)
    if _PLAIN.fullmatch(joined) and joined.count(":") < len(parts):
        return joined  # mostly
    joined = ":".join(_NOT_IN_IDS.sub(_escaped, part) for part in parts)
    # A `~` that no code follows stands nowhere else.
    return joined if joined[:1].isalnum() and joined[:1].isascii() else f"0~{joined}"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"~{byte:02x}" for byte in found[0].encode())


class Heard(NamedTuple):
    """One message on a topic of the dialect."""

    levels: tuple[str, ...]
    """Of the whole topic."""
    named: Mapping[str, str]
    """What the captures of the topic map's entry matched: `device`, `tenant` and any other."""
    tail: tuple[str, ...]
    """What `#` matched."""
    payload: bytes
    received_at: Micros
    retained: bool = False
    """Kept by the broker and handed out at the subscription: state, and no news."""
    content_type: str = ""
    zone: str = ""
    """IANA name of the zone of times that have none; empty: UTC is assumed."""

    @property
    def topic(self) -> str:
        """The topic in one piece."""
        return "/".join(self.levels)


class Seen(NamedTuple):
    """A device is there or gone."""

    device: str
    online: bool
    evidence: str
    """`will`, `birth`, `goodbye` or `retained`."""


class Found(NamedTuple):
    """An alarm the device or its system raised or withdrew by itself."""

    device: str
    name: str
    active: bool
    severity: Severity = Severity.MAJOR
    text: str = ""
    since: Micros | None = None


class About(NamedTuple):
    """What a device is; what is empty says nothing. Told again, it is written only when it changed."""

    device: str
    name: str = ""
    model: str = ""
    firmware: str = ""
    address: str = ""
    """Where its commands go, as `Dialect.command` wants it back."""
    units: Mapping[str, str] = {}
    heartbeat_s: float | None = None
    via: str = ""
    """Without a device: a topic it publishes on, for the topic map to say which device that is."""


class Answer(NamedTuple):
    """What a device said to a command."""

    device: str
    correlation: str
    """What `Dialect.command` gave; empty: whatever command is under way for this device."""
    status: ReplyStatus
    code: str = ""
    detail: str = ""
    result: Mapping[str, str | int | float | bool | None] = {}


class Say(NamedTuple):
    """Something to publish: a question, a request for a new birth."""

    device: str
    """Only the worker that writes this device's partition says it; empty: every worker that wants it."""
    topic: str
    payload: bytes
    qos: int = 0


class Refused(NamedTuple):
    """A message that was heard earlier, waited for another one, and cannot be taken after all."""

    topic: str
    payload: bytes
    why: Rejected
    device: str = ""
    """Like any other refusal it is told by its topic."""


class LeftOut(NamedTuple):
    """Values of a message that no signal can hold: a table, a file, a number beyond 64 bits. The rest of it is taken."""

    device: str
    values: int
    """How many."""


Word = Row | Seen | Found | About | Answer | Say | Refused | LeftOut
"""`Row.device` names the device where the topic map's entry does not."""


class Order(NamedTuple):
    """An action in the words of a dialect."""

    topic: str
    payload: bytes
    correlation: str
    """Comes back in `Answer.correlation`; empty where the dialect has none, then one command at a time is under way per device."""
    qos: int = 1
    repeatable: bool = False
    """Whether the device knows a command again that comes twice, so that it may be sent again when nobody answered."""


class Dialect(Protocol):
    """One family of topics; one instance per worker."""

    name: ClassVar[str]
    filters: ClassVar[tuple[str, ...]]
    """Topic filters with captures in braces: `tele/{device}/{what}`; `#` at the end is `Heard.tail`."""

    def hear(self, heard: Heard) -> Iterable[Word]:
        """What a message says; raises Rejected for one that cannot be taken, state unchanged."""

    def due(self, now: Micros) -> Iterable[Word]:
        """What is to be said because time has passed; called about once a second."""

    def command(self, action: Action, address: str, now: Micros) -> Order:
        """The command for a device at this address; raises Rejected (UNSUPPORTED) where the dialect has no such command."""
