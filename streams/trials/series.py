"""Readings in a line of text: `20x5 21 22+1x10 _x3 'E17'`, after the series of Prometheus' unit tests. Pure.

20x5        five readings of 20 (Prometheus writes one more)
22+1x10     ten readings: 22, 23, … 31; 22-0.5x4 falls
20~0.3x100  a hundred readings of 20 with noise of standard deviation 0.3, the same on every run
_           a reading that did not come; _x12 twelve of them
true, false flags;  'E17' or "E17" words, also 'E17'x3
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Final

Value = float | bool | str | None
MOST: Final = 1_000_000
"""Readings in one series; what is longer is a CSV file."""
EXAMPLE: Final = "20x5 21 22+1x10 _x3"

_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TOKEN: Final = re.compile(
    rf"""(?:(?P<gap>_)|(?P<flag>true|false)|(?P<quote>['"])(?P<word>.*?)(?P=quote)
        |(?P<first>{_NUMBER})(?P<step>[+-](?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)?(?:~(?P<noise>{_NUMBER}))?)
        (?:x(?P<times>\d+))?""",
    re.VERBOSE,
)


def parse_series(text: str, seed: str = "") -> list[Value]:
    """The readings, None where one did not come; `seed` makes the noise of one series another than that of the next.

    Raises:
        ValueError: a part that says nothing, or more than a million readings.
    """
    dice = random.Random(seed)
    out: list[Value] = []
    for token in _tokens(text):
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise ValueError(f"{token!r} is no reading; for example {EXAMPLE}")
        times = int(found["times"] or 1)
        if len(out) + times > MOST:
            raise ValueError(f"more than {MOST:,} readings: write them into a CSV file")
        out += _expand(found, times, dice)
    return out


def _tokens(text: str) -> list[str]:
    return re.findall(r"(?:'[^']*'|\"[^\"]*\"|\S)+", text)


def _expand(found: re.Match[str], times: int, dice: random.Random) -> Iterator[Value]:
    if found["gap"]:
        yield from [None] * times
    elif found["flag"]:
        yield from [found["flag"] == "true"] * times
    elif found["quote"]:
        yield from [found["word"]] * times
    else:
        first, step, noise = float(found["first"]), float(found["step"] or 0), float(found["noise"] or 0)
        for i in range(times):
            # Rounded to what a person would write: 22 + 3 × 0.1 is 22.3.
            value = round(first + i * step, 9)
            yield round(value + dice.gauss(0, noise), 6) if noise else value
