"""How a reply is spelt for the recogniser: one spelling for umlauts, capitals, doubled letters, and slips mended. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

EMOJI: Final[Mapping[str, str]] = {
    **dict.fromkeys("😡🤬😠👿💢🖕💩🤮😤", " emoangry "),
    **dict.fromkeys("👍👌✅✔", " emoup "),
    **dict.fromkeys("👎❌🚫🛑", " emodown "),
    **dict.fromkeys("📞☎📱🤙", " emophone "),
    **dict.fromkeys("🙏❤💚💙🎉😊🙂😀😃😄😘🥰😍🥳☀💪", " emonice "),
    **dict.fromkeys("😕🙁☹😢😞😭😟🥶❄", " emosad "),
    **dict.fromkeys("😂🤣🤔🤷👀🙄😏🙃😅", " emoodd "),
    **dict.fromkeys("🔥💨", " emofire "),
    "€": " euro ", "$": " dollar ", "£": " pound ", "§": " paragraf ", "…": " . ", "\n": " . ",
}  # fmt: skip
"""What signs are said as."""
_SIGNS: Final = str.maketrans({**EMOJI, "ä": "a", "ö": "o", "ü": "u", "ß": "s", "’": "'", "‘": "'", "`": "'", "´": "'"})
_ASCII: Final = str.maketrans({"'": None})
_DOUBLE: Final = re.compile(r"([a-z])\1+")
_TOKEN: Final = re.compile(r"[a-z]+|\d+|[.!?,:;]+")
SHORTEST: Final = 5
"""Letters a word needs to be mended by one letter; shorter ones are too like each other, only two swapped letters are put right."""

LONG: Final = 7
"""Letters a word needs to be mended to one that sets a flag: *bissl* is not *bills*."""


def plain(text: str) -> str:
    """Small letters without marks: `Größe`, `groesse` and `GROSSE` become one."""
    small = text.casefold().replace("ae", "a").replace("oe", "o").replace("ue", "u").translate(_SIGNS)
    if not small.isascii():
        small = unicodedata.normalize("NFKD", small).encode("ascii", "ignore").decode()
    return _DOUBLE.sub(r"\1", small.translate(_ASCII))


def tokens(text: str) -> list[str]:
    """Words, numbers as `9` for each digit, and marks that end something."""
    found = []
    for word in _TOKEN.findall(plain(text)):
        if word[0].isdigit():
            found.append("9" * min(len(word), 4))
        elif word[0].isalpha():
            found.append(word[:40])
        elif word[0] in "!?" and len(word) > 2:
            found.extend((word[0], "!!" if "!" in word else "??"))
        else:
            found.append("?" if "?" in word else "!" if "!" in word else "," if word == "," else ".")
    return found


class Speller:
    """Puts right words that are one slip away from a known one.

    Args:
        known: The words, the commonest first.
        careful: Those of them that set a flag: a word has to be long to be taken for one of them.
    """

    def __init__(self, known: Iterable[str], careful: Collection[str] = ()) -> None:
        self._rank = {word: place for place, word in reversed(list(enumerate(known)))}
        self._careful = frozenset(careful)
        self._near: dict[str, list[str]] = {}
        for word in self._rank:
            if len(word) >= SHORTEST:
                for part in {word, *_shorter(word)}:
                    self._near.setdefault(part, []).append(word)

    def known(self, words: Sequence[str]) -> float:
        """The share of words that are known."""
        real = [word for word in words if word[0].isalpha()]
        return sum(word in self._rank for word in real) / len(real) if real else 1.0

    def mend(self, words: Sequence[str]) -> list[str]:
        """The same words; unknown ones by the known word they are one slip away from."""
        return [word if word in self._rank or not word[0].isalpha() else self._mended(word) for word in words]

    def _mended(self, word: str) -> str:
        length = len(word)
        swapped = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(length - 1)]
        found = [each for each in swapped if each in self._rank and (length >= SHORTEST or each not in self._careful)]
        if not found and SHORTEST <= length <= 24:
            near = {each for part in (word, *_shorter(word)) for each in self._near.get(part, ())}
            found = [each for each in near if _one_slip(word, each) and (each not in self._careful or self._sure(word, each))]
        return min(found, key=self._rank.__getitem__) if found else word

    def _sure(self, word: str, other: str) -> bool:
        return min(len(word), len(other)) >= LONG and word[0] == other[0]


def _shorter(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(len(word))]


def _one_slip(one: str, other: str) -> bool:
    """Whether one letter more, less or changed makes one word of the other."""
    if len(one) == len(other):
        return sum(a != b for a, b in zip(one, other, strict=True)) == 1
    short, long = sorted((one, other), key=len)
    return len(long) == len(short) + 1 and short in _shorter(long)
