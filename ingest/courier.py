"""Brings actions from the log to the thread that talks MQTT: a thread of its own, because reading the log waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol

from vorab import topics
from vorab.clock import Clock, Micros
from vorab.cloudevents import attributes
from vorab.errors import Rejected, Unavailable
from vorab.log import Entry, EventLog, Position
from vorab.records import Action, Facts, Recall, Record, Reply, from_wire

_WAIT_S: Final = 0.5
_TICK: Final = b"io.vorab.tick.v1"


class HandOver(Protocol):
    """Takes what is brought."""

    def __call__(self, record: Record, *, earlier: bool = False) -> None:
        """`earlier`: an action that stood on the log before the start; another run may have handed it over already."""


class Courier:
    """Reads `vorab.facts`, and of the last while the `vorab.replies` and what was taken back, once; then `vorab.actions` for ever."""

    def __init__(self, log: EventLog, partitions: list[int], clock: Clock, look_back: Micros) -> None:
        self._log, self._partitions, self._clock, self._look_back = log, partitions, clock, look_back

    def run(self, hand_over: HandOver, stop: threading.Event) -> None:
        """Hand over replies and actions in order until `stop`; waits out a log that is away."""
        positions: dict[Position, int] | None = None
        ends: Mapping[int, int] = {}
        while not stop.is_set():
            try:
                if positions is None:
                    since = self._clock.now() - int(self._look_back * max(1.0, self._clock.speed))
                    self._catch_up(hand_over, since, stop)
                    ends = self._log.ends(topics.ACTIONS)
                    positions = self._start(topics.ACTIONS, since)
                if not positions:
                    stop.wait()
                for entry in self._log.read(positions, wait_s=_WAIT_S):
                    positions[entry.topic, entry.partition] = entry.offset + 1
                    earlier = entry.offset < ends.get(entry.partition, 0)
                    _deliver(entry, (Action, Recall), partial(hand_over, earlier=earlier) if earlier else hand_over)
            except Unavailable:
                stop.wait(_WAIT_S)

    def _start(self, topic: str, since: Micros) -> dict[Position, int]:
        begins, ends = self._log.begins(topic), self._log.ends(topic)
        return {(topic, p): first_at(self._log, (topic, p), since, begins[p], ends[p]) for p in self._partitions}

    def _catch_up(self, hand_over: HandOver, since: Micros, stop: threading.Event) -> None:
        begins = self._log.begins(topics.FACTS)
        self._read(topics.FACTS, Facts, {(topics.FACTS, p): begins[p] for p in self._partitions}, hand_over, stop)
        self._read(topics.REPLIES, Reply, self._start(topics.REPLIES, since), hand_over, stop)
        self._read(topics.ACTIONS, Recall, self._start(topics.ACTIONS, since), hand_over, stop)

    def _read(self, topic: str, wanted: type[Record], positions: dict[Position, int], hand_over: HandOver, stop: threading.Event) -> None:
        """Everything that stands there now."""
        ends = self._log.ends(topic)
        while not stop.is_set():
            behind = {place: offset for place, offset in positions.items() if offset < ends[place[1]]}
            if not behind:
                return
            for entry in self._log.read(behind, wait_s=_WAIT_S):
                positions[entry.topic, entry.partition] = entry.offset + 1
                _deliver(entry, wanted, hand_over)


def _deliver(entry: Entry, wanted: type[Record] | tuple[type[Record], ...], hand_over: Callable[[Record], None]) -> None:
    headers: Mapping[str, bytes] = dict(entry.headers)
    if headers.get("ce_type") == _TICK:
        return
    try:
        record = from_wire(entry.value, entry.headers)
    except Rejected:
        return  # whoever decides over this topic tells about it; here it is nothing that could be sent
    if isinstance(record, wanted):
        hand_over(record)


def first_at(log: EventLog, position: Position, at: Micros, low: int, high: int) -> int:
    """The offset of the first record of time `at` or later between offsets `low` and `high`, found by halving."""
    while low < high:
        middle = (low + high) // 2
        found = log.read({position: middle}, limit=1, wait_s=_WAIT_S)
        if not found:
            raise Unavailable(f"{position[0]}/{position[1]} offset {middle} cannot be read")
        try:
            early = attributes(found[0].headers).time < at
        except Rejected:
            early = True
        if early:
            low = found[0].offset + 1
        else:
            high = middle
    return low
