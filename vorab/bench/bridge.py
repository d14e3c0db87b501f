"""What a message costs on its way from MQTT to the log: `vorab ingest` as a process of its own beside a real Mosquitto.

The load comes over a raw socket in whole buffers, so that making it costs next to nothing; only the CPU time of `vorab ingest` counts.
`VORAB_LOG=kafka://HOST:PORT` measures with Kafka; without it the log is SQLite, whose writing then counts as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from vorab.bench import added, plain_mqtt
from vorab.bench.cpu import cpu_s
from vorab.demo.broker import Broker, free_port, start
from vorab.errors import Unavailable
from vorab.frame import decode
from vorab.log import open_log
from vorab.log.kafka import KafkaLog

PARTITIONS: Final = 4
READY_S: Final = 60.0
STALL_S: Final = 5.0
"""Without news for so long, the count stands."""
_CHUNK: Final = 500
"""Messages per write; at QoS 1 also the most without an acknowledgement."""


def run(
    messages: int = 100_000, devices: int = 10_000, log: str = "", broker: str = "mosquitto", rate: int = 0, seconds: float = 8.0
) -> dict[str, Any]:
    """CPU µs per message at QoS 0 and 1, flat JSON of four fields, and whether every message became a row.

    With `rate`, instead: what is added between broker and log at so many messages a second, milliseconds, each device once a second.
    Both with the nap chosen.
    """
    address = log or os.environ.get("VORAB_LOG", "")
    found: dict[str, Any] = {"bench": "bridge", "log": address.partition(":")[0] or "sqlite", "devices": devices}
    if rate:
        with _ingest(address, broker, 1) as up:
            before = cpu_s(up.child.pid)
            found |= {
                "rate": rate,
                "devices": min(devices, rate),
                **added.of(up.mqtt.port, up.log, up.topic, rate, seconds, min(devices, rate)),
            }
            found |= {"cpu_ms_per_s": round((cpu_s(up.child.pid) - before) / seconds * 1e3), "nap_ms": up.nap_ms()}
        return {**found, "ok": found["lost"] == 0}
    lost = 0
    for qos in (0, 1):
        with _ingest(address, broker, qos) as up:
            one = _measure(up, qos, messages, devices)
        lost += messages - one.pop("delivered")
        found |= {f"qos{qos}_{key}": value for key, value in one.items()}
    return {**found, "messages": messages, "lost": lost, "ok": lost == 0}


class _Up(NamedTuple):
    """A worker, its broker and its log."""

    mqtt: Broker
    child: subprocess.Popen[bytes]
    port: int
    """Of its metrics."""
    log: str
    topic: str

    def nap_ms(self) -> float:
        """The mean of the naps it has chosen."""
        text = _get(self.port, "metrics") or ""
        total, count = (_value(text, f"vorab_ingest_nap_seconds_{part}") for part in ("sum", "count"))
        return round(total / max(count, 1) * 1e3, 2)


def _value(text: str, name: str) -> float:
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")), 0.0)


@contextmanager
def _ingest(log: str, broker: str, qos: int) -> Iterator[_Up]:
    """`vorab ingest` as a process of its own on a broker of its own."""
    with tempfile.TemporaryDirectory(prefix="vorab-bench-") as name:
        mqtt = start(Path(name), broker)
        try:
            with _worker(Path(name), mqtt, qos, log or f"sqlite:///{name}/log.db") as up:
                yield up
        finally:
            mqtt.stop()


@contextmanager
def _worker(folder: Path, mqtt: Broker, qos: int, address: str) -> Iterator[_Up]:
    topic = f"vorab.bench-{os.getpid()}-{time.time_ns()}"
    port = free_port()
    with open_log(address) as log:
        log.create({topic: PARTITIONS})
        if isinstance(log, KafkaLog):
            log.stamp(topic)
    command = [sys.executable, "-m", "vorab", "ingest", "--mqtt", f"127.0.0.1:{mqtt.port}", "--log", address, "--qos", str(qos)]
    command += ["--protocol", mqtt.protocol, "--readings-topic", topic, "--partitions", str(PARTITIONS)]
    command += ["--state-dir", str(folder), "--metrics-port", str(port)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
    with (folder / "ingest.log").open("wb") as output:
        child = subprocess.Popen(command, env={**clean, "VORAB_INGEST_TICK_S": "3600"}, stdout=output, stderr=output)
    try:
        _await(port, child, folder)
        yield _Up(mqtt, child, port, address, topic)
    finally:
        child.terminate()
        child.wait(30)


def _measure(up: _Up, qos: int, messages: int, devices: int) -> dict[str, Any]:
    begin, before = time.monotonic(), cpu_s(up.child.pid)
    _publish(up.mqtt.port, qos, messages, devices)
    last = _settled(up.port)
    spent = cpu_s(up.child.pid) - before
    return {
        "us": round(spent / messages * 1e6, 2),
        "rate": round(messages / max(last - begin, 1e-3)),
        "nap_ms": up.nap_ms(),
        "delivered": _rows(up.log, up.topic),
    }


def _await(port: int, child: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + READY_S
    while _get(port, "readyz") is None:
        if child.poll() is not None or time.monotonic() > end:
            raise Unavailable(f"ingest did not start: {(folder / 'ingest.log').read_text(encoding='utf-8')[-500:]}")
        time.sleep(0.1)


def _get(port: int, path: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except (urllib.error.URLError, OSError):
        return None


def _settled(port: int) -> float:
    """Wait until no more messages come; when the last came, by the monotonic clock."""
    seen, at = "", time.monotonic()
    while time.monotonic() - at < STALL_S:
        text = _get(port, "metrics") or ""
        now = next((line for line in text.splitlines() if line.startswith("vorab_ingest_rows_total")), "")
        if now != seen:
            seen, at = now, time.monotonic()
        time.sleep(0.5)
    return at


def _rows(address: str, topic: str) -> int:
    """The rows of all frames of a topic."""
    count = 0
    with open_log(address, read_only=True) as log:
        ends = log.ends(topic)
        positions = {(topic, partition): 0 for partition in ends}
        while behind := {place: offset for place, offset in positions.items() if offset < ends[place[1]]}:
            for entry in log.read(behind, limit=2_000, wait_s=5.0):
                positions[entry.topic, entry.partition] = entry.offset + 1
                count += decode(entry.value or b"").n
    return count


# ------------------------------------------------------------------------------------------------ the load


def _publish(port: int, qos: int, messages: int, devices: int) -> None:
    with plain_mqtt.connected(port) as mqtt:
        for chunk, count in _chunks(qos, messages, devices):
            mqtt.sendall(chunk)
            left = 4 * count if qos else 0
            while left:
                left -= len(mqtt.recv(left))


def _chunks(qos: int, messages: int, devices: int) -> Iterator[tuple[bytes, int]]:
    for first in range(0, messages, _CHUNK):
        last = min(first + _CHUNK, messages)
        ms = time.time_ns() // 1_000_000
        yield b"".join(_packet(i, i % devices, ms, qos) for i in range(first, last)), last - first


def _packet(i: int, device: int, ms: int, qos: int) -> bytes:
    topic = b"telemetry/dev-%05d" % device
    payload = b'{"ts":%d,"temperature":%.2f,"vibration":%.3f,"pressure":%.2f}' % (ms, 60 + i % 997 / 50, i % 883 / 883, 3 + i % 599 / 200)
    return plain_mqtt.packet(i, topic, payload, qos)
