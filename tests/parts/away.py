"""A log that is away while told to be, otherwise the one behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from vorab.errors import Unavailable
from vorab.log import Confirmed, EventLog, Outgoing


class AwayLog:
    """Refuses records while `away()` says so: at once, or a moment later as Kafka does."""

    def __init__(self, log: EventLog, away: Callable[[], bool]) -> None:
        self._log, self._away = log, away
        self._lock = threading.Lock()
        self.refused = 0

    def append(self, record: Outgoing, confirmed: Confirmed | None = None) -> None:
        """Take it, or refuse one way or the other."""
        if not self._away():
            self._log.append(record, confirmed)
            return
        with self._lock:
            self.refused += 1
            late = self.refused % 3 and confirmed is not None
        if not late:
            raise Unavailable("nobody there")
        threading.Thread(target=confirmed, args=(Unavailable("not in time"),), daemon=True).start()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)
