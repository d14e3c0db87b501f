"""Devices that fall silent, and speak again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streams.detect import words
from streams.detect.book import NO_SIGNAL, Book
from streams.detect.findings import Placed
from streams.detect.lead import unrepeated
from streams.detect.rows import Rows
from streams.detect.words import Finding
from streams.detectors import silence
from streams.detectors.shape import Longs
from streams.detectors.silence import SilenceRule
from vorab.clock import Micros


def hear(book: Book, listening: silence.Listening, rows: Rows, fresh: NDArray[np.bool_], found: list[Placed]) -> None:
    """Devices speak, and some of them had been silent."""
    resumed = listening.move(rows.received)
    table = book.silences
    if not listening.resumed:
        return
    firsts = table.firsts(NO_SIGNAL, rows.device, len(book.devices.keys))
    at, slots = table.expand(np.where(fresh, firsts, -1))
    at, runs = unrepeated(table, rows, at, slots, "spoke", "heard")
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
