"""What is owed when a read is in the log: end-to-end acknowledgements to devices, answers to whoever came by HTTP. Pure.

A ticket goes to the bridge with the records of a read and comes back when the log has them all, also when the connection is gone by then:
the broker's acknowledgement is void, the word to the device is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ingest.acks import AckBook, Mark
from ingest.refusals import Note
from ingest.taken import Taken
from vorab.clock import Micros


class Ticket(NamedTuple):
    """What is owed for one read."""

    marks: Sequence[Mark] = ()
    answers: Sequence[Callable[[bool], None]] = ()
    """Called with whether the log has it; False: it is not known, and nobody waits any more."""


def ticket(passes: Iterable[Taken], answers: Sequence[Callable[[bool], None]] = ()) -> Ticket | None:
    """The ticket of a read; None where nothing is owed, as for most."""
    marks = [mark for taken in passes for mark in taken.marks]
    return Ticket(marks, answers) if marks or answers else None


def redeem(owed: Ticket, book: AckBook, now: Micros) -> list[Note]:
    """The log has it all: answer, and say what devices are to hear."""
    for answer in owed.answers:
        answer(True)  # noqa: FBT003 - a callback
    return book.stored(owed.marks, now)


def write_off(tickets: Iterable[Ticket]) -> None:
    """Nobody waits for these any more."""
    for owed in tickets:
        for answer in owed.answers:
            answer(False)  # noqa: FBT003 - a callback
