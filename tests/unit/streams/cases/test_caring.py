"""Where people act: what vorab must not do it hands over, what it must ask waits for approval, and a contact changes both."""

from __future__ import annotations

from typing import Any, Final

import pytest

from streams.care.files import load_care, read_care
from streams.care.policy import Care
from tests.unit.streams.care.test_decision import FOLDER
from tests.unit.streams.cases.ward import ASKS, CUSTOMER, HEAT_PUMP, OF_TRIED, POLICY, Ward, clock, written
from vorab.clock import DAY
from vorab.records import CaseKind, CommandKind, ReplyStatus, Severity, Stage, Status

CARE: Final = load_care(FOLDER)
MEDICAL: Final = HEAT_PUMP.model_copy(update={"id": "main/hp-90", "device": "hp-90", "medical": True})
FRAIL: Final = HEAT_PUMP.model_copy(update={"id": "main/hp-91", "device": "hp-91", "customer": "c-9"})
VULNERABLE: Final = CUSTOMER.model_copy(update={"id": "main/c-9", "customer": "c-9", "vulnerable": True})
DEVICES: Final = (HEAT_PUMP, ASKS, OF_TRIED, MEDICAL, FRAIL)
TWO: Final = read_care("version: 1\nrules: [{line: two eyes are not enough, bot: must_ask, approvals: 2}]\n", "two")


@pytest.fixture(params=[False, True], ids=["steady", "restarted after every record"])
def forgetful(request: pytest.FixtureRequest) -> bool:
    """Whether every processor is restarted from its blocks after each record."""
    return bool(request.param)


def ward(care: Care = CARE, *, forgetful: bool = False, **more: Any) -> Ward:
    """A ward with a care file."""
    return Ward(care=care, devices=DEVICES, customers=[VULNERABLE], forgetful=forgetful, **more)


@pytest.mark.parametrize(
    ("device", "line", "skill"),
    [(MEDICAL, "a medical device: a person acts", "medical"), (FRAIL, "a vulnerable customer: a person acts", "complaints")],
)
def test_what_vorab_must_not_do_it_hands_over_at_once(device: Any, line: str, skill: str, forgetful: bool) -> None:
    """Nothing is sent; the event names line, version, queue and skill, and the first sentence says that nothing was touched."""
    found = ward(forgetful=forgetful)
    found.raised("02:00", device=device)
    assert [event.kind for event in found.events] == [CaseKind.OPENED, CaseKind.HANDED_OVER]
    assert not found.actions
    last = found.last
    assert (last.status, last.bot, last.care) == (Status.HELD, "must_not", f"{line} (version {CARE.version})")
    assert (last.queue, last.skill) == ("care", skill)
    assert "we have not touched it from afar" in last.detail
    assert [note.stage for note in found.notifications] == [Stage.PERSON_NEEDED]


def test_where_no_line_fits_all_goes_as_before_and_says_so() -> None:
    """A restart, a proof; every event says that vorab may."""
    found = ward()
    symptom = found.raised("02:00")
    found.replied("02:04", ReplyStatus.SUCCEEDED)
    found.cleared("02:08", symptom)
    found.tick("04:00")
    assert found.last.healed
    assert {event.bot for event in found.events} == {"may"}
    assert {event.care for event in found.events} == {f"no line of care fits: vorab may act (version {CARE.version})"}
    assert {event.queue for event in found.events} == {""}


def test_what_is_handed_over_stands_in_the_queue_of_its_model() -> None:
    """A heat pump that does not recover goes to the heating engineers."""
    found = ward()
    found.raised("12:00")
    found.replied("12:04", ReplyStatus.FAILED)
    assert (found.last.kind, found.last.queue, found.last.skill) == (CaseKind.HANDED_OVER, "heating", "heating")


# -------------------------------------------------------------------------------------------------- approvals


def test_one_approval_lets_vorab_go_on(forgetful: bool) -> None:
    """Asked, approved, restarted; who approved stands on the events."""
    found = ward(forgetful=forgetful)
    found.raised("02:00", device=OF_TRIED)
    assert (found.last.kind, found.last.status, found.last.approvals_needed) == (CaseKind.APPROVAL_ASKED, Status.HELD, 1)
    assert "sent back before and billed wrongly before" in found.last.detail
    assert not found.actions
    found.asked("02:10", CommandKind.APPROVE, device=OF_TRIED)
    assert [event.kind for event in found.events][2:4] == [CaseKind.APPROVAL_GIVEN, CaseKind.APPROVED]
    assert found.events[3].approvals == ("agent-7",)
    assert len(found.actions) == 1


def test_two_approvals_are_two_people(forgetful: bool) -> None:
    """The same person twice is one, however it is written, and so is nobody, the customer and the account."""
    found = ward(TWO, forgetful=forgetful)
    found.raised("02:00")
    for minute, by in enumerate(("agent-7", "agent-7", "Agent-7 ", "", "customer", "account"), start=10):
        found.asked(f"02:{minute}", CommandKind.APPROVE, by=by)
    assert found.last.approvals == ("agent-7",)
    assert not found.actions
    assert len(found.kinds(CaseKind.APPROVAL_GIVEN)) == 1
    refused = [event.detail for event in found.kinds(CaseKind.NOTED)]
    assert sum("has approved already" in text for text in refused) == 2
    assert sum("does not say which person" in text for text in refused) == 3
    found.asked("02:20", CommandKind.APPROVE, by="agent-8")
    assert found.kinds(CaseKind.APPROVED)[0].approvals == ("agent-7", "agent-8")
    assert len(found.actions) == 1


def test_a_vote_is_counted_once_also_when_it_comes_twice() -> None:
    """Commands are repeated by those who are not sure that they arrived."""
    found = ward(TWO)
    found.raised("02:00")
    for _ in range(2):
        found.asked("02:10", CommandKind.APPROVE, by="agent-8")
    assert (found.last.kind, found.last.approvals) == (CaseKind.APPROVAL_GIVEN, ("agent-8",))


def test_who_declines_hands_it_over() -> None:
    """One no is enough; after it nobody can approve any more."""
    found = ward(TWO)
    found.raised("02:00")
    found.asked("02:10", CommandKind.APPROVE, by="agent-8")
    found.asked("02:11", CommandKind.DECLINE, by="agent-9")
    assert [event.kind for event in found.events][-2:] == [CaseKind.DECLINED, CaseKind.HANDED_OVER]
    found.asked("02:12", CommandKind.APPROVE, by="agent-10")
    assert (found.last.kind, found.last.detail) == (CaseKind.NOTED, "refused: approve, because nothing waits for it; agent-10:")
    assert not found.actions


def test_an_approval_nobody_gives_becomes_a_case_for_a_person() -> None:
    """After four hours, and without a restart."""
    found = ward()
    found.raised("02:00", device=OF_TRIED)
    found.tick("05:59")
    assert found.last.kind is CaseKind.APPROVAL_ASKED
    found.tick("06:00")
    assert (found.last.kind, found.last.status, found.last.at) == (CaseKind.HANDED_OVER, Status.HELD, clock("06:00"))
    assert "nobody has approved it within 4 hours" in found.last.detail


def test_what_passes_while_people_think_is_over() -> None:
    """It is resolved like any other case that waits."""
    found = ward()
    symptom = found.raised("02:00", device=OF_TRIED)
    found.cleared("02:10", symptom)
    found.tick("03:00")
    assert found.kinds(CaseKind.RESOLVED)
    assert not found.actions


def test_an_approval_does_not_replace_the_customers_consent() -> None:
    """Both are asked for, one after the other."""
    found = ward(TWO)
    found.raised("02:00", device=ASKS)
    found.asked("02:10", CommandKind.APPROVE, device=ASKS, by="agent-8")
    found.asked("02:11", CommandKind.APPROVE, device=ASKS, by="agent-9")
    assert (found.last.kind, found.last.status) == (CaseKind.CONSENT_ASKED, Status.PENDING)
    assert not found.actions


def test_an_approval_holds_for_the_line_that_asked() -> None:
    """When the customer speaks of money meanwhile, two people approve anew."""
    found = ward()
    found.raised("02:00", device=OF_TRIED)
    found.asked("02:05", CommandKind.COMPLAINT, device=OF_TRIED, detail="I want a refund")
    found.asked("02:10", CommandKind.APPROVE, device=OF_TRIED, by="agent-8")
    assert not found.actions
    assert found.last.approvals_needed == 2


# --------------------------------------------------------------------------------------------------- contacts


def test_the_third_contact_is_for_a_person(forgetful: bool) -> None:
    """Complaints before there was a case count, also a call; what has not begun does not begin."""
    found = ward(forgetful=forgetful)
    found.asked("01:00", CommandKind.COMPLAINT, "none", detail="cold again")
    found.asked("01:30", CommandKind.COMPLAINT, "none", detail="still cold")
    found.raised("02:00", device=HEAT_PUMP.model_copy(update={"device": "hp-13", "id": "main/hp-13"}))
    found.raised("02:01", detector="learned")
    assert found.last.bot == "may"
    found.asked("02:30", CommandKind.COMPLAINT, detail="third time I write")
    assert (found.last.kind, found.last.bot, found.last.queue) == (CaseKind.HANDED_OVER, "must_not", "care")
    assert found.last.care.startswith("third contact in 30 days")


def test_a_contact_is_forgotten_after_its_window() -> None:
    """Two contacts of last month and one of today are one."""
    found = ward()
    found.asked("01:00", CommandKind.COMPLAINT, "none")
    found.asked("01:30", CommandKind.COMPLAINT, "none")
    later = clock("02:00") + 31 * DAY
    found.raised(later, detector="learned")
    found.asked(later + 60_000_000, CommandKind.COMPLAINT)
    assert found.last.bot == "may"


def test_a_threat_takes_back_what_the_machine_has_not_answered() -> None:
    """The restart is recalled, and a person has the case."""
    found = ward()
    found.raised("02:00")
    found.asked("02:01", CommandKind.COMPLAINT, detail="Das geht an meinen Anwalt")
    assert len(found.recalls) == 1
    assert (found.last.kind, found.last.queue, found.last.said) == (CaseKind.HANDED_OVER, "legal", ("legal",))


def test_what_the_machine_is_at_it_ends_and_a_person_calls_all_the_same() -> None:
    """Healed, and handed over: who threatens with a lawyer is not left to a machine."""
    found = ward()
    symptom = found.raised("02:00")
    found.replied("02:02", ReplyStatus.SUCCEEDED)
    found.asked("02:03", CommandKind.COMPLAINT, detail="my lawyer will hear of it")
    found.cleared("02:08", symptom)
    found.tick("03:00")
    assert not found.recalls
    assert (found.last.kind, found.last.queue) == (CaseKind.HANDED_OVER, "legal")
    assert "it runs normally again" in found.last.detail


def test_a_case_that_waits_moves_to_the_queue_it_belongs_to_now() -> None:
    """A threat takes it from the heating engineers to the legal department; the note of it says so already."""
    found = ward()
    found.raised("12:00")
    found.replied("12:04", ReplyStatus.FAILED)
    assert found.last.queue == "heating"
    found.asked("12:30", CommandKind.COMPLAINT, detail="my lawyer will hear of it")
    assert (found.last.kind, found.last.queue, found.last.bot) == (CaseKind.NOTED, "legal", "must_not")


def test_a_threat_after_it_was_resolved_brings_it_back_to_a_person() -> None:
    """Nobody closes a case of somebody who has just written of a lawyer."""
    found = ward()
    symptom = found.raised("02:00")
    found.replied("02:02", ReplyStatus.SUCCEEDED)
    found.cleared("02:08", symptom)
    found.tick("02:30")
    assert found.last.status is Status.RESOLVED
    found.asked("02:35", CommandKind.COMPLAINT, detail="my lawyer will hear of it")
    assert (found.last.kind, found.last.status, found.last.queue) == (CaseKind.CALL_WISHED, Status.HELD, "legal")
    found.tick("1+02:00")
    assert not found.kinds(CaseKind.CLOSED)


def test_what_an_agent_notes_is_not_what_the_customer_said() -> None:
    """A note about a lawyer is no threat."""
    found = ward()
    found.raised("02:00", detector="learned")
    found.asked("02:03", CommandKind.NOTE, detail="customer is a lawyer, and angry")
    assert found.last.said == ()
    assert not found.kinds(CaseKind.HANDED_OVER)


def test_sealed_words_count_by_what_was_found_where_they_were_written() -> None:
    """The stage decides by the topics beside them; words alone, sealed, say nothing to it."""
    for doubts in (("anger",), ()):
        found = ward()
        found.raised("02:00", detector="learned")
        found.asked("02:03", CommandKind.CALL, detail="sealed:" + "A" * 60, by="customer", doubts=doubts)
        assert found.last.said == doubts


def test_the_words_themselves_are_not_kept() -> None:
    """State and events hold the topic; the text stands in the command alone."""
    found = ward(forgetful=True)
    found.raised("02:00", detector="learned")
    found.asked("02:03", CommandKind.CALL, detail="Ich bin stinksauer, Ihr Max Muster", by="customer")
    blocks = found.processors["cases"].dirty() or found._blocks["cases"]
    assert found.last.said == ("anger",)
    assert all(b"Muster" not in block for block in blocks.values())


# ---------------------------------------------------------------------------------------------------- promises


def test_a_promise_that_is_missed_is_noted_and_made_good() -> None:
    """Nobody takes it within the eight hours its queue promises; who takes it in time has missed nothing."""
    found = ward()
    found.raised("12:00")
    found.replied("12:04", ReplyStatus.FAILED)
    found.tick("20:05")
    noted, proposed = found.events[-2:]
    assert "a promise was missed: nobody in heating has taken it within 8 hours" in noted.detail
    assert (proposed.kind, proposed.amount_cents) == (CaseKind.GOODWILL_PROPOSED, 1500)

    kept = ward()
    kept.raised("12:00")
    kept.replied("12:04", ReplyStatus.FAILED)
    kept.asked("13:00", CommandKind.TAKE)
    kept.tick("1+12:00")
    assert not kept.kinds(CaseKind.GOODWILL_PROPOSED)


def test_a_severity_that_grows_while_it_waits_asks_for_approval() -> None:
    """What is queued is looked at again before a permit is asked."""
    care = read_care("version: 1\nrules: [{line: critical, when: {severity: [critical]}, bot: must_ask}]\n", "x")
    found = ward(care, policy=written(POLICY.replace("one restart, ", "one restart, settle: 10m, ")))
    symptom = found.raised("02:00")
    found.updated("02:05", symptom, Severity.CRITICAL)
    found.tick("02:30")
    assert found.last.kind is CaseKind.APPROVAL_ASKED
    assert not found.actions
