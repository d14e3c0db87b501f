"""Playbooks: ask, do, wait, hand over, on the machine itself and on others; a person gets everything that was learned."""

from __future__ import annotations

from typing import Final

import pytest

from streams.care.files import load_care
from streams.cases.errands import MOST_JOBS, Errands
from tests.unit.streams.cases.ward import HEAT_PUMP, Ward, written
from vorab.records import CaseKind, CommandKind, Device, Errand, ErrandState, ReplyStatus, Severity

POLICY: Final = """
remedies:
  restart: {command: restart, said: restarted it, valid: 15m, grace: 5m}
  restart_port: {command: restart_port, said: restarted its port, valid: 15m, grace: 4m, consent: false, models: gateway}
  take_over: {command: take_over, said: took over, valid: 15m, grace: 4m}
  polish: {command: polish, valid: 15m, dry_run: true, consent: false}
playbooks:
  care:
    steps:
      - ask: self_test
        branch:
          - {when: {answer: succeeded, hot: true}, says: "it is too hot", go: hand_over}
          - {when: {answer: succeeded, load: "> 90"}, says: "it is overloaded", go: last}
      - do: restart
      - {name: last, wait: 10m}
      - hand_over: "bring a ladder"
  way:
    steps:
      - ask: link_state
        of: parent
        params: {device: "{device}"}
        branch:
          - {when: {link: down}, says: "its gateway sees no link", go: port}
          - {when: {answer: none}, says: "its gateway does not answer", go: hand_over}
      - {hand_over: "the cable is fine"}
      - {name: port, do: restart_port, of: parent, params: {device: "{device}"}}
  neighbour: {steps: [{do: take_over, of: sibling}]}
  circle: {steps: [{name: round, ask: self_test, branch: [{go: round}]}]}
policy:
  - {line: take care, cause: low_pressure, do: care, within: 30m, stays: 10m, readings: 0}
  - {line: is it the way, cause: silent, do: way, within: 30m, stays: 10m, readings: 0}
  - {line: ask the neighbour, cause: paper_jam, do: neighbour, within: 30m, stays: 10m, readings: 0}
  - {line: round and round, cause: odd, do: circle}
  - {line: try it first, cause: dull, do: polish}
"""

GATEWAY: Final = Device(id="main/gw-1", device="gw-1", model="gateway", name="Gateway 1")
PUMP: Final = HEAT_PUMP.model_copy(update={"parent": "gw-1"})
SECOND: Final = PUMP.model_copy(update={"id": "main/hp-20", "device": "hp-20", "name": "Heat pump 20"})
THIRD: Final = PUMP.model_copy(update={"id": "main/hp-21", "device": "hp-21", "name": "Heat pump 21", "remote_repair": False})


@pytest.fixture(params=[False, True], ids=["steady", "restarted after every record"])
def ward(request: pytest.FixtureRequest) -> Ward:
    """Two heat pumps behind a gateway, and one whose owner has refused remote repair."""
    return Ward(policy=written(POLICY), devices=(GATEWAY, PUMP, SECOND, THIRD), forgetful=request.param)


def test_a_machine_is_asked_before_anything_is_done(ward: Ward) -> None:
    """A question needs no permit and no consent, and counts as nothing done."""
    ward.raised("02:10")
    assert [(action.name, action.permit) for action in ward.actions] == [("self_test", "")]
    assert ward.story[-1] == "02:10 machine_asked inProgress"
    assert not ward.kinds(CaseKind.PERMIT_ASKED, CaseKind.ACTION_REQUESTED)


def test_an_answer_without_a_branch_leads_to_the_next_step(ward: Ward) -> None:
    """It is fine, says the machine: then it is restarted, and telemetry proves it."""
    symptom = ward.raised("02:10")
    ward.replied("02:11", ReplyStatus.SUCCEEDED, hot=False, load=20)
    assert [action.name for action in ward.actions] == ["self_test", "restart"]
    assert ward.actions[-1].policy == "take care"
    assert ward.actions[-1].consent == "the registry"
    ward.replied("02:13", ReplyStatus.SUCCEEDED)
    ward.cleared("02:15", symptom)
    ward.tick("02:30")
    assert ward.last.kind is CaseKind.RESOLVED
    assert ward.last.healed


def test_a_branch_ends_with_a_person_who_hears_the_conclusion(ward: Ward) -> None:
    """What the machine said is in the dialogue, what follows from it in the first sentence."""
    ward.raised("02:10")
    ward.replied("02:11", ReplyStatus.SUCCEEDED, hot=True)
    assert [event.kind for event in ward.events[-3:]] == [CaseKind.MACHINE_ANSWERED, CaseKind.CONCLUDED, CaseKind.HANDED_OVER]
    assert "hot True" in ward.events[-3].detail
    assert ward.last.detail.endswith("it is too hot.")


def test_a_branch_by_comparison_skips_what_would_not_help(ward: Ward) -> None:
    """An overloaded machine is not restarted: ten minutes, then a person with a ladder."""
    ward.raised("02:10")
    ward.replied("02:11", ReplyStatus.SUCCEEDED, load=97)
    ward.tick("02:20")
    assert [event.kind for event in ward.events[-1:]] == [CaseKind.CONCLUDED]
    ward.tick("02:22")
    assert [event.kind for event in ward.events[-1:]] == [CaseKind.HANDED_OVER]
    assert ward.last.detail.endswith("it is overloaded; bring a ladder.")
    assert [action.name for action in ward.actions] == ["self_test"]


def test_what_passes_while_it_waits_is_left_alone(ward: Ward) -> None:
    """Overloaded, then well again: nobody is sent with a ladder for nothing."""
    symptom = ward.raised("02:10")
    ward.replied("02:11", ReplyStatus.SUCCEEDED, load=97)
    ward.cleared("02:15", symptom)
    ward.tick("02:24")
    assert not ward.kinds(CaseKind.HANDED_OVER)
    ward.tick("02:26")
    assert ward.last.kind is CaseKind.RESOLVED
    assert not ward.last.healed


def test_no_answer_is_an_answer(ward: Ward) -> None:
    """A machine that says nothing is restarted all the same, and then a person hears of both."""
    ward.raised("02:10")
    ward.tick("02:15")
    assert [action.name for action in ward.actions] == ["self_test", "restart"]
    ward.replied("02:16", ReplyStatus.FAILED, detail="valve")
    ward.tick("02:30")
    assert ward.last.kind is CaseKind.HANDED_OVER
    assert "it answered: failed: valve; bring a ladder" in ward.last.detail


def test_another_machine_is_asked_and_restarted_for_it(ward: Ward) -> None:
    """The gateway sees no link, restarts the port, the pump is heard again: healed on the gateway."""
    symptom = ward.raised("02:10", "silent", detector="silence")
    assert [(action.device, action.name, action.params) for action in ward.actions] == [("gw-1", "link_state", {"device": "hp-12"})]
    ward.replied("02:11", ReplyStatus.SUCCEEDED, link="down")
    [_, port] = ward.actions
    assert (port.device, port.name, port.params, port.consent) == ("gw-1", "restart_port", {"device": "hp-12"}, "needs none")
    assert port.permit
    assert port.case == ward.events[0].case
    ward.replied("02:12", ReplyStatus.SUCCEEDED)
    ward.cleared("02:14", symptom)
    ward.tick("02:26")
    assert ward.last.kind is CaseKind.RESOLVED
    assert ward.last.detail.startswith("healed by restart_port on gw-1")
    assert {event.device for event in ward.events} == {"hp-12"}


def test_a_gateway_that_is_silent_too_leaves_it_to_a_person(ward: Ward) -> None:
    """Nobody answers: the person knows that."""
    ward.raised("02:10", "silent", detector="silence")
    ward.tick("02:13")
    assert ward.last.kind is CaseKind.HANDED_OVER
    assert ward.last.detail.endswith("its gateway does not answer.")


def test_one_machine_does_one_thing_at_a_time_for_all(ward: Ward) -> None:
    """Two pumps ask the same gateway: the second question waits for the first answer."""
    ward.raised("02:10", "silent", detector="silence")
    ward.raised("02:10", "silent", detector="silence", device=SECOND)
    assert [action.params for action in ward.actions] == [{"device": "hp-12"}]
    ward.replied("02:11", ReplyStatus.SUCCEEDED, link="up")
    assert [action.params for action in ward.actions] == [{"device": "hp-12"}, {"device": "hp-20"}]


def test_a_machine_whose_owner_refuses_is_left_alone(ward: Ward) -> None:
    """The neighbour with consent takes over; the one without is never told to do anything."""
    ward.raised("02:10", "paper_jam", device=SECOND)
    assert [action.device for action in ward.actions] == ["hp-12"]
    ward.replied("02:11", ReplyStatus.FAILED)
    refused = [out.record for out in ward.out if isinstance(out.record, Errand) and out.record.code == "refused"]
    assert not refused
    ward.raised("02:30", "paper_jam", device=PUMP)
    assert [action.device for action in ward.actions] == ["hp-12"]
    assert "hp-20 would not: it has a fault of its own; hp-21 would not: its owner has not agreed to it" in ward.last.detail


def test_a_machine_of_another_model_is_not_told_what_it_may_not_do() -> None:
    """The list of models of a remedy holds whoever asks."""
    odd = GATEWAY.model_copy(update={"model": "boiler"})
    ward = Ward(policy=written(POLICY), devices=(odd, PUMP))
    ward.raised("02:10", "silent", detector="silence")
    ward.replied("02:11", ReplyStatus.SUCCEEDED, link="down")
    assert [action.name for action in ward.actions] == ["link_state"]
    assert "it may not be done to a boiler" in ward.last.detail


def test_without_another_machine_a_person_looks() -> None:
    """No parent in the registry is no reason to wait."""
    ward = Ward(policy=written(POLICY), devices=(HEAT_PUMP,))
    ward.raised("02:10", "silent", detector="silence")
    assert ward.last.kind is CaseKind.HANDED_OVER
    assert "there is no parent to ask; its gateway does not answer" in ward.last.detail


def test_what_is_not_wished_any_more_is_taken_back_from_the_other_machine(ward: Ward) -> None:
    """The customer withdraws while the gateway is to restart the port: the gateway hears nothing of it again."""
    ward.raised("02:10", "silent", detector="silence")
    ward.replied("02:11", ReplyStatus.SUCCEEDED, link="down")
    ward.asked("02:12", CommandKind.NO_CONSENT)
    assert [(recall.device, recall.action) for recall in ward.recalls] == [("gw-1", ward.actions[-1].id)]
    assert ward.last.kind is CaseKind.HANDED_OVER


def test_a_medical_machine_is_not_told_by_the_case_of_another_one() -> None:
    """What the care file says of a machine holds whoever's case asks."""
    neighbour = SECOND.model_copy(update={"medical": True})
    ward = Ward(policy=written(POLICY), devices=(GATEWAY, PUMP, neighbour), care=load_care())
    ward.raised("02:30", "paper_jam", device=PUMP)
    assert not ward.actions
    assert "hp-20 would not: people act on it, not machines" in ward.last.detail


def test_a_case_that_is_about_something_else_by_now_begins_its_new_playbook(ward: Ward) -> None:
    """A question of one playbook is out when another line takes over: its first step comes first."""
    text = POLICY.replace("cause: low_pressure, do: care", "cause: low_pressure, severity: [major], do: care")
    text += "  - {line: at once a person, cause: low_pressure, do: shout}\n"
    text = text.replace("  circle:", '  shout: {steps: [{ask: siren}, {hand_over: "run"}]}\n  circle:')
    ward = Ward(policy=written(text), devices=(GATEWAY, PUMP))
    symptom = ward.raised("02:10")
    ward.updated("02:11", symptom, Severity.CRITICAL)
    ward.replied("02:12", ReplyStatus.SUCCEEDED, ward.actions[0], load=97)
    assert [action.name for action in ward.actions] == ["self_test", "siren"]


def test_a_storm_of_errands_is_refused_beyond_what_a_machine_can_do() -> None:
    """Everything behind a gateway asks at once: it keeps a limited number in mind."""
    many = [PUMP.model_copy(update={"id": f"main/p-{n}", "device": f"p-{n}"}) for n in range(MOST_JOBS + 9)]
    ward = Ward(policy=written(POLICY), devices=(GATEWAY, *many))
    for each in many:
        ward.raised("02:10", "silent", detector="silence", device=each)
    answers = [out.record for out in ward.out if isinstance(out.record, Errand) and out.record.detail == "too many ask for it at once"]
    assert len(answers) == 9


def test_circles_end_with_a_person(ward: Ward) -> None:
    """A playbook that leads nowhere asks a limited number of times."""
    ward.raised("02:10", "odd")
    for minute in range(11, 50):
        ward.replied(f"02:{minute}", ReplyStatus.SUCCEEDED)
    assert len(ward.actions) == 24
    assert ward.kinds(CaseKind.HANDED_OVER)


def test_a_dry_run_does_nothing(ward: Ward) -> None:
    """Everything is decided, and a person reads what would have been done."""
    ward.raised("02:10", "dull")
    assert not ward.actions
    assert "in a dry run nothing is done; else we would have told it to polish" in ward.last.detail


def test_an_errand_told_twice_is_done_once(ward: Ward) -> None:
    """The log may say it again."""
    ward.raised("02:10", "silent", detector="silence")
    again = next(out for out in ward.out if isinstance(out.record, Errand) and out.record.state is ErrandState.ASKED)
    ward.step(again.topic, again.record)
    ward.replied("02:11", ReplyStatus.SUCCEEDED, link="up")
    ward.step(again.topic, again.record)
    assert len(ward.actions) == 1


def test_a_build_that_forgets_what_it_took_on_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the memory the machine would be told again."""
    honest = Errands._take_on

    def forgetful(self: Errands, errand: Errand, why: object) -> None:
        self.state.jobs_known.clear()
        honest(self, errand, why)  # type: ignore[arg-type]

    monkeypatch.setattr(Errands, "_take_on", forgetful)
    with pytest.raises(AssertionError):
        test_an_errand_told_twice_is_done_once(Ward(policy=written(POLICY), devices=(GATEWAY, PUMP)))
