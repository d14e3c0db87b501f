"""The demo's fold: figures come from records, beats from figures, and a night that went wrong fails its beats."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest

from vorab import frame, topics
from vorab.clock import HOUR, MINUTE, SECOND, StoryClock
from vorab.cloudevents import Headers
from vorab.demo import beats
from vorab.demo.beats import Facts, Recorded, Window
from vorab.demo.night import Night
from vorab.log import Entry
from vorab.records import (
    CaseEvent,
    CaseKind,
    Delivery,
    DeliveryReason,
    DeliveryState,
    Notification,
    Point,
    Record,
    Severity,
    Stage,
    Status,
    Symptom,
    SymptomState,
)

START = 1_000 * HOUR


def _facts(now: int = START) -> Facts:
    clock = StoryClock(start=now, speed=1e-9, origin=0)  # a story that stands still
    return Facts(
        night=Night(clock),
        machines=2,
        homes=1,
        start=START,
        end=START + 9 * HOUR,
        calm_until=START + HOUR // 2,
        morning=START + 9 * HOUR,
        zone=ZoneInfo("Europe/Berlin"),
        recorded=(Recorded("machine-1", "A machine", (Window(10 * HOUR, 20 * HOUR, 15 * HOUR),)),),
    )


def _entry(topic: str, offset: int = 0) -> Entry:
    none: Headers = ()
    return Entry(topic, 0, offset, None, None, none, 5 * SECOND)


def _tell(facts: Facts, rows: Sequence[Record]) -> None:
    for record in rows:
        facts.night.record(_entry(record.TOPIC), record)


def _symptom(**changes: object) -> Symptom:
    found = Symptom(
        id="s1", device="p1", state=SymptomState.RAISED, rule="r", rule_version="1", detector="threshold", cause="low_pressure",
        severity=Severity.MAJOR, signal="pressure", onset=START, detected_at=START + MINUTE, value=1.0, limit=1.8,
        evidence=(Point(at=START - MINUTE, value=3.0), Point(at=START, value=1.0)),
    )  # fmt: skip
    return found.model_copy(update=changes)


def _event(kind: CaseKind, n: int, **changes: object) -> CaseEvent:
    found = CaseEvent(
        id=f"e{n}", device="p1", case="c1", kind=kind, status=Status.IN_PROGRESS, at=START + n * MINUTE, because="s1",
        cause="low_pressure", severity=Severity.MAJOR, opened_at=START, seq=n,
    )  # fmt: skip
    return found.model_copy(update=changes)


def _notification(stage: Stage) -> Notification:
    return Notification(id="n1", customer="x", case="c1", device="p1", stage=stage, at=START, expires_at=START + 24 * HOUR, because="e1")


def _delivery(state: DeliveryState, at: int, reason: DeliveryReason = DeliveryReason.NONE) -> Delivery:
    return Delivery(id=f"d{state}{at}", customer="x", notification="n1", channel="file", state=state, reason=reason, at=at)


HEALED = [
    _event(CaseKind.OPENED, 0),
    _event(CaseKind.ACTION_REQUESTED, 1),
    _event(CaseKind.ACTION_ANSWERED, 2),
    _event(CaseKind.PROVING, 3),
    _event(CaseKind.RESOLVED, 4, healed=True, status=Status.RESOLVED),
]


def test_a_reading_that_stands_twice_is_seen() -> None:
    """At-least-once shows, and is counted apart from what is applied twice."""
    facts = _facts()
    row = frame.Reading("main/p1", START, START, 0, {"x": 1.0}, boot=1, seq=7)

    facts.night.frame(frame.pack([row, row], START))

    assert (facts.night.readings, facts.night.unique_readings, facts.night.doubled_readings) == (2, 1, 1)


def test_calm_needs_every_machine_and_no_alarm() -> None:
    """A false alarm in the first half hour is not calm."""
    facts = _facts(now=START + HOUR)
    facts.night.devices |= {"main/p1", "main/p2"}

    assert beats.calm(facts).ok
    _tell(facts, [_symptom()])
    assert not beats.calm(facts).ok


def test_a_first_sign_shows_the_curve_leaving_its_band() -> None:
    """Evidence on both sides of the limit, or there is nothing to see."""
    facts = _facts()
    _tell(facts, [_symptom(evidence=())])
    assert not beats.first_sign(facts).ok

    _tell(facts, [_symptom(id="s2")])
    assert beats.first_sign(facts).ok


def test_proof_is_a_healed_case_and_a_phone_that_stayed_dark() -> None:
    """Healed without the suppressed message, or told after all, is no proof of silence."""
    facts = _facts()
    _tell(facts, [*HEALED, _notification(Stage.HEALED)])
    assert not beats.proof(facts).ok

    _tell(facts, [_delivery(DeliveryState.SUPPRESSED, START, DeliveryReason.ALREADY_FIXED)])
    assert beats.proof(facts).ok


def test_doubt_hands_over_with_a_first_sentence() -> None:
    """The agent has something to say when the phone rings."""
    facts = _facts()
    story = [*HEALED[:4], _event(CaseKind.DISPROVED, 4), _event(CaseKind.HANDED_OVER, 5)]
    _tell(facts, story)
    assert not beats.doubt(facts).ok

    facts = _facts()
    _tell(facts, [*story[:-1], _event(CaseKind.HANDED_OVER, 5, detail="I am calling about …")])
    assert beats.doubt(facts).ok


@pytest.mark.parametrize(
    ("lost", "dead", "exits", "expected"), [(0, 1.8, 0, True), (1, 1.8, 0, False), (0, None, 0, False), (0, 1.8, 1, False)]
)
def test_a_kill_may_cost_nothing(lost: int, dead: float | None, exits: int, expected: bool) -> None:
    """One lost reading, a second crash, or never coming back fails the beat."""
    facts = _facts()
    facts.kill = beats.Kill(done=True, dead_s=dead, lost=lost)
    facts.unexpected_exits = exits

    assert beats.kill(facts).ok is expected


def test_a_record_that_stands_twice_fails_the_kill() -> None:
    """Twice is twice."""
    facts = _facts()
    facts.kill = beats.Kill(done=True, dead_s=1.0, lost=0)
    _tell(facts, [HEALED[0], HEALED[0]])

    assert not beats.kill(facts).ok


@pytest.mark.parametrize(("inside", "outside", "ok"), [(1, 0, True), (1, 12, True), (1, 13, False), (0, 0, False)])
def test_the_recorded_failure_is_found_without_crying_wolf(inside: int, outside: int, ok: bool) -> None:
    """At least one symptom in the window, at most twelve elsewhere."""
    facts = _facts()
    times = [15 * HOUR] * inside + [100 * HOUR] * outside
    rows = [_symptom(id=f"s{i}", tenant=topics.RECORDED_TENANT, device="machine-1", detected_at=at) for i, at in enumerate(times)]
    _tell(facts, rows)

    assert beats.recorded(facts).ok is ok


def test_morning_sends_what_is_still_true_and_drops_what_is_fixed() -> None:
    """Both have to happen, and nobody may still be waiting."""
    facts = _facts(now=START + 10 * HOUR)
    waited = [_notification(Stage.PERSON_NEEDED), _delivery(DeliveryState.DEFERRED, START)]
    _tell(facts, waited)
    assert not beats.morning(facts).ok

    _tell(facts, [_delivery(DeliveryState.SENT, START + 9 * HOUR)])
    assert not beats.morning(facts).ok  # nothing was dropped

    other = _notification(Stage.PERSON_NEEDED).model_copy(update={"id": "n2"})
    dropped = [_delivery(state, at, reason).model_copy(update={"notification": "n2", "id": f"n2{state}"}) for state, at, reason in (
        (DeliveryState.DEFERRED, START, DeliveryReason.QUIET_HOURS),
        (DeliveryState.SUPPRESSED, START + 9 * HOUR, DeliveryReason.ALREADY_FIXED),
    )]  # fmt: skip
    _tell(facts, [other, *dropped])
    assert beats.morning(facts).ok


def test_latency_is_measured_on_the_wall() -> None:
    """From publish to symptom, in real milliseconds, however fast the story runs."""
    facts = _facts()
    facts.night.clock = StoryClock(start=START, speed=60.0, origin=4 * SECOND)
    _tell(facts, [_symptom(detected_at=START + 30 * SECOND)])

    assert facts.night.quantile_ms(0.5) == 500.0
