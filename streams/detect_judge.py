"""Rows led to the detectors, and what they find led back: one function per detector, all rows of a signal at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams import detect_words as words
from streams.detect_book import NO_SIGNAL, Book
from streams.detect_rows import Rows
from streams.detect_series import Table
from streams.detect_words import Finding
from streams.detectors import evidence, silence
from streams.detectors.columns import Runs, Slots
from streams.detectors.shape import Change, Detector, Episodes, Floats, Longs, Told
from streams.detectors.silence import SilenceRule
from vorab.clock import MINUTE, Micros
from vorab.frame import Quality
from vorab.records import Severity

SEVERITIES: Final = list(Severity)
ENDED: Final = (Change.CLEARED, Change.ADAPTED)
SERIES: Final = 2
"""Kind of findings in series; silence comes before them."""
STORED: Final = int(Quality.HISTORICAL)
LONG: Final[Micros] = 5 * MINUTE
"""What was longer on its way says what was, not what is."""


class Placed(NamedTuple):
    """A finding with its place among those of a frame: by row, then kind, then rule and signal."""

    row: int
    kind: int
    rule: str
    signal: str
    finding: Finding


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


def judge(book: Book, rows: Rows, fresh: NDArray[np.bool_], found: list[Placed]) -> None:
    """What the detectors find, signal by signal."""
    for name, values in rows.signals.items():
        signal = book.signal(name)
        if signal is None:
            continue
        led = _lead(book, name, signal, rows, fresh & np.isfinite(values), values)
        if led is None:
            continue
        for table, detector in book.looking_at(signal):
            _look(book, table, detector, signal, led, found)
        book.series.columns.touch(led.runs.slots)
        evidence.remember(book.series.columns, led.runs, led.times, led.values)


def _lead(book: Book, name: str, signal: int, rows: Rows, usable: NDArray[np.bool_], values: Floats) -> Led | None:
    table = book.series
    firsts = table.firsts(signal, rows.device, len(book.devices.keys))
    at, slots = table.expand(firsts if np.count_nonzero(usable) == len(usable) else np.where(usable, firsts, -1))
    at, runs = _unrepeated(table, rows, at, slots, "last_at", "written")
    if rows.late is not None:
        at, runs = _newer(table, rows, at, runs)
    return Led(rows, name, at, runs, rows.measured[at], values[at]) if len(at) else None


def _unrepeated(table: Table, rows: Rows, at: Slots, slots: Slots, last: str, known: str) -> tuple[Slots, Runs]:
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


def _newer(table: Table, rows: Rows, at: Slots, runs: Runs) -> tuple[Slots, Runs]:
    """Less late rows whose series has said something newer, or the same; rows sorted by slot."""
    assert rows.late is not None  # noqa: S101 - asked only then
    times, last = rows.measured[at], table.columns.of["last_at"][runs.slots]
    reached = runs.before(np.maximum(runs.running_max(times), last), last)
    keep = ~(rows.late[at] & (times <= reached))
    return at[keep], Runs(runs.slots[keep], apart=rows.apart)


def mark_stored(found: list[Placed], rows: Rows) -> None:
    """Findings in series say what was where their reading was kept by the device, or long on its way."""
    for each in found:
        if each.kind == SERIES:
            lag = int(rows.received[each.row]) - int(rows.measured[each.row])
            each.finding.historical = lag > LONG or bool(rows.quality[each.row] & STORED)


def _look(book: Book, table: Table, detector: Detector, signal: int, led: Led, found: list[Placed]) -> None:
    """Lead readings to the slots of one detector and its findings back."""
    at, slots = table.expand(table.firsts(signal, led.rows.device[led.at], len(book.devices.keys)))
    if not len(at):
        return
    runs = Runs(slots, apart=led.rows.apart)
    at = runs.sort(at)
    whole = runs.order is None and len(at) == len(led.at) and table.single
    times, values = (led.times, led.values) if whole else (led.times[at], led.values[at])
    table.columns.touch(runs.slots)
    if runs.apart or not detector.one_by_one:
        _find(book, table, detector, led, at, runs.slots, detector.update(table.columns, runs, times, values), found)
        return
    nth = runs.index - runs.start
    for turn in range(int(nth.max()) + 1):
        mine = np.flatnonzero(nth == turn)
        slots = runs.slots[mine]
        episodes = detector.update(table.columns, Runs(slots, apart=True), times[mine], values[mine])
        _find(book, table, detector, led, at[mine], slots, episodes, found)


def _find(
    book: Book, table: Table, detector: Detector, led: Led, at: Slots, slots: Slots, episodes: Episodes | None, found: list[Placed]
) -> None:
    """Findings out of episodes; `at` leads from the rows of the call to those of `led`."""
    if episodes is None:
        return
    numbers = {name: column.tolist() for name, column in episodes.numbers.items()}
    for i, row in enumerate(episodes.rows.tolist()):
        here = int(at[row])
        rule, change, place = book.rule_of(table, int(slots[row])), Change(int(episodes.change[i])), int(led.at[here])
        of = {name: column[i] for name, column in numbers.items()}
        onset, detected, time, value = int(episodes.onset[i]), int(episodes.detected[i]), int(led.times[here]), float(led.values[here])
        unit = rule.unit or led.rows.unit(led.signal, place)
        times, values = evidence.recall(book.series.columns, led.runs, led.times, led.values, here, rule.evidence)
        finding = Finding(
            rule,
            book.device_of(table, int(slots[row])),
            onset,
            time if change is Change.UPDATED else detected,
            time if change in ENDED else None,
            updated=change is Change.UPDATED,
            severity=None if episodes.severity is None else SEVERITIES[int(episodes.severity[i])],
            signal=led.signal,
            unit=unit,
            value=value,
            low=_number(of, "low"),
            high=_number(of, "high"),
            limit=_number(of, "limit"),
            explanation=detector.say(rule, change, Told(led.signal, unit, value, time, onset, detected, of)),
            times=times,
            values=values,
            proven=change is not Change.ADAPTED,
        )
        found.append(Placed(place, SERIES, rule.id, led.signal, finding))


def _number(numbers: Mapping[str, float], name: str) -> float | None:
    value = numbers.get(name)
    return None if value is None or not math.isfinite(value) else float(value)


def hear(book: Book, listening: silence.Listening, rows: Rows, fresh: NDArray[np.bool_], found: list[Placed]) -> None:
    """Devices speak, and some of them had been silent."""
    resumed = listening.move(rows.received)
    table = book.silences
    if not listening.resumed:
        return
    firsts = table.firsts(NO_SIGNAL, rows.device, len(book.devices.keys))
    at, slots = table.expand(np.where(fresh, firsts, -1))
    at, runs = _unrepeated(table, rows, at, slots, "spoke", "heard")
    if not len(at):
        return
    after = table.columns.of["after"][runs.slots]
    since: Longs = np.zeros(len(at), np.int64)
    for limit, last in listening.resumed.items():
        since = np.where(after == limit, resumed[limit][at] if limit in resumed else last, since)
    received = rows.received[at]
    table.columns.touch(runs.slots)
    gaps = silence.hear(table.columns, runs, rows.measured[at], received, since)
    if gaps is None:
        return
    for i, row in enumerate(gaps.rows.tolist()):
        known, rule = _silent(book, int(runs.slots[row]), int(gaps.onset[i]), int(gaps.detected[i]))
        if gaps.fresh[i]:
            found.append(Placed(int(at[row]), 0, rule.id, "", known))
        back = max(int(received[row]), known.detected)
        text = words.silence_cleared(back - (known.detected - rule.after))
        found.append(Placed(int(at[row]), 1, rule.id, "", replace(known, cleared=back, explanation=text)))


def fall_silent(book: Book, listening: silence.Listening, now: Micros) -> list[Finding]:
    """Devices whose limit ended before `now`, in the order in which it did."""
    columns = book.silences.columns
    slots = silence.fall_silent(columns, listening, now)
    columns.touch(slots)
    found = [_silent(book, slot, int(columns.of["onset"][slot]), int(columns.of["detected"][slot]))[0] for slot in slots.tolist()]
    return sorted(found, key=lambda each: (each.detected, each.device, each.rule.id))


def _silent(book: Book, slot: int, onset: Micros, detected: Micros) -> tuple[Finding, SilenceRule]:
    rule = book.rule_of(book.silences, slot)
    assert isinstance(rule, SilenceRule)  # noqa: S101 - no others stand in this table
    return Finding(rule, book.device_of(book.silences, slot), onset, detected, explanation=words.silence_raised(rule)), rule


def end_orphans(book: Book, now: Micros) -> list[Finding]:
    """What was raised by rules that do not look any more ends; nobody else would ever clear it."""
    found: list[Finding] = []
    for table, slot in book.orphans:
        of = table.columns.of
        if of["device"][slot] and of["active"][slot]:
            onset, detected = int(of["onset"][slot]), int(of["detected"][slot])
            found.append(
                Finding(
                    book.rule_of(table, slot),
                    book.device_of(table, slot),
                    onset,
                    detected,
                    max(now, detected),
                    signal=book.signal_of(table, slot),
                    explanation=words.WITHDRAWN,
                    proven=False,
                )
            )
        table.free(slot)
    book.orphans.clear()
    return sorted(found, key=lambda each: (each.device, each.rule.id))


def place(each: Placed) -> tuple[int, int, str, str]:
    """What findings of a frame are sorted by."""
    return each[:4]
