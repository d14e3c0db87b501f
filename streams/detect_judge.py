"""Rows led to the detectors, and what they find led back: one function per detector, all rows of a signal at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams import detect_words as words
from streams.detect_book import NO_SIGNAL, Book
from streams.detect_rows import Rows
from streams.detect_series import Table
from streams.detect_words import Finding
from streams.detectors import evidence, silence, threshold
from streams.detectors.columns import Runs, Slots
from streams.detectors.learned import Change, Learned, Verdicts
from streams.rules import SilenceRule, ThresholdRule
from vorab.clock import Micros

Longs = NDArray[np.int64]
Floats = NDArray[np.float64]


class Placed(NamedTuple):
    """A finding with its place among those of a frame: by row, then kind, then rule."""

    row: int
    kind: int
    rule: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Led:
    """Rows of one signal for one table, sorted by slot."""

    rows: Rows
    at: Slots
    """Per reading its row in the frame."""
    runs: Runs
    times: Longs
    values: Floats


def judge(book: Book, rows: Rows, fresh: NDArray[np.bool_], found: list[Placed]) -> None:
    """Thresholds and learned detectors, signal by signal."""
    for name, values in rows.signals.items():
        signal = book.signal(name)
        if signal is None:
            continue
        usable = fresh & np.isfinite(values)
        for table in (book.thresholds, *(table for table, _ in book.learned.values())):
            led = _lead(book, table, signal, rows, usable, values)
            if led is None:
                continue
            table.columns.touch(led.runs.slots)
            if table is book.thresholds:
                _thresholds(book, led, found)
            else:
                _learned(book, table, book.learned[table.columns.name][1], led, found)
            evidence.remember(table.columns, led.runs, led.times, led.values)


def _lead(book: Book, table: Table, signal: int, rows: Rows, usable: NDArray[np.bool_], values: Floats) -> Led | None:
    firsts = table.firsts(signal, rows.device, len(book.devices.keys))
    at, slots = table.expand(firsts if np.count_nonzero(usable) == len(usable) else np.where(usable, firsts, -1))
    at, runs = _unrepeated(table, rows, at, slots, "last_at", "written")
    return Led(rows, at, runs, rows.measured[at], values[at]) if len(at) else None


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


def _thresholds(book: Book, led: Led, found: list[Placed]) -> None:
    table, runs = book.thresholds, led.runs
    episodes = threshold.update(table.columns, runs, led.times, led.values)
    if episodes is None:
        return
    of = table.columns.of
    for i, row in enumerate(episodes.rows.tolist()):
        slot, at = int(runs.slots[row]), int(led.at[row])
        rule = book.rule_of(table, slot)
        assert isinstance(rule, ThresholdRule)  # noqa: S101 - no others stand in this table
        value, limit, time = float(led.values[row]), float(of["edge"][slot]) * rule.sign, int(led.times[row])
        onset, raised, unit = int(episodes.onset[i]), bool(episodes.raised[i]), rule.unit or led.rows.unit(rule.signal, at)
        if raised:
            text = words.threshold_raised(rule, value, limit, unit, int(episodes.count[i]), time - onset)
        else:
            clear = None if rule.clear is None else float(of["inner"][slot]) * rule.sign
            text = words.threshold_cleared(rule, value, clear, limit, unit)
        times, values = evidence.recall(table.columns, runs, led.times, led.values, row, rule.evidence)
        finding = Finding(
            rule,
            book.device_of(table, slot),
            onset,
            int(episodes.detected[i]),
            None if raised else time,
            signal=rule.signal,
            unit=unit,
            value=value,
            limit=limit,
            explanation=text,
            times=times,
            values=values,
        )
        found.append(Placed(at, 2, rule.id, finding))


def _learned(book: Book, table: Table, learned: Learned, led: Led, found: list[Placed]) -> None:
    learned.grow(table.columns.n)
    runs = led.runs
    nth = runs.index - runs.start
    for turn in range(int(nth.max()) + 1):  # the detector takes one reading of a series at a time
        mine = runs.index if runs.apart else np.flatnonzero(nth == turn)
        verdicts = learned.update(runs.slots[mine], led.times[mine], led.values[mine])
        changed = np.flatnonzero(verdicts.change).tolist()
        found.extend(_learned_one(book, table, learned, led, int(mine[i]), verdicts, i) for i in changed)


def _learned_one(book: Book, table: Table, learned: Learned, led: Led, row: int, verdicts: Verdicts, i: int) -> Placed:
    slot, at, change, of = int(led.runs.slots[row]), int(led.at[row]), int(verdicts.change[i]), table.columns.of
    rule, signal = book.rule_of(table, slot), book.signal_of(table, slot)
    value, time, unit = float(led.values[row]), int(led.times[row]), rule.unit or led.rows.unit(signal, at)
    raised = change == Change.RAISED
    of["active"][slot] = raised
    if raised:
        of["onset"][slot], of["detected"][slot] = verdicts.onset[i], time
        bounds = (float(verdicts.level[i]), float(verdicts.level_low[i]), float(verdicts.level_high[i]))
        text = words.learned_raised(signal, value, unit, int(verdicts.memory[i]), bounds, learned.config.speeds)
    else:
        text = words.learned_cleared(signal, value, unit, change)
    times, values = evidence.recall(table.columns, led.runs, led.times, led.values, row, rule.evidence)
    low, high = float(verdicts.low[i]), float(verdicts.high[i])
    finding = Finding(
        rule,
        book.device_of(table, slot),
        int(verdicts.onset[i]),
        int(of["detected"][slot]),
        None if raised else time,
        signal=signal,
        unit=unit,
        value=value,
        low=None if math.isnan(low) else low,
        high=None if math.isnan(high) else high,
        explanation=text,
        times=times,
        values=values,
        proven=change != Change.ADAPTED,
    )
    return Placed(at, 3, rule.id, finding)


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
            found.append(Placed(int(at[row]), 0, rule.id, known))
        back = max(int(received[row]), known.detected)
        text = words.silence_cleared(back - (known.detected - rule.after))
        found.append(Placed(int(at[row]), 1, rule.id, replace(known, cleared=back, explanation=text)))


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


def place(each: Placed) -> tuple[int, int, str]:
    """What findings of a frame are sorted by."""
    return each[:3]
