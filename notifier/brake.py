"""The brake: so many messages in an hour are a mistake in a rule rather than so many faults. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from vorab.clock import HOUR, MINUTE, Micros

AGAIN: Final = 10 * MINUTE
"""When a message that was held is looked at again: soon enough once a person has let it go, seldom enough while nobody has."""


class Brake:
    """At most so many messages begin in any hour, whoever they are for; 0: no limit."""

    def __init__(self, an_hour: int = 0) -> None:
        self._an_hour = an_hour
        self._begun: deque[Micros] = deque()

    def recall(self, begun: Iterable[Micros]) -> None:
        """What had begun before this process did."""
        self._begun = deque(sorted(begun))

    def on(self, now: Micros) -> bool:
        """Whether nothing more may begin."""
        while self._begun and self._begun[0] <= now - HOUR:
            self._begun.popleft()
        return 0 < self._an_hour <= len(self._begun)

    def counted(self, now: Micros) -> None:
        """A message begins."""
        self._begun.append(now)
