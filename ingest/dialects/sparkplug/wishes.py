"""Who has to be asked for a new birth, and when again. Pure.

A birth of a large node is a large message, and after a start of vorab all nodes are strangers at once: so each waits for a moment of its
own, the same in every worker; a node that does not answer is asked ever more rarely; and nobody asks twice what another just asked.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vorab.clock import SECOND, Micros

SPREAD: Final[Micros] = 2 * SECOND
"""Strangers are asked within this time, each at a moment its name decides."""
AGAIN: Final[Micros] = 10 * SECOND
"""Least time between two requests to a node; doubles while it does not answer."""
LONGEST: Final[Micros] = 320 * SECOND
AT_ONCE: Final = 200
"""Most requests in one second, so that a whole plant is not born in the same moment."""
_REMEMBERED: Final = 20_000


@dataclass(slots=True)
class _Wish:
    at: Micros
    """When to ask; while it is not wanted, the earliest moment to ask again."""
    wanted: bool = False
    tries: int = 0


class Wishes:
    """By group and node."""

    def __init__(self) -> None:
        self._wishes: OrderedDict[tuple[str, str], _Wish] = OrderedDict()
        self._wanted: dict[tuple[str, str], _Wish] = {}

    def want(self, group: str, node: str, now: Micros, after: Micros = 0) -> None:
        """A birth is needed; `after` is the least wait (µs)."""
        at = now + max(after, zlib.crc32(f"{group}/{node}".encode()) % SPREAD)
        wish = self._wish(group, node)
        if not wish.wanted:
            wish.at, wish.wanted = max(at, wish.at), True
            self._wanted[group, node] = wish

    def born(self, group: str, node: str) -> None:
        """It has been born."""
        wish = self._wishes.get((group, node))
        if wish is not None:
            wish.wanted, wish.tries = False, 0
            self._wanted.pop((group, node), None)

    def asked(self, group: str, node: str, now: Micros, *, known: bool) -> None:
        """Somebody, perhaps another worker, has asked; nothing is noted of a node that is neither known nor wished for."""
        if known or (group, node) in self._wishes:
            wish = self._wish(group, node)
            # Heard by whoever asked as well: a request counts once.
            wish.at = max(wish.at, now + AGAIN)

    def due(self, now: Micros) -> Iterator[tuple[str, str]]:
        """Group and node of those to ask now."""
        ripe = [(wish.at, place) for place, wish in self._wanted.items() if wish.at <= now]
        for _, place in sorted(ripe)[:AT_ONCE]:
            wish = self._wanted[place]
            wish.at = now + min(AGAIN << wish.tries, LONGEST)
            wish.tries = min(wish.tries + 1, 8)
            yield place

    def _wish(self, group: str, node: str) -> _Wish:
        wish = self._wishes.get((group, node))
        if wish is None:
            wish = self._wishes[group, node] = _Wish(0)
            if len(self._wishes) > _REMEMBERED:
                gone, _ = self._wishes.popitem(last=False)
                self._wanted.pop(gone, None)
        return wish
