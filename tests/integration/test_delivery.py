"""What ingest promises about delivery, on a real Mosquitto: end-to-end acknowledgements, a bounded flight, a stall that is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import Device, Holding, readings, settings, soon, working
from tests.parts.base import PATIENCE_S
from tests.parts.fixtures import NewMosquitto
from vorab import metrics
from vorab.log.sqlite import SqliteLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """An empty log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        yield made


def numbered(seq: int, acked: int = 0, boot: int = 3) -> bytes:
    """A reading that wants to be acknowledged end to end."""
    return json.dumps({"x": seq, "boot": boot, "seq": seq, "acked": acked}).encode()


def heard(device: Device) -> dict[str, int]:
    """The next acknowledgement."""
    found: dict[str, int] = json.loads(device.heard.get(timeout=PATIENCE_S).payload)
    return found


# ------------------------------------------------------------------------------------------------ end to end


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_device_hears_what_the_log_has(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, protocol: str) -> None:
    """Cumulative per boot, at once for a repeated number, with a hole as the end, and from the device's own base after a restart."""
    broker = new_mosquitto()
    chosen = settings(broker, tmp_path, mqtt={"protocol": protocol})
    pump = Device(broker, "pump-7", listen="vorab/v1/main/pump-7/ack")
    with working(log, chosen):
        pump.say("vorab/v1/main/pump-7/telemetry", numbered(1))
        assert heard(pump) == {"boot": 3, "seq": 1}
        pump.say("telemetry/pump-7", numbered(2, 1))
        assert heard(pump) == {"boot": 3, "seq": 2}, "by its other topic as well"
        pump.say("vorab/v1/main/pump-7/telemetry", numbered(2, 1), qos=0)
        assert heard(pump) == {"boot": 3, "seq": 2}
        pump.say("vorab/v1/main/pump-7/telemetry", numbered(5, 2))
        pump.say("vorab/v1/main/pump-7/telemetry", b"[%s]" % b",".join(numbered(seq, 2) for seq in (3, 4)))
        assert heard(pump) == {"boot": 3, "seq": 5}
        pump.say("vorab/v1/main/pump-7/telemetry", b'{"boot":3,"seq":6,"acked":5,"x":{}}')
        assert heard(pump) == {"boot": 3, "seq": 6}, "refused, and stored as a refusal"
    with working(log, chosen):
        pump.say("vorab/v1/main/pump-7/telemetry", numbered(7, 6))
        assert heard(pump) == {"boot": 3, "seq": 7}
        pump.say("vorab/v1/main/pump-7/telemetry", numbered(1, boot=4))
        assert heard(pump) == {"boot": 4, "seq": 1}
    assert [row.seq for row in readings(log)] == [1, 2, 2, 5, 3, 4, 7, 1]


def test_nothing_is_acknowledged_to_the_device_before_the_log_has_it(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """The log keeps its confirmation back, and so the device hears nothing; it hears it also when the broker has come back meanwhile."""
    broker = new_mosquitto()
    slow: Any = Holding(log)
    with working(slow, settings(broker, tmp_path, ingest={"tick_s": 60})) as worker:
        slow.holding.set()
        pump = Device(broker, "pump-7", listen="vorab/v1/main/pump-7/ack")
        pump.say("vorab/v1/main/pump-7/telemetry", numbered(1))
        soon(lambda: len(slow.held) == 1, "the log has it and says nothing")
        broker.kill()
        soon(lambda: not worker.ready, "the worker notices")
        broker.start()
        soon(lambda: worker.ready and pump.client.is_connected(), "everybody is back")
        pump.client.subscribe("vorab/v1/main/pump-7/ack", qos=1)
        pump.say("a/word/of/its/own", b"", qos=1)  # the broker has handled the subscription before it
        assert pump.heard.empty()
        slow.held[0](None)
        assert heard(pump) == {"boot": 3, "seq": 1}


# ------------------------------------------------------------------------------------------------ in flight


def test_no_more_is_in_flight_than_the_receive_maximum(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """The log stops confirming: the broker hands out exactly as many messages as may be unacknowledged, and not one more."""
    broker = new_mosquitto()
    slow: Any = Holding(log)
    with working(slow, settings(broker, tmp_path, mqtt={"receive_maximum": 50}, ingest={"tick_s": 60})):
        slow.holding.set()
        speaker = Device(broker, "speaker")
        speaker.say_all([("telemetry/pump-7", b'{"x":%d}' % i) for i in range(300)])
        soon(lambda: len(readings(log)) >= 50, "as many as may fly")
        speaker.say_all([("telemetry/pump-7", b'{"x":%d}' % i) for i in range(300, 600)])
        assert [row.values["x"] for row in readings(log)] == list(range(50))
        slow.holding.clear()
        for confirmed in slow.held:
            confirmed(None)
        soon(lambda: len(readings(log)) == 600, "the rest")
    assert [row.values["x"] for row in readings(log)] == list(range(600))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_stalled_message_is_asked_for_again(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, protocol: str) -> None:
    """The log takes other records but never confirms one: a connection made anew brings its message again, and all goes on."""
    broker = new_mosquitto()
    slow: Any = Holding(log)
    reconnects = metrics.metric("vorab_ingest_stall_reconnects_total")
    before = reconnects._value.get()
    chosen = settings(broker, tmp_path, mqtt={"protocol": protocol}, ingest={"ack_stall_s": 0.5})
    with working(slow, chosen) as worker:
        speaker = Device(broker, "speaker")
        slow.holding.set()
        speaker.say("telemetry/pump-7", b'{"x":1}')
        soon(lambda: readings(log), "its record, without a confirmation")
        slow.holding.clear()
        soon(lambda: reconnects._value.get() == before + 1, "a connection made anew")
        soon(lambda: len(readings(log)) == 2, "the message again")
        for confirmed in slow.held:
            confirmed(None)  # late, and to nobody
        speaker.say("telemetry/pump-7", b'{"x":2}')
        soon(lambda: len(readings(log)) == 3 and worker.ready, "life goes on")
    with working(log, chosen):
        speaker.say("telemetry/pump-7", b'{"x":3}')
        soon(lambda: len(readings(log)) == 4, "nothing that was acknowledged comes again")
    assert [row.values["x"] for row in readings(log)] == [1, 1, 2, 3]
    assert reconnects._value.get() == before + 1
