"""The parts in which a detector is given the rows of a call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streams.detect import words
from streams.detect.findings import SERIES, Call, Part, Placed, unproven
from streams.detectors import hours
from streams.detectors.columns import Runs
from streams.detectors.shape import Detector


def parts(call: Call, detector: Detector, found: list[Placed]) -> Iterator[Part]:
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
