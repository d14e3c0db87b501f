"""How long from publish to symptom: the embedded system on a real broker, at a fixed rate, measured on one machine's clock.

A reading carries the time it was published; the symptom it raises carries that time as `detected_at`; the difference is taken to the
moment the symptom stood in the log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from vorab import cloudevents, topics
from vorab.bench.cpu import cpu_s
from vorab.bench.detect import RULES
from vorab.demo.broker import Broker, start
from vorab.errors import Unavailable
from vorab.log import open_log
from vorab.records import Symptom

READY_S: Final = 60.0
SETTLE_S: Final = 3.0
BARS_MS: Final = {"p50_ms": 4.0, "p99_ms": 12.0}
"""At a thousand messages a second."""
HOT: Final = 20
"""One device in so many goes hot."""


def run(rate: int = 1_000, seconds: float = 8.0, devices: int = 200, broker: str = "") -> dict[str, Any]:
    """p50 and p99 from publish to symptom in milliseconds, and CPU milliseconds of vorab per second."""
    with tempfile.TemporaryDirectory(prefix="vorab-bench-") as name:
        folder = Path(name)
        mqtt = start(folder, broker)
        try:
            return _with_broker(folder, mqtt, rate, seconds, devices)
        finally:
            mqtt.stop()


def _with_broker(folder: Path, mqtt: Broker, rate: int, seconds: float, devices: int) -> dict[str, Any]:
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    settings = folder / "vorab.toml"
    settings.write_text(
        f'state_dir = "{folder}"\n[mqtt]\nport = {mqtt.port}\nprotocol = "{mqtt.protocol}"\n'
        f'[topics]\npartitions = 4\n[streams]\nrules = ["{folder / "rules.yaml"}"]\n[desk]\nport = 0\n',
        encoding="utf-8",
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
    with (folder / "vorab.log").open("wb") as output:
        command = [sys.executable, "-m", "vorab", "up", "--child", "--config", str(settings)]
        child = subprocess.Popen(command, env=clean, stdout=output, stderr=output)
    try:
        _await(folder, child)
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="vorab-bench")
        client.connect("127.0.0.1", mqtt.port)
        client.loop_start()
        before = cpu_s(child.pid)
        sent = _publish(client, rate, seconds, devices)
        spent = cpu_s(child.pid) - before
        client.loop_stop()
        time.sleep(SETTLE_S)
        found = sorted(_latencies_ms(folder))
    finally:
        child.terminate()
        child.wait(20)
    quantiles = {"p50_ms": _quantile(found, 0.5), "p90_ms": _quantile(found, 0.9), "p99_ms": _quantile(found, 0.99)}
    return {
        "bench": "latency",
        "broker": mqtt.kind,
        "rate": rate,
        "messages": sent,
        "symptoms": len(found),
        **quantiles,
        "cpu_ms_per_s": round(spent / seconds * 1e3),
        "cpu_s_per_million": round(spent / sent * 1e6, 1),
        "bars": BARS_MS,
        "ok": all((took := quantiles[name]) is not None and took <= bar for name, bar in BARS_MS.items()),
    }


def _await(folder: Path, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_S
    ready = folder / "vorab.json"
    while not ready.exists():
        if child.poll() is not None or time.monotonic() > end:
            raise Unavailable(f"vorab did not start: {(folder / 'vorab.log').read_text(encoding='utf-8')[-500:]}")
        time.sleep(0.05)
    assert json.loads(ready.read_text(encoding="utf-8"))["pid"] == child.pid  # noqa: S101 - another vorab in this folder would spoil it


def _publish(client: paho.Client, rate: int, seconds: float, devices: int) -> int:
    """A hot device is hot three readings in a row, then cold: one symptom each turn."""
    total = int(rate * seconds)
    begin = time.monotonic()
    for i in range(total):
        device, turn = i % devices, i // devices
        hot = device % HOT == turn % HOT or device % HOT == (turn - 1) % HOT or device % HOT == (turn - 2) % HOT
        body = {"ts": time.time_ns() / 1e6, "temperature": 95.0 if hot else 70.0, "vibration": 0.1, "pressure": 1.1}
        client.publish(f"telemetry/dev-{device:05d}", json.dumps(body), qos=1)
        ahead = begin + (i + 1) / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    return total


def _latencies_ms(folder: Path) -> list[float]:
    found = []
    with open_log(f"sqlite:///{folder / 'log.db'}", read_only=True) as log:
        positions = {(topics.SYMPTOMS, partition): 0 for partition in range(log.partitions(topics.SYMPTOMS))}
        while entries := log.read(positions, limit=2_000):
            for entry in entries:
                positions[entry.topic, entry.partition] = entry.offset + 1
                if cloudevents.attributes(entry.headers).type.endswith("symptom.raised.v1"):
                    found.append((entry.appended_at - Symptom.model_validate_json(entry.value or b"").detected_at) / 1e3)
    return found


def _quantile(values: list[float], q: float) -> float | None:
    return round(values[min(len(values) - 1, int(q * len(values)))], 1) if values else None
