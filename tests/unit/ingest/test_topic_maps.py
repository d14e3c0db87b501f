"""The topic maps that come with vorab: each is loaded, and reads what such devices send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from ingest.trying import attempt
from vorab import settings
from vorab.clock import SECOND, parse_iso
from vorab.records import Presence

FOLDER: Final = Path(__file__).resolve().parents[3] / "deploy" / "topic-maps"
NOW: Final = parse_iso("2026-11-23T10:00:05Z")

SHADOW: Final = {
    "state": {"reported": {"temperature": 21.5, "pump": {"rpm": 1450, "on": True}}},
    "metadata": {"reported": {"temperature": {"timestamp": 1795428000}, "pump": {"rpm": {"timestamp": 1795428000}}}},
    "version": 118,
    "timestamp": 1795428000,
    "clientToken": "pump-7-118",
}
REPORTED: Final = {"temperature": 21.5, "pump.rpm": 1450, "pump.on": True}

# File, topic, payload, values, and whether the payload brings its own time.
SAMPLES: Final[list[tuple[str, str, Any, dict[str, Any], bool]]] = [
    ("aws-iot", "$aws/things/pump-7/shadow/update/accepted", SHADOW, REPORTED, True),
    ("aws-iot", "$aws/things/pump-7/shadow/name/plant/update/accepted", SHADOW, REPORTED, True),
    ("aws-iot", "dt/cooling/berlin/pump-7/telemetry", {"ts": 1795428000000, "flow": {"in": 3.2}}, {"flow.in": 3.2}, True),
    ("azure-iot-hub", "devices/pump-7/messages/events/", {"temperature": 21.5}, {"temperature": 21.5}, False),
    ("azure-iot-hub", "devices/pump-7/messages/events/$.ct=application%2Fjson&$.ce=utf-8&site=berlin", {"t": 1}, {"t": 1}, False),
    ("azure-iot-hub", "devices/pump-7/messages/events/$.ct=application%2Fsenml%2Bjson", [{"n": "t", "v": 1}], {"t": 1}, False),
    (
        "azure-iot-hub",
        "devices/pump-7/modules/plc/messages/events/$.ct=application%2Fjson",
        {"timestamp": "2026-11-23T10:00:00.0000000Z", "motor": {"rpm": 3}},
        {"motor.rpm": 3},
        True,
    ),
    ("esphome", "pump-7/sensor/outlet_temperature/state", b"21.4", {"outlet_temperature": 21.4}, False),
    ("esphome", "pump-7/sensor/mode/state", b"heating", {"mode": "heating"}, False),
    ("esphome", "pump-7/binary_sensor/leak/state", b"OFF", {"leak": False}, False),
    ("esphome", "pump-7/switch/relay/state", b"ON", {"relay": True}, False),
    ("esphome", "pump-7/number/setpoint/state", b"18.5", {"setpoint": 18.5}, False),
]


def loaded(name: str) -> settings.Settings:
    """The settings of a topic map."""
    return settings.load(FOLDER / f"{name}.toml", {})


@pytest.mark.parametrize(("name", "topic", "payload", "values", "timed"), SAMPLES)
def test_a_sample_becomes_a_reading(name: str, topic: str, payload: Any, values: dict[str, Any], timed: bool) -> None:
    """Each entry reads what its kind of device sends, for the device the topic names."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    trial = attempt(loaded(name), topic, data, NOW)
    assert trial.refusal is None, trial.refusal
    [row] = trial.rows
    assert (row.device, row.values, row.measured_at) == ("main/pump-7", values, NOW - 5 * SECOND if timed else NOW)


@pytest.mark.parametrize(
    ("name", "topic", "payload", "reason"),
    [
        ("aws-iot", "$aws/things/pump-7/shadow/update/accepted", b'{"state": {"desired": {"on": true}}, "timestamp": 1795428000}', "empty"),
        ("azure-iot-hub", "devices/pump-7/messages/events/$.ct=image%2Fpng", b"{}", "unsupported"),
        ("azure-iot-hub", "devices/a!b/messages/events/", b'{"a": 1}', "bad_name"),
        ("esphome", "pump-7/sensor/t/state", b"nan", "empty"),
        ("esphome", "pump-7/binary_sensor/leak/state", b"perhaps", "bad_value"),
    ],
)
def test_what_is_no_reading_is_refused(name: str, topic: str, payload: bytes, reason: str) -> None:
    """With its reason: nothing vanishes."""
    trial = attempt(loaded(name), topic, payload, NOW)
    assert trial.refusal is not None
    assert trial.refusal.reason == reason


def test_esphome_says_when_it_goes() -> None:
    """Its birth and its will are presence."""
    trial = attempt(loaded("esphome"), "pump-7/status", b"offline", NOW)
    [presence] = trial.records
    assert isinstance(presence, Presence)
    assert (presence.device, presence.online) == ("pump-7", False)


def test_every_topic_map_is_listed_and_has_samples() -> None:
    """A file without a sample would be a promise without a proof."""
    names = {file.stem for file in FOLDER.glob("*.toml")}
    assert names == {name for name, *_ in SAMPLES}
    assert all(f"{name}.toml" in (FOLDER / "README.md").read_text(encoding="utf-8") for name in names)
