"""JSON without leniency: depth is bounded before parsing, and what other parsers let through is refused with its reason.

Duplicate keys are refused: readers disagree which one counts, and two values of `seq` would make two readings of one.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from ingest.decoders import large
from vorab.errors import Reason, Rejected

MAX_DEPTH: Final = 16
_SMALL: Final = 2_048
"""Payloads up to here are read token by token; larger ones would take too long that way."""
_DIGITS: Final = 20
"""As many as the largest 64-bit number has, with its sign; longer ones are never turned into a number."""

# Possessive, so that a payload of quotes and backslashes costs one pass and not one per quote.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS: Final = re.compile(rb"[\[\]{}]")


def parse(payload: bytes) -> Any:
    """The JSON value of a payload.

    Raises:
        Rejected: EMPTY, TOO_DEEP, TOO_LARGE, BAD_UTF8, BAD_JSON, BAD_SHAPE (a key twice), BAD_VALUE or NOT_FINITE.
    """
    if not payload.strip(b" \t\r\n"):
        raise Rejected(Reason.EMPTY, "no payload")
    if len(payload) > _SMALL:
        return large.read(payload, MAX_DEPTH, exactly)
    check_depth(payload)
    return exactly(payload)


def exactly(payload: bytes) -> Any:
    """The JSON value of a payload of bounded depth, token by token; raises Rejected as `parse` does."""
    try:
        return _DECODER.decode(payload.decode())
    except Rejected as why:
        if why.reason is Reason.NOT_FINITE and (name := _name_of_what_is_not_finite(payload.decode())):
            raise Rejected(Reason.NOT_FINITE, f"{name[:60]}: not a finite number") from None
        raise
    except UnicodeDecodeError as error:
        raise Rejected(Reason.BAD_UTF8, f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Rejected(Reason.BAD_JSON, f"{error.msg} at character {error.pos}") from None


def check_depth(payload: bytes) -> None:
    """Refuse what nests deeper than `MAX_DEPTH`, without parsing it."""
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKETS.finditer(_STRINGS.sub(b"", payload)):
        if bracket[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Rejected(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
        else:
            depth -= 1


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise Rejected(Reason.BAD_SHAPE, f"the key {key[:60]!r} stands twice")
        _check_text(key)
        if isinstance(value, str):
            _check_text(value)
        made[key] = value
    return made


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Rejected(Reason.BAD_UTF8, "half of a surrogate pair") from None


def _int(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise Rejected(Reason.BAD_VALUE, "a number that does not fit 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Rejected(Reason.NOT_FINITE, f"{digits[:30]} is not a finite number")
    return value


def _constant(name: str) -> float:
    raise Rejected(Reason.NOT_FINITE, f"{name} is not JSON")


class _FoundError(Exception):
    """Ends the search with a name."""


def _search(pairs: list[tuple[str, Any]]) -> None:
    for key, value in pairs:
        if _has_one(value):
            # SenML keeps the name of a signal beside its value.
            named = dict(pairs).get("n") if key in {"v", "s"} else None
            raise _FoundError(named if isinstance(named, str) else key)


def _has_one(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_one, value))
    return isinstance(value, float) and not math.isfinite(value)


def _name_of_what_is_not_finite(text: str) -> str:
    """Read a refused payload once more, for the key of the first number that is none; empty where there is no key."""
    try:
        _SEARCHER.decode(text)
    except _FoundError as found:
        return str(found)
    except json.JSONDecodeError:
        pass
    return ""


_SEARCHER: Final = json.JSONDecoder(object_pairs_hook=_search, parse_int=len)
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_int, parse_float=_float, parse_constant=_constant)
