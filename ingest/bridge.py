"""The promise of ingest, as a state machine without sockets: the broker may forget a message only once the log has all of it.

Messages come in batches (one read each). A batch is done when every record it became is confirmed; batches are acknowledged in the order
in which they arrived, each only on the connection it came on: after a reconnect packet ids start anew, and an old acknowledgement
would make the broker forget a message that nobody has read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vorab.clock import Micros
from vorab.log import Outgoing, Position


class Append(NamedTuple):
    """Hand this record to the log, and report `confirmed` or `failed` with the token."""

    token: int
    record: Outgoing


class Ack(NamedTuple):
    """Acknowledge these packets, if `epoch` is still the connection."""

    epoch: int
    mids: Sequence[bytes]
    messages: int
    """How many messages are done with, those of QoS 0 included."""


class Done(NamedTuple):
    """The log has everything of the batch that came with this ticket, whatever has become of the connection."""

    ticket: Any


Effect = Append | Ack | Done


class Abandoned(NamedTuple):
    """What is not waited for any more."""

    tokens: list[int]
    tickets: list[Any]


@dataclass(slots=True)
class _Batch:
    epoch: int
    mids: Sequence[bytes]
    count: int
    received_at: Micros
    ticket: Any = None
    open: int = 0
    """Records the log has yet to confirm."""


@dataclass(slots=True)
class _Lane:
    """One partition of one topic: its records stay in order, also when some must be handed over again."""

    flying: int = 0
    failed: list[Append] = field(default_factory=list)
    waiting: list[Append] = field(default_factory=list)
    """Came after a failure and wait for it."""


class Bridge:
    """Events in (`received`, `confirmed`, `failed`, `connected`), effects out."""

    def __init__(self, *, most_messages: int = 2000, most_records: int = 256) -> None:
        """`most_messages` of QoS 1 and `most_records` may wait for the log; beyond, `full` says to stop reading."""
        self._most_messages, self._most_records = most_messages, most_records
        self._epoch = 0
        self._token = 0
        self._batches: deque[_Batch] = deque()
        self._flying: dict[int, tuple[Append, _Batch | None]] = {}
        self._lanes: dict[Position, _Lane] = {}
        self._troubled: set[Position] = set()
        self.messages = 0
        """Messages that wait for the log."""
        self.stale = 0
        """Acknowledgements dropped because their connection was gone."""

    # ----------------------------------------------------------------------------------------------- state

    @property
    def full(self) -> bool:
        """Whether to stop reading: too much waits for the log, or the log has refused something."""
        return bool(self._troubled) or self.messages >= self._most_messages or len(self._flying) >= self._most_records

    @property
    def records(self) -> int:
        """Records that wait for the log."""
        return len(self._flying)

    @property
    def troubled(self) -> bool:
        """Whether the log has refused something that must be handed over again."""
        return bool(self._troubled)

    @property
    def oldest(self) -> Micros | None:
        """When the oldest message that waits was received."""
        return self._batches[0].received_at if self._batches else None

    def held(self, position: Position) -> bool:
        """Whether records of this partition wait for a failed one."""
        return position in self._troubled

    # ----------------------------------------------------------------------------------------------- events

    def connected(self, epoch: int) -> None:
        """A new connection; acknowledgements that belong to an older one are void from here on."""
        self._epoch = epoch

    def received(
        self, mids: Sequence[bytes], records: Iterable[Outgoing], count: int, received_at: Micros, ticket: Any = None
    ) -> list[Effect]:
        """One read: its packet ids in order, what it became, and how many messages it was; a `ticket` comes back when it is done."""
        batch = _Batch(self._epoch, mids, count, received_at, ticket)
        self._batches.append(batch)
        self.messages += count
        effects: list[Effect] = [append for record in records if (append := self._hand_over(record, batch)) is not None]
        return effects or self._release()

    def emit(self, record: Outgoing) -> list[Effect]:
        """A record that no message waits for: a tick, an answer in a device's place."""
        append = self._hand_over(record, None)
        return [append] if append is not None else []

    def confirmed(self, token: int) -> list[Effect]:
        """The log has the record; a token that was abandoned means nothing."""
        if token not in self._flying:
            return []
        append, batch = self._flying.pop(token)
        lane = self._landed(append)
        effects: list[Effect] = []
        if batch is not None:
            batch.open -= 1
            effects += self._release()
        if not lane.flying and not lane.failed and not lane.waiting:
            del self._lanes[_position(append)]
        return effects

    def failed(self, token: int) -> None:
        """The log did not take the record; it is kept, and so is everything behind it in its partition."""
        if token not in self._flying:
            return
        append, _ = self._flying[token]
        self._landed(append).failed.append(append)
        self._troubled.add(_position(append))

    def retry(self) -> list[Effect]:
        """Hand over again what failed, in order, in partitions where nothing flies any more."""
        effects: list[Effect] = []
        for position in sorted(self._troubled):
            lane = self._lanes[position]
            if lane.flying:
                continue
            again = sorted(lane.failed) + lane.waiting
            lane.failed, lane.waiting, lane.flying = [], [], len(again)
            self._troubled.discard(position)
            effects += again
        return effects

    def abandon(self) -> Abandoned:
        """Stop waiting for all that was received: the broker still holds it and sends it again on the next connection.

        Only while nothing is troubled. What lands late is in the log twice and counts once.
        """
        tokens = [token for token, (_, batch) in self._flying.items() if batch is not None]
        for token in tokens:
            append, _ = self._flying.pop(token)
            if not self._landed(append).flying:
                del self._lanes[_position(append)]
        tickets = [batch.ticket for batch in self._batches if batch.ticket is not None]
        self._batches.clear()
        self.messages = 0
        return Abandoned(tokens, tickets)

    # ----------------------------------------------------------------------------------------------- inside

    def _hand_over(self, record: Outgoing, batch: _Batch | None) -> Append | None:
        self._token += 1
        append = Append(self._token, record)
        self._flying[self._token] = append, batch
        if batch is not None:
            batch.open += 1
        position = _position(append)
        lane = self._lanes.setdefault(position, _Lane())
        if position in self._troubled:
            lane.waiting.append(append)
            return None
        lane.flying += 1
        return append

    def _landed(self, append: Append) -> _Lane:
        lane = self._lanes[_position(append)]
        lane.flying -= 1
        return lane

    def _release(self) -> list[Effect]:
        """Tickets and acknowledgements of the batches at the head that are done."""
        acks: list[Effect] = []
        while self._batches and self._batches[0].open == 0:
            batch = self._batches.popleft()
            self.messages -= batch.count
            if batch.ticket is not None:
                acks.append(Done(batch.ticket))
            if batch.epoch != self._epoch:
                self.stale += sum(1 for mid in batch.mids if mid)
            else:
                acks.append(Ack(batch.epoch, batch.mids, batch.count))
        return acks


def _position(append: Append) -> Position:
    return append.record.topic, append.record.partition
