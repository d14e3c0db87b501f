"""The merge of a processor's inputs by their own time: what makes the outcome independent of how topics interleave.

What it promises, per partition:

- A *gating* input's time is the largest time read from it. A record stands at the time its input has reached with it, so a record
  that is late in its own topic stands where its topic is; within a topic the order of the log is never changed.
- Gating records are released in the order of (time, place in `inputs`, offset). One is released when no other gating input can
  still bring one that belongs before it: every input has been read up to its time, those with an earlier place beyond it.
- Ticks only move an input's time on. *Merged time* is the smallest time of the gating inputs; it never goes back.
- `due(t)` stands before each release, with the time of the record, and at the end of a drain with the merged time. Where a single
  input is gating, it stands at each of its ticks as well: many that are read at once are no leap of time.
- A record of an input that is not gating stands at its own time, among the gating records that were read already. If all gating
  inputs have been read up to their end and have not reached its time, it is released at once: nobody waits a second for an answer.
  `due` is then called with the merged time only, while `now` is the record's own. Where it stands depends on when it came
  (`Step.by_arrival` says so), so hosts make such a step durable at once instead of trusting a replay to repeat it; and while a
  replay repeats steps that were done before (`not_before`), no such record comes between them.
- Where no input is gating, merged time is the largest time read from any, and only changing from one input to another depends on
  when records came.

The order of release of gating records, their `now` and what `due` is called with in between depend on the topics only, not on reading.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from vorab.clock import Micros
from vorab.processor import Input

BEGINNING: Final[Micros] = -(1 << 62)
"""The time of an input nothing was read from."""

T = TypeVar("T")


class Due(NamedTuple):
    """Timers with a deadline before this time fire."""

    now: Micros


class Step(NamedTuple, Generic[T]):
    """A record is released."""

    topic: str
    offset: int
    payload: T
    now: Micros
    by_arrival: bool
    """Whether its place among the others depends on when it came: a replay need not repeat it."""


class Progress(NamedTuple):
    """What must be kept to go on after a restart as if nothing had happened."""

    offsets: dict[str, int]
    """The next offset of each input anything was released from."""
    times: dict[str, Micros]
    """The time each input had reached there."""
    now: Micros
    """Merged time, as far as `due` was called."""


class _Waiting(NamedTuple, Generic[T]):
    time: Micros
    offset: int
    payload: T | None
    """None is a tick."""


@dataclass(slots=True, eq=False)
class _Lane(Generic[T]):
    topic: str
    rank: int
    gating: bool
    seen: Micros = BEGINNING
    """The largest time read."""
    released: Micros = BEGINNING
    """The time reached by what was released."""
    next: int | None = None
    waiting: deque[_Waiting[T]] = field(default_factory=deque)


class Merge(Generic[T]):
    """The merge of one partition of one processor."""

    def __init__(self, inputs: Sequence[Input], saved: Progress | None = None, not_before: Micros = BEGINNING) -> None:
        """`saved` is where to go on; steps up to the time `not_before` may have been done already by a run that did not save them."""
        self._lanes: dict[str, _Lane[T]] = {each.topic: _Lane(each.topic, rank, each.gating) for rank, each in enumerate(inputs)}
        self._gating = [lane for lane in self._lanes.values() if lane.gating]
        self._free = [lane for lane in self._lanes.values() if not lane.gating]
        self._not_before = not_before
        self._last: _Lane[T] | None = None
        self.now = BEGINNING
        if saved is not None:
            self.now = saved.now
            for topic, lane in self._lanes.items():
                lane.seen = lane.released = saved.times.get(topic, BEGINNING)
                lane.next = saved.offsets.get(topic)

    def push(self, topic: str, offset: int, time: Micros | None, payload: T | None) -> None:
        """Take what was read; a payload of None is a tick, a time of None (unreadable) stands where its input is."""
        lane = self._lanes[topic]
        if time is None:
            time = max(lane.seen, self.now)
        lane.seen = max(lane.seen, time)
        lane.waiting.append(_Waiting(lane.seen if lane.gating else time, offset, payload))

    def drain(self, caught_up: Callable[[], bool] = lambda: True) -> Iterator[Due | Step[T]]:
        """What can be done now, in order; to be consumed to its end.

        `caught_up` says whether the gating inputs have been read to their end, so that records of other inputs need not wait.
        """
        while True:
            lane = self._head()
            other = self._free_head(caught_up)
            if other is not None and (lane is None or (_key(other) < _key(lane) and lane.waiting[0].time > self._not_before)):
                yield from self._release_free(other)
            elif lane is not None:
                yield from self._release(lane)
            else:
                break
        if (gate := self.gate) > self.now:
            yield self._due(gate)

    @property
    def gate(self) -> Micros:
        """The time every gating input has reached."""
        return min(lane.seen for lane in self._gating) if self._gating else max(lane.seen for lane in self._free)

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many records of each input wait."""
        return {topic: len(lane.waiting) for topic, lane in self._lanes.items()}

    def progress(self) -> Progress:
        """Where a restart goes on."""
        lanes = [lane for lane in self._lanes.values() if lane.next is not None]
        return Progress(
            {lane.topic: lane.next for lane in lanes if lane.next is not None},
            {lane.topic: lane.released for lane in lanes if lane.released != BEGINNING},
            self.now,
        )

    def _due(self, now: Micros) -> Due:
        self.now = now
        return Due(now)

    def _head(self) -> _Lane[T] | None:
        """The gating input whose first record is next, if that is certain; ticks at the front are used up, but for a single input's."""
        best: _Lane[T] | None = None
        for lane in self._gating:
            if len(self._gating) > 1:
                _use_ticks(lane)
            if lane.waiting and (best is None or lane.waiting[0].time < best.waiting[0].time):
                best = lane
        if best is None:
            return None
        time = best.waiting[0].time
        for lane in self._gating:
            if not lane.waiting and (lane.seen < time or (lane.seen == time and lane.rank < best.rank)):
                return None
        return best

    def _free_head(self, caught_up: Callable[[], bool]) -> _Lane[T] | None:
        best: _Lane[T] | None = None
        for lane in self._free:
            _use_ticks(lane)
            if lane.waiting and (best is None or _key(lane) < _key(best)):
                best = lane
        if best is None:
            return None
        if self._gating and self.gate <= self._not_before:
            return best if not any(each.payload is not None for lane in self._gating for each in lane.waiting) and caught_up() else None
        return best if best.waiting[0].time <= self.gate or caught_up() else None

    def _release(self, lane: _Lane[T]) -> Iterator[Due | Step[T]]:
        first = _pop(lane)
        if first.time > self.now:
            yield self._due(first.time)
        if first.payload is not None:
            yield Step(lane.topic, first.offset, first.payload, first.time, by_arrival=False)

    def _release_free(self, lane: _Lane[T]) -> Iterator[Due | Step[T]]:
        first = _pop(lane)
        reached = min(first.time, self.gate)
        by_arrival = bool(self._gating) or self._last not in {None, lane}
        self._last = lane
        if reached > self.now:
            yield self._due(reached)
        if first.payload is not None:
            yield Step(lane.topic, first.offset, first.payload, max(first.time, self.now), by_arrival=by_arrival)


def _key(lane: _Lane[T]) -> tuple[Micros, int]:
    return lane.waiting[0].time, lane.rank


def _pop(lane: _Lane[T]) -> _Waiting[T]:
    first = lane.waiting.popleft()
    lane.next = first.offset + 1
    lane.released = max(lane.released, first.time)
    return first


def _use_ticks(lane: _Lane[T]) -> None:
    while lane.waiting and lane.waiting[0].payload is None:
        _pop(lane)
