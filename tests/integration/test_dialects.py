"""Dialects on a real Mosquitto, spoken by mosquitto_pub and other clients that are not vorab's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import PARTITIONS, Device, bodies, readings, settings, soon, working
from tests.parts.base import PATIENCE_S, Child
from tests.parts.fixtures import NewMosquitto
from tests.parts.mosquitto import Mosquitto
from tests.parts.node import HERE, run_script
from tests.recorded import recorded
from vorab import topics
from vorab.clock import MINUTE, SystemClock
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Action, to_wire


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """An empty log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        yield made


def pub(broker: Mosquitto, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
    """Publish by mosquitto_pub."""
    data = payload.encode() if isinstance(payload, str) else payload
    how = ["-s"] if data else ["-n"]
    where = ["-h", broker.host, "-p", str(broker.port), "-i", "mosquitto-pub", "-q", "1", "-t", topic]
    subprocess.run(["mosquitto_pub", *where, *how, *(["-r"] if retain else [])], input=data, check=True, timeout=PATIENCE_S)


def play(broker: Mosquitto, name: str, *, retain: bool = False) -> None:
    """Publish a recorded message."""
    pub(broker, *recorded(name), retain=retain)


@contextmanager
def listening(broker: Mosquitto, log: SqliteLog, folder: Path, *dialects: str) -> Iterator[None]:
    """A worker that hears these dialects."""
    with working(log, settings(broker, folder, ingest={"dialects": list(dialects)})):
        yield


def ask(log: SqliteLog, device: str, name: str, params: Mapping[str, Any] | None = None, number: str = "a1") -> None:
    """An action for a device."""
    now = SystemClock().now()
    action = Action(
        id=number, device=device, case="c", remedy="r", name=name, params=dict(params or {}), at=now, not_before=now, not_after=now + MINUTE
    )
    key, value, headers = to_wire(action, "urn:vorab:test")
    append_all(log, [Outgoing(action.TOPIC, topics.partition_of(action.key, PARTITIONS + 1, 1), key, value, headers)])


def replies(log: SqliteLog) -> list[tuple[str, str]]:
    """Action and status of what was answered."""
    return [(one["action"], one["status"]) for one in bodies(log, topics.REPLIES)]


def presence(log: SqliteLog) -> list[tuple[str, bool, str]]:
    """Who was there or gone, and by what evidence."""
    return [(one["device"], one["online"], one["evidence"]) for one in bodies(log, topics.PRESENCE)]


def facts(log: SqliteLog) -> dict[str, dict[str, Any]]:
    """The last facts of each device."""
    return {one["device"]: one for one in bodies(log, topics.FACTS)}


# ------------------------------------------------------------------------------------------------ Tasmota


def test_tasmota(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Presence from the stored will, nested sensors as signals, what it is, and a restart that the device confirms."""
    broker = new_mosquitto()
    play(broker, "tasmota/lwt-online", retain=True)
    with listening(broker, log, tmp_path, "tasmota"):
        soon(lambda: presence(log), "the stored will")
        for name in ("info1", "state", "sensor-bme280", "power-low", "lwt-offline"):
            play(broker, f"tasmota/{name}")
        soon(lambda: len(presence(log)) == 2, "the will")
        device = Device(broker, "tasmota", listen="cmnd/tasmota_4F2A1C/+")
        ask(log, "tasmota_4F2A1C", "restart")
        assert (command := device.heard.get(timeout=PATIENCE_S)).topic == "cmnd/tasmota_4F2A1C/Restart"
        assert command.payload == b"1"
        play(broker, "tasmota/result-power")
        play(broker, "tasmota/result-restart")
        soon(lambda: replies(log) == [("a1", "succeeded")], "the answer")
        soon(lambda: len(readings(log)) == 2, "rows")
    assert presence(log) == [("tasmota_4F2A1C", True, "retained"), ("tasmota_4F2A1C", False, "will")]
    assert {row.device for row in readings(log)} == {"main/tasmota_4F2A1C"}
    assert readings(log)[1].values["BME280.Temperature"] == 20.6
    assert facts(log)["tasmota_4F2A1C"].items() >= {"model": "Generic", "dialect": "tasmota", "address": "cmnd/tasmota_4F2A1C"}.items()
    assert [(one["name"], one["active"]) for one in bodies(log, topics.ALARMS)] == [("power_low", True)]
    assert json.dumps(bodies(log, topics.REJECTED)) == "[]"


# ------------------------------------------------------------------------------------------------ Shelly


def test_shelly(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Deltas as rows, the will, a fault that begins and ends, and an RPC with its answer."""
    broker = new_mosquitto()
    name = "shellyplus1pm-a8032ab12345"
    play(broker, "shelly/online", retain=True)
    with listening(broker, log, tmp_path, "shelly"):
        soon(lambda: presence(log) == [(name, True, "retained")], "the stored presence")
        for one in ("notify-full", "notify-status", "notify-errors", "notify-errors-over", "notify-event"):
            play(broker, f"shelly/{one}")
        pub(broker, "kitchen/online", "true")
        soon(lambda: len(readings(log)) == 4, "rows")
        device = Device(broker, "shelly", listen=f"{name}/rpc")
        ask(log, name, "restart")
        call = json.loads(device.heard.get(timeout=PATIENCE_S).payload)
        assert (call["method"], call["src"]) == ("Shelly.Reboot", f"vorab-{name}")
        device.say(f"{call['src']}/rpc", json.dumps({"id": call["id"], "src": name, "dst": call["src"], "result": None}))
        soon(lambda: replies(log) == [("a1", "succeeded")], "the answer")
    alarms = [(one["name"], one["active"]) for one in bodies(log, topics.ALARMS)]
    assert [one for one in alarms if one[0] == "switch:0.overpower"][-2:] == [("switch:0.overpower", True), ("switch:0.overpower", False)]
    assert facts(log)[name]["model"] == "shellyplus1pm"
    assert {row.device for row in readings(log)} == {f"main/{name}"}
    assert bodies(log, topics.REJECTED) == []


# ------------------------------------------------------------------------------------------------ Zigbee2MQTT


def test_zigbee2mqtt(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Devices by their address over a renaming and over a restart of the worker; a setting that the next state answers."""
    broker = new_mosquitto()
    sensor, lamp = "0x00158d0001a2b3c4", "0x0017880104e45517"
    for name in ("sensor", "availability", "0-devices", "bridge-state"):
        play(broker, f"zigbee2mqtt/{name}", retain=True)
    with listening(broker, log, tmp_path, "zigbee2mqtt"):
        soon(lambda: len(presence(log)) == 2, "the stored presence")
        play(broker, "zigbee2mqtt/sensor")
        soon(lambda: len(readings(log)) == 1, "a row")
        topic, devices = recorded("zigbee2mqtt/0-devices")
        pub(broker, topic, devices.replace(b"cellar/cold room", b"wine"), retain=True)
        pub(broker, "zigbee2mqtt/wine", '{"temperature":5.5}')
        soon(lambda: len(readings(log)) == 2, "a row under the new name")
    with listening(broker, log, tmp_path, "zigbee2mqtt"):  # a new process: what it knew it has from the broker
        pub(broker, "zigbee2mqtt/wine", '{"temperature":6.5}')
        soon(lambda: len(readings(log)) == 3, "a row after the restart")
        device = Device(broker, "bridge", listen="zigbee2mqtt/lamp/set")
        ask(log, lamp, "set", {"state": "ON"})
        assert json.loads(device.heard.get(timeout=PATIENCE_S).payload) == {"state": "ON"}
        play(broker, "zigbee2mqtt/lamp")
        soon(lambda: replies(log) == [("a1", "succeeded")], "the answer")
        pub(broker, "zigbee2mqtt/nobody", '{"temperature":6.5}')
        soon(lambda: bodies(log, topics.REJECTED), "the refusal")
    assert [row.device for row in readings(log) if "temperature" in row.values] == [f"main/{sensor}"] * 3
    assert set(presence(log)) == {(sensor, False, "retained"), ("zigbee2mqtt", True, "retained")}
    assert facts(log)[sensor].items() >= {"name": "wine", "model": "Aqara WSDCGQ11LM", "address": "zigbee2mqtt#wine"}.items()
    assert [one["reason"] for one in bodies(log, topics.REJECTED)] == ["unknown_topic"]


def test_a_large_network_of_zigbee(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """The list of 300 devices is larger than a payload usually may be; with the limit raised it is taken whole."""
    broker = new_mosquitto(settings="message_size_limit 900000\nmax_packet_size 1000000\n")
    like = json.loads(recorded("zigbee2mqtt/0-devices")[1])[1]
    devices = [{**like, "friendly_name": f"d{i}", "ieee_address": f"0x{i:016x}"} for i in range(300)]
    payload = json.dumps(devices)
    assert 300_000 < len(payload) < 900_000
    pub(broker, "zigbee2mqtt/bridge/devices", payload, retain=True)
    with working(log, settings(broker, tmp_path, ingest={"dialects": ["zigbee2mqtt"], "max_payload_bytes": 900_000})):
        soon(lambda: len(facts(log)) == 300, "the facts of all")
        pub(broker, "zigbee2mqtt/d299", '{"temperature":4.5}')
        soon(lambda: readings(log), "a row")
    assert readings(log)[0].device == f"main/0x{299:016x}"
    assert bodies(log, topics.REJECTED) == []


# ------------------------------------------------------------------------------------------------ Sparkplug


@contextmanager
def edge_node(broker: Mosquitto, name: str) -> Iterator[Child]:
    """An edge node on Eclipse Tahu's client, in the group `Plant 1`, with the device `D 1`."""
    child = run_script(f"edge-{name}", HERE / "edge.js", str(broker.port), "Plant 1", name)
    child.start()
    try:
        yield child
    finally:
        child.kill()


def test_sparkplug(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Births, data by alias, compressed or not, a write that the data confirm, a restart that the next birth proves, and the will."""
    broker = new_mosquitto()
    node, device = "Plant~201:gw", "Plant~201:gw:D~201"
    with listening(broker, log, tmp_path, "sparkplug"), edge_node(broker, "gw") as edge:
        soon(lambda: len(readings(log)) > 12, "rows")
        ask(log, device, "set", {"setpoint": 31.25}, "a1")
        soon(lambda: ("a1", "succeeded") in replies(log), "the value in the data")
        ask(log, node, "restart", number="a2")
        soon(lambda: ("a2", "succeeded") in replies(log), "the birth after the restart")
        soon(lambda: len(presence(log)) == 6, "the device's birth")
        edge.kill()
        soon(lambda: len(presence(log)) == 8, "the will")
    for one in (node, device):
        seen = [(online, evidence) for name, online, evidence in presence(log) if name == one]
        assert seen == [(True, "birth"), (False, "will")] * 2
    rows = [row for row in readings(log) if row.device == f"main/{device}" and "count" in row.values]
    before = [row.values["count"] for row in rows]
    again = before.index(-3, 1)
    assert before[:again] == list(range(-3, again - 3)), "compressed ones too, none twice, none lost"
    assert rows[1].values == {"Boiler/Temperature_1": -0.5, "count": -2}
    assert rows[1].units == {"Boiler/Temperature_1": "Cel"}
    assert [row.values["restarts"] for row in readings(log) if row.device == f"main/{node}"] == [0, 1]
    known = facts(log)[node]
    assert (known["model"], known["firmware"], known["address"]) == ("Acme Gateway 5", "1.4.2", "Plant 1/gw")
    assert bodies(log, topics.REJECTED) == []


def test_sparkplug_is_asked_for_a_birth_that_was_missed(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """A worker that comes later asks for the birth; what it could not read until then is kept with its reason."""
    broker = new_mosquitto()
    with edge_node(broker, "late"):
        watch = Device(broker, "watch", listen="spBv1.0/+/DDATA/#")
        watch.heard.get(timeout=PATIENCE_S)
        with listening(broker, log, tmp_path, "sparkplug"):
            soon(lambda: len(readings(log)) > 5, "rows")
    assert sorted(presence(log)) == [("Plant~201:late", True, "birth"), ("Plant~201:late:D~201", True, "birth")]
    assert {one["reason"] for one in bodies(log, topics.REJECTED)} == {"out_of_session"}


# ------------------------------------------------------------------------------------------------ Homie


def test_homie(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Stored state is state, live values are readings; an alert comes and goes; a root takes its child along; `set` is answered."""
    broker = new_mosquitto()
    for name in ("5-temperature", "5-state-child", "5-description-child", "5-state", "5-description", "5-alert"):
        play(broker, f"homie/{name}", retain=True)
    with listening(broker, log, tmp_path, "homie"):
        soon(lambda: bodies(log, topics.ALARMS) and len(presence(log)) == 2 and len(facts(log)) == 2, "what was stored")
        for name in ("5-starts", "5-running", "5-alert-over", "5-state-lost", "4-value"):
            play(broker, f"homie/{name}", retain=True)
        soon(lambda: len(presence(log)) == 4 and len(readings(log)) == 3, "what came live")
        device = Device(broker, "pump", listen="homie/5/heat-pump/compressor/setpoint/set")
        ask(log, "heat-pump", "set", {"compressor.setpoint": 21.5})
        assert device.heard.get(timeout=PATIENCE_S).payload == b"21.5"
        play(broker, "homie/5-target", retain=True)
        pub(broker, "homie/5/heat-pump/compressor/setpoint", "21.5", retain=True)
        soon(lambda: replies(log) == [("a1", "accepted"), ("a1", "succeeded")], "the answer")
    found = {name: value for row in readings(log) for name, value in row.values.items()}
    assert found == {"compressor.starts": 512, "compressor.running": True, "compressor.setpoint": 21.5, "engine.temperature": 21.5}
    assert [(one["name"], one["active"]) for one in bodies(log, topics.ALARMS)] == [("low-pressure", True), ("low-pressure", False)]
    assert {one for one in presence(log) if one[2] == "will"} == {("heat-pump", False, "will"), ("flow-sensor", False, "will")}
    assert facts(log)["heat-pump"]["units"]["compressor.temperature"] == "Cel"
    assert bodies(log, topics.REJECTED) == []
