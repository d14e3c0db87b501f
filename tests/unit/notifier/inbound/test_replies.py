"""Replies from end to end, by hand: heard, found, decided, answered once; and what each must never do."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from notifier.channels import Outcome
from notifier.inbound.deciding import Limits
from notifier.inbound.replies import UNASSIGNED
from notifier.inbound.store import Inbox
from tests.unit.notifier.house import MORNING, NOON, case_event, customer, note
from tests.unit.notifier.inbound.parlour import CODES, ERIKA, Parlour, reply
from vorab.clock import HOUR, MINUTE
from vorab.consents import withdrawn
from vorab.people import Person
from vorab.records import (
    Answered,
    CaseKind,
    Command,
    CommandKind,
    Consent,
    ConsentBy,
    Customer,
    HandedTo,
    Purpose,
    Request,
    RequestKind,
    Slot,
    Stage,
    Status,
)
from vorab.topics import COMMANDS, CONSENTS, CUSTOMERS, REJECTED, REQUESTS, SLOTS
from vorab.understanding import Flag, Intent, Route, Window

ANGRY = {"intent": Intent.STATUS, "flags": (Flag.ANGER,), "route": Route.HUMAN}


def test_a_question_is_answered_from_the_case_as_it_stands(parlour: Parlour) -> None:
    """Asked what is with the pump, the customer hears since when, and who has it now."""
    told = parlour.story()
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    parlour.hear(reply("Was ist?", answers=told))
    [answer] = parlour.out.given
    assert "Jetzt kümmert sich ein Mensch aus unserem Service darum." in answer.text
    assert "seit heute 02:10 Uhr" in answer.text
    assert (answer.thread, answer.subject) == ("<first@customer.example>", "AW: Pumpe 7: zu wenig Druck")
    parlour.put(case_event(CaseKind.RESOLVED, Status.RESOLVED, seq=2, healed=True, at=NOON))
    parlour.clock.advance(MINUTE)
    parlour.hear(reply("Was ist?", answers=told, message_id="<second@customer.example>", at=NOON + MINUTE))
    assert "läuft sie wieder normal" in parlour.out.given[1].text


def test_the_log_has_both_sides_and_no_plain_word(parlour: Parlour) -> None:
    """`Heard` and `Answered` name case and answer; the words stand sealed, and open with the customer's key only."""
    told = parlour.story()
    parlour.meanings["Sonderbares Wort Quastenflosser"] = {"intent": Intent.STATUS}
    parlour.hear(reply("Sonderbares Wort Quastenflosser", answers=told))
    [heard], [answered] = parlour.heard(), parlour.answered()
    assert (heard.case, heard.device, heard.answers, heard.intent, heard.handed_to) == ("case-1", "pump-7", told, "status", HandedTo.VORAB)
    assert (answered.heard, answered.answer, answered.source, answered.by) == (heard.id, "state_of_device", "case:case-1", "vorab")
    assert parlour.words(heard.said) == "Sonderbares Wort Quastenflosser"
    assert "Service" in (parlour.words(answered.said) or "")
    kept = b"".join(file.read_bytes() for file in parlour.folder.iterdir() if file.is_file() and file.name.startswith("log.db"))
    assert heard.id.encode() in kept
    assert b"Quastenflosser" not in kept
    assert b"erika" not in kept.lower()


def test_a_reply_that_comes_again_is_answered_once(parlour: Parlour) -> None:
    """Redelivered at once, after the answer, and after a start: one `Heard`, one answer."""
    told = parlour.story()
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    same = reply("Was ist?", answers=told)
    parlour.replies.receive(same)
    parlour.hear(same)
    parlour.hear(same)
    parlour.restart()
    parlour.hear(same)
    assert (len(parlour.heard()), len(parlour.answered()), len(parlour.out.given)) == (1, 1, 1)


def test_a_reply_that_comes_again_is_known_by_the_log(parlour: Parlour) -> None:
    """A notifier that has lost its database reads what was answered before it answers anything."""
    told = parlour.story()
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    parlour.hear(reply("Was ist?", answers=told))
    parlour.restart("lost.db")
    parlour.know(ERIKA)
    parlour.notifier.prepare()
    parlour.hear(reply("Was ist?", answers=told))
    assert len(parlour.out.given) == 1


def test_what_does_not_know_its_message_answers_twice(parlour: Parlour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: an id that is new with each delivery gives two answers, so the tests above would see it."""
    told = parlour.story()
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    numbers = itertools.count()
    monkeypatch.setattr("vorab.ids.heard_id", lambda *_: f"heard-{next(numbers)}")
    parlour.hear(reply("Was ist?", answers=told))
    parlour.hear(reply("Was ist?", answers=told))
    assert len(parlour.out.given) == 2


@pytest.mark.parametrize("crash", ["after_claim", "after_send"])
def test_an_answer_that_was_cut_off_is_held(parlour: Parlour, crash: str) -> None:
    """Killed while a mail was being handed over: never sent again by itself, and a person's matter."""
    told = parlour.story()
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    parlour.replies.receive(reply("Was ist?", answers=told))
    parlour.notifier.step(wait_s=0.0)
    due = parlour.inbox.claim(parlour.clock.now())
    assert due is not None
    if crash == "after_send":
        parlour.answering._give(due)
    parlour.restart()
    parlour.work()
    assert len(parlour.out.given) == (crash == "after_send")
    assert [each.doubts for each in parlour.heard()][-1] == ("the answer may not have arrived",)


def test_a_mail_server_that_is_away_gets_the_answer_later(parlour: Parlour) -> None:
    """What was certainly not taken is tried again after a while."""
    told = parlour.story()
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    parlour.out.outcomes = [Outcome.LATER]
    parlour.hear(reply("Was ist?", answers=told))
    assert parlour.answered() == []
    parlour.clock.advance(2 * MINUTE)
    parlour.work()
    assert (len(parlour.out.given), len(parlour.answered())) == (2, 1)


@pytest.mark.parametrize(
    ("text", "asked", "kind", "answer"),
    [
        ("Ja gern", True, RequestKind.CONSENT, "consent_taken"),
        ("Nein", True, RequestKind.NO_CONSENT, "consent_refused"),
        ("Anruf bitte", False, RequestKind.CALL_ME, "call_wished"),
        ("Stimmt nicht", False, RequestKind.WAS_WRONG, "was_wrong"),
        ("Zu spät", False, RequestKind.TOO_LATE, "too_late"),
    ],
)
def test_what_a_reply_asks_for_is_asked_of_the_case(parlour: Parlour, text: str, asked: bool, kind: RequestKind, answer: str) -> None:
    """The same request as the button on the customer's page, once."""
    meaning = {
        "Ja gern": Intent.CONSENT_YES, "Nein": Intent.CONSENT_NO, "Anruf bitte": Intent.CALL_ME, "Stimmt nicht": Intent.WAS_WRONG,
        "Zu spät": Intent.TOO_LATE,
    }  # fmt: skip
    told = parlour.story(asked=asked)
    parlour.meanings[text] = {"intent": meaning[text]}
    parlour.hear(reply(text, answers=told))
    parlour.hear(reply(text, answers=told))
    [request] = parlour.records(REQUESTS)
    assert isinstance(request, Request)
    assert (request.kind, request.case, request.device, request.notification, request.text) == (kind, "case-1", "pump-7", told, "")
    assert [each.answer for each in parlour.answered()] == [answer]


def test_call_me_at_five_books_a_slot_where_calls_are_booked(tmp_path: Path) -> None:
    """The time that was named is wished of the diary, and stands in the answer and in the case."""
    parlour = Parlour(tmp_path, slots=True)
    try:
        told = parlour.story()
        five = Window(NOON + 5 * HOUR, NOON + 5 * HOUR + 10 * MINUTE)
        parlour.meanings["Um fünf"] = {"intent": Intent.CALL_ME, "wished": five}
        parlour.hear(reply("Um fünf", answers=told))
        [slot], [request] = parlour.records(SLOTS), parlour.records(REQUESTS)
        assert isinstance(slot, Slot)
        assert isinstance(request, Request)
        assert (slot.wishes.first, slot.wishes.until, slot.case) == (five.start, five.start + 30 * MINUTE, "case-1")
        assert request.text.startswith("from 2026-11-24T16:00")
        assert "heute um 17:00 Uhr" in parlour.out.given[0].text
    finally:
        parlour.close()


def test_stop_is_a_consent_withdrawn(parlour: Parlour) -> None:
    """The registry's entry says no to every purpose, by the person's own word, and nothing that waits is said any more."""
    told = parlour.story(own=("language",))
    parlour.put(note(Stage.RESOLVED, at=NOON))
    parlour.meanings["Stopp"] = {"intent": Intent.STOP}
    parlour.hear(reply("Stopp", answers=told))
    entry = [each for each in parlour.records(CUSTOMERS) if isinstance(each, Customer)][-1]
    assert entry.purposes == {Purpose.SERVICE: False, Purpose.ADVERTISING: False}
    assert entry.own == ("language", "purposes")
    ledger = [(each.purpose.value, each.given, each.way) for each in parlour.records(CONSENTS) if isinstance(each, Consent)]
    assert ledger == [(purpose, False, ConsentBy.MAIL) for purpose in ("advertising", "service")]
    assert [each.answer for each in parlour.answered()] == ["stopped"]
    before = len(parlour.mail.sent)
    parlour.run(prepare=False)
    assert len(parlour.mail.sent) == before


def test_it_works_again_is_a_fact_of_the_case(parlour: Parlour) -> None:
    """What the customer says of the machine stands in its case, without their words."""
    told = parlour.story()
    parlour.meanings["Läuft"] = {"intent": Intent.WORKS_AGAIN}
    parlour.hear(reply("Läuft", answers=told))
    [command] = parlour.records(COMMANDS)
    assert isinstance(command, Command)
    assert (command.kind, command.by, command.detail) == (CommandKind.NOTE, "customer", "the customer says that it works again")


def test_a_question_is_answered_from_an_article_that_is_named(parlour: Parlour) -> None:
    """What an article tells customers, with its title and id."""
    parlour.know(ERIKA)
    of: dict[str, Any] = {"name": "Drucker", "model": "printer", "cause": "paper_jam"}
    parlour.put(customer(quiet_from="00:00", quiet_until="00:00"))
    parlour.put(case_event(CaseKind.OPENED, Status.IN_PROGRESS, seq=0, **of), note(at=NOON))
    parlour.run()
    parlour.meanings["Wie bekomme ich das Papier heraus?"] = {"intent": Intent.QUESTION}
    parlour.hear(reply("Wie bekomme ich das Papier heraus?", answers=note().id))
    [answered] = parlour.answered()
    assert (answered.answer, answered.source) == ("article", "article:printer-paper-jam")
    assert "(printer-paper-jam)" in parlour.out.given[0].text
    assert "Laufrichtung" in parlour.out.given[0].text


def test_in_doubt_a_person_answers_and_the_customer_hears_so_once(parlour: Parlour) -> None:
    """Anger is a person's; the case may not end without one; a second reply is not told the same again."""
    told = parlour.story()
    parlour.meanings |= {"Frechheit": ANGRY, "Was ist?": {"intent": Intent.STATUS}}
    parlour.hear(reply("Frechheit", answers=told))
    parlour.hear(reply("Was ist?", answers=told, message_id="<2@customer.example>"))
    assert [each.answer for each in parlour.answered()] == ["person_will_answer"]
    assert [each.handed_to for each in parlour.heard()] == [HandedTo.PERSON, HandedTo.PERSON]
    assert [each.doubts[0] for each in parlour.heard()] == ["anger", "a person has this conversation"]
    requests = [each for each in parlour.records(REQUESTS) if isinstance(each, Request)]
    assert [each.kind for each in requests] == [RequestKind.CALL_ME, RequestKind.CALL_ME]
    assert "Frechheit" not in requests[0].text


def test_once_a_person_has_answered_vorab_may_again(parlour: Parlour) -> None:
    """An answer by hand on the log ends what was handed over."""
    told = parlour.story()
    parlour.meanings |= {"Frechheit": ANGRY, "Was ist?": {"intent": Intent.STATUS}}
    parlour.hear(reply("Frechheit", answers=told))
    by_hand = Answered(
        id="by-hand",
        customer="c-1",
        heard=parlour.heard()[0].id,
        case="case-1",
        channel="mail",
        answer="by_hand",
        by="agent",
        at=NOON + MINUTE,
    )
    parlour.put(by_hand)
    parlour.clock.advance(2 * MINUTE)
    parlour.work()
    parlour.hear(reply("Was ist?", answers=told, message_id="<2@customer.example>", at=NOON + 2 * MINUTE))
    assert [each.answer for each in parlour.answered() if each.by == "vorab"] == ["person_will_answer", "state_of_device"]


def test_from_another_address_only_a_person_answers(parlour: Parlour) -> None:
    """Whoever has our message but not the person's address changes nothing and hears nothing; the words are there for a person."""
    told = parlour.story(asked=True)
    parlour.meanings["Ja"] = {"intent": Intent.CONSENT_YES}
    parlour.hear(reply("Ja", answers=told, sender="nephew@example.net"))
    [heard] = parlour.heard()
    assert (heard.handed_to, heard.case, heard.doubts[0]) == (HandedTo.PERSON, "case-1", "from another address")
    assert "nephew@example.net" in (parlour.words(heard.said) or "")
    assert (parlour.out.given, parlour.records(REQUESTS)) == ([], [])


@pytest.mark.parametrize("intent", [Intent.CONSENT_YES, Intent.STOP, Intent.CALL_ME, Intent.WAS_WRONG, Intent.WORKS_AGAIN])
def test_the_address_alone_changes_nothing(parlour: Parlour, intent: Intent) -> None:
    """A From line can be written by anybody: without an answer to a message of ours, what changes something is a person's."""
    parlour.story(asked=True)
    parlour.meanings["Das"] = {"intent": intent}
    before = len(parlour.records(CUSTOMERS))
    parlour.hear(reply("Das"))
    assert parlour.heard()[0].doubts == ("proven by the address alone",)
    assert (parlour.records(REQUESTS), parlour.records(COMMANDS), len(parlour.records(CUSTOMERS))) == ([], [], before)


def test_who_trusts_the_address_alone_is_caught(parlour: Parlour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: were the address a proof, the forged yes above would restart a machine."""
    monkeypatch.setattr("notifier.inbound.deciding.PROVEN", frozenset({"vouched", "reply", "address"}))
    parlour.story(asked=True)
    parlour.meanings["Das"] = {"intent": Intent.CONSENT_YES}
    parlour.hear(reply("Das"))
    assert len(parlour.records(REQUESTS)) == 1


def test_the_address_alone_is_enough_to_tell_the_person_something(parlour: Parlour) -> None:
    """Without a reference, with one open case: the answer goes to the address we have, under a subject of ours."""
    parlour.story()
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    parlour.hear(reply("Was ist?", subject="Buy my pills"))
    [answer] = parlour.out.given
    assert (answer.person.mail, answer.subject.partition(":")[0]) == ("erika@example.org", "Re")
    assert "pills" not in answer.subject + answer.text + answer.html


def test_our_answer_cannot_be_claimed_by_who_wrote_to_us(parlour: Parlour) -> None:
    """Whoever forged a first mail knows its Message-ID; that must not tell them what our answer is called."""
    parlour.story(asked=True)
    parlour.meanings |= {"Was ist?": {"intent": Intent.STATUS}, "Ja": {"intent": Intent.CONSENT_YES}}
    parlour.hear(reply("Was ist?"))
    [heard], [answer] = parlour.heard(), parlour.out.given
    guesses = (heard.id, parlour.answered()[0].id, "case.case-1")
    for number, guess in enumerate(guesses):
        parlour.hear(reply("Ja", answers=guess, message_id=f"<{number}@customer.example>"))
    assert parlour.records(REQUESTS) == []
    assert answer.name not in guesses


def test_several_open_cases_are_told_apart_by_the_code(parlour: Parlour) -> None:
    """Two machines are broken: the four digits in the text say which; without them a person answers."""
    parlour.story()
    of: dict[str, Any] = {"case": "case-2", "device": "pump-8", "name": "Pumpe 8", "model": "heat-pump"}
    parlour.put(case_event(CaseKind.OPENED, Status.IN_PROGRESS, seq=0, **of))
    text = f"Was ist? Code {CODES.of('case-2')}"
    parlour.meanings |= {text: {"intent": Intent.STATUS}, "Was ist?": {"intent": Intent.STATUS}}
    parlour.hear(reply(text))
    assert (parlour.heard()[0].case, "Pumpe 8" in parlour.out.given[0].text.replace(" (", " ")) == ("case-2", True)
    parlour.hear(reply("Was ist?", message_id="<2@customer.example>"))
    assert parlour.heard()[1].doubts == ("no case",)


def test_words_of_nobody_we_know_are_there_for_a_person(parlour: Parlour) -> None:
    """No address, no message, no code: kept under nobody's name, sealed, and not answered."""
    parlour.story()
    parlour.hear(reply("Hallo", sender="somebody@example.net"))
    [heard] = parlour.heard()
    assert (heard.customer, heard.handed_to, heard.doubts[0]) == (UNASSIGNED, HandedTo.PERSON, "nobody knows who wrote it")
    assert "Hallo" in (parlour.words(heard.said, f"main/{UNASSIGNED}") or "")
    assert parlour.out.given == []


def test_automatic_mail_is_never_answered(parlour: Parlour) -> None:
    """An out-of-office note leaves no answer, no request and no work for a person."""
    told = parlour.story()
    parlour.hear(reply("Ich bin im Urlaub", answers=told, Auto_Submitted="auto-replied"))
    parlour.hear(reply("Was ist?", answers=told, return_path="", message_id="<2@customer.example>"))
    assert (parlour.out.given, parlour.heard(), parlour.records(REQUESTS)) == ([], [], [])


def test_who_answers_automatic_mail_is_caught(parlour: Parlour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: without the look at the headers, the note above would be answered."""
    monkeypatch.setattr("notifier.inbound.mail_reading.automatic", lambda *_: "")
    told = parlour.story()
    parlour.hear(reply("Ich bin im Urlaub", answers=told, Auto_Submitted="auto-replied"))
    assert len(parlour.out.given) == 1


def test_a_machine_that_hides_that_it_is_one_is_answered_a_few_times_and_no_more(tmp_path: Path) -> None:
    """A loop ends by itself: so many answers a day, whatever comes, and nothing after them."""
    parlour = Parlour(tmp_path, limits=Limits(answers_a_day=2, replies_a_day=100))
    try:
        told = parlour.story()
        parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
        for number in range(20):
            parlour.hear(reply("Was ist?", answers=told, message_id=f"<{number}@customer.example>"))
        assert len(parlour.out.given) == 2
        assert parlour.heard()[-1].handed_to is HandedTo.PERSON
    finally:
        parlour.close()


def test_in_shadow_everything_is_decided_and_nothing_said(tmp_path: Path) -> None:
    """The log has what was heard; no channel is called."""
    parlour = Parlour(tmp_path, shadow=True)
    try:
        told = parlour.story()
        parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
        parlour.hear(reply("Was ist?", answers=told))
        assert (len(parlour.heard()), parlour.out.given, parlour.answered()) == (1, [], [])
    finally:
        parlour.close()


def test_who_was_erased_gets_no_answer(parlour: Parlour) -> None:
    """Erased between the decision and the call: the key is gone, so the answer cannot be read any more."""
    told = parlour.story()
    parlour.meanings["Was ist?"] = {"intent": Intent.STATUS}
    parlour.replies.receive(reply("Was ist?", answers=told))
    parlour.notifier.prepare()
    parlour.notifier.step(wait_s=0.0)
    parlour.people.erase("main/c-1")
    parlour.work()
    assert parlour.out.given == []


def test_the_words_do_not_stay_in_the_database(parlour: Parlour) -> None:
    """Once a reply has been dealt with, no file of the notifier holds its words, nor those of the answer."""
    told = parlour.story()
    parlour.meanings["Quastenflosser"] = {"intent": Intent.STATUS}
    parlour.hear(reply("Quastenflosser", answers=told))
    parlour.database.scrub()
    kept = b"".join(file.read_bytes() for file in parlour.folder.iterdir() if file.is_file())
    assert b"Quastenflosser" not in kept


def test_what_replaces_a_message_that_waits_takes_its_place(parlour: Parlour) -> None:
    """An edit before anybody looked is what was said; an edit afterwards is a person's."""
    told = parlour.story()
    parlour.meanings |= {"Was ist?": {"intent": Intent.STATUS}, "Stopp": {"intent": Intent.STOP}}
    first = reply("Stopp", answers=told)
    edited = reply("Was ist?", answers=told)
    object.__setattr__(edited, "edit", "1")
    parlour.replies.receive(first)
    parlour.hear(edited)
    assert [each.answer for each in parlour.answered()] == ["state_of_device"]
    later = reply("Stopp", answers=told)
    object.__setattr__(later, "edit", "2")
    parlour.hear(later)
    assert parlour.heard()[-1].doubts[0] == "changed after it was answered"
    assert [each.answer for each in parlour.answered()] == ["state_of_device"]


def test_withdrawing_leaves_the_rest_of_an_entry_alone() -> None:
    """Only the purposes change, and whose word they are."""
    before = customer(own=None, tell_healed=True)
    after = withdrawn(before, Purpose, NOON)
    assert after.model_copy(update={"purposes": before.purposes, "at": before.at}) == before
    assert withdrawn(customer(own=("purposes",)), Purpose, NOON).own == ("purposes",)


def test_two_with_one_address_are_told_apart_by_people(parlour: Parlour) -> None:
    """A family with one mailbox: without a reference or a code nobody guesses who it was."""
    parlour.story()
    parlour.know(Person("main/c-2", "Karl Muster", "erika@example.org"))
    parlour.hear(reply("Was ist?"))
    assert parlour.heard()[0].customer == UNASSIGNED


def test_rejected_mail_is_kept_without_its_words(parlour: Parlour) -> None:
    """What cannot be read stands in `vorab.rejected` with its reason and size, and stops nobody."""
    from vorab.errors import Reason, Rejected

    parlour.replies.refuse("mail", "x", Rejected(Reason.BAD_SHAPE, "a mail that cannot be read"), 123, MORNING)
    parlour.notifier.prepare()
    parlour.notifier.publish()
    [rejection] = parlour.records(REJECTED)
    assert rejection.model_dump()["size_bytes"] == 123
    assert rejection.model_dump()["payload_base64"] == ""


def test_rows_come_back_as_they_went(parlour: Parlour) -> None:
    """A message in the database is the message that came."""
    said = reply("Grüße 👋", answers="x")
    inbox = Inbox(parlour.database)
    inbox.receive(said)
    assert inbox.waiting(1)[0].said == said
