"""Which facts of a case a webhook is told, in order: all but those it brought about itself, unless both sides spoke at once. Pure.

A partner says with each wish up to which fact it had read (`seq`). Where something else has happened between that fact and the answer,
the two have crossed on the way, and nobody can tell what the partner stands at now: so it is told the answer too. The fact with the
highest `seq` is the truth.
"""

from __future__ import annotations

from desk.partner.mirror import WISHED, Story
from vorab.records import CaseEvent, CaseKind, Command, CommandKind


def to_tell(story: Story) -> list[CaseEvent]:
    """The facts of a case that its partner is told."""
    return [event for event in story.events if (command := story.asked.get(event.because)) is None or not _is_known(event, command, story)]


def _is_known(event: CaseEvent, command: Command, story: Story) -> bool:
    """Whether the partner stands at this already, because it asked for it."""
    if command.kind is CommandKind.NOTE:
        return event.kind is CaseKind.NOTED
    between = (before for before in story.events if seen_of(command) < before.seq < event.seq)
    crossed = any(before.because not in story.asked or story.asked[before.because].because != command.because for before in between)
    return event.status == WISHED.get(command.kind) and not crossed


def because_of(message: str, seen: int) -> str:
    """What a command says it is because of: the partner's message, and the fact it had read."""
    return f"{message}@{seen}"


def seen_of(command: Command) -> int:
    """The fact a partner had read when it asked."""
    seen = command.because.rpartition("@")[2]
    return int(seen) if seen.isdecimal() else -1
