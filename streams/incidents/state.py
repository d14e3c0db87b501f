"""What the incident processor remembers: cases that are not over, incidents that are not closed, each small enough to be written alone."""

from __future__ import annotations

from typing import Final

import msgspec

from vorab.clock import Micros
from vorab.records import IncidentStatus

SCHEMA: Final = 2
CASE: Final = "case"
INCIDENT: Final = "incident"


class Kid(msgspec.Struct, array_like=True, omit_defaults=True):
    """A case as far as incidents depend on it."""

    case: str
    tenant: str
    device: str
    customer: str
    cause: str
    opened_at: Micros
    groups: list[str]
    """The most specific first."""
    seq: int = -1
    well: bool = False
    incident: str = ""
    fresh_until: Micros = 0
    """Until when it counts as part of a storm that may be coming; 0: it does not, or not any more."""
    word_at: Micros = 0
    """When its customer is told that it stands for itself; 0: that is settled."""
    forget_at: Micros = 0

    @property
    def key(self) -> str:
        """Of its device."""
        return f"{self.tenant}/{self.device}"


class Story(msgspec.Struct, omit_defaults=True):
    """An incident."""

    id: str
    tenant: str
    group: str
    status: IncidentStatus
    opened_at: Micros
    onset: Micros
    causes: list[str]
    root: str = ""
    why: str = ""
    """Of a silence: what people wrote."""
    until: Micros = 0
    """End of a silence; 0: it is none."""
    seq: int = 0
    total: int = 0
    open: int = 0
    pending: list[str] = []
    """Cases that have joined and are not told yet."""
    well_at: Micros = 0
    """When the last case to become well became so."""
    flush_at: Micros = 0
    tell_at: Micros = 0
    """When customers are told that it is one story, if it is not over by then; 0: they have been, or there is nobody to tell."""
    idle_at: Micros = 0
    """When those that are not well by then are left to themselves."""
    warn_at: Micros = 0
    """When it is told that a silence ends soon."""
    close_at: Micros = 0


_encode: Final = msgspec.msgpack.Encoder().encode
_kid: Final = msgspec.msgpack.Decoder(Kid).decode
_story: Final = msgspec.msgpack.Decoder(Story).decode


def dump(thing: Kid | Story) -> bytes:
    """A block."""
    return _encode(thing)


def load_kid(block: bytes) -> Kid:
    """A case from its block."""
    return _kid(block)


def load_story(block: bytes) -> Story:
    """An incident from its block."""
    return _story(block)
