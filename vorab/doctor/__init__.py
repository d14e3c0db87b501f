"""What `vorab doctor` finds out: brokers, versions, topics, libraries, rules, ports; every problem says what to do about it.

The judgements are pure functions over facts; what asks a broker for facts is thin and stands in `mqtt` and `kafka`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vorab.settings import Settings


class Verdict(StrEnum):
    """How well something is."""

    OK = "ok"
    NOTE = "note"
    """Works, but somebody should know."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    about: str
    verdict: Verdict
    says: str
    do: str = ""
    """What to do; empty where all is well."""


def ok(about: str, says: str) -> Finding:
    """All is well."""
    return Finding(about, Verdict.OK, says)


def note(about: str, says: str, do: str) -> Finding:
    """Works, but somebody should know."""
    return Finding(about, Verdict.NOTE, says, do)


def problem(about: str, says: str, do: str) -> Finding:
    """Must be put right."""
    return Finding(about, Verdict.PROBLEM, says, do)


Examination = Callable[[Settings], Sequence[Finding]]


def examinations() -> Sequence[Examination]:
    """Everything the doctor looks at, in order."""
    from vorab.doctor import desk, house, log, mqtt, partners, rules  # noqa: PLC0415 - they import this module for its words

    return (house.examine, rules.examine, desk.examine, partners.examine, mqtt.examine, log.examine)


def diagnose(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one after the other; what cannot be reached is a finding, not an error."""
    for examination in examinations():
        yield from examination(settings)
