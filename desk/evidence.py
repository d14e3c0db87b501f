"""The evidence of a case as one picture: the signal, where it should be, and what happened, on one time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from desk.queries import CaseFile, Queries
from desk.words import REASONS, number, spaced, unit
from vorab.clock import HOUR, MINUTE, Micros
from vorab.records import CaseKind, DeliveryState, ReplyStatus, Symptom, SymptomState

BEFORE: Final[Micros] = 2 * HOUR
AFTER: Final[Micros] = 40 * MINUTE
MOST_POINTS: Final = 600


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, at a moment of the axis."""

    at: Micros
    kind: str
    """`onset`, `detected`, `command`, `answer`, `doubt`, `person`, `proof` or `message`."""
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a plot shows."""

    signal: str
    unit: str
    points: Sequence[tuple[Micros, float]]
    first: Micros
    last: Micros
    limit: float | None = None
    low: float | None = None
    high: float | None = None
    """The expected band; None is open on that side."""
    onset: Micros | None = None
    proving: tuple[Micros, Micros] | None = None
    """From the first good reading to proof."""
    marks: Sequence[Mark] = ()

    @property
    def range(self) -> tuple[float, float]:
        """The values of the axis: all readings and the band's edges, with some air."""
        values = [value for _, value in self.points] + [edge for edge in (self.limit, self.low, self.high) if edge is not None]
        if not values:
            return 0.0, 1.0
        low, high = min(values), max(values)
        air = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
        return low - air, high + air

    def inside(self, value: float) -> bool:
        """Whether a value is where it should be."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def describe(self) -> str:
        """The picture in a sentence, for those who do not see it."""
        if not self.points:
            return f"There are no readings of {spaced(self.signal)} for this time."
        values = [value for _, value in self.points]
        told = "; ".join(f"{mark.text}" for mark in self.marks)
        limit = f", limit {number(self.limit, self.unit)}" if self.limit is not None else ""
        low, high = number(min(values)), number(max(values), self.unit)
        return f"{spaced(self.signal).capitalize()} between {low} and {high}{limit}. {told}."

    def json(self) -> dict[str, Any]:
        """For scripts: times in ms."""
        return {
            "signal": spaced(self.signal),
            "unit": unit(self.unit),
            "points": [[at // 1000, value] for at, value in self.points],
            "first": self.first // 1000,
            "last": self.last // 1000,
            "limit": self.limit,
            "low": self.low,
            "high": self.high,
            "range": self.range,
            "onset": self.onset // 1000 if self.onset is not None else None,
            "proving": [at // 1000 for at in self.proving] if self.proving else None,
            "marks": [{"at": mark.at // 1000, "kind": mark.kind, "text": mark.text} for mark in self.marks],
        }


def band(symptom: Symptom) -> tuple[float | None, float | None]:
    """Where the signal should be: the detector's own range, or the good side of the limit."""
    if symptom.low is not None or symptom.high is not None:
        return symptom.low, symptom.high
    if symptom.limit is None or symptom.value is None:
        return None, None
    return (symptom.limit, None) if symptom.value < symptom.limit else (None, symptom.limit)


def thin(points: Sequence[tuple[Micros, float]], most: int = MOST_POINTS) -> list[tuple[Micros, float]]:
    """At most about so many points, keeping the lowest and highest of each stretch, so that no peak is lost."""
    if len(points) <= most:
        return list(points)
    size = -(-len(points) * 2 // most)
    kept: list[tuple[Micros, float]] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        kept.extend(sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}))
    return kept


def evidence(queries: Queries, file: CaseFile, now: Micros) -> Evidence | None:
    """The picture of a case; None where it is about no signal (silence)."""
    raised = [symptom for symptom in file.symptoms if symptom.state is SymptomState.RAISED and symptom.signal]
    if not raised:
        return None
    symptom = raised[-1]
    onset = min(row.onset for row in raised)
    end = max(event.at for event in file.events)
    last = end + AFTER if not file.last.status.open else max(end, min(now, end + 6 * HOUR)) + AFTER // 4
    first = onset - BEFORE
    points = queries.curve(symptom.key, symptom.signal, first, last)
    if points:
        first = max(first, points[0][0])
    low, high = band(symptom)
    return Evidence(
        signal=symptom.signal,
        unit=symptom.unit,
        points=thin(points),
        first=first,
        last=last,
        limit=symptom.limit,
        low=low,
        high=high,
        onset=onset,
        proving=_proving(file),
        marks=[mark for mark in sorted(marks(file), key=lambda mark: mark.at) if mark.at <= last],
    )


def _proving(file: CaseFile) -> tuple[Micros, Micros] | None:
    cleared = [event.at for event in file.events if event.kind is CaseKind.SYMPTOM_CLEARED]
    proven = [event.at for event in file.events if event.kind is CaseKind.RESOLVED]
    return (cleared[-1], proven[-1]) if cleared and proven and cleared[-1] <= proven[-1] else None


def marks(file: CaseFile) -> Iterator[Mark]:
    """What happened, as marks on the axis."""
    raised = [symptom for symptom in file.symptoms if symptom.state is SymptomState.RAISED]
    if raised:
        first = min(raised, key=lambda symptom: symptom.onset)
        yield Mark(first.onset, "onset", "onset")
        yield Mark(first.detected_at, "detected", "detected")
    for action in file.actions:
        yield Mark(action.at, "command", f"command: {action.name}")
    for reply in file.replies:
        if reply.status.final:
            said = "done" if reply.status is ReplyStatus.SUCCEEDED else spaced(reply.status.value)
            yield Mark(reply.at, "answer", f"answer: {said}")
    for event in file.events:
        match event.kind:
            case CaseKind.DISPROVED:
                yield Mark(event.at, "doubt", "not believed")
            case CaseKind.HANDED_OVER:
                yield Mark(event.at, "person", "person needed")
            case CaseKind.RESOLVED:
                yield Mark(event.at, "proof", "proven" if event.healed or event.because == event.case else "resolved")
    for delivery in file.deliveries:
        if delivery.state is DeliveryState.SENT:
            yield Mark(delivery.at, "message", "message sent")
        elif delivery.state is DeliveryState.SUPPRESSED:
            yield Mark(delivery.at, "message", f"not sent: {REASONS[delivery.reason]}")
