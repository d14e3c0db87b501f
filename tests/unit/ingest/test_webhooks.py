"""Alarms of systems that run already: recorded webhooks, and whatever else somebody may send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.webhooks import Finding, Labels, alertmanager, thingsboard
from vorab.clock import SECOND, parse_iso
from vorab.errors import Reason, Rejected
from vorab.records import Alarm, Severity, from_wire, to_wire
from vorab.topics import ID

SAMPLES: Final = Path(__file__).parents[2] / "samples" / "webhooks"
NOW: Final = parse_iso("2026-11-23T20:20:00Z")


def sample(name: str) -> bytes:
    """A recorded webhook."""
    return (SAMPLES / f"{name}.json").read_bytes()


def alarms(found: list[Finding]) -> dict[str, Alarm]:
    """By device."""
    return {one.alarm.device: one.alarm for one in found if one.alarm is not None}


def wrong(found: list[Finding]) -> list[str]:
    """What was refused."""
    return [f"{one.refused}" for one in found if one.refused is not None]


def alert(**more: Any) -> dict[str, Any]:
    """One alert as Alertmanager writes it."""
    labels = {"alertname": "MotorTooHot", "device": "pump-7"} | more.pop("labels", {})
    return {"status": "firing", "labels": labels, "startsAt": "2026-11-23T20:19:06Z", "endsAt": "0001-01-01T00:00:00Z"} | more


def hook(*alerts: Any) -> bytes:
    """A webhook with these."""
    return json.dumps({"version": "4", "alerts": alerts}).encode()


# ------------------------------------------------------------------------------------------------ Alertmanager


def test_a_recorded_webhook_becomes_alarms_and_its_bad_alert_a_refusal() -> None:
    """Device by label, else by instance; the alert that names none is refused, alone."""
    found = alertmanager(sample("alertmanager-0.25-firing"), "main", NOW)
    pump, other = alarms(found)["pump-7"], alarms(found)["10.0.0.8:9100"]
    assert (pump.name, pump.source, pump.active, pump.severity, pump.text) == (
        "MotorTooHot", "alertmanager", True, Severity.CRITICAL, "Motor of pump-7 is at 92 °C",
    )  # fmt: skip
    assert (pump.tenant, pump.since, pump.at) == ("main", parse_iso("2026-11-23T20:19:06Z"), NOW)
    assert (other.active, other.severity, other.since) == (True, Severity.WARNING, parse_iso("2026-11-23T20:19:06.207643Z"))
    assert wrong(found) == ["bad_shape: alerts[1]: no label device or instance"]


def test_a_recorded_resolution_ends_the_alarm_and_repeats_the_other() -> None:
    """What fires still has the id it had; what ended has one of its own and says the same since."""
    first = alarms(alertmanager(sample("alertmanager-0.25-firing"), "main", NOW))
    then = alarms(alertmanager(sample("alertmanager-0.25-resolved"), "main", NOW + SECOND))
    assert then["10.0.0.8:9100"].id == first["10.0.0.8:9100"].id
    assert not then["pump-7"].active
    assert then["pump-7"].since == first["pump-7"].since
    assert then["pump-7"].id != first["pump-7"].id


def test_several_alerts_of_one_name_on_a_device_are_one_alarm() -> None:
    """It is active while one of them fires, since the first, as bad as the worst."""
    disks = [
        alert(labels={"disk": "a", "severity": "warning"}),
        alert(labels={"disk": "b", "severity": "critical"}, startsAt="2026-11-23T20:20:06Z"),
        alert(labels={"disk": "c"}, status="resolved", endsAt="2026-11-23T20:20:06Z"),
    ]
    [found] = alertmanager(hook(*disks), "main", NOW)
    assert found.alarm is not None
    assert (found.alarm.active, found.alarm.severity, found.alarm.name) == (True, Severity.CRITICAL, "MotorTooHot")


def test_labels_can_tell_alarms_of_one_name_apart() -> None:
    """Where a device has several of one name, more labels make the name."""
    labels = Labels(device=("host",), name=("alertname", "disk"))
    disks = [alert(labels={"host": "Server 1", "disk": disk}) for disk in ("a", "b")]
    found = alertmanager(hook(*disks, alert(labels={"host": "s2"})), "main", NOW, labels)
    assert [(one.alarm.device, one.alarm.name) for one in found if one.alarm] == [
        ("Server~201", "MotorTooHot/a"), ("Server~201", "MotorTooHot/b"), ("s2", "MotorTooHot"),
    ]  # fmt: skip


def test_the_same_shape_from_grafana_is_taken() -> None:
    """Grafana sends what Alertmanager sends, with offsets in its times and its own words beside."""
    body = {"orgId": 1, "alerts": [alert(startsAt="2026-11-23T21:19:06.157076+01:00", valueString="[ x ]")]}
    [found] = alertmanager(json.dumps(body).encode(), "main", NOW)
    assert found.alarm is not None
    assert found.alarm.since == parse_iso("2026-11-23T20:19:06.157076Z")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"[]", Reason.BAD_SHAPE),
        (b'{"alerts":{}}', Reason.BAD_SHAPE),
        (b'{"alerts":[]}', Reason.EMPTY),
        (b"nonsense", Reason.BAD_JSON),
        (b'{"alerts":[' + b"{}," * 5_000 + b"{}]}", Reason.TOO_LARGE),
        (b'{"alerts":' + b"[" * 20 + b"]" * 20 + b"}", Reason.TOO_DEEP),
    ],
)
def test_what_is_no_webhook_is_refused_as_a_whole(payload: bytes, reason: Reason) -> None:
    """With its reason."""
    with pytest.raises(Rejected) as caught:
        alertmanager(payload, "main", NOW)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "bad",
    [
        7, None, [], {}, {"labels": {"device": "x", "alertname": "y"}}, alert(status="pending"), alert(labels={"device": 7}),
        alert(labels={"device": ""}), alert(labels={"alertname": ""}), alert(labels={"alertname": "x" * 256}), alert(startsAt="soon"),
        alert(startsAt=7), alert(annotations=[]), alert(labels={"device": "x" * 200}), alert(startsAt="2026-11-23T20:19:06"),
    ],
)  # fmt: skip
def test_one_bad_alert_is_refused_alone(bad: object) -> None:
    """Its neighbour is taken, and the refusal names its place and keeps its bytes."""
    found = alertmanager(hook(bad, alert(labels={"device": "pump-8"})), "main", NOW)
    assert list(alarms(found)) == ["pump-8"]
    [refused] = [one for one in found if one.refused]
    assert "alerts[0]: " in str(refused.refused)
    assert json.loads(refused.raw) == bad


# ------------------------------------------------------------------------------------------------ ThingsBoard


def test_a_thingsboard_alarm_begins_and_ends() -> None:
    """The originator names the device, the type the alarm, the details tell about it."""
    began = alarms(thingsboard(sample("thingsboard-created"), "main", NOW))["Pump~207"]
    assert (began.name, began.source, began.active, began.severity) == ("Overheating", "thingsboard", True, Severity.CRITICAL)
    assert (began.since, began.text) == (1_795_465_119_647_000, "The motor has been above 85 °C for 10 minutes.")
    ended = alarms(thingsboard(sample("thingsboard-cleared"), "main", NOW))["Pump~207"]
    assert (ended.active, ended.since, ended.name) == (False, began.since, began.name)
    assert ended.id != began.id
    assert thingsboard(sample("thingsboard-created"), "main", NOW + SECOND)[0].alarm == began.model_copy(update={"at": NOW + SECOND})


def test_the_address_may_name_the_device() -> None:
    """Older versions do not send the originator's name: the rule chain puts it into the address."""
    body = {"type": "Overheating", "severity": "WARNING", "status": "CLEARED_ACK", "startTs": 1795465119647, "endTs": 1795465119650}
    [found] = thingsboard(json.dumps(body).encode(), "main", NOW, "pump-7")
    assert found.alarm is not None
    assert (found.alarm.device, found.alarm.active, found.alarm.severity) == ("pump-7", False, Severity.WARNING)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "ASLEEP"}, Reason.BAD_VALUE),
        ({"status": None, "cleared": None}, Reason.BAD_VALUE),
        ({"originatorName": None}, Reason.BAD_SHAPE),
        ({"type": None, "name": None}, Reason.BAD_SHAPE),
        ({"type": 7}, Reason.BAD_SHAPE),
        ({"startTs": "yesterday"}, Reason.BAD_TIME),
        ({"startTs": True}, Reason.BAD_TIME),
    ],
)
def test_what_is_no_alarm_is_refused(change: dict[str, Any], reason: Reason) -> None:
    """With its reason; in a list, alone."""
    body = json.loads(sample("thingsboard-created")) | change
    with pytest.raises(Rejected) as caught:
        thingsboard(json.dumps(body).encode(), "main", NOW)
    assert caught.value.reason is reason
    found = thingsboard(json.dumps([body, json.loads(sample("thingsboard-created"))]).encode(), "main", NOW)
    assert len(alarms(found)) == len(wrong(found)) == 1


def test_without_a_status_the_flag_decides() -> None:
    """`cleared` says the same as the status, where there is none."""
    body = json.loads(sample("thingsboard-cleared"))
    del body["status"]
    [found] = thingsboard(json.dumps(body).encode(), "main", NOW)
    assert found.alarm is not None
    assert not found.alarm.active


# ------------------------------------------------------------------------------------------------ whatever comes

scraps = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=30)
    | st.sampled_from(["firing", "resolved", "ACTIVE_UNACK", "CLEARED_ACK", "2026-11-23T20:19:06Z", "0001-01-01T00:00:00Z", "pump-7"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "alerts", "labels", "annotations", "status", "startsAt", "endsAt", "device", "instance", "alertname", "severity", "summary",
            "type", "name", "originatorName", "details", "startTs", "clearTs", "cleared",
        ]),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip
names = st.sampled_from(["device", "instance", "alertname", "severity"])
alerts = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | scraps,
        "labels": st.dictionaries(names, st.text(max_size=40), max_size=4) | scraps,
        "startsAt": st.datetimes().map(lambda at: at.isoformat() + "Z") | scraps,
        "endsAt": st.datetimes().map(lambda at: at.isoformat() + "+14:00") | scraps,
        "annotations": scraps,
    },
)


@given(body=scraps | st.builds(lambda some: {"alerts": some}, st.lists(alerts, min_size=1, max_size=4)), raw=st.binary(max_size=20))
def test_whatever_is_sent_becomes_valid_alarms_or_refusals(body: object, raw: bytes) -> None:
    """No other exception; every alarm has an id any topic can hold, and survives the log."""
    for payload in (json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"), raw):
        for parse in (alertmanager, thingsboard):
            try:
                found = parse(payload, "main", NOW)
            except Rejected:
                continue
            assert found
            for one in found:
                assert (one.alarm is None) != (one.refused is None)
                if one.alarm is not None:
                    assert ID.fullmatch(one.alarm.device)
                    _, value, headers = to_wire(one.alarm, "urn:vorab:test")
                    assert from_wire(value, headers) == one.alarm


short = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)


@given(short, short)
def test_two_names_never_meet(one: str, other: str) -> None:
    """Foreign names become ids without two of them becoming one, except where a name is an id already that spells another."""
    found = alertmanager(hook(alert(labels={"device": one}), alert(labels={"device": other})), "main", NOW)
    assert len({a.device for a in alarms(found).values()}) == (1 if one == other else 2) or ID.fullmatch(one) or ID.fullmatch(other)
