"""The embedded host: runs processors over all partitions of a SQLite log in one thread.

Outputs leave at once. State and offsets follow at the next checkpoint, and until then the log remembers which outputs left since the
last one, in the same transaction as the outputs: steps repeated after a crash do not write them again. A step whose place depends on
when its record came is committed with its state at once. So every output is written exactly once.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from streams.hosts.instance import HOST_BLOCK, Instance, Layout, Worked
from streams.hosts.merge import BEGINNING
from vorab.clock import SECOND, Clock, Micros
from vorab.errors import Unavailable
from vorab.log import Outgoing, Position
from vorab.log.sqlite import SqliteLog
from vorab.metrics import metric
from vorab.processor import Kind, Registry
from vorab.service import crash, logger
from vorab.testing import crashpoint

LIMIT: Final = 500
MAX_WAITING: Final = 10_000
"""An input is not read on while so many of its records wait for other inputs."""
MAX_SENT: Final = 500
"""Outputs since the last checkpoint that force the next one."""
IDLE_S: Final = 0.25
QUIET_FACTOR: Final = 10
"""Where nothing but ticks came, checkpoints are so many times rarer."""

SENT_BLOCK: Final = "@sent"

log = logger("embedded")


class Sent(msgspec.Struct):
    """What left since the last checkpoint: outputs by content, the last tick of each topic, merged time at the last of them."""

    outputs: list[bytes] = []
    ticks: dict[str, Micros] = {}
    until: Micros = BEGINNING


@dataclass(slots=True)
class _Seat:
    """An instance and what of it is not checkpointed yet."""

    instance: Instance
    sent: Sent = field(default_factory=Sent)
    again: Counter[bytes] = field(default_factory=Counter)
    """Outputs that left before a crash but after the checkpoint it started from: their repetitions must not leave."""
    moved: bool = False
    active: bool = False

    def fresh(self, outputs: Sequence[Outgoing]) -> list[Outgoing]:
        """The outputs that have not left before; remembers them as sent."""
        kept = []
        for output in outputs:
            if output.key is not None:  # not a tick
                digest = _digest(output)
                if self.again[digest]:
                    self.again[digest] -= 1
                    continue
                self.sent.outputs.append(digest)
            kept.append(output)
        if kept:
            self.sent.ticks = dict(self.instance.told)
            self.sent.until = self.instance.now
        return kept

    def checkpoint(self) -> dict[str, bytes]:
        """All that changed, and a clean sheet of what was sent since."""
        # While steps from before a crash are still being repeated, what they sent then stays known.
        left = list(self.again.elements()) if self.instance.now <= self.sent.until else []
        self.again = Counter(left)
        self.sent = Sent(left, dict(self.instance.told), self.sent.until)
        self.moved = self.active = False
        return {**self.instance.blocks(), SENT_BLOCK: msgspec.msgpack.encode(self.sent)}


class _Crew:
    """All instances of one processor."""

    def __init__(self, events: SqliteLog, kind: Kind, registry: Registry, layout: Layout, clock: Clock, checkpoint_s: float) -> None:
        self.kind, self._log, self._layout, self._clock = kind, events, layout, clock
        self._checkpoint = int(checkpoint_s * SECOND)
        self._canonical = {layout.name(each.topic): each.topic for each in kind.inputs}
        self._gating = [layout.name(each.topic) for each in kind.inputs if each.gating]
        self._seats = [self._seat(registry, partition) for partition in range(layout.input_partitions(kind))]
        self._positions: dict[Position, int] = {
            (topic, partition): seat.instance.offsets.get(name, 0)
            for topic, name in self._canonical.items()
            for partition, seat in enumerate(self._seats)
        }
        self._full: dict[Position, int] = {}
        self._saved_at = self._wall()
        self._saved_quiet_at = self._saved_at
        self._failed: BaseException | None = None
        self._steps = metric("vorab_streams_steps_total").labels(kind.name)
        self._outputs = metric("vorab_streams_outputs_total").labels(kind.name)
        self._rejected = metric("vorab_streams_rejected_total").labels(kind.name)
        self._waiting = metric("vorab_streams_lag_records").labels(kind.name)
        self._duration = metric("vorab_streams_checkpoint_seconds").labels(kind.name)

    def _seat(self, registry: Registry, partition: int) -> _Seat:
        blocks, _ = self._log.load_state(self.kind.name, partition)
        sent = blocks.pop(SENT_BLOCK, None)
        known = msgspec.msgpack.decode(sent, type=Sent) if sent is not None else Sent()
        instance = Instance(self.kind, partition, registry, self._layout, blocks, known.until)
        instance.told.update(known.ticks)
        return _Seat(instance, known, Counter(known.outputs))

    def work(self) -> int:
        """Read what is there, step it and hand over what came of it; returns how many records were read."""
        if self._failed is not None:
            raise Unavailable(f"{self.kind.name}: outputs could not be written: {self._failed}")
        entries = self._log.read(self._positions, limit=LIMIT)
        touched: dict[int, _Seat] = {}
        for entry in entries:
            seat = touched.setdefault(entry.partition, self._seats[entry.partition])
            self._positions[entry.topic, entry.partition] = entry.offset + 1
            seat.instance.take(self._canonical[entry.topic], entry.offset, entry.value, entry.headers)
        records: list[Outgoing] = []
        state: dict[tuple[str, int], dict[str, bytes]] = {}
        for partition, seat in touched.items():
            worked = seat.instance.work(functools.partial(self._caught_up, partition))
            kept = seat.fresh(worked.outputs)
            records.extend(kept)
            seat.moved = True
            seat.active = seat.active or bool(worked.steps or worked.outputs)
            self._count(worked)
            if worked.by_arrival or (worked.steps and not self._gating) or len(seat.sent.outputs) > MAX_SENT:
                state[self.kind.name, partition] = seat.checkpoint()
            elif kept:
                state[self.kind.name, partition] = {SENT_BLOCK: msgspec.msgpack.encode(seat.sent)}
            self._hold_back(partition, seat)
        if records or state:
            self._transact(records, state)
        self._checkpoint_when_due()
        return len(entries)

    def checkpoint(self, *, quiet: bool = True) -> None:
        """Save what moved; without `quiet` only instances that did more than follow ticks."""
        seats = [(partition, seat) for partition, seat in enumerate(self._seats) if seat.active or (quiet and seat.moved)]
        if seats:
            started = self._wall()
            self._transact([], {(self.kind.name, partition): seat.checkpoint() for partition, seat in seats})
            self._duration.observe((self._wall() - started) / SECOND)
        self._waiting.set(sum(sum(seat.instance.waiting.values()) for seat in self._seats))

    def _checkpoint_when_due(self) -> None:
        now = self._wall()
        if now - self._saved_at >= self._checkpoint or now < self._saved_at:
            quiet = now - self._saved_quiet_at >= self._checkpoint * QUIET_FACTOR
            self.checkpoint(quiet=quiet)
            self._saved_at = now
            self._saved_quiet_at = now if quiet else self._saved_quiet_at

    def _transact(self, records: Sequence[Outgoing], state: Mapping[tuple[str, int], dict[str, bytes]]) -> None:
        offsets = {
            (name, self._layout.name(topic), partition): following
            for (name, partition), blocks in state.items()
            if HOST_BLOCK in blocks
            for topic, following in self._seats[partition].instance.offsets.items()
        }
        crashpoint("embedded.commit")
        self._log.transact(records, state=state, offsets=offsets, confirmed=self._confirmed)

    def _confirmed(self, error: BaseException | None) -> None:
        if error is not None:
            self._failed = error

    def _caught_up(self, partition: int) -> bool:
        return all(self._log.end(topic, partition) <= self._positions.get((topic, partition), 0) for topic in self._gating)

    def _hold_back(self, partition: int, seat: _Seat) -> None:
        """Stop reading inputs that run far ahead of the others, and go on where they no longer do."""
        waiting = seat.instance.waiting
        for topic, name in self._canonical.items():
            position = (topic, partition)
            if waiting[name] > MAX_WAITING:
                if position in self._positions:
                    self._full[position] = self._positions.pop(position)
                    log.warning("an input runs ahead", processor=self.kind.name, topic=topic, partition=partition, waiting=waiting[name])
            elif position in self._full:
                self._positions[position] = self._full.pop(position)

    def _count(self, worked: Worked) -> None:
        self._steps.inc(worked.steps)
        self._outputs.inc(len(worked.outputs))
        self._rejected.inc(worked.rejected)

    def _wall(self) -> Micros:
        return self._clock.wall(self._clock.now())


class EmbeddedHost:
    """Runs processors on a SQLite log until it is told to stop."""

    def __init__(
        self,
        events: SqliteLog,
        kinds: Sequence[Kind],
        registry: Registry,
        clock: Clock,
        *,
        recorded_partitions: int = 0,
        renames: Mapping[str, str] | None = None,
        tick_every: Micros = SECOND,
        checkpoint_s: float = 1.0,
        on_crash: Callable[[Any, str], None] = crash,
    ) -> None:
        """Nothing happens yet; `tick_every` is in the processors' time (µs), the pace of checkpoints is the clock's wall time."""
        self._log, self._kinds, self._registry, self._clock = events, kinds, registry, clock
        self._layout = Layout(events.partitions, recorded_partitions, renames or {}, tick_every)
        self._checkpoint_s, self._on_crash = checkpoint_s, on_crash
        self._state = "starting"

    def check(self) -> str | None:
        """For `/readyz`: None while it runs, else what is wrong."""
        return None if self._state == "running" else f"the streams are {self._state}"

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then save and return; an unexpected error ends the process with exit 70."""
        try:
            self._log.flush()  # what a host before this one handed over counts before the state is read
            crews = [_Crew(self._log, kind, self._registry, self._layout, self._clock, self._checkpoint_s) for kind in self._kinds]
            self._state = "running"
            log.info("streams run", processors=[kind.name for kind in self._kinds])
            self._work(crews, stop)
            for crew in crews:
                crew.checkpoint()
            self._log.flush()
            self._state = "stopped"
        except Exception:
            self._state = "crashed"
            self._on_crash(log, "run the streams")
            raise

    def _work(self, crews: Sequence[_Crew], stop: threading.Event) -> None:
        while not stop.is_set():
            seen = self._log.commits
            if not sum([crew.work() for crew in crews]):
                self._log.wait(seen, IDLE_S)


def _digest(output: Outgoing) -> bytes:
    content = hashlib.blake2b(output.topic.encode(), digest_size=16)
    content.update(output.partition.to_bytes(4, "big"))
    content.update(output.key or b"")
    content.update(output.value or b"")
    return content.digest()
