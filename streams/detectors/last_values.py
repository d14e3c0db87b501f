"""The last value of each of several signals of a device, for those that judge or compute them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from streams.detectors.columns import Columns, Runs
from streams.detectors.shape import Bools, Floats, Layout, Longs
from vorab.clock import Micros


def layout(signals: int) -> Layout:
    """The columns for so many signals."""
    return {"value": ("<f8", signals), "time": ("<i8", signals)}


def last_values(
    state: Columns, runs: Runs, at: Longs, columns: Mapping[str, Floats], signals: Sequence[str], max_age: Micros
) -> tuple[dict[str, Floats], dict[str, Bools], Bools]:
    """Per row the last value of each signal, whether it is known and young enough, and whether the row has any of them. Remembers them."""
    of, slots, heads, tails = state.of, runs.slots, runs.unique, runs.lasts
    spoke = np.zeros(len(at), bool)
    values, known = dict[str, Floats](), dict[str, Bools]()
    for place, name in enumerate(signals):
        value, time = of["value"][slots, place], of["time"][slots, place]
        column = columns.get(name)
        if column is not None:
            present = np.isfinite(column)
            spoke |= present
            last = runs.last_where(present)
            value, time = np.where(last < 0, value, column[last]), np.where(last < 0, time, at[last])
            of["value"][heads, place], of["time"][heads, place] = value[tails], time[tails]
        values[name], known[name] = value, (time != 0) & (at - time <= max_age)
    return values, known, spoke
