"""A cell of a CSV file as a time or a number, however exports write them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Final

from vorab.clock import Micros

_MISSING: Final = frozenset({"", "nan", "null", "none", "na", "n/a"})
_FLAGS: Final[Mapping[str, float]] = {"true": 1.0, "false": 0.0, "on": 1.0, "off": 0.0, "yes": 1.0, "no": 0.0}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE: Final = timedelta(microseconds=1)
_SCALES: Final = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1), (math.inf, Fraction(1, 1000)))
"""Seconds reach 1e11 in the year 5138, milliseconds were there in 1973; above come µs, then ns."""
_LAST: Final[Micros] = 7_258_118_400_000_000
"""The year 2200: what lies beyond is no time but a slip."""
_COMMA: Final = re.compile(r"[+-]?\d+,\d+")


def parse_time(text: str, zone: tzinfo = UTC) -> Micros:
    """ISO 8601, or seconds, milliseconds, µs or ns since 1970, as µs; `zone` is that of times that name none.

    Raises:
        ValueError: neither, or no time between 1970 and 2200.
    """
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no time: 2026-11-23T22:00:00Z, or seconds or ms since 1970") from None
        at = ((moment if moment.tzinfo else moment.replace(tzinfo=zone)) - _EPOCH) // _ONE
    else:
        if not math.isfinite(number):
            raise ValueError(f"{text!r} is no time")
        # A whole number is not led through floating point: it may be ns.
        scale = next(factor for below, factor in _SCALES if abs(number) < below)
        at = round((int(text) if text.isascii() and text.isdigit() else number) * scale)
    if not 0 < at < _LAST:
        raise ValueError(f"{text!r} is no time between 1970 and 2200")
    return int(at)


def parse_value(text: str) -> float | None:
    """A number, finite or not, or a flag; None for a missing one.

    Raises:
        ValueError: something else.
    """
    try:
        number = float(text)
    except ValueError:
        word = text.strip().lower()
        if word in _MISSING:
            return None
        if word in _FLAGS:
            return _FLAGS[word]
        if _COMMA.fullmatch(word):
            return float(word.replace(",", "."))
        raise ValueError(f"{text.strip()!r} is no number") from None
    return None if math.isnan(number) else number
