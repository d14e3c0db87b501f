"""Rows led to the detectors, and what they find led back: one function per detector, all rows of a signal at once."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from streams.detect.book import Book
from streams.detect.findings import Call, Placed, find
from streams.detect.lead import Led, evidence_of_rows, lead
from streams.detect.parts import parts
from streams.detect.rows import Rows
from streams.detect.tables import Table
from streams.detect.together import derived, look_together
from streams.detectors import evidence
from streams.detectors.code import Codes
from streams.detectors.columns import Runs
from streams.detectors.shape import Detector
from streams.words import LARGEST


def judge(book: Book, rows: Rows, fresh: NDArray[np.bool_], found: list[Placed]) -> None:
    """What the detectors find: signal by signal, then several signals of a device together."""
    for name, column in derived(book, rows, fresh):
        rows.signals[name] = column
    leds: dict[str, Led] = {}
    for name, values in rows.signals.items():
        signal = book.signal(name)
        led = None if signal is None else lead(book, name, signal, rows, fresh & np.isfinite(values), values)
        if led is None or signal is None:
            continue
        leds[name] = led
        for table, detector in book.looking_at(signal):
            _look(book, table, detector, signal, led, found)
    for table, together in book.together.values():
        look_together(book, table, together, rows, leds, found)
    for led in leds.values():
        book.series.columns.touch(led.runs.slots)
        evidence.remember(book.series.columns, led.runs, led.times, led.values)


def _look(book: Book, table: Table, detector: Detector, signal: int, led: Led, found: list[Placed]) -> None:
    """Lead readings to the slots of one detector and its findings back."""
    at, slots = table.expand(table.firsts(signal, led.rows.device[led.at], len(book.devices.keys)))
    if book.words and not isinstance(detector, Codes):  # words are no measurements
        numbers = led.values[at] > -LARGEST
        at, slots = at[numbers], slots[numbers]
    if not len(at):
        return
    runs = Runs(slots, apart=led.rows.apart)
    at = runs.sort(at)
    whole = runs.order is None and len(at) == len(led.at) and table.single
    times, values = (led.times, led.values) if whole else (led.times[at], led.values[at])
    table.columns.touch(runs.slots)
    call = Call(book, table, led.rows, led.at if whole else led.at[at], runs, times, values)
    for part in parts(call, detector, found):
        episodes = detector.update(table.columns, part.runs, part.times, part.values)
        if table.damped:
            episodes = table.damping.filter(part.runs, part.times, episodes)
        if episodes is not None:
            find(call, detector, led.signal, part, episodes, partial(evidence_of_rows, led, book), found)
