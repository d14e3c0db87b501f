"""From payloads to rows: pure, bounded before anything is parsed, and whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ingest.decoders import cbor, cloudevents, flat, senml
from ingest.decoders.rows import Limits, Row, Sender
from ingest.decoders.strict import parse
from vorab.errors import Reason, Rejected

__all__ = ["Decoder", "Limits", "Row", "Sender", "decode", "is_json", "is_pack"]


class Decoder(NamedTuple):
    """One way to read a payload; both steps are pure and raise Rejected."""

    parse: Callable[[bytes], object]
    """From bytes to plain objects, with depth and size bounded before anything is built."""
    rows: Callable[[object, Sender], list[Row]]


DECODERS: Final[Mapping[str, Decoder]] = {
    "json": Decoder(parse, flat.rows),
    "senml+json": Decoder(parse, senml.rows),
    "cbor": Decoder(cbor.parse, cbor.rows),
    "senml+cbor": Decoder(cbor.parse, cbor.pack_rows),
    "cloudevents+json": Decoder(parse, cloudevents.rows),
}

# What devices write into the MQTT 5 content type; parameters (`; charset=…`) are cut off before.
CONTENT_TYPES: Final = {
    "": "",
    "application/json": "",
    "text/json": "",
    "text/plain": "",
    "application/senml+json": "senml+json",
    "application/sensml+json": "senml+json",
    "application/cbor": "cbor",
    "application/senml+cbor": "senml+cbor",
    "application/cloudevents+json": "cloudevents+json",
    "application/sensml+cbor": "senml+cbor",
}


def _named(content_type: str) -> str | None:
    return CONTENT_TYPES.get(content_type.partition(";")[0].strip().lower())


def is_json(content_type: str) -> bool:
    """Whether a message of this content type is read as if it had named none."""
    return not content_type or _named(content_type) == ""


def is_pack(content_type: str, payload: bytes) -> bool:
    """Whether the content type says no more than the payload shows: a SenML pack in JSON, or CBOR."""
    named = _named(content_type)
    return (named == "senml+json" and payload[:1] == b"[") or (named in {"cbor", "senml+cbor"} and cbor.starts(payload))


def decode(
    payload: bytes, sender: Sender, *, decoder: str | Decoder = "auto", content_type: str = "", limits: Limits | None = None
) -> list[Row]:
    """The rows of one message; `decoder` is what the topic map says, `content_type` what the message says.

    With `auto` the content type decides, and where there is none, the look of the payload. A decoder that the topic map names reads
    every payload, whatever its content type.

    At least one row has a value; one without is there only where it wants to be acknowledged.

    Raises:
        Rejected: with the reason; then nothing of the message is taken.
    """
    bounds = limits or Limits()
    if len(payload) > bounds.payload_bytes:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes, at most {bounds.payload_bytes}")
    found = _found(payload, sender, decoder, content_type)
    if not any(row.values for row in found):
        raise Rejected(Reason.EMPTY, "no value in it")
    if len(found) > bounds.rows:
        raise Rejected(Reason.TOO_LARGE, f"{len(found)} rows, at most {bounds.rows}")
    return [row for row in found if row.values or row.acked is not None]


def _found(payload: bytes, sender: Sender, decoder: str | Decoder, content_type: str) -> list[Row]:
    if decoder == "auto":
        named = _named(content_type)
        if named is None:
            raise Rejected(Reason.UNSUPPORTED, f"content type {content_type[:100]!r}")
        if named == "cbor" or (not named and cbor.starts(payload)):
            return cbor.any_rows(cbor.parse(payload), sender)
        if not named:
            parsed = parse(payload)
            return senml.rows(parsed, sender) if senml.looks_like(parsed) else flat.rows(parsed, sender)
        decoder = named
    chosen = decoder if isinstance(decoder, Decoder) else DECODERS[decoder]
    return chosen.rows(chosen.parse(payload), sender)
