"""Cases as timelines: machine, vorab and people in a night."""

from __future__ import annotations

import pytest

from streams.cases import state as states
from tests.unit.streams.cases.ward import ASKS, HEAT_PUMP, PRINTER, RECORDED, REFUSES, Ward, clock, written
from vorab import topics
from vorab.clock import HOUR, MINUTE
from vorab.errors import Rejected
from vorab.records import CaseKind, CommandKind, ReplyStatus, Severity, Status


@pytest.fixture(params=[False, True], ids=["steady", "restarted after every record"])
def ward(request: pytest.FixtureRequest) -> Ward:
    """A ward that has forgotten nothing, whether or not it is restarted all the time."""
    return Ward(forgetful=request.param)


def test_a_fault_is_restarted_away_proven_and_closed_while_everybody_sleeps(ward: Ward) -> None:
    """Found at 02:10, restarted at once, back in its band at 02:19, proven at 02:31, closed at 03:01."""
    symptom = ward.raised("02:10")
    ward.replied("02:10", ReplyStatus.ACCEPTED)
    ward.replied("02:14", ReplyStatus.SUCCEEDED)
    ward.cleared("02:19", symptom)
    ward.tick("03:01")

    assert ward.story == [
        "02:10 opened acknowledged",
        "02:10 permit_asked acknowledged",
        "02:10 permit_granted acknowledged",
        "02:10 action_requested inProgress",
        "02:10 action_answered inProgress",
        "02:14 action_answered inProgress",
        "02:14 proving inProgress",
        "02:19 symptom_cleared inProgress",
        "02:31 resolved resolved",
        "03:01 closed closed",
    ]
    [action] = ward.actions
    assert (action.name, action.at, action.not_after) == ("restart", clock("02:10"), clock("02:25"))
    resolved = ward.kinds(CaseKind.RESOLVED)[0]
    assert resolved.healed
    assert resolved.detail == "healed by restart: 12 minutes of normal readings"
    assert resolved.policy == "one restart"


def test_a_machine_that_says_done_and_is_not_healed_is_not_believed(ward: Ward) -> None:
    """The answer is not the proof: half an hour later a person has the case, with the first sentence ready."""
    ward.raised("03:00")
    ward.replied("03:04", ReplyStatus.SUCCEEDED)
    ward.tick("04:00")

    assert ward.story[-2:] == ["03:34 disproved inProgress", "03:34 handed_over held"]
    assert ward.last.detail == (
        "I am calling about the heat pump Heat pump 12: it has reported low pressure since 03:00 (pressure 0.82 bar, limit 1 bar); "
        "we restarted it at 03:00; it said it was done, and the symptom is still there."
    )
    assert ward.last.healed is False


def test_silence_is_never_proof(ward: Ward) -> None:
    """A machine that clears its symptom and falls silent has proven nothing until it speaks again, for the whole length."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:06", symptom)
    silence = ward.raised("02:15", "silent", detector="silence", onset=clock("02:09"))
    ward.tick("02:30")
    assert not ward.kinds(CaseKind.RESOLVED)

    ward.cleared("02:31", silence)
    ward.tick("02:42")
    assert not [event for event in ward.kinds(CaseKind.RESOLVED) if event.healed]
    ward.tick("02:44")
    assert [event.at for event in ward.kinds(CaseKind.RESOLVED) if event.healed] == [clock("02:43")]


def test_a_machine_that_stays_silent_is_disproved(ward: Ward) -> None:
    """It said done, cleared, and was not heard of again: a person looks."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:06", symptom)
    ward.raised("02:15", "silent", detector="silence", onset=clock("02:09"))
    ward.tick("02:35")

    [event] = ward.kinds(CaseKind.DISPROVED)
    assert (event.at, event.detail) == (clock("02:34"), "it said done, and it fell silent and proved nothing")


def test_a_rule_that_got_used_to_a_fault_proves_nothing(ward: Ward) -> None:
    """Where no reading showed that the symptom is gone, the machine's word stays unproven."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:10", symptom, proven=False)
    ward.tick("02:35")
    assert ward.kinds(CaseKind.DISPROVED)[0].at == clock("02:34")
    ward.tick("03:30")
    assert not [event for event in ward.events if event.healed]


def test_a_silent_machine_that_speaks_again_has_proven_just_that(ward: Ward) -> None:
    """Where silence itself is the fault, speaking again clears it; nobody is told of a short one."""
    silence = ward.raised("02:15", "silent", detector="silence", onset=clock("02:09"))
    ward.cleared("02:20", silence)
    ward.tick("02:45")

    assert ward.story == [
        "02:15 opened acknowledged",
        "02:20 symptom_cleared acknowledged",
        "02:30 resolved resolved",
    ]
    assert not ward.actions


def test_a_long_silence_is_handed_over(ward: Ward) -> None:
    """After half an hour of silence a person has the case; policy says why."""
    ward.raised("02:15", "silent", detector="silence", onset=clock("02:09"))
    ward.tick("03:00")

    assert ward.story[-1] == "02:45 handed_over held"
    assert ward.last.policy == "a silent machine hears no command"
    assert "it has not passed by itself in 30 minutes" in ward.last.detail


def test_a_relapse_within_the_proof_disproves_it(ward: Ward) -> None:
    """Gone for ten minutes and back is not healed."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:08", symptom)
    ward.raised("02:18")

    assert ward.story[-2:] == ["02:18 disproved inProgress", "02:18 handed_over held"]
    assert ward.last.detail.endswith("it said it was done, and the symptom came back.")


def test_a_relapse_after_the_proof_reopens_the_same_case(ward: Ward) -> None:
    """A new symptom of the same cause within the clear window is the old case again, not a new one."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:08", symptom)
    ward.raised("02:40")

    assert ward.story[-3:] == ["02:20 resolved resolved", "02:40 relapsed inProgress", "02:40 handed_over held"]
    assert len({event.case for event in ward.events}) == 1
    assert "it ran normally for a while, and now it is back" in ward.last.detail


def test_a_fault_after_the_case_is_closed_is_a_new_case(ward: Ward) -> None:
    """Closed is closed."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:08", symptom)
    ward.tick("03:00")
    ward.raised("03:10")

    assert len({event.case for event in ward.events}) == 2
    assert len(ward.actions) == 2


def test_symptoms_of_one_cause_fold_into_one_case(ward: Ward) -> None:
    """Two rules that name the same cause open one case, and it is well only when both are clear."""
    first = ward.raised("02:00", rule="hard limit")
    second = ward.raised("02:01", rule="soft limit")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:05", first)
    ward.tick("02:20")
    assert not ward.kinds(CaseKind.RESOLVED)
    ward.cleared("02:21", second)
    ward.tick("02:34")

    assert len({event.case for event in ward.events}) == 1
    assert ward.kinds(CaseKind.RESOLVED)[0].at == clock("02:33")


def test_the_same_symptom_twice_changes_nothing(ward: Ward) -> None:
    """A record that is delivered again is known."""
    ward.raised("02:00")
    before = len(ward.out)
    ward.raised("02:00")
    assert len(ward.out) == before


def test_what_passes_by_itself_is_resolved_without_healing(ward: Ward) -> None:
    """A fault that is gone before anything was done is nobody's merit."""
    symptom = ward.raised("02:00", device=ASKS)
    ward.cleared("02:20", symptom)
    ward.tick("02:33")

    assert ward.story[-1] == "02:32 resolved resolved"
    assert not ward.last.healed
    assert ward.last.detail == "recovered by itself: 12 minutes of normal readings"


def test_the_customer_is_asked_first_where_nobody_knows(ward: Ward) -> None:
    """No consent on record: the customer is asked, and a yes starts the machine."""
    ward.raised("02:00", device=ASKS)
    assert ward.story == ["02:00 opened acknowledged", "02:00 consent_asked pending"]
    assert not ward.actions

    ward.asked("07:10", CommandKind.CONSENT, device=ASKS)
    assert ward.story[2:] == [
        "07:10 consent_given acknowledged",
        "07:10 permit_asked acknowledged",
        "07:10 permit_granted acknowledged",
        "07:10 action_requested inProgress",
    ]


def test_a_no_is_a_no(ward: Ward) -> None:
    """A refusal hands the case to a person and nothing is done to the machine."""
    ward.raised("02:00", device=ASKS)
    ward.asked("07:10", CommandKind.NO_CONSENT, device=ASKS)
    assert ward.story[-2:] == ["07:10 consent_refused pending", "07:10 handed_over held"]
    assert not ward.actions


def test_no_answer_is_not_a_yes(ward: Ward) -> None:
    """After the time for an answer a person has the case."""
    ward.raised("02:00", device=ASKS)
    ward.tick("1+00:00")
    assert ward.story[-1] == "14:00 handed_over held"
    assert not ward.actions


def test_where_remote_repair_is_refused_a_person_comes_at_once(ward: Ward) -> None:
    """The registry's no is enough."""
    ward.raised("02:00", device=REFUSES)
    assert ward.story == ["02:00 opened acknowledged", "02:00 handed_over held"]
    assert "remote repair is not agreed" in ward.last.detail


def test_a_recorded_machine_is_handed_over_at_once(ward: Ward) -> None:
    """Nobody can restart the past."""
    ward.raised("02:00", "anomaly", device=RECORDED, detector="learned")
    assert ward.story == ["02:00 opened acknowledged", "02:00 handed_over held"]
    assert ward.last.policy == "a recorded machine is past help"


def test_a_word_about_a_recorded_case_counts_from_where_the_case_stands(ward: Ward) -> None:
    """Recorded time does not know the hour at which somebody clicks."""
    ward.raised("02:00", "anomaly", device=RECORDED, detector="learned")
    ward.asked("1+09:00", CommandKind.TAKE, device=RECORDED)
    assert ward.story[-1] == "02:00 taken inProgress"


def test_a_machine_that_does_not_answer_times_out(ward: Ward) -> None:
    """No answer until the deadline and its grace have passed: a person looks."""
    ward.raised("02:00")
    ward.replied("02:01", ReplyStatus.ACCEPTED)
    ward.tick("02:30")
    assert ward.story[-2:] == ["02:20 action_timed_out inProgress", "02:20 handed_over held"]
    assert ward.last.detail.endswith("we restarted it at 02:00; it did not answer.")


def test_a_machine_that_refuses_is_heard(ward: Ward) -> None:
    """What the device said stands in the first sentence."""
    ward.raised("02:00")
    ward.replied("02:01", ReplyStatus.FAILED, detail="paper in the path")
    assert ward.story[-2:] == ["02:01 action_answered inProgress", "02:01 handed_over held"]
    assert "it answered: failed: paper in the path" in ward.last.detail


def test_a_late_answer_is_written_down_and_changes_nothing(ward: Ward) -> None:
    """After the time-out the case is with a person and stays there."""
    ward.raised("02:00")
    ward.tick("02:30")
    ward.replied("02:40", ReplyStatus.SUCCEEDED)
    assert ward.story[-1] == "02:40 action_answered held"
    assert ward.last.detail == "late: succeeded"


TWICE = """
remedies:
  restart: {command: restart, said: restarted it, valid: 15m, grace: 5m, limits: {out: 1, per_hour: 2}}
policy:
  - {line: "two tries", model: heat-pump, do: restart, attempts: 2, wait: 10m, within: 20m, stays: 12m, settle: 5m, readings: 0}
  - {line: "printers are watched", model: printer, do: observe, severity: [minor, warning], readings: 0}
"""


def test_there_may_be_a_second_try() -> None:
    """Policy gives two attempts and ten minutes between them; the first waits five minutes for it to pass."""
    ward = Ward(policy=written(TWICE))
    ward.raised("02:00")
    assert ward.story == ["02:00 opened acknowledged"]
    ward.tick("02:05")
    ward.replied("02:08", ReplyStatus.REJECTED, detail="busy")
    ward.tick("02:18")
    assert [(action.attempt, action.at) for action in ward.actions] == [(1, clock("02:05")), (2, clock("02:18"))]
    ward.replied("02:20", ReplyStatus.SUCCEEDED)
    ward.tick("03:00")
    assert ward.story[-2:] == ["02:40 disproved inProgress", "02:40 handed_over held"]


def test_the_fleet_has_its_limits() -> None:
    """Where one machine may restart at a time, the second waits and asks again."""
    ward = Ward(policy=written(TWICE))
    other = HEAT_PUMP.model_copy(update={"id": "main/hp-20", "device": "hp-20"})
    ward.registry.devices[other.key] = other
    ward.raised("02:00")
    ward.raised("02:01", device=other)
    ward.tick("02:06")
    assert [event.detail for event in ward.kinds(CaseKind.PERMIT_REFUSED)] == ["1 machine is at it already, 1 may be"]
    ward.tick("02:30")
    assert [action.device for action in ward.actions] == ["hp-12", "hp-20"]


def test_one_machine_does_one_thing_at_a_time(ward: Ward) -> None:
    """Two causes on one device: the second restart waits until the first is proven, and is spared if that helped."""
    first = ward.raised("02:00", "low_pressure")
    second = ward.raised("02:01", "temperature")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    assert len(ward.actions) == 1
    ward.cleared("02:08", first)
    ward.cleared("02:09", second)
    ward.tick("02:25")

    assert len(ward.actions) == 1
    assert [(event.cause, event.healed) for event in ward.kinds(CaseKind.RESOLVED)] == [("low_pressure", True), ("temperature", False)]


def test_the_second_cause_gets_its_turn(ward: Ward) -> None:
    """If the first restart did not help the second cause, it is asked for again once the device is free."""
    first = ward.raised("02:00", "low_pressure")
    ward.raised("02:01", "temperature")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:08", first)
    ward.tick("02:25")
    assert [action.at for action in ward.actions] == [clock("02:00"), clock("02:20")]


def test_a_person_takes_resolves_and_closes() -> None:
    """The way of a case through the hands of an agent."""
    ward = Ward()
    ward.raised("02:00", device=REFUSES)
    for at, kind in (
        ("07:00", CommandKind.TAKE),
        ("07:20", CommandKind.NOTE),
        ("08:00", CommandKind.RESOLVE),
        ("08:10", CommandKind.CLOSE),
    ):
        ward.asked(at, kind, device=REFUSES, detail="valve replaced")
    assert ward.story[2:] == ["07:00 taken inProgress", "07:20 noted inProgress", "08:00 resolved resolved", "08:10 closed closed"]
    assert ward.last.detail == "agent-7: valve replaced"
    assert not ward.kinds(CaseKind.RESOLVED)[0].healed


def test_what_the_table_does_not_allow_is_refused_with_a_reason(ward: Ward) -> None:
    """Closing an open case is noted as refused; nothing else happens."""
    ward.raised("02:00", device=REFUSES)
    ward.asked("07:00", CommandKind.CLOSE, device=REFUSES)
    assert ward.story[-1] == "07:00 noted held"
    assert ward.last.detail == "refused: close, because the case is held; agent-7:"


def test_a_command_about_an_unknown_case_is_rejected(ward: Ward) -> None:
    """There is no case to note it on, so the record itself is refused."""
    with pytest.raises(Rejected, match="there is no case nonsense"):
        ward.asked("07:00", CommandKind.TAKE, case="nonsense")


def test_a_command_twice_is_done_once(ward: Ward) -> None:
    """The idempotency key is the command's id."""
    ward.raised("02:00", device=REFUSES)
    ward.asked("07:00", CommandKind.NOTE, device=REFUSES)
    ward.asked("07:00", CommandKind.NOTE, device=REFUSES)
    assert len(ward.kinds(CaseKind.NOTED)) == 1


def test_this_was_wrong_ends_the_case_and_says_so(ward: Ward) -> None:
    """A false alarm is cancelled; the customer's verdict stands in the log."""
    ward.raised("02:00", device=ASKS)
    ward.asked("02:10", CommandKind.FALSE_ALARM, device=ASKS)
    assert ward.story[-1] == "02:10 false_alarm cancelled"


def test_whoever_wishes_a_call_gets_one_even_if_the_machine_heals(ward: Ward) -> None:
    """The proof comes, and the case goes to a person all the same."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.asked("02:05", CommandKind.CALL)
    ward.cleared("02:08", symptom)
    ward.tick("03:00")
    assert ward.story[-1] == "02:20 handed_over held"
    assert ward.last.healed
    assert "a call is wished" in ward.last.detail


def test_a_case_with_a_person_that_recovers_resolves_itself(ward: Ward) -> None:
    """What waits for the morning may be gone by then."""
    symptom = ward.raised("03:00", device=REFUSES)
    ward.cleared("05:00", symptom)
    ward.tick("05:20")
    assert ward.story[-1] == "05:12 resolved resolved"


def test_worse_is_planned_anew() -> None:
    """A symptom that was only watched and becomes serious goes to a person."""
    ward = Ward(policy=written(TWICE))
    symptom = ward.raised("02:00", device=PRINTER, severity=Severity.MINOR)
    assert ward.last.priority == 5
    ward.updated("02:10", symptom, Severity.CRITICAL)
    assert ward.story == ["02:00 opened acknowledged", "02:10 symptom_added acknowledged", "02:10 handed_over held"]
    assert ward.last.priority == 3


def test_readings_that_came_late_do_not_make_commands_that_are_out_of_date() -> None:
    """A symptom two hours old is acted on now, not two hours ago."""
    ward = Ward()
    ward.tick("04:00")
    ward.raised("02:00")
    assert ward.events[0].at == clock("02:00")
    assert ward.actions[0].not_after > clock("04:00")


def test_every_event_stands_under_its_customer_and_what_opens_a_case_where_incidents_are_found() -> None:
    """The same record, once per key."""
    ward = Ward()
    ward.raised("02:00")
    copies = [(out.topic, out.key) for out in ward.out if out.record == ward.events[0]]
    assert copies == [
        (topics.CASES, None),
        (topics.CASES_BY_CUSTOMER, "main/c-1"),
        (topics.CASES_BY_GROUP, "main/fleet"),
    ]


def test_cases_that_are_over_are_forgotten_in_the_end(ward: Ward) -> None:
    """A week after its end a case leaves no trace in the state, but that there was one: for thirty days that counts."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:08", symptom)
    ward.tick("9+00:00")
    (device,) = (states.load(block) for block in _blocks(ward).values())
    assert (device.cases, device.opened) == ([], [clock("02:00")])
    ward.tick("31+00:00")
    assert _blocks(ward) == {"main/hp-12": b""}


def _blocks(ward: Ward) -> dict[str, bytes]:
    """The state of the devices that changed."""
    return dict(ward.processors["cases"].dirty()) if not ward.forgetful else {"main/hp-12": ward._blocks["cases"]["main/hp-12"]}


def test_ids_tell_facts_apart() -> None:
    """No two facts share an id, and none depends on how long a permit took."""
    ward = Ward()
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:08", symptom)
    ward.raised("02:40")
    ids = [event.id for event in ward.events]
    assert len(set(ids)) == len(ids)
    assert [event.seq for event in ward.events] == list(range(len(ids)))


def test_while_a_permit_is_out_the_device_waits_and_the_story_is_the_same() -> None:
    """Whether the answer is there at once or half an hour later, the same facts come of it."""

    def play(ward: Ward) -> None:
        symptom = ward.raised("02:00")
        ward.cleared("02:02", symptom)
        ward.raised("02:05", rule="soft limit")
        ward.tick("02:20")

    prompt, slow = Ward(), Ward(permits_answer=False)
    play(prompt)
    play(slow)
    assert slow.story == ["02:00 opened acknowledged", "02:00 permit_asked acknowledged"]
    slow.answer()
    assert slow.events == prompt.events
    assert slow.actions == prompt.actions


def test_an_answer_may_come_before_its_question() -> None:
    """On replay the permit is read before the timer that asks for it has fired."""
    first = Ward(policy=written(TWICE))
    first.raised("02:00")
    first.tick("02:05")
    granted = next(out.record for out in first.out if out.topic == topics.PERMITS and out.record.id and out.record.key == HEAT_PUMP.key)

    again = Ward(policy=written(TWICE), permits_answer=False)
    again.raised("02:00")
    again.step(topics.PERMITS, granted)
    again.tick("02:05")
    assert again.events == first.events
    assert again.actions == first.actions


def test_times_are_those_of_the_data() -> None:
    """A tick that comes an hour late fires what was due at the time it was due."""
    prompt, late = Ward(), Ward()
    for ward, ticks in ((prompt, 120), (late, 1)):
        symptom = ward.raised("02:00")
        ward.replied("02:04", ReplyStatus.SUCCEEDED)
        ward.cleared("02:08", symptom)
        for tick in range(1, ticks + 1):
            ward.tick(clock("02:08") + tick * 2 * HOUR // ticks + MINUTE)
    assert prompt.events == late.events
    assert late.last.status is Status.CLOSED
