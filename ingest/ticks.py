"""When a partition in which nobody speaks is told that time goes on. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from vorab.clock import Micros


class Ticker:
    """Partitions in live time and when each was last written."""

    def __init__(self, partitions: Iterable[int], every: Micros) -> None:
        """`every` is in µs of the clock."""
        self._every = every
        self._last: dict[int, Micros] = dict.fromkeys(partitions, 0)

    def start(self, now: Micros) -> None:
        """Messages can arrive from now on; what the broker kept meanwhile comes before the first tick."""
        for partition in self._last:
            self._last[partition] = now

    def written(self, partitions: Iterable[int], now: Micros) -> None:
        """These partitions got something that carries time."""
        for partition in partitions:
            if partition in self._last:
                self._last[partition] = now

    def due(self, now: Micros) -> list[int]:
        """The partitions to tick now; they count as written."""
        found = []
        for partition, last in self._last.items():
            if now < last:  # the clock was set back
                self._last[partition] = now
            elif now - last >= self._every:
                self._last[partition] = now
                found.append(partition)
        return found

    def wait(self, now: Micros) -> Micros:
        """How long until the next is due."""
        return max(0, min((last + self._every - now for last in self._last.values()), default=self._every))
