"""Frames as one: all rows, in their order, with everything they carry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vorab.test_frame import readings
from vorab.frame import Frame, Reading, decode, encode, pack, unpack
from vorab.frame_join import join


@given(st.lists(st.lists(readings, max_size=8), min_size=1, max_size=6))
def test_rows_of_frames_stand_one_after_the_other(cut: list[list[Reading]]) -> None:
    """Whatever signals, units and words they have and whether they are numbered; the time is that of the last frame."""
    whole = join([decode(encode(pack(rows, now))) for now, rows in enumerate(cut)])
    assert unpack(whole) == [row for rows in cut for row in rows]
    assert whole.now == len(cut) - 1


@given(st.lists(readings, max_size=8))
def test_one_frame_is_itself(rows: list[Reading]) -> None:
    """Nothing is copied where there is nothing to join."""
    frame = pack(rows, 7)
    assert join([frame]) is frame


def test_rows_of_the_same_shape_stand_in_one_block() -> None:
    """Joined frames are as narrow as if they had been one from the start; a device stands in the list once."""
    frames = [pack([Reading("main/a", i, i, 0, {"t": float(i)}, {"t": "Cel"})], i) for i in range(5)]
    whole = join([*frames, Frame(9)])
    assert (len(whole.blocks), whole.devices, whole.now) == (1, ["main/a"], 9)
    assert whole.blocks[0].signals["t"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
