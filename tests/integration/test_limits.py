"""One device floods a real Mosquitto; the others must not notice, and every message of the flood must be accounted for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.house import Device, bodies, readings, settings, soon, working
from tests.parts.fixtures import NewMosquitto
from vorab import metrics, topics
from vorab.log.sqlite import SqliteLog

NORMAL, EACH, FLOOD, BURST = 100, 20, 8_000, 200


def counted(name: str) -> Counter[str]:
    """A counter of this process by its label."""
    found = Counter[str]()
    for family in metrics.metric(name).collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                found[next(iter(sample.labels.values()))] += int(sample.value)
    return found


@pytest.mark.parametrize("qos", [0, 1])
def test_a_flood_costs_nobody_else_a_message(new_mosquitto: NewMosquitto, tmp_path: Path, qos: int) -> None:
    """100 devices and one that floods: all of theirs arrive; of the flood, received is taken plus dropped, and the rest is acknowledged."""
    broker = new_mosquitto()
    before = counted("vorab_ingest_messages_total"), counted("vorab_ingest_rejected_total")
    limits = {"device_rate": 10, "device_burst": BURST}
    with SqliteLog(tmp_path / "log.db", fsync=False) as log, working(log, settings(broker, tmp_path, ingest=limits, mqtt={"qos": qos})):
        hydrant = Device(broker, "hydrant", listen="vorab/v1/main/flooder/errors")
        speaker = Device(broker, "speaker")
        flood = [("telemetry/flooder", b'{"x":%d}' % i) for i in range(FLOOD)]
        calm = [(f"telemetry/pump-{i % NORMAL}", b'{"x":%d}' % (i // NORMAL)) for i in range(NORMAL * EACH)]
        share = FLOOD // EACH
        for turn in range(EACH):
            hydrant.say_all(flood[turn * share : (turn + 1) * share], qos)
            speaker.say_all(calm[turn * NORMAL : (turn + 1) * NORMAL], qos)
        received = NORMAL * EACH + FLOOD

        def done() -> bool:
            return sum((counted("vorab_ingest_messages_total") - before[0]).values()) >= received

        soon(done, "everything is taken or dropped")
        results, reasons = counted("vorab_ingest_messages_total") - before[0], counted("vorab_ingest_rejected_total") - before[1]
        told = json.loads(hydrant.heard.get(timeout=10).payload)
        soon(lambda: len(readings(log)) >= results["telemetry"], "the rows")
        by_device: dict[str, list[object]] = {}
        for row in readings(log):
            by_device.setdefault(row.device, []).append(row.values["x"])
        records = bodies(log, topics.REJECTED)
    taken = len(by_device.pop("main/flooder"))
    assert by_device == {f"main/pump-{i}": list(range(EACH)) for i in range(NORMAL)}
    assert BURST <= taken < FLOOD // 4
    assert results == Counter(telemetry=NORMAL * EACH + taken, rejected=FLOOD - taken)
    assert sum(reasons.values()) == FLOOD - taken
    assert set(reasons) <= {"rate_limited", "quarantined"}
    assert told["reason"] in reasons
    assert 1 <= len(records) <= 3
    assert {record["device"] for record in records} == {"main/flooder"}
