"""CBOR (RFC 8949) without surprises: plain maps as flat JSON, and SenML packs (RFC 8428, section 6) by their numbered labels.

The library builds the objects; here it is told to bound the depth, to refuse keys that stand twice and to know no tags but decimal
fractions (which SenML allows) and the mark of CBOR itself. What comes out is checked once more to be plain data.
"""

from __future__ import annotations

import io
import itertools
import math
from binascii import b2a_base64
from collections.abc import Callable
from typing import Any, Final

import cbor2

from ingest.decoders import flat, senml
from ingest.decoders.rows import Row, Sender, check_count
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
_SMALL: Final = 2_048
_MOST_PIECES: Final = 12_288
"""Values, keys not counted, lists and maps of one payload."""
_MOST_HEADS, _MOST_HEADED = 20_000, 8_192
_NO_HEADS: Final = bytes(byte for byte in range(256) if not 0x80 <= byte <= 0xBF)
"""All bytes but those that a list or a map begins with."""
_MOST_DECIMALS: Final = 1_024
"""Of one payload: each takes as long as a dozen other numbers."""
_ATOMS: Final = frozenset({int, str, bool, bytes, type(None)})
_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")
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
        Rejected: EMPTY, TOO_DEEP, TOO_LARGE, BAD_UTF8, BAD_CBOR, BAD_SHAPE (a key twice), UNSUPPORTED (a tag) or NOT_FINITE.
    """
    if not payload:
        raise Rejected(Reason.EMPTY, "no payload")
    tags = _TAGS
    if len(payload) > _SMALL:
        _check_heads(payload)
        tags = {**_TAGS, _DECIMAL: _few(_decimal)}
    reader = io.BytesIO(payload.removeprefix(SELF))
    decoder = cbor2.CBORDecoder(reader, tag_hook=_no_tag, semantic_decoders=tags, max_depth=MAX_DEPTH, allow_duplicate_keys=False)
    try:
        found = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError) as error:
        raise _refusal(error) from None
    if rest := reader.read():
        raise Rejected(Reason.BAD_CBOR, f"{len(rest)} bytes after the end")
    if type(found) is list:
        check_count(len(found))  # whatever they are
    return _Plain().value(found, "")


def _check_heads(payload: bytes) -> None:
    """Refuse what would be built of very many lists and maps, before it is built; raises Rejected (TOO_LARGE).

    They are counted by the bytes they begin with. Texts and numbers hold such bytes as well, so where there are many, each piece is
    looked at, without what is in it.
    """
    if len(payload.translate(None, _NO_HEADS)) <= _MOST_HEADS:
        return
    at = pieces = 0
    while at < len(payload):
        pieces += 1
        if pieces > _MOST_HEADED:
            raise Rejected(Reason.TOO_LARGE, f"more than {_MOST_HEADED} pieces, most of them lists and maps")
        first = payload[at]
        size, at = first & 0x1F, at + 1
        if size >= 0x18:
            more = 1 << size - 0x18 if size < 0x1C else 0
            size, at = int.from_bytes(payload[at : at + more], "big"), at + more
        if first >> 5 in {2, 3}:
            at += size


def rows(parsed: object, sender: Sender) -> list[Row]:
    """The rows of a plain map, or of a list of them, as of flat JSON; raises Rejected."""
    _check_worded(parsed)
    return flat.rows(parsed, sender)


def pack_rows(parsed: object, sender: Sender) -> list[Row]:
    """The rows of a SenML pack; raises Rejected."""
    return senml.rows(labelled(parsed), sender)


def any_rows(parsed: object, sender: Sender) -> list[Row]:
    """The rows of either, by its look: only SenML numbers its labels."""
    if isinstance(parsed, list) and any(int in set(map(type, item)) for item in parsed if type(item) is dict):
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
        label = LABELS.get(key)
        if label is None:
            if type(key) is int:
                raise Rejected(Reason.UNSUPPORTED, f"record {i}: {key} is no label of SenML")
            label = key
        if type(value) is bytes:
            if label in senml.LABELS and label != "vd":
                raise Rejected(Reason.BAD_VALUE, f"record {i}: {label} holds bytes")
            value = b2a_base64(value, newline=False).rstrip(b"=").translate(_URLSAFE).decode()  # noqa: PLW2901 - as SenML in JSON writes it
        made[label] = value
    if len(made) < len(record):
        labels = [LABELS.get(key, key) for key in record]
        twice = next(label for label in labels if labels.count(label) > 1)
        raise Rejected(Reason.BAD_SHAPE, f"record {i}: {twice} stands twice")
    return made


def _check_worded(value: object) -> None:
    """Refuse keys that are no text, and values that are bytes."""
    if type(value) is dict:
        for key, inner in value.items():
            if type(key) is not str:
                raise Rejected(Reason.BAD_NAME, f"the key {key} is no text")
            kind = type(inner)
            if kind is bytes:
                raise Rejected(Reason.BAD_VALUE, f"{key[:60]}: bytes are not a value")
            if kind is dict:
                _check_worded(inner)
    elif type(value) is list:
        for inner in value:
            _check_worded(inner)


class _Plain:
    """Looks through what the library built, and refuses what is no plain data or too much of it."""

    def __init__(self) -> None:
        self._left = _MOST_PIECES

    def value(self, value: Any, name: str) -> Any:
        """The same, with what is undefined as null; raises Rejected."""
        kind = type(value)
        if kind is dict:
            return self._map(value)
        if kind is list:
            return self._list(value, name)
        if kind is float and not math.isfinite(value):
            raise Rejected(Reason.NOT_FINITE, f"{name[:60]}: not a finite number")
        if value is cbor2.undefined:
            return None
        if kind is not float and kind not in _ATOMS:
            raise Rejected(Reason.UNSUPPORTED, f"{name[:60]}: {kind.__name__} is not plain data")
        return value

    def _map(self, found: dict[Any, Any]) -> dict[Any, Any]:
        self._take(len(found) + 1)
        for key, value in found.items():
            if type(key) is not str and type(key) is not int:
                raise Rejected(Reason.BAD_NAME, f"a key that is {type(key).__name__}, neither text nor a whole number")
            kind = type(value)
            if kind not in _ATOMS and not (kind is float and math.isfinite(value)):
                found[key] = self.value(value, str(LABELS.get(key, key) if type(key) is int else key))
        return found

    def _list(self, found: list[Any], name: str) -> list[Any]:
        if len(found) > _LONGEST:
            raise Rejected(Reason.TOO_LARGE, f"a list of {len(found)}, at most {_LONGEST}")
        self._take(len(found) + 1)
        if not _ATOMS.issuperset(map(type, found)):
            for i, value in enumerate(found):
                found[i] = self.value(value, name)
        return found

    def _take(self, pieces: int) -> None:
        self._left -= pieces
        if self._left < 0:
            raise Rejected(Reason.TOO_LARGE, f"more than {_MOST_PIECES} values, lists and maps")


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


def _few(read: Callable[[Any, bool], float | int]) -> Callable[[Any, bool], float | int]:
    """The same reader, for one payload, which may not use it all the time."""
    count = itertools.count(1)

    def read_one(value: Any, immutable: bool) -> float | int:  # noqa: FBT001 - as the library calls it
        if next(count) > _MOST_DECIMALS:
            raise Rejected(Reason.TOO_LARGE, f"more than {_MOST_DECIMALS} decimal fractions")
        return read(value, immutable)

    return read_one


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
