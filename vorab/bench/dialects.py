"""What a reading costs in each dialect: from the bytes of a read to encoded frames, without a broker and without a log.

Every message carries three signals of one instant with the device's own time; the devices are many and all known. What is measured is
`Intake.take`, in turns, so that a noisy neighbour on the machine hits all alike; the figure is the median of the turns.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cbor2

from ingest.decoders.cbor import LABELS
from ingest.dialects.sparkplug import sparkplug_pb2
from ingest.intake import Intake
from ingest.packets import Arrivals
from ingest.plan import Plan
from ingest.topicmap import TopicMap
from vorab.clock import Micros
from vorab.settings import TopicMapEntry

SIGNALS: Final = 3
PARTITIONS: Final = 4
AT_MOST: Final[Mapping[str, float]] = {"senml+json": 1.5, "sparkplug": 1.5}
"""How many times the figure of flat JSON a reading may cost."""
_MS: Final = 1_795_000_000_123

Topic = Callable[[int], bytes]
Payload = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Candidate:
    """One way to say the same: topic of a device, and payload of message number `i` of a device."""

    topic: Topic
    payload: Payload
    """Given the device and a counter of all messages."""
    entries: tuple[TopicMapEntry, ...] = ()
    """What the topic map needs beside the built-in entries."""
    opening: Callable[[int], Iterable[tuple[bytes, bytes]]] = lambda _devices: ()
    """Topics and payloads that so many devices send before: births."""
    numbered: bool = False
    """Whether each message has a number that follows the last, so that none may come twice: `payload` counts."""


def _telemetry(device: int) -> bytes:
    return b"vorab/v1/main/dev-%05d/telemetry" % device


def _values(i: int) -> tuple[float, float, float]:
    return 60 + i % 997 / 50, i % 883 / 883, 3 + i % 599 / 200


def _flat(_device: int, i: int) -> bytes:
    return b'{"ts":%d,"temperature":%.2f,"vibration":%.3f,"pressure":%.2f}' % (_MS, *_values(i))


def _senml(device: int, i: int) -> bytes:
    return (
        b'[{"bn":"urn:dev:mac:0024befffe%06x:","bt":1795000000.123,"n":"temperature","u":"Cel","v":%.2f},'
        b'{"n":"vibration","u":"m/s2","v":%.3f},{"n":"pressure","u":"kPa","v":%.2f}]'
    ) % (device, *_values(i))


def _senml_cbor(device: int, i: int) -> bytes:
    numbers = {label: number for number, label in LABELS.items()}
    return cbor2.dumps([{numbers[label]: value for label, value in record.items()} for record in json.loads(_senml(device, i))])


_PER_NODE: Final = 10


class _Sparkplug:
    """Edge nodes with ten devices each, metrics by alias, as a gateway sends them."""

    def __init__(self) -> None:
        self._seq: dict[int, int] = {}

    def topic(self, device: int) -> bytes:
        """Of its data."""
        return b"spBv1.0/plant/DDATA/node-%03d/dev-%d" % divmod(device, _PER_NODE)

    def births(self, devices: int) -> Iterator[tuple[bytes, bytes]]:
        """Of all nodes and devices."""
        for device in range(devices):
            node, child = divmod(device, _PER_NODE)
            if not child:
                self._seq[node] = -1
                yield b"spBv1.0/plant/NBIRTH/node-%03d" % node, self._made(node, [{"name": "bdSeq", "datatype": 8, "long_value": 1}])
            metrics = [
                {"name": name, "alias": self._alias(child, k), "datatype": 10, "double_value": 1.5, "properties": self._unit(unit)}
                for k, (name, unit) in enumerate((("temperature", "Cel"), ("vibration", "m/s2"), ("pressure", "kPa")))
            ]
            yield b"spBv1.0/plant/DBIRTH/node-%03d/dev-%d" % (node, child), self._made(node, metrics)

    def payload(self, device: int, i: int) -> bytes:
        """The next data of a device."""
        node, child = divmod(device, _PER_NODE)
        return self._made(node, [{"alias": self._alias(child, k), "double_value": value} for k, value in enumerate(_values(i))])

    def _made(self, node: int, metrics: list[dict[str, Any]]) -> bytes:
        self._seq[node] = (self._seq[node] + 1) & 255
        made = sparkplug_pb2.Payload(timestamp=_MS, seq=self._seq[node])
        for metric in metrics:
            made.metrics.add(**metric)
        data: bytes = made.SerializeToString()
        return data

    @staticmethod
    def _alias(child: int, k: int) -> int:
        return child * SIGNALS + k + 1

    @staticmethod
    def _unit(unit: str) -> Any:
        return sparkplug_pb2.PropertySet(keys=["engUnit"], values=[sparkplug_pb2.PropertyValue(type=12, string_value=unit)])


_PLANT: Final = _Sparkplug()

CANDIDATES: Final[dict[str, Candidate]] = {
    "json": Candidate(_telemetry, _flat),
    "senml+json": Candidate(_telemetry, _senml),
    "senml+cbor": Candidate(_telemetry, _senml_cbor),
    "sparkplug": Candidate(
        _PLANT.topic,
        _PLANT.payload,
        (TopicMapEntry(filter="spBv1.0/#", dialect="sparkplug"),),
        _PLANT.births,
        numbered=True,
    ),
}
"""The first is what the others are held against."""


def run(messages: int = 20_000, devices: int = 2_000, read: int = 500, rounds: int = 7) -> dict[str, Any]:
    """CPU µs per message and per reading of each dialect, and its ratio to flat JSON per reading."""
    lines = {name: _Line(candidate, messages, devices, read) for name, candidate in CANDIDATES.items()}
    spent: dict[str, list[float]] = {name: [] for name in lines}
    lost = {name: line.rows_missing() for name, line in lines.items()}
    for _ in range(rounds):
        for name, line in lines.items():
            spent[name].append(line.seconds() / messages * 1e6)
    usual = statistics.median(spent[next(iter(CANDIDATES))])
    found = {name: statistics.median(times) for name, times in spent.items()}
    ratio = {name: round(us / usual, 3) for name, us in found.items()}
    return {
        "bench": "dialects",
        "messages": messages,
        "devices": devices,
        "read": read,
        "us_per_message": {name: round(us, 3) for name, us in found.items()},
        "us_per_reading": {name: round(us / SIGNALS, 3) for name, us in found.items()},
        "ratio": ratio,
        "at_most": {name: most for name, most in AT_MOST.items() if name in ratio},
        "lost": sum(lost.values()),
        "ok": not any(lost.values()) and all(ratio.get(name, 0.0) <= most for name, most in AT_MOST.items()),
    }


class _Line:
    """A worker that has heard of all devices, and what it is about to read."""

    def __init__(self, candidate: Candidate, messages: int, devices: int, read: int) -> None:
        plan = Plan(partitions=PARTITIONS, rejected_partitions=PARTITIONS)
        self._now: Micros = _MS * 1000
        self._messages = messages
        self._intake = Intake(plan, TopicMap(candidate.entries, PARTITIONS, 0))
        for reads in (_reads(candidate.opening(devices), read), _reads(_one_each(candidate, devices), read)):
            for arrivals in reads:
                self._intake.take(arrivals, self._now)
        self._candidate, self._devices, self._size = candidate, devices, read
        self._load: list[Arrivals] = []

    def _next(self) -> list[Arrivals]:
        if self._candidate.numbered or not self._load:
            topic, payload, devices = self._candidate.topic, self._candidate.payload, self._devices
            load = ((topic(i % devices), payload(i % devices, devices + i)) for i in range(self._messages))
            self._load = list(_reads(load, self._size))
        return self._load

    def seconds(self) -> float:
        """CPU time to take everything once, a second later than the last time."""
        self._now += 1_000_000
        load = self._next()
        begin = time.process_time()
        for arrivals in load:
            self._intake.take(arrivals, self._now)
        return time.process_time() - begin

    def rows_missing(self) -> int:
        """How many messages become no row; also warms up."""
        self._now += 1_000_000
        return self._messages - sum(taken.rows for arrivals in self._next() for taken in self._intake.take(arrivals, self._now))


def _one_each(candidate: Candidate, devices: int) -> Iterator[tuple[bytes, bytes]]:
    return ((candidate.topic(device), candidate.payload(device, device)) for device in range(devices))


def _reads(load: Iterable[tuple[bytes, bytes]], size: int) -> Iterator[Arrivals]:
    everything = list(load)
    for low in range(0, len(everything), size):
        part = everything[low : low + size]
        yield Arrivals([topic for topic, _ in part], [payload for _, payload in part], [b""] * len(part))


def main() -> None:
    """One JSON line."""
    print(json.dumps(run()))  # noqa: T201 - a program


if __name__ == "__main__":
    main()
