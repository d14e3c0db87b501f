"""Keeps kafka-python quiet while it looks for a broker: the failure is told once, in words, by whoever asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

NOISY: Final = ("kafka.net.manager", "kafka.net.connection")


class _Quiet(logging.Filter):
    """Lets nothing through while somebody bootstraps; kafka-python logs on threads of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._bootstrapping = 0

    def enter(self, by: int) -> None:
        """One more, or one less."""
        with self._lock:
            self._bootstrapping += by

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - logging's signature
        """Whether to log it."""
        return not self._bootstrapping


_QUIET: Final = _Quiet()


@contextmanager
def bootstrapping() -> Iterator[None]:
    """While a client is being made."""
    for name in NOISY:
        logging.getLogger(name).addFilter(_QUIET)
    _QUIET.enter(1)
    try:
        yield
    finally:
        _QUIET.enter(-1)
