"""What the bridge adds: from the broker to the log at a fixed rate, message by message, beside a plain subscriber of the same broker.

Each reading carries the microsecond in which it was published. A subscriber in this process notes when it has it, the log itself when
it has the record: SQLite to the microsecond, Kafka by a stamp of its own, to the end of its millisecond. The difference is what
`vorab ingest` and the log add, on one machine's clock. The log is read afterwards, so that no reader takes the cores meanwhile.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import Any, Final

from vorab.bench import plain_mqtt
from vorab.frame import decode
from vorab.log import open_log

QUIET_S: Final = 2.0
"""So long the log is given to take the last of it."""
_STAMP_US: Final = 1_000
"""How far Kafka's stamp may lie behind."""
_TS: Final = re.compile(rb'"ts":(\d+)\.(\d{3}),')
_FIRST: Final = 0.125
"""This part of the messages warms up: a second of eight, in which each device is new."""


def of(port: int, log: str, topic: str, rate: int, seconds: float, devices: int) -> dict[str, Any]:
    """Milliseconds added at `rate` messages a second of QoS 1: p50, p99, and the plain subscriber's own."""
    heard: dict[int, int] = {}
    with plain_mqtt.connected(port, b"vorab-bench-plain") as plain:
        plain_mqtt.subscribe(plain, b"telemetry/+")
        plain.settimeout(None)
        listener = threading.Thread(target=plain_mqtt.listen, args=(plain, _Heard(heard)), daemon=True)
        listener.start()
        sent = _publish(port, rate, seconds, devices)
        time.sleep(QUIET_S)
        plain.shutdown(socket.SHUT_RD)
        listener.join()
    logged = _logged(log, topic)
    late = int(len(sent) * _FIRST)
    added = sorted((logged[at] - heard[at]) / 1e3 for at in sent[late:] if at in logged and at in heard)
    alone = sorted((heard[at] - at) / 1e3 for at in sent[late:] if at in heard)
    return {
        "messages": len(sent),
        "lost": sum(1 for at in sent if at not in logged),
        "added_p50_ms": quantile(added, 0.5),
        "added_p99_ms": quantile(added, 0.99),
        "plain_p50_ms": quantile(alone, 0.5),
        "plain_p99_ms": quantile(alone, 0.99),
    }


def quantile(ordered: list[float], q: float) -> float | None:
    """A value of ordered ones."""
    return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 2) if ordered else None


class _Heard:
    """Notes when each message was there; one that is cut in two counts when its end has come."""

    def __init__(self, heard: dict[int, int]) -> None:
        self._heard, self._rest = heard, b""

    def __call__(self, piece: bytes) -> None:
        now = time.time_ns() // 1000
        text, end = self._rest + piece, 0
        for found in _TS.finditer(text):
            self._heard[int(found[1] + found[2])] = now
            end = found.end()
        self._rest = text[end:]


def _publish(port: int, rate: int, seconds: float, devices: int) -> list[int]:
    """Publish at a steady pace; when each was published, µs."""
    sent: list[int] = []

    def make(i: int) -> tuple[bytes, bytes]:
        at = max(time.time_ns() // 1000, sent[-1] + 1 if sent else 0)
        sent.append(at)
        body = b'{"ts":%d.%03d,"temperature":%.2f,"vibration":0.123,"pressure":3.01}' % (*divmod(at, 1000), 60 + i % 997 / 50)
        return b"telemetry/dev-%05d" % (i % devices), body

    plain_mqtt.publish(port, rate, int(rate * seconds), make)
    return sent


def _logged(address: str, topic: str) -> dict[int, int]:
    """When each row was on the log, by its time; the first of two."""
    seen: dict[int, int] = {}
    late = _STAMP_US if address.startswith("kafka") else 0
    with open_log(address, read_only=True) as log:
        ends = log.ends(topic)
        positions = {(topic, partition): 0 for partition in ends}
        while behind := {place: offset for place, offset in positions.items() if offset < ends[place[1]]}:
            for entry in log.read(behind, limit=2_000, wait_s=5.0):
                positions[entry.topic, entry.partition] = entry.offset + 1
                for block in decode(entry.value or b"").blocks:
                    for at in block.measured_at.tolist():
                        seen.setdefault(at, entry.appended_at + late)
    return seen
