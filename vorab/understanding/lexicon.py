"""The readable half of the evidence: words and phrases by group, found in a reply's words. Pure, but for reading its own files once."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Final, NamedTuple

from vorab.understanding.spelling import tokens

FILES: Final = ("flags.txt", "intents.txt")
GAP: Final = 5
"""Words that may stand in a gap of a phrase."""
HARMLESS: Final = "harmless"
"""The group whose phrases take their words out of the evidence: *damn good* is no curse."""
FLAGGED: Final = frozenset({"anger", "law", "money", "repeated", "danger"})
"""Groups that send a reply to a person."""

Piece = tuple[str, ...]
"""Words of a phrase that stand side by side; `ab*` begins with, `*ab` ends with, `*ab*` has inside."""


class Phrase(NamedTuple):
    """A line of the lexicon."""

    group: str
    pieces: tuple[Piece, ...]
    said: str


class Hit(NamedTuple):
    """A phrase that was found, and the words it covers."""

    group: str
    said: str
    places: tuple[int, ...]


class Lexicon:
    """Finds phrases in words, by the word a phrase begins with.

    Args:
        phrases: What to look for.
    """

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self.phrases = tuple(phrases)
        self._exact: dict[str, list[Phrase]] = {}
        self._begins: dict[str, list[Phrase]] = {}
        self._inside: list[tuple[str, Phrase]] = []
        self.words: dict[str, None] = {}
        self.careful: dict[str, None] = {}
        for phrase in self.phrases:
            first = phrase.pieces[0][0]
            if first.startswith("*"):
                self._inside.append((first.strip("*"), phrase))
            elif first.endswith("*"):
                self._begins.setdefault(first[:-1], []).append(phrase)
            else:
                self._exact.setdefault(first, []).append(phrase)
            words = dict.fromkeys(word.rstrip("*") for piece in phrase.pieces for word in piece if not word.startswith("*"))
            self.words |= words
            if phrase.group in FLAGGED:
                self.careful |= words
        self._lengths = sorted({len(begin) for begin in self._begins})

    def find(self, words: Sequence[str]) -> list[Hit]:
        """Every phrase in these words; what a harmless phrase covers counts for nothing else."""
        hits = [hit for place in range(len(words)) for hit in self._from(words, place)]
        covered = {place for hit in hits if hit.group == HARMLESS for place in hit.places}
        return [hit for hit in hits if hit.group == HARMLESS or not covered.intersection(hit.places)] if covered else hits

    def _from(self, words: Sequence[str], place: int) -> Iterable[Hit]:
        word = words[place]
        for phrase in self._exact.get(word, ()):
            if (places := _match(phrase.pieces, words, place)) is not None:
                yield Hit(phrase.group, phrase.said, places)
        if not word[0].isalpha():
            return
        for length in self._lengths:
            if length > len(word):
                break
            for phrase in self._begins.get(word[:length], ()):
                if (places := _match(phrase.pieces, words, place)) is not None:
                    yield Hit(phrase.group, phrase.said, places)
        if len(word) >= 6:
            for inside, phrase in self._inside:
                if inside in word and (places := _match(phrase.pieces, words, place)) is not None:
                    yield Hit(phrase.group, phrase.said, places)


def _match(pieces: Sequence[Piece], words: Sequence[str], place: int) -> tuple[int, ...] | None:
    found: list[int] = []
    start = place
    for number, piece in enumerate(pieces):
        gap = GAP if number else 0
        for at in range(start, start + gap + 1):
            if at + len(piece) > len(words):
                return None
            if all(_is(word, words[at + i]) for i, word in enumerate(piece)):
                found += range(at, at + len(piece))
                start = at + len(piece)
                break
            if words[at] in {".", "!", "?"}:
                return None
        else:
            return None
    return tuple(found)


def _is(pattern: str, word: str) -> bool:
    if not pattern.startswith("*"):
        return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern
    return pattern[1:-1] in word if pattern.endswith("*") else word.endswith(pattern[1:])


def phrase_of(group: str, line: str) -> Phrase:
    """A line of the lexicon, in the spelling of `spelling.tokens`."""
    return Phrase(group, tuple(tuple(_spelt(word) for word in _split(part)) for part in line.split(" .. ")), line)


def _split(part: str) -> list[str]:
    return [token for word in part.split() for token in ([word] if "*" in word else tokens(word))]


def _spelt(word: str) -> str:
    begin, end = "*" if word.startswith("*") else "", "*" if word.endswith("*") else ""
    return f"{begin}{''.join(tokens(word.strip('*')))}{end}" if "*" in word else word


def read(text: str) -> list[Phrase]:
    """The phrases of a lexicon file."""
    group, found = "", []
    for line in text.splitlines():
        line = line.strip()  # noqa: PLW2901 - the same line
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1]
        elif line and not line.startswith("#") and group:
            found.append(phrase_of(group, line))
    return found


@functools.cache
def lexicon() -> Lexicon:
    """The one that ships."""
    folder = resources.files("vorab.understanding") / "lexicon"
    return Lexicon(phrase for name in FILES for phrase in read((folder / name).read_text(encoding="utf-8")))
