"""One processor instance with its merge: records in, records out, and what a restart needs. Pure; both hosts run it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from streams.hosts.merge import BEGINNING, Due, Merge, Progress, Step
from vorab import ids, topics
from vorab.clock import SECOND, Micros
from vorab.cloudevents import Headers, attributes, edition_header
from vorab.errors import ConfigError, Rejected
from vorab.frame import Frame, decode
from vorab.frame_join import join
from vorab.log import Outgoing
from vorab.processor import Kind, Out, Processor, Registry, TakesJoined
from vorab.records import Record, Rejection, Tick, parse, to_wire

HOST_BLOCK: Final = "@host"
"""The block the host itself keeps beside the processor's own."""
KEPT_BYTES: Final = 1_024
"""How much of a refused record is kept."""

MOST_JOINED: Final = 5_000
"""Rows that are stepped together: beyond, a step only takes longer."""
UNSAVED_TICKS: Final = 5
"""How far, in intervals between ticks, a run may have come since it last saved its state."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What an instance knows about the log: counts, names, and how often time is passed on."""

    partitions: Callable[[str], int]
    """The number of partitions of a topic (its name on the log)."""
    recorded_partitions: int = 0
    renames: Mapping[str, str] = field(default_factory=dict)
    """Topic as processors call it → name on the log, where the two differ."""
    tick_every: Micros = SECOND
    """Time is passed on when it crosses a multiple of this, in the processors' time."""

    def name(self, topic: str) -> str:
        """A topic's name on the log."""
        return self.renames.get(topic, topic)

    def partition_of(self, topic: str, key: str) -> int:
        """The partition of a key in a topic (as processors call it)."""
        return topics.partition_of(key, self.partitions(self.name(topic)), self.recorded_partitions)

    def input_partitions(self, kind: Kind) -> int:
        """How many partitions a processor works on; raises ConfigError where its inputs differ."""
        counts = {self.name(each.topic): self.partitions(self.name(each.topic)) for each in kind.inputs}
        if len(set(counts.values())) != 1:
            raise ConfigError(f"{kind.name}: its inputs have different numbers of partitions: {counts}", key="topics.partitions")
        return next(iter(counts.values()))


class Taken(NamedTuple):
    """A record as it waits in the merge: read, or refused."""

    record: Record | Frame | Rejected
    value: bytes | None


class Worked(NamedTuple):
    """What a round of work came to."""

    outputs: list[Outgoing]
    steps: int
    rejected: int
    by_arrival: bool
    """Whether a step's place was decided by when its record came: replaying need not repeat it."""


@dataclass(slots=True)
class _Round:
    """What a round of work has come to so far, and the frames that wait to be stepped together."""

    steps: int = 0
    rejected: int = 0
    by_arrival: bool = False
    frames: list[Step[Taken]] = field(default_factory=list)
    rows: int = 0
    due: Micros | None = None
    """Timers fire at this time after these frames."""


class Saved(msgspec.Struct, frozen=True):
    """The host's own block."""

    schema: int
    offsets: dict[str, int]
    times: dict[str, Micros]
    now: Micros


def read_record(topic: str, value: bytes | None, headers: Headers) -> tuple[Micros | None, Taken | None]:
    """A record's time (None where it cannot be read, or stands where its input is) and content (None for a tick)."""
    if value is None and topic in topics.TOPICS and topics.TOPICS[topic].compacted:
        return None, None  # a deleted key, which tells a processor nothing
    try:
        if topic == topics.READINGS:
            frame = decode(value or b"")
            return frame.now, Taken(frame, value) if frame.n else None
        context = attributes(headers)
        if context.type == Tick.TYPE:
            return context.time, None
    except Rejected as refusal:
        return None, Taken(refusal, value)
    try:
        record = parse(context, value)
    except Rejected as refusal:
        return context.time, Taken(refusal, value)
    return context.time if record.MOVES_TIME else None, Taken(record, value)


class Instance:
    """A processor on one partition."""

    def __init__(
        self, kind: Kind, partition: int, registry: Registry, layout: Layout, blocks: Mapping[str, bytes], done_until: Micros | None = None
    ) -> None:
        """Build it and restore what `blocks` returned before; steps up to the time `done_until` were done by a run that did not save them.

        Where that is not known exactly (None), it is taken as a little after the time of the state.

        Raises:
            ConfigError: the state was written by a newer version of the processor.
        """
        self.kind, self.partition, self._layout = kind, partition, layout
        saved = _saved(kind, partition, blocks.get(HOST_BLOCK))
        progress = Progress(saved.offsets, saved.times, saved.now) if saved else None
        if done_until is None:
            done_until = saved.now + UNSAVED_TICKS * layout.tick_every if saved else BEGINNING
        self._merge: Merge[Taken] = Merge(kind.inputs, progress, done_until)
        self._mark = self._floor(self._merge.now)
        self._held: dict[str, Micros] = {}
        self.told: dict[str, Micros] = {}
        """The last tick of each topic; a host that knows more from before a crash adds it, so that no tick is told twice."""
        self._source = f"urn:vorab:{kind.name}"
        self._beside: Headers = (edition_header(kind.edition),) if kind.edition else ()
        self._outputs: list[Outgoing] = []
        self.processor: Processor = kind.build(partition, registry)
        self._joins = self.processor if isinstance(self.processor, TakesJoined) else None
        own = {name: value for name, value in blocks.items() if name != HOST_BLOCK}
        if own:
            self.processor.restore(own)

    @property
    def offsets(self) -> dict[str, int]:
        """The next offset of each input that anything was taken and done from."""
        return self._merge.progress().offsets

    @property
    def now(self) -> Micros:
        """Merged time."""
        return self._merge.now

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many records of each input were taken and wait for others."""
        return self._merge.waiting

    def take(self, topic: str, offset: int, value: bytes | None, headers: Headers) -> None:
        """Take the next record of an input (topic as processors call it)."""
        time, taken = read_record(topic, value, headers)
        self._merge.push(topic, offset, time, taken)

    def work(self, caught_up: Callable[[], bool] = lambda: True) -> Worked:
        """Do all that can be done now; see `Merge.drain` for `caught_up`."""
        round_ = _Round()
        ahead: Micros | None = None
        for each in self._merge.drain(caught_up):
            if isinstance(each, Due):
                if ahead is not None:
                    self._finish(round_, ahead)
                ahead = each.now
                continue
            round_.by_arrival = round_.by_arrival or each.by_arrival
            if isinstance(each.payload.record, Frame):
                # A frame is older than its time: what it brings comes before the timers that end at that time.
                if round_.frames and not self._may_join(round_, each, each.payload.record):
                    self._finish(round_, None)
                round_.frames.append(each)
                round_.rows += each.payload.record.n
                round_.due = ahead if ahead is not None else round_.due
            else:
                self._finish(round_, ahead)
                self._step(round_, each)
            ahead = None
        self._finish(round_, ahead)
        for topic in list(self._held):
            self._pass_on(topic)
        outputs, self._outputs = self._outputs, []
        return Worked(outputs, round_.steps, round_.rejected, round_.by_arrival)

    def _may_join(self, round_: _Round, step: Step[Taken], frame: Frame) -> bool:
        """Whether a frame may be stepped together with those that wait: no tick and no timer between them."""
        first = round_.frames[0]
        return (
            self._joins is not None
            and step.topic == first.topic
            and round_.rows + frame.n <= MOST_JOINED
            and step.now - first.now < SECOND
            and self._floor(step.now) == self._mark
            and self._joins.quiet(step.now)
        )

    def _finish(self, round_: _Round, ahead: Micros | None) -> None:
        """Step the frames that wait, fire the timers that end at their time, and those until `ahead`."""
        frames, due = round_.frames, round_.due
        round_.frames, round_.due, round_.rows = [], None, 0
        if len(frames) > 1:
            last = frames[-1]
            joined = join([each.payload.record for each in frames if isinstance(each.payload.record, Frame)])
            try:
                self._write(list(self.processor.step(last.topic, last.offset, joined, last.now)))
                round_.steps += len(frames)
            except Rejected:  # one of them: its state is unchanged, and alone it is refused
                for each in frames:
                    self._step(round_, each)
        elif frames:
            self._step(round_, frames[0])
        for now in (due, ahead):
            if now is not None:
                self._due(now)

    def blocks(self) -> dict[str, bytes]:
        """What changed since the last call, with the host's own block; belongs to `offsets`."""
        progress = self._merge.progress()
        own = msgspec.json.encode(Saved(self.kind.schema, progress.offsets, progress.times, progress.now))
        return {**self.processor.dirty(), HOST_BLOCK: own}

    def _step(self, round_: _Round, step: Step[Taken]) -> None:
        record, value = step.payload
        round_.steps += 1
        refusal = record if isinstance(record, Rejected) else None
        if not isinstance(record, Rejected):
            try:
                outputs: Sequence[Out] = list(self.processor.step(step.topic, step.offset, record, step.now))
            except Rejected as error:
                refusal = error
            else:
                self._write(outputs)
        if refusal is not None:
            round_.rejected += 1
            self._write([self._rejection(step, refusal, value)])

    def _due(self, now: Micros) -> None:
        """Fire the timers; where time crosses a multiple of `tick_every`, say so to whoever reads the outputs."""
        mark = self._floor(now)
        if self.kind.ticks and mark > self._mark:
            self._write(self.processor.due(mark))
            self._mark = mark
            self._held = dict.fromkeys(self.kind.ticks, mark)
        self._write(self.processor.due(now))

    def _floor(self, now: Micros) -> Micros:
        return now // self._layout.tick_every * self._layout.tick_every if now != BEGINNING else BEGINNING

    def _write(self, outputs: Iterable[Out]) -> None:
        for out in outputs:
            # A tick stands where time crossed its mark, but ticks with nothing between them are one.
            if self._held:
                self._pass_on(out.topic)
            key, value, headers = to_wire(out.record, self._source)
            partition = out.partition
            if out.key is not None:
                key = out.key.encode()
            if partition is None:
                partition = self._layout.partition_of(out.topic, key.decode())
            self._outputs.append(Outgoing(self._layout.name(out.topic), partition, key, value, headers + self._beside))

    def _pass_on(self, topic: str) -> None:
        mark = self._held.pop(topic, None)
        if mark is not None and mark > self.told.get(topic, BEGINNING):
            self.told[topic] = mark
            _, value, headers = to_wire(Tick(id=f"{self.kind.name}/{self.partition}/{mark}", at=mark), self._source)
            self._outputs.append(Outgoing(self._layout.name(topic), self.partition, None, value, headers))

    def _rejection(self, step: Step[Taken], refusal: Rejected, value: bytes | None) -> Out:
        origin = self._layout.name(step.topic)
        return Out(
            topics.REJECTED,
            Rejection(
                id=ids.rejection_id(origin, self.partition, step.offset, self.kind.name),
                source=f"{origin}/{self.partition}",
                reason=refusal.reason,
                detail=refusal.detail[:2_000],
                at=step.now,
                size_bytes=len(value or b""),
                payload_base64=base64.b64encode((value or b"")[:KEPT_BYTES]).decode(),
                origin_topic=origin,
                origin_partition=self.partition,
                origin_offset=step.offset,
            ),
        )


def _saved(kind: Kind, partition: int, block: bytes | None) -> Saved | None:
    if block is None:
        return None
    saved = msgspec.json.decode(block, type=Saved)
    if saved.schema > kind.schema:
        raise ConfigError(
            f"the state of {kind.name}, partition {partition}, was written by a newer vorab (schema {saved.schema}, here {kind.schema})",
            hint="run the newer version again, or give this one a new state folder or group and let it read from the start",
        )
    return saved
