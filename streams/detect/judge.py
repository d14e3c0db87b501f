"""Rows led to the detectors, and what they find led back: one function per detector, all rows of a signal at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.detect import words
from streams.detect.book import NO_SIGNAL, Book
from streams.detect.rows import Rows
from streams.detect.tables import Table
from streams.detect.words import Finding
from streams.detectors import evidence, flap, hours, silence
from streams.detectors.code import Codes
from streams.detectors.columns import Runs, Slots
from streams.detectors.shape import Change, Detector, DeviceDetector, Episodes, Floats, Longs, Told
from streams.detectors.silence import SilenceRule
from streams.rules.rule import Flap, Rule
from streams.words import LARGEST
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
    straight: bool
    """Whether each reading stands where its row does in the frame."""


def judge(book: Book, rows: Rows, fresh: NDArray[np.bool_], found: list[Placed]) -> None:
    """What the detectors find: signal by signal, then several signals of a device together."""
    for name, column in derived(book, rows, fresh):
        rows.signals[name] = column
    leds: dict[str, Led] = {}
    for name, values in rows.signals.items():
        signal = book.signal(name)
        led = None if signal is None else _lead(book, name, signal, rows, fresh & np.isfinite(values), values)
        if led is None or signal is None:
            continue
        leds[name] = led
        for table, detector in book.looking_at(signal):
            _look(book, table, detector, signal, led, found)
    for table, together in book.together.values():
        _look_together(book, table, together, rows, leds, found)
    for led in leds.values():
        book.series.columns.touch(led.runs.slots)
        evidence.remember(book.series.columns, led.runs, led.times, led.values)


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


def _look_together(book: Book, table: Table, detector: DeviceDetector, rows: Rows, leds: Mapping[str, Led], found: list[Placed]) -> None:
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
    for part in _parts(call, detector, found):
        episodes = detector.judge(table.columns, part.runs, part.times, {each: column[part.rows] for each, column in columns.items()})
        if table.damped:
            episodes = table.damping.filter(part.runs, part.times, episodes)
        if episodes is not None:
            _find(call, detector, name, part, episodes, partial(_evidence_of_device, book, name, led), found)


def _evidence_of_device(book: Book, name: str, led: Led | None, place: int, device: int, most: int) -> tuple[list[Micros], list[float]]:
    """The last readings of a signal of a device, up to a row."""
    signal = book.signal(name)
    slot = -1 if signal is None else int(book.series.firsts(signal, np.array([device]), len(book.devices.keys))[0])
    if slot < 0:
        return [], []
    if led is not None:
        until = np.flatnonzero((led.runs.slots == slot) & (led.at <= place))
        if len(until):
            return evidence.recall(book.series.columns, led.runs, led.times, led.values, int(until[-1]), most)
    return evidence.kept(book.series.columns, slot, most)


def _lead(book: Book, name: str, signal: int, rows: Rows, usable: NDArray[np.bool_], values: Floats) -> Led | None:
    table = book.series
    firsts = table.firsts(signal, rows.device, len(book.devices.keys))
    at, slots = table.expand(firsts if np.count_nonzero(usable) == len(usable) else np.where(usable, firsts, -1))
    if rows.late is not None:
        at, slots = _newer(table, rows, at, slots)
    at, runs = _unrepeated(table, rows, at, slots, "last_at", "written")
    if not len(at):
        return None
    if runs.order is None and rows.late is None and len(at) == len(rows):
        return Led(rows, name, at, runs, rows.measured, values, straight=True)
    return Led(rows, name, at, runs, rows.measured[at], values[at], straight=False)


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


def _newer(table: Table, rows: Rows, at: Slots, slots: Slots) -> tuple[Slots, Slots]:
    """Less late rows whose series has said something newer, or the same."""
    assert rows.late is not None  # noqa: S101 - asked only then
    runs = Runs(slots, apart=rows.apart)
    at = runs.sort(at)
    times, last = rows.measured[at], table.columns.of["last_at"][runs.slots]
    reached = runs.before(np.maximum(runs.running_max(times), last), last)
    keep = ~(rows.late[at] & (times <= reached))
    return at[keep], runs.slots[keep]


def mark_stored(found: list[Placed], rows: Rows) -> None:
    """Findings in series say what was where their reading was kept by the device, or long on its way."""
    for each in found:
        if each.kind == SERIES:
            lag = int(rows.received[each.row]) - int(rows.measured[each.row])
            each.finding.historical = lag > LONG or bool(rows.quality[each.row] & STORED)


@dataclass(frozen=True, slots=True)
class Call:
    """Rows for one table, sorted by slot."""

    book: Book
    table: Table
    rows: Rows
    at: Slots
    """Per row of the call its row in the frame."""
    runs: Runs
    times: Longs
    values: Floats


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the rows of a call, given to the detector at once."""

    rows: Slots
    runs: Runs
    times: Longs
    values: Floats


def _parts(call: Call, detector: Detector, found: list[Placed]) -> Iterator[Part]:
    """The rows of a call in as few parts as can be: within the hours of their rules, and a row of each slot where that is wanted."""
    turns = _whole(call) if not call.table.timed else _within_hours(call, detector, found)
    for part in turns:
        if part.runs.apart or not detector.one_by_one:
            yield part
            continue
        nth = part.runs.index - part.runs.start
        for turn in range(int(nth.max()) + 1):
            mine = np.flatnonzero(nth == turn)
            yield Part(part.rows[mine], Runs(part.runs.slots[mine], apart=True), part.times[mine], part.values[mine])


def _whole(call: Call) -> Iterator[Part]:
    yield Part(call.runs.index, call.runs, call.times, call.values)


def _within_hours(call: Call, detector: Detector, found: list[Placed]) -> Iterator[Part]:
    state = call.table.columns
    for turn in hours.turns(call.book.calendar, state, call.runs, call.times):
        for slot, ended, row in zip(turn.over.tolist(), turn.ended.tolist(), turn.noticed.tolist(), strict=True):
            finding = unproven(call.book, call.table, slot, ended, words.OVER)
            if finding is not None:
                found.append(Placed(int(call.at[row]), SERIES, finding.rule.id, finding.signal, finding))
        if len(turn.over):
            detector.rest(state, turn.over)
        if len(turn.rows):
            mine = turn.rows
            yield Part(mine, Runs(call.runs.slots[mine], apart=call.runs.apart), call.times[mine], call.values[mine])


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
    for part in _parts(call, detector, found):
        episodes = detector.update(table.columns, part.runs, part.times, part.values)
        if table.damped:
            episodes = table.damping.filter(part.runs, part.times, episodes)
        if episodes is not None:
            _find(call, detector, led.signal, part, episodes, partial(_evidence_of_row, led, book), found)


def _evidence_of_row(led: Led, book: Book, place: int, device: int, most: int) -> tuple[list[Micros], list[float]]:  # noqa: ARG001 - one shape for both
    """The last readings of a series, up to a row."""
    here = place if led.straight else int(np.flatnonzero(led.at == place)[0])
    return evidence.recall(book.series.columns, led.runs, led.times, led.values, here, most)


Evidence = Callable[[int, int, int], tuple[list[Micros], list[float]]]
"""Row of the frame, device, most readings → times and values."""


def _find(call: Call, detector: Detector, signal: str, part: Part, episodes: Episodes, recall: Evidence, found: list[Placed]) -> None:
    """Findings out of episodes."""
    book, table = call.book, call.table
    numbers = {name: column.tolist() for name, column in episodes.numbers.items()}
    for i, row in enumerate(episodes.rows.tolist()):
        slot, place = int(part.runs.slots[row]), int(call.at[part.rows[row]])
        rule, change = book.rule_of(table, slot), Change(int(episodes.change[i]))
        of = {name: column[i] for name, column in numbers.items()}
        onset, detected, time, value = int(episodes.onset[i]), int(episodes.detected[i]), int(part.times[row]), float(part.values[row])
        unit = rule.unit or call.rows.unit(signal, place)
        times, values = recall(place, int(call.rows.device[place]), rule.evidence)
        finding = Finding(
            rule,
            book.device_of(table, slot),
            onset,
            time if change is Change.UPDATED else detected,
            time if change in ENDED else None,
            updated=change is Change.UPDATED,
            severity=None if episodes.severity is None else SEVERITIES[int(episodes.severity[i])],
            signal=signal,
            unit=unit,
            value=value if math.isfinite(value) else None,
            low=_number(of, "low"),
            high=_number(of, "high"),
            limit=_number(of, "limit"),
            explanation=_sentence(detector, rule, change, Told(signal, unit, value, time, onset, detected, of)),
            times=times,
            values=values,
            proven=change is not Change.ADAPTED,
        )
        found.append(Placed(place, SERIES, rule.id, signal, finding))


def _sentence(detector: Detector, rule: Rule, change: Change, told: Told) -> str:
    if not math.isfinite(told.numbers.get(flap.FLAPS, math.nan)):
        return detector.say(rule, change, told)
    return flap.say(change, told, rule.flap or Flap(), detector.say(rule, change, told) if change is Change.RAISED else "")


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
        finding = unproven(book, table, slot, now, words.WITHDRAWN) if table.columns.of["device"][slot] else None
        found += [finding] if finding is not None else []
        table.free(slot)
    book.orphans.clear()
    return sorted(found, key=lambda each: (each.device, each.rule.id))


def unproven(book: Book, table: Table, slot: int, ended: Micros, why: str) -> Finding | None:
    """What a slot raised ends, and no reading showed it; None where nothing is raised."""
    of = table.columns.of
    told = table.damping.told(slot) or ((int(of["onset"][slot]), int(of["detected"][slot])) if of["active"][slot] else None)
    table.damping.forget(slot)
    if told is None:
        return None
    rule = book.rule_of(table, slot)
    signal = book.signal_of(table, slot) or next(iter(rule.signal_names), "")
    return Finding(rule, book.device_of(table, slot), *told, max(ended, told[1]), signal=signal, explanation=why, proven=False)


def place(each: Placed) -> tuple[int, int, str, str]:
    """What findings of a frame are sorted by."""
    return each[:4]
