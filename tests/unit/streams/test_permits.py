"""Permits: fleet-wide limits are kept, and everybody gets exactly one answer."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.permits import REMEMBERED, Permits
from tests.unit.streams.cases.ward import clock, written
from vorab import ids, topics
from vorab.clock import HOUR, MINUTE, Micros
from vorab.errors import Rejected
from vorab.records import Permit, PermitState, Switch, SwitchState, Tick

POLICY = written("remedies: {restart: {command: restart, limits: {out: 2, per_hour: 3}}}")


def ask(number: int, at: Micros, remedy: str = "restart") -> Permit:
    """A question of a device."""
    action = ids.action_id(f"case-{number}", remedy, 0, 1)
    return Permit(
        id=ids.permit_id(action), device=f"d-{number}", state=PermitState.ASKED, action=action, case=f"case-{number}", remedy=remedy,
        at=at, expires_at=at + 15 * MINUTE,
    )  # fmt: skip


def answers(permits: Permits, *asked: Permit) -> list[Permit]:
    """What becomes of questions."""
    found = []
    for question in asked:
        [out] = permits.step(topics.PERMITS, 0, question, question.at)
        assert isinstance(out.record, Permit)
        assert out.key is None
        assert out.partition is None
        found.append(out.record)
    return found


def test_an_answer_goes_to_the_device_at_the_time_of_the_question() -> None:
    """The key of the answer is the device's, its time that of the question."""
    question = ask(1, clock("02:00"))
    [answer] = answers(Permits(POLICY), question)
    assert question.key == "main/restart"
    assert (answer.key, answer.at, answer.state, answer.id) == ("main/d-1", question.at, PermitState.GRANTED, question.id)


def test_only_so_many_at_a_time() -> None:
    """The third within a quarter of an hour is refused, and told why."""
    found = answers(Permits(POLICY), *(ask(n, clock("02:00") + n * MINUTE) for n in range(3)))
    assert [answer.state for answer in found] == [PermitState.GRANTED, PermitState.GRANTED, PermitState.REFUSED]
    assert found[-1].reason == "2 machines are at it already, 2 may be"


def test_only_so_many_an_hour() -> None:
    """When the first are done, the hour still counts."""
    times = [clock("02:00"), clock("02:20"), clock("02:40"), clock("02:58"), clock("03:01")]
    found = answers(Permits(POLICY), *(ask(n, at) for n, at in enumerate(times)))
    assert [answer.state is PermitState.GRANTED for answer in found] == [True, True, True, False, True]
    assert found[3].reason == "3 within an hour already, 3 may be"


def test_an_answer_of_its_own_is_passed_over() -> None:
    """The answers come by on the same topic."""
    permits = Permits(POLICY)
    [answer] = answers(permits, ask(1, clock("02:00")))
    assert list(permits.step(topics.PERMITS, 1, answer, answer.at)) == []


def test_a_question_asked_again_gets_the_same_answer() -> None:
    """An asker that was restarted learns what it was told before, also after a restart here, and it counts once."""
    permits = Permits(POLICY)
    first = answers(permits, ask(1, clock("02:00")))
    again = Permits(POLICY)
    again.restore(permits.dirty())
    assert answers(again, ask(1, clock("02:00"))) == first
    assert answers(again, ask(2, clock("02:01")))[0].state is PermitState.GRANTED


def test_a_remedy_nobody_wrote_is_refused() -> None:
    """No limit, no permit."""
    [answer] = answers(Permits(POLICY), ask(1, clock("02:00"), "format"))
    assert (answer.state, answer.reason) == (PermitState.REFUSED, "nobody has written a remedy called format")


def switch(state: SwitchState, at: str, remedy: str = "restart") -> Switch:
    """Somebody stops or releases a remedy."""
    return Switch(id=f"{state}-{at}", remedy=remedy, state=state, at=clock(at), by="ops-1", detail="a wrong rule")


def test_a_stopped_remedy_gets_no_permit_until_it_is_released() -> None:
    """Also across a restart; other remedies go on, and what was granted before stays granted."""
    permits = Permits(POLICY)
    [before] = answers(permits, ask(1, clock("02:00")))
    assert list(permits.step(topics.PERMITS, 0, switch(SwitchState.STOPPED, "02:01"), clock("02:01"))) == []
    blocks = permits.dirty()
    permits = Permits(POLICY)
    permits.restore(blocks)
    again, refused = answers(permits, ask(1, clock("02:00")), ask(2, clock("02:20")))
    assert again == before
    assert (refused.state, refused.reason) == (PermitState.REFUSED, "stopped by ops-1; a wrong rule")
    list(permits.step(topics.PERMITS, 0, switch(SwitchState.RELEASED, "02:21"), clock("02:21")))
    assert answers(permits, ask(3, clock("02:30")))[0].state is PermitState.GRANTED
    assert any(name.startswith("switch:") and not block for name, block in permits.dirty().items())


def test_a_build_without_the_switch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permits that do not listen to it would restart on."""
    monkeypatch.setattr(Permits, "_switch", lambda *_: None)
    with pytest.raises(AssertionError):
        test_a_stopped_remedy_gets_no_permit_until_it_is_released()


def test_what_is_no_permit_is_rejected() -> None:
    """Something else on the topic is refused and changes nothing."""
    with pytest.raises(Rejected):
        list(Permits(POLICY).step(topics.PERMITS, 0, Tick(id="t", at=1), 1))


def test_memory_is_bounded() -> None:
    """A storm of refused questions does not grow the ledger beyond its bound."""
    permits = Permits(POLICY)
    answers(permits, *(ask(n, clock("02:00") + n) for n in range(REMEMBERED + 500)))
    blocks = {key: block for key, block in permits.dirty().items() if block}
    assert len(blocks) == len(permits._ledgers["main/restart"].given) <= REMEMBERED
    assert max(map(len, blocks.values())) < 1024


def test_what_still_counts_is_not_forgotten_in_a_storm() -> None:
    """However many are refused, those that were granted are known until their hour is over."""
    permits = Permits(POLICY)
    [first] = answers(permits, ask(0, clock("02:00")))
    answers(permits, *(ask(n, clock("02:01") + n) for n in range(1, REMEMBERED + 500)))
    assert answers(permits, ask(0, clock("02:00"))) == [first]
    assert answers(permits, ask(9_999, clock("02:14")))[0].state is PermitState.REFUSED


@given(st.lists(st.integers(0, 3 * 60), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_limits_hold_in_whatever_order_questions_come(minutes: list[int], random: object) -> None:
    """However the questions of many partitions are shuffled, no moment has more than two, no hour more than three."""
    asked = [ask(n, clock("02:00") + minute * MINUTE) for n, minute in enumerate(minutes)]
    random.shuffle(asked)  # type: ignore[attr-defined]
    granted = sorted((a for a in answers(Permits(POLICY), *asked) if a.state is PermitState.GRANTED), key=lambda a: a.at)
    for answer in granted:
        assert sum(other.at <= answer.at < other.expires_at for other in granted) <= 2
    for first, fourth in itertools.pairwise(granted[::3]):
        assert fourth.at - first.at >= HOUR
