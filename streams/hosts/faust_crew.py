"""All instances of one processor in this worker, under Faust: what is stepped, written, checkpointed and acknowledged, in that order.

One rule holds it together: outputs are confirmed before the state that knows of them is written, and input is acknowledged after.
Where to go on is decided by the state alone; Faust's committed offsets only save reading what the state knows already.

After a crash steps are repeated from the checkpoint. Their outputs have the same ids and bodies, so they may stand twice in the topic
and readers go by id; a processor need not read its own outputs back to know what it decided.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from faust.types import TP

from streams.hosts.faust_state import Shelf
from streams.hosts.instance import Instance, Layout
from vorab.clock import SECOND, Clock, Micros
from vorab.cloudevents import Headers
from vorab.log import Outgoing
from vorab.metrics import metric
from vorab.processor import Kind, Registry
from vorab.service import logger
from vorab.testing import crashpoint
from vorab.topics import TOPICS

MAX_PENDING: Final = 5_000
"""Outputs in flight that make a step wait for their confirmation."""
MOST_TOGETHER: Final = 16
"""Events that are taken before they are stepped."""
SET_BACK_EVERY: Final = 5
"""After so many nudges, reading that was set back in vain is set back again."""
QUIET_FACTOR: Final = 5
"""Where nothing but ticks came, checkpoints are so many times rarer."""

log = logger("streams")


class LostError(Exception):
    """Records between the state and what the broker still has are gone, though they were not too old: a defect."""


@dataclass(slots=True)
class _Seat:
    instance: Instance
    shelf: Shelf
    expected: dict[str, int]
    """The offset to be taken next, per topic on the log; a topic that is missing was never read."""
    rewound: dict[str, int] = field(default_factory=dict)
    """Topics whose reading was set back to that offset; what still comes from before that is dropped."""
    open: dict[str, deque[Any]] = field(default_factory=dict)
    """Events taken and not yet acknowledged, per topic as the processor calls it."""
    moved: bool = False
    active: bool = False


class Crew:
    """The instances of one processor."""

    def __init__(
        self, kind: Kind, registry: Registry, layout: Layout, clock: Clock, writer: str, first: Callable[[str, int, int], int] | None = None
    ) -> None:
        """`writer` names this run of this process; `first` asks the broker for the first offset it still has at or after one."""
        self.kind, self._registry, self._layout, self._clock, self._writer = kind, registry, layout, clock, writer
        self.app: Any = None
        self.table: Any = None
        self.producer: Any = None
        self._canonical = {layout.name(each.topic): each.topic for each in kind.inputs}
        self._first = first
        self._gating = [layout.name(each.topic) for each in kind.inputs if each.gating]
        self._seats: dict[int, _Seat] = {}
        self._generation: int | None = None
        self._nudges = 0
        self._stepping = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._pending: list[asyncio.Future[Any]] = []
        self._ready: Counter[int] = Counter()
        """Events taken and not stepped yet, per partition."""
        self.taken: dict[tuple[str, int], int] = {}
        """The next offset of each assigned input, for the watchdog."""
        self._steps = metric("vorab_streams_steps_total").labels(kind.name)
        self._outputs = metric("vorab_streams_outputs_total").labels(kind.name)
        self._rejected = metric("vorab_streams_rejected_total").labels(kind.name)
        self._waiting = metric("vorab_streams_lag_records").labels(kind.name)
        self._duration = metric("vorab_streams_checkpoint_seconds").labels(kind.name)

    @property
    def assigned(self) -> bool:
        """Whether the worker takes part now."""
        return self._generation is not None

    # ----------------------------------------------------------------------------------------- stepping

    async def take(self, event: Any) -> None:
        """One event of the stream; where the broker has more of its partition already, these are taken first and stepped together."""
        partition = event.message.partition
        async with self._stepping:
            await self._take(event)
            if not self._ready[partition] or (self._is_behind(event.message) and self._ready[partition] < MOST_TOGETHER):
                return
            del self._ready[partition]
            by_arrival = await self._work(partition, self._seats[partition])
        if by_arrival:
            await self.checkpoint([partition])

    def _is_behind(self, message: Any) -> bool:
        end = self.app.consumer.highwater(TP(message.topic, message.partition))
        return end is not None and end > message.offset + 1

    async def _take(self, event: Any) -> None:
        message = event.message
        if message.generation_id != self._generation:
            return  # from before a rebalance: it will be read again by whoever holds the partition now
        seat = self._seats.get(message.partition)
        if seat is None:
            return  # not assigned
        if not await self._in_turn(seat, message):
            if message.offset < seat.expected.get(message.topic, 0):
                self._forget_or_keep(seat, event)
            return
        topic = self._canonical[message.topic]
        seat.expected[message.topic] = message.offset + 1
        self.taken[message.topic, message.partition] = message.offset + 1
        seat.open.setdefault(topic, deque()).append(event)
        seat.instance.take(topic, message.offset, message.value, tuple(message.headers or ()))
        self._ready[message.partition] += 1

    async def nudge(self) -> None:
        """Let instances whose records wait for others look again whether they still have to."""
        by_arrival = []
        async with self._stepping:
            self._ready.clear()
            for partition, seat in self._seats.items():
                if any(seat.instance.waiting.values()) and await self._work(partition, seat):
                    by_arrival.append(partition)
            self._nudges += 1
            if self._nudges % SET_BACK_EVERY == 0:
                await self._set_back_again()
        if by_arrival:
            await self.checkpoint(by_arrival)

    async def _set_back_again(self) -> None:
        # Faust notes down how far it has read after it has handed a record over. Where that comes after the seek, or more of the same
        # fetch follows, it drops what the seek brings as read before, and only saying it again helps.
        for partition, seat in self._seats.items():
            for topic, offset in seat.rewound.items():
                log.warning("reading is set back again", topic=topic, partition=partition, to=offset)
                await self.app.consumer.seek(TP(topic, partition), offset)

    async def _work(self, partition: int, seat: _Seat) -> bool:
        worked = seat.instance.work(functools.partial(self._caught_up, partition, seat))
        seat.moved = True
        seat.active = seat.active or bool(worked.steps or worked.outputs)
        await self._send(worked.outputs)
        if len(self._pending) > MAX_PENDING:
            await asyncio.gather(*self._pending)
            self._pending.clear()
        self._steps.inc(worked.steps)
        self._outputs.inc(len(worked.outputs))
        self._rejected.inc(worked.rejected)
        return worked.by_arrival

    async def _send(self, outputs: Sequence[Outgoing]) -> None:
        """Hand outputs over in their order; those that follow each other in a partition in one go, which costs a fifth."""
        for (topic, partition), group in itertools.groupby(outputs, key=lambda output: output[:2]):
            together = list(group)
            if len(together) == 1:
                _, _, key, value, headers = together[0]
                self._pending.append(await self._put(topic, partition, key, value, headers))
                continue
            batch = self.producer.create_batch()
            for _, _, key, value, headers in together:
                if batch.append(key=key, value=value, timestamp=None, headers=list(headers)) is None:  # it is full
                    self._pending.append(await self.producer.send_batch(batch, topic, partition=partition))
                    batch = self.producer.create_batch()
                    if batch.append(key=key, value=value, timestamp=None, headers=list(headers)) is None:
                        raise ValueError(f"a record of {len(value or b'')} bytes fits no batch")
            self._pending.append(await self.producer.send_batch(batch, topic, partition=partition))

    async def _put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> asyncio.Future[Any]:
        sent: asyncio.Future[Any] = await self.producer.send(topic, value=value, key=key, partition=partition, headers=list(headers))
        return sent

    def _seat(self, partition: int) -> _Seat:
        shelf = Shelf(partition, self._writer)
        instance = Instance(self.kind, partition, self._registry, self._layout, shelf.load(self.table.data))
        return _Seat(instance, shelf, {self._layout.name(topic): offset for topic, offset in instance.offsets.items()})

    async def _in_turn(self, seat: _Seat, message: Any) -> bool:
        """Whether this is the record that comes next; where records are missing in between, reading is set back to them.

        Raises:
            LostError: they are not there any more.
        """
        topic, offset = message.topic, message.offset
        expected = seat.expected.get(topic)
        if expected is not None and offset < expected:
            return False
        if expected is None:
            expected = 0  # never read: everything the broker still has is wanted
        if offset > expected and not await self._compacted(message, expected):
            if seat.rewound.get(topic) == expected:
                return False  # read before it was set back; the right one is on its way
            begin = (await self.app.consumer.earliest_offsets(TP(topic, message.partition)))[TP(topic, message.partition)]
            if offset > max(expected, begin):
                log.warning("reading is set back", topic=topic, partition=message.partition, offset=offset, to=max(expected, begin))
                seat.rewound[topic] = seat.expected[topic] = max(expected, begin)
                await self.app.consumer.seek(TP(topic, message.partition), max(expected, begin))
                return False
            if seat.expected.get(topic) is not None:
                log.error(
                    "records were deleted before they were read", topic=topic, partition=message.partition, first=expected, then=offset
                )
        seat.rewound.pop(topic, None)
        return True

    async def _compacted(self, message: Any, expected: int) -> bool:
        """Whether nothing is missing before this record but what compaction took."""
        topic = TOPICS.get(self._canonical[message.topic])
        if topic is None or not topic.compacted or self._first is None:
            return False
        first = await asyncio.to_thread(self._first, message.topic, message.partition, expected)
        return first == int(message.offset)

    def _forget_or_keep(self, seat: _Seat, event: Any) -> None:
        """An event the state knows already is acknowledged; one that waits in the merge is acknowledged with it."""
        topic = self._canonical[event.message.topic]
        if event.message.offset < seat.instance.offsets.get(topic, 0):
            event.ack()

    def _caught_up(self, partition: int, seat: _Seat) -> bool:
        for topic in self._gating:
            end = self.app.consumer.highwater(TP(topic, partition))
            if end is None or end > seat.expected.get(topic, 0):
                return False
        return True

    # -------------------------------------------------------------------------------------- checkpoints

    async def checkpoint(self, partitions: Sequence[int] | None = None, *, quiet: bool = True) -> None:
        """Save instances that moved (all or some; without `quiet` only those that did more than follow ticks), and acknowledge."""
        async with self._saving:
            started = self._wall()
            async with self._stepping:
                due = {
                    partition: seat
                    for partition, seat in self._seats.items()
                    if (partitions is None or partition in partitions) and (seat.active or (quiet and seat.moved))
                }
                saves = {partition: seat.shelf.save(seat.instance.blocks()) for partition, seat in due.items()}
                acks = [event for seat in due.values() for event in _done(seat)]
                for seat in due.values():
                    seat.moved = seat.active = False
                # Also outputs of other instances, which does no harm.
                outputs, self._pending = self._pending, []
            crashpoint("faust.outputs")
            await asyncio.gather(*outputs)
            if not saves:
                return
            crashpoint("faust.blocks")
            await self._write({partition: save.blocks for partition, save in saves.items()})
            crashpoint("faust.manifest")
            await self._write({partition: dict([save.manifest]) for partition, save in saves.items()})
            crashpoint("faust.acks")
            for event in acks:
                event.ack()
            await self._write({partition: dict.fromkeys(save.gone) for partition, save in saves.items()})
            self._duration.observe((self._wall() - started) / SECOND)
            self._waiting.set(sum(sum(seat.instance.waiting.values()) for seat in self._seats.values()))

    async def _write(self, records: Mapping[int, Mapping[bytes, bytes | None]]) -> None:
        """Write to the table and its changelog, and wait for the confirmations."""
        sent = []
        for partition, puts in records.items():
            for key, value in puts.items():
                if value is None:
                    self.table.data.pop(key, None)
                else:
                    self.table.data[key] = value
                sent.append(await self._put(self.table.changelog_topic_name, partition, key, value))
        await asyncio.gather(*sent)

    # --------------------------------------------------------------------------------------- rebalances

    async def revoked(self) -> None:
        """Partitions go, or may: save everything, acknowledge, and let all instances go; what stays is built again from the state."""
        async with self._stepping:
            self._generation = None
        await self.checkpoint()
        await self.app.consumer.commit()
        async with self._stepping:
            self._seats.clear()
            self._ready.clear()
            self.taken.clear()
        log.info("partitions revoked", processor=self.kind.name)

    async def ready(self) -> None:
        """The state of the assigned partitions has been read back: their events may be taken."""
        async with self._stepping:
            inputs = [tp for tp in self.app.consumer.assignment() if tp.topic in self._canonical]
            self._seats = {partition: self._seat(partition) for partition in sorted({tp.partition for tp in inputs})}
            # From now on the watchdog expects progress on all of them.
            self.taken.update({(tp.topic, tp.partition): self._seats[tp.partition].expected.get(tp.topic, 0) for tp in inputs})
            self._generation = self.app.consumer_generation_id
        log.info("partitions assigned", processor=self.kind.name, generation=self._generation, partitions=list(self._seats))

    def _wall(self) -> Micros:
        return self._clock.wall(self._clock.now())


def _done(seat: _Seat) -> list[Any]:
    """Events whose offsets the instance is through with, removed from the open ones."""
    done = []
    for topic, following in seat.instance.offsets.items():
        events = seat.open.get(topic)
        while events and events[0].message.offset < following:
            done.append(events.popleft())
    return done
