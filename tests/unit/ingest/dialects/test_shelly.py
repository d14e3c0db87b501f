"""Shelly devices of the second generation and later, heard and spoken to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.decoders.rows import MAX_SIGNALS, Row
from ingest.dialects.shelly import Shelly
from ingest.dialects.words import About, Answer, Found, Seen, Word
from tests.recorded import hear, order, recorded, refusal
from vorab.errors import Reason, Rejected
from vorab.records import ReplyStatus, Severity

DEVICE = "shellyplus1pm-a8032ab12345"
ABOUT = About(DEVICE, model="shellyplus1pm", address=DEVICE)
EVENTS = f"{DEVICE}/events/rpc"


def said(shelly: Shelly, name: str, *, retained: bool = False) -> list[Word]:
    """What a recorded message says."""
    topic, payload = recorded(f"shelly/{name}")
    return hear(shelly, topic, payload, retained=retained)


def status(component: str, body: Any, **more: Any) -> dict[str, Any]:
    """A notification about one component."""
    return {"src": DEVICE, "method": "NotifyStatus", "params": {"ts": 1795463595.5, component: body}, **more}


def rows(words: list[Word]) -> list[Row]:
    """The rows among them."""
    return [word for word in words if isinstance(word, Row)]


def faults(words: list[Word]) -> list[tuple[str, bool]]:
    """The faults among them that began, and those that ended."""
    return [(word.name, word.active) for word in words if isinstance(word, Found)]


def test_a_notification_is_a_row_of_what_changed() -> None:
    """Seconds with a fraction; units by the name of the field; nothing twice."""
    about, row = said(Shelly(), "notify-status")
    assert about == ABOUT
    assert row == Row(
        1_795_463_595_430_000,
        {
            "switch:0.apower": 12.4,
            "switch:0.voltage": 231.1,
            "switch:0.current": 0.06,
            "switch:0.aenergy.total": 345.1,
            "switch:0.temperature.tC": 41.2,
        },
        {
            "switch:0.apower": "W",
            "switch:0.voltage": "V",
            "switch:0.current": "A",
            "switch:0.aenergy.total": "Wh",
            "switch:0.temperature.tC": "Cel",
        },
        device=DEVICE,
    )


def test_a_whole_status_shows_how_the_device_is() -> None:
    """Signal, memory, uptime, a waiting update, whether it should restart."""
    [row] = rows(said(Shelly(), "notify-full"))
    names = ("wifi.rssi", "sys.uptime", "sys.restart_required", "sys.available_updates.stable.version", "switch:0.pf")
    assert [row.values[name] for name in names] == [-53, 11081, False, "1.4.4", 0.77]
    assert (row.units["wifi.rssi"], row.units["sys.uptime"], row.units["switch:0.freq"]) == ("dBm", "s", "Hz")


def test_other_devices_other_units() -> None:
    """A sensor on batteries and a meter of three phases."""
    shelly = Shelly()
    [sensor], [meter] = rows(said(shelly, "ht-sleeping")), rows(said(shelly, "em"))
    assert (sensor.units["humidity:0.rh"], sensor.units["temperature:0.tC"], sensor.units["devicepower:0.battery.percent"]) == (
        "%RH", "Cel", "%EL",
    )  # fmt: skip
    assert (meter.units["em:0.a_act_power"], meter.units["em:0.a_aprt_power"], meter.units["em:0.total_current"]) == ("W", "VA", "A")


def test_a_device_without_the_time_gives_none() -> None:
    """`ts` is null until it knows."""
    [row] = rows(said(Shelly(), "notify-unsynced"))
    assert row.at is None
    assert refusal(Shelly(), EVENTS, status("wifi", {"rssi": -1}) | {"params": {"ts": "noon", "wifi": {"rssi": -1}}}) is Reason.BAD_TIME


def test_online_is_presence() -> None:
    """The will says false; a cleared message says nothing."""
    assert said(Shelly(), "online") == [ABOUT, Seen(DEVICE, online=True, evidence="birth")]
    assert said(Shelly(), "offline") == [ABOUT, Seen(DEVICE, online=False, evidence="will")]
    assert hear(Shelly(), f"{DEVICE}/online", b"") == []
    assert refusal(Shelly(), f"{DEVICE}/online", b"perhaps") is Reason.BAD_VALUE


def test_errors_begin_and_end_alarms() -> None:
    """A list that names one begins it, one that no longer does ends it, and a status without a list changes nothing."""
    shelly = Shelly()
    said(shelly, "notify-full")
    assert faults(said(shelly, "notify-errors")) == [("switch:0.overpower", True)]
    assert faults(said(shelly, "notify-status")) == []
    assert faults(said(shelly, "notify-errors")) == []
    assert faults(said(shelly, "status-overtemp")) == [("switch:0.overpower", False), ("switch:0.overtemp", True)]
    assert faults(said(shelly, "notify-errors-over")) == [("switch:0.overtemp", False)]


def test_a_whole_status_without_errors_ends_them() -> None:
    """Also after a restart of vorab, which no longer knows what there was: the usual ones are said to be over, once."""
    shelly = Shelly()
    said(shelly, "notify-errors")
    assert faults(said(shelly, "notify-full")) == [("switch:0.overpower", False)]
    anew = Shelly()
    over = [(f"switch:0.{name}", False) for name in ("overcurrent", "overpower", "overtemp", "overvoltage", "undervoltage")]
    assert faults(said(anew, "status")) == over
    assert faults(said(anew, "notify-full")) == []


def test_severity_and_text_of_a_fault() -> None:
    """What switches off is major."""
    shelly = Shelly()
    found = [word for word in said(shelly, "notify-errors") if isinstance(word, Found) and word.active]
    assert found == [Found(DEVICE, "switch:0.overpower", active=True, severity=Severity.MAJOR, text="switch:0 reports overpower")]


def test_a_phase_of_a_meter_has_faults_of_its_own() -> None:
    """`a_errors` is a list of names as well."""
    shelly = Shelly()
    assert faults(said(shelly, "em")) == [("em:0.a.out_of_range:current", True)]
    whole = {"src": "shellypro3em-34987a45b8d4", "method": "NotifyFullStatus", "params": {"em:0": {"id": 0, "a_current": 1.0}}}
    assert faults(hear(shelly, "shellypro3em-34987a45b8d4/events/rpc", whole)) == [("em:0.a.out_of_range:current", False)]


def test_a_stored_status_says_faults_but_no_values() -> None:
    """State is no news; a fault that is still there is."""
    words = said(Shelly(), "status-overtemp", retained=True)
    assert rows(words) == []
    assert ("switch:0.overtemp", True) in faults(words)


def test_events_are_text_and_some_are_faults() -> None:
    """A button pressed; a switch that was too hot."""
    assert rows(said(Shelly(), "notify-event")) == [Row(1_795_463_595_440_000, {"input:0.event": "single_push"}, device=DEVICE)]
    frame = {"src": DEVICE, "method": "NotifyEvent", "params": {"events": [{"component": "switch:0", "event": "overtemp"}]}}
    assert faults(hear(Shelly(), EVENTS, frame)) == [("switch:0.overtemp", True)]


def test_many_components_make_several_rows() -> None:
    """No row holds more than a row may."""
    params = {f"bthomesensor:{i}": {"id": i, "value": i, "last_updated_ts": 5} for i in range(200)}
    found = rows(hear(Shelly(), EVENTS, {"src": DEVICE, "method": "NotifyFullStatus", "params": params}))
    assert sum(len(row.values) for row in found) == 400
    assert all(len(row.values) <= MAX_SIGNALS for row in found)


def test_what_is_no_shelly_is_left_alone() -> None:
    """Others use `online`, `status/…` and `rpc` as well; a Shelly with a prefix of its own is known by its first notification."""
    shelly = Shelly()
    for topic, payload in (
        ("kitchen/online", b"true"),
        ("kitchen/status/lamp", b'{"x":1}'),
        ("kitchen/events/rpc", b'{"src":"somebody","method":"NotifyStatus","params":{}}'),
        ("kitchen/rpc", b'{"id":1,"method":"x"}'),
        ("vorab-/rpc", b""),
    ):
        assert hear(shelly, topic, payload) == []
    frame = status("switch:0", {"apower": 1.5})
    assert rows(hear(shelly, "kitchen/events/rpc", frame))[0].device == "kitchen"
    assert Seen("kitchen", online=False, evidence="will") in hear(shelly, "kitchen/online", b"false")
    assert rows(hear(shelly, "kitchen/status/switch:0", b'{"apower":2.5}'))[0].values == {"switch:0.apower": 2.5}


def test_a_longer_prefix_comes_from_the_topic_map() -> None:
    """The device is what the entry says, and commands go to the whole prefix."""
    entry = "plant/a/{device}/events/rpc"
    [about, row] = hear(Shelly(), "plant/a/pump/events/rpc", status("switch:0", {"apower": 1.5}), entry=entry)
    assert about == About("pump", model="shellyplus1pm", address="plant/a/pump")
    assert isinstance(row, Row)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (status("switch:0", {"apower": 1}, src="shellyplus1pm-000000000000"), Reason.IDENTITY_MISMATCH),
        (status("switch:0", {"apower": 1}, src=None), Reason.BAD_SHAPE),
        (status("switch:0", {"apower": 1}, method="NotifyWeather"), Reason.UNSUPPORTED),
        (status("switch:0", 5), Reason.BAD_SHAPE),
        (status("Switch 0", {"apower": 1}), Reason.BAD_NAME),
        (status("switch:0", {"errors": "overtemp"}), Reason.BAD_SHAPE),
        (status("switch:0", {"errors": [5]}), Reason.BAD_SHAPE),
        (status("switch:0", {"errors": [f"e{i}" for i in range(100)]}), Reason.TOO_MANY_SIGNALS),
        ({"src": DEVICE, "method": "NotifyEvent", "params": {"events": [{"event": "x"}]}}, Reason.BAD_SHAPE),
        ({"src": DEVICE, "method": "NotifyEvent", "params": {"events": 5}}, Reason.BAD_SHAPE),
        (status("switch:0", {"apower": 10**30}), Reason.BAD_VALUE),
    ],
)
def test_what_cannot_be_read_is_refused_and_forgotten(frame: dict[str, Any], reason: Reason) -> None:
    """With the reason; the device is not even known afterwards."""
    shelly = Shelly()
    assert refusal(shelly, EVENTS, frame) is reason
    assert len(shelly._faults) == 0


# ------------------------------------------------------------------------------------------------ commands


@pytest.mark.parametrize(
    ("name", "params", "method", "sent"),
    [
        ("restart", {}, "Shelly.Reboot", {"delay_ms": 1000}),
        ("diagnose", {}, "Shelly.GetStatus", {}),
        ("set", {"switch:1.output": True}, "Switch.Set", {"id": 1, "on": True}),
        ("set", {"light:0.output": True, "light:0.brightness": 30}, "Light.Set", {"id": 0, "on": True, "brightness": 30}),
        ("set", {"cover:0.current_pos": 50}, "Cover.GoToPosition", {"id": 0, "pos": 50}),
        ("Switch.Toggle", {"id": 0}, "Switch.Toggle", {"id": 0}),
    ],
)
def test_a_command_is_an_rpc_with_an_answer_of_its_own(name: str, params: dict[str, Any], method: str, sent: dict[str, Any]) -> None:
    """The id comes from the action; the answer comes on a topic that names the device."""
    asked = order(Shelly(), name, params, "plant/a/pump", device=DEVICE)
    body = json.loads(asked.payload)
    assert (asked.topic, body["method"], body["params"], body["src"]) == ("plant/a/pump/rpc", method, sent, f"vorab-{DEVICE}")
    result = {"id": body["id"], "src": DEVICE, "dst": f"vorab-{DEVICE}", "result": None}
    assert hear(Shelly(), f"vorab-{DEVICE}/rpc", result) == [Answer(DEVICE, asked.correlation, ReplyStatus.SUCCEEDED)]


def test_the_same_action_has_the_same_id() -> None:
    """Sent again it is known again."""
    first, again, other = (order(Shelly(), "restart", {}, "x", number=number).correlation for number in ("a1", "a1", "a2"))
    assert first == again != other


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("Shelly.FactoryReset", {}),
        ("Mqtt.SetConfig", {"config": "x"}),
        ("Wifi.SetConfig", {}),
        ("Script.Eval", {}),
        ("reboot please", {}),
        ("set", {}),
        ("set", {"wifi.rssi": 1}),
        ("set", {"switch:0.output": True, "switch:1.output": True}),
        ("set", {"switch:².output": True}),
    ],
)
def test_some_methods_are_never_sent(name: str, params: dict[str, Any]) -> None:
    """After them the device might be out of reach; and one call speaks to one component."""
    with pytest.raises(Rejected) as why:
        order(Shelly(), name, params, DEVICE)
    assert why.value.reason is Reason.UNSUPPORTED


def test_answers() -> None:
    """With a result, with an error, and with what the device is."""
    assert said(Shelly(), "reply") == [Answer(DEVICE, "7", ReplyStatus.SUCCEEDED, result={"was_on": False})]
    [failed] = said(Shelly(), "reply-error")
    assert failed == Answer(DEVICE, "7", ReplyStatus.FAILED, "-103", "Invalid argument 'id': required!")
    assert About(DEVICE, name="Kitchen", firmware="1.4.4") in said(Shelly(), "reply-info")


def test_nobody_answers_for_another() -> None:
    """The topic names the device, and the frame must say the same."""
    frame = {"id": 7, "src": "shellyplus1pm-000000000000", "result": None}
    assert refusal(Shelly(), f"vorab-{DEVICE}/rpc", frame) is Reason.IDENTITY_MISMATCH
    assert refusal(Shelly(), "vorab-a b/rpc", frame) is Reason.BAD_NAME
    assert refusal(Shelly(), "vorab-x/rpc", {"src": "x", "result": 1}) is Reason.BAD_SHAPE
