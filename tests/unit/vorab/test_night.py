"""The demo's fold: figures come from records, beats from figures, and a night that went wrong fails its beats."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from vorab import frame, topics
from vorab.clock import HOUR, MINUTE, SECOND, ManualClock, StoryClock
from vorab.cloudevents import Headers
from vorab.demo import beats, broker, run, show
from vorab.demo.beats import Facts, Recorded, Window
from vorab.demo.broker import Broker
from vorab.demo.follow import Follower
from vorab.demo.night import Night
from vorab.errors import Unavailable
from vorab.fleet.registry import SINGAPORE
from vorab.log import Entry, EventLog
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


class _Log:
    """A log that holds what a test puts there."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = list(entries)

    def partitions(self, topic: str) -> int:  # noqa: ARG002 - the log's signature
        """One of each."""
        return 1

    def read(self, positions: Mapping[tuple[str, int], int], limit: int) -> list[Entry]:
        """What is new."""
        return [entry for entry in self.entries if entry.offset >= positions[entry.topic, entry.partition]][:limit]


def _rows(*seqs: int) -> bytes:
    return frame.encode(frame.pack([frame.Reading("main/p1", START, START, 0, {"x": 1.0}, boot=1, seq=seq) for seq in seqs], START))


@pytest.mark.parametrize(("published", "waited"), [(2, False), (3, True)])
def test_the_end_is_not_drawn_out_for_readings_that_never_come(published: int, waited: bool) -> None:
    """Machines that are stopped are soon missed: where nothing more comes, the drain is over long before its limit."""
    entry = _entry(topics.READINGS)._replace(value=_rows(1, 2))
    follower = Follower(cast("EventLog", _Log(entry)), Night(ManualClock()))
    wall = ManualClock()

    run.drain(follower, published, wall)

    assert follower.night.unique_readings == 2
    assert (0 < wall.now() < run.DRAIN_S * SECOND / 2) is waited


def test_what_is_noticed_after_the_end_is_no_part_of_the_story() -> None:
    """The machines were stopped by the demo itself: no symptom, no case, no message of that counts, whatever is read first."""
    facts = _facts(now=START + 10 * HOUR)
    late = facts.end + 1
    rows = [
        _delivery(DeliveryState.SENT, late),
        _notification(Stage.PERSON_NEEDED),
        _symptom(id="s9", detected_at=late, detector="silence"),
        _event(CaseKind.OPENED, 0, opened_at=late, at=late),
        _event(CaseKind.HANDED_OVER, 1, opened_at=late, at=late),
    ]
    facts.night.end = facts.end
    _tell(facts, rows)
    found = beats.summary(facts)
    assert (found["symptoms"], found["people_needed"], found["sent"], found["why"]) == (0, 0, 0, None)

    facts = _facts(now=START + 10 * HOUR)  # without an end, all of it counts
    _tell(facts, rows)
    found = beats.summary(facts)
    assert (found["symptoms"], found["people_needed"], found["sent"]) == (1, 1, 1)


def test_a_case_of_the_story_may_end_after_it() -> None:
    """What was opened before the end is told to its end."""
    facts = _facts()
    facts.night.end = facts.end
    _tell(facts, [HEALED[0], *(event.model_copy(update={"at": facts.end + 1}) for event in HEALED[1:])])

    assert len(facts.night.healed) == 1


PROMISES = ("it keeps everything", "it promises no delivery")


@pytest.mark.parametrize(("arrived", "promise", "ok", "words"), [
    (90, PROMISES[1], True, "10 of 100 recorded readings were lost with the broker; no verdict"),
    (90, PROMISES[0], False, "no verdict"),
    (100, PROMISES[0], True, "before the documented failure"),
    (100, PROMISES[1], True, "before the documented failure"),
    (101, PROMISES[0], True, "before the documented failure"),
])  # fmt: skip
def test_a_recording_with_holes_is_not_judged(arrived: int, promise: str, ok: bool, words: str) -> None:
    """Hours before a failure are claimed only where every recorded reading was there; a broker that keeps them may not lose any."""
    facts = _facts()
    facts.broker_promise = promise
    _tell(facts, [_symptom(tenant=topics.RECORDED_TENANT, device="machine-1", detected_at=12 * HOUR)])
    facts.night.recorded_readings = arrived
    facts.recorded_published = 100

    assert beats.recorded(facts).ok is ok
    assert words in beats.recorded(facts).text


def test_a_recording_under_way_is_not_judged_where_readings_may_be_lost() -> None:
    """Nobody knows yet whether all of it has come."""
    facts = _facts()
    _tell(facts, [_symptom(tenant=topics.RECORDED_TENANT, device="machine-1", detected_at=15 * HOUR)])
    assert beats.recorded(facts).ok

    facts.broker_promise = PROMISES[1]
    assert not beats.recorded(facts).ok


def test_calm_says_who_is_missing() -> None:
    """A sentence that is not true is not said."""
    facts = _facts(now=START + HOUR)
    facts.night.devices |= {"main/p1"}

    assert beats.calm(facts) == (False, "1 of 2 machines have been heard")


def test_doubt_prefers_a_story_of_the_same_night() -> None:
    """Where it is morning already, a person at work at midnight would puzzle; without a better story it is told after all."""
    abroad = [*HEALED[:4], _event(CaseKind.DISPROVED, 4), _event(CaseKind.HANDED_OVER, 5, detail="I am calling about …")]
    abroad = [event.model_copy(update={"site": SINGAPORE.site, "device": "far"}) for event in abroad]
    here = [event.model_copy(update={"site": "", "device": "near", "case": "c2", "id": f"h{event.id}"}) for event in abroad]
    facts = _facts()
    _tell(facts, abroad)
    assert not beats.doubt(facts).ok
    _tell(facts, here)
    assert beats.doubt(facts).text.startswith("near ")

    facts = _facts(now=START + 10 * HOUR)
    _tell(facts, abroad)
    assert beats.doubt(facts).text.startswith("far ")


def test_latency_without_the_kill_leaves_out_what_waited_for_it() -> None:
    """Both are figures: what the kill costs, and what is usual."""
    facts = _facts()
    facts.night.clock = StoryClock(start=START, speed=1.0, origin=0)
    facts.kill = beats.Kill(done=True, at=2 * SECOND, dead_s=1.0)
    _tell(facts, [_symptom(id=f"s{s}", detected_at=START + s * SECOND) for s in (1, 3, 4, 5)])  # all appended at 5 s
    found = beats.summary(facts)

    assert found["publish_to_symptom_p99_ms"] == 4000.0
    assert found["publish_to_symptom_p50_ms"] == 2000.0
    assert found["publish_to_symptom_p50_undisturbed_ms"] == 4000.0  # of 1 s and 5 s: between lie the kill and its aftermath
    assert facts.night.quantile_ms(0.0, without=facts.kill.disturbed) == 0.0


@pytest.mark.parametrize(("count", "text"), [(0, "0 alarms"), (1, "1 alarm"), (1200, "1,200 alarms")])
def test_one_alarm_is_not_one_alarms(count: int, text: str) -> None:
    """Grammar is part of being believed."""
    assert beats.many(count, "alarm") == text


def test_vorab_is_called_again_as_it_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suggested command works when it is copied."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    script = tmp_path / ".venv" / "bin" / "vorab"
    script.touch()
    monkeypatch.chdir(tmp_path)

    assert show.called(".venv/bin/vorab", None) == ".venv/bin/vorab"
    assert show.called(str(script), None) == ".venv/bin/vorab"
    assert show.called(str(script), "/usr/bin/vorab") == ".venv/bin/vorab"
    assert show.called(str(script), str(script)) == "vorab"
    assert show.called("/x/vorab/__main__.py", None).endswith(" -m vorab")


def test_the_sum_has_no_trailing_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    """What is copied from a terminal is clean, and the kill shows when it happened."""
    facts = _facts(now=START + 8 * HOUR)
    facts.kill.story_at = START + HOUR
    _tell(facts, HEALED)
    beat = beats.Beat("kill", "Kill -9", ok=True, text="dead for 1.0 s [all]")
    teller = show.Teller(60)
    teller.begin("http://127.0.0.1:1/", Broker("amqtt", 1, cast("subprocess.Popen[bytes]", None)).promise)
    teller.tell(beat, facts)
    teller.end({
        "sum": beats.summary(facts), "log_errors": 0, "unexpected_exits": 0, "rejections": 0, "start_s": 1, "first_symptom_s": 2,
        "beats": [{"name": "kill", "ok": False, "text": "lost 3"}], "state_dir": "/tmp/a b",
    })  # fmt: skip
    said = capsys.readouterr().out.splitlines()

    assert said
    assert [line for line in said if line != line.rstrip()] == []
    assert any(line.startswith(facts.clock_time(START + HOUR)) and line.endswith("[all]") for line in said)
    assert any(line.endswith("why c1 --state-dir '/tmp/a b'") for line in said)


def test_mosquitto_that_is_not_there_is_not_replaced_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it gets it or is told how to."""
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(Unavailable, match="apt-get install mosquitto"):
        broker.start(tmp_path, "mosquitto")
