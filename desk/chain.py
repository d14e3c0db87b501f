"""A causal chain: its steps, and what it was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vorab.clock import Micros, iso


@dataclass(slots=True)
class Link:
    """One step of the chain."""

    id: str
    kind: str
    """`symptom`, `case`, `permit`, `action`, `reply`, `notification`, `delivery`, `command`, `request`."""
    what: str
    """The record's type without prefix and version: `symptom.raised`, `case.handed_over`."""
    at: Micros
    title: str
    text: str
    because: str
    """Id of the link that brought it about; empty at the root."""
    facts: dict[str, Any] = field(default_factory=dict)
    asked: bool = False
    path: bool = False
    """Whether it led to what was asked about."""

    def json(self) -> dict[str, Any]:
        """For `--json` and the API."""
        return {
            "at": iso(self.at),
            "kind": self.kind,
            "type": self.what,
            "id": self.id,
            "because": self.because,
            "title": self.title,
            "text": self.text,
            "facts": self.facts,
            "asked": self.asked,
            "on_path": self.path,
        }


@dataclass(slots=True)
class Chain:
    """The whole answer."""

    asked: str
    kind: str
    case: str
    device: str
    sentence: str
    links: list[Link]
    incident: str = ""
    """Where it is about one, or about a case that belongs to one."""

    @property
    def subject(self) -> tuple[str, str] | None:
        """What can be decided anew: a case or symptom and its device, or an incident and no device; None where nothing can."""
        if self.kind == "incident":
            return self.incident, ""
        name = self.case or (self.asked if self.kind == "symptom" else "")
        return (name, self.device) if name else None

    def json(self) -> dict[str, Any]:
        """For `--json` and the API."""
        return {
            "id": self.asked,
            "kind": self.kind,
            "case": self.case,
            "incident": self.incident,
            "device": self.device,
            "sentence": self.sentence,
            "chain": [link.json() for link in self.links],
        }
