"""Readings of one signal, led to their series: sorted, without repetitions; and the last of them as evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.detect.book import Book
from streams.detect.rows import Rows
from streams.detect.tables import Table
from streams.detectors import evidence
from streams.detectors.columns import Runs, Slots
from streams.detectors.shape import Floats, Longs


@dataclass(frozen=True, slots=True)
class Led:
    """Readings of one signal, sorted by series."""

    rows: Rows
    signal: str
    at: Slots
    """Per reading its row in the frame."""
    runs: Runs
    times: Longs
    values: Floats
    straight: bool
    """Whether each reading stands where its row does in the frame."""


def lead(book: Book, name: str, signal: int, rows: Rows, usable: NDArray[np.bool_], values: Floats) -> Led | None:
    """Readings of a signal, as far as any rule looks at them and they are new; None where there are none."""
    table = book.series
    firsts = table.firsts(signal, rows.device, len(book.devices.keys))
    at, slots = table.expand(firsts if np.count_nonzero(usable) == len(usable) else np.where(usable, firsts, -1))
    if rows.late is not None:
        at, slots = _newer(table, rows, at, slots)
    at, runs = unrepeated(table, rows, at, slots, "last_at", "written")
    if not len(at):
        return None
    if runs.order is None and rows.late is None and len(at) == len(rows):
        return Led(rows, name, at, runs, rows.measured, values, straight=True)
    return Led(rows, name, at, runs, rows.measured[at], values[at], straight=False)


def unrepeated(table: Table, rows: Rows, at: Slots, slots: Slots, last: str, known: str) -> tuple[Slots, Runs]:
    """Rows sorted by slot, less those without a number that have the time of the slot's row before.

    `last` and `known` name the columns that hold that time and whether there was any.
    """
    runs = Runs(slots, apart=rows.apart)
    at = runs.sort(at)
    if rows.seq is not None and rows.numbered is None:
        return at, runs
    of, times = table.columns.of, rows.measured[at]
    repeats = times == runs.before(times, of[last][runs.slots])
    if rows.numbered is not None:
        repeats &= ~rows.numbered[at]
    if np.count_nonzero(repeats):
        repeats &= (of[known][runs.slots] > 0) | ~runs.new
    if not np.count_nonzero(repeats):
        return at, runs
    return at[~repeats], Runs(runs.slots[~repeats], apart=rows.apart)


def _newer(table: Table, rows: Rows, at: Slots, slots: Slots) -> tuple[Slots, Slots]:
    """Less late rows whose series has said something newer, or the same."""
    assert rows.late is not None  # noqa: S101 - asked only then
    runs = Runs(slots, apart=rows.apart)
    at = runs.sort(at)
    times, last = rows.measured[at], table.columns.of["last_at"][runs.slots]
    reached = runs.before(np.maximum(runs.running_max(times), last), last)
    keep = ~(rows.late[at] & (times <= reached))
    return at[keep], runs.slots[keep]


def evidence_of_rows(led: Led, book: Book, places: Slots, devices: Slots, most: Slots) -> list[evidence.Readings]:  # noqa: ARG001 - one shape for both
    """The last readings of series, up to a row each."""
    rows = places
    if not led.straight:
        row_of = np.zeros(len(led.rows), np.intp)
        row_of[led.at] = led.runs.index
        rows = row_of[places]
    return evidence.recall(book.series.columns, led.runs, led.times, led.values, rows, most)


def evidence_of_devices(book: Book, name: str, led: Led | None, places: Slots, devices: Slots, most: Slots) -> list[evidence.Readings]:
    """The last readings of a signal of devices, up to a row each; nothing where there are none."""
    return [_of_device(book, name, led, *one) for one in zip(places.tolist(), devices.tolist(), most.tolist(), strict=True)]


def _of_device(book: Book, name: str, led: Led | None, place: int, device: int, most: int) -> evidence.Readings:
    signal = book.signal(name)
    slot = -1 if signal is None else int(book.series.firsts(signal, np.array([device]), len(book.devices.keys))[0])
    if slot < 0:
        return [], []
    if led is not None:
        until = np.flatnonzero((led.runs.slots == slot) & (led.at <= place))[-1:]
        if len(until):
            return evidence.recall(book.series.columns, led.runs, led.times, led.values, until, np.array([most]))[0]
    return evidence.kept(book.series.columns, slot, most)
