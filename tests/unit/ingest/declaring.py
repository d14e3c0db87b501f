"""Entries of a topic map as an operator writes them, and what they make of a payload."""

from __future__ import annotations

import json
import tomllib

from ingest.decoders import Limits, Row, Sender, decode
from ingest.topicmap import TopicMap
from vorab.clock import SECOND
from vorab.settings import TopicMapEntry

NOW = 1_795_000_000 * SECOND


def rows(text: str, payload: object, topic: str = "plant/pump-7/up", content_type: str = "") -> list[Row]:
    """The rows of a payload, by an entry written as TOML (its filter is plant/{device}/up unless it says another)."""
    spec = tomllib.loads(text)
    spec.setdefault("filter", "plant/{device}/up")
    route = TopicMap([TopicMapEntry.model_validate(spec)], 12, 0).resolve(topic.encode())
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(data, Sender(route.device, route.key, NOW), decoder=route.decoder, content_type=content_type, limits=Limits())
