"""How urgent a case is: the matrix, and at most one level for what the customer has been through."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cases.policy import History
from streams.cases.priority import PRIORITY, history_of, priority
from streams.cases.remedies import load_policy
from tests.unit.streams.cases.ward import CUSTOMER, HEAT_PUMP, OF_TRIED, POLICY, Ward, written
from vorab.errors import ConfigError
from vorab.records import CaseKind


def test_priority_is_read_off_the_matrix() -> None:
    """ITIL: 1 is critical, 5 is planning; better impact or urgency never raises it."""
    assert PRIORITY[1, 1] == 1
    assert PRIORITY[3, 3] == 5
    assert all(PRIORITY[i, u] <= PRIORITY[min(i + 1, 3), u] and PRIORITY[i, u] <= PRIORITY[i, min(u + 1, 3)] for i, u in PRIORITY)


def test_of_two_equal_faults_that_of_a_customer_with_a_return_and_a_wrong_bill_is_one_level_more_urgent() -> None:
    """And the case says why, in each of its events."""
    ward = Ward()
    for device in (HEAT_PUMP, OF_TRIED):
        ward.raised("02:00", device=device)
    calm, tried = ward.kinds(CaseKind.OPENED)
    assert (calm.impact, calm.urgency) == (tried.impact, tried.urgency)
    assert (calm.priority, calm.history) == (3, ())
    assert (tried.priority, tried.history) == (2, ("1 return", "1 wrong bill"))


def test_the_third_fault_of_a_device_within_thirty_days_is_one_level_more_urgent() -> None:
    """Two of them are not, and one of long ago does not count."""
    ward = Ward()
    for day in (0, 25, 34, 40):
        symptom = ward.raised(f"{day}+02:00")
        ward.cleared(f"{day}+03:00", symptom)
        ward.tick(f"{day}+09:00")
    opened = ward.kinds(CaseKind.OPENED)
    assert [event.priority for event in opened] == [3, 3, 3, 2]
    assert opened[-1].history == ("3 faults in 30 days",)


def test_history_is_remembered_over_a_restart() -> None:
    """A worker that forgets would call the third fault the first."""
    ward = Ward(forgetful=True)
    for day in (0, 1, 2):
        symptom = ward.raised(f"{day}+02:00")
        ward.cleared(f"{day}+03:00", symptom)
        ward.tick(f"{day}+09:00")
    assert ward.kinds(CaseKind.OPENED)[-1].priority == 2


@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.text(max_size=3), max_size=5))
def test_history_raises_by_one_level_at_most_and_never_above_the_first(impact: int, urgency: int, history: list[str]) -> None:
    """Whatever and however much there is."""
    assert PRIORITY[impact, urgency] - priority(impact, urgency, history) == (bool(history) and PRIORITY[impact, urgency] > 1)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_what_is_below_its_bar_is_no_history(returns: int, bills: int, complaints: int, faults: int) -> None:
    """Each mark has a bar of its own, and is named with its count."""
    bar = History(returns=2, wrong_bills=3, complaints=4, faults=5)
    customer = CUSTOMER.model_copy(update={"returns": returns, "wrong_bills": bills, "complaints": complaints})
    found = history_of(customer, faults, bar)
    wanted = {f"{returns} returns": returns >= 2, f"{bills} wrong bills": bills >= 3, f"{complaints} complaints": complaints >= 4}
    assert found == [name for name, counts in wanted.items() if counts] + [f"{faults} faults in 30 days"] * (faults >= 5)


def test_bars_are_policy() -> None:
    """Where it takes two returns, one is no reason."""
    ward = Ward(policy=written(POLICY + "history: {returns: 2, wrong_bills: 2}\n"))
    ward.raised("02:00", device=OF_TRIED)
    assert ward.last.priority == 3


def test_bars_written_twice_are_a_mistake(tmp_path: Path) -> None:
    """Nobody has to guess which of two files counts; the message names file and line of one and the file of the other."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("policy: []\nhistory: {returns: 2}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="history is written twice") as caught:
        load_policy([tmp_path])
    assert "b.yaml" in str(caught.value)
    assert "a.yaml" in str(caught.value)
