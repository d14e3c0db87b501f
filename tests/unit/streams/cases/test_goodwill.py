"""Goodwill: proposed by policy, approved by people, counted by the customer's account, never more than the cap."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.care.account import YEAR, Account, money
from streams.cases.votes import Votes
from tests.unit.streams.cases.test_caring import CARE, forgetful, ward
from tests.unit.streams.cases.ward import ASKS, HEAT_PUMP, Ward, clock
from vorab import topics
from vorab.clock import DAY, MINUTE, Micros
from vorab.records import CaseEvent, CaseKind, Command, CommandKind, Device, ReplyStatus, Symptom

__all__ = ["forgetful"]

GOODWILL: Final = (
    CaseKind.GOODWILL_PROPOSED, CaseKind.GOODWILL_APPROVED, CaseKind.GOODWILL_ASKED, CaseKind.GOODWILL_GRANTED,
    CaseKind.GOODWILL_DECLINED,
)  # fmt: skip
CAP: Final = round(CARE.goodwill.per_year * 100)


def angry(found: Ward, at: Micros, cause: str = "low_pressure", device: Device = HEAT_PUMP) -> tuple[str, Symptom]:
    """A case of an angry customer, with a gesture proposed."""
    symptom = found.raised(at, cause, detector="learned", device=device)
    case = found.last.case
    found.asked(at + MINUTE, CommandKind.COMPLAINT, case, device=device, detail="I am furious")
    return case, symptom


def four_cases(found: Ward) -> list[tuple[str, Device]]:
    """Four cases of one angry customer, two on each of two devices."""
    devices = (HEAT_PUMP, ASKS, HEAT_PUMP, ASKS)
    return [(angry(found, clock(f"02:0{n}"), f"cause_{n}", device)[0], device) for n, device in enumerate(devices)]


def approve(found: Ward, cases: list[tuple[str, Device]]) -> None:
    """All of them at the same moment."""
    for case, device in cases:
        found.asked("03:00", CommandKind.APPROVE_GOODWILL, case, device=device)


def story(found: Ward) -> list[str]:
    """What became of the goodwill."""
    return [event.kind.removeprefix("goodwill_") for event in found.kinds(*GOODWILL)]


def test_anger_proposes_a_gesture_that_people_approve_and_the_account_counts(forgetful: bool) -> None:
    """Proposed with an apology, approved, counted, granted; each event says what and how much."""
    found = ward(forgetful=forgetful)
    case, _ = angry(found, clock("02:00"))
    [proposed] = found.kinds(CaseKind.GOODWILL_PROPOSED)
    assert (proposed.goodwill, proposed.gesture, proposed.amount_cents, proposed.currency) == ("proposed", "a voucher", 2000, "EUR")
    assert "sorry" in proposed.detail
    found.asked("02:10", CommandKind.APPROVE_GOODWILL, case)
    assert story(found) == ["proposed", "approved", "asked", "granted"]
    assert (found.last.goodwill, found.last.detail) == ("granted", "a voucher, 20.00 EUR; 20.00 EUR of 60.00 EUR in a year")


def test_who_declines_it_ends_it() -> None:
    """Nothing is counted, and nobody can approve it afterwards."""
    found = ward()
    case, _ = angry(found, clock("02:00"))
    found.asked("02:10", CommandKind.DECLINE_GOODWILL, case)
    found.asked("02:11", CommandKind.APPROVE_GOODWILL, case, by="agent-8")
    assert story(found) == ["proposed", "declined"]


def test_the_third_fault_wants_two_people(forgetful: bool) -> None:
    """The same person twice is one."""
    found = ward(forgetful=forgetful)
    for day in range(3):
        symptom = found.raised(clock("02:00") + day * DAY)
        found.replied(clock("02:01") + day * DAY, ReplyStatus.SUCCEEDED)
        found.cleared(clock("02:02") + day * DAY, symptom)
        found.tick(clock("06:00") + day * DAY)
    [proposed] = found.kinds(CaseKind.GOODWILL_PROPOSED)
    assert (proposed.amount_cents, proposed.goodwill_needed) == (3000, 2)
    for minute, by in enumerate(("agent-7", "AGENT-7", "agent-8"), start=10):
        found.asked(f"2+07:{minute}", CommandKind.APPROVE_GOODWILL, by=by)
    assert story(found) == ["proposed", "approved", "approved", "asked", "granted"]
    assert found.kinds(CaseKind.GOODWILL_ASKED)[0].goodwill_approvals == ("agent-7", "agent-8")


def test_only_the_account_says_what_it_counted() -> None:
    """A person cannot grant money by a command, nor can an answer that belongs to another question."""
    found = ward()
    case, _ = angry(found, clock("02:00"))
    found.asked("02:05", CommandKind.GOODWILL_COUNTED, case, by="account", because="something else")
    found.asked("02:06", CommandKind.GOODWILL_COUNTED, case)
    assert story(found) == ["proposed"]
    assert found.last.goodwill == "proposed"


def test_the_cap_holds_for_two_devices_at_once(forgetful: bool) -> None:
    """Four gestures of 20 on two devices of one customer, approved at the same moment: three are granted, the fourth is not."""
    found = ward(forgetful=forgetful)
    four = four_cases(found)
    approve(found, four)
    granted = found.kinds(CaseKind.GOODWILL_GRANTED)
    assert sum(event.amount_cents for event in granted) == CAP
    assert found.kinds(CaseKind.GOODWILL_DECLINED)[0].detail == "not within the yearly cap: 60.00 EUR of 60.00 EUR in a year"


def test_a_question_that_comes_again_is_answered_again_and_counted_once(forgetful: bool) -> None:
    """On replay the account says the same, with the same id, also when it has forgotten the case."""
    found = ward(forgetful=forgetful)
    case, _ = angry(found, clock("02:00"))
    found.asked("02:10", CommandKind.APPROVE_GOODWILL, case)
    [asked] = found.kinds(CaseKind.GOODWILL_ASKED)
    customers: Any = found.processors["customers"]
    customers._cases.clear()
    again = [out.record for out in customers.step(topics.CASES_BY_CUSTOMER, 99, asked, asked.at)]
    assert [record for record in again if isinstance(record, Command)] == [
        command for command in found.commands if command.kind is CommandKind.GOODWILL_COUNTED
    ]
    [account] = customers._accounts.values()
    assert account.given(asked.at) == 2000


def test_a_replay_from_the_last_checkpoint_grants_no_more() -> None:
    """A worker that dies after it answered and before it wrote its state answers the same again: byte for byte."""
    found = ward()
    four = four_cases(found)
    customers: Any = found.processors["customers"]
    before = customers.dirty()
    approve(found, four)
    heard = [out.record for out in found.out if out.topic == topics.CASES_BY_CUSTOMER and isinstance(out.record, CaseEvent)]
    told = [command for command in found.commands if command.by == "account"]
    fresh: Any = found._build("customers")
    fresh.restore(before)
    replayed = [out.record for event in heard for out in fresh.step(topics.CASES_BY_CUSTOMER, 0, event, event.at)]
    assert [record for record in replayed if isinstance(record, Command)] == told
    assert len(told) == 4


asks = st.lists(st.tuples(st.integers(0, 3 * YEAR), st.integers(0, 4000), st.integers(0, 5)), max_size=30)


def worst(granted: dict[str, tuple[Micros, int]]) -> int:
    """The most that was granted within any year."""
    return max((sum(cents for at, cents in granted.values() if start <= at < start + YEAR) for start, _ in granted.values()), default=0)


def granted_by(account: Any, questions: list[tuple[int, int, int]]) -> dict[str, tuple[Micros, int]]:
    """What an account grants of questions that come in any order, some of them again."""
    found = {}
    for number, (at, cents, again) in enumerate(questions):
        earlier = questions[number - again][:2] if again and number >= again else (at, cents)
        name = f"{earlier[0]}:{earlier[1]}"
        if account.ask(name, *earlier, CAP):
            found[name] = earlier
    return found


@given(asks)
def test_no_year_ever_holds_more_than_the_cap(questions: list[tuple[int, int, int]]) -> None:
    """Whatever is asked, in whatever order, however often."""
    assert worst(granted_by(Account(), questions)) <= CAP


class Forgets(Account):
    """Known bad: counts only what carries an earlier time."""

    def given(self, at: Micros) -> int:
        """Blind for what is later."""
        return sum(grant.cents for grant in self.grants.values() if 0 <= at - grant.at < YEAR)


def test_an_account_that_is_blind_for_later_times_is_caught() -> None:
    """Events of two devices come in any order: the known-bad account grants twice the cap."""
    questions = [(10 * DAY, 4000, 0), (9 * DAY, 4000, 0)]
    assert worst(granted_by(Forgets(), questions)) > CAP
    assert worst(granted_by(Account(), questions)) <= CAP


def test_votes_that_do_not_ask_who_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: without the objection one person is two."""
    monkeypatch.setattr(Votes, "objection", lambda _self, _case, _command: "")
    with pytest.raises(AssertionError):
        test_the_third_fault_wants_two_people(forgetful=False)


def test_money_is_written_plainly() -> None:
    """Cents, never floats."""
    assert [money(5, "EUR"), money(2000, "CHF")] == ["0.05 EUR", "20.00 CHF"]
