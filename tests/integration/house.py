"""What the tests of ingest share: a worker, devices with a library of their own, logs that are slow on purpose, and what stands in them."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

from ingest.service import Ingest
from tests.parts.base import PATIENCE_S, wait_until
from tests.parts.mosquitto import Mosquitto
from vorab import provision, topics
from vorab.clock import SystemClock
from vorab.errors import Unavailable
from vorab.frame import Reading, decode, unpack
from vorab.log import Confirmed, EventLog, Outgoing
from vorab.log.sqlite import SqliteLog
from vorab.service import Health
from vorab.settings import Settings

PARTITIONS = 4


def settings(broker: Mosquitto, folder: Path, **more: Any) -> Settings:
    """Settings of a worker on this broker; `mqtt` and `ingest` update their sections."""
    mqtt = {"host": broker.host, "port": broker.port, **more.pop("mqtt", {})}
    ingest = {"tick_s": 0.1, **more.pop("ingest", {})}
    return Settings.model_validate(
        {"state_dir": str(folder), "mqtt": mqtt, "ingest": ingest, "topics": {"partitions": PARTITIONS, "recorded_partitions": 1}, **more}
    )


@contextmanager
def working(log: EventLog, chosen: Settings) -> Iterator[Ingest]:
    """A worker that listens."""
    provision.create_topics(log, chosen)
    worker = Ingest(log, chosen, SystemClock(), Health())
    worker.start()
    wait_until(lambda: worker.ready, "ingest listening")
    try:
        yield worker
    finally:
        worker.stop()


class Device:
    """Something that publishes and hears, on a library of its own, until the end of its test (see `send_home`)."""

    everybody: ClassVar[list[Device]] = []

    def __init__(self, broker: Mosquitto, name: str, *, v5: bool = True, listen: str = "", will: str = "") -> None:
        self.heard: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5 if v5 else paho.MQTTv311)
        self.client.max_inflight_messages_set(200)
        self.client.on_message = lambda _client, _data, message: self.heard.put(message)
        if will:
            self.client.will_set(will, b"offline", qos=1)
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()
        self.everybody.append(self)
        if listen:
            self.client.subscribe(listen, qos=1)
            assert subscribed.wait(PATIENCE_S)

    def say(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False, properties: Properties | None = None) -> None:
        """Publish and wait until the broker has it."""
        info = self.client.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        info.wait_for_publish(PATIENCE_S)
        assert info.is_published()

    def say_all(self, messages: list[tuple[str, bytes]], qos: int = 1) -> None:
        """Publish many and wait for the last."""
        infos = [self.client.publish(topic, payload, qos=qos) for topic, payload in messages]
        for info in infos:
            info.wait_for_publish(PATIENCE_S)
            assert info.is_published()

    def leave(self, *, rudely: bool = False) -> None:
        """Go, with a goodbye or by cutting the connection."""
        self.everybody.remove(self)
        if rudely:
            found: Any = self.client.socket()
            self.client.loop_stop()
            found.close()
        else:
            self.client.disconnect()
            self.client.loop_stop()


def send_home() -> None:
    """Let every device go. One that stayed would knock at the port of its broker, and one day somebody else's broker would open."""
    for device in list(Device.everybody):
        device.leave()


def entries(log: EventLog, topic: str) -> list[tuple[int, bytes, Mapping[str, bytes]]]:
    """Partition, value and headers of everything in a topic."""
    ends = log.ends(topic)
    positions = {(topic, p): 0 for p in ends}
    found: list[tuple[int, bytes, Mapping[str, bytes]]] = []
    while behind := {place: at for place, at in positions.items() if at < ends[place[1]]}:
        for entry in log.read(behind, limit=5_000, wait_s=5):
            positions[entry.topic, entry.partition] = entry.offset + 1
            found.append((entry.partition, entry.value or b"", dict(entry.headers)))
    return found


def readings(log: EventLog, topic: str = topics.READINGS) -> list[Reading]:
    """All rows, partition by partition."""
    return [row for _, value, _ in sorted(entries(log, topic), key=lambda one: one[0]) for row in unpack(decode(value))]


def bodies(log: EventLog, topic: str) -> list[dict[str, Any]]:
    """The JSON records of a topic, without ticks."""
    return [json.loads(value) for _, value, headers in entries(log, topic) if b".tick." not in headers["ce_type"]]


def soon(condition: Callable[[], Any], what: str) -> Any:
    """Wait for it."""
    return wait_until(condition, what)


class Slow:
    """A log that holds back confirmations and refuses records while told to; otherwise the real one."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.refusing = threading.Event()
        self.refused = 0
        self.appended = 0

    def append(self, record: Outgoing, confirmed: Confirmed | None = None) -> None:
        """Refuse one way or the other."""
        if self.refusing.is_set():
            self.refused += 1
            if self.refused % 2 and confirmed is not None:
                confirmed(Unavailable("the disk is slow today"))
                return
            raise Unavailable("no")
        self.appended += 1
        self._log.append(record, confirmed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class Holding:
    """A log that has everything and says so only when told."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.holding = threading.Event()
        self.held: list[Confirmed] = []

    def append(self, record: Outgoing, confirmed: Confirmed | None = None) -> None:
        """Keep the confirmation."""
        if self.holding.is_set() and confirmed is not None:
            self.held.append(confirmed)
            confirmed = None
        self._log.append(record, confirmed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)
