"""How much is done to one device in a day."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from streams.cases.actions import Actions
from streams.cases.decisions import Decisions
from tests.unit.streams.cases.ward import POLICY, Ward, clock, written
from vorab.records import CaseKind, ReplyStatus


def _night_of_faults(hours: Iterable[int], policy: str = POLICY) -> Ward:
    """A fault at each of these hours, healed each time by a restart."""
    ward = Ward(policy=written(policy))
    for hour in hours:
        symptom = ward.raised(f"{hour // 24}+{hour % 24:02}:00")
        if ward.last.kind is CaseKind.ACTION_REQUESTED:
            ward.replied(f"{hour // 24}+{hour % 24:02}:02", ReplyStatus.SUCCEEDED)
        ward.cleared(f"{hour // 24}+{hour % 24:02}:05", symptom)
        ward.tick(f"{hour // 24}+{hour % 24:02}:55")
    return ward


def test_what_is_restarted_again_and_again_is_handed_to_a_person() -> None:
    """Four times in 24 hours; a day after the first there is room again."""
    ward = _night_of_faults((0, 2, 4, 6, 8, 25))
    assert [event.at for event in ward.kinds(CaseKind.ACTION_REQUESTED)] == [clock(f"{h // 24}+{h % 24:02}:00") for h in (0, 2, 4, 6, 25)]
    [handed] = ward.kinds(CaseKind.HANDED_OVER)
    assert handed.at == clock("08:00")
    assert "something was done to it 4 times in 24 hours, and that is enough" in handed.detail


def test_the_limit_per_device_is_policy() -> None:
    """Two, where the file says so."""
    ward = _night_of_faults((0, 2, 4), POLICY.replace("per_hour: 120", "per_hour: 120, per_device: 2"))
    assert len(ward.actions) == 2


def test_a_build_that_does_not_count_per_device_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: a fifth restart within a day."""
    monkeypatch.setattr(Decisions, "too_often", lambda *_: False)
    assert len(_night_of_faults((0, 2, 4, 6, 8)).actions) == 5


NIGHTLY = """
remedies:
  restart: {command: restart, when: {hours: "01:00-03:00", zone: Europe/Berlin}}
policy:
  - {line: at night, do: restart, within: 30m, stays: 12m, readings: 0}
"""


def test_a_remedy_waits_for_its_hours() -> None:
    """Found at four, done at one: nothing is asked and nothing goes out before."""
    ward = Ward(policy=written(NIGHTLY))
    ward.raised("04:00")
    ward.tick("23:00")
    assert not ward.actions
    assert not ward.kinds(CaseKind.PERMIT_ASKED)
    ward.tick("1+00:59")
    assert not ward.actions
    ward.tick("1+01:01")
    assert [action.name for action in ward.actions] == ["restart"]


def test_within_its_hours_it_is_done_at_once() -> None:
    """The hours keep nobody waiting who need not."""
    ward = Ward(policy=written(NIGHTLY))
    ward.raised("02:10")
    assert len(ward.actions) == 1


def test_a_build_that_forgets_the_hours_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them it would be restarted in the morning."""
    monkeypatch.setattr(Actions, "opens", lambda _self, _remedy, at: at)
    with pytest.raises(AssertionError):
        test_a_remedy_waits_for_its_hours()
