"""Silence is never proof, and neither is a sensor that stands still: so many readings, newer than the answer, and not all the same."""

from __future__ import annotations

from typing import Final

import pytest

from streams.cases import proof
from streams.cases.state import Case, DeviceState
from tests.unit.streams.cases.ward import Ward, clock, written
from vorab.records import CaseKind, CommandKind, ReplyStatus, Symptom

POLICY: Final = """
remedies:
  restart: {command: restart, said: restarted it, valid: 15m, grace: 5m}
policy:
  - {line: restart, do: restart, within: 30m, stays: 12m, readings: 3}
"""


def restarted(*, readings: int, changes: int) -> Ward:
    """A machine said done at 02:12, its symptom cleared at 02:14, and these readings came until 02:20."""
    ward = Ward(policy=written(POLICY))
    symptom = ward.raised("02:10")
    ward.replied("02:12", ReplyStatus.SUCCEEDED)
    ward.cleared("02:14", symptom)
    if readings:
        ward.confirmed(symptom, "02:14", "02:20", readings=readings, changes=changes)
    return ward


def cleared(ward: Ward) -> Symptom:
    """The symptom of the machine, as it cleared."""
    return Symptom.model_validate(
        {
            "id": ward.events[0].symptom, "device": "hp-12", "state": "cleared", "rule": "low_pressure", "rule_version": "1",
            "detector": "threshold", "cause": "low_pressure", "severity": "major", "onset": clock("02:10"), "detected_at": clock("02:10"),
        }
    )  # fmt: skip


def test_readings_that_change_prove_it() -> None:
    """Closed by proof, with the moments between which the readings show it."""
    ward = restarted(readings=3, changes=2)
    ward.tick("02:30")
    assert ward.last.kind is CaseKind.RESOLVED
    assert ward.last.healed
    shown = ward.last.proof
    assert shown is not None
    assert (shown.before, shown.since, shown.until) == (clock("02:10"), clock("02:14"), clock("02:20"))
    assert (shown.readings, shown.changes) == (3, 2)


@pytest.mark.parametrize(("readings", "changes"), [(0, 0), (2, 2), (40, 0)], ids=["none", "too few", "all the same"])
def test_too_few_readings_or_a_frozen_value_prove_nothing(readings: int, changes: int) -> None:
    """A person looks, and is told why."""
    ward = restarted(readings=readings, changes=changes)
    ward.tick("02:53")
    assert ward.last.kind is CaseKind.CONCLUDED or not ward.kinds(CaseKind.RESOLVED)
    ward.tick("02:55")
    assert not ward.kinds(CaseKind.RESOLVED)
    assert "its readings are too few or stand still" in ward.kinds(CaseKind.DISPROVED)[0].detail


def test_readings_from_before_the_answer_do_not_count() -> None:
    """What came before the machine said done tells nothing about what it did."""
    ward = Ward(policy=written(POLICY))
    symptom = ward.raised("02:10")
    ward.cleared("02:11", symptom)
    ward.confirmed(symptom, "02:11", "02:14", readings=9, changes=9)
    ward.replied("02:13", ReplyStatus.SUCCEEDED)
    ward.tick("02:30")
    assert not ward.kinds(CaseKind.RESOLVED)
    ward.confirmed(symptom, "02:14", "02:31", readings=3, changes=3)
    ward.tick("02:32")
    assert ward.last.kind is CaseKind.RESOLVED


def test_a_symptom_that_comes_back_begins_anew() -> None:
    """Healed for ten minutes is not healed: the readings of those minutes are forgotten."""
    ward = restarted(readings=9, changes=9)
    ward.raised("02:22", rule="again")
    assert ward.kinds(CaseKind.DISPROVED)
    assert not ward.kinds(CaseKind.RESOLVED)
    assert ward.last.kind is CaseKind.HANDED_OVER


def test_proof_waits_for_late_readings() -> None:
    """Where they come after it has stayed clear for long enough, it is proven when they come."""
    ward = restarted(readings=0, changes=0)
    ward.tick("02:28")
    assert not ward.kinds(CaseKind.RESOLVED)
    symptom = cleared(ward)
    ward.confirmed(symptom, "02:14", "02:29")
    ward.tick("02:30")
    assert ward.last.kind is CaseKind.RESOLVED


def test_readings_of_the_first_minutes_alone_prove_nothing() -> None:
    """While vorab hears nothing time passes, too: five good readings in two minutes are not ten minutes of good readings."""
    ward = Ward(policy=written(POLICY))
    symptom = ward.raised("02:10")
    ward.replied("02:13", ReplyStatus.SUCCEEDED)
    ward.cleared("02:14", symptom)
    ward.confirmed(symptom, "02:14", "02:16", readings=5, changes=5)
    ward.tick("02:40")
    assert not ward.kinds(CaseKind.RESOLVED)
    ward.confirmed(symptom, "02:16", "02:40", readings=1, changes=1)
    ward.tick("02:41")
    assert ward.last.kind is CaseKind.RESOLVED


@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
def test_it_is_well_at_the_same_moment_however_late_its_readings_come(late: bool) -> None:
    """What a device handed in late tells of several moments at once; the case ends at the one at which it had been well for long enough."""
    ward = Ward(policy=written(POLICY))
    symptom = ward.raised("02:10")
    ward.replied("02:12", ReplyStatus.SUCCEEDED)
    ward.at_once = late
    ward.cleared("02:14", symptom)
    ward.confirmed(symptom, "02:14", "02:25")
    ward.confirmed(symptom, "02:25", "02:40")
    ward.tick("02:41")
    resolved = ward.last
    assert (resolved.kind, resolved.at) == (CaseKind.RESOLVED, clock("02:26"))
    assert resolved.proof is not None
    assert resolved.proof.until == clock("02:25")


def test_where_no_readings_will_be_told_none_are_waited_for() -> None:
    """What others report clears by their word; there is nothing to read."""
    ward = Ward(policy=written(POLICY))
    symptom = ward.raised("02:10")
    ward.replied("02:13", ReplyStatus.SUCCEEDED)
    ward.cleared("02:14", symptom, followed=False)
    ward.tick("02:30")
    assert ward.last.kind is CaseKind.RESOLVED


def _anything_is_enough(state: DeviceState, case: Case, line: object) -> bool:  # noqa: ARG001 - the shape of what it replaces
    return True


def test_a_build_that_believes_a_frozen_value_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the count the frozen machine would be closed as healed."""
    monkeypatch.setattr(proof, "enough", _anything_is_enough)
    with pytest.raises(AssertionError):
        test_too_few_readings_or_a_frozen_value_prove_nothing(40, 0)


def test_what_is_told_twice_is_counted_once() -> None:
    """A detect that starts again may say the same readings again; one reading stays one."""
    ward = restarted(readings=1, changes=1)
    for _ in range(2):
        ward.confirmed(cleared(ward), "02:14", "02:20", readings=1, changes=1)
    ward.tick("02:30")
    assert not ward.kinds(CaseKind.RESOLVED)


def test_a_proof_ends_with_the_clearing_it_was_about() -> None:
    """A person ends a case whose symptom is back: no readings are said to show that it is gone."""
    ward = restarted(readings=5, changes=4)
    ward.tick("02:30")
    assert ward.last.proof is not None
    ward.raised("02:40", rule="again")
    ward.asked("02:41", CommandKind.RESOLVE)
    assert ward.last.kind is CaseKind.RESOLVED
    assert ward.last.proof is None
