"""Messages as real devices send them, from their logs and their makers' documentation, and how a test lets a dialect hear them.

One file per message in tests/samples: the first line is the topic, the rest the payload, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from ingest.dialects.words import Dialect, Heard, Order, Word
from ingest.topicmap import TopicMap
from vorab.clock import MINUTE, SECOND
from vorab.errors import Reason, Rejected
from vorab.records import Action
from vorab.settings import TopicMapEntry

SAMPLES: Final = Path(__file__).parent / "samples"
NOW: Final = 1_795_464_000 * SECOND
"""2026-11-23T20:00:00Z, a little after the recordings."""


def recorded(name: str) -> tuple[str, bytes]:
    """Topic and payload of a recorded message."""
    topic, _, payload = (SAMPLES / name).read_bytes().partition(b"\n")
    return topic.decode(), payload


def all_recorded(dialect: str) -> list[tuple[str, bytes]]:
    """Every recorded message of a dialect."""
    return [recorded(f"{dialect}/{path.name}") for path in sorted((SAMPLES / dialect).iterdir())]


def heard(
    dialect: Dialect,
    topic: str,
    payload: bytes,
    *,
    entry: str = "",
    named: Mapping[str, str] | None = None,
    retained: bool = False,
    zone: str = "",
) -> Heard | None:
    """The message as the dialect's usual topics bring it, or a topic map entry with this filter; None where they would not.

    `named` are captures that no entry could make.
    """
    if named is not None:
        return Heard(tuple(topic.split("/")), named, (), payload, NOW, retained, zone=zone)
    entries = [TopicMapEntry(filter=wanted, dialect=dialect.name, zone=zone) for wanted in ([entry] if entry else dialect.filters)]
    try:
        route = TopicMap(entries, 4, 0).resolve(topic.encode())
    except Rejected:
        return None
    return Heard(route.levels, route.named, route.tail, payload, NOW, retained, zone=zone) if route.kind == "dialect" else None


def hear(dialect: Dialect, topic: str, payload: Any, **more: Any) -> list[Word]:
    """What the dialect makes of a message."""
    found = heard(dialect, topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), **more)
    assert found is not None, topic
    return list(dialect.hear(found))


def refusal(dialect: Dialect, topic: str, payload: Any, **more: Any) -> Reason:
    """Why a message is not taken."""
    with pytest.raises(Rejected) as why:
        hear(dialect, topic, payload, **more)
    return why.value.reason


def order(dialect: Dialect, name: str, params: Mapping[str, Any], address: str, *, device: str = "x", number: str = "a1") -> Order:
    """A command in the words of a dialect."""
    action = Action(
        id=number, device=device, case="c", remedy="r", name=name, params=dict(params), at=NOW, not_before=NOW, not_after=NOW + 5 * MINUTE
    )
    return dialect.command(action, address, NOW)
