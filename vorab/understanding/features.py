"""What the model sees of a reply: hashed pieces of words, words, pairs of words, what they are alike, and groups of the lexicon. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vorab.understanding.alike import alike
from vorab.understanding.lexicon import HARMLESS, Hit

BITS: Final = 16
SIZE: Final = 1 << BITS
"""Places for hashed features: with ten thousand examples few important ones share one, and the weights stay a small file."""
MOST_WORDS: Final = 400

_LETTERS: Final = (3, 4, 5)
_MIX: Final = tuple(np.uint32(each) for each in (2654435761, 2246822519, 3266489917, 668265263, 374761393))
_LAST: Final = np.uint32(2246822507)

IN_LETTERS: Final = 1.0
IN_WORDS: Final = 1.0
IN_ALIKE: Final = 1.0
IN_GROUPS: Final = 0.35
IN_PAIRS: Final = 0.2
"""What a feature of each kind counts; chosen by cross-validation."""


class Features(NamedTuple):
    """Places and values, and what the readable ones are called."""

    places: NDArray[np.int64]
    values: NDArray[np.float32]
    names: tuple[str, ...]
    """Of the last places: the words, then the groups; pieces of words have no name a person would read."""


def features(words: Sequence[str], hits: Iterable[Hit]) -> Features:
    """The features of a reply's words."""
    words = words[:MOST_WORDS]
    letters = _pieces(" ".join(("", *words, "")))
    named: list[str] = [f"“{word}”" for word in words]
    named += [f"“{one} {two}”" for one, two in zip(("^", *words), (*words, "$"), strict=True)]
    n_words = len(named)
    named += _alike(words)
    n_alike = len(named) - n_words
    groups = sorted({hit.group for hit in hits})
    real = [group for group in groups if group != HARMLESS]
    marks = ["asks"] if "?" in words else []
    named += [f"[{group}]" for group in (*groups, *marks, f"words {_bucket(len(words))}")]
    n_groups = len(named) - n_words - n_alike
    paired = (*real, *marks)
    named += [f"[{one} + {two}]" for i, one in enumerate(paired) for two in paired[i + 1 :]]
    hashed = [zlib.crc32(name.encode()) & (SIZE - 1) for name in named]
    places = np.concatenate([letters, np.array(hashed, np.int64)])
    values = np.empty(len(places), np.float32)
    values[: len(letters)] = IN_LETTERS / max(1.0, len(letters)) ** 0.5
    values[len(letters) : len(letters) + n_words] = IN_WORDS / max(1.0, n_words) ** 0.5
    start = len(letters) + n_words
    values[start : start + n_alike] = IN_ALIKE / max(1.0, n_alike) ** 0.5
    start += n_alike
    values[start : start + n_groups] = IN_GROUPS
    values[start + n_groups :] = IN_PAIRS
    return Features(places, values, tuple(named))


def _alike(words: Sequence[str]) -> list[str]:
    """Names of words that mean the same, and of those that stand near each other."""
    table = alike()
    said = [names for word in words if (names := table.names(word))]
    found = [f"<{name}>" for names in said for name in names]
    for apart in (1, 2):
        found += [f"<{one} {two}>" for ones, twos in zip(said, said[apart:], strict=False) for one in ones for two in twos]
    return found


def _pieces(text: str) -> NDArray[np.int64]:
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.uint32)
    found: list[NDArray[Any]] = []
    for length in _LETTERS:
        count = len(codes) - length + 1
        if count <= 0:
            break
        mixed = codes[:count] * _MIX[0]
        for i in range(1, length):
            mixed = (mixed ^ (mixed >> np.uint32(15))) * _MIX[i] + codes[i : i + count]
        mixed = (mixed ^ (mixed >> np.uint32(13))) * _LAST
        found.append(mixed >> np.uint32(32 - BITS))
    return np.concatenate(found).astype(np.int64) if found else np.empty(0, np.int64)


def _bucket(count: int) -> str:
    return str(count) if count < 4 else next(f"up to {most}" for most in (6, 10, 20, 40, 10**9) if count <= most)
