"""What agents said replies meant, as examples of the installation's own. Pure; the words come from whoever holds the keys.

Nothing is kept: an example is there as long as the reply can be read. Whoever destroys a customer's key has taken it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from vorab.records import Corrected, Heard
from vorab.understanding.kinds import PEOPLES, Example, Flag, Intent, Route

Opened = Callable[[str, Sequence[str]], Sequence[str | None]]
"""Customer (by key) and sealed texts → what they say, in the same order; None where one cannot be read any more."""


def last_words(corrected: Iterable[Corrected]) -> dict[str, Corrected]:
    """What each reply means by the last correction, by id of the reply; at one time the id decides."""
    return {each.heard: each for each in sorted(corrected, key=lambda each: (each.at, each.id))}


def examples_from(heard: Iterable[Heard], corrected: Iterable[Corrected], opened: Opened, languages: Mapping[str, str]) -> list[Example]:
    """An example for each corrected reply that can be read, in one order.

    Args:
        heard: Replies.
        corrected: What agents said of them.
        opened: Reads sealed words.
        languages: What customers (by key) are written to in; English where that is not known.
    """
    meant = last_words(corrected)
    by_customer: dict[str, dict[str, Heard]] = {}
    for each in heard:
        if each.id in meant and each.said:
            by_customer.setdefault(each.key, {})[each.id] = each
    found: set[Example] = set()
    for customer, replies in by_customer.items():
        some = list(replies.values())
        for reply, words in zip(some, opened(customer, [each.said for each in some]), strict=True):
            intent = meant[reply.id].intent
            if words and intent in set(Intent):
                found.add(_example(words, languages.get(customer, "en"), Intent(intent), reply))
    return sorted(found)


def _example(words: str, language: str, intent: Intent, reply: Heard) -> Example:
    flags = tuple(flag for flag in Flag if flag in reply.doubts)
    return Example(words, language, intent, flags, Route.HUMAN if flags or intent in PEOPLES else Route.BOT)
