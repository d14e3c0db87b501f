"""Asking a service again and again, in a thread of its own; a service that is away is asked less often."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vorab.errors import Unavailable
from vorab.service import crash, logger

LONGEST_S = 300.0


class Poller:
    """Asks while it is started."""

    def __init__(self, name: str, ask: Callable[[], int], every_s: float) -> None:
        self._name, self._ask, self._every_s = name, ask, every_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._logger = logger("replies")

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 60.0) -> None:
        """End with the question that is out."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        away = 0
        try:
            while not self._stop.is_set():
                try:
                    found = self._ask()
                except Unavailable as error:
                    away += 1
                    self._logger.warning("waiting", reason=str(error))
                    self._stop.wait(min(self._every_s * 2**away, LONGEST_S))
                else:
                    away = 0
                    self._stop.wait(0 if found else self._every_s)
        except Exception:  # noqa: BLE001 - the process ends with it
            crash(self._logger, f"asking {self._name}")
