"""Sparkplug payloads: what travels and what it stands for, compressed or not, and columns that say the same."""

from __future__ import annotations

import gzip
import json
import math
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.decoders.rows import I64_MAX, I64_MIN
from ingest.dialects.sparkplug import payload, sparkplug_pb2
from ingest.dialects.sparkplug.forms import Forms, learn
from ingest.dialects.sparkplug.payload import Raw, Written, read, value, write
from vorab.errors import Reason, Rejected


def made(*metrics: dict[str, Any], timestamp: int | None = 1_795_414_334_571, seq: int | None = None, **more: Any) -> bytes:
    """A payload as the protobuf library writes it."""
    found = sparkplug_pb2.Payload(timestamp=timestamp, seq=seq, **more)
    for metric in metrics:
        found.metrics.add(**metric)
    data: bytes = found.SerializeToString()
    return data


def reason(data: bytes) -> Reason:
    """Why a payload is refused."""
    with pytest.raises(Rejected) as why:
        read(data)
    return why.value.reason


@pytest.mark.parametrize(
    ("datatype", "raw", "found"),
    [
        (payload.INT8, 253, -3),
        (payload.INT8, 0xFFFFFFFD, -3),
        (payload.INT16, 65_533, -3),
        (payload.INT16, 2**64 - 3, -3),
        (payload.INT32, 4_294_967_293, -3),
        (payload.INT64, 2**64 - 3, -3),
        (payload.UINT8, 255, 255),
        (payload.UINT32, 4_294_967_293, 4_294_967_293),
        (payload.UINT64, 2**63 - 1, 2**63 - 1),
        (payload.UINT64, 2**63, None),
        (payload.FLOAT, 21.5, 21.5),
        (payload.DOUBLE, 3, 3.0),
        (payload.DOUBLE, math.nan, None),
        (payload.FLOAT, -math.inf, None),
        (payload.BOOLEAN, True, True),
        (payload.BOOLEAN, 0, False),
        (payload.INT32, 3.0, 3),
        (payload.STRING, "on", "on"),
        (payload.TEXT, "x" * 256, None),
        (payload.UUID, "6a2f", "6a2f"),
        (payload.DATETIME, 1_795_414_334_571, 1_795_414_334_571),
        (16, b"dataset", None),
        (17, b"bytes", None),
        (18, b"file", None),
        (22, b"\xfd\x01", "[-3,1]"),
        (24, struct.pack("<2i", -3, 7), "[-3,7]"),
        (29, struct.pack("<Q", 2**64 - 1), "[18446744073709551615]"),
        (30, struct.pack("<2f", 0.5, math.nan), "[0.5,null]"),
        (32, struct.pack("<I", 3) + b"\xa0", "[true,false,true]"),
        (33, b"a\0b\0", '["a","b"]'),
        (31, struct.pack("<300d", *range(300)), None),
        (payload.INT32, None, None),
    ],
)
def test_the_datatype_says_what_a_value_stands_for(datatype: int, raw: Raw, found: object) -> None:
    """Two's complement in unsigned fields with the sign extended or not, floats that are none, arrays as the text of a list."""
    given_ = value("m", raw, datatype)
    assert given_ == found
    assert type(given_) is type(found)


@pytest.mark.parametrize(
    ("datatype", "raw"),
    [(payload.INT32, "3"), (payload.INT32, 3.5), (payload.DOUBLE, "3"), (payload.BOOLEAN, "on"), (payload.STRING, 3), (24, b"abc"),
     (32, b"\xff"), (32, struct.pack("<I", 9) + b"\0"), (33, b"\xff"), (22, 3)],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(datatype: int, raw: Raw) -> None:
    """What the birth called a number stays one."""
    with pytest.raises(Rejected) as why:
        value("m", raw, datatype)
    assert why.value.reason is Reason.BAD_VALUE


@given(
    st.one_of(
        st.tuples(st.sampled_from([payload.INT8, payload.UINT8]), st.integers(0, 127)),
        st.tuples(st.just(payload.INT16), st.integers(-(2**15), 2**15 - 1)),
        st.tuples(st.just(payload.INT32), st.integers(-(2**31), 2**31 - 1)),
        st.tuples(st.sampled_from([payload.INT64, payload.DATETIME]), st.integers(I64_MIN, I64_MAX)),
        st.tuples(st.just(payload.UINT32), st.integers(0, 2**32 - 1)),
        st.tuples(st.just(payload.UINT64), st.integers(0, I64_MAX)),
        st.tuples(st.just(payload.FLOAT), st.floats(width=32, allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(payload.DOUBLE), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(payload.BOOLEAN), st.booleans()),
        st.tuples(st.sampled_from(sorted(payload.TEXTS)), st.text(max_size=255)),
    ),
    st.text(min_size=1, max_size=20),
)
def test_what_is_written_is_read(given_: tuple[int, Any], name: str) -> None:
    """Every kind of value survives the way to a device and back."""
    datatype, wanted = given_
    found = read(write([Written(name, datatype, wanted)], 5))
    [metric] = found.metrics
    assert (found.timestamp, metric.name, metric.timestamp) == (5, name, 5)
    assert value(name, metric.raw, payload.datatype_of(metric)) == wanted


@pytest.mark.parametrize(
    ("datatype", "wanted"),
    [(payload.INT8, 128), (payload.UINT8, -1), (payload.INT32, 1.5), (payload.BOOLEAN, 1), (payload.DOUBLE, "1"), (payload.DOUBLE, True),
     (16, "x")],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_not_written(datatype: int, wanted: Any) -> None:
    """A device gets what was asked for, or nothing."""
    with pytest.raises(Rejected) as why:
        write([Written("m", datatype, wanted)], 5)
    assert why.value.reason is Reason.BAD_VALUE


@pytest.mark.parametrize("fold", [zlib.compress, gzip.compress])
@pytest.mark.parametrize("named", [True, False])
def test_a_compressed_payload_is_unfolded(fold: Any, *, named: bool) -> None:
    """Either algorithm, whether it is named or not; what is inside counts."""
    inner = made({"alias": 7, "double_value": 1.5}, seq=9)
    outer = [{"name": "algorithm", "datatype": 12, "string_value": "GZIP"}] if named else []
    found = read(made(*outer, timestamp=None, uuid=payload.COMPRESSED, body=fold(inner)))
    assert found == read(inner)


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    """Fifty times its size is the most, and a megabyte; what ends too soon, is nothing of the kind, or is folded twice is refused."""
    bomb = zlib.compress(bytes(50_000_000), 9)
    assert reason(made(uuid=payload.COMPRESSED, body=bomb)) is Reason.TOO_LARGE
    assert reason(made(uuid=payload.COMPRESSED, body=zlib.compress(made())[:-5])) is Reason.BAD_SHAPE
    assert reason(made(uuid=payload.COMPRESSED, body=b"plain")) is Reason.BAD_SHAPE
    twice = made(uuid=payload.COMPRESSED, body=zlib.compress(made()))
    assert reason(made(uuid=payload.COMPRESSED, body=zlib.compress(twice))) is Reason.TOO_DEEP
    assert reason(b"\xff") is Reason.BAD_SHAPE
    assert reason(made(*[{}] * 20_001)) is Reason.TOO_LARGE
    assert reason(made({"double_value": 1.0})) is Reason.BAD_SHAPE


@pytest.mark.parametrize(("quality", "raw"), [(192, 1.5), (0, None), (500, None)])
def test_a_value_of_bad_quality_is_none(quality: int, raw: float | None) -> None:
    """The property `Quality` of OPC: bad and stale values are no values."""
    properties = sparkplug_pb2.PropertySet(
        keys=["Quality", "engUnit"],
        values=[sparkplug_pb2.PropertyValue(type=3, int_value=quality), sparkplug_pb2.PropertyValue(type=12, string_value="Cel")],
    )
    [metric] = read(made({"alias": 7, "double_value": 1.5, "properties": properties})).metrics
    assert (metric.raw, metric.unit) == (raw, "Cel")


@given(st.binary(max_size=300))
@example(b"\x08\x01\x12\x02\x08\x01\x18\x00")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but a refusal comes out, and a form is learned of nothing that the library does not read."""
    form = learn(0, data)
    try:
        read(data)
    except Rejected:
        assert form is None


# ------------------------------------------------------------------------------------------------ columns

values = st.one_of(
    st.fixed_dictionaries({"int_value": st.integers(0, 2**32 - 1)}),
    st.fixed_dictionaries({"long_value": st.integers(0, 2**64 - 1)}),
    st.fixed_dictionaries({"float_value": st.floats(width=32)}),
    st.fixed_dictionaries({"double_value": st.floats()}),
    st.fixed_dictionaries({"boolean_value": st.booleans()}),
    st.fixed_dictionaries({"string_value": st.text(max_size=3)}),
)
metrics = st.builds(
    lambda named, given_, more: {**named, **given_, **more},
    st.one_of(
        st.fixed_dictionaries({"alias": st.integers(0, 2**64 - 1)}),
        st.fixed_dictionaries({"name": st.text(max_size=4)}),
        st.fixed_dictionaries({"alias": st.integers(0, 300), "name": st.text(min_size=1, max_size=4)}),
    ),
    values,
    st.fixed_dictionaries(
        {},
        optional={
            "timestamp": st.integers(0, 2**64 - 1),
            "datatype": st.integers(0, 40),
            "is_historical": st.booleans(),
            "is_transient": st.booleans(),
            "is_null": st.booleans(),
        },
    ),
)


@given(
    st.lists(
        st.builds(
            lambda found, timestamp, seq: made(*found, timestamp=timestamp, seq=seq),
            st.lists(metrics, max_size=3),
            st.one_of(st.none(), st.integers(0, 2**64 - 1)),
            st.one_of(st.none(), st.integers(0, 300)),
        ),
        max_size=6,
    )
)
def test_columns_say_what_the_library_says(found: list[bytes]) -> None:
    """Whatever is read as columns, the protobuf library reads as the same aliases, numbers, times and values."""
    payloads = found * 3  # so that forms have company
    for reads in Forms().read(payloads):
        for row, position in enumerate(reads.positions.tolist()):
            if not reads.good[row]:
                continue
            said = read(payloads[position])
            assert said.seq == reads.seqs[row]
            times = {metric.timestamp or said.timestamp for metric in said.metrics}
            assert times == {None if reads.at is None else int(reads.at[row])}
            for part, metric, column in zip(reads.form.parts, said.metrics, reads.values, strict=True):
                assert part.name == metric.name
                assert not metric.historical
                assert metric.raw is not None
                assert np.array_equal(column[row], metric.raw)


def test_a_form_is_learned_once_and_read_together() -> None:
    """Payloads that differ in nothing but numbers share a form."""
    payloads = [made({"alias": 7, "double_value": i / 4}, {"alias": 8, "int_value": 5 + i}, seq=i) for i in range(20)]
    [reads] = Forms().read(payloads)
    assert reads.good.all()
    assert reads.seqs.tolist() == list(range(20))
    assert reads.values[0].tolist() == [i / 4 for i in range(20)]
    assert json.loads(json.dumps(reads.values[1].tolist())) == [5 + i for i in range(20)]


def test_a_message_has_a_bounded_number_of_metrics() -> None:
    """However small they are and however well they fold, and before anything is made of them."""
    tiny = b"\x12\x02\x10\x07"
    assert len(read(tiny * 1_024).metrics) == 1_024
    assert reason(tiny * 1_025) == Reason.TOO_LARGE
    assert reason(b"\x12\x00" * 30_000) == Reason.TOO_LARGE
    assert reason(made(uuid=payload.COMPRESSED, body=zlib.compress(tiny * 1_025))) == Reason.TOO_LARGE


def test_a_larger_message_may_have_more_metrics() -> None:
    """Where the operator lets larger ones in, a birth of a large plant fits."""
    metrics = [{"name": f"{i}/{'x' * 60}", "alias": i, "datatype": 10, "double_value": 1.5} for i in range(2_000)]
    assert len(read(made(*metrics)).metrics) == 2_000


def test_a_metric_has_a_bounded_number_of_properties() -> None:
    """Quality and unit are looked for among them, and that takes its time."""
    assert reason(made({"alias": 1, "properties": sparkplug_pb2.PropertySet(keys=["k"] * 16_385)})) == Reason.TOO_LARGE
