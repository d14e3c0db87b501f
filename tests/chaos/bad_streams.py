"""`vorab streams` with a safeguard taken out, so that the chaos tests can show they would notice: `-m tests.chaos.bad_streams NAME …`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from streams.event_time.timeline import Timeline, Turn
from streams.hosts.faust_crew import Crew
from vorab.cli import main
from vorab.frame import Frame


def _go_on_where_the_group_did() -> None:
    """Where to go on is decided by the committed offsets, as in a plain Faust agent, and not by the state."""

    async def in_turn(_: Crew, seat: Any, message: Any) -> bool:
        seat.expected.setdefault(message.topic, message.offset)
        return True

    setattr(Crew, "_in_turn", in_turn)  # noqa: B010 - a type checker would not let it be broken otherwise


def ack_before_state() -> None:
    """A record is acknowledged as soon as it was taken, long before the state that knows of it is written."""
    _go_on_where_the_group_did()
    take = Crew.take

    async def early(self: Crew, event: Any, **more: Any) -> None:
        await take(self, event, **more)
        event.ack()

    setattr(Crew, "take", early)  # noqa: B010 - the same


def state_twice() -> None:
    """After a restart records that the state knows already are applied to it again, and so are rows that were written twice."""
    _go_on_where_the_group_did()

    def take(self: Timeline, frame: Frame, rows: Any) -> Turn:
        proper(self, frame, rows)
        every = np.ones(len(rows), bool)
        return Turn(every, every)

    proper = Timeline.take
    setattr(Timeline, "take", take)  # noqa: B010 - the same


VARIANTS: dict[str, Callable[[], None]] = {"ack-before-state": ack_before_state, "state-twice": state_twice}

if __name__ == "__main__":
    VARIANTS[sys.argv[1]]()
    sys.argv = ["vorab", *sys.argv[2:]]
    main()
