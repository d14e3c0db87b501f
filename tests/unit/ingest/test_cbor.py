"""CBOR: SenML packs by their numbered labels, plain maps as flat JSON, and nothing that grows, points back or runs."""

from __future__ import annotations

import json
import math
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import Row, Sender, decode
from ingest.decoders.cbor import LABELS, parse, starts
from ingest.decoders.strict import MAX_DEPTH
from vorab.clock import SECOND
from vorab.errors import Reason, Rejected

NOW = 1_795_000_000 * SECOND
SENDER = Sender("pump-7", "main/pump-7", NOW)
NUMBERS = {label: number for number, label in LABELS.items()}

MICROPYTHON = bytes.fromhex(
    "84 a4 00 6474656d70 01 6343656c 02 fb4037800000000000 21 781c75726e3a6465763a6f773a313065323037336130313038303036333a"
    "a3 00 6462617474 01 6325454c 02 1851  a2 00 64646f6f72 04 f5  a2 00 626677 03 65312e322e33"
)
"""As MicroPython's senml library writes it."""


def rows(payload: bytes, **more: str) -> list[Row]:
    """The rows of a payload."""
    return decode(payload, SENDER, **more)  # type: ignore[arg-type]  # decoder and content_type


def reason(payload: bytes, **more: str) -> Reason:
    """Why a payload is refused."""
    with pytest.raises(Rejected) as caught:
        rows(payload, **more)
    return caught.value.reason


def numbered(pack: list[dict[str, Any]]) -> bytes:
    """A pack as CBOR, with numbered labels."""
    return cbor2.dumps([{NUMBERS.get(label, label): value for label, value in record.items()} for record in pack])


@pytest.mark.parametrize(
    "how",
    [{}, {"decoder": "senml+cbor"}, {"content_type": "application/senml+cbor"}, {"content_type": "Application/CBOR"}],
)
def test_a_real_pack_of_a_microcontroller(how: dict[str, str]) -> None:
    """Recognised by its content type, by the topic map, and by its look."""
    assert rows(MICROPYTHON, **how) == [Row(None, {"temp": 23.5, "batt": 81, "door": True, "fw": "1.2.3"}, {"temp": "Cel", "batt": "%EL"})]


@pytest.mark.parametrize("how", [{}, {"decoder": "cbor"}, {"content_type": "application/cbor"}])
def test_a_plain_map_is_read_like_flat_json(how: dict[str, str]) -> None:
    """The same keys mean the same: time, counters, values, and lists of several."""
    one = {"ts": 1_795_000_000_123, "boot": 3, "seq": 17, "temperature": 21.5, "door": True, "state": "ok", "nothing": None}
    assert rows(cbor2.dumps(one), **how) == decode(json.dumps(one).encode(), SENDER)
    assert len(rows(cbor2.dumps([{"ts": 1, "values": {"a": 1}}, {"a": 2}]), **how)) == 2


numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
records = st.fixed_dictionaries(
    {},
    optional={
        "bn": st.sampled_from(["urn:dev:ow:10e2073a01080063:", "pump-7/", "x_"]), "n": st.sampled_from(["a", "b", "c:d"]),
        "bt": numbers, "t": numbers, "bu": st.just("K"), "u": st.sampled_from(["Cel", "W"]), "v": numbers, "vb": st.booleans(),
        "vs": st.text(max_size=4), "bv": numbers, "s": numbers, "bs": numbers, "ut": numbers, "bver": st.sampled_from([10, 26, 27]),
        "color": st.text(max_size=3), "must_": st.just(1),
    },
)  # fmt: skip


@given(st.lists(records, max_size=5))
def test_cbor_and_json_give_the_same_rows(pack: list[dict[str, Any]]) -> None:
    """Two spellings of one pack: the same rows, or the same reason."""
    found: list[object] = []
    for payload, decoder in ((numbered(pack), "senml+cbor"), (json.dumps(pack).encode(), "senml+json")):
        try:
            found.append(decode(payload, SENDER, decoder=decoder))
        except Rejected as why:
            found.append((why.reason, why.detail))
    assert found[0] == found[1]


def test_data_is_base64url_as_in_json() -> None:
    """Byte strings have a text form in JSON, without padding; elsewhere they are no values."""
    assert rows(numbered([{"n": "a", "vd": b"\xff\xfe\xfd\xfc"}]))[0].values == {"a": "__79_A"}
    assert reason(numbered([{"n": b"a", "v": 1}])) == Reason.BAD_VALUE
    assert reason(cbor2.dumps({"a": b"x"})) == Reason.BAD_VALUE
    assert reason(cbor2.dumps({"values": {"a": b"x"}})) == Reason.BAD_VALUE
    assert rows(numbered([{"n": "a", "v": 1, "other": b"x"}])), "a label nobody knows is ignored, whatever it holds"


def test_labels() -> None:
    """Numbers are a closed table; text stands for the same label, and then not twice; what ends in `_` refuses the pack."""
    assert reason(cbor2.dumps([{0: "a", 2: 1, 9: 1}])) == Reason.UNSUPPORTED
    assert rows(cbor2.dumps([{"n": "a", 2: 1}]))[0].values == {"a": 1}
    assert reason(cbor2.dumps([{0: "a", "n": "b", 2: 1}])) == Reason.BAD_SHAPE
    assert reason(cbor2.dumps([{0: "a", 2: 1, "new_": 1}])) == Reason.UNSUPPORTED
    assert reason(cbor2.dumps({1: 2}), decoder="cbor") == Reason.BAD_NAME


def test_decimal_fractions_are_numbers() -> None:
    """SenML allows tag 4 where a float would lose digits; what is too far for a float is refused, and costs nothing."""
    assert rows(bytes.fromhex("81a2006161 02 c48221196ab3"))[0].values == {"a": 273.15}
    assert reason(bytes.fromhex("81a2006161 02 c482 1a7fffffff 01")) == Reason.BAD_VALUE
    assert reason(bytes.fromhex("81a2006161 02 c482 190190 01")) == Reason.NOT_FINITE
    assert reason(bytes.fromhex("81a2006161 02 c48121")) == Reason.BAD_CBOR


REFUSED = {
    Reason.EMPTY: (
        "",
        "a16161f7",
        "80",
        "a0",
    ),
    Reason.BAD_CBOR: (
        "a1",
        "a16161",
        "ff",
        "a161611c",
        "a1616101ff",
        "a161610100",
        "9b7fffffffffffffff01",
        "bb7fffffffffffffff6161",
        "a161617b0fffffffffffffff61",
    ),
    Reason.BAD_NAME: (
        "a1f500",
        "a1f97e0000",
        "a1f600",
        "a1a001",
        "a18001",
        "81a20061610200",
    ),
    Reason.BAD_UTF8: (
        "a1616162c328",
        "a162c32801",
    ),
    Reason.BAD_SHAPE: (
        "a26161016161 02",
        "01",
    ),
    Reason.NOT_FINITE: (
        "a16161f97e00",
        "a16161f97c00",
        "a1627473fb7ff8000000000000",
    ),
    Reason.BAD_VALUE: (
        "a161611bffffffffffffffff",
        "a161613bffffffffffffffff",
    ),
    Reason.UNSUPPORTED: (
        "a16161c11a514b67b0",
        "a16161c074323031332d30332d32315432303a30343a30305a",
        "a16161c249010000000000000000",
        "d81c81d81d00",
        "a16161d823622861",
        "a16161d9ffff01",
        "a16161f8ff",
    ),
}


@pytest.mark.parametrize(("payload", "why"), [(payload, why) for why, payloads in REFUSED.items() for payload in payloads])
def test_what_is_not_plain_is_refused(payload: str, why: Reason) -> None:
    """Cut short, run over, keys twice, tags with a life of their own, numbers that are none: a reason each."""
    assert reason(bytes.fromhex(payload), decoder="cbor") == why


def test_depth_is_bounded_before_anything_is_built() -> None:
    """Sixteen levels pass, seventeen do not, of whatever kind."""
    assert parse(b"\x81" * MAX_DEPTH + b"\x00")
    for level in (b"\x81", b"\x9f", b"\xa1\x00", b"\xc4", b"\xd8\x1c"):
        with pytest.raises(Rejected) as caught:
            parse(level * 8_000 + b"\x00")
        assert caught.value.reason in {Reason.TOO_DEEP, Reason.UNSUPPORTED}


def test_lists_are_bounded() -> None:
    """Small elements in CBOR are smaller than in JSON: what would take milliseconds to look through is refused at once."""
    assert len(rows(numbered([{"n": f"a{i % 4}", "v": i} for i in range(1024)]))) == 256
    assert reason(numbered([{"n": "a", "v": i} for i in range(1025)])) == Reason.TOO_LARGE
    assert reason(b"\x9f" + b"\xa0" * 4097 + b"\xff") == Reason.TOO_LARGE
    assert reason(cbor2.dumps({"a": [[0] * 4_000] * 4})) == Reason.TOO_LARGE


@pytest.mark.parametrize("piece", [b"\x80", b"\xa0", b"\x81\x80", b"\xc4\x82\x01\x01", b"\x9f\xff"])
def test_a_payload_of_nothing_but_lists_is_refused_before_it_is_built(piece: bytes) -> None:
    """A byte can be a list of its own; what a text holds is no list, however it looks."""
    assert reason(b"\xa1\x61a\x9f" + piece * (60_000 // len(piece)) + b"\xff") == Reason.TOO_LARGE
    assert reason(cbor2.dumps({"a": "\u0800" * 20_000})) == Reason.BAD_VALUE


def test_data_may_hold_whatever_bytes() -> None:
    """Floats are made of bytes that look like lists: a thousand readings with all digits pass."""
    pack = [{"n": f"a{i % 8}", "v": -1.0000000000000002 * 1.1**i, "t": 1.7e9 + i / 3} for i in range(1024)]
    assert len(rows(numbered(pack))) == 1024


def test_a_stream_may_leave_the_end_open_and_cbor_may_name_itself() -> None:
    """Arrays and maps of indefinite length are what small encoders write; the tag of CBOR itself says nothing new."""
    assert rows(bytes.fromhex("9fbf006161 0201ffff"))[0].values == {"a": 1}
    assert rows(b"\xd9\xd9\xf7" + MICROPYTHON) == rows(MICROPYTHON)


def test_no_json_begins_like_cbor() -> None:
    """A message without a content type is read as what it can only be."""
    assert not any(starts(bytes([first])) for first in (*range(0x80), *range(0xC0, 0x100)))
    assert starts(MICROPYTHON)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-7, 9) | st.sampled_from(["n", "v", "ts", "values", "a", "must_"]), inner, max_size=5)
    ),
    max_leaves=10,
)


@given(
    st.binary(max_size=60) | plain.map(cbor2.dumps) | st.tuples(plain.map(cbor2.dumps), st.integers(0, 60), st.integers(0, 255)).map(
        lambda one: one[0][: one[1]] + bytes([one[2]]) + one[0][one[1] + 1 :]
    ),
    st.sampled_from(["cbor", "senml+cbor", "auto"]),
)  # fmt: skip
def test_whatever_comes_in_rows_or_a_reason_come_out(payload: bytes, decoder: str) -> None:
    """Fuzzed with noise, with good CBOR and with good CBOR of which one byte is wrong: nothing but rows and Rejected."""
    try:
        found = decode(payload, SENDER, decoder=decoder)
    except Rejected:
        return
    for row in found:
        for value in row.values.values():
            assert isinstance(value, bool | int | float | str)
            assert not isinstance(value, float) or math.isfinite(value)
