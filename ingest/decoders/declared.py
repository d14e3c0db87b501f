"""What an entry of the topic map declares becomes a decoder: maps, layouts, plain text, and functions of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from ingest.decoders import CONTENT_TYPES, Decoder, custom, strict, text
from ingest.decoders.mapped import Mapped
from ingest.decoders.packed import Reader
from ingest.decoders.text import Text
from vorab.errors import Reason, Rejected
from vorab.payloads import PlainText
from vorab.settings import TopicMapEntry

Maker = Callable[[Mapping[str, str]], str | Decoder]
"""From what the captures of a topic matched to the decoder of its messages."""


def maker(entry: TopicMapEntry) -> Maker:
    """How the payloads of an entry are read; raises ConfigError for a function that cannot be loaded."""
    if entry.map is not None:
        return _always(Decoder(strict.parse, Mapped(entry.map, entry.zone).rows))
    if entry.packed:
        reader = Reader(entry.packed)
        return _always(Decoder(reader.parse, reader.rows))
    if entry.text is not None or entry.decoder == "text":
        spec = entry.text or PlainText()
        # Devices share the names of their signals; one decoder for each name, and not for each topic.
        by_name = functools.lru_cache(4096)(lambda name: Decoder(text.parse, Text(spec, name).rows))
        return lambda named: by_name(named.get("name", ""))
    if ":" in entry.decoder:
        rows = custom.load(entry.decoder)
        return _always(Decoder(_bytes, rows))  # type: ignore[arg-type]  # what _bytes gave
    return _always(entry.decoder)


def by_properties(decoder: str | Decoder, tail: str) -> str | Decoder:
    """The decoder of a topic that ends in properties as Azure IoT Hub writes them: `$.ct=application%2Fjson&$.ce=utf-8`."""
    if decoder != "auto" or "$.ct=" not in tail:
        return decoder
    content_type = parse_qs(tail).get("$.ct", [""])[0]
    named = CONTENT_TYPES.get(content_type.partition(";")[0].strip().lower())

    def refuse(_: bytes) -> object:
        raise Rejected(Reason.UNSUPPORTED, f"content type {content_type[:100]!r}")

    return Decoder(refuse, lambda *_: []) if named is None else named or decoder


def speaks_of_others(entry: TopicMapEntry) -> bool:
    """Whether a decoder of this entry may name devices behind the sender."""
    return (entry.map is not None and entry.map.device is not None) or any(each.device for each in entry.packed) or ":" in entry.decoder


def _always(decoder: str | Decoder) -> Maker:
    return lambda _: decoder


def _bytes(payload: bytes) -> object:
    return payload
