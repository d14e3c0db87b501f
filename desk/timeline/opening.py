"""What people wrote, opened through the port to people; where no notifier runs or the key is destroyed, nobody reads it any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from desk.timeline.entry import Entry
from vorab.errors import Unavailable


@runtime_checkable
class Opens(Protocol):
    """Who holds the keys."""

    def opened(self, customer: str, sealed: Sequence[str]) -> Sequence[str | None]:
        """The texts of a customer (by key) in the same order; None where one cannot be read."""


def words_of(people: object, customer: str, entries: Sequence[Entry]) -> Mapping[str, str]:
    """What can be read of these entries: sealed text → words."""
    sealed = list(dict.fromkeys(entry.sealed for entry in entries if entry.sealed))
    if not sealed or not isinstance(people, Opens):
        return {}
    try:
        found = people.opened(customer, sealed)
    except Unavailable:
        return {}
    return {one: words for one, words in zip(sealed, found, strict=False) if words is not None}
