"""What the fleet says it published and what the broker confirmed: the honest other side of "how many were lost"."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import IO, Any

from vorab.clock import Micros

COUNTED = (
    "published", "acked", "refused", "overflowed", "resent", "statuses", "commands", "replies", "errors",
    "connects", "disconnects", "faults", "healed", "relieved", "cleared", "restarted",
)  # fmt: skip


class Ledger:
    """Counts, and optionally one JSON line for each thing that happened.

    - `published`: readings handed to the MQTT client. `acked`: those the MQTT broker confirmed (QoS 1; at QoS 0 those that
      left the socket). A broker's ack does not mean that vorab has it.
    - `resent`: readings that may have been on the wire when a connection broke and were published again.
    - `overflowed`: readings dropped because the bounded buffer was full. `refused`: the broker said no (MQTT 5).
    - `errors`: messages on the error topics of the devices: payloads vorab refused.

    Lines: `{"e": "published", "device", "boot", "seq", "ts", "wall"}` with `wall` in µs of wall time, `acked` likewise,
    `fault`, `healed`, `relieved`, `cleared`, `restarted` with `kind` and `at`, `command` and `reply` with `id`; `executed` with `id`, `at`
    and `not_after` where a machine has done what a command says, `repeated` where it heard the same command again and did not.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._counts: Counter[str] = Counter()
        # Line buffered: what was published before a kill -9 of the fleet is still known afterwards.
        self._file: IO[str] | None = path.open("a", buffering=1, encoding="utf-8") if path else None

    def count(self, what: str, by: int = 1) -> None:
        """Add to a count without a line."""
        self._counts[what] += by

    def note(self, what: str, device: str, **more: Any) -> None:
        """Write a line."""
        if self._file is not None:
            self._file.write(json.dumps({"e": what, "device": device, **more}, separators=(",", ":")) + "\n")

    def counts(self) -> dict[str, int]:
        """All counts; those never met are 0."""
        found = {what: self._counts[what] for what in COUNTED}
        found["unacked"] = found["published"] - found["acked"] - found["refused"] - found["overflowed"]
        return found

    def close(self) -> None:
        """No more lines."""
        if self._file is not None:
            self._file.close()
            self._file = None


def write_status(path: Path, counts: dict[str, int], now: Micros) -> None:
    """Put the counts into a file in one stroke, so that a reader never sees half of it."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps({"now": now, **counts}) + "\n", encoding="utf-8")
    draft.replace(path)
