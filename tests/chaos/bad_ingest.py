"""Ingest with one safeguard taken out, so that the chaos tests can show they would notice: `-m tests.chaos.bad_ingest NAME …`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ingest.bridge import Ack, Bridge, Effect
from vorab.cli import main
from vorab.clock import Micros
from vorab.log import Outgoing


def ack_before_log() -> None:
    """The broker is told to forget a message as soon as it was read."""
    proper = Bridge.received

    def received(
        self: Bridge, mids: Sequence[bytes], records: Iterable[Outgoing], count: int, received_at: Micros, *more: Any
    ) -> list[Effect]:
        effects = proper(self, [b""] * len(mids), records, count, received_at, *more)
        return [Ack(self._epoch, mids, 0), *effects]

    setattr(Bridge, "received", received)  # noqa: B010 - a type checker would not let it be broken otherwise


VARIANTS: dict[str, Callable[[], None]] = {"ack-before-log": ack_before_log}

if __name__ == "__main__":
    VARIANTS[sys.argv[1]]()
    sys.argv = ["vorab", *sys.argv[2:]]
    main()
