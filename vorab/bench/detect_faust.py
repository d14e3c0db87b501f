"""What detection costs on Kafka: a worker as anybody starts it, from frames on one topic to symptoms on another.

Starting is not counted: CPU seconds are those between the moment 3 % of the faults are told and the moment all are.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from vorab.bench.cpu import cpu_s
from vorab.bench.load import expected_faults, frames
from vorab.frame import encode
from vorab.log import EventLog, Outgoing, Position, open_log
from vorab.records import Symptom, SymptomState, from_wire

FIRST: Final = 0.03
"""Share of the faults after which it counts."""
PATIENCE_S: Final = 300
COUNTED: Final = "temperature-high"
"""The rule whose faults are known beforehand."""


def run(log: str, n: int, devices: int, rows: int, partitions: int, rules: Path) -> dict[str, Any]:
    """CPU seconds per million messages of three signals of one worker that has all partitions."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    readings, symptoms = f"{name}.readings", f"{name}.symptoms"
    expected = expected_faults(n // partitions, devices // partitions) * partitions
    with TemporaryDirectory() as folder, open_log(log) as events:
        events.create({readings: partitions, symptoms: partitions})
        for frame in frames(n // partitions, devices // partitions, rows):
            data = encode(frame)
            for partition in range(partitions):
                events.append(Outgoing(readings, partition, None, data))
        events.flush()
        command = ["streams", "--only", "detect", "--log", log, "--rules", str(rules), "--readings-topic", readings]
        command += ["--symptoms-topic", symptoms, "--group", name, "--state-dir", folder]
        with (Path(folder) / "worker.log").open("wb") as told:
            worker = subprocess.Popen([sys.executable, "-m", "vorab", *command], stdout=told, stderr=told)
        try:
            cpu_s, found = _watch(events, symptoms, partitions, worker.pid, expected)
        finally:
            worker.terminate()
            worker.wait()
    messages = n // partitions * partitions
    return {
        "bench": "detect",
        "host": "faust",
        "messages": messages,
        "devices": devices,
        "rows_per_frame": rows,
        "raised": found,
        "expected": expected,
        "ok": found == expected,
        "cpu_s_per_million": round(cpu_s / (messages * (1 - FIRST)) * 1e6, 3),
    }


def _watch(events: EventLog, topic: str, partitions: int, pid: int, expected: int) -> tuple[float, int]:
    """CPU seconds of the process between the first faults and the last, and how many there were."""
    places: dict[Position, int] = {(topic, partition): 0 for partition in range(partitions)}
    found, began, now = 0, -1.0, 0.0
    deadline = time.monotonic() + PATIENCE_S
    while found < expected and time.monotonic() < deadline:
        entries = events.read(places, limit=2_000, wait_s=0.2)
        now = cpu_s(pid)
        for entry in entries:
            places[entry.topic, entry.partition] = entry.offset + 1
            if entry.key is not None:
                record = from_wire(entry.value, entry.headers)
                found += isinstance(record, Symptom) and record.rule == COUNTED and record.state is SymptomState.RAISED
        if began < 0 and found >= FIRST * expected:
            began = now
    return now - max(began, 0.0), found
