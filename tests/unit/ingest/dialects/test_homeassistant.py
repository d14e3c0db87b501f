"""Home Assistant discovery: facts, and never code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.dialects.homeassistant import HomeAssistant, signal_of
from ingest.dialects.words import About, Heard
from vorab.clock import SECOND
from vorab.errors import Rejected

NOW = 1_795_000_000 * SECOND

# From the Home Assistant documentation of device discovery.
DEVICE = {
    "dev": {"ids": "ea334450945afc", "name": "Kitchen", "mf": "Bla electronics", "mdl": "xya", "sw": "1.0", "sn": "ea334450945afc"},
    "o": {"name": "bla2mqtt", "sw": "2.1", "url": "https://bla2mqtt.example.com/support"},
    "cmps": {
        "t1": {
            "p": "sensor",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "value_template": "{{ value_json.temperature }}",
            "unique_id": "temp01ae_t",
        },
        "h1": {"p": "sensor", "unit_of_meas": "%", "val_tpl": "{{ value_json['humidity'] | float }}", "exp_aft": 120},
    },
    "state_topic": "sensorBedroom/state",
    "qos": 2,
}


def hear(tail: str, body: Any) -> list[Any]:
    """What the dialect makes of an announcement."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(HomeAssistant().hear(Heard(("homeassistant", *tail.split("/")), {}, tuple(tail.split("/")), payload, NOW, retained=True)))


def test_a_device_announces_itself_whole() -> None:
    """Name, model, firmware, the unit of each signal and the shortest heartbeat, by way of the topic its state comes on."""
    (about,) = hear("device/0x1/config", DEVICE)
    assert isinstance(about, About)
    assert (about.device, about.via) == ("", "sensorBedroom/state")
    assert (about.name, about.model, about.firmware) == ("Kitchen", "Bla electronics xya", "1.0")
    assert set(about.units) == {"temperature", "humidity"}
    assert about.units["temperature"] == "Cel"
    assert about.heartbeat_s == 120


def test_one_entity_with_a_base_topic() -> None:
    """`~` stands for the base; ESPHome sends bare values, so the topic names the signal."""
    (about,) = hear(
        "sensor/node/temp/config", {"~": "node/sensor/temp", "stat_t": "~/state", "unit_of_meas": "°C", "dev": {"sw": "esphome v2026"}}
    )
    assert (about.via, dict(about.units), about.firmware) == ("node/sensor/temp/state", {"temp": "Cel"}, "esphome v2026")


def test_withdrawn_and_foreign_topics_say_nothing() -> None:
    """An empty payload withdraws an entity; births of Home Assistant are no announcements."""
    assert hear("sensor/x/config", b"") == []
    assert hear("status", b"online") == []


@pytest.mark.parametrize(
    "template",
    [
        "{{ value_json.a if true else 1 }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
        "{{ value_json.a }}{{ value_json.b }}",
        "{{ 7 * 7 }}",
        "x" * 5000,
        7,
    ],
)
def test_a_template_that_is_more_than_a_path_names_no_signal(template: object) -> None:
    """Foreign code is neither run nor guessed at."""
    assert signal_of(template, "a/state") == ""


def test_paths_of_both_spellings_are_read() -> None:
    """Dots, quotes, and harmless filters behind."""
    assert signal_of("{{ value_json.a.b }}", "") == "a.b"
    assert signal_of("{{value_json['a']['b c']}}", "") == "", "a space cannot stand in a signal's name"
    assert signal_of('{{ value_json["a"].b | float(0) | round(1) }}', "") == "a.b"


def test_a_topic_with_wildcards_is_nobodys() -> None:
    """An announcement cannot widen anything."""
    assert hear("sensor/x/config", {"stat_t": "a/#", "dev": {"name": "x"}}) == []


TEXTS = st.text(max_size=10)
VALUES = st.none() | st.booleans() | st.floats(allow_nan=False) | TEXTS | st.dictionaries(TEXTS, TEXTS, max_size=2)
KEYS = st.sampled_from(["dev", "cmps", "stat_t", "~", "val_tpl", "unit_of_meas", "exp_aft"])


@given(st.binary(max_size=80) | st.dictionaries(KEYS, VALUES, max_size=5).map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_taken_or_refused(payload: bytes) -> None:
    """No other exception."""
    try:
        words = hear("sensor/x/config", payload)
    except Rejected:
        return
    assert all(isinstance(word, About) for word in words)
