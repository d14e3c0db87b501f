"""Ingest on a real Mosquitto: both protocols, crashes, back-pressure, hostile payloads, commands and answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.mqtt import BulkClient
from ingest.service import Ingest
from tests.hostile import COUNT, corpus
from tests.integration.house import PARTITIONS, Device, Holding, Slow, bodies, entries, readings, settings, soon, working
from tests.parts.base import PATIENCE_S, free_port
from tests.parts.fixtures import NewKafka, NewMosquitto
from vorab import metrics, provision, topics
from vorab.clock import MINUTE, SECOND, StoryClock, SystemClock
from vorab.errors import ConfigError, Unavailable
from vorab.frame import decode
from vorab.log import EventLog, Outgoing, append_all, open_log
from vorab.log.sqlite import SqliteLog
from vorab.records import Action, Reply, ReplyStatus, to_wire

PROTOCOLS = ("5", "3.1.1")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """An empty log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        yield made


# ------------------------------------------------------------------------------------------------ the way in


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_devices_say_stands_in_the_log(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, protocol: str) -> None:
    """Telemetry as rows, a will as presence, an answer as reply, nonsense as rejection and as a word to the device."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path, mqtt={"protocol": protocol})):
        pump = Device(broker, "pump-7", v5=protocol == "5", listen="vorab/v1/main/pump-7/errors", will="vorab/v1/main/pump-7/status")
        pump.say("vorab/v1/main/pump-7/status", b'{"status":"online"}', retain=True)
        pump.say("vorab/v1/main/pump-7/telemetry", b'{"temperature":21.5,"seq":1}')
        pump.say("vorab/v1/main/pump-7/telemetry", b'{"temperature":22.5,"seq":2}', qos=0)
        pump.say("vorab/v1/main/pump-7/telemetry", b'[{"n":"temperature","u":"Cel","v":23.5}]')
        pump.say("vorab/v1/main/pump-7/telemetry", b'{"temperature":')
        pump.say("vorab/v1/main/pump-7/cmd/restart/res", b'{"id":"a1","status":"succeeded"}')
        assert json.loads(pump.heard.get(timeout=PATIENCE_S).payload)["reason"] == "bad_json"
        pump.leave(rudely=True)
        soon(lambda: len(bodies(log, topics.PRESENCE)) == 2, "the will")
        soon(lambda: len(readings(log)) == 3, "three rows")

    assert [row.values for row in readings(log)] == [{"temperature": 21.5}, {"temperature": 22.5}, {"temperature": 23.5}]
    assert [(one["online"], one["evidence"]) for one in bodies(log, topics.PRESENCE)] == [(True, "birth"), (False, "will")]
    assert [(one["action"], one["status"]) for one in bodies(log, topics.REPLIES)] == [("a1", "succeeded")]
    assert [one["reason"] for one in bodies(log, topics.REJECTED)] == ["bad_json"]


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_message_of_a_burst_becomes_one_row_in_order(
    new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, protocol: str, qos: int
) -> None:
    """10,000 messages of 50 devices as fast as they go: each row once, each device in order."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path, mqtt={"protocol": protocol, "qos": qos})):
        speaker = Device(broker, "speaker")
        speaker.say_all([(f"telemetry/pump-{i % 50}", b'{"x":%d.5}' % i) for i in range(10_000)], qos)
        soon(lambda: len(readings(log)) >= 10_000, "all rows")
    by_device: dict[str, list[Any]] = {}
    for row in readings(log):
        by_device.setdefault(row.device, []).append(row.values["x"])
    assert by_device == {f"main/pump-{d}": [i + 0.5 for i in range(d, 10_000, 50)] for d in range(50)}


def test_messages_wait_at_the_broker_while_the_worker_is_away(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """A persistent session: what devices say between two workers of the same name is not lost."""
    broker = new_mosquitto()
    for protocol in PROTOCOLS:
        chosen = settings(broker, tmp_path, mqtt={"protocol": protocol, "client_id": f"worker-{protocol}"})
        before = len(readings(log)) if protocol != PROTOCOLS[0] else 0
        with working(log, chosen):
            pass
        Device(broker, f"speaker-{protocol}").say_all([("telemetry/pump-7", b'{"x":%d}' % i) for i in range(500)])
        with working(log, chosen):
            soon(partial(_at_least, lambda: len(readings(log)), before + 500), "what waited")
        assert [row.values["x"] for row in readings(log)[before:]] == list(range(500))


def test_stored_messages_are_state_and_no_news(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """A new worker hears what the broker stored: statuses become presence by that evidence, telemetry is not taken again."""
    broker = new_mosquitto()
    early = Device(broker, "early")
    early.say("vorab/v1/main/pump-7/status", b"online", retain=True)
    early.say("vorab/v1/main/pump-7/telemetry", b'{"x":1}', retain=True)
    with working(log, settings(broker, tmp_path)):
        soon(lambda: bodies(log, topics.PRESENCE), "presence")
        early.say("vorab/v1/main/pump-7/telemetry", b'{"x":2}', retain=True)
        early.say("vorab/v1/main/pump-7/telemetry", b'{"x":3}')
        early.say("vorab/v1/main/pump-7/status", b"offline", retain=True)
        soon(lambda: len(bodies(log, topics.PRESENCE)) == 2, "the live status")
        soon(lambda: readings(log), "the live reading")
    assert [one["evidence"] for one in bodies(log, topics.PRESENCE)] == ["retained", "will"]
    assert [row.values for row in readings(log)] == [{"x": 3}]


def test_time_goes_on_when_nobody_speaks(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Each live partition gets empty frames and ticks among the replies; recorded partitions only what the recording brings."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path)):
        soon(lambda: len(entries(log, topics.REPLIES)) >= 3 * PARTITIONS, "ticks")
        soon(lambda: len(entries(log, topics.READINGS)) >= 3 * PARTITIONS, "empty frames")
        Device(broker, "replayer").say("recorded/machine/telemetry", b'{"ts":1391780000000,"x":1}')
        soon(lambda: readings(log), "the recorded reading")
        soon(lambda: any(partition == PARTITIONS for partition, _, _ in entries(log, topics.REPLIES)), "its tick")
    for partition in range(PARTITIONS + 1):
        nows = [decode(value).now for place, value, _ in entries(log, topics.READINGS) if place == partition]
        ticks = [json.loads(value)["at"] for place, value, _ in entries(log, topics.REPLIES) if place == partition]
        assert nows == sorted(nows)
        assert ticks == sorted(ticks)
        if partition == PARTITIONS:
            assert (nows, ticks) == ([1_391_780_000 * SECOND], ["2014-02-07T13:33:20.000000Z"])
        else:
            assert len(ticks) >= 2


# ------------------------------------------------------------------------------------------------ the promise


def test_a_log_that_takes_nothing_stops_the_reading_and_loses_nothing(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Back-pressure instead of drops: the worker is not ready, the connection stays, and afterwards every row is there once, in order."""
    broker = new_mosquitto()
    slow: Any = Slow(log)
    with working(slow, settings(broker, tmp_path, mqtt={"keepalive_s": 5}, ingest={"tick_s": 60})) as worker:
        speaker = Device(broker, "speaker")
        speaker.say("telemetry/pump-7", b'{"x":0}')
        soon(lambda: readings(log), "the first row")
        slow.refusing.set()
        speaker.say_all([("telemetry/pump-7", b'{"x":%d}' % i) for i in range(1, 5_000)])
        soon(lambda: not worker.ready and slow.refused > 1, "the worker notices")
        refused = slow.refused
        soon(lambda: slow.refused > refused + 1, "it tries again")
        slow.refusing.clear()
        soon(lambda: len(readings(log)) >= 5_000, "all rows")
        soon(lambda: worker.ready, "the worker recovers")
    assert [row.values["x"] for row in readings(log)] == list(range(5_000))


@pytest.mark.parametrize("guarded", [True, False])
def test_a_late_confirmation_does_not_acknowledge_somebody_elses_message(
    new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> None:
    """The broker dies with its session, packet id 1 means a new message: the old acknowledgement must not make the broker forget it.

    A worker that does not tell connections apart loses the message.
    """
    broker = new_mosquitto()
    slow: Any = Holding(log)
    chosen = settings(broker, tmp_path, ingest={"tick_s": 60})
    stale = metrics.metric("vorab_ingest_stale_acks_total")
    before = stale._value.get()
    sent: list[bytes] = []
    proper = BulkClient.acknowledge
    with monkeypatch.context() as build:

        def acknowledge(client: BulkClient, acks: bytes) -> None:
            proper(client, acks)
            sent.append(acks)

        build.setattr(BulkClient, "acknowledge", acknowledge)
        if not guarded:
            build.setattr(BulkClient, "epoch", property(lambda _self: 0, lambda _self, _value: None), raising=False)
        with working(slow, chosen) as worker:
            slow.holding.set()
            Device(broker, "speaker").say("telemetry/pump-7", b'{"x":1}')
            soon(lambda: len(slow.held) == 1, "the first is in the log, unconfirmed")
            broker.kill()
            soon(lambda: not worker.ready, "the worker notices")
            broker.start()
            soon(lambda: worker.ready, "the worker is back")
            Device(broker, "speaker-2").say("telemetry/pump-7", b'{"x":2}')
            soon(lambda: len(slow.held) == 2, "the second, with the packet id of the first")
            slow.held[0](None)
            soon(lambda: stale._value.get() == before + 1 if guarded else sent, "the old acknowledgement is dropped, or sent")
            # The worker ends without ever hearing about the second message.
    with working(log, chosen):
        Device(broker, "speaker-3").say("telemetry/pump-7", b'{"x":3}')
        soon(lambda: readings(log)[-1].values["x"] == 3, "what came after")
    assert [row.values["x"] for row in readings(log)] == ([1, 2, 2, 3] if guarded else [1, 2, 3])


def test_time_does_not_go_back_between_two_workers(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """A worker on a machine whose clock is an hour slow goes on where the last one stood."""
    broker = new_mosquitto()
    chosen = settings(broker, tmp_path, ingest={"tick_s": 0.05})
    wall = SystemClock().now()
    for clock in (SystemClock(), StoryClock(wall - 60 * MINUTE, 1.0, wall)):
        provision.create_topics(log, chosen)
        worker = Ingest(log, chosen, clock)
        before = len(entries(log, topics.READINGS))
        worker.start()
        soon(partial(_at_least, lambda: len(entries(log, topics.READINGS)), before + 3 * PARTITIONS), "ticks")
        worker.stop()
    for partition in range(PARTITIONS):
        nows = [decode(value).now for place, value, _ in entries(log, topics.READINGS) if place == partition]
        assert nows == sorted(nows)


def test_a_broker_that_restarts_costs_nothing_that_was_said(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """The worker reconnects by itself; the session and what waited in it survive an orderly restart of the broker."""
    broker = new_mosquitto(profile="durable")
    with working(log, settings(broker, tmp_path)) as worker:
        speaker = Device(broker, "speaker")
        for turn in range(3):
            speaker.say_all([("telemetry/pump-7", b'{"x":%d}' % (turn * 100 + i)) for i in range(100)])
            broker.restart()
            soon(lambda: worker.ready and speaker.client.is_connected(), "everybody is back")
        soon(lambda: len({row.values["x"] for row in readings(log)}) == 300, "all rows")
    assert list(Counter(row.values["x"] for row in readings(log))) == list(range(300)), "first come in order"


def test_kill_minus_nine_loses_nothing_and_keeps_the_order(new_mosquitto: NewMosquitto, tmp_path: Path) -> None:
    """The worker dies four times while a device speaks; the broker repeats what was not acknowledged."""
    broker = new_mosquitto()
    address = f"sqlite:///{tmp_path / 'log.db'}"
    command = [sys.executable, "-m", "vorab", "ingest", "--mqtt", f"127.0.0.1:{broker.port}", "--log", address]
    command += ["--partitions", str(PARTITIONS), "--state-dir", str(tmp_path)]
    speaker = Device(broker, "speaker")
    said = 0
    for turn in range(5):
        last = turn == 4
        with (tmp_path / "worker.log").open("ab") as output:
            worker = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            if turn == 0:
                soon(lambda: "connected" in (tmp_path / "worker.log").read_text(), "the session")
            speaker.say_all([(f"telemetry/pump-{(said + i) % 7}", b'{"x":%d}' % (said + i)) for i in range(1_000)])
            said += 1_000
            goal = said if last else said - 600
            soon(partial(_at_least, lambda: len(_seen(address)), goal), "rows")  # kills come in the middle of the work
        finally:
            worker.kill() if not last else worker.terminate()
            worker.wait(PATIENCE_S)
    by_device: dict[str, list[Any]] = {}
    with open_log(address) as log:
        for row in readings(log):
            by_device.setdefault(row.device, []).append(row.values["x"])
    for device, values in by_device.items():
        expected = list(range(int(device.rpartition("-")[2]), said, 7))
        assert list(Counter(values)) == expected, "none is missing, and each first stands in its place"


def _at_least(count: Callable[[], int], goal: int) -> bool:
    return count() >= goal


def _seen(address: str) -> set[Any]:
    """What stands in the log, from outside."""
    try:
        with SqliteLog(address.removeprefix("sqlite:///"), read_only=True) as log:
            return {row.values["x"] for row in readings(log)}
    except (ConfigError, Unavailable):  # it is being made
        return set()


def test_two_hundred_hostile_payloads(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """The broker lets them through; each becomes exactly one rejection, and the good rows among them are all there."""
    broker = new_mosquitto()
    devices = [f"pump-{i}" for i in range(10)]
    hostile = corpus(devices)
    with working(log, settings(broker, tmp_path)):
        speaker = Device(broker, "speaker")
        for i, one in enumerate(hostile):
            speaker.say(one.topic, one.payload)
            speaker.say(f"vorab/v1/main/{devices[i % 10]}/telemetry", b'{"x":%d}' % i)
        soon(lambda: len(readings(log)) == COUNT, "the good rows")
        soon(lambda: len(bodies(log, topics.REJECTED)) >= COUNT, "the rejections")
    found = bodies(log, topics.REJECTED)
    assert Counter(one["reason"] for one in found) == Counter(str(one.reason) for one in hostile)
    assert len({one["id"] for one in found}) == COUNT
    assert sorted(row.values["x"] for row in readings(log)) == list(range(COUNT))


# ------------------------------------------------------------------------------------------------ the way out


def action(name: str, *, lives_s: float = 3_600, device: str = "pump-7") -> Action:
    """A restart for a device."""
    now = SystemClock().now()
    return Action(
        id=name, device=device, case="c1", remedy="restart", name="restart", at=now, not_before=now, not_after=now + int(lives_s * SECOND)
    )


def ask(log: EventLog, record: Action | Reply) -> None:
    """Write a record where it belongs."""
    key, value, headers = to_wire(record, "urn:vorab:test")
    partition = topics.partition_of(record.key, PARTITIONS + 1, 1)
    append_all(log, [Outgoing(record.TOPIC, partition, key, value, headers)])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_action_becomes_a_command_and_is_answered(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, protocol: str) -> None:
    """The device hears it on its command topic, with what MQTT 5 adds; its answer stands among the replies."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path, mqtt={"protocol": protocol})):
        pump = Device(broker, "pump-7", listen="vorab/v1/main/pump-7/cmd/+")
        ask(log, action("a1"))
        heard = pump.heard.get(timeout=PATIENCE_S)
        body = json.loads(heard.payload)
        assert (heard.topic, heard.qos, heard.retain) == ("vorab/v1/main/pump-7/cmd/restart", 1, False)
        assert body.keys() == {"id", "name", "params", "not_before", "not_after", "attempt", "counter", "key_id", "signature"}
        if protocol == "5":
            properties: Any = heard.properties
            assert (properties.ResponseTopic, properties.CorrelationData) == ("vorab/v1/main/pump-7/cmd/restart/res", b"a1")
            assert 0 < properties.MessageExpiryInterval <= 3_600
        again = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
        again.CorrelationData = b"a1"
        pump.say(f"{heard.topic}/res", json.dumps({"id": body["id"], "status": "succeeded"}), properties=again)
        soon(lambda: bodies(log, topics.REPLIES), "the reply")
    assert [(one["action"], one["status"]) for one in bodies(log, topics.REPLIES)] == [("a1", "succeeded")]


def test_after_a_restart_only_what_is_still_wanted_is_asked(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Answered actions stay answered, late ones are left to their cases, and an open one goes out again with the same id."""
    broker = new_mosquitto()
    chosen = settings(broker, tmp_path)
    provision.create_topics(log, chosen)
    for record in (action("answered"), action("late", lives_s=-1), action("open"), action("bad", device="a/b")):
        ask(log, record)
    now = SystemClock().now()
    ask(log, Reply(id="r1", device="pump-7", action="answered", status=ReplyStatus.SUCCEEDED, at=now))
    pump = Device(broker, "pump-7", listen="vorab/v1/main/pump-7/cmd/+")
    for _ in range(2):
        with working(log, chosen):
            assert json.loads(pump.heard.get(timeout=PATIENCE_S).payload)["id"] == "open"
    assert pump.heard.empty()
    found = Counter((one["action"], one["status"]) for one in bodies(log, topics.REPLIES))
    assert found == {("answered", "succeeded"): 1, ("bad", "rejected"): 1}


def test_in_shadow_nothing_leaves_the_house(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Everything decides; neither a command nor a word about a refusal reaches a device, and both are counted."""
    broker = new_mosquitto()
    counter = metrics.metric("vorab_ingest_actions_total").labels("shadow")
    before = counter._value.get()
    with working(log, settings(broker, tmp_path, mode="shadow")):
        pump = Device(broker, "pump-7", listen="vorab/v1/main/pump-7/#")
        ask(log, action("a1"))
        soon(lambda: counter._value.get() == before + 1, "the action is counted")
        pump.say("telemetry/pump-7", b"nonsense")
        soon(lambda: bodies(log, topics.REJECTED), "the rejection")
        pump.say("vorab/v1/main/pump-7/status", b"online")
        assert pump.heard.get(timeout=PATIENCE_S).topic.endswith("status"), "the first it hears is its own"
    assert pump.heard.empty()


# ------------------------------------------------------------------------------------------------ other ways to connect


def test_over_tls_nothing_stays_in_the_buffer(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """A record per message, and what is decrypted wakes no `select`: a burst comes through, and the last message of a quiet hour too."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    create = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*create, *subject], check=True, capture_output=True)
    key.chmod(0o644)
    port = free_port()
    broker = new_mosquitto(settings=f"listener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\nallow_anonymous true\n")
    chosen = settings(broker, tmp_path, mqtt={"port": port, "ca_file": str(certificate)})
    with working(log, chosen):
        speaker = Device(broker, "speaker")
        speaker.say_all([("telemetry/pump-7", b'{"x":%d,"text":"%s"}' % (i, b"y" * 200)) for i in range(5_000)])
        soon(lambda: len(readings(log)) == 5_000, "all rows")
        speaker.say("telemetry/pump-7", b'{"x":5000}')
        soon(lambda: len(readings(log)) == 5_001, "the last row")


def test_two_workers_share_the_devices_on_kafka(new_mosquitto: NewMosquitto, new_kafka: NewKafka, tmp_path: Path) -> None:
    """Two workers on a real Kafka: every row once, in order, and one rejection per refusal."""
    broker = new_mosquitto()
    first, second = (settings(broker, tmp_path, ingest={"share": share}) for share in ("0/2", "1/2"))
    with open_log(new_kafka().log_address) as log, working(log, first), working(log, second):
        speaker = Device(broker, "speaker")
        speaker.say_all([(f"telemetry/pump-{i % 20}", b'{"x":%d}' % i) for i in range(2_000)])
        speaker.say_all([("telemetry/pump-1", b"nonsense"), ("telemetry/b d", b'{"x":1}')])
        soon(lambda: len(readings(log)) >= 2_000, "all rows")
        soon(lambda: len(bodies(log, topics.REJECTED)) >= 2, "the rejections")
        by_device: dict[str, list[Any]] = {}
        for row in readings(log):
            by_device.setdefault(row.device, []).append(row.values["x"])
        assert by_device == {f"main/pump-{d}": list(range(d, 2_000, 20)) for d in range(20)}
        assert len(bodies(log, topics.REJECTED)) == 2
