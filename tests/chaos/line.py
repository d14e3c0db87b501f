"""The line that the chaos tests of ingest pull at: publishers → Mosquitto → ingest workers → Kafka, and a ledger beside it.

The ledger holds what the MQTT broker acknowledged to the publisher; the audit reads the log with nothing but the frame's own decoder.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.parts.base import PATIENCE_S, Child, free_port, wait_until
from vorab import topics
from vorab.frame import decode, unpack
from vorab.log import open_log

PARTITIONS: Final = 4
DEVICES: Final = 100
Reading = tuple[str, int]
"""Device and sequence number."""


class Publisher:
    """A fleet on one connection, at QoS 1, that sends again what was not acknowledged."""

    def __init__(self, port: int, name: str = "fleet") -> None:
        self.acked: set[Reading] = set()
        """What the broker has said yes to."""
        self.sent = 0
        self._mids: dict[int, Reading] = {}
        self._early: set[int] = set()
        """Acknowledged before `publish` had even told which packet it was."""
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv311, clean_session=False)
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = self._published
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def publish(self, count: int, rate: float = 0.0) -> None:
        """So many readings more; `rate` is in readings a second, 0 is as fast as it goes."""
        began = time.monotonic()
        for i in range(count):
            reading = f"machine-{self.sent % DEVICES}", self.sent // DEVICES
            payload = json.dumps({"boot": 1, "seq": reading[1], "x": reading[1]})
            mid = self._client.publish(f"telemetry/{reading[0]}", payload, qos=1).mid
            with self._lock:
                self.sent += 1
                if mid in self._early:
                    self._early.discard(mid)
                    self.acked.add(reading)
                else:
                    self._mids[mid] = reading
            if rate and i % 20 == 19:
                time.sleep(max(0.0, began + (i + 1) / rate - time.monotonic()))

    def warm_up(self, rows: Callable[[], int]) -> None:
        """Readings at QoS 0 that nobody counts, until the way to the log is open."""

        def through() -> bool:
            for i in range(PARTITIONS * 5):
                self._client.publish(f"telemetry/warm-{i}", '{"x": -1}', qos=0)
            return rows() > 0

        wait_until(through, "the way to the log being open", every_s=0.5)

    def wait(self, timeout_s: float = PATIENCE_S) -> None:
        """Until the broker has acknowledged everything."""
        wait_until(lambda: len(self.acked) == self.sent, "the broker acknowledging everything", timeout_s=timeout_s)

    def stop(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _published(self, _client: Any, _data: Any, mid: int, *_: Any) -> None:
        with self._lock:
            reading = self._mids.pop(mid, None)
            if reading is None:
                self._early.add(mid)
            else:
                self.acked.add(reading)


class Worker:
    """One ingest worker as a process of its own; starts again by itself when it died."""

    def __init__(
        self, folder: Path, number: int, workers: int, mqtt_port: int, log: str, *, variant: str = "", env: dict[str, str] | None = None
    ) -> None:
        """`variant` names a known-bad build (tests/chaos/bad_ingest.py)."""
        self.port = free_port()
        entry = ["-m", "tests.chaos.bad_ingest", variant] if variant else ["-m", "vorab"]
        arguments = ["ingest", "--mqtt", f"127.0.0.1:{mqtt_port}", "--log", log, "--share", f"{number}/{workers}"]
        arguments += ["--partitions", str(PARTITIONS), "--state-dir", str(folder / f"ingest-{number}"), "--metrics-port", str(self.port)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
        self.child = Child(f"ingest-{number}-{self.port}", [sys.executable, *entry, *arguments], env={**clean, **(env or {})})
        self.gone: defaultdict[str, float] = defaultdict(float)
        """What its earlier lives counted."""

    def start(self) -> None:
        """Start, or start again, and wait until it listens."""
        self.child.start()
        self.ready()

    def ready(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until messages can arrive and the log takes them."""
        self.child.ready(lambda: self.is_ready, timeout_s=timeout_s)

    @property
    def is_ready(self) -> bool:
        """Whether it says that messages can arrive and the log takes them."""
        return self._get("readyz") is not None

    def kill(self) -> None:
        """`kill -9`."""
        for name, value in self.metrics().items():
            self.gone[name] += value
        self.child.kill()

    def metrics(self) -> defaultdict[str, float]:
        """Every sample without labels, by name; empty when it does not answer."""
        found: defaultdict[str, float] = defaultdict(float)
        for line in (self._get("metrics") or "").splitlines():
            name, _, value = line.partition(" ")
            if name and not name.startswith("#") and "{" not in name:
                found[name] += float(value)
        return found

    def counted(self, name: str) -> float:
        """A counter over all its lives that were asked."""
        return self.gone[name] + self.metrics()[name]

    def resident_mb(self) -> float:
        """Memory it occupies now."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=30) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return None


class Audit(NamedTuple):
    """What stands on the log."""

    rows: int
    readings: set[Reading]

    @property
    def twice(self) -> int:
        """Rows that stand there more than once, as at-least-once allows."""
        return self.rows - len(self.readings)


def audit(address: str) -> Audit:
    """Every reading on the log."""
    rows, found = 0, set()
    with open_log(address) as log:
        ends = log.ends(topics.READINGS)
        positions = {(topics.READINGS, p): offset for p, offset in log.begins(topics.READINGS).items() if offset < ends[p]}
        while positions:
            for entry in log.read(positions, wait_s=1.0):
                positions[entry.topic, entry.partition] = entry.offset + 1
                for row in unpack(decode(entry.value or b"")):
                    rows += 1
                    found.add((row.device.partition("/")[2], int(row.values["x"])))
            positions = {place: offset for place, offset in positions.items() if offset < ends[place[1]]}
    return Audit(rows, found)


def settled(address: str, publisher: Publisher, timeout_s: float = PATIENCE_S) -> Audit:
    """The log once everything acknowledged stands there, or when the time is over: the caller judges."""
    end = time.monotonic() + timeout_s
    while True:
        found = audit(address)
        if publisher.acked <= found.readings or time.monotonic() > end:
            return found
        time.sleep(0.5)


def lost(publisher: Publisher, found: Audit) -> set[Reading]:
    """What the broker acknowledged and nobody has."""
    return publisher.acked - found.readings


def until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait on a condition."""
    wait_until(condition, what, timeout_s=timeout_s, every_s=0.1)
