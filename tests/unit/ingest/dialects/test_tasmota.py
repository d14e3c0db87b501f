"""Tasmota devices, heard and spoken to."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.decoders.rows import Row
from ingest.dialects.tasmota import Tasmota
from ingest.dialects.words import About, Answer, Found, Order, Seen, Word
from tests.recorded import hear, order, recorded, refusal
from vorab.clock import SECOND, parse_iso
from vorab.errors import Reason, Rejected
from vorab.frame import Quality
from vorab.records import ReplyStatus, Severity

DEVICE = "tasmota_4F2A1C"
ABOUT = About(DEVICE, address=f"cmnd/{DEVICE}")


def said(name: str, *, retained: bool = False, zone: str = "") -> list[Word]:
    """What a recorded message says."""
    topic, payload = recorded(f"tasmota/{name}")
    return hear(Tasmota(), topic, payload, retained=retained, zone=zone)


def heard(topic: str, payload: Any, **more: Any) -> list[Word]:
    """What a message says."""
    return hear(Tasmota(), topic, payload, **more)


def test_nested_sensors_become_signals_with_units() -> None:
    """The sensor's name is the first part; null is no value; units are named in the payload or by the field."""
    about, row = said("sensor-bme280")
    assert about == ABOUT
    assert isinstance(row, Row)
    assert row.values == {
        "BME280.Temperature": 20.6, "BME280.Humidity": 46.2, "BME280.DewPoint": 8.6, "BME280.Pressure": 1013.2,
    }  # fmt: skip
    assert row.units == {"BME280.Temperature": "Cel", "BME280.Humidity": "%RH", "BME280.DewPoint": "Cel", "BME280.Pressure": "hPa"}
    assert row.device == DEVICE


def test_members_of_an_array_are_named_by_their_number() -> None:
    """A meter of several channels sends lists."""
    [_, row] = said("sensor-energy")
    assert isinstance(row, Row)
    assert (row.values["ENERGY.Power.0"], row.values["ENERGY.Power.1"]) == (36, 4)
    assert row.units["ENERGY.Power.1"] == "W"
    assert (row.units["ENERGY.Total"], row.units["ENERGY.Period"], row.units["ENERGY.ReactivePower"]) == ("kWh", "Wh", "var")


def test_fahrenheit_is_named_and_not_converted() -> None:
    """Values stay what the device said."""
    [_, row] = heard(f"tele/{DEVICE}/SENSOR", {"DS18B20": {"Temperature": 70.1}, "TempUnit": "F"})
    assert row == Row(None, {"DS18B20.Temperature": 70.1}, {"DS18B20.Temperature": "[degF]"}, device=DEVICE)


def test_a_time_without_zone_is_marked_or_read_in_the_zone_of_the_topic_map() -> None:
    """UTC is a guess, and the row says so; with a zone there is nothing to guess."""
    [_, guessed] = said("sensor-ds18b20")
    [_, known] = said("sensor-ds18b20", zone="Europe/Berlin")
    assert isinstance(guessed, Row)
    assert isinstance(known, Row)
    assert (guessed.at, guessed.quality) == (parse_iso("2026-11-23T10:13:52Z"), int(Quality.ASSUMED_ZONE))
    assert (known.at, known.quality) == (parse_iso("2026-11-23T09:13:52Z"), 0)


def test_state_shows_how_it_is_doing() -> None:
    """Reconnects, signal and uptime are what proactive service lives on."""
    [_, row] = said("state")
    assert isinstance(row, Row)
    assert {name: row.values[name] for name in ("Wifi.RSSI", "Wifi.Signal", "Wifi.LinkCount", "MqttCount", "UptimeSec", "POWER")} == {
        "Wifi.RSSI": 44, "Wifi.Signal": -78, "Wifi.LinkCount": 1, "MqttCount": 1, "UptimeSec": 611, "POWER": "OFF",
    }  # fmt: skip
    assert (row.units["Wifi.Signal"], row.units["UptimeSec"]) == ("dBm", "s")


def test_the_will_is_presence() -> None:
    """Online and Offline, live or stored."""
    assert said("lwt-online") == [ABOUT, Seen(DEVICE, online=True, evidence="birth")]
    assert said("lwt-offline", retained=True) == [ABOUT, Seen(DEVICE, online=False, evidence="will")]
    assert refusal(Tasmota(), f"tele/{DEVICE}/LWT", b"maybe") is Reason.BAD_VALUE


def test_stored_telemetry_and_answers_are_no_news() -> None:
    """PowerRetain and SensorRetain make the broker keep them."""
    for name in ("sensor-ds18b20", "state", "power", "result-power", "power-low"):
        assert said(name, retained=True) == []


def test_it_says_what_it_is() -> None:
    """Module and version, nested as newer firmware does it, or plain as older did; also in the answer to Status."""
    assert said("info1") == [ABOUT._replace(model="Generic", firmware="14.2.0(release-tasmota)")]
    [older] = said("info1-of-8")
    assert older == About("tasmota_D460E6", model="Shelly Dimmer", firmware="8.3.1.2(tasmota)", address="cmnd/tasmota_D460E6")
    assert ABOUT._replace(firmware="14.2.0(release-tasmota)") in said("status2")
    assert said("info2") == []
    assert said("info3") == [Row(None, {"RestartReason": "Software/System restart"}, device=DEVICE)]


def test_energy_margins_are_alarms() -> None:
    """The device itself says that power is too low, and when it no longer is."""
    text = "power low: the energy margin set on the device"
    assert said("power-low") == [Found(DEVICE, "power_low", active=True, severity=Severity.MINOR, text=text)]
    found = [word for word in said("margins") if isinstance(word, Found)]
    assert [(one.name, one.active) for one in found] == [("power_high", True), ("voltage_low", False)]


def test_a_switch_says_what_it_did() -> None:
    """POWER is a row; RESULT answers whatever asked for it."""
    assert said("power") == [Row(None, {"POWER": "ON"}, device=DEVICE)]
    assert [word.correlation for word in said("result-power") if isinstance(word, Answer)] == ["power", "power:on"]


def answers(asked: Order, name: str) -> list[Answer]:
    """Those words of a recorded message that answer the command."""
    return [word for word in said(name) if isinstance(word, Answer) and word.correlation in ("", asked.correlation)]


@pytest.mark.parametrize(
    ("name", "params", "topic", "payload", "answer"),
    [
        ("restart", {}, "Restart", b"1", "result-restart"),
        ("set", {"POWER": "ON"}, "POWER", b"ON", "result-power"),
        ("set", {"Power1": True}, "Power1", b"ON", "result-power"),
        ("set", {"Dimmer": 50}, "Dimmer", b"50", "result-dimmer"),
        ("diagnose", {}, "Status", b"0", "status2"),
        ("read", {}, "TelePeriod", b"", "result-unknown"),
        ("Power", {"value": "TOGGLE"}, "Power", b"TOGGLE", "result-power"),
    ],
)
def test_a_command_is_answered_by_its_word(name: str, params: dict[str, Any], topic: str, payload: bytes, answer: str) -> None:
    """Tasmota repeats no number, so the command word (and for Power what was asked) ties them together."""
    asked = order(Tasmota(), name, params, f"cmnd/{DEVICE}")
    assert (asked.topic, asked.payload) == (f"cmnd/{DEVICE}/{topic}", payload)
    assert len(answers(asked, answer)) == 1


def test_somebody_pressing_the_button_answers_no_other_command() -> None:
    """`{"POWER": "ON"}` comes by itself as well."""
    for name, params in (("restart", {}), ("set", {"POWER": "OFF"}), ("set", {"Dimmer": 50})):
        assert answers(order(Tasmota(), name, params, "cmnd/x"), "result-power") == []


def test_an_unknown_command_fails() -> None:
    """The device says so without saying which."""
    [answer] = said("result-unknown")
    assert isinstance(answer, Answer)
    assert (answer.correlation, answer.status, answer.code) == ("", ReplyStatus.FAILED, "unsupported")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("Upgrade", {"value": 1}),
        ("Reset", {"value": 1}),
        ("Backlog", {"value": "Power 1"}),
        ("set", {"SSID1": "x"}),
        ("set", {"POWER": "ON; Reset 1"}),
        ("set", {"POWER1": "ON", "POWER2": "ON"}),
        ("set", {}),
        ("Power/../Reset", {}),
    ],
)
def test_only_harmless_commands_are_sent(name: str, params: dict[str, Any]) -> None:
    """Nothing that resets, upgrades, reconfigures, or smuggles a second command."""
    with pytest.raises(Rejected) as why:
        order(Tasmota(), name, params, f"cmnd/{DEVICE}")
    assert why.value.reason is Reason.UNSUPPORTED


def test_only_what_may_be_repeated_is_repeated() -> None:
    """A second restart or toggle would be one too many; a second ON changes nothing."""
    asked = [order(Tasmota(), "set", {"POWER": value}, "x").repeatable for value in ("ON", "TOGGLE")]
    assert [*asked, order(Tasmota(), "restart", {}, "x").repeatable] == [True, False, False]


def test_any_full_topic_fits() -> None:
    """A topic map entry says where device and prefix stand; commands go where the device listens."""
    for topic, entry, address in (
        ("tasmota/lamp/tele/LWT", "tasmota/{device}/tele/{what}", "tasmota/lamp/cmnd"),
        ("tele/hall/lamp/LWT", "tele/hall/{device}/{what}", "cmnd/hall/lamp"),
    ):
        assert About("lamp", address=address) in heard(topic, b"Online", entry=entry)


@pytest.mark.parametrize(
    ("device", "topic"), [("tele", "tele/tele/LWT"), ("x", "a/x/LWT"), ("cmnd", "tele/cmnd/LWT"), ("x", "tele/stat/LWT")]
)
def test_a_topic_that_could_mean_two_things_is_refused(device: str, topic: str) -> None:
    """A device called like a prefix would make commands go astray."""
    assert refusal(Tasmota(), topic, b"Online", named={"device": device, "what": "LWT"}) is Reason.UNKNOWN_TOPIC


def test_a_strange_name_becomes_an_id() -> None:
    """No topic makes an id that is none."""
    [_, row] = heard("tele/Küche 1/SENSOR", {"A": 1})
    assert isinstance(row, Row)
    assert row.device == "K~c3~bcche~201"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"Time":"yesterday","A":1}', Reason.BAD_TIME),
        (b'{"Time":5,"A":1}', Reason.BAD_TIME),
        (b'{"Time":"2026-11-23T10:13:52"}', Reason.EMPTY),
        (b"[]", Reason.BAD_SHAPE),
        (b"", Reason.EMPTY),
        (b'{"a b":1,"a_b":2}', Reason.BAD_NAME),
        (b'{"A":' + b'"x' * 1 + b"x" * 300 + b'"}', Reason.BAD_VALUE),
        (b"{" + b",".join(b'"a%d":1' % i for i in range(300)) + b"}", Reason.TOO_MANY_SIGNALS),
        (b'{"A":1e999}', Reason.NOT_FINITE),
    ],
)
def test_what_cannot_be_read_is_refused_whole(payload: bytes, reason: Reason) -> None:
    """With the reason."""
    assert refusal(Tasmota(), f"tele/{DEVICE}/SENSOR", payload) is reason


def test_a_zone_that_does_not_exist_refuses_and_does_not_crash() -> None:
    """The topic map is people's work."""
    for zone in ("Mars/Phobos", "../x"):
        assert refusal(Tasmota(), f"tele/{DEVICE}/SENSOR", {"Time": "2026-11-23T10:13:52", "A": 1}, zone=zone) is Reason.BAD_TIME


def test_what_is_not_telemetry_is_left_alone() -> None:
    """Commands of others, rules and drivers."""
    assert heard(f"tele/{DEVICE}/UPTIME", b"x") == []
    assert heard(f"stat/{DEVICE}/LOGGING", b"10:00 x") == []
    assert Tasmota().due(5 * SECOND) == []
