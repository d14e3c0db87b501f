"""The frame: what goes in comes out."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vorab import frame
from vorab.errors import Reason, Rejected
from vorab.frame import Block, Frame, Reading

micros = st.integers(-(2**62), 2**62)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
values = st.one_of(st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1), st.booleans(), names)
readings = st.builds(
    Reading,
    device=st.sampled_from(["main/a", "main/b", "recorded/ü"]),
    measured_at=micros,
    received_at=micros,
    quality=st.integers(0, 15),
    values=st.dictionaries(names, values, min_size=1, max_size=4),
    units=st.just({}),
    boot=st.none() | st.integers(0, 2**32 - 1),
    seq=st.none() | st.integers(0, 2**64 - 1),
)


@given(st.lists(readings, max_size=30), micros)
def test_what_goes_in_comes_out_in_the_order_of_arrival(rows: list[Reading], now: int) -> None:
    """Every value, type, time and mark survives, in the order in which the rows arrived."""
    back = frame.decode(frame.encode(frame.pack(rows, now)))

    assert back.now == now
    assert frame.unpack(back) == rows
    assert [{name: type(value) for name, value in row.values.items()} for row in frame.unpack(back)] == [
        {name: type(value) for name, value in row.values.items()} for row in rows
    ]


def test_units_travel_with_their_signal() -> None:
    """A unit stands once per block, not once per row."""
    row = Reading("main/a", 1, 2, 0, {"t": 1.5, "p": 2.0}, {"t": "Cel"})

    [back] = frame.unpack(frame.decode(frame.encode(frame.pack([row], 3))))

    assert back.units == {"t": "Cel"}


def test_a_frame_without_rows_is_a_tick() -> None:
    """Nothing to say but the time."""
    back = frame.decode(frame.encode(Frame(now=7)))

    assert (back.n, back.now, back.devices) == (0, 7, [])


def test_columns_are_little_endian_as_the_layout_says() -> None:
    """Another language can read the bytes without asking what machine wrote them."""
    wire = msgspec.msgpack.decode(frame.encode(frame.pack([Reading("main/a", 1, 2, 4, {"x": 1.0}, seq=9)], 3)))
    [block] = wire["blocks"]

    assert (wire["v"], wire["n"], wire["now"], wire["devices"]) == (1, 1, 3, ["main/a"])
    assert block["row"] == bytes(4)
    assert block["measured_at"] == (1).to_bytes(8, "little")
    assert block["seq"] == (9).to_bytes(8, "little")
    assert block["signals"] == {"x": {"f8": np.float64(1).tobytes()}}


def test_unknown_keys_and_column_types_of_tomorrow_are_tolerated() -> None:
    """An older reader keeps working beside a newer writer of the same version."""
    wire = msgspec.msgpack.decode(frame.encode(frame.pack([Reading("main/a", 1, 2, 0, {"x": 1.0})], 3)))
    wire["shiny"] = 1
    wire["blocks"][0]["also"] = 2
    wire["blocks"][0]["signals"]["c"] = {"c16": bytes(16)}

    [back] = frame.unpack(frame.decode(msgspec.msgpack.encode(wire)))

    assert back.values == {"x": 1.0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": 2}, Reason.NEWER_VERSION),
        ({"n": 2}, Reason.BAD_FRAME),
        ({"now": "soon"}, Reason.BAD_FRAME),
        ({"devices": []}, Reason.BAD_FRAME),
        ({"blocks": [{}]}, Reason.BAD_FRAME),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_with_its_reason(change: dict[str, object], reason: Reason) -> None:
    """A newer version, a wrong count, a missing device or column never reach a processor."""
    wire = msgspec.msgpack.decode(frame.encode(frame.pack([Reading("main/a", 1, 2, 0, {"x": 1.0})], 3)))

    with pytest.raises(Rejected) as caught:
        frame.decode(msgspec.msgpack.encode(wire | change))

    assert caught.value.reason is reason


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_are_rejected(data: bytes) -> None:
    """Garbage is refused; nothing else is raised."""
    try:
        frame.decode(data)
    except Rejected as error:
        assert error.reason in {Reason.BAD_FRAME, Reason.NEWER_VERSION}


@given(st.lists(readings, min_size=1, max_size=5), st.data())
def test_a_damaged_frame_is_never_taken_for_a_whole_one(rows: list[Reading], data: st.DataObject) -> None:
    """A frame cut short anywhere is refused."""
    whole = frame.encode(frame.pack(rows, 1))
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(Rejected):
        frame.decode(whole[:cut])


def test_columns_of_different_length_are_refused() -> None:
    """A block whose text is longer than its rows is not guessed at."""
    block = frame.pack([Reading("main/a", 1, 2, 0, {"s": "x"})], 3).blocks[0]
    longer = Block(block.row, block.device, block.measured_at, block.received_at, block.quality, text={"s": ["x", "y"]})

    with pytest.raises(Rejected, match="different length"):
        frame.decode(frame.encode(Frame(3, ["main/a"], [longer])))
