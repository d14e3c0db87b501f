"""The fleet on a real broker: readings, last wills, commands and answers, and honest counts when the broker goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.parts.base import PATIENCE_S, wait_until
from tests.parts.fixtures import NewMosquitto
from tests.parts.mosquitto import ForeignMqtt, Mosquitto
from vorab.clock import HOUR, MINUTE, SECOND, StoryClock, SystemClock, iso, parse_iso
from vorab.fleet.connection import Broker
from vorab.fleet.faults import Planned
from vorab.fleet.layout import Options
from vorab.fleet.ledger import Ledger
from vorab.fleet.replay import Replay
from vorab.fleet.run import Fleet
from vorab.fleet.series import Series

START = parse_iso("2026-11-23T22:00:00+01:00")
SPEED = 600.0
AnyMqtt = Mosquitto | ForeignMqtt


@dataclass
class Watcher:
    """A subscriber that stays, remembers everything, and can ask."""

    broker: AnyMqtt
    tenant: str
    filter: str
    five: bool = True
    messages: list[mqtt.MQTTMessage] = field(default_factory=list)

    def __post_init__(self) -> None:
        version = mqtt.MQTTv5 if self.five else mqtt.MQTTv311
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"watcher-{uuid.uuid4().hex}", protocol=version)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)
        self.client.on_connect = lambda client, *_: client.subscribe(self.filter, qos=1)
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        properties: Any = None
        if self.five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
            properties.SessionExpiryInterval = 600
        # Mosquitto stores a session over its own restart only if the client did not ask for a clean start.
        clean = False if self.five else mqtt.MQTT_CLEAN_START_FIRST_ONLY
        self.client.connect(self.broker.host, self.broker.port, clean_start=clean, properties=properties)
        self.client.loop_start()
        assert subscribed.wait(PATIENCE_S)

    def bodies(self, device: str, rest: str) -> list[dict[str, Any]]:
        """What came on one topic of a device, oldest first."""
        topic = f"vorab/v1/{self.tenant}/{device}/{rest}"
        return [json.loads(message.payload) for message in list(self.messages) if message.topic == topic]

    def statuses(self, device: str, command: str = "restart") -> list[str]:
        """The answers of a device."""
        return [body["status"] for body in self.bodies(device, f"cmd/{command}/res")]

    def ask(self, device: str, id_: str, command: str = "restart", *, response_topic: str = "", **body: Any) -> None:
        """Send a command."""
        properties: Any = None
        if self.five:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
            properties.ResponseTopic = response_topic or f"vorab/v1/{self.tenant}/{device}/cmd/{command}/res"
            properties.CorrelationData = id_.encode()
        payload = json.dumps({"id": id_, "name": command, "params": {}, **body})
        self.client.publish(f"vorab/v1/{self.tenant}/{device}/cmd/{command}", payload, qos=1, properties=properties)

    def readings(self) -> set[tuple[str, int, int]]:
        """Device, boot and seq of every reading."""
        found = set()
        for message in list(self.messages):
            parts = message.topic.split("/")
            if parts[-1] == "telemetry":
                body = json.loads(message.payload)
                found.add((parts[3], body["boot"], body["seq"]))
        return found


@contextmanager
def _watching(broker: AnyMqtt, tenant: str, *, five: bool = True, filter_: str = "") -> Iterator[Watcher]:
    watcher = Watcher(broker, tenant, filter_ or f"vorab/v1/{tenant}/#", five=five)
    try:
        yield watcher
    finally:
        watcher.client.disconnect()
        watcher.client.loop_stop()


@contextmanager
def _running(
    broker: AnyMqtt,
    tenant: str,
    machines: dict[str, str],
    plan: tuple[Planned, ...] = (),
    *,
    protocol: Literal["5", "3.1.1"] = "5",
    **more: Any,
) -> Iterator[Fleet]:
    """A fleet in this process on a clock where ten minutes take a second."""
    clock = StoryClock(START, SPEED, SystemClock().now())
    options = Options(
        machines=machines, plan=plan, tenant=tenant, start=START, period=2 * MINUTE, client_id=f"fleet-{uuid.uuid4().hex}", **more
    )
    fleet = Fleet(options, Broker(broker.host, broker.port, protocol), clock, Ledger())
    stop = threading.Event()
    thread = threading.Thread(target=fleet.run, args=(stop,))
    thread.start()
    try:
        yield fleet
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def _tenant() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_stuck_valve_is_seen_restarted_and_healed(mosquitto: AnyMqtt, protocol: Literal["5", "3.1.1"]) -> None:
    """The whole dialogue over MQTT: pressure falls, restart, accepted, running, succeeded, a new birth, pressure is back."""
    tenant, device = _tenant(), "heat-pump-001"
    plan = (Planned(device, "valve_stuck", START + 10 * MINUTE),)
    with (
        _watching(mosquitto, tenant, five=protocol == "5") as watcher,
        _running(mosquitto, tenant, {device: "heat-pump", "pump-001": "pump"}, plan, protocol=protocol) as fleet,
    ):

        def pressure() -> float:
            readings = watcher.bodies(device, "telemetry")
            return readings[-1]["pressure"] if readings else 1.7

        wait_until(lambda: pressure() < 1.0, "low pressure")
        before = watcher.bodies(device, "telemetry")[-1]["boot"]
        watcher.ask(device, "c-1", not_after=iso(fleet.clock.now() + 100 * HOUR))
        wait_until(lambda: "succeeded" in watcher.statuses(device), "the answer")
        wait_until(lambda: pressure() > 1.4, "normal pressure")

        assert watcher.statuses(device) == ["accepted", "running", "succeeded"]
        assert watcher.bodies(device, "telemetry")[-1]["boot"] == before + 1
        births = [body["session"] for body in watcher.bodies(device, "status") if body["status"] == "online"]
        assert births == [str(before), str(before + 1)]
        assert all(reading["pressure"] >= 0 for reading in watcher.bodies("pump-001", "telemetry"))


def test_a_dead_network_is_told_by_the_last_will(mosquitto: AnyMqtt) -> None:
    """No goodbye and no time in it: the broker says offline; when the link is back the machine says online."""
    tenant, device = _tenant(), "pump-001"
    plan = (Planned(device, "network_flaky", START + 10 * MINUTE),)
    with _watching(mosquitto, tenant) as watcher, _running(mosquitto, tenant, {device: "pump", "pump-002": "pump"}, plan):
        wait_until(lambda: {"status": "offline"} in watcher.bodies(device, "status"), "the will")
        gone = watcher.bodies(device, "telemetry")[-1]["seq"]
        wait_until(lambda: watcher.bodies(device, "status")[-1]["status"] == "online", "the birth")
        wait_until(lambda: watcher.bodies(device, "telemetry")[-1]["seq"] > gone + 20, "readings with a hole before them")

        assert [body["status"] for body in watcher.bodies("pump-002", "status")] == ["online"]


def test_commands_late_repeated_foreign_and_refused(mosquitto: AnyMqtt) -> None:
    """Too late is refused, twice is done once, a foreign response topic gets nothing, and error messages are counted."""
    tenant, device, victim = _tenant(), "pump-001", "pump-002"
    with _watching(mosquitto, tenant) as watcher, _running(mosquitto, tenant, {device: "pump", victim: "pump"}) as fleet:
        wait_until(lambda: watcher.bodies(device, "telemetry"), "a reading")
        boot = watcher.bodies(device, "telemetry")[0]["boot"]

        watcher.ask(device, "late", not_after=iso(fleet.clock.now() - SECOND))
        wait_until(lambda: watcher.statuses(device) == ["expired"], "the refusal")

        watcher.ask(device, "twice", response_topic=f"vorab/v1/{tenant}/{victim}/telemetry")
        wait_until(lambda: watcher.statuses(device)[-1] == "succeeded", "the answer")
        watcher.ask(device, "twice")
        wait_until(lambda: watcher.statuses(device).count("succeeded") == 2, "the answer again")

        watcher.client.publish(f"vorab/v1/{tenant}/{device}/errors", b'{"reason":"bad_json"}', qos=1)
        wait_until(lambda: fleet.counts()["errors"] == 1, "the counted error")

        wait_until(lambda: watcher.bodies(device, "telemetry")[-1]["boot"] == boot + 1, "the restart")
        counts = fleet.counts()
        assert [counts[f"commands_{what}"] for what in ("done", "repeated", "expired", "foreign")] == [1, 1, 1, 1]
        assert {reading["boot"] for reading in watcher.bodies(victim, "telemetry")} == {boot}
        answers = [m for m in watcher.messages if m.topic.endswith("/cmd/restart/res")]
        assert [getattr(m.properties, "CorrelationData", b"") for m in answers] == [b"late"] + [b"twice"] * 4


def test_nothing_is_lost_while_the_broker_restarts(new_mosquitto: NewMosquitto) -> None:
    """What was published without a broker is buffered and published later; every reading of the ledger arrives."""
    broker, tenant = new_mosquitto(), _tenant()
    machines = {f"pump-{n:03}": "pump" for n in range(1, 41)}
    with _watching(broker, tenant) as watcher:
        with _running(broker, tenant, machines) as fleet:
            wait_until(lambda: fleet.counts()["acked"] > 100, "readings")
            broker.stop()
            wait_until(lambda: fleet.counts()["unacked"] > 100, "readings in the buffer")
            broker.start()
            wait_until(lambda: fleet.counts()["unacked"] < 40, "an empty buffer")
        counts = fleet.counts()
        wait_until(lambda: len(watcher.readings()) == counts["published"], "every reading")

    assert (counts["unacked"], counts["overflowed"], counts["refused"]) == (0, 0, 0)


def test_a_buffer_that_is_too_small_is_told(new_mosquitto: NewMosquitto) -> None:
    """Known bad: with room for ten messages readings are dropped while the broker is away, and the counts say so."""
    broker, tenant = new_mosquitto(), _tenant()
    machines = {f"pump-{n:03}": "pump" for n in range(1, 41)}
    with _running(broker, tenant, machines, buffer=10, gateways=1) as fleet:
        wait_until(lambda: fleet.counts()["acked"] > 50, "readings")
        broker.stop()
        wait_until(lambda: fleet.counts()["overflowed"] > 20, "dropped readings")
        broker.start()
        wait_until(lambda: fleet.counts()["connects"] > 1, "the connection")
    counts = fleet.counts()
    assert counts["unacked"] == 0
    assert counts["published"] == counts["acked"] + counts["overflowed"]


def test_a_recording_goes_by_in_a_second(mosquitto: AnyMqtt, tmp_path: Path) -> None:
    """Two days in a second: each row once, in order, with its own time."""
    device = f"press-{uuid.uuid4().hex[:8]}"
    rows = [f"2014-02-0{1 + n // 288} {n % 288 // 12:02}:{n % 12 * 5:02}:00,{n}" for n in range(576)]
    path = tmp_path / "series.csv"
    path.write_text("\n".join(["timestamp,value", *rows]))
    with _watching(mosquitto, "", filter_=f"recorded/{device}/telemetry") as watcher:
        run = Replay([Series(path, device, "temperature")], Broker(mosquitto.host, mosquitto.port), seconds=1.0, client_id=device)
        report = run.run(threading.Event())
        wait_until(lambda: len(watcher.messages) == 576, "every row")

    first = parse_iso("2014-02-01T00:00:00Z") // 1000
    assert [json.loads(m.payload) for m in watcher.messages] == [{"ts": first + n * 300_000, "temperature": float(n)} for n in range(576)]
    assert (report.readings, report.published, report.acked) == (576, 576, 576)


def test_the_process_ends_on_sigterm_with_its_counts(mosquitto: AnyMqtt, tmp_path: Path) -> None:
    """`vorab simulate` as the demo starts it: story clock, live counts in a file, a goodbye and a JSON line."""
    tenant, status, ledger = _tenant(), tmp_path / "status.json", tmp_path / "ledger"
    clock = StoryClock(START, SPEED, SystemClock().now())
    command = [sys.executable, "-m", "vorab", "simulate", "--machines", "20", "--plan", "story", "--json", "--tenant", tenant]
    command += ["--host", mosquitto.host, "--port", str(mosquitto.port), "--status-file", str(status), "--ledger", str(ledger)]
    command += ["--client-id", tenant]
    with (
        _watching(mosquitto, tenant) as watcher,
        subprocess.Popen(command, env={**os.environ, "VORAB_CLOCK": clock.spec}, stdout=subprocess.PIPE, text=True) as process,
    ):
        wait_until(lambda: status.exists() and json.loads(status.read_text())["acked"] > 60, "live counts")
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        counts = json.loads(process.stdout.read())
        assert process.wait(PATIENCE_S) == 0
        wait_until(lambda: watcher.bodies("pump-001", "status")[-1]["status"] == "offline", "the goodbye")
        wait_until(lambda: len(watcher.readings()) == counts["published"], "every reading")

    assert counts["unacked"] == 0
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    published = {(line["device"], line["boot"], line["seq"]) for line in lines if line["e"] == "published"}
    assert published == watcher.readings()
    assert json.loads(status.read_text())["published"] == counts["published"]
