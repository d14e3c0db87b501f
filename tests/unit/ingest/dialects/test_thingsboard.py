"""ThingsBoard devices and gateways, heard and spoken to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.rows import Row
from ingest.dialects.thingsboard import ThingsBoard
from ingest.dialects.words import About, Answer, Heard, Seen, Word
from vorab.clock import SECOND
from vorab.errors import Reason, Rejected
from vorab.records import Action, ReplyStatus
from vorab.topics import ID

NOW = 1_795_000_000 * SECOND


def hear(topic: str, body: Any, device: str = "") -> list[Word]:
    """What the dialect makes of a message; `device` is what the topic's first level captured."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(ThingsBoard().hear(Heard(tuple(topic.split("/")), {"device": device} if device else {}, (), payload, NOW)))


def rows(words: list[Word]) -> list[Row]:
    """The rows among them."""
    return [word for word in words if isinstance(word, Row)]


def refused(topic: str, body: Any, device: str = "") -> Reason:
    """Why a message is not taken."""
    with pytest.raises(Rejected) as why:
        hear(topic, body, device)
    return why.value.reason


def test_a_gateway_speaks_for_its_devices() -> None:
    """Each by its name made an id; with and without a time, as the ThingsBoard documentation shows it."""
    body = {"Device A": [{"ts": 1_483_228_800_000, "values": {"temperature": 42, "humidity": 80}}], "Device B": [{"temperature": 1}]}
    found = rows(hear("v1/gateway/telemetry", body))
    assert [(row.device, row.at, dict(row.values)) for row in found] == [
        ("Device~20A", 1_483_228_800 * SECOND, {"temperature": 42, "humidity": 80}),
        ("Device~20B", None, {"temperature": 1}),
    ]


def test_devices_of_two_gateways_never_meet() -> None:
    """Where the topic names the gateway, its devices bear its name."""
    first, second = (rows(hear(f"{gateway}/v1/gateway/telemetry", {"A": [{"t": 1}]}, gateway))[0].device for gateway in ("g1", "g2"))
    assert (first, second) == ("g1:A", "g2:A")


def test_one_bad_device_refuses_the_whole_message() -> None:
    """A message is taken whole or not at all."""
    assert refused("v1/gateway/telemetry", {"A": [{"t": 1}], "B": [{"t": {}}]}) is Reason.BAD_SHAPE
    assert refused("v1/gateway/telemetry", {"": [{"t": 1}]}) is Reason.BAD_NAME
    assert refused("v1/gateway/telemetry", [1]) is Reason.BAD_SHAPE


def test_connect_and_disconnect_are_presence() -> None:
    """A gateway says who is there; the type becomes the model."""
    words = hear("v1/gateway/connect", {"device": "A", "type": "pump"})
    assert Seen("A", online=True, evidence="birth") in words
    assert About("A", name="A", model="pump", address="v1/gateway A") in words
    assert Seen("A", online=False, evidence="goodbye") in hear("v1/gateway/disconnect", {"device": "A"})


def test_attributes_are_facts() -> None:
    """Firmware and model by the names ThingsBoard and its gateways use."""
    (about,) = hear("p1/v1/devices/me/attributes", {"fw_version": "4.2.1", "model": "X", "serial": 7}, "p1")
    assert about == About("p1", model="X", firmware="4.2.1", address="p1/v1/devices/me")


def test_a_device_without_a_name_in_its_topic_is_nobody() -> None:
    """`v1/devices/me` is the same for all; it is refused instead of being made one device."""
    assert refused("v1/devices/me/telemetry", {"t": 1}) is Reason.UNKNOWN_TOPIC


@pytest.mark.parametrize(
    ("address", "topic", "answer_topic", "device"),
    [
        ("p1/v1/devices/me", "p1/v1/devices/me/rpc/request/{n}", "p1/v1/devices/me/rpc/response/{n}", "p1"),
        ("v1/gateway Device A", "v1/gateway/rpc", "v1/gateway/rpc", "Device~20A"),
    ],
)
def test_a_call_and_its_answer_find_each_other(address: str, topic: str, answer_topic: str, device: str) -> None:
    """The number of the call is made of the action's id, so the same action again is the same call."""
    action = Action(
        id="a1", device="p1", case="c", remedy="r", name="reboot", params={"s": 5}, at=NOW, not_before=NOW, not_after=NOW + SECOND
    )
    order = ThingsBoard().command(action, address, NOW)
    assert order == ThingsBoard().command(action, address, NOW)
    number = order.correlation
    assert order.topic == topic.format(n=number)
    body = json.loads(order.payload)
    assert (body.get("data") or body)["method"] == "reboot"
    said = {"success": True}
    answer = {"device": "Device A", "id": int(number), "data": said} if "gateway" in topic else said
    (word,) = hear(answer_topic.format(n=number), answer, "" if "gateway" in topic else "p1")
    assert word == Answer(device, number, ReplyStatus.SUCCEEDED, result={"success": True})


def test_a_failed_call_is_a_failure() -> None:
    """Either `success: false` or an error says so."""
    for said in ({"success": False}, {"error": "no such method"}):
        (word,) = hear("p1/v1/devices/me/rpc/response/7", said, "p1")
        assert isinstance(word, Answer)
        assert word.status is ReplyStatus.FAILED


def test_our_own_requests_are_not_answers() -> None:
    """On a gateway both stand on one topic: what has no number of its own is a request."""
    assert hear("v1/gateway/rpc", {"device": "A", "data": {"id": 1, "method": "x"}}) == []
    assert hear("p1/v1/devices/me/rpc/request/1", {"method": "x"}, "p1") == []


@given(
    st.sampled_from(["v1/gateway/telemetry", "v1/gateway/connect", "v1/gateway/attributes", "v1/gateway/rpc", "v1/gateway/"]),
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.just("device"), inner, max_size=3),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_whatever_comes_is_taken_or_refused(topic: str, payload: bytes) -> None:
    """No other exception, and every device is an id."""
    try:
        words = hear(topic, payload)
    except Rejected:
        return
    assert all(ID.fullmatch(word.device) for word in words)
