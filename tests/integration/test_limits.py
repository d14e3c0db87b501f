"""One device floods a real Mosquitto; the others must not notice, and every message of the flood must be accounted for."""

from __future__ import annotations

import json
import resource
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.house import Device, Slow, bodies, entries, readings, settings, soon, working
from tests.parts.base import PATIENCE_S
from tests.parts.fixtures import NewMosquitto
from vorab import metrics, topics
from vorab.bench.bridge import _publish
from vorab.frame import decode
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
        told = json.loads(hydrant.heard.get(timeout=PATIENCE_S).payload)
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


def _resident() -> int:
    """Memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def test_memory_is_bounded_while_the_log_is_away(new_mosquitto: NewMosquitto, tmp_path: Path) -> None:
    """100,000 messages for a log that takes nothing: they wait at the broker and not here, and all of them arrive when it is back."""
    broker, messages = new_mosquitto(), 100_000
    with SqliteLog(tmp_path / "log.db", fsync=False) as real:
        log = Slow(real)
        with working(log, settings(broker, tmp_path, ingest={"tick_s": 3600.0})) as worker:
            bridge = worker._loop._bridge
            log.refusing.set()
            before, most = _resident(), [0, 0]
            publishing = threading.Thread(target=_publish, args=(broker.port, 1, messages, 1_000))
            publishing.start()
            while publishing.is_alive():
                most = [max(most[0], bridge.messages), max(most[1], bridge.records)]
                publishing.join(0.01)
            grown = _resident() - before
            assert not readings(real)
            log.refusing.clear()
            soon(lambda: counted_rows(real) >= messages, "everything")
        assert counted_rows(real) == messages
    assert 0 < most[0] <= 2 * 2_000
    assert 0 < most[1] <= 2 * 256
    assert grown < 64 << 20


def counted_rows(log: SqliteLog) -> int:
    """Rows on the log."""
    return sum(decode(value).n for _, value, _ in entries(log, topics.READINGS))
