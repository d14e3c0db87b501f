"""Homie 5 and 4, heard and spoken to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.rows import Row
from ingest.dialects.homie import Homie
from ingest.dialects.homie.description import MOST_PROPERTIES, read, written
from ingest.dialects.wanted import same
from ingest.dialects.words import About, Answer, Found, Seen, Word
from tests.recorded import hear, order, recorded, refusal
from vorab.errors import Reason, Rejected
from vorab.records import ReplyStatus

PUMP, FLOW, CAR = "homie/5/heat-pump", "homie/5/flow-sensor", "homie/super-car"


def said(homie: Homie, *names: str, retained: bool = False) -> list[Word]:
    """What recorded messages say, one after the other."""
    return [word for name in names for word in hear(homie, *recorded(f"homie/{name}"), retained=retained)]


def described() -> Homie:
    """A dialect that knows the pump and the sensor behind it."""
    homie = Homie()
    said(homie, "5-description", "5-description-child", "5-state", "5-state-child", retained=True)
    return homie


def seen(words: list[Word]) -> list[tuple[str, bool, str]]:
    """Presence among the words."""
    return [(word.device, word.online, word.evidence) for word in words if isinstance(word, Seen)]


# ------------------------------------------------------------------------------------------------ what it is


def test_a_description_is_facts() -> None:
    """Name, units under one spelling each, and where its commands go."""
    [about] = said(Homie(), "5-description", retained=True)
    units = {"compressor.temperature": "Cel", "compressor.starts": "count", "compressor.setpoint": "Cel"}
    assert about == About("heat-pump", name="Heat pump", address=PUMP, units=units)


def test_homie_4_says_it_in_many_topics() -> None:
    """Stored attributes, in any order."""
    words = said(Homie(), "4-name", "4-fw-name", "4-fw-version", "4-datatype", "4-unit", "4-stats-interval", "4-nodes", retained=True)
    about = About("super-car", address=CAR)
    assert words == [
        about._replace(name="Super car"),
        about._replace(model="weatherstation-firmware"),
        about._replace(firmware="1.0.0"),
        about._replace(units={"engine.temperature": "Cel"}),
        about._replace(heartbeat_s=60.0),
    ]


# ------------------------------------------------------------------------------------------------ who is there


@pytest.mark.parametrize(
    ("state", "presence"),
    [
        (b"ready", [(True, "birth")]),
        (b"init", []),
        (b"disconnected", [(False, "goodbye")]),
        (b"sleeping", [(False, "goodbye")]),
        (b"lost", [(False, "will")]),
        (b"", [(False, "goodbye")]),
    ],
)
def test_a_state_is_presence(state: bytes, presence: list[tuple[bool, str]]) -> None:
    """In both versions; who sleeps has said so, and a cleared state is a device that was removed."""
    for topic, device in ((f"{PUMP}/$state", "heat-pump"), (f"{CAR}/$state", "super-car")):
        assert seen(hear(Homie(), topic, state)) == [(device, *one) for one in presence]
    assert refusal(Homie(), f"{PUMP}/$state", b"tired") is Reason.BAD_VALUE


def test_children_are_lost_and_back_with_their_root() -> None:
    """The will is the root's alone; what a child says meanwhile does not make it present, and back it is as it said last."""
    homie = described()
    assert seen(said(homie, "5-state-lost")) == [("heat-pump", False, "will"), ("flow-sensor", False, "will")]
    assert seen(said(homie, "5-state-lost")) == [("heat-pump", False, "will")]
    assert seen(said(homie, "5-state-child")) == []
    assert seen(said(homie, "5-state")) == [("heat-pump", True, "birth"), ("flow-sensor", True, "birth")]
    hear(homie, f"{FLOW}/$state", b"sleeping")
    assert seen(said(homie, "5-state-lost", "5-state"))[2:] == [("heat-pump", True, "birth"), ("flow-sensor", False, "goodbye")]


@pytest.mark.parametrize(
    "names", [("5-state-lost", "5-state-child", "5-description-child"), ("5-description-child", "5-state-child", "5-state-lost")]
)
def test_stored_messages_in_any_order_end_in_the_same_presence(names: tuple[str, ...]) -> None:
    """A broker hands them out as it likes."""
    words = seen(said(Homie(), *names, retained=True))
    assert {device: online for device, online, _ in words} == {"heat-pump": False, "flow-sensor": False}


def test_a_removed_child_is_forgotten() -> None:
    """Its root may be lost without it."""
    homie = described()
    assert seen(said(homie, "5-state-removed")) == [("flow-sensor", False, "goodbye")]
    assert seen(said(homie, "5-state-lost")) == [("heat-pump", False, "will")]
    assert homie._behind == {}


def test_a_device_that_names_itself_as_root_is_no_child() -> None:
    """It is lost once."""
    homie = Homie()
    hear(homie, f"{PUMP}/$description", {"homie": "5.0", "root": "heat-pump"})
    assert seen(said(homie, "5-state-lost")) == [("heat-pump", False, "will")]


# ------------------------------------------------------------------------------------------------ what is wrong


def test_an_alert_stands_as_long_as_its_text() -> None:
    """The device found it out; with the text cleared it is over."""
    homie = Homie()
    began = Found("heat-pump", "low-pressure", active=True, text="Refrigerant pressure is below 2 bar")
    assert said(homie, "5-alert", retained=True) == [began]
    assert said(homie, "5-alert", retained=True) == [], "stored ones come with each connection"
    assert hear(homie, f"{PUMP}/$alert/low-pressure", b"now 1 bar") == [began._replace(text="now 1 bar")]
    assert said(homie, "5-alert-over") == [Found("heat-pump", "low-pressure", active=False)]


def test_a_removed_device_has_no_alerts_left() -> None:
    """Nobody would ever clear them."""
    homie = Homie()
    said(homie, "5-alert")
    assert Found("heat-pump", "low-pressure", active=False) in hear(homie, f"{PUMP}/$state", b"")


def test_homie_4_has_a_state_for_it() -> None:
    """`alert` is present and unwell."""
    homie = Homie()
    words = said(homie, "4-state-alert")
    assert seen(words) == [("super-car", True, "birth")]
    assert [(word.name, word.active) for word in words if isinstance(word, Found)] == [("alert", True)]
    assert [(word.name, word.active) for word in said(homie, "4-state") if isinstance(word, Found)] == [("alert", False)]


def test_alerts_are_bounded() -> None:
    """A device may not fill the memory with made-up ones."""
    homie = Homie()
    for i in range(256):
        hear(homie, f"{PUMP}/$alert/a{i}", b"x")
    assert refusal(homie, f"{PUMP}/$alert/one-more", b"x") is Reason.TOO_MANY_SIGNALS
    assert refusal(homie, f"{PUMP}/$alert/{'x' * 200}", b"x") is Reason.BAD_NAME


# ------------------------------------------------------------------------------------------------ what it measures


def values(homie: Homie, name: str) -> dict[str, Any]:
    """The values of a recorded message."""
    [row] = said(homie, name)
    assert isinstance(row, Row)
    assert row.device in {"heat-pump", "super-car"}
    return dict(row.values)


def test_values_are_what_their_datatype_says() -> None:
    """Also the empty text, which is a zero byte, and JSON, which may hold several."""
    homie = described()
    assert values(homie, "5-temperature") == {"compressor.temperature": 71.4}
    assert values(homie, "5-starts") == {"compressor.starts": 512}
    assert values(homie, "5-running") == {"compressor.running": True}
    assert values(homie, "5-mode") == {"compressor.mode": "heat"}
    assert values(homie, "5-note") == {"compressor.note": ""}
    assert values(homie, "5-detail") == {"compressor.detail.valve.open": 0.4}
    [row] = hear(homie, f"{PUMP}/compressor/temperature", b"71")
    assert row == Row(None, {"compressor.temperature": 71.0}, {"compressor.temperature": "Cel"}, device="heat-pump")
    [text] = hear(homie, f"{PUMP}/compressor/note", b"007")
    assert isinstance(text, Row)
    assert text.values == {"compressor.note": "007"}


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("temperature", b"warm", Reason.BAD_VALUE),
        ("temperature", b"nan", Reason.NOT_FINITE),
        ("starts", b"1.5", Reason.BAD_VALUE),
        ("starts", b"99999999999999999999", Reason.BAD_VALUE),
        ("running", b"True", Reason.BAD_VALUE),
        ("note", b"\xff", Reason.BAD_UTF8),
        ("note", b"x" * 256, Reason.BAD_VALUE),
        ("detail", b"{", Reason.BAD_JSON),
    ],
)
def test_a_value_that_does_not_fit_its_datatype_is_refused(name: str, payload: bytes, reason: Reason) -> None:
    """With the reason."""
    assert refusal(described(), f"{PUMP}/compressor/{name}", payload) is reason


def test_without_a_description_a_value_is_what_it_looks_like() -> None:
    """After a start the values that waited come before the stored description; nothing of them is lost."""
    homie = Homie()
    assert [values(homie, name) for name in ("5-temperature", "5-running", "5-mode")] == [
        {"compressor.temperature": 71.4}, {"compressor.running": True}, {"compressor.mode": "heat"},
    ]  # fmt: skip


def test_homie_4_values() -> None:
    """By the datatype of their topic; statistics are signals as well."""
    homie = Homie()
    said(homie, "4-datatype", "4-unit", retained=True)
    assert said(homie, "4-value") == [Row(None, {"engine.temperature": 21.5}, {"engine.temperature": "Cel"}, device="super-car")]
    assert said(homie, "4-stats-signal") == [Row(None, {"stats.signal": 24}, {"stats.signal": "%"}, device="super-car")]


def test_stored_values_are_state_and_no_news() -> None:
    """Everything is stored in Homie; a new subscriber has measured nothing."""
    assert said(described(), "5-temperature", "5-target", "4-value", "4-stats-signal", retained=True) == []


def test_what_is_left_alone() -> None:
    """Commands of others, logs, broadcasts, cleared values, and what extensions add."""
    homie = described()
    assert said(homie, "5-set", "5-log", "5-broadcast", "4-homie", "4-node-name") == []
    assert hear(homie, f"{PUMP}/compressor/temperature", b"") == []
    assert hear(homie, f"{PUMP}/a/b/c/d/e", b"x") == []
    assert hear(homie, "homie", b"x") == []


def test_another_domain_is_an_entry_of_the_topic_map() -> None:
    """The levels before `#` are the domain, however many."""
    [about] = hear(Homie(), "plant/a/5/mixer/$description", {"homie": "5.1", "name": "Mixer"}, entry="plant/a/#")
    assert about == About("mixer", name="Mixer", address="plant/a/5/mixer")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"homie": "6.0"}, Reason.NEWER_VERSION),
        ({}, Reason.NEWER_VERSION),
        ([], Reason.BAD_SHAPE),
        ({"homie": "5.0", "nodes": {"a": 5}}, Reason.BAD_SHAPE),
        ({"homie": "5.0", "nodes": {"a b": {"properties": {"c": {}}}}}, Reason.BAD_NAME),
        ({"homie": "5.0", "nodes": {"a.b": {"properties": {"c": {}}}}}, Reason.BAD_NAME),
        ({"homie": "5.0", "nodes": {"n": {"properties": {f"p{i}": {} for i in range(MOST_PROPERTIES + 1)}}}}, Reason.TOO_MANY_SIGNALS),
    ],
)
def test_a_description_that_cannot_be_is_refused_and_the_old_one_stays(body: Any, reason: Reason) -> None:
    """Two nodes may not meet in one signal."""
    homie = described()
    assert refusal(homie, f"{PUMP}/$description", body) is reason
    assert values(homie, "5-starts") == {"compressor.starts": 512}


# ------------------------------------------------------------------------------------------------ commands


def test_a_setting_is_accepted_by_its_target_and_done_by_its_value() -> None:
    """Numbers may be spelled differently; another value is no answer."""
    homie = described()
    wish = order(homie, "set", {"compressor.setpoint": 21.5}, PUMP, device="heat-pump")
    assert (wish.topic, wish.payload, wish.repeatable) == (f"{PUMP}/compressor/setpoint/set", b"21.5", True)
    assert said(homie, "5-target") == [Answer("heat-pump", wish.correlation, ReplyStatus.ACCEPTED)]
    [row] = hear(homie, f"{PUMP}/compressor/setpoint", b"20.0")
    assert isinstance(row, Row)
    [_, answer] = hear(homie, f"{PUMP}/compressor/setpoint", b"21.50")
    assert answer == Answer("heat-pump", wish.correlation, ReplyStatus.SUCCEEDED, result={"compressor.setpoint": 21.5})
    assert len(hear(homie, f"{PUMP}/compressor/setpoint", b"21.5")) == 1


@pytest.mark.parametrize(
    ("params", "payload"),
    [({"compressor.note": ""}, b"\x00"), ({"compressor.note": "Ä"}, "Ä".encode()), ({"compressor.mode": True}, b"true")],
)
def test_values_on_their_way_out(params: dict[str, Any], payload: bytes) -> None:
    """An empty text is a zero byte: nothing at all would clear what is stored."""
    assert order(described(), "set", params, PUMP).payload == payload


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("restart", {}),
        ("set", {}),
        ("set", {"compressor.temperature": 5}),
        ("set", {"compressor.nothing": 5}),
        ("set", {"compressor.mode": "heat", "compressor.setpoint": 5}),
        ("set", {"compressor.mode": None}),
        ("set", {"compressor/mode/set.x": 5}),
        ("set", {"#.+": 5}),
    ],
)
def test_what_cannot_be_set_is_not_sent(name: str, params: dict[str, Any]) -> None:
    """What is read only, unknown, or would leave the property's topic."""
    with pytest.raises(Rejected) as why:
        order(described(), name, params, PUMP)
    assert why.value.reason is Reason.UNSUPPORTED


@given(st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=40)))
def test_what_was_written_is_known_when_it_is_read(value: Any) -> None:
    """Whatever is set, its echo is the same value."""
    datatype = {bool: "boolean", int: "integer", float: "float", str: "string"}[type(value)]
    payload = written(value)
    assert payload
    if value != "\x00":
        assert same(read("a.b", datatype, payload)["a.b"], value)


# ------------------------------------------------------------------------------------------------ memory


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that nobody has heard of for longest are forgotten, with what was known of their roots."""
    monkeypatch.setattr("ingest.dialects.homie._MOST_REMEMBERED", 100)
    homie = Homie()
    for i in range(1_000):
        body = {"homie": "5.0", "root": f"root-{i}", "nodes": {"n": {"properties": {"p": {"datatype": "float"}}}}}
        hear(homie, f"homie/5/d{i}/$description", json.dumps(body).encode(), retained=True)
    assert len(homie._things) == 50
    assert sum(map(len, homie._behind.values())) == 50
