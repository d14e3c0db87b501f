"""Many messages of one dialect at once, for a dialect that can read those of a pass together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from ingest.columns import Columns
from vorab.clock import Micros


class Batch(NamedTuple):
    """Messages of one pass, as parallel lists in the order of arrival."""

    topics: Sequence[bytes]
    payloads: Sequence[bytes]
    """Empty for a message that has to go the long way."""
    places: Sequence[int]
    """Of each among all messages of the pass: what ranks are made of."""
    received_at: Micros
    epoch: int
    """Numbers of devices hold while this stays the same."""
    number: Callable[[bytes, str], int]
    """The number of a device (by id) that a topic brings; negative where another worker writes it."""
    slowly: Callable[[int], None]
    """Take a message (by its position in these lists) one by one, now."""


@runtime_checkable
class InBulk(Protocol):
    """A dialect that reads many messages at once, with the same answer as one by one."""

    def hear_all(self, batch: Batch) -> tuple[list[Columns], int]:
        """The columns of the messages that need no second look, and how many these were; the others go `batch.slowly`, in order."""
