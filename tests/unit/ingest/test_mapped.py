"""Any JSON by declared paths: what is taken, when it was, whose it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import Row
from ingest.decoders.mapped import Mapped
from ingest.decoders.rows import Sender
from tests.unit.ingest.declaring import NOW, rows
from vorab.clock import SECOND
from vorab.errors import Reason, Rejected
from vorab.frame import Quality
from vorab.payloads import JsonMap, Mark, steps


def reason(text: str, payload: object) -> Reason:
    """Why a payload is refused."""
    with pytest.raises(Rejected) as caught:
        rows(text, payload)
    return caught.value.reason


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", ("a",)),
        ("$.a.b", ("a", "b")),
        ("$", ()),
        ("$[0]", (0,)),
        ("a[0].b[-1]", ("a", 0, "b", -1)),
        ('a["b.c"]["d e"]', ("a", "b.c", "d e")),
        ("a[*].b", ("a", Mark.EACH, "b")),
        ("a.*.b", ("a", Mark.EACH, "b")),
        ("[*]", (Mark.EACH,)),
        ("*.t", (Mark.EACH, "t")),
        ("a.*~", ("a", Mark.EACH, Mark.NAME)),
        ("switch:0.apower", ("switch:0", "apower")),
    ],
)
def test_paths_are_read_as_people_write_them(path: str, expected: tuple[object, ...]) -> None:
    """Dots, indexes, quoted keys, a star for each, a tilde for the name of each, and a dollar in front if one likes."""
    assert steps(path) == expected


@pytest.mark.parametrize("path", ["", ".", "a.", "a..b", "a[", "a[x]", "a]", "a*b", "~", "a~", "a.*~.b", 'a["b', "a[99999999]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    """A path that could mean two things, or nothing, never gets as far as a message."""
    with pytest.raises(ValueError, match=r"path|nothing can follow"):
        steps(path)


def test_signals_by_path_with_scale_and_unit() -> None:
    """Nested values become signals under names of one's own, scaled without noise, with the unit's one name."""
    text = """
        map.signals.temperature = { path = "data.temp", scale = 0.1, unit = "°C" }
        map.signals.rpm = { path = "data.motor[0].rpm" }
        map.signals.level = { path = "data.level", scale = 2, offset = -1 }
    """
    payload = {"data": {"temp": 3, "motor": [{"rpm": 1450}], "level": 5, "more": {"x": 1}}}
    assert rows(text, payload) == [Row(None, {"temperature": 0.3, "rpm": 1450, "level": 9}, {"temperature": "Cel"})]


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        ("", 7, 7),
        ("", "ok", "ok"),
        ("", True, True),
        ('type = "number"', "21.50", 21.5),
        ('type = "number"', " -7 ", -7),
        ('type = "number", none = ["--", -999]', "21", 21),
        ('type = "bool"', "ON", True),
        ('type = "bool"', 0, False),
        ('type = "bool"', 1.0, True),
        ('type = "bool", true = ["open"], false = "closed"', "Closed", False),
        ('type = "text"', 17, "17"),
        ('type = "text"', False, "false"),
        ("scale = 0.1", "215", 21.5),
        ("min = 0, max = 100", 100, 100),
    ],
)
def test_types_say_what_a_value_is(spec: str, found: object, expected: object) -> None:
    """Numbers in text, words for true and false, numbers that are names: as declared, and only as declared."""
    value = rows(f'map.signals.x = {{ path = "v"{spec and f", {spec}"} }}', {"v": found})[0].values["x"]
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        ('type = "number"', "warm", Reason.BAD_VALUE),
        ('type = "number"', True, Reason.BAD_VALUE),
        ('type = "number"', "nan", Reason.NOT_FINITE),
        ('type = "number"', "1e999", Reason.NOT_FINITE),
        ('type = "number"', "9" * 30, Reason.BAD_VALUE),
        ("scale = 10", 2**62, Reason.BAD_VALUE),
        ("scale = 1e300", 1e300, Reason.NOT_FINITE),
        ("scale = 2", True, Reason.BAD_VALUE),
        ('type = "bool"', "perhaps", Reason.BAD_VALUE),
        ('type = "bool"', 2, Reason.BAD_VALUE),
        ("min = 0, max = 100", 100.5, Reason.BAD_VALUE),
        ("", {"a": 1}, Reason.BAD_SHAPE),
        ("", [1], Reason.BAD_SHAPE),
        ("", "x" * 256, Reason.BAD_VALUE),
        ("none = 0", 0, Reason.EMPTY),
        ("", None, Reason.EMPTY),
    ],
)
def test_what_a_value_is_not_refuses_the_message(spec: str, found: object, expected: Reason) -> None:
    """A value of another kind than declared is never guessed at, and takes the whole message with it."""
    assert reason(f'map.signals.x = {{ path = "v"{spec and f", {spec}"} }}', {"v": found}) == expected


def test_what_is_missing_is_no_value() -> None:
    """Devices that send changes leave out the rest; nothing at all is refused."""
    text = 'map.signals = { a = { path = "x.a" }, b = { path = "x.b" }, c = { path = "x.a.c[3]" } }'
    assert rows(text, {"x": {"a": 1}}) == [Row(None, {"a": 1})]
    assert reason(text, {"y": 1}) == Reason.EMPTY


def test_a_list_is_one_row_each() -> None:
    """Each element has its own time; what stands outside of the list is a row of its own."""
    text = """
        map.time = { path = "points[*].t", unit = "s" }
        map.signals.flow = { path = "points[*].v" }
        map.signals.battery = { path = "battery" }
    """
    payload = {"battery": 3.1, "points": [{"t": 1_794_999_990, "v": 2}, {"t": 1_794_999_980, "v": 1}, {"v": 3}]}
    assert rows(text, payload) == [
        Row(1_794_999_980 * SECOND, {"flow": 1}),
        Row(1_794_999_990 * SECOND, {"flow": 2}),
        Row(None, {"battery": 3.1, "flow": 3}),
    ]


def test_names_and_values_in_pairs_share_a_row() -> None:
    """Where the payload names its signals, those of one instant stand together, and one that comes twice begins a new row."""
    text = """
        map.time = { path = "[*].ts", unit = "ms" }
        map.signals.any = { path = "[*].value", name = "[*].sensor" }
    """
    pairs = [("t", 1), ("h", 2), ("t", 3)]
    at = NOW - SECOND
    payload = [{"sensor": name, "value": value, "ts": at // 1000} for name, value in pairs]
    assert rows(text, payload) == [Row(at, {"t": 1, "h": 2}), Row(at, {"t": 3})]
    assert reason(text, [{"value": 1}]) == Reason.BAD_NAME
    assert reason(text, [{"sensor": "a b", "value": 1}]) == Reason.BAD_NAME


def test_an_object_of_elements_names_them_by_its_keys() -> None:
    """The star goes through objects too; the tilde is the key."""
    text = 'map.device = "sensors.*~"\nmap.signals.t = { path = "sensors.*.t" }'
    found = rows(text, {"sensors": {"cellar": {"t": 12}, "roof": {"t": 31}}})
    assert [(row.device, row.values) for row in found] == [("pump-7:cellar", {"t": 12}), ("pump-7:roof", {"t": 31})]


def test_a_device_behind_the_sender_is_below_the_sender() -> None:
    """Nobody speaks for another: the id begins with that of the topic, and strange characters cannot leave it."""
    text = 'map.device = "id"\nmap.signals.t = { path = "t" }'
    assert rows(text, {"id": "pump-8", "t": 1})[0].device == "pump-7:pump-8"
    assert rows(text, {"id": "../x y", "t": 1})[0].device == "pump-7:..~2fx~20y"
    assert rows(text, {"id": 12, "t": 1})[0].device == "pump-7:12"
    assert rows(text, {"t": 1})[0].device == ""
    assert reason(text, {"id": "x" * 200, "t": 1}) == Reason.BAD_NAME
    assert reason(text, {"id": ["x"], "t": 1}) == Reason.BAD_NAME


def test_a_payload_that_names_another_sender_is_refused() -> None:
    """The topic says who it is; a payload may repeat it."""
    text = 'map.sender = "meta.id"\nmap.signals.t = { path = "t" }'
    assert rows(text, {"meta": {"id": "pump-7"}, "t": 1})
    assert rows(text, {"meta": {"id": "main/pump-7"}, "t": 1})
    assert reason(text, {"meta": {"id": "pump-8"}, "t": 1}) == Reason.IDENTITY_MISMATCH
    assert reason(text, {"meta": {"id": ["pump-7"]}, "t": 1}) == Reason.IDENTITY_MISMATCH


def test_all_values_of_an_object_become_signals() -> None:
    """Dotted names for what is nested; what has another meaning is no signal; a declared signal goes before."""
    text = """
        map.values = "reported"
        map.time = { path = "reported.at", unit = "s" }
        map.seq = "reported.n"
        map.boot = "reported.b"
        map.signals.door = { path = "reported.door", type = "bool", true = "open", false = "shut" }
    """
    payload = {"reported": {"at": 1_794_999_999, "n": 4, "b": 2, "door": "open", "motor": {"rpm": 3, "w": [1, 2]}, "x": None}}
    assert rows(text, payload) == [Row(1_794_999_999 * SECOND, {"door": True, "motor.rpm": 3, "motor.w.0": 1, "motor.w.1": 2}, {}, 2, 4)]
    assert reason(text, {"reported": {"a b": 1}}) == Reason.BAD_NAME


# ------------------------------------------------------------------------------------------------ time


@pytest.mark.parametrize(
    ("spec", "found", "at"),
    [
        ('unit = "s"', 1_795_000_000.25, 1_795_000_000_250_000),
        ('unit = "ms"', 1_795_000_000_123, 1_795_000_000_123_000),
        ('unit = "us"', "1795000000123456", 1_795_000_000_123_456),
        ('unit = "iso"', "2026-11-18T10:26:40.5Z", 1_794_997_600_500_000),
        ('unit = "iso"', "2026-11-18T10:26:40+02:00", 1_794_990_400_000_000),
        ('unit = "iso", zone = "Europe/Berlin"', "2026-11-18T11:26:40", 1_794_997_600_000_000),
        ('unit = "iso", zone = "Europe/Berlin"', "2026-07-18 12:00:00", 1_784_368_800_000_000),
        ('unit = "iso", zone = "Europe/Berlin"', "2026-11-18T10:26:40Z", 1_794_997_600_000_000),
    ],
)
def test_times_that_are_certain(spec: str, found: object, at: int) -> None:
    """Numbers since 1970, text with a zone, or with one that the operator named; a zone in the text goes before."""
    [row] = rows(f'map.time = {{ path = "t", {spec} }}\nmap.signals.x = {{ path = "x" }}', {"t": found, "x": 1})
    assert (row.at, row.quality) == (at, 0)


@pytest.mark.parametrize(
    ("spec", "found", "at"),
    [
        ('unit = "iso"', "2026-11-18T10:26:40", 1_794_997_600_000_000),
        ('unit = "iso", zone = "Europe/Berlin"', "2026-10-25T02:30:00", 1_792_888_200_000_000),
        ('unit = "iso", zone = "Europe/Berlin"', "2026-03-29T02:30:00", 1_774_747_800_000_000),
    ],
)
def test_times_that_are_a_guess_are_marked(spec: str, found: str, at: int) -> None:
    """No zone is taken for UTC; the hour that comes twice in autumn, or never in spring, is taken for the first."""
    [row] = rows(f'map.time = {{ path = "t", {spec} }}\nmap.signals.x = {{ path = "x" }}', {"t": found, "x": 1})
    assert (row.at, row.quality) == (at, Quality.ASSUMED_ZONE)


def test_the_zone_of_the_entry_holds_where_the_map_names_none() -> None:
    """An operator says once in which zone a plant lives."""
    text = 'zone = "Europe/Berlin"\nmap.time = { path = "t", unit = "iso" }\nmap.signals.x = { path = "x" }'
    assert rows(text, {"t": "2026-11-18T11:26:40", "x": 1})[0][0] == 1_794_997_600_000_000


@pytest.mark.parametrize(
    ("unit", "found"), [("s", "soon"), ("s", True), ("s", [1]), ("s", "nan"), ("iso", "yesterday"), ("iso", 5), ("iso", "")]
)
def test_what_is_no_time_refuses_the_message(unit: str, found: object) -> None:
    """A time nobody can read is not replaced by the time of arrival."""
    text = f'map.time = {{ path = "t", unit = "{unit}" }}\nmap.signals.x = {{ path = "x" }}'
    assert reason(text, {"t": found, "x": 1}) == Reason.BAD_TIME


# ------------------------------------------------------------------------------------------------ counters and limits


def test_rows_of_one_message_never_pass_for_a_repetition() -> None:
    """A second row of one instant has no count: with one, what comes after would take it for the first come again."""
    text = 'map.seq = "n"\nmap.boot = "b"\nmap.signals.v = { path = "v[*]" }'
    assert [(row.boot, row.seq) for row in rows(text, {"n": 7, "b": 1, "v": [1, 2, 3]})] == [(1, 7), (None, None), (None, None)]


def test_too_many_rows_are_refused_before_they_are_made() -> None:
    """The limit of every message holds for lists within lists too."""
    text = 'map.signals.v = { path = "a[*].b[*]" }'
    assert len(rows(text, {"a": [{"b": [1] * 24}] * 32})) == 768
    assert reason(text, {"a": [{"b": [1] * 33}] * 32}) == Reason.TOO_LARGE
    assert reason('map.values = "a"', {"a": {f"s{i}": i for i in range(257)}}) == Reason.TOO_MANY_SIGNALS


# ------------------------------------------------------------------------------------------------ properties

KEYS = st.sampled_from(["a", "b", "t", "n", "x y", "id"])
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**21), 10**21) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=16,
)
PATHS = st.sampled_from(["a", "b[*]", "a[*].b", "a[*].t[*]", "$", "[*]", "a.*"])
MAPS = st.fixed_dictionaries(
    {"signals": st.dictionaries(st.sampled_from(["p", "q", "r"]), PATHS, min_size=1)},
    optional={
        "values": st.sampled_from(["$", "a", "a[*]"]),
        "time": st.sampled_from(["s", "ms", "iso"]),
        "device": st.just("id"),
        "seq": st.just("n"),
    },
)


def _map(drawn: dict[str, Any]) -> JsonMap:
    spec: dict[str, Any] = {**drawn, "signals": {name: {"path": path} for name, path in drawn["signals"].items()}}
    if "time" in drawn:
        spec["time"] = {"path": "t", "unit": drawn["time"]}
    return JsonMap.model_validate(spec)


@given(MAPS, SHAPES)
def test_whatever_is_mapped_rows_or_a_reason_come_out(drawn: dict[str, Any], payload: object) -> None:
    """Any JSON under any map gives rows that are bounded and in order, or Rejected; the same twice."""
    mapped, sender = Mapped(_map(drawn)), Sender("pump-7", "main/pump-7", NOW)
    parsed = json.loads(json.dumps(payload))
    try:
        found = mapped.rows(parsed, sender)
    except Rejected:
        with pytest.raises(Rejected):
            mapped.rows(parsed, sender)
        return
    assert found == mapped.rows(parsed, sender)
    assert parsed == json.loads(json.dumps(payload)), "a decoder leaves its input alone"
    order = [(row.device, NOW if row.at is None else row.at) for row in found]
    assert order == sorted(order)
    assert all(row.values for row in found)
    counted = [(row.device, row.at, row.seq) for row in found if row.seq is not None]
    assert len(counted) == len(set(counted))


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(-9, 9) | st.floats(-1, 1) | st.booleans(), min_size=1))
def test_a_flat_object_read_by_paths_is_what_flat_json_says(values: dict[str, Any]) -> None:
    """The map that says what flat JSON means gives what the decoder for flat JSON gives."""
    assert rows('map.values = "$"', values) == rows("", values)
