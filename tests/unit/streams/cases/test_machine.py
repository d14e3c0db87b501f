"""Whatever happens in whatever order, the rules of the game hold; and a referee who does not notice broken ones is no use."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from streams.care.files import read_care
from streams.care.policy import Care
from streams.cases import proof
from streams.cases.actions import Actions
from streams.cases.flow import DeviceCases
from streams.cases.policy import Line
from streams.cases.state import Case, DeviceState
from tests.unit.streams.cases.ward import ASKS, HEAT_PUMP, Ward, written
from tests.unit.streams.referee import Referee
from vorab import ids, topics
from vorab.clock import MINUTE, SECOND, Micros
from vorab.records import (
    Command,
    CommandKind,
    Device,
    Permit,
    PermitState,
    Record,
    Reply,
    ReplyStatus,
    Severity,
    Symptom,
    SymptomState,
)

POLICY: Final = """
remedies:
  restart: {command: restart, said: restarted it, valid: 15m, grace: 5m}
policy:
  - {line: silence is watched, detector: silence, do: observe, observe: 30m, stays: 10m, close: 10m, readings: 0}
  - line: what may pass
    cause: temperature
    do: restart
    attempts: 2
    settle: 4m
    wait: 5m
    within: 15m
    stays: 10m
    close: 10m
    readings: 0
  - {line: two restarts, do: restart, attempts: 2, wait: 5m, within: 15m, stays: 10m, close: 10m, asks: 2, readings: 0}
"""
STAYS: Final = 10 * MINUTE
GRACE: Final = 5 * MINUTE
DEVICES: Final = (HEAT_PUMP, ASKS)
# Two rules of one cause, one of another, and silence.
RULES: Final = (("hard", "low_pressure", "threshold"), ("soft", "low_pressure", "threshold"), ("hot", "temperature", "threshold"),
                ("quiet", "silent", "silence"))  # fmt: skip


def grants(action: str) -> bool:
    """Three of four questions are granted, the same ones in every ward."""
    return int(action[-1], 16) % 4 != 0


class Night(RuleBasedStateMachine):
    """The same night in three wards: one steady, one restarted after every record, one whose permits come late."""

    text = POLICY
    readings = 0
    care: Care | None = None

    def __init__(self) -> None:
        super().__init__()
        policy = written(self.text)
        self.steady, self.forgetful, self.slow = (
            Ward(policy=policy, permits_answer=False, forgetful=forgetful, care=self.care) for forgetful in (False, True, False)
        )
        self.wards = (self.steady, self.forgetful, self.slow)
        self.referee = Referee(self.steady, STAYS, GRACE, {device.key: device for device in DEVICES}, readings=self.readings)
        self.now: Micros = self.steady.now
        self.raised: dict[tuple[str, str], Symptom] = {}
        self.cleared: dict[tuple[str, str], Symptom] = {}
        self.confirmed_until: dict[str, Micros] = {}
        self.clicks = 0

    @initialize()
    def something_is_wrong(self) -> None:
        """Nights in which nothing ever happens are not worth many examples."""
        self._raise(HEAT_PUMP, RULES[0])

    @rule(device=st.sampled_from(DEVICES), which=st.sampled_from(RULES), clear=st.booleans(), proven=st.integers(0, 5))
    def telemetry(self, device: Device, which: tuple[str, str, str], clear: bool, proven: int) -> None:
        """A symptom is raised, or clears, mostly seen in readings."""
        if (device.key, which[0]) not in self.raised:
            self._raise(device, which)
        elif clear:
            self._clear(device, which, proven=bool(proven))

    @precondition(lambda self: self.steady.actions)
    @rule(proven=st.booleans(), quiet=st.booleans(), minutes=st.sampled_from([2, 12, 13]))
    def the_machine_does_as_it_is_told(self, proven: bool, quiet: bool, minutes: int) -> None:
        """It says so, its symptoms clear, and perhaps it is not heard of again: the ways to a proof, which luck seldom finds."""
        action = self.steady.actions[-1]
        reply = ids.reply_id(action.id, ReplyStatus.SUCCEEDED)
        self._tell(topics.REPLIES, Reply(id=reply, device=action.device, action=action.id, status=ReplyStatus.SUCCEEDED, at=self._moment()))
        device = next(device for device in DEVICES if device.device == action.device)
        for which in RULES[:3]:
            if (device.key, which[0]) in self.raised:
                self._clear(device, which, proven=proven)
                self._follow(device, which, 2, minutes % 3)
        if quiet and (device.key, RULES[3][0]) not in self.raised:
            self._raise(device, RULES[3])
        self.pass_time(minutes)

    @precondition(lambda self: self.steady.actions)
    @rule(back=st.integers(0, 2), status=st.sampled_from([*ReplyStatus, *3 * [ReplyStatus.SUCCEEDED]]))
    def answer(self, back: int, status: ReplyStatus) -> None:
        """A device says something about one of its latest actions."""
        action = self.steady.actions[-1 - min(back, len(self.steady.actions) - 1)]
        reply = Reply(id=ids.reply_id(action.id, status), device=action.device, action=action.id, status=status, at=self._moment())
        self._tell(topics.REPLIES, reply)

    @precondition(lambda self: self.steady.events)
    @rule(
        back=st.integers(0, 8), kind=st.sampled_from([*CommandKind, *3 * [CommandKind.CONSENT], *3 * [CommandKind.APPROVE]]),
        by=st.sampled_from(["", "agent-1", "Agent-1", "agent-2", "customer"]), said=st.sampled_from(["", "my lawyer will write to you"]),
    )  # fmt: skip
    def ask(self, back: int, kind: CommandKind, by: str, said: str) -> None:
        """A person asks for something about one of the latest cases."""
        event = self.steady.events[-1 - min(back, len(self.steady.events) - 1)]
        self.clicks += 1
        name = ids.command_id(event.key, kind, str(self.clicks))
        asked = Command(id=name, device=event.device, kind=kind, case=event.case, at=self._moment(), by=by, detail=said)
        if kind is CommandKind.APPROVE and by not in {"", "customer"}:
            self.referee.approved.setdefault(event.case, set()).add(by.casefold())
        self._tell(topics.COMMANDS, asked)

    @rule(minutes=st.sampled_from([1, 2, 5, 10, 11, 20, 40]))
    def pass_time(self, minutes: int) -> None:
        """Time goes by, with a tick every minute."""
        for _ in range(minutes):
            self.now += MINUTE
            for ward in self.wards:
                ward.tick(self.now)
            self._answer_permits()
        self.referee.judges()

    @rule()
    def permits_come_at_last(self) -> None:
        """The late answers arrive in the slow ward."""
        self._release()

    def teardown(self) -> None:
        """In the end all three wards tell the same story."""
        while self._release():
            pass
        for device in DEVICES:
            story = self._story(self.steady, device)
            assert self._story(self.forgetful, device) == story, "a restart changed the story"
            assert self._story(self.slow, device) == story, "a slow permit changed the story"

    def _follow(self, device: Device, which: tuple[str, str, str], readings: int, changes: int) -> None:
        """Readings come after a symptom has cleared."""

    def _raise(self, device: Device, which: tuple[str, str, str]) -> None:
        name, cause, detector = which
        moment = self._moment()
        symptom = self.raised[device.key, name] = Symptom(
            id=ids.symptom_id(device.key, name, moment), device=device.device, state=SymptomState.RAISED, rule=name, rule_version="1",
            detector=detector, cause=cause, severity=Severity.MAJOR, onset=moment, detected_at=moment,
        )  # fmt: skip
        self._tell(topics.SYMPTOMS, symptom)

    def _clear(self, device: Device, which: tuple[str, str, str], *, proven: bool) -> None:
        symptom = self.raised.pop((device.key, which[0]))
        changes = {"state": SymptomState.CLEARED, "cleared_at": self._moment(), "proven": proven, "followed": True}
        gone = self.cleared[device.key, which[0]] = symptom.model_copy(update=changes)
        self._tell(topics.SYMPTOMS, gone)

    def _moment(self) -> Micros:
        # Never twice the same moment: two things at once are told apart by their ids alone.
        self.now += SECOND
        return self.now

    def _tell(self, topic: str, record: Record) -> None:
        if isinstance(record, Symptom | Reply):
            self.referee.judges()
            self.referee.hears(record)
        for ward in self.wards:
            ward.now = self.now
            ward.step(topic, record)
        self._answer_permits()
        self.referee.judges()

    def _answer_permits(self) -> None:
        for ward in (self.steady, self.forgetful):
            while ward.unanswered:
                self._answer(ward)

    def _answer(self, ward: Ward) -> None:
        action = ward.unanswered[0].action
        if ward is self.steady and grants(action):
            self.referee.granted.add(action)
        ward.answer(granted=grants(action))

    def _release(self) -> bool:
        waiting = len(self.slow.unanswered)
        for _ in range(waiting):
            self._answer(self.slow)
        return bool(waiting)

    @staticmethod
    def _story(ward: Ward, device: Device) -> list[Record]:
        told = {topics.CASES, topics.ACTIONS}
        return [out.record for out in ward.out if out.topic in told and getattr(out.record, "device", "") == device.device]


PLAYBOOKS: Final = """
remedies:
  restart: {command: restart, said: restarted it, valid: 15m, grace: 5m}
playbooks:
  care:
    steps:
      - ask: self_test
        branch:
          - {when: {answer: failed}, says: "it is broken", go: hand_over}
          - {when: {answer: none}, go: patience}
      - do: restart
      - {name: patience, wait: 5m}
      - {do: restart, attempts: 2}
policy:
  - {line: silence is watched, detector: silence, do: observe, observe: 30m, stays: 10m, close: 10m, readings: 2}
  - {line: take care, do: care, wait: 5m, within: 15m, stays: 10m, close: 10m, readings: 2}
"""


class NightOfPlaybooks(Night):
    """Machines are asked first, and only readings that change are believed."""

    text = PLAYBOOKS
    readings = 2

    @rule(device=st.sampled_from(DEVICES), which=st.sampled_from(RULES), readings=st.integers(1, 3), changes=st.integers(0, 2))
    def readings_follow(self, device: Device, which: tuple[str, str, str], readings: int, changes: int) -> None:
        """Readings have come since a symptom cleared; some stand still."""
        self._follow(device, which, readings, changes)

    def _follow(self, device: Device, which: tuple[str, str, str], readings: int, changes: int) -> None:
        cleared = self.cleared.get((device.key, which[0]))
        if cleared is None or (device.key, which[0]) in self.raised:
            return
        since = max(self.confirmed_until.get(cleared.id, 0), cleared.time)
        until = self.confirmed_until[cleared.id] = self._moment()
        name = ids.confirmed_id(cleared.id, since)
        span = {"since": since, "confirmed_at": until, "readings": readings, "changes": changes}
        told = {"id": name, "confirms": cleared.id, "state": SymptomState.CONFIRMED, **span}
        self._tell(topics.SYMPTOMS, cleared.model_copy(update=told))


class CaredNight(Night):
    """The same, where two people approve every restart, and a threat leaves a case to people."""

    care = read_care(
        """
version: 1
rules:
- {line: two people, bot: must_ask, approvals: 2}
- {line: a threat, when: {said: legal}, bot: must_not}
words: {legal: {en: [lawyer]}}
""",
        "care.yaml",
    )

    def __init__(self) -> None:
        super().__init__()
        self.referee.approvals = 2


QUICK: Final = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
def test_the_rules_hold_in_every_night() -> None:
    """One case per cause, nothing without permit and consent, one thing at a time, healed only where proven, always the same story."""
    run_state_machine_as_test(Night, settings=settings(QUICK, max_examples=500, stateful_step_count=50))


@pytest.mark.slow
def test_the_rules_hold_where_machines_are_asked_first() -> None:
    """The same with playbooks, and with readings that have to change."""
    run_state_machine_as_test(NightOfPlaybooks, settings=settings(QUICK, max_examples=250, stateful_step_count=50))


@pytest.mark.slow
def test_the_rules_hold_where_people_approve() -> None:
    """The same, and no action that two different people have not approved."""
    run_state_machine_as_test(CaredNight, settings=settings(QUICK, max_examples=300, stateful_step_count=50))


def test_approvals_hold_in_a_few_nights() -> None:
    """A taste of the above for those who do not wait."""
    run_state_machine_as_test(CaredNight, settings=settings(QUICK, max_examples=15, stateful_step_count=30))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("allowed", lambda _self, _case, _verdict: True),
        ("objection", lambda _self, _case, _command: ""),
    ],
)
def test_a_broken_approval_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, bad: Any) -> None:
    """Known bad: nobody is asked; one person is two."""
    monkeypatch.setattr(DeviceCases, name, bad)
    with pytest.raises(AssertionError, match="an action without two approvals"):
        run_state_machine_as_test(CaredNight, settings=settings(QUICK, max_examples=400, phases=[Phase.generate]))


def _no_one_was_asked(self: Actions, case: Case, remedy: object) -> bool:  # noqa: ARG001 - the shape of what it replaces
    return True


def _the_word_is_the_proof(state: DeviceState, case: Case, line: Line, at: Micros) -> None:
    if case.phase.value == "proving":
        case.clear_at = at
    _honest_watch(state, case, line, at)


def _every_answer_is_yes(self: Actions, permit: Permit) -> None:
    _honest_answer(self, permit.model_copy(update={"state": PermitState.GRANTED}))


def _any_number_of_cases(self: DeviceCases, symptom: Symptom, why: Any) -> None:
    if not any(case.seen(symptom.id) for case in self.state.cases):
        self._open(symptom, why)


_honest_watch = proof.watch
_honest_answer = Actions.answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "name", "bad", "cry"),
    [
        (Actions, "consent", _no_one_was_asked, "an action without consent"),
        (Actions, "answer", _every_answer_is_yes, "an action without a permit"),
        (Actions, "busy", property(lambda self: bool(self.state.asked)), "two actions in flight"),
        (proof, "watch", _the_word_is_the_proof, "healed although the symptom is there"),
        (proof, "silent", lambda _state, _case: False, "healed in silence|healed too early"),
        (proof, "clear", lambda case: case.clear_at is not None, "healed by a rule that got used to it"),
        (DeviceCases, "_raised", _any_number_of_cases, "a second open case"),
        (DeviceCases, "take", lambda self, record: self._take(record), "a slow permit changed the story"),
    ],
)
def test_a_broken_rule_is_noticed(monkeypatch: pytest.MonkeyPatch, what: Any, name: str, bad: Any, cry: str) -> None:
    """Each known-bad variant makes the referee cry out, and for the right reason."""
    monkeypatch.setattr(what, name, bad)
    with pytest.raises(AssertionError, match=cry):
        run_state_machine_as_test(Night, settings=settings(QUICK, max_examples=400, phases=[Phase.generate]))


@pytest.mark.slow
def test_a_build_that_believes_too_little_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no readings are asked for, the referee cries out."""
    monkeypatch.setattr(proof, "enough", lambda *_: True)
    with pytest.raises(AssertionError, match=r"healed by too few readings|healed by a value that stands still"):
        run_state_machine_as_test(NightOfPlaybooks, settings=settings(QUICK, max_examples=400, phases=[Phase.generate]))
