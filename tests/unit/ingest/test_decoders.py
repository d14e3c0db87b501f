"""Flat JSON, ThingsBoard shapes and SenML: what is taken, how it is read, and that nothing else comes out of the decoders."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import Limits, Row, Sender, decode
from ingest.decoders.strict import MAX_DEPTH, check_depth, parse
from vorab.clock import SECOND
from vorab.errors import Reason, Rejected

NOW = 1_795_000_000 * SECOND
SENDER = Sender("pump-7", "main/pump-7", NOW)


def rows(payload: bytes | object, **more: str) -> list[Row]:
    """The rows of a payload."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(data, SENDER, **more)  # type: ignore[arg-type]


def reason(payload: bytes | object, **more: str) -> Reason:
    """Why a payload is refused."""
    with pytest.raises(Rejected) as caught:
        rows(payload, **more)
    return caught.value.reason


# ------------------------------------------------------------------------------------------------ flat JSON


def test_a_flat_object_is_one_row_at_the_time_of_arrival() -> None:
    """The simplest firmware: values and nothing else."""
    assert rows(b'{"temperature": 21.5, "pages": 7, "door": true, "state": "ok"}') == [
        Row(None, {"temperature": 21.5, "pages": 7, "door": True, "state": "ok"})
    ]


def test_time_is_in_milliseconds_and_a_fraction_keeps_microseconds() -> None:
    """`ts` as ThingsBoard writes it, and as devices with a finer clock do."""
    assert rows(b'{"ts": 1795000000123, "a": 1}')[0].at == 1_795_000_000_123_000
    assert rows(b'{"ts": 1795000000123.25, "a": 1}')[0].at == 1_795_000_000_123_250


def test_boot_and_seq_are_counters_and_no_signals() -> None:
    """A device that counts its messages lets losses and repetitions be seen."""
    [row] = rows(b'{"boot": 4294967295, "seq": 18446744073709551615, "a": 1}')
    assert (row.boot, row.seq, row.values) == (2**32 - 1, 2**64 - 1, {"a": 1})


@pytest.mark.parametrize(
    "payload",
    [
        {"ts": 5, "values": {"a": 1.5}},
        [{"ts": 5, "values": {"a": 1.5}}],
        [{"ts": 5, "a": 1.5}],
        {"ts": 5, "a": 1.5, "b": None},
        {"ts": 5, "device": "pump-7", "values": {"a": 1.5}},
        {"ts": 5, "device_id": "main/pump-7", "a": 1.5},
    ],
)
def test_thingsboard_shapes_say_the_same(payload: object) -> None:
    """An object, an object with `values`, or a list of either; a null is no value; the device may repeat its name."""
    assert rows(payload) == [Row(5_000, {"a": 1.5})]


def test_a_list_is_several_rows_in_order() -> None:
    """A device that was offline hands in what it kept."""
    assert [(row.at, row.values) for row in rows(b'[{"ts": 1, "a": 1}, {"ts": 2, "values": {"a": 2}}, {"b": 3}]')] == [
        (1_000, {"a": 1}),
        (2_000, {"a": 2}),
        (None, {"b": 3}),
    ]


def test_values_may_be_a_signal_too() -> None:
    """`values` is only an envelope where it holds an object."""
    assert rows(b'{"values": 3}')[0].values == {"values": 3}


def test_limits_are_checked_before_anything_is_parsed() -> None:
    """A payload above the limit is not even looked at."""
    with pytest.raises(Rejected) as caught:
        decode(b"{" * 100, SENDER, limits=Limits(payload_bytes=99))
    assert caught.value.reason == Reason.TOO_LARGE
    assert reason([{"a": 1}] * 1025) == Reason.TOO_LARGE
    assert len(rows([{"a": 1}] * 1024)) == 1024


def test_the_limits_themselves_are_allowed() -> None:
    """256 signals, 255 characters, the largest and smallest whole numbers: exactly at the limit is fine."""
    assert len(rows({f"s{i}": i for i in range(256)})[0].values) == 256
    assert rows({"s": "x" * 255, "a" * 128: 1})
    assert rows({"a": 2**63 - 1, "b": -(2**63), "c": 1.7e308})[0].values["a"] == 2**63 - 1


@pytest.mark.parametrize(
    ("content_type", "expected"), [("application/json; charset=utf-8", None), ("Text/Plain", None), ("image/png", "x")]
)
def test_the_content_type_decides_what_is_tried(content_type: str, expected: str | None) -> None:
    """Parameters and case do not matter; what nobody reads is refused."""
    if expected is None:
        assert rows(b'{"a": 1}', content_type=content_type)
    else:
        assert reason(b'{"a": 1}', content_type=content_type) == Reason.UNSUPPORTED


# ------------------------------------------------------------------------------------------------ strictness


def test_depth_is_counted_outside_strings_only() -> None:
    """Sixteen levels pass, seventeen do not, and brackets in a text are text."""
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert parse(b'{"a": "' + b"[{" * 100 + b'"}')
    check_depth(b"[]" * 1000)
    with pytest.raises(Rejected) as caught:
        parse(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert caught.value.reason == Reason.TOO_DEEP


def test_the_reason_says_where() -> None:
    """The author of the firmware reads which path is wrong."""
    with pytest.raises(Rejected, match="motor: an object is not a value"):
        rows(b'{"motor": {"rpm": 1}}')
    with pytest.raises(Rejected, match=r"record 1: v is not a number"):
        rows(b'[{"n": "a", "v": 1}, {"n": "b", "v": "x"}]')


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["ts", "boot", "seq", "device", "values", "a", "b c", "bn", "bt", "n", "v", "vs", "t", "u", "s"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()), st.sampled_from(["auto", "json", "senml+json"]))
def test_whatever_comes_in_rows_or_a_reason_come_out(payload: bytes, decoder: str) -> None:
    """Fuzzed: a decoder gives rows that columns can hold, or Rejected; nothing else, ever."""
    try:
        found = rows(payload, decoder=decoder)
    except Rejected:
        return
    assert found
    for row in found:
        assert row.values
        for value in row.values.values():
            assert isinstance(value, bool | int | float | str)
            assert not isinstance(value, float) or math.isfinite(value)
            assert isinstance(value, bool) or not isinstance(value, int) or -(2**63) <= value < 2**63
        assert row.at is None or abs(row.at) <= 2**63


# ------------------------------------------------------------------------------------------------ SenML


def senml(payload: object) -> list[Row]:
    """The rows of a pack."""
    return rows(payload, decoder="senml+json")


def test_a_real_pack_of_a_microcontroller() -> None:
    """As MicroPython's senml library writes it: the base name is not the first key, and there is no time."""
    pack = (
        b'[{"n": "temp", "u": "Cel", "bn": "urn:dev:ow:10e2073a01080063:", "v": 23.5}, {"n": "batt", "u": "%EL", "v": 81},'
        b' {"vb": true, "n": "door"}, {"vs": "1.2.3", "n": "fw"}]'
    )
    expected = [Row(None, {"temp": 23.5, "batt": 81, "door": True, "fw": "1.2.3"}, {"temp": "Cel", "batt": "%EL"})]
    assert rows(pack) == expected, "recognised without a content type"
    assert rows(pack, content_type="application/senml+json") == expected


def test_base_fields_hold_until_they_are_overridden() -> None:
    """Base name, time, unit, value and sum apply to their own record and to all later ones."""
    pack = [
        {"bn": "a.", "bt": 1_795_000_000, "bu": "Cel", "bv": 20, "bs": 100, "n": "x", "v": 1},
        {"n": "y", "v": 2.5, "u": "K"},
        {"bn": "b.", "bv": 0, "n": "x", "v": 3, "t": 1.5},
        {"n": "e", "s": 5},
    ]
    assert senml(pack) == [
        Row(
            1_795_000_000 * SECOND,
            {"a.x": 21, "a.x.sum": 100, "a.y": 22.5, "a.y.sum": 100, "b.e.sum": 105},
            {"a.x": "Cel", "a.x.sum": "Cel.s", "a.y": "K", "a.y.sum": "K.s", "b.e.sum": "Cel.s"},
        ),
        Row(1_795_000_001_500_000, {"b.x": 3, "b.x.sum": 100}, {"b.x": "Cel", "b.x.sum": "Cel.s"}),
    ]


def test_small_times_are_relative_to_now() -> None:
    """Below 2^28 seconds a time counts from the arrival: negative is the past."""
    assert [(row.at, row.relative) for row in senml([{"n": "a", "v": 1, "t": -5}, {"n": "a", "v": 2}])] == [
        (NOW - 5 * SECOND, True),
        (None, False),
    ]
    assert senml([{"n": "a", "v": 1, "t": 2**28}])[0].at == 2**28 * SECOND


def test_rows_come_oldest_first_and_nothing_is_lost_at_equal_times() -> None:
    """Records may come in any order; two values of one name at one time are two rows."""
    assert [
        (row.at, row.values)
        for row in senml([{"bt": 1e9, "n": "a", "v": 1, "t": 2}, {"n": "a", "v": 2, "t": 1}, {"n": "a", "v": 3, "t": 2}])
    ] == [
        (1_000_000_001 * SECOND, {"a": 2}),
        (1_000_000_002 * SECOND, {"a": 1}),
        (1_000_000_002 * SECOND, {"a": 3}),
    ]


@pytest.mark.parametrize(
    ("record", "signal"),
    [
        ({"bn": "urn:dev:ow:10e2073a01080063:", "n": "temp"}, "temp"),
        ({"n": "urn:dev:mac:0024befffe804ff1:temp"}, "temp"),
        ({"n": "urn:dev:ow:10e2073a01080063"}, "value"),
        ({"bn": "pump-7/", "n": "temp"}, "temp"),
        ({"n": "pump-7"}, "value"),
        ({"n": "pump-70"}, "pump-70"),
        ({"bn": "motor:", "n": "temp"}, "motor:temp"),
    ],
)
def test_the_part_of_a_name_that_names_the_device_is_cut(record: dict[str, str], signal: str) -> None:
    """The same signal has the same name whichever way a pack splits it, and whether or not it repeats the device."""
    assert list(senml([{**record, "v": 1}])[0].values) == [signal]


def test_unknown_labels_are_ignored_unless_they_must_be_understood() -> None:
    """A label that ends in `_` refuses the whole pack (RFC 8428, 4.4)."""
    assert senml([{"n": "a", "v": 1, "color": "red"}])
    assert reason([{"n": "a", "v": 1}, {"n": "b", "v": 1, "color_": "red"}], decoder="senml+json") == Reason.UNSUPPORTED


def test_versions() -> None:
    """10 is the default and may be said; 26 adds secondary units; anything newer is refused, and so is a change within the pack."""
    assert senml([{"bver": 10, "n": "a", "v": 1}, {"bver": 10, "n": "b", "v": 1}])
    assert senml([{"bver": 26, "n": "a", "v": 1, "u": "km/h"}])[0].units == {"a": "km/h"}
    assert reason([{"bver": 27, "n": "a", "v": 1}], decoder="senml+json") == Reason.NEWER_VERSION
    assert reason([{"n": "a", "v": 1}, {"bver": 26, "n": "b", "v": 1}], decoder="senml+json") == Reason.BAD_VALUE


def test_update_time_and_data_are_checked() -> None:
    """`ut` must be a number, and not negative; `vd` stays the base64url text it is."""
    assert senml([{"n": "a", "vd": "aGkgCg"}])[0].values == {"a": "aGkgCg"}
    assert reason([{"n": "a", "v": 1, "ut": "often"}], decoder="senml+json") == Reason.BAD_VALUE
    assert reason([{"n": "a", "v": 1, "ut": -1}], decoder="senml+json") == Reason.BAD_VALUE


def test_update_time_is_the_heartbeat() -> None:
    """The shortest promise of the pack counts; none, or zero, promises nothing."""
    assert [row.heartbeat_s for row in senml([{"n": "a", "v": 1, "ut": 600, "t": -1}, {"n": "b", "v": 1, "ut": 60.5}])] == [60.5, 60.5]
    assert [row.heartbeat_s for row in senml([{"n": "a", "v": 1, "ut": 0}, {"n": "b", "v": 1}])] == [None]


def test_what_is_missing_of_value_and_sum_is_zero() -> None:
    """A base value or sum alone is the value or sum of a record with a name (RFC 8428, 4.5.4)."""
    assert senml([{"bv": 20, "bu": "W"}, {"n": "a"}, {"n": "b", "v": 1}])[0].values == {"a": 20, "b": 21}
    [row] = senml([{"bs": 5, "bu": "W", "n": "a"}, {"n": "b", "s": 1, "v": 2}])
    assert (row.values, row.units) == ({"a.sum": 5, "b": 2, "b.sum": 6}, {"a.sum": "J", "b": "W", "b.sum": "J"})


@pytest.mark.parametrize("version", [0, -1, 10.5, "10", None, True])
def test_a_version_is_a_positive_whole_number(version: object) -> None:
    """Anything else says nothing about how to read the pack."""
    assert reason([{"bver": version, "n": "a", "v": 1}], decoder="senml+json") == Reason.BAD_VALUE


@pytest.mark.parametrize("record", [{"n": ""}, {"n": "_a"}, {"bn": ".", "n": "a"}, {"n": "a b"}, {"n": "ä"}, {}])
def test_a_resolved_name_begins_with_a_letter_or_digit(record: dict[str, str]) -> None:
    """And it holds only what RFC 8428 allows, wherever the parts came from."""
    assert reason([{"bv": 1, **record, "v": 1}], decoder="senml+json") == Reason.BAD_NAME
