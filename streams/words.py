"""Words as numbers: what a device says in words is judged in the same columns as what it measures."""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Final

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,6})?")
LARGEST: Final = 2.0**48
"""Words are numbers below minus this: no measurement and no code of a device is."""


@functools.lru_cache(maxsize=65_536)
def number_of(word: str) -> float:
    """The number of a word, the same in every process whatever else was said before; a word that is a number is that number.

    Two words have the same one with a chance of 2⁻⁴⁸.
    """
    if _NUMBER.fullmatch(word):
        return float(word)
    return -LARGEST - int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "big")
