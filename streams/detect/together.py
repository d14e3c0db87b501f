"""Several signals of a device together: those that are computed from others, and detectors that look at more than one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streams.detect.book import NO_SIGNAL, Book
from streams.detect.findings import Call, Placed, find
from streams.detect.lead import Led, evidence_of_devices
from streams.detect.parts import parts
from streams.detect.rows import Rows
from streams.detect.tables import Table
from streams.detectors.columns import Runs, Slots
from streams.detectors.shape import DeviceDetector, Floats


def _of_devices(book: Book, table: Table, rows: Rows, which: NDArray[np.bool_]) -> tuple[Slots, Runs]:
    """Rows sorted by their slot in a table that has one per device (and rule)."""
    firsts = table.firsts(NO_SIGNAL, rows.device, len(book.devices.keys))
    at, slots = table.expand(np.where(which, firsts, -1))
    runs = Runs(slots, apart=rows.apart)
    return runs.sort(at), runs


def _carried_by(rows: Rows, signals: Iterable[str], fresh: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Rows in their order that have any of these signals; None where no row has."""
    columns = [np.isfinite(rows.signals[name]) for name in signals if name in rows.signals]
    if not columns:
        return None
    any_of: NDArray[np.bool_] = np.logical_or.reduce(columns)
    return any_of & (fresh if rows.late is None else fresh & ~rows.late)


def _judged(rows: Rows, signals: Iterable[str], leds: Mapping[str, Led]) -> NDArray[np.bool_] | None:
    """Rows in their order of which any of these signals was judged: what repeats was not; None where there is none."""
    found = [leds[name].at for name in signals if name in leds]
    if not found:
        return None
    which = np.zeros(len(rows), bool)
    for at in found:
        which[at] = True
    return which if rows.late is None else which & ~rows.late


def derived(book: Book, rows: Rows, fresh: NDArray[np.bool_]) -> Iterable[tuple[str, Floats]]:
    """Signals that rules compute from others: name and a value per row, NaN where it cannot be said."""
    for name, (table, formula) in book.derived.items():
        which = _carried_by(rows, formula.signals, fresh)
        if which is None:
            continue
        at, runs = _of_devices(book, table, rows, which)
        if not len(at):
            continue
        table.columns.touch(runs.slots)
        column = np.full(len(rows), np.nan)
        column[at] = formula.compute(
            table.columns, runs, rows.measured[at], {each: rows.signals[each][at] for each in formula.signals if each in rows.signals}
        )
        yield name, column


def look_together(book: Book, table: Table, detector: DeviceDetector, rows: Rows, leds: Mapping[str, Led], found: list[Placed]) -> None:
    """Lead rows to a detector of several signals and its findings back; the evidence is that of its first signal."""
    which = _judged(rows, detector.signals, leds)
    if which is None:
        return
    at, runs = _of_devices(book, table, rows, which)
    if not len(at):
        return
    table.columns.touch(runs.slots)
    name = detector.signals[0]
    columns = {each: rows.signals[each][at] for each in detector.signals if each in rows.signals}
    absent: Floats = np.full(len(at), np.nan)
    led = leds.get(name)
    call = Call(book, table, rows, at, runs, rows.measured[at], columns.get(name, absent))
    for part in parts(call, detector, found):
        episodes = detector.judge(table.columns, part.runs, part.times, {each: column[part.rows] for each, column in columns.items()})
        if table.damped:
            episodes = table.damping.filter(part.runs, part.times, episodes)
        if episodes is not None:
            find(call, detector, name, part, episodes, partial(evidence_of_devices, book, name, led), found)
