"""CBOR (RFC 8949) without surprises: plain maps as flat JSON, and SenML packs (RFC 8428, section 6) by their numbered labels.

The library builds the objects; here it is told to bound the depth, to refuse keys that stand twice and to know no tags but decimal
fractions (which SenML allows) and the mark of CBOR itself. What comes out is checked once more to be plain data.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from typing import Any, Final

import cbor2

from ingest.decoders import flat, senml
from ingest.decoders.rows import Row, Sender
from ingest.decoders.strict import MAX_DEPTH
from vorab.errors import Reason, Rejected

LABELS: Final = {
    -6: "bs", -5: "bv", -4: "bu", -3: "bt", -2: "bn", -1: "bver",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
"""RFC 8428, table 4. The table is closed: extensions have text labels, so another number is a mistake."""

SELF: Final = b"\xd9\xd9\xf7"
"""The tag that says `this is CBOR`."""
_LONGEST: Final = 4096
"""Elements of a list: about as many records as the largest JSON payload holds."""
_DECIMAL: Final = 4
_FAREST: Final = 400
"""Exponents of ten beyond this are no telemetry, and powers of them would be large."""
# The tags for which the library has classes of its own (dates, references, regular expressions, …); all others it hands to `tag_hook`.
_KNOWN_TAGS: Final = (0, 1, 2, 3, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)


def starts(payload: bytes) -> bool:
    """Whether this can only be CBOR: an array or map, whose first byte is no UTF-8 text could begin with."""
    return payload[:1] >= b"\x80" and (payload[:1] < b"\xc0" or payload.startswith(SELF))


def parse(payload: bytes) -> Any:
    """The value of a payload, as JSON would have it, with bytes as bytes and any keys that are text or whole numbers.

    Raises:
        Rejected: EMPTY, TOO_DEEP, BAD_UTF8, BAD_CBOR, BAD_SHAPE (a key twice), UNSUPPORTED (a tag) or NOT_FINITE.
    """
    if not payload:
        raise Rejected(Reason.EMPTY, "no payload")
    reader = io.BytesIO(payload.removeprefix(SELF))
    decoder = cbor2.CBORDecoder(reader, tag_hook=_no_tag, semantic_decoders=_TAGS, max_depth=MAX_DEPTH, allow_duplicate_keys=False)
    try:
        found = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError) as error:
        raise _refusal(error) from None
    if rest := reader.read():
        raise Rejected(Reason.BAD_CBOR, f"{len(rest)} bytes after the end")
    return _plain(found, "")


def rows(parsed: object, sender: Sender) -> list[Row]:
    """The rows of a plain map, or of a list of them, as of flat JSON; raises Rejected."""
    return flat.rows(_worded(parsed), sender)


def pack_rows(parsed: object, sender: Sender) -> list[Row]:
    """The rows of a SenML pack; raises Rejected."""
    return senml.rows(labelled(parsed), sender)


def any_rows(parsed: object, sender: Sender) -> list[Row]:
    """The rows of either, by its look: only SenML numbers its labels."""
    if isinstance(parsed, list) and any(isinstance(item, dict) and any(type(key) is int for key in item) for item in parsed):
        return pack_rows(parsed, sender)
    return senml.rows(parsed, sender) if senml.looks_like(parsed) else rows(parsed, sender)


def labelled(parsed: object) -> object:
    """A pack under the labels it would have in JSON, data as base64url; raises Rejected."""
    if not isinstance(parsed, list):
        return parsed
    return [_labelled(record, i) if isinstance(record, dict) else record for i, record in enumerate(parsed)]


def _labelled(record: dict[Any, Any], i: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in record.items():
        label = LABELS.get(key) if type(key) is int else key
        if label is None:
            raise Rejected(Reason.UNSUPPORTED, f"record {i}: {key} is no label of SenML")
        if label in made:
            raise Rejected(Reason.BAD_SHAPE, f"record {i}: {label} stands twice")
        if isinstance(value, bytes):
            if label in senml.LABELS and label != "vd":
                raise Rejected(Reason.BAD_VALUE, f"record {i}: {label} holds bytes")
            value = base64.urlsafe_b64encode(value).rstrip(b"=").decode()  # noqa: PLW2901 - as SenML in JSON writes it
        made[label] = value
    return made


def _worded(value: object) -> object:
    if isinstance(value, dict):
        for key, inner in value.items():
            if type(key) is not str:
                raise Rejected(Reason.BAD_NAME, f"the key {key} is no text")
            if isinstance(inner, bytes):
                raise Rejected(Reason.BAD_VALUE, f"{key[:60]}: bytes are not a value")
        return {key: _worded(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
    return [_worded(inner) for inner in value] if isinstance(value, list) else value


def _plain(value: Any, name: str) -> Any:
    kind = type(value)
    if kind is dict:
        return {_key(key): _plain(inner, str(LABELS.get(key, key) if type(key) is int else key)) for key, inner in value.items()}
    if kind is list:
        if len(value) > _LONGEST:
            raise Rejected(Reason.TOO_LARGE, f"a list of {len(value)}, at most {_LONGEST}")
        return [_plain(inner, name) for inner in value]
    if kind is float and not math.isfinite(value):
        raise Rejected(Reason.NOT_FINITE, f"{name[:60]}: not a finite number")
    if value is cbor2.undefined:
        return None
    if value is not None and kind not in {float, int, str, bool, bytes}:
        raise Rejected(Reason.UNSUPPORTED, f"{name[:60]}: {kind.__name__} is not plain data")
    return value


def _key(key: object) -> object:
    if type(key) not in {str, int}:
        raise Rejected(Reason.BAD_NAME, f"a key that is {type(key).__name__}, neither text nor a whole number")
    return key


def _no_tag(tag: Any, _immutable: bool) -> Any:  # noqa: FBT001 - as the library calls it
    raise Rejected(Reason.UNSUPPORTED, f"CBOR tag {tag.tag}")


def _refuse(tag: int) -> Callable[[Any, bool], Any]:
    def refuse(_value: Any, _immutable: bool) -> Any:  # noqa: FBT001 - as the library calls it
        raise Rejected(Reason.UNSUPPORTED, f"CBOR tag {tag}")

    return refuse


def _decimal(value: Any, _immutable: bool) -> float | int:  # noqa: FBT001 - as the library calls it
    """Tag 4: `[exponent, mantissa]`, as the nearest float; SenML allows it for numbers."""
    if not isinstance(value, list | tuple) or [type(part) for part in value] != [int, int]:
        raise Rejected(Reason.BAD_CBOR, "a decimal fraction that is not two whole numbers")
    exponent, mantissa = value
    if abs(exponent) > _FAREST:
        raise Rejected(Reason.BAD_VALUE, f"a decimal fraction with exponent {exponent}")
    return float(f"{mantissa}e{exponent}")


_TAGS: Final[dict[int, Callable[[Any, bool], Any]]] = {**{tag: _refuse(tag) for tag in _KNOWN_TAGS}, _DECIMAL: _decimal}


def _refusal(error: BaseException) -> Rejected:
    """Why the library would not read it, in our words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Rejected):
            return cause
        if isinstance(cause, UnicodeDecodeError):
            return Rejected(Reason.BAD_UTF8, f"byte {cause.start} of a text is not UTF-8")
        cause = cause.__cause__ or cause.__context__
    text = str(error)
    if "depth" in text:
        return Rejected(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
    if "Duplicate" in text:
        return Rejected(Reason.BAD_SHAPE, f"a key stands twice: {text.rpartition(':')[2].strip()[:60]}")
    return Rejected(Reason.BAD_CBOR, text[:160])
