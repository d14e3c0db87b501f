"""Zigbee2MQTT: a bridge and the devices behind it, heard and spoken to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.decoders.rows import Row
from ingest.dialects.words import About, Answer, Order, Seen, Word
from ingest.dialects.zigbee2mqtt import Zigbee2Mqtt
from tests.recorded import NOW, hear, order, recorded, refusal
from vorab.clock import MINUTE, parse_iso
from vorab.errors import Reason, Rejected
from vorab.frame import Quality
from vorab.records import ReplyStatus

SENSOR, LAMP, BARE = "0x00158d0001a2b3c4", "0x0017880104e45517", "0x804b50fffe123456"
BRIDGE = About("zigbee2mqtt", name="zigbee2mqtt", model="Zigbee2MQTT", address="zigbee2mqtt#")
DEVICES = json.loads(recorded("zigbee2mqtt/0-devices")[1])


def said(some: Zigbee2Mqtt, name: str, *, retained: bool = False) -> list[Word]:
    """What a recorded message says."""
    topic, payload = recorded(f"zigbee2mqtt/{name}")
    return hear(some, topic, payload, retained=retained)


def knowing() -> Zigbee2Mqtt:
    """A dialect that has heard who is behind the bridge."""
    some = Zigbee2Mqtt()
    said(some, "0-devices", retained=True)
    said(some, "0-groups", retained=True)
    return some


def rows(words: list[Word]) -> list[Row]:
    """The rows among them."""
    return [word for word in words if isinstance(word, Row)]


# ------------------------------------------------------------------------------------------------ who is there


def test_the_stored_list_says_who_is_behind_the_bridge() -> None:
    """Id by address, name, model, firmware, address of commands and units; the coordinator is the bridge itself."""
    sensor, lamp, bare = said(Zigbee2Mqtt(), "0-devices", retained=True)
    assert isinstance(sensor, About)
    assert sensor._replace(units={}) == About(
        SENSOR, "cellar/cold room", "Aqara WSDCGQ11LM", "3000-0001", "zigbee2mqtt#cellar/cold room"
    )  # fmt: skip
    assert sensor.units.items() >= {"temperature": "Cel", "pressure": "hPa", "voltage": "mV"}.items()
    assert isinstance(lamp, About)
    assert (lamp.name, lamp.model, set(lamp.units)) == ("lamp", "Philips 9290022166", {"color_temp", "linkquality"})
    assert bare == About(BARE, BARE, "TS0601", address=f"zigbee2mqtt#{BARE}")


def test_a_renamed_device_stays_the_same_device() -> None:
    """The list comes anew with the new name; rows go on under the old id, the old name is nobody's."""
    some = knowing()
    [before] = rows(said(some, "sensor"))
    renamed = [{**one, "friendly_name": "wine"} if one["ieee_address"] == SENSOR else one for one in DEVICES]
    words = hear(some, "zigbee2mqtt/bridge/devices", renamed)
    assert [word.address for word in words if isinstance(word, About) and word.device == SENSOR] == ["zigbee2mqtt#wine"]
    assert not [word for word in words if isinstance(word, Seen)]
    [after] = rows(hear(some, "zigbee2mqtt/wine", {"temperature": 5}))
    assert before.device == after.device == SENSOR
    assert refusal(some, "zigbee2mqtt/cellar/cold room", {"temperature": 5}) is Reason.UNKNOWN_TOPIC


def test_no_second_identity_appears_before_the_list_is_known() -> None:
    """What comes too early is refused and not taken under its name."""
    assert refusal(Zigbee2Mqtt(), "zigbee2mqtt/lamp", {"state": "ON"}) is Reason.UNKNOWN_TOPIC
    assert refusal(knowing(), "zigbee2mqtt/nobody", {"state": "ON"}) is Reason.UNKNOWN_TOPIC
    assert hear(Zigbee2Mqtt(), "zigbee2mqtt/lamp", {"state": "ON"}, retained=True) == []


def test_each_bridge_has_its_own_names() -> None:
    """Another base topic is another bridge, by an entry of the topic map."""
    some, entry = knowing(), "site/z2m/#"
    other = [{**one, "ieee_address": one["ieee_address"].replace("0x0", "0x1")} for one in DEVICES]
    assert refusal(some, "site/z2m/lamp", {"state": "ON"}, entry=entry) is Reason.UNKNOWN_TOPIC
    hear(some, "site/z2m/bridge/devices", other, entry=entry)
    [row] = rows(hear(some, "site/z2m/lamp", {"state": "ON"}, entry=entry))
    assert row.device == LAMP.replace("0x0", "0x1")
    assert rows(said(some, "lamp"))[0].device == LAMP
    [about, _] = hear(some, "site/z2m/bridge/state", b"online", entry=entry)
    assert about == About("site:z2m", name="site/z2m", model="Zigbee2MQTT", address="site/z2m#")


def test_a_removed_device_is_gone() -> None:
    """It left, or somebody removed it from the list."""
    some = knowing()
    gone = Seen(LAMP, online=False, evidence="goodbye")
    assert said(some, "event-leave") == [gone]
    assert gone in hear(some, "zigbee2mqtt/bridge/devices", [one for one in DEVICES if one["friendly_name"] != "lamp"])
    assert said(some, "event-leave") == []


def test_events_of_devices() -> None:
    """One that announces itself is back; one that joins is not yet in the list."""
    some = knowing()
    assert said(some, "event-announce") == [Seen(LAMP, online=True, evidence="birth")]
    assert said(some, "event-joined") == []
    assert said(some, "event-leave", retained=True) == []


def test_the_bridge_is_a_device() -> None:
    """Its state, old and new, and its version; when it goes, what is behind it is not said to be gone."""
    some = knowing()
    assert said(some, "bridge-state") == [BRIDGE, Seen("zigbee2mqtt", online=True, evidence="birth")]
    assert said(some, "bridge-state-of-1") == [BRIDGE, Seen("zigbee2mqtt", online=False, evidence="will")]
    assert said(some, "bridge-info", retained=True) == [BRIDGE._replace(firmware="2.6.0")]


def test_availability_old_and_new() -> None:
    """Plain and JSON; also by a device whose name has a slash."""
    some = knowing()
    assert said(some, "availability") == [Seen(SENSOR, online=False, evidence="will")]
    assert said(some, "availability-of-1") == [Seen(LAMP, online=True, evidence="birth")]
    assert refusal(some, "zigbee2mqtt/lamp/availability", b'{"state":"maybe"}') is Reason.BAD_VALUE
    assert hear(some, "zigbee2mqtt/lamp/availability", b"") == []


def test_stored_availability_waits_for_the_list() -> None:
    """A broker hands out stored messages in any order."""
    some = Zigbee2Mqtt()
    assert said(some, "availability", retained=True) == []
    assert Seen(SENSOR, online=False, evidence="retained") in said(some, "0-devices", retained=True)
    assert [word for word in said(some, "0-devices", retained=True) if isinstance(word, Seen)] == []


# ------------------------------------------------------------------------------------------------ what they say


def test_a_state_is_a_row_with_units_at_the_time_it_was_seen() -> None:
    """Units come from the list; last_seen as ISO with an offset, or as milliseconds."""
    some = knowing()
    [row] = rows(said(some, "sensor"))
    assert (row.device, row.at, row.quality) == (SENSOR, parse_iso("2026-11-23T19:53:15Z"), 0)
    assert row.values == {
        "battery": 91, "humidity": 61.53, "linkquality": 120, "power_outage_count": 3, "pressure": 1009.4, "temperature": 4.42,
        "voltage": 2995,
    }  # fmt: skip
    assert (row.units["temperature"], row.units["pressure"]) == ("Cel", "hPa")
    assert rows(said(some, "sensor-epoch"))[0].at == 1_795_463_595_123_000
    [local] = rows(hear(some, "zigbee2mqtt/lamp", {"state": "ON", "last_seen": "2026-11-23T20:53:15"}))
    assert local.quality == int(Quality.ASSUMED_ZONE)


def test_nested_values_get_a_path() -> None:
    """A colour and the state of an update; null is no value; facts about the device are no signals."""
    some = knowing()
    [row] = rows(said(some, "lamp"))
    assert row.at is None
    assert (row.values["color.x"], row.values["update.state"], row.units["color_temp"]) == (0.4573, "idle", "mired")
    assert "effect" not in row.values
    assert rows(said(some, "lamp-with-device"))[0].values == {"state": "OFF", "linkquality": 90}


def test_a_single_attribute_is_a_row() -> None:
    """Bridges that write one topic per value."""
    some = knowing()
    assert rows(said(some, "attribute")) == [Row(None, {"brightness": 254}, device=LAMP)]
    assert rows(said(some, "attribute-text")) == [Row(None, {"state": "ON"}, device=LAMP)]


def test_what_is_no_news_or_nobodys() -> None:
    """Stored states, groups, commands, logs."""
    some = knowing()
    assert said(some, "sensor", retained=True) == []
    for name in ("group", "logging", "set", "response-of-others"):
        assert said(some, name) == []
    assert hear(some, "zigbee2mqtt", b"x") == []
    assert hear(some, "zigbee2mqtt/lamp/get/state", b"x") == []


def test_a_payload_that_names_another_device_is_refused() -> None:
    """`device` may be included; it must be the one of the topic."""
    assert refusal(knowing(), "zigbee2mqtt/lamp", {"state": "ON", "device": {"ieeeAddr": SENSOR}}) is Reason.IDENTITY_MISMATCH


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ieee_address": "0x1"}, Reason.BAD_NAME),
        ({"ieee_address": None}, Reason.BAD_NAME),
        ({"friendly_name": ""}, Reason.BAD_NAME),
        ({"friendly_name": "a/#"}, Reason.BAD_NAME),
        ({"friendly_name": 5}, Reason.BAD_NAME),
        ({"friendly_name": "cellar/cold room"}, Reason.BAD_SHAPE),
        ({"ieee_address": SENSOR}, Reason.BAD_SHAPE),
    ],
)
def test_a_list_that_cannot_be_is_refused_and_the_old_one_stays(change: dict[str, Any], reason: Reason) -> None:
    """Two devices of one name would become one; a wildcard in a name would make commands go to everybody."""
    some = knowing()
    broken = [{**one, **change} if one["friendly_name"] == "lamp" else one for one in DEVICES]
    assert refusal(some, "zigbee2mqtt/bridge/devices", broken) is reason
    assert rows(said(some, "lamp"))[0].device == LAMP
    assert refusal(some, "zigbee2mqtt/bridge/devices", {"a": 1}) is Reason.BAD_SHAPE


def test_memory_is_bounded() -> None:
    """However many bases and names somebody makes up."""
    some = Zigbee2Mqtt()
    for i in range(3_000):
        hear(some, f"zigbee2mqtt/x{i}/availability", b"online", retained=True)
    bridge = some._bridges.get("zigbee2mqtt")
    assert bridge is not None
    assert len(bridge.waiting) == 2_000


# ------------------------------------------------------------------------------------------------ commands


def asked(some: Zigbee2Mqtt, name: str, params: dict[str, Any] | None = None, *, device: str = LAMP, address: str = "lamp") -> Order:
    """A command for the lamp, or for another device at its address."""
    return order(some, name, params or {}, f"zigbee2mqtt#{address}", device=device)


def test_a_setting_is_answered_by_the_state_that_follows() -> None:
    """Nested as the bridge wants it; any other state is no answer."""
    some = knowing()
    wish = asked(some, "set", {"state": "ON", "color.x": 0.4573})
    assert (wish.topic, json.loads(wish.payload)) == ("zigbee2mqtt/lamp/set", {"state": "ON", "color": {"x": 0.4573}})
    assert [word for word in said(some, "lamp-with-device") if isinstance(word, Answer)] == []
    [answer] = [word for word in said(some, "lamp") if isinstance(word, Answer)]
    assert answer == Answer(LAMP, wish.correlation, ReplyStatus.SUCCEEDED, result={"state": "ON", "color.x": 0.4573})
    assert [word for word in said(some, "lamp") if isinstance(word, Answer)] == []


def test_reading_is_answered_by_any_value() -> None:
    """`get` wants the names of what is to be read."""
    some = knowing()
    wish = asked(some, "read", {"brightness": ""})
    assert (wish.topic, json.loads(wish.payload)) == ("zigbee2mqtt/lamp/get", {"brightness": ""})
    assert Answer(LAMP, wish.correlation, ReplyStatus.SUCCEEDED, result={"brightness": 254}) in said(some, "attribute")


def test_a_wish_is_forgotten_when_its_action_has_expired() -> None:
    """A state an hour later is no answer."""
    some = knowing()
    asked(some, "set", {"state": "ON"})
    assert some._wanted.met(LAMP, {"state": "ON"}, NOW + 6 * MINUTE) == []


@pytest.mark.parametrize(("name", "request_"), [("update", "device/ota_update/update"), ("interview", "device/interview")])
def test_requests_about_a_device_go_to_the_bridge(name: str, request_: str) -> None:
    """The number comes back and says whose answer it is."""
    some = knowing()
    wish = asked(some, name)
    body = json.loads(wish.payload)
    assert (wish.topic, body["id"]) == (f"zigbee2mqtt/bridge/request/{request_}", "lamp")
    response = {"status": "ok", "data": {"id": "lamp"}, "transaction": body["transaction"]}
    [answer] = hear(some, f"zigbee2mqtt/bridge/response/{request_}", response)
    assert answer == Answer(LAMP, wish.correlation, ReplyStatus.SUCCEEDED, result={"id": "lamp"})


def test_only_the_bridge_restarts() -> None:
    """Zigbee knows no restart of a device."""
    some = knowing()
    wish = asked(some, "restart", device="zigbee2mqtt", address="")
    response = {"status": "ok", "data": {}, "transaction": json.loads(wish.payload)["transaction"]}
    assert hear(some, "zigbee2mqtt/bridge/response/restart", response) == [Answer("zigbee2mqtt", wish.correlation, ReplyStatus.SUCCEEDED)]
    for name in ("restart", "remove", "set"):
        with pytest.raises(Rejected) as why:
            asked(some, name)
        assert why.value.reason is Reason.UNSUPPORTED


def test_answers_of_the_bridge() -> None:
    """An error is a failure; an answer for a device that is not behind this bridge is refused."""
    some = knowing()
    [failed] = said(some, "response-error")
    assert isinstance(failed, Answer)
    assert (failed.device, failed.correlation, failed.status) == (LAMP, "6", ReplyStatus.FAILED)
    foreign = {"status": "ok", "transaction": "vorab 5 pump-7"}
    assert refusal(some, "zigbee2mqtt/bridge/response/restart", foreign) is Reason.IDENTITY_MISMATCH
