"""Words that mean much the same, in both languages and their dialects. Pure, but for reading its own file once."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Final

from vorab.understanding.spelling import tokens

FILE: Final = "alike.txt"
SHORTEST: Final = 4
"""Letters a word needs to be looked for among beginnings."""
MARKS: Final[Mapping[str, tuple[str, ...]]] = {"?": ("?",), "!": ("!",), ".": ("end",), "9": ("9",)}
"""What stands between words and turns them."""


class Alike:
    """Gives a word the names it goes by.

    Args:
        lines: `name: word word beginning*`.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._exact: dict[str, tuple[str, ...]] = dict(MARKS)
        self._begins: dict[str, tuple[str, ...]] = {}
        for line in lines:
            name, colon, words = line.partition(":")
            if not colon or line.startswith("#"):
                continue
            for word in words.split():
                for spelt in tokens(word.rstrip("*")):
                    table = self._begins if word.endswith("*") else self._exact
                    known = table.get(spelt, ())
                    table[spelt] = known if name in known else (*known, name)
        self._lengths = sorted({len(begin) for begin in self._begins}, reverse=True)

    def names(self, word: str) -> tuple[str, ...]:
        """All names of a word; none where it stands for itself."""
        if found := self._exact.get(word):
            return found
        if word[0] == "9":
            return MARKS["9"]
        if len(word) >= SHORTEST and word[0].isalpha():
            for length in self._lengths:
                if length <= len(word) and (found := self._begins.get(word[:length])):
                    return found
        return ()


@functools.cache
def alike() -> Alike:
    """The table that ships."""
    return Alike((resources.files("vorab.understanding") / "lexicon" / FILE).read_text(encoding="utf-8").splitlines())
