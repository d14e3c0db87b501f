"""Publish recordings over MQTT in time-lapse: days go by in seconds, the readings keep their own time."""

from __future__ import annotations

import heapq
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty
from typing import Final, NamedTuple

from vorab.clock import SECOND, Clock, Micros, SystemClock
from vorab.errors import Unavailable
from vorab.fleet.connection import Acked, Broker, Connected, Connection, Disconnected, Happening, Inbox
from vorab.fleet.series import Reading, Series

TOPIC: Final = "recorded/{device}/telemetry"
_MOST_UNACKED: Final = 1_000
_INFLIGHT: Final = 100
_NAP_S: Final = 0.25


class Paced(NamedTuple):
    """Readings of one device that travel in one message, and when to publish it, seconds after the beginning."""

    after_s: float
    readings: list[Reading]


@dataclass(frozen=True)
class Report:
    """What became of a replay."""

    readings: int
    published: int
    acked: int
    resent: int
    days: float
    """Longest span of recorded time."""
    seconds: float
    """On the wall."""


def paced(series: Sequence[Series], seconds: float, batch: int = 1) -> tuple[Iterator[Paced], int, float]:
    """All series side by side, each stretched or squeezed to last `seconds`; how many readings; the longest span in days.

    Up to `batch` readings in a row of one device travel together, at the time of the last of them.
    """
    spans = [one.span() for one in series]

    def of(one: Series, first: Micros, length: Micros) -> Iterator[Paced]:
        latest = 0.0
        together: list[Reading] = []
        for reading in one.readings():
            if together and (len(together) == batch or together[0].device != reading.device):
                yield Paced(latest, together)
                together = []
            # A time stamp that goes back (the hour the clocks change) is published as it stands, in the order of the file.
            latest = max(latest, (reading.at - first) / max(1, length) * seconds)
            together.append(reading)
        if together:
            yield Paced(latest, together)

    streams = [of(one, span.first, span.last - span.first) for one, span in zip(series, spans, strict=True)]
    merged = heapq.merge(*streams, key=lambda paced: paced.after_s)
    return merged, sum(span.readings for span in spans), max(span.last - span.first for span in spans) / (86_400 * SECOND)


def payload_of(readings: Sequence[Reading]) -> bytes:
    """`{"ts": ms, "<signal>": value}`, with a fraction only where there is one; several as `[{"ts": ms, "values": {…}}, …]`."""
    stamps = [reading.at // 1000 if reading.at % 1000 == 0 else reading.at / 1000 for reading in readings]
    if len(readings) == 1:
        body: object = {"ts": stamps[0], **readings[0].values}
    else:
        body = [{"ts": stamp, "values": reading.values} for stamp, reading in zip(stamps, readings, strict=True)]
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


class Replay:
    """Publishes recordings.

    Args:
        series: What to publish, side by side.
        broker: Where to.
        seconds: How long it takes, on the wall.
        topic: With `{device}`.
        qos: 0 or 1.
        client_id: The connection's.
        batch: Readings in a row of one device that travel in one message.
        clock: Paces; its speed is not used, time-lapse runs on the wall.
    """

    def __init__(
        self,
        series: Sequence[Series],
        broker: Broker,
        *,
        seconds: float,
        topic: str = TOPIC,
        qos: int = 1,
        client_id: str = "vorab-replay",
        batch: int = 1,
        clock: Clock | None = None,
    ) -> None:
        self.topic, self.qos, self.seconds = topic, qos, seconds
        self.clock: Clock = clock or SystemClock()
        self._rows, self.count, self.days = paced(series, seconds, batch)
        self._inbox: Inbox = Inbox()
        self._connection = Connection(client_id, broker, self._inbox, inflight=_INFLIGHT, session_s=0)
        self._unacked: dict[int, int] = {}
        """Message number → readings in it."""
        self._counts: Counter[str] = Counter()

    def run(
        self,
        stop: threading.Event,
        *,
        progress: Callable[[int, Reading], None] | None = None,
        connect_s: float = 15.0,
        drain_s: float = 30.0,
    ) -> Report:
        """Publish everything, wait for the acknowledgements, end.

        `progress` is called with the number published so far and the reading just published.

        Raises:
            Unavailable: no broker within `connect_s`.
        """
        self._connection.start()
        try:
            if not self._until(lambda: self._counts["connects"] > 0, stop, connect_s) and not stop.is_set():
                raise Unavailable(f"no MQTT broker at {self._connection.broker.host}:{self._connection.broker.port}")
            begun = self._wall()
            for row in self._rows:
                self._until(lambda: False, stop, begun + row.after_s - self._wall())
                self._until(lambda: len(self._unacked) < _MOST_UNACKED, stop, None)
                if stop.is_set():
                    break
                self._publish(row.readings)
                if progress is not None:
                    progress(self._counts["published"], row.readings[-1])
            self._until(lambda: not self._unacked, stop, drain_s)
            took = self._wall() - begun
        finally:
            self._connection.stop()
        counts = self._counts
        return Report(self.count, counts["published"], counts["acked"], counts["resent"], self.days, took)

    def _publish(self, readings: Sequence[Reading]) -> None:
        mid = self._connection.publish(self.topic.format(device=readings[0].device), payload_of(readings), qos=self.qos)
        self._counts["published"] += len(readings)
        if mid is not None:
            self._unacked[mid] = len(readings)

    def _wall(self) -> float:
        return self.clock.wall(self.clock.now()) / SECOND

    def _until(self, done: Callable[[], bool], stop: threading.Event, timeout_s: float | None) -> bool:
        """Handle what happens until something is so, or the time is over (None: never), or the stop."""
        end = None if timeout_s is None else self._wall() + timeout_s
        while True:
            left = _NAP_S if end is None else end - self._wall()
            self._take(0.0)
            if done() or stop.is_set() or left <= 0:
                return done()
            self._take(min(left, _NAP_S))

    def _take(self, wait_s: float) -> None:
        try:
            self._handle(self._inbox.get(timeout=wait_s) if wait_s > 0 else self._inbox.get_nowait())
            while True:
                self._handle(self._inbox.get_nowait())
        except Empty:
            return

    def _handle(self, happening: Happening) -> None:
        match happening:
            case Acked(_, mid, ok):
                if mid in self._unacked:
                    self._counts["acked" if ok else "refused"] += self._unacked.pop(mid)
            case Connected():
                self._counts["connects"] += 1
                if self._counts["connects"] > 1:
                    self._counts["resent"] += sum(list(self._unacked.values())[:_INFLIGHT])
            case Disconnected():
                self._counts["disconnects"] += 1
