"""Packed binary by declared places: types, byte order, bits, records, layouts, and whatever else comes."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import Row
from ingest.decoders.packed import Layout, Reader
from ingest.decoders.rows import Sender
from tests.unit.ingest.declaring import NOW, rows
from vorab.clock import SECOND
from vorab.errors import Reason, Rejected
from vorab.layouts import Packed


def reason(text: str, payload: bytes) -> Reason:
    """Why a payload is refused."""
    with pytest.raises(Rejected) as caught:
        rows(text, payload)
    return caught.value.reason


def one(spec: str, payload: bytes) -> Any:
    """The value of the only signal."""
    return rows(f"packed.signals.x = {{ {spec} }}", payload)[0].values["x"]


@pytest.mark.parametrize(
    ("spec", "payload", "expected"),
    [
        ('at = 1, type = "u8"', b"\0\xff", 255),
        ('at = 0, type = "i8"', b"\xff", -1),
        ('at = 0, type = "u16"', b"\x01\x02", 0x0102),
        ('at = 0, type = "u16", order = "little"', b"\x01\x02", 0x0201),
        ('at = 0, type = "i16"', b"\xff\xfe", -2),
        ('at = 0, type = "u24"', b"\x01\x02\x03", 0x010203),
        ('at = 0, type = "i24", order = "little"', b"\xfe\xff\xff", -2),
        ('at = 0, type = "u32"', b"\xff" * 4, 2**32 - 1),
        ('at = 0, type = "i32"', b"\xff" * 4, -1),
        ('at = 0, type = "u64"', b"\x7f" + b"\xff" * 7, 2**63 - 1),
        ('at = 0, type = "i64"', b"\x80" + b"\0" * 7, -(2**63)),
        ('at = 0, type = "f32"', struct.pack(">f", 1.5), 1.5),
        ('at = 0, type = "f64", order = "little"', struct.pack("<d", -0.1), -0.1),
        ('at = 0, type = "bcd", size = 2', b"\x12\x34", 1234),
        ('at = 0, type = "bcd", size = 2, order = "little"', b"\x34\x12", 1234),
        ('at = 0, type = "bool"', b"\x02", True),
        ('at = 0, type = "bool", bit = 3', b"\x08", True),
        ('at = 0, type = "bool", bit = 12', b"\0\x10", True),
        ('at = 0, type = "bool", bit = 3', b"\xf7", False),
        ('at = 0, type = "bits", bit = 4, bits = 3', b"\x50", 5),
        ('at = 0, type = "bits", bit = 4, bits = 8', b"\x0a\xb0", 0xAB),
        ('at = 0, type = "bits", bit = 4, bits = 8, order = "little"', b"\xb0\x0a", 0xAB),
        ('at = 0, type = "bits", bits = 4, signed = true', b"\x0e", -2),
        ('at = 0, type = "text", size = 6', b"ok\0\0  ", "ok"),
        ('at = 0, type = "hex", size = 3', b"\x01\xab\xff", "01abff"),
        ('at = 0, type = "i16", scale = 0.1', b"\0\x03", 0.3),
        ('at = 0, type = "u8", scale = 2, offset = -40, min = -40', b"\x05", -30),
    ],
)
def test_every_type_is_read_as_it_was_written(spec: str, payload: bytes, expected: object) -> None:
    """Width, sign, byte order, bits, decimals and scale."""
    found = one(spec, payload)
    assert (found, type(found)) == (expected, type(expected))


CODES: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "u8": ("B", st.integers(0, 2**8 - 1)),
    "i8": ("b", st.integers(-(2**7), 2**7 - 1)),
    "u16": ("H", st.integers(0, 2**16 - 1)),
    "i16": ("h", st.integers(-(2**15), 2**15 - 1)),
    "u32": ("I", st.integers(0, 2**32 - 1)),
    "i32": ("i", st.integers(-(2**31), 2**31 - 1)),
    "u64": ("Q", st.integers(0, 2**63 - 1)),
    "i64": ("q", st.integers(-(2**63), 2**63 - 1)),
    "f32": ("f", st.floats(allow_nan=False, allow_infinity=False, width=32)),
    "f64": ("d", st.floats(allow_nan=False, allow_infinity=False)),
}


@given(st.data())
def test_what_struct_packs_is_read_back(data: st.DataObject) -> None:
    """Any fields side by side, in either byte order and with gaps, come back as they were packed."""
    kinds = data.draw(st.lists(st.sampled_from(sorted(CODES)), min_size=1, max_size=8))
    order = data.draw(st.sampled_from(["big", "little"]))
    mark, payload, signals, wanted = ">" if order == "big" else "<", b"", {}, {}
    for i, kind in enumerate(kinds):
        payload += b"\xaa" * data.draw(st.integers(0, 3))
        code, values = CODES[kind]
        wanted[f"s{i}"] = data.draw(values)
        signals[f"s{i}"] = {"at": len(payload), "type": kind}
        payload += struct.pack(mark + code, wanted[f"s{i}"])
    layout = Layout(Packed.model_validate({"order": order, "signals": signals}))
    [row] = layout.rows(payload, Sender("pump-7", "main/pump-7", NOW))
    assert row.values == wanted


@given(st.integers(0, 60), st.integers(1, 64), st.sampled_from(["big", "little"]), st.binary(min_size=16, max_size=16))
def test_bits_are_what_shifting_the_number_gives(bit: int, bits: int, order: Any, payload: bytes) -> None:
    """Any run of bits, in either byte order, is the number of its bytes, shifted and masked."""
    if bit + bits > 64:
        bits = 64 - bit
    width = (bit + bits + 7) // 8
    expected = int.from_bytes(payload[2 : 2 + width], order) >> bit & (1 << bits) - 1
    if expected < 2**63:
        assert one(f'at = 2, type = "bits", bit = {bit}, bits = {bits}, order = "{order}"', payload) == expected


def test_fields_may_overlap() -> None:
    """The same bytes may be read as flags and as a number; each byte is read once per plan."""
    text = """
        packed.signals.status = { at = 0, type = "u16" }
        packed.signals.alarm = { at = 0, type = "bool", bit = 7 }
        packed.signals.low = { at = 1, type = "u8" }
        packed.signals.swapped = { at = 0, type = "u16", order = "little" }
    """
    assert rows(text, b"\x80\x01") == [Row(None, {"status": 0x8001, "alarm": True, "low": 1, "swapped": 0x0180})]


def test_records_repeat_to_the_end() -> None:
    """A header with time and count, a record a minute, a checksum at the end: one row each, the marked value left out."""
    text = """
        packed.order = "little"
        packed.header = 6
        packed.stride = 3
        packed.trailer = 2
        packed.time = { of = "payload", at = 0, type = "u32", unit = "s", every_s = 60 }
        packed.seq = { of = "payload", at = 4, type = "u16" }
        packed.signals.temperature = { at = 0, type = "i16", scale = 0.01, unit = "Cel", none = -32768 }
        packed.signals.door = { at = 2, type = "bool", bit = 0 }
    """
    payload = struct.pack("<IH", 1_795_000_000, 9) + struct.pack("<hB", 2150, 1) + struct.pack("<hB", -32768, 0) + b"??"
    assert rows(text, payload) == [
        Row(NOW, {"temperature": 21.5, "door": True}, {"temperature": "Cel"}, None, 9),
        Row(NOW + 60 * SECOND, {"door": False}, {}, None, 9),
    ]
    assert reason(text, payload[:-1]) == Reason.BAD_SHAPE
    assert reason(text, payload[:7]) == Reason.BAD_SHAPE
    assert len(rows(text, payload[:6] + b"\1\2\3" * 600 + b"??")) == 600
    assert reason(text, payload[:6] + b"\1\2\3" * 601 + b"??") == Reason.TOO_LARGE


def test_a_time_may_count_from_elsewhere_or_backwards() -> None:
    """Seconds since 2000, or an age in milliseconds; an age is relative to the arrival, and says so."""
    since = 'packed.time = { at = 0, type = "u32", since = 2000-01-01T00:00:00Z }\npacked.signals.x = { at = 4, type = "u8" }'
    assert rows(since, struct.pack(">IB", 100, 7)) == [Row((946_684_800 + 100) * SECOND, {"x": 7})]
    ago = 'packed.time = { at = 0, type = "u32", unit = "ms", ago = true }\npacked.signals.x = { at = 4, type = "u8" }'
    assert rows(ago, struct.pack(">IB", 1500, 7)) == [Row(NOW - 1_500_000, {"x": 7}, relative=True)]
    nan = 'packed.time = { at = 0, type = "f32" }\npacked.signals.x = { at = 4, type = "u8" }'
    assert reason(nan, struct.pack(">fB", float("nan"), 7)) == Reason.BAD_TIME


def test_the_tag_of_a_payload_chooses_its_layout() -> None:
    """One topic, several kinds of message; one that no layout is meant for is refused."""
    text = """
        [[packed]]
        when = { at = 0, type = "u8", equals = 1 }
        length = 3
        signals.temperature = { at = 1, type = "i16", scale = 0.1 }
        [[packed]]
        when = { at = 0, type = "u8", equals = 2 }
        signals.door = { at = 1, type = "bool" }
    """
    assert rows(text, b"\1\0\xd7") == [Row(None, {"temperature": 21.5})]
    assert rows(text, b"\2\1more") == [Row(None, {"door": True})]
    assert reason(text, b"\1\0\xd7\0") == Reason.BAD_SHAPE
    assert reason(text, b"\3\0\xd7") == Reason.UNSUPPORTED
    assert reason(text, b"") == Reason.EMPTY


def test_bytes_as_text_and_inside_json() -> None:
    """Hex or base64, alone or at a path of a JSON payload, as LoRaWAN network servers hand payloads on."""
    signals = 'packed.signals.x = { at = 0, type = "u16" }\n'
    assert rows(f'{signals}packed.encoding = "hex"', b"01 02\n") == [Row(None, {"x": 258})]
    assert rows(f'{signals}packed.encoding = "base64"', base64.b64encode(b"\1\2")) == [Row(None, {"x": 258})]
    inside = f'{signals}packed.encoding = "base64"\npacked.path = "uplink_message.frm_payload"'
    assert rows(inside, {"uplink_message": {"frm_payload": "AQI="}}) == [Row(None, {"x": 258})]
    for payload in (b"[]", b'{"uplink_message": {"frm_payload": 7}}'):
        assert reason(inside, payload) == Reason.BAD_SHAPE
    assert reason(inside, b'{"uplink_message": {"frm_payload": "?"}}') == Reason.BAD_VALUE
    assert reason(f'{signals}packed.encoding = "hex"', b"0x01") == Reason.BAD_VALUE
    assert reason(f'{signals}packed.encoding = "hex"', b"\xff") == Reason.BAD_VALUE


def test_what_means_nothing_is_no_value_and_what_is_wrong_refuses() -> None:
    """NaN is no value only where the layout says so; outside of the range, the message is refused."""
    nan = struct.pack(">f", float("nan"))
    assert reason('packed.signals.x = { at = 0, type = "f32" }', nan) == Reason.NOT_FINITE
    assert reason('packed.signals.x = { at = 0, type = "f32", none = nan }', nan) == Reason.EMPTY
    assert reason('packed.signals.x = { at = 0, type = "i16", scale = 0.1, max = 125 }', b"\x7f\xff") == Reason.BAD_VALUE
    assert reason('packed.signals.x = { at = 0, type = "u64" }', b"\xff" * 8) == Reason.BAD_VALUE
    assert reason('packed.signals.x = { at = 0, type = "bcd", size = 1 }', b"\x1a") == Reason.BAD_VALUE
    assert reason('packed.signals.x = { at = 0, type = "text", size = 1 }', b"\xff") == Reason.BAD_UTF8


def test_a_device_behind_the_sender_by_its_address() -> None:
    """A gateway that hands on radio frames names each node by its bytes."""
    text = 'packed.device = { at = 0, type = "hex", size = 2 }\npacked.signals.x = { at = 2, type = "u8" }'
    assert rows(text, b"\xab\xcd\x05") == [Row(None, {"x": 5}, device="pump-7:abcd")]


_LAYOUTS: tuple[dict[str, Any], ...] = (
    {
        "signals": {
            "a": {"at": 0, "type": "f64"},
            "b": {"at": 1, "type": "bits", "bit": 3, "bits": 61},
            "c": {"at": 3, "type": "bcd", "size": 3},
        }
    },
    {"stride": 3, "time": {"at": 0, "type": "u16", "ago": True}, "signals": {"a": {"at": 2, "type": "i8", "max": 100}}},
    {"encoding": "hex", "signals": {"a": {"at": 0, "type": "text", "size": 4}}},
    {"path": "a", "encoding": "base64", "signals": {"a": {"at": 0, "type": "f32"}}},
    {
        "time": {"at": 0, "type": "f64"},
        "seq": {"at": 0, "type": "u64"},
        "boot": {"at": 0, "type": "u32"},
        "signals": {"a": {"at": 0, "type": "u8"}},
    },
)


def _reader(spec: dict[str, Any]) -> Callable[[bytes, Sender], list[Row]]:
    reader = Reader([Packed.model_validate(spec)])
    return lambda payload, sender: reader.rows(reader.parse(payload), sender)


READERS = tuple(map(_reader, _LAYOUTS))


@given(st.sampled_from(READERS), st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_whatever_bytes_come_rows_or_a_reason_come_out(read: Callable[[bytes, Sender], list[Row]], payload: bytes) -> None:
    """Any bytes under any layout give rows that columns can hold, or Rejected; the same twice."""
    sender = Sender("pump-7", "main/pump-7", NOW)
    try:
        found = read(payload, sender)
    except Rejected:
        return
    assert found == read(payload, sender)
    for row in found:
        assert row.at is None or abs(row.at) <= 2**63
        assert row.boot is None or row.boot < 2**32
