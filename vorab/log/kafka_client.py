"""kafka-python's client with a wake-up call that can be held back, so that records which come together leave together.

Every record that begins a batch wakes the thread that sends; four records for four partitions so became up to four requests.

And with a selector that does not describe a socket in words each time it says that it does not know it: kafka-python asks before every
wait, which took a fifth of the sending thread's time.
"""

from __future__ import annotations

import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka.net.compat import KafkaNetClient


class Selector(selectors.DefaultSelector):
    """The system's own."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the system's."""
        key: selectors.SelectorKey = super().register(fileobj, events, data)
        self._known[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the system's."""
        self._known.pop(fileobj, None)
        key: selectors.SelectorKey = super().unregister(fileobj)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the system's."""
        key: selectors.SelectorKey = super().modify(fileobj, events, data)
        self._known[fileobj] = key
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """As the system's; a KeyError without words where it is not registered."""
        return self._known[fileobj]

    def close(self) -> None:
        """As the system's."""
        self._known.clear()
        super().close()


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
