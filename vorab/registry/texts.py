"""Words of people as values: lists, yes and no, `a=1 b=2`; what is none stays as it is, for the check that follows. Pure."""

from __future__ import annotations

import math
from datetime import time
from typing import Final
from zoneinfo import ZoneInfo

_YES: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def words(value: object) -> list[str]:
    """A list of words, from a list or from text with spaces, commas or semicolons between them."""
    if isinstance(value, list | tuple):
        return [str(word) for word in value]
    return str(value).replace(",", " ").replace(";", " ").split()


def truth(value: object) -> object:
    """Yes and no as people write them; anything else as it is, for the record's own check."""
    return _YES.get(value.strip().lower(), value) if isinstance(value, str) else value


def mapping(value: object) -> object:
    """`a=1 b=2` as a mapping; anything else as it is."""
    if not isinstance(value, str):
        return value
    return dict(part.partition("=")[::2] for part in words(value))


def finite(value: object) -> bool:
    """Whether this is a number, or reads like one."""
    try:
        return not isinstance(value, bool) and math.isfinite(float(str(value)))
    except ValueError:
        return False


def is_zone(name: object) -> bool:
    """Whether the time zone database has this name."""
    try:
        ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return False
    return True


def is_time_of_day(text: object) -> bool:
    """Whether this is a time of day: 22:00."""
    try:
        time.fromisoformat(str(text))
    except ValueError:
        return False
    return True
