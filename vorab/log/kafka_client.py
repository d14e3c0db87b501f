"""kafka-python's client with a wake-up call that can be held back, so that records which come together leave together.

Every record that begins a batch wakes the thread that sends; four records for four partitions so became up to four requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka.net.compat import KafkaNetClient


class HeldClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python ships no types
    """Wakes its thread as before, but not `together`."""

    _held = False
    _wanted = False

    def wakeup(self) -> None:
        """End the thread's wait, now or when what belongs together is there. For any thread."""
        self._wanted = True  # before looking at `_held`: whoever lets go meanwhile sees it
        if not self._held:
            self._wanted = False
            super().wakeup()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold wake-ups back; one thread at a time, and never while it waits for anything."""
        self._held = True
        try:
            yield
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Hold nothing back any more."""
        self._held = False
        if self._wanted:
            self.wakeup()


class Clients:
    """Makes clients for a producer and knows the last."""

    def __init__(self) -> None:
        self.last: HeldClient | None = None

    def __call__(self, **config: Any) -> HeldClient:
        """What kafka-python calls for its setting `kafka_client`."""
        self.last = HeldClient(**config)
        return self.last
