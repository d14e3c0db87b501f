"""The progress watchdog of the Faust host: a thread with a consumer of its own, so that it also sees an event loop that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from vorab.clock import SECOND, Clock, Micros
from vorab.errors import Unavailable
from vorab.log import EventLog, Position
from vorab.service import logger

EVERY_S: Final = 5.0
PATIENCE: Final[Micros] = 30 * SECOND

log = logger("watchdog")


class Watched(Protocol):
    """What has to make progress."""

    taken: dict[Position, int]
    """The next offset of each assigned input."""


class StuckError(Exception):
    """There is input, and nobody takes it."""


class Progress:
    """Decides whether an input stands still: it has something to take and nothing was taken for long."""

    def __init__(self, patience: Micros = PATIENCE) -> None:
        self._patience = patience
        self._seen: dict[Position, tuple[int, Micros]] = {}

    def stuck(self, taken: Mapping[Position, int], ends: Mapping[Position, int], now: Micros) -> list[Position]:
        """Inputs that stand still."""
        found = []
        for position, offset in taken.items():
            before = self._seen.get(position)
            if before is None or before[0] != offset or ends.get(position, 0) <= offset:
                self._seen[position] = (offset, now)
            elif now - before[1] >= self._patience:
                found.append(position)
        for position in self._seen.keys() - taken.keys():
            del self._seen[position]
        return found


class Watchdog:
    """Looks every five seconds, and ends the process where input has been waiting for half a minute."""

    def __init__(self, events: EventLog, watched: Sequence[Watched], clock: Clock, on_crash: Callable[[Any, str], None]) -> None:
        self._events, self._watched, self._clock, self._on_crash = events, watched, clock, on_crash
        self._progress = Progress()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(EVERY_S):
                try:
                    self._look()
                except Unavailable as error:  # no broker, no progress: that is not the worker's fault
                    log.warning("the broker does not answer", why=str(error))
                    self._progress = Progress()
        except Exception:
            self._on_crash(log, "watch the progress")
            raise

    def _look(self) -> None:
        taken = {position: offset for each in self._watched for position, offset in list(each.taken.items())}
        ends = {(topic, partition): end for topic in {topic for topic, _ in taken} for partition, end in self._events.ends(topic).items()}
        stuck = self._progress.stuck(taken, ends, self._clock.wall(self._clock.now()))
        if stuck:
            raise StuckError(f"no progress for {PATIENCE // SECOND} s on {stuck}")
