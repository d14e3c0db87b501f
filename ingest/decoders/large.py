"""JSON of more than a few kilobytes, read as strictly as the rest, in time that a hostile payload cannot stretch.

A quick parser builds the objects. Whatever it would let through is found in the outline, the payload without its texts: how deep it nests,
how much it opens, whether a key stands twice (more colons than keys), and numbers beyond 64 bits. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import orjson

from vorab.errors import Reason, Rejected

MOST_OPENED: Final = 4_096
"""Objects and lists of a payload of 64 KiB at most, …"""
BYTES_EACH: Final = 16
"""… and of a larger one, where larger ones are let in, one for so many bytes, which is the same."""
_PLAIN: Final = 2_000
"""Pieces of a payload that the slow reader looks through within a millisecond, to say exactly why it is refused."""

_QUOTE: Final = ord('"')
_BRACKETS: Final = b"[]{}"
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEPS: Final = np.array([(byte in b"[{") - (byte in b"]}") for byte in range(256)], np.int8)
_NINES: Final = bytes.maketrans(b"0123456789", b"9999999999")
_LONG: Final = b"9" * 19
"""Digits that 64 bits may not hold."""
_WHOLE: Final = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19,}+(?![.eE])")
_KEY: Final = re.compile(r'"((?:[^"\\]|\\.){1,255})"\s*:\s*\[?\s*\Z', re.DOTALL)
_NO_NUMBER: Final = re.compile(r"-?(?:NaN|Infinity)")


def read(payload: bytes, most_depth: int, exactly: Callable[[bytes], Any]) -> Any:
    """The JSON value of a payload; `exactly` is the slow reader, which raises Rejected for whatever this refuses, with its reason.

    Raises:
        Rejected: TOO_DEEP, TOO_LARGE (too many objects and lists), BAD_UTF8, BAD_JSON, BAD_SHAPE (a key twice), BAD_VALUE or
            NOT_FINITE.
    """
    outline = _outline(payload)
    opened = _opened(outline, most_depth, max(MOST_OPENED, len(payload) // BYTES_EACH))
    try:
        found = orjson.loads(payload)
        why = _lenient(outline, found)
    except orjson.JSONDecodeError as error:
        why = _why(payload, error)
    if why is None:
        return found
    if 3 * opened + outline.count(b",") + outline.count(b":") <= _PLAIN:
        exactly(payload)
    raise why


def _outline(payload: bytes) -> bytes:
    """What stands outside of texts."""
    if b"\\" in payload:
        payload = payload.replace(rb"\\", b"__").replace(rb"\"", b"__")  # what is left of quotes begins or ends a text
    letters = np.frombuffer(payload, np.uint8)
    inside = np.cumsum(letters == _QUOTE, dtype=np.uint8) & 1
    outside: bytes = letters[inside == 0].tobytes()
    return outside


def _opened(outline: bytes, most_depth: int, most: int) -> int:
    """How many objects and lists there are; raises Rejected."""
    brackets = outline.translate(None, _NO_BRACKETS)
    opened = brackets.count(b"[") + brackets.count(b"{")
    if opened > most_depth and np.cumsum(_STEPS[np.frombuffer(brackets, np.uint8)], dtype=np.int32).max() > most_depth:
        raise Rejected(Reason.TOO_DEEP, f"nested deeper than {most_depth}")
    if opened > most:
        raise Rejected(Reason.TOO_LARGE, f"{opened} objects and lists, at most {most}")
    return opened


def _lenient(outline: bytes, found: Any) -> Rejected | None:
    """Why a payload that the parser took is refused all the same."""
    if outline.count(b":") != _keys(found):
        return Rejected(Reason.BAD_SHAPE, "a key stands twice in an object")
    if _LONG in outline.translate(_NINES) and any(not -(2**63) <= int(digits) < 2**64 for digits in _wholes(outline)):
        return Rejected(Reason.BAD_VALUE, "a number that does not fit 64 bits")
    return None


def _wholes(outline: bytes) -> list[bytes]:
    return [digits[:40] for digits in _WHOLE.findall(outline)]


def _keys(found: Any) -> int:
    """How many keys stand in all objects together."""
    keys, level = 0, [found]
    while level:
        objects = [item for item in level if type(item) is dict]
        keys += sum(map(len, objects))
        inner = [item for some in objects for item in some.values() if type(item) is dict or type(item) is list]
        if len(objects) < len(level):
            for some in level:
                if type(some) is list:
                    inner += [item for item in some if type(item) is dict or type(item) is list]
        level = inner
    return keys


def _why(payload: bytes, error: orjson.JSONDecodeError) -> Rejected:
    """Why the parser would not take it."""
    try:
        text = payload.decode()
    except UnicodeDecodeError as wrong:
        return Rejected(Reason.BAD_UTF8, f"byte {wrong.start} is not UTF-8")
    if "surrogate" in error.msg:
        return Rejected(Reason.BAD_UTF8, "half of a surrogate pair")
    start = text.rfind("-", max(0, error.pos - 1), error.pos + 1)
    start = error.pos if start < 0 else start
    if "infinity" in error.msg or _NO_NUMBER.match(text, start):
        key = _KEY.search(text, max(0, start - 300), start)
        return Rejected(Reason.NOT_FINITE, f"{key[1][:60] if key else f'character {start}'}: not a finite number")
    return Rejected(Reason.BAD_JSON, f"{error.msg.partition(':')[0]} at character {error.pos}")
