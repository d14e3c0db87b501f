"""What detectors found, with rule, evidence and sentence, and its place among the findings of a frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from streams.detect import words
from streams.detect.book import Book
from streams.detect.rows import Rows
from streams.detect.tables import Table
from streams.detect.words import Finding
from streams.detectors import flap
from streams.detectors.columns import Runs, Slots
from streams.detectors.evidence import Readings
from streams.detectors.shape import Change, Detector, Episodes, Floats, Longs, Told
from streams.rules.rule import Flap, Rule
from vorab.clock import MINUTE, Micros
from vorab.frame import Quality
from vorab.records import Severity

SEVERITIES: Final = list(Severity)
CHANGES: Final = list(Change)
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


Evidence = Callable[[Slots, Slots, Slots], list[Readings]]
"""Rows of the frame, their devices, the most readings for each → the last readings of each."""


def find(call: Call, detector: Detector, signal: str, part: Part, episodes: Episodes, recall: Evidence, found: list[Placed]) -> None:
    """Findings out of episodes."""
    book, rows = call.book, episodes.rows
    slots, places = part.runs.slots[rows], call.at[part.rows[rows]]
    rules, devices = book.rules_of(call.table, slots), call.rows.device[places]
    last = recall(places, devices, np.array([rule.evidence for rule in rules], np.intp))
    severities = [None] * len(rows) if episodes.severity is None else [SEVERITIES[i] for i in episodes.severity.tolist()]
    numbers = [
        dict(zip(episodes.numbers, row, strict=True))
        for row in zip(*(column.tolist() for column in episodes.numbers.values()), strict=True)
    ]
    columns = (
        places,
        call.table.columns.of["device"][slots] - 1,
        episodes.change,
        episodes.onset,
        episodes.detected,
        part.times[rows],
        part.values[rows],
    )
    each_of = zip(*(column.tolist() for column in columns), rules, severities, numbers or [{}] * len(rows), last, strict=True)
    for place, device, code, onset, detected, time, value, rule, severity, of, (times, values) in each_of:
        change = CHANGES[code]
        unit = rule.unit or call.rows.unit(signal, place)
        finding = Finding(
            rule,
            book.devices.keys[device],
            onset,
            time if change is Change.UPDATED else detected,
            time if change in ENDED else None,
            updated=change is Change.UPDATED,
            severity=severity,
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


def mark_stored(found: list[Placed], rows: Rows) -> None:
    """Findings in series say what was where their reading was kept by the device, or long on its way."""
    for each in found:
        if each.kind == SERIES:
            lag = int(rows.received[each.row]) - int(rows.measured[each.row])
            each.finding.historical = lag > LONG or bool(rows.quality[each.row] & STORED)


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
