"""Several messages to one person as one: which goes first, and what it can carry. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vorab.records import Notification, Purpose, Stage, Urgency

RANK: Final = (Stage.CONSENT, Stage.PERSON_NEEDED, Stage.INCIDENT, Stage.RESOLVED, Stage.HEALED)
"""What waits for an answer first, then trouble, then that it is over."""


def first_of(notes: Iterable[Notification]) -> Notification:
    """The message that goes first: care before advertising, then by rank, then the oldest."""
    return min(notes, key=lambda note: (note.purpose is Purpose.ADVERTISING, RANK.index(note.stage), note.at, note.id))


def carried(first: Notification, others: Sequence[Notification]) -> tuple[Notification, ...]:
    """Which of the others a message can tell besides: news of care. A question needs its own page, and advertising rides on nothing."""
    if first.purpose is Purpose.ADVERTISING or first.urgency is Urgency.SAFETY:
        return ()
    fit = (other for other in others if other.purpose is not Purpose.ADVERTISING and other.stage is not Stage.CONSENT)
    return tuple(sorted(fit, key=lambda note: (RANK.index(note.stage), note.at, note.id)))
