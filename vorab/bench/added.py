"""What the bridge adds: from the broker to the log at a fixed rate, message by message, beside a plain subscriber of the same broker.

Each reading carries the microsecond in which it was published. A subscriber in this process notes when it has it, a reader of the log in
a process of its own notes when the log gives it out; the difference is what `vorab ingest` and the log add, on one machine's clock.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from vorab.errors import Unavailable
from vorab.frame import decode
from vorab.log import open_log

QUIET_S: Final = 2.0
"""Without news for so long, the reader of the log has seen all."""
_TS: Final = re.compile(rb'"ts":(\d+)\.(\d{3})')
_FIRST: Final = 0.1
"""This part of the messages warms up."""


def of(port: int, log: str, topic: str, rate: int, seconds: float, devices: int) -> dict[str, Any]:
    """Milliseconds added at `rate` messages a second of QoS 1: p50, p99, and the plain subscriber's own."""
    reader = subprocess.Popen([sys.executable, "-m", "vorab.bench.added", log, topic], stdout=subprocess.PIPE)
    heard: dict[int, int] = {}
    client = _subscriber(port, heard)
    try:
        if reader.stdout is None or reader.stdout.readline() != b"ready\n":
            raise Unavailable("the reader of the log did not start")
        sent = _publish(port, rate, seconds, devices)
        logged = {int(at): seen for at, seen in json.loads(reader.communicate(timeout=60)[0]).items()}
    finally:
        reader.kill()
        client.loop_stop()
    late = int(len(sent) * _FIRST)
    added = sorted((logged[at] - heard[at]) / 1e3 for at in sent[late:] if at in logged and at in heard)
    plain = sorted((heard[at] - at) / 1e3 for at in sent[late:] if at in heard)
    return {
        "messages": len(sent),
        "lost": sum(1 for at in sent if at not in logged),
        "added_p50_ms": quantile(added, 0.5),
        "added_p99_ms": quantile(added, 0.99),
        "plain_p50_ms": quantile(plain, 0.5),
        "plain_p99_ms": quantile(plain, 0.99),
    }


def quantile(ordered: list[float], q: float) -> float | None:
    """A value of ordered ones."""
    return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 2) if ordered else None


def _subscriber(port: int, heard: dict[int, int]) -> paho.Client:
    """A client that notes when it has each message."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="vorab-bench-plain")
    there = threading.Event()

    def told(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        now = time.time_ns() // 1000
        found = _TS.search(message.payload)
        if found:
            heard[int(found[1] + found[2])] = now

    client.on_message = told
    client.on_subscribe = lambda *_: there.set()
    client.connect("127.0.0.1", port)
    client.subscribe("telemetry/+", qos=1)
    client.loop_start()
    if not there.wait(10):
        raise Unavailable("the broker took no subscription")
    return client


def _publish(port: int, rate: int, seconds: float, devices: int) -> list[int]:
    """Publish at a steady pace; when each was published, µs."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="vorab-bench-load")
    client.max_queued_messages_set(0)
    client.max_inflight_messages_set(2_000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent: list[int] = []
    begin = time.monotonic()
    for i in range(int(rate * seconds)):
        ahead = begin + i / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        at = max(time.time_ns() // 1000, sent[-1] + 1 if sent else 0)
        sent.append(at)
        body = b'{"ts":%d.%03d,"temperature":%.2f,"vibration":0.123,"pressure":3.01}' % (*divmod(at, 1000), 60 + i % 997 / 50)
        client.publish(f"telemetry/dev-{i % devices:05d}", body, qos=1)
    time.sleep(0.5)
    client.disconnect()
    client.loop_stop()
    return sent


def _watch(address: str, topic: str) -> dict[int, int]:
    """When the log gave out each row, by its time; for SQLite, when the row stood in the file."""
    seen: dict[int, int] = {}
    with open_log(address, read_only=True) as log:
        positions = {(topic, partition): end for partition, end in log.ends(topic).items()}
        log.read(positions, wait_s=0.1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        last = time.monotonic()
        while not seen or time.monotonic() - last < QUIET_S:
            entries = log.read(positions, limit=2_000, wait_s=0.2)
            now = time.time_ns() // 1000
            for entry in entries:
                positions[entry.topic, entry.partition] = entry.offset + 1
                at = entry.appended_at if address.startswith("sqlite") else now
                for block in decode(entry.value or b"").blocks:
                    seen.update(dict.fromkeys(block.measured_at.tolist(), at))
                    last = time.monotonic()
            if not seen and time.monotonic() - last > 30:
                break
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_watch(*sys.argv[1:])))
