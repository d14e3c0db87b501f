"""Values that configuration describes: words, numbers, scale, range, and what means nothing. Pure; shared by mapped, packed and text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

from ingest.decoders.rows import check_value
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.payloads import Measured, Said

Reader = Callable[[object], Value | None]
"""From what was found to a value, None where it means nothing; raises Rejected."""

_NUMBER: Final = re.compile(
    r"\s*[+-]?(?:\d{1,20}|(?=[\d.]{2,40}(?:[eE]|\s*$))\d*\.\d*(?:[eE][+-]?\d{1,3})?|\d{1,20}[eE][+-]?\d{1,3})\s*", re.ASCII
)
_ENDLESS: Final = frozenset({"nan", "inf", "infinity"})


def number_in(name: str, text: str) -> int | float:
    """The number a text holds; raises Rejected (NOT_FINITE, BAD_VALUE) where it holds none."""
    if _NUMBER.fullmatch(text):
        try:
            return int(text)
        except ValueError:
            return float(text)
    if text.strip().lower().lstrip("+-") in _ENDLESS:
        raise Rejected(Reason.NOT_FINITE, f"{name}: {text.strip()[:20]} is not a finite number")
    raise Rejected(Reason.BAD_VALUE, f"{name}: {text[:40]!r} is not a number")


def measured(name: str, spec: Measured) -> Callable[[int | float], int | float]:
    """Scale, offset and range of a number; raises Rejected for a number outside of the range."""
    scale, offset, low, high = spec.scale, spec.offset, spec.min, spec.max
    # 3 / 10 is 0.3 and 3 * 0.1 is not.
    parts = round(1 / scale)
    divisor = parts if 0 < abs(scale) < 1 and 1 / parts == scale else None

    def apply(value: float) -> int | float:
        if divisor is not None:
            value = value / divisor
        elif scale != 1:
            value = value * scale
        if offset:
            value = value + offset
        if (low is not None and value < low) or (high is not None and value > high):
            raise Rejected(Reason.BAD_VALUE, f"{name}: {value} is not within {_end(low)} to {_end(high)}")
        return value

    return apply


def _end(bound: float | None) -> str:
    return "any" if bound is None else str(bound)


def nothing(spec: Measured) -> Callable[[object], bool]:
    """Whether a raw value means that nothing was measured."""
    nan = any(isinstance(value, float) and math.isnan(value) for value in spec.none)
    numbers = {value for value in spec.none if not isinstance(value, str)}
    words = {value.strip().lower() for value in spec.none if isinstance(value, str)}

    def means_nothing(value: object) -> bool:
        if isinstance(value, str):
            return value.strip().lower() in words
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return value in numbers or (nan and isinstance(value, float) and math.isnan(value))

    return means_nothing


def said(name: str, spec: Said) -> Reader:
    """The reader of a value that came as JSON or text; objects and lists are refused."""
    empty, number, kind = nothing(spec), measured(name, spec), spec.type
    truths = {word.lower(): True for word in spec.true} | {word.lower(): False for word in spec.false}

    def read(value: object) -> Value | None:
        if value is None or empty(value):
            return None
        if not isinstance(value, str | bool | int | float):
            raise Rejected(Reason.BAD_SHAPE, f"{name}: {'an object' if isinstance(value, dict) else 'a list'} is not a value")
        if kind == "bool":
            made: Value = _truth(name, value, truths)
        elif kind == "text":
            made = str(value).lower() if isinstance(value, bool) else str(value)
        elif kind == "auto" and isinstance(value, bool | str) and not spec.counts:
            made = value
        elif isinstance(value, bool):
            raise Rejected(Reason.BAD_VALUE, f"{name}: {str(value).lower()} is not a number")
        else:
            made = number(number_in(name, value) if isinstance(value, str) else value)
        check_value(name, made)
        return made

    return read


def _truth(name: str, value: str | float, words: dict[str, bool]) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else f"{value:.0f}" if value == int(value) else str(value)
    if text not in words:
        raise Rejected(Reason.BAD_VALUE, f"{name}: {text[:40]!r} is neither one of the words for true nor one for false")
    return words[text]
