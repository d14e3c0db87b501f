"""What rules come to over a recording: figures, and what one set of rules finds that another does not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from streams.rules.ruleset import RuleSet
from streams.trials.backtest import Episode, episodes
from streams.trials.told import Case, House, cases
from vorab.clock import Micros
from vorab.records import Symptom

T = TypeVar("T")
Span = tuple[Micros, Micros | None]


@dataclass(frozen=True, slots=True)
class Sum:
    """What a run of rules comes to."""

    symptoms: int = 0
    devices: int = 0
    cases: int = 0
    customers: int = 0
    """Who would have been told of something."""
    messages: int = 0
    """Cases that would have been told."""
    at_night: int = 0
    """Of these, how many at night."""
    customers_at_night: int = 0


def total(found: Sequence[Episode], made: Sequence[Case]) -> Sum:
    """The figures of symptoms and their cases."""
    told = [case for case in made if case.told_at is not None]
    night = [case for case in told if case.at_night]
    return Sum(
        symptoms=len(found),
        devices=len({each.raised.key for each in found}),
        cases=len(made),
        customers=len({case.customer for case in told}),
        messages=len(told),
        at_night=len(night),
        customers_at_night=len({case.customer for case in night}),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """One set of rules over a recording."""

    rules: RuleSet
    symptoms: list[Episode]
    cases: list[Case]

    @property
    def sum(self) -> Sum:
        """The figures."""
        return total(self.symptoms, self.cases)

    def within(self, first: Micros | None, last: Micros | None) -> Outcome:
        """Only what was detected in this time (µs, the last exclusive), and the cases that opened in it."""

        def inside(at: Micros) -> bool:
            return (first is None or at >= first) and (last is None or at < last)

        return replace(
            self,
            symptoms=[each for each in self.symptoms if inside(each.raised.detected_at)],
            cases=[case for case in self.cases if inside(case.opened)],
        )


def outcome(rules: RuleSet, symptoms: Iterable[Symptom], house: House, end: Micros) -> Outcome:
    """What the symptoms of a run come to; `end` (µs) is when the recording ends."""
    found = episodes(symptoms)
    return Outcome(rules, found, cases(found, house, end))


def only_in(mine: Outcome, other: Outcome) -> Outcome:
    """What has no counterpart in the other: a symptom of the same rule and signal, or a case of the same cause, at the same time."""
    return Outcome(
        mine.rules,
        _unmatched(mine.symptoms, other.symptoms, lambda each: (each.raised.key, each.raised.rule, each.raised.signal), _lasted),
        _unmatched(mine.cases, other.cases, lambda case: (case.device, case.cause), lambda case: (case.opened, case.over_at)),
    )


def _lasted(each: Episode) -> Span:
    return each.raised.onset, each.until


def _unmatched(mine: Sequence[T], other: Sequence[T], name: Callable[[T], object], span: Callable[[T], Span]) -> list[T]:
    spans: dict[object, list[Span]] = {}
    for each in other:
        spans.setdefault(name(each), []).append(span(each))
    return [each for each in mine if not any(_meet(span(each), theirs) for theirs in spans.get(name(each), ()))]


def _meet(one: Span, two: Span) -> bool:
    return (two[1] is None or one[0] <= two[1]) and (one[1] is None or two[0] <= one[1])
