"""Kafka dies under load, and ingest goes on: what its disk has is acknowledged, and stands in the log when Kafka is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.house import Device, readings, settings, soon, working
from tests.parts.base import wait_until
from tests.parts.fixtures import NewKafka, NewMosquitto
from vorab.log import open_log
from vorab.log.spool import SpooledLog

BEFORE, DURING, AFTER, DEVICES = 500, 3_000, 500, 20


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # kafka-python leaves sockets of a dead broker to the collector
def test_ingest_goes_on_while_kafka_is_away(new_mosquitto: NewMosquitto, new_kafka: NewKafka, tmp_path: Path) -> None:
    """Before, during and after an outage: nothing waits for its acknowledgement, nothing is lost, each device keeps its order."""
    broker, kafka = new_mosquitto(), new_kafka()

    def messages(first: int, count: int) -> list[tuple[str, bytes]]:
        return [(f"telemetry/pump-{i % DEVICES}", b'{"x":%d}' % i) for i in range(first, first + count)]

    with (
        open_log(kafka.log_address, patience_s=3.0) as real,
        SpooledLog(real, tmp_path / "spool", 64 << 20) as log,
        working(log, settings(broker, tmp_path)) as worker,
    ):
        speaker, bridge = Device(broker, "speaker"), worker._loop._bridge
        speaker.say_all(messages(0, BEFORE))
        soon(lambda: len(readings(real)) >= BEFORE, "what came before")
        kafka.kill()
        speaker.say_all(messages(BEFORE, DURING))
        wait_until(lambda: log.bytes > 0 and bridge.messages == 0, "everything acknowledged without Kafka")
        assert log.bytes > 0
        kafka.restart()
        speaker.say_all(messages(BEFORE + DURING, AFTER))
        wait_until(lambda: log.bytes == 0 and bridge.messages == 0, "everything handed on")
        total = BEFORE + DURING + AFTER
        soon(lambda: len({row.values["x"] for row in readings(real)}) >= total, "everything on the log")
        by_device: dict[str, list[object]] = {}
        for row in readings(real):
            by_device.setdefault(row.device, []).append(row.values["x"])
    assert {device: list(dict.fromkeys(numbers)) for device, numbers in by_device.items()} == {
        f"main/pump-{d}": list(range(d, total, DEVICES)) for d in range(DEVICES)
    }
