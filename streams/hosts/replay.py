"""The log read once more: processors over offsets that were read live, with the same outcome, and nothing written.

The instances are those of the hosts, so a replay steps, merges and ticks as they do. The embedded log forgets ticks after some minutes:
where offsets are missing, and as many as there were ticks in that time, time is told anew, else a quiet hour would look like an outage.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from streams.cohorts import Cohorts
from streams.hosts.instance import Instance, Layout, read_record
from streams.hosts.merge import BEGINNING
from streams.trials.csvframes import passing
from vorab.clock import SECOND, Micros
from vorab.errors import Rejected
from vorab.frame import Frame, decode, encode
from vorab.log import Entry, EventLog, Outgoing, Position
from vorab.processor import Kind, Registry
from vorab.records import Symptom, from_wire, to_wire
from vorab.topics import COHORTS, READINGS, SYMPTOMS

LIMIT: Final = 500
WAIT_S: Final = 5.0
_MISSED_TICKS: Final = 3
"""Missing offsets are forgotten ticks where there is one in so many intervals between ticks or more."""


class Replay:
    """Detect with one or more sets of rules, side by side over the same offsets."""

    def __init__(
        self,
        log: EventLog,
        kinds: Sequence[Kind],
        registry: Registry,
        layout: Layout,
        *,
        limits: Sequence[Micros] = (),
        tick: Micros = SECOND,
    ) -> None:
        """`limits` are those of silence (µs); `tick` is how often ingest ticks, in the readings' time (µs)."""
        self._log, self._layout = log, layout
        self._limits, self._tick = limits, tick
        partitions = range(layout.partitions(layout.name(READINGS)))
        self._crews = [[Instance(kind, partition, registry, layout, {}) for partition in partitions] for kind in kinds]
        self._readings = layout.name(READINGS)
        # What comes back about cohorts is of these rules, not what stands on the log of others.
        self._cohorts = [Cohorts() if any(each.topic == COHORTS for each in kind.inputs) else None for kind in kinds]
        self._answers = 0
        self._done: dict[Position, int] = {}
        self.outputs: list[list[Outgoing]] = [[] for _ in kinds]
        """Per processor what it would have written, ticks left out."""
        self.now: Micros = BEGINNING
        """The latest time that was reached."""
        self.first: Micros = -BEGINNING
        """The earliest time of a frame with rows."""
        self.rows = 0
        self.devices: set[str] = set()

    def places(self) -> tuple[dict[Position, int], dict[Position, int]]:
        """The first offset that is kept of each partition of readings, and the next one."""
        begins = {(self._readings, partition): begin for partition, begin in self._log.begins(self._readings).items()}
        return begins, {(self._readings, partition): end for partition, end in self._log.ends(self._readings).items()}

    def run(self, begins: Mapping[Position, int], ends: Mapping[Position, int]) -> Iterator[tuple[int, int]]:
        """Read from these offsets up to, and without, those; tells (records done, records in all) as it goes.

        Partitions go on side by side in the order of their times: what they tell each other finds them where it would live.
        """
        places, self._done = dict(begins), dict(begins)
        waiting: dict[Position, deque[tuple[Micros, Entry]]] = {place: deque() for place in ends}
        total = sum(max(0, end - begins[place]) for place, end in ends.items())
        while True:
            wanted = {place: at for place, at in places.items() if at < ends[place] and not waiting[place]}
            if wanted:
                entries = self._log.read(wanted, limit=LIMIT, wait_s=WAIT_S)
                for entry in entries:
                    place = entry.topic, entry.partition
                    places[place] = min(entry.offset + 1, ends[place])
                    if entry.offset < ends[place]:
                        waiting[place].append((self._see(entry.value), entry))
                if not entries:  # what is missing at the end was deleted
                    places |= {place: ends[place] for place in wanted}
                continue
            if not any(waiting.values()):
                return
            self._step(waiting, {place for place, at in places.items() if at < ends[place]}, begins)
            yield total - sum(max(0, ends[place] - at) + len(waiting[place]) for place, at in places.items()), total

    def _step(self, waiting: Mapping[Position, deque[tuple[Micros, Entry]]], more: set[Position], begins: Mapping[Position, int]) -> None:
        """Take what waits, the earliest first, until a partition has to be read on."""
        heads = [(entries[0][0], place) for place, entries in waiting.items() if entries]
        heapq.heapify(heads)
        touched: set[int] = set()
        while heads:
            _, place = heapq.heappop(heads)
            time, entry = waiting[place].popleft()
            if entry.offset > self._done[place] > begins[place]:
                self._fill(entry.partition, self._done[place], entry.offset, time)
            self._done[place] = entry.offset + 1
            for crew in self._crews:
                crew[entry.partition].take(READINGS, entry.offset, entry.value, entry.headers)
            touched.add(entry.partition)
            if any(self._cohorts):
                self._work(entry.partition)
            if waiting[place]:
                heapq.heappush(heads, (waiting[place][0][0], place))
            elif place in more:
                break
        for partition in sorted(touched):
            self._work(partition)

    def symptoms(self) -> list[list[Symptom]]:
        """Per processor the symptoms it would have written."""
        name = self._layout.name(SYMPTOMS)
        found = [[from_wire(each.value, each.headers) for each in outputs if each.topic == name] for outputs in self.outputs]
        return [[each for each in records if isinstance(each, Symptom)] for records in found]

    def _see(self, value: bytes | None) -> Micros:
        """Count what a frame holds; its time."""
        try:
            frame = decode(value or b"")
        except Rejected:
            return self.now
        if frame.n:
            self.rows += frame.n
            self.devices.update(frame.devices)
            self.first = min(self.first, frame.now)
        return frame.now

    def _fill(self, partition: int, missing: int, offset: int, until: Micros) -> None:
        """Tell the time between two records where the ticks in between were forgotten."""
        self._work(partition)
        since = self._crews[0][partition].now
        if since == BEGINNING or until - since > (offset - missing + 1) * self._tick * _MISSED_TICKS:
            return
        for now in passing(since, until - 1, self._limits):
            for crew in self._crews:
                crew[partition].take(READINGS, missing, encode(Frame(now)), ())

    def _work(self, partition: int) -> None:
        for crew, outputs, cohorts in zip(self._crews, self.outputs, self._cohorts, strict=True):
            todo = [partition]
            while todo:
                at = todo.pop(0)
                for each in crew[at].work().outputs:
                    if each.topic == self._layout.name(COHORTS) and cohorts is not None:
                        todo += self._answer(crew, cohorts, each)
                    elif each.key is not None:
                        outputs.append(each)
                self.now = max(self.now, crew[at].now)

    def _answer(self, crew: Sequence[Instance], cohorts: Cohorts, summary: Outgoing) -> list[int]:
        """Hand what a partition tells of its devices to whoever knows the whole cohort; the partitions that get an answer."""
        asked: list[int] = []
        for out in cohorts.step(COHORTS, 0, from_wire(summary.value, summary.headers), self.now):
            partition = out.partition or 0
            _, value, headers = to_wire(out.record, "urn:vorab:cohorts")
            crew[partition].take(COHORTS, self._answers, value, headers)
            self._answers += 1
            asked.append(partition)
        return asked


def offset_at(log: EventLog, place: Position, at: Micros, begin: int, end: int) -> int:
    """The first offset of a partition of readings, of those from `begin` up to `end`, whose frame was written at `at` (µs) or later."""
    low, high = begin, end
    while low < high:
        middle = (low + high) // 2
        entry = next(iter(log.read({place: middle}, limit=1, wait_s=WAIT_S)), None)
        if entry is None or entry.offset >= high:
            high = middle
            continue
        time, _ = read_record(READINGS, entry.value, entry.headers)
        if time is not None and time >= at:
            high = middle
        else:
            low = entry.offset + 1
    return low
