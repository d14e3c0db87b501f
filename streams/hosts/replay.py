"""The log read once more: processors over offsets that were read live, with the same outcome, and nothing written.

The instances are those of the hosts, so a replay steps, merges and ticks as they do. The embedded log forgets ticks after some minutes:
where offsets are missing, and as many as there were ticks in that time, time is told anew, else a quiet hour would look like an outage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from streams.csvframes import passing
from streams.hosts.instance import Instance, Layout, read_record
from streams.hosts.merge import BEGINNING
from vorab.clock import SECOND, Micros
from vorab.errors import Rejected
from vorab.frame import Frame, decode, encode
from vorab.log import EventLog, Outgoing, Position
from vorab.processor import Kind, Registry
from vorab.records import Symptom, from_wire
from vorab.topics import READINGS, SYMPTOMS

LIMIT: Final = 500
WAIT_S: Final = 5.0
_MISSED_TICKS: Final = 3
"""Missing offsets are forgotten ticks where there is one in so many intervals between ticks or more."""


class Replay:
    """Processors of the same inputs, side by side over the same offsets."""

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
        partitions = range(layout.input_partitions(kinds[0]))
        self._crews = [[Instance(kind, partition, registry, layout, {}) for partition in partitions] for kind in kinds]
        self._canonical = {layout.name(each.topic): each.topic for each in kinds[0].inputs}
        self.outputs: list[list[Outgoing]] = [[] for _ in kinds]
        """Per processor what it would have written, ticks left out."""
        self.now: Micros = BEGINNING
        """The latest time that was reached."""
        self.first: Micros = -BEGINNING
        """The earliest time of a frame with rows."""
        self.rows = 0
        self.devices: set[str] = set()

    def places(self) -> tuple[dict[Position, int], dict[Position, int]]:
        """The first offset that is kept of each input's partitions, and the next one."""
        topics = list(self._canonical)
        begins = {(topic, partition): begin for topic in topics for partition, begin in self._log.begins(topic).items()}
        return begins, {(topic, partition): end for topic in topics for partition, end in self._log.ends(topic).items()}

    def run(self, begins: Mapping[Position, int], ends: Mapping[Position, int]) -> Iterator[tuple[int, int]]:
        """Read from these offsets up to, and without, those; tells (records done, records in all) as it goes."""
        places = dict(begins)
        total = sum(max(0, end - begins[place]) for place, end in ends.items())
        while behind := {place: at for place, at in places.items() if at < ends[place]}:
            entries = self._log.read(behind, limit=LIMIT, wait_s=WAIT_S)
            if not entries:
                break  # what is missing at the end was deleted
            touched: set[int] = set()
            for entry in entries:
                place = entry.topic, entry.partition
                if entry.offset >= ends[place]:
                    places[place] = ends[place]
                    continue
                topic = self._canonical[entry.topic]
                if entry.offset > places[place] and topic == READINGS and places[place] > begins[place]:
                    self._fill(entry.partition, places[place], entry.offset, read_record(topic, entry.value, entry.headers)[0])
                places[place] = entry.offset + 1
                if topic == READINGS:
                    self._see(entry.value)
                for crew in self._crews:
                    crew[entry.partition].take(topic, entry.offset, entry.value, entry.headers)
                touched.add(entry.partition)
            for partition in sorted(touched):
                self._work(partition)
            yield total - sum(max(0, ends[place] - at) for place, at in places.items()), total

    def symptoms(self) -> list[list[Symptom]]:
        """Per processor the symptoms it would have written."""
        name = self._layout.name(SYMPTOMS)
        found = [[from_wire(each.value, each.headers) for each in outputs if each.topic == name] for outputs in self.outputs]
        return [[each for each in records if isinstance(each, Symptom)] for records in found]

    def _see(self, value: bytes | None) -> None:
        """Count what a frame holds."""
        try:
            frame = decode(value or b"")
        except Rejected:
            return
        if frame.n:
            self.rows += frame.n
            self.devices.update(frame.devices)
            self.first = min(self.first, frame.now)

    def _fill(self, partition: int, missing: int, offset: int, until: Micros | None) -> None:
        """Tell the time between two records where the ticks in between were forgotten."""
        self._work(partition)
        since = self._crews[0][partition].now
        if until is None or since == BEGINNING or until - since > (offset - missing + 1) * self._tick * _MISSED_TICKS:
            return
        for now in passing(since, until - 1, self._limits):
            for crew in self._crews:
                crew[partition].take(READINGS, missing, encode(Frame(now)), ())

    def _work(self, partition: int) -> None:
        for crew, outputs in zip(self._crews, self.outputs, strict=True):
            outputs += [each for each in crew[partition].work().outputs if each.key is not None]
            self.now = max(self.now, crew[partition].now)


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
