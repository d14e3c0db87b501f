"""Frames as plain columns: the order of arrival, and units."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.rows import rows_of
from vorab.frame import Reading, decode, encode, pack

shapes = st.fixed_dictionaries({}, optional={"t": st.floats(0, 9), "n": st.integers(0, 9), "on": st.booleans(), "word": st.just("x")})
numbers = st.one_of(st.none(), st.tuples(st.integers(0, 2), st.integers(0, 5)))
arrivals = st.lists(st.tuples(st.sampled_from("abc"), shapes, st.sampled_from(["Cel", "K"]), numbers), min_size=1, max_size=30)


def reading(i: int, device: str, values: dict[str, float], unit: str, number: tuple[int, int] | None) -> Reading:
    """The i-th to arrive."""
    boot, seq = number or (None, None)
    return Reading(f"main/{device}", i, i + 5, 0, values, {"t": unit}, boot, seq)


@given(arrivals)
def test_rows_stand_in_the_order_of_arrival_whatever_their_shape(
    data: list[tuple[str, dict[str, float], str, tuple[int, int] | None]],
) -> None:
    """Each with its values as numbers, NaN where it has none, and with its own unit."""
    readings = [reading(i, *each) for i, each in enumerate(data)]
    frame = decode(encode(pack(readings, 99)))

    rows = rows_of(frame, lambda name: name != "n" and name[0] != "@")

    assert [frame.devices[i] for i in rows.device.tolist()] == [each.device for each in readings]
    assert rows.measured.tolist() == list(range(len(data)))
    assert rows.received.tolist() == [i + 5 for i in range(len(data))]
    assert "n" not in rows.signals
    for name, column in rows.signals.items():
        wanted = [float(each.values[name]) if name in each.values else None for each in readings]
        assert [None if np.isnan(value) else value for value in column.tolist()] == wanted
    assert [rows.unit("t", i) for i in range(len(data))] == [each.units["t"] for each in readings]
