"""A device's processor, built afresh and told the device's story once more.

Time is told where something was read, and where the log shows that something was asked: ticks are forgotten, and all that is due at a
deadline is dated by it, however late time comes. Only a question for a permit may be dated later, by the time that was reached.

Records of inputs that are not gating stand at their own time, in the order of their input. Live they may have come before or after that;
`streams.recount.order` finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streams.recount.registry import AsOf
from streams.recount.story import Item, Story
from vorab.clock import Micros
from vorab.errors import Rejected
from vorab.processor import Kind, Out
from vorab.records import Permit, PermitState

_BEFORE: Final = -2
_LAST: Final = 1 << 30


def fold(story: Story, kind: Kind, registry: AsOf, items: Sequence[Item], *, then: bool = True) -> list[Out]:
    """What the processor answers; `then` asks the registry as it was, else as it is."""
    processor = kind.build(story.partition, registry)
    out: list[Out] = []
    written = {entry.time for entry in registry.about(story.key)} if then else set()
    for time, rank, _, item in _moments(story, items, written):
        registry.now = (time - (rank == _BEFORE)) if then else None
        out += processor.due(time)
        if item is not None:
            try:
                out += processor.step(item.place.topic, item.place.offset, item.record, max(time, item.record.time))
            except Rejected:
                continue
    return out


def _moments(story: Story, items: Sequence[Item], written: set[Micros]) -> list[tuple[Micros, int, int, Item | None]]:
    moments: list[tuple[Micros, int, int, Item | None]] = [(each.time, each.rank, each.place.offset, each) for each in items]
    asked = [each.record.time for each in story.orders if isinstance(each.record, Permit) and each.record.state is PermitState.ASKED]
    moments += [(at, -1, 0, None) for at in sorted({*asked, *(at + 1 for at in asked)})]
    moments += [(at, _BEFORE, 0, None) for at in sorted(written)]  # what was due before an entry was written knows nothing of it
    ends = [story.until, *(each.record.time + 1 for each in story.facts)]
    moments.append((max(ends), _LAST, 0, None))
    return sorted(moments, key=lambda moment: moment[:3])
