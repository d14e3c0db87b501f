"""One entry of a timeline, and timelines as bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vorab.clock import Micros, iso

Param = str | int | float | bool | None


class Kind(StrEnum):
    """What an entry is about."""

    FAULT = "fault"
    ATTEMPT = "attempt"
    MESSAGE = "message"
    RECEIPT = "receipt"
    """What became of a message."""
    REPLY = "reply"
    ANSWER = "answer"
    CORRECTION = "correction"
    """A person says what was meant by a reply."""
    CALL = "call"
    VISIT = "visit"
    CASE = "case"
    """How a case went on."""
    NOTE = "note"
    DECISION = "decision"
    """Approvals and goodwill."""
    OFFER = "offer"
    CONTACT = "contact"
    """Whether others may write to this customer now."""
    VERDICT = "verdict"
    INCIDENT = "incident"


class Who(StrEnum):
    """Who speaks."""

    MACHINE = "machine"
    VORAB = "vorab"
    AGENT = "agent"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened or was said."""

    id: str
    """Of the record that says so."""
    kind: Kind
    at: Micros
    who: Who
    words: str
    """What is said, by its key in `desk.timeline.speech`,"""
    params: Mapping[str, Param] = field(default_factory=dict)
    """with this in it."""
    case: str = ""
    device: str = ""
    """Key: `tenant/device`."""
    channel: str = ""
    sealed: str = ""
    """What a person wrote, sealed with the customer's key."""
    about: str = ""
    """Id of the message or reply that it is about."""
    tone: str = ""
    """`good`, `bad` or nothing."""
    aside: bool = False
    """Said to itself."""

    def json(self) -> dict[str, Any]:
        """For other programs: what is empty is left out."""
        found = {
            "id": self.id, "kind": self.kind.value, "at": iso(self.at), "who": self.who.value, "words": self.words,
            "params": dict(sorted(self.params.items())), "case": self.case, "device": self.device, "channel": self.channel,
            "sealed": self.sealed, "about": self.about, "tone": self.tone, "aside": self.aside,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value not in ("", {}, False)}


def as_bytes(entries: Iterable[Entry]) -> bytes:
    """A timeline as bytes: one entry a line, the same entries always the same bytes."""
    return "".join(json.dumps(entry.json(), ensure_ascii=False, separators=(",", ":")) + "\n" for entry in entries).encode()
