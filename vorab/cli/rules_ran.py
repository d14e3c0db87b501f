"""What came of running rules over a log or files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vorab.clock import Micros

if TYPE_CHECKING:
    from streams.trials.csvcolumns import BadRow
    from vorab.records import Symptom


@dataclass(slots=True)
class Ran:
    """A run of one or two sets of rules."""

    symptoms: list[list[Symptom]]
    first: Micros = 0
    end: Micros = 0
    readings: int = 0
    devices: list[str] = field(default_factory=list)
    """Keys, where they are known: of files."""
    signals: list[str] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    bad_rows: int = 0
    repeats: int = 0
