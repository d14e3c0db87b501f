"""What a customer's text is about, by lists of words that anybody can read: no model, no score.

A word counts unless its clause negates it. Where that is not clear it counts: a person who looks for nothing costs little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

CLAUSE: Final = re.compile(r"[.!?;:,\n–—()\"„“”]+")
WORD: Final = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
JOINS: Final = frozenset({"aber", "sondern", "weil", "denn", "dass", "und", "but", "because", "and", "since"})
"""Words that begin another clause, with or without a comma: `wütend weil nicht geliefert`."""
ONLY: Final = frozenset({"nur", "bloß", "allein", "only", "just"})
"""After a negation they turn it round: `not only angry`."""
BEFORE: Final = 3
"""So many words after a negation it still holds: `nicht mehr so wütend`."""
BEHIND: Final = 2
"""German verbs are negated from behind, so many words on: `ärgert mich nicht`."""
FROM_BEHIND: Final = "nicht"

Lists = Mapping[str, Sequence[str]]
"""Words by language; `*` stands for any letters."""


def heard(text: str, topics: Mapping[str, Lists], negations: Lists) -> frozenset[str]:
    """The topics a text is about; all languages are looked for, because nobody says which one they write in."""
    clauses = list(_clauses(text))
    negators = [word.casefold() for words in negations.values() for word in words]
    return frozenset(topic for topic, lists in topics.items() if any(_said(clause, lists, negators) for clause in clauses))


def _clauses(text: str) -> Iterator[list[str]]:
    for part in CLAUSE.split(text.casefold().replace("’", "'")):
        clause: list[str] = []
        for word in WORD.findall(part):
            if word in JOINS:
                yield clause
                clause = []
            else:
                clause.append(word)
        yield clause


def _said(clause: Sequence[str], lists: Lists, negators: Sequence[str]) -> bool:
    for entry in (entry.casefold().split() for entries in lists.values() for entry in entries):
        for start in range(len(clause) - len(entry) + 1):
            end = start + len(entry)
            if _fits(clause[start:end], entry) and not _negated(clause, start, end, negators):
                return True
    return False


def _fits(words: Sequence[str], entry: Sequence[str]) -> bool:
    return all(fnmatchcase(word, pattern) for word, pattern in zip(words, entry, strict=True))


def _negated(clause: Sequence[str], start: int, end: int, negators: Iterable[str]) -> bool:
    before = range(max(0, start - BEFORE), start)
    behind = (place for place in range(end, min(len(clause), end + BEHIND)) if clause[place] == FROM_BEHIND)
    places = [place for place in before if any(fnmatchcase(clause[place], negator) for negator in negators)]
    return any(place + 1 >= len(clause) or clause[place + 1] not in ONLY for place in (*places, *behind))
