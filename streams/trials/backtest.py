"""Rules over what was recorded: the same detect as live, the same symptoms. Pure.

`Play` runs rules over frames as one partition; `streams.hosts.replay` runs them over the log as a host does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from streams.cohorts import Cohorts
from streams.detect.processor import Detect
from streams.detectors.peer import PeerRule
from streams.detectors.silence import SilenceRule
from streams.rules.ruleset import RuleSet
from streams.trials.csvcolumns import Recording
from streams.trials.csvframes import frames, passing
from vorab.clock import Micros
from vorab.frame import Frame
from vorab.processor import Out, Registry
from vorab.records import Cohort, Severity, Symptom, SymptomState
from vorab.topics import COHORTS, READINGS


@dataclass(slots=True)
class Episode:
    """A symptom from its beginning to its end."""

    raised: Symptom
    last: Symptom
    severity: Severity
    """The gravest it had."""

    @property
    def until(self) -> Micros | None:
        """When it was cleared, µs."""
        return self.last.cleared_at


def episodes(symptoms: Iterable[Symptom]) -> list[Episode]:
    """Each symptom once, in the order in which they were raised."""
    found: dict[str, Episode] = {}
    for each in symptoms:
        if each.state is SymptomState.CONFIRMED:
            continue
        have = found.get(each.id)
        if have is None:
            found[each.id] = Episode(each, each, each.severity)
        else:
            have.last = each
            have.severity = min(have.severity, each.severity, key=lambda severity: severity.rank)
            if each.state is SymptomState.RAISED and have.raised.state is not SymptomState.RAISED:
                have.raised = each
    return sorted(found.values(), key=lambda each: (each.raised.detected_at, each.raised.key, each.raised.rule, each.raised.signal))


def silence_limits(*rules: RuleSet) -> list[Micros]:
    """The limits (µs) of the rules that judge silence: time has to be told them more often than that."""
    return sorted({rule.after for each in rules for rule in each if isinstance(rule, SilenceRule)})


def shortest_bucket(*rules: RuleSet) -> Micros | None:
    """The shortest stretch of time (µs) in which rules compare devices; None where none does."""
    return min((rule.bucket for each in rules for rule in each if isinstance(rule, PeerRule)), default=None)


class Play:
    """Rules on one partition of made-up frames, which is the whole of every cohort."""

    def __init__(self, rules: RuleSet, registry: Registry) -> None:
        self.rules = rules
        self.symptoms: list[Symptom] = []
        self._detect = Detect(rules, registry)
        self._cohorts = Cohorts()
        self._offset = 0

    def frame(self, frame: Frame) -> None:
        """A frame, then its time."""
        self._keep(self._detect.step(READINGS, self._offset, frame, frame.now))
        self._offset += 1
        self._keep(self._detect.due(frame.now))

    def time(self, now: Micros) -> None:
        """Nobody speaks, and it is `now` (µs)."""
        self._keep(self._detect.due(now))

    def _keep(self, outs: Iterable[Out]) -> None:
        for out in outs:
            if isinstance(out.record, Symptom):
                if out.record.state is not SymptomState.CONFIRMED:  # that is for whoever waits for a proof
                    self.symptoms.append(out.record)
            elif isinstance(out.record, Cohort):
                for answer in self._cohorts.step(COHORTS, 0, out.record, out.record.time):
                    self._keep(self._detect.step(COHORTS, 0, answer.record, out.record.time))


def play(
    recording: Recording, plays: Sequence[Play], *, until: Micros | None = None, progress: Callable[[int], None] | None = None
) -> None:
    """Run rules over an ordered recording, side by side; `until` (µs) is how long time goes on after the last reading."""
    limits = silence_limits(*(each.rules for each in plays))
    bucket = shortest_bucket(*(each.rules for each in plays))
    now: Micros | None = None
    for frame in frames(recording, limits, bucket=bucket):
        first = min(int(block.measured_at.min()) for block in frame.blocks)
        if now is not None:
            _pass(plays, now, first, limits)
        for each in plays:
            if bucket is not None:
                each.time(first)  # what was averaged before is told before it is written over
            each.frame(frame)
        now = frame.now
        if progress is not None:
            progress(frame.n)
    if now is not None and until is not None and until > now:
        _pass(plays, now, until, limits)
        for each in plays:
            each.time(until)


def _pass(plays: Sequence[Play], since: Micros, until: Micros, limits: Sequence[Micros]) -> None:
    for now in passing(since, until, limits):
        for each in plays:
            each.time(now)
