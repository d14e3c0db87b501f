"""Formats and dialects on a real Mosquitto, spoken by clients that are not vorab's own; docs/formats.md says which is tried with which."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.decoders import DECODERS
from ingest.dialects import DIALECTS
from tests.integration.house import Device, bodies, readings, settings, soon, working
from tests.integration.test_dialects import ask, facts, presence, pub, replies
from tests.parts.base import PATIENCE_S, REPOSITORY, wait_until
from tests.parts.fixtures import NewMosquitto
from tests.parts.mosquitto import Mosquitto
from tests.parts.node import HERE, run_script
from vorab import topics
from vorab.clock import SECOND, SystemClock
from vorab.log.sqlite import SqliteLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """An empty log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        yield made


def mqtt_js(broker: Mosquitto, folder: Path, *messages: dict[str, str]) -> None:
    """Publish by mqtt.js, an MQTT 5 client in JavaScript."""
    script = folder / "speak.jsonl"
    script.write_text("".join(json.dumps(message) + "\n" for message in messages))
    child = run_script("mqtt-js", HERE / "speak.js", str(broker.port))
    child.env["SPEAK"] = str(script)
    child.start()
    wait_until(lambda: child.exit_code is not None, "mqtt.js ending")
    assert child.exit_code == 0, child.tail()


def test_every_format_by_its_content_type(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """mqtt.js says in MQTT 5 what its payload is: JSON, SenML in JSON and CBOR, CBOR, CloudEvents."""
    broker = new_mosquitto()
    now_s = SystemClock().now() // SECOND
    event = {"specversion": "1.0", "id": "1", "source": "/plant", "type": "t", "data": {"x": 5}}
    spoken = {
        "json": ("application/json", {"text": '{"x": 1}'}),
        "senml+json": ("application/senml+json", {"text": json.dumps([{"n": "x", "v": 2, "u": "Cel", "t": now_s}])}),
        # One record, label 0 the name and label 2 the value; below it a map of one.
        "senml+cbor": ("application/senml+cbor", {"hex": "81a2006178" + "0203"}),
        "cbor": ("application/cbor", {"hex": "a1617804"}),
        "cloudevents+json": ("application/cloudevents+json; charset=utf-8", {"text": json.dumps(event)}),
    }
    assert set(spoken) == set(DECODERS), "a new format wants its line here"
    with working(log, settings(broker, tmp_path)):
        mqtt_js(
            broker, tmp_path, *({"topic": f"telemetry/d-{i}", "type": type_, **body} for i, (type_, body) in enumerate(spoken.values()))
        )
        soon(lambda: len(readings(log)) + len(bodies(log, topics.REJECTED)) == len(spoken), "all of them")
    assert bodies(log, topics.REJECTED) == []
    assert {row.device: row.values for row in readings(log)} == {f"main/d-{i}": {"x": value} for i, value in enumerate((1, 2, 3, 4, 5))}


def test_thingsboard(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """A gateway connects a device, sends its telemetry, and answers a call; mosquitto_pub speaks for it."""
    broker = new_mosquitto()
    gateway = Device(broker, "gateway", listen="v1/gateway/rpc")
    with working(log, settings(broker, tmp_path, ingest={"dialects": ["thingsboard"]})):
        pub(broker, "v1/gateway/connect", '{"device": "Device A", "type": "pump"}')
        pub(broker, "v1/gateway/telemetry", '{"Device A": [{"temperature": 42}], "Device B": [{"temperature": 43}]}')
        soon(lambda: len(readings(log)) == 2, "two rows")
        ask(log, "Device~20A", "reboot")
        call = json.loads(gateway.heard.get(timeout=PATIENCE_S).payload)
        assert (call["device"], call["data"]["method"]) == ("Device A", "reboot")
        pub(broker, "v1/gateway/rpc", json.dumps({"device": "Device A", "id": call["data"]["id"], "data": {"success": True}}))
        soon(lambda: replies(log), "the answer")
    assert {row.device: row.values for row in readings(log)} == {
        "main/Device~20A": {"temperature": 42},
        "main/Device~20B": {"temperature": 43},
    }
    assert presence(log) == [("Device~20A", True, "birth")]
    assert facts(log)["Device~20A"]["model"] == "pump"
    assert replies(log) == [("a1", "succeeded")]


def test_home_assistant(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """An announcement that the broker had stored names the device that speaks on the topic it points to."""
    broker = new_mosquitto()
    announcement = {"stat_t": "telemetry/p1", "unit_of_meas": "°C", "val_tpl": "{{ value_json.temp }}", "dev": {"name": "Pump", "sw": "2"}}
    pub(broker, "homeassistant/sensor/p1/temp/config", json.dumps(announcement), retain=True)
    with working(log, settings(broker, tmp_path, ingest={"dialects": ["homeassistant"]})):
        soon(lambda: facts(log), "the facts")
    found = facts(log)["p1"]
    assert (found["name"], found["firmware"], found["units"], found["dialect"]) == ("Pump", "2", {"temp": "Cel"}, "")


def test_the_page_says_what_each_is_tried_with() -> None:
    """Each dialect and each format has its row, with a client and a test that exists."""
    section = (REPOSITORY / "docs" / "formats.md").read_text().partition("\n## Tried with\n")[2].partition("\n## ")[0]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]
    assert {row[0] for row in cells} == {*DIALECTS, *DECODERS, "mapped", "packed", "text"}
    for name, _client, test, samples in cells:
        file, _, function = test.partition("::")
        assert re.search(rf"^def {re.escape(function)}\(", (REPOSITORY / file).read_text(), re.MULTILINE), name
        assert samples == "" or any((REPOSITORY / samples).iterdir()), name
