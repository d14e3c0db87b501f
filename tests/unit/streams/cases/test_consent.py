"""Consent to remote repair that is withdrawn: what has not begun does not begin, what has begun is not repeated."""

from __future__ import annotations

import pytest

from streams.cases.actions import Actions
from tests.unit.streams.cases.ward import POLICY, Ward, clock, written
from vorab.records import CaseKind, CommandKind, ReplyStatus

AGAIN = POLICY.replace("do: restart,", "do: restart, attempts: 3,")


def test_an_action_the_device_has_not_answered_is_taken_back_at_once() -> None:
    """At the moment of the word, and a person has the case."""
    ward = Ward()
    ward.raised("02:10")
    ward.asked("02:11", CommandKind.NO_CONSENT)
    [recall] = ward.recalls
    assert (recall.action, recall.at, recall.because) == (ward.actions[0].id, clock("02:11"), ward.events[-2].because)
    assert ward.story[-2:] == ["02:11 consent_refused inProgress", "02:11 handed_over held"]
    ward.tick("1+02:00")
    assert len(ward.actions) == 1


def test_the_answer_in_the_devices_place_changes_nothing_more() -> None:
    """It is noted as what it is: late."""
    ward = Ward()
    ward.raised("02:10")
    ward.asked("02:11", CommandKind.NO_CONSENT)
    ward.replied("02:12", ReplyStatus.CANCELLED)
    assert ward.last.kind is CaseKind.ACTION_ANSWERED
    assert ward.last.detail == "late: cancelled"
    assert ward.last.status == "held"


def test_the_device_is_free_for_its_other_cases_when_that_is_answered_in_its_place() -> None:
    """Until then it may have begun all the same, and two things at once are one too many."""
    ward = Ward()
    ward.raised("02:10")
    ward.raised("02:10", "overheating")
    ward.asked("02:11", CommandKind.NO_CONSENT, case=ward.kinds(CaseKind.OPENED)[0].case)
    assert len(ward.actions) == 1
    ward.replied("02:12", ReplyStatus.CANCELLED)
    assert [action.case for action in ward.actions] == [event.case for event in ward.kinds(CaseKind.OPENED)]


def test_what_the_device_is_at_is_not_taken_back_and_not_repeated() -> None:
    """It restarts as it said; when that does not help, there is no second attempt."""
    ward = Ward(policy=written(AGAIN))
    ward.raised("02:10")
    ward.replied("02:10", ReplyStatus.ACCEPTED)
    ward.asked("02:11", CommandKind.NO_CONSENT)
    assert not ward.recalls
    ward.replied("02:14", ReplyStatus.FAILED)
    ward.tick("04:00")
    assert len(ward.actions) == 1
    assert ward.last.kind is CaseKind.HANDED_OVER


def test_consent_withdrawn_while_a_permit_is_out_takes_the_action_back_as_it_is_made() -> None:
    """What people say meanwhile is held for the answer, and then both leave in one step: who hands actions over sees them together."""
    ward = Ward(permits_answer=False)
    ward.raised("02:10")
    ward.asked("02:11", CommandKind.NO_CONSENT)
    assert not ward.actions
    ward.answer()
    assert [recall.action for recall in ward.recalls] == [action.id for action in ward.actions]
    assert ward.last.kind is CaseKind.HANDED_OVER


def test_a_build_that_takes_nothing_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: the device may restart against the customer's word."""
    monkeypatch.setattr(Actions, "recall", lambda *_: None)
    with pytest.raises(ValueError, match="not enough values"):
        test_an_action_the_device_has_not_answered_is_taken_back_at_once()


def test_what_needs_no_consent_goes_on() -> None:
    """A remedy that the operator may use anyway is not stopped by a no."""
    ward = Ward(policy=written(POLICY.replace("command: restart,", "command: restart, consent: false,")))
    ward.raised("02:10")
    ward.asked("02:11", CommandKind.NO_CONSENT)
    assert not ward.recalls
