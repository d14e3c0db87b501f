"""The notifier at work on a real log, stepped by hand through nights and crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from notifier.channels import Outcome
from notifier.service import Options
from tests.parts.base import wait_until
from tests.unit.notifier.house import MORNING, NIGHT, NOON, FakeChannel, House, case_event, customer, note
from vorab.clock import HOUR, MINUTE
from vorab.errors import ConfigError
from vorab.links import verify
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.metrics import exposition
from vorab.people import Person
from vorab.records import CaseKind, DeliveryReason, Rejection, Stage, Status
from vorab.topics import CUSTOMERS, NOTIFICATIONS, REJECTED, partition_of


def test_a_message_waits_for_the_morning_and_then_goes_out_once(house: House) -> None:
    """In the night it is put off; at seven it is sent, once, with a button."""
    house.know()
    house.put(customer(), case_event(CaseKind.HANDED_OVER, Status.HELD, seq=1), note())
    house.run()

    assert house.told() == ["deferred:quiet_hours"]
    assert house.deliveries()[0].due_at == MORNING
    assert house.mail.sent == []

    house.clock.set(MORNING)
    house.run(prepare=False)
    house.run(prepare=False)

    assert house.told() == ["deferred:quiet_hours", "sent"]
    [message] = house.mail.sent
    assert message.link.startswith("https://desk.example.org/c/")
    assert message.subject == "Pumpe 7: zu wenig Druck"


def test_what_was_fixed_in_the_night_is_not_said_in_the_morning(house: House) -> None:
    """The message is looked at again when the quiet hours end, and dropped: the case is closed."""
    house.know()
    house.put(customer(), case_event(CaseKind.HANDED_OVER, Status.HELD, seq=1), note())
    house.run()
    house.put(case_event(CaseKind.RESOLVED, Status.RESOLVED, seq=2, healed=True))
    house.clock.set(MORNING)
    house.run(prepare=False)

    assert house.told() == ["deferred:quiet_hours", "suppressed:already_fixed"]
    assert house.deliveries()[-1].detail == "not sent: already fixed"
    assert house.mail.sent == []


def test_a_healed_fault_stays_quiet_unless_the_customer_wishes_to_hear(house: House) -> None:
    """The phone stays dark, except for those who asked to be told."""
    house.know(Person("main/c-1", "", "a@example.org"), Person("main/c-2", "", "b@example.org"))
    house.put(customer(), case_event(CaseKind.RESOLVED, Status.RESOLVED, seq=1, healed=True), note(Stage.HEALED))
    house.put(customer("c-2", tell_healed=True))
    house.put(case_event(CaseKind.RESOLVED, Status.RESOLVED, seq=1, case="case-2", healed=True), key="main/c-2")
    house.put(note(Stage.HEALED, case="case-2", name="c-2"))
    house.clock.set(NOON)
    house.run()

    assert sorted(house.told()) == ["sent", "suppressed:already_fixed"]
    assert [message.to.customer for message in house.mail.sent] == ["main/c-2"]


def test_case_events_that_came_last_still_count(house: House) -> None:
    """Before it decides it reads cases to their end, in however small pieces they come."""
    house.know()
    house.clock.set(NOON)
    house.notifier.prepare()
    house.put(note(), customer())
    house.put(*[case_event(CaseKind.NOTED, Status.HELD, seq=n) for n in range(1_200)])
    house.put(case_event(CaseKind.CLOSED, Status.CLOSED, seq=1_200))
    house.run(prepare=False)

    assert house.told() == ["suppressed:already_fixed"]


@pytest.mark.parametrize(
    ("outcome", "told"), [(Outcome.FAILED, "failed:refused"), (Outcome.UNKNOWN, "unknown:unreachable"), (Outcome.SENT, "sent")]
)
def test_the_outcome_of_a_call_is_the_end_of_a_message(house: House, outcome: Outcome, told: str) -> None:
    """Sent, failed and unknown are final: none of them is tried again."""
    house.mail.answers = [outcome]
    house.know()
    house.clock.set(NOON)
    house.put(customer(), note())
    house.run()
    house.restart()
    house.run()

    assert house.told() == [told]
    assert len(house.mail.sent) == 1


def test_a_server_that_is_away_is_tried_again_and_the_message_is_judged_anew(house: House) -> None:
    """A refusal for now puts the message off; when the fault is fixed meanwhile, it is not sent at all."""
    house.mail.answers = [Outcome.LATER, Outcome.LATER]
    house.know()
    house.clock.set(NOON)
    house.put(customer(), note(), note(case="case-2"))
    house.run()
    assert house.told() == ["deferred:unreachable", "deferred:unreachable"]
    assert all(NOON + 48_000_000 <= (d.due_at or 0) <= NOON + 72_000_000 for d in house.deliveries())

    house.put(case_event(CaseKind.CLOSED, Status.CLOSED, seq=1))
    house.clock.advance(2 * MINUTE)
    house.run(prepare=False)

    assert sorted(house.told()[2:]) == ["sent", "suppressed:already_fixed"]
    assert len(house.mail.sent) == 3


def test_a_server_that_stays_away_ends_as_failed(tmp_path: Path) -> None:
    """After the last attempt the message is given up, with the reason a person can act on."""
    channel = FakeChannel(answers=[Outcome.LATER] * 9)
    house = House(tmp_path, now=NOON, channels=[channel], options=Options(senders=1, retry_s=1, attempts=3))
    house.know()
    house.put(customer(), note())
    for _ in range(5):
        house.run()
        house.clock.advance(MINUTE)
    assert house.told() == ["deferred:unreachable", "deferred:unreachable", "failed:unreachable"]
    assert len(channel.sent) == 3
    house.close()


def test_shadow_mode_decides_everything_and_sends_nothing(tmp_path: Path) -> None:
    """What would have been sent is told, and stays in the house."""
    house = House(tmp_path, now=NOON, options=Options(shadow=True, senders=1))
    house.know()
    house.put(customer(), note())
    house.run()
    assert house.told() == ["suppressed:shadow"]
    assert house.mail.sent == []
    house.close()


def test_an_interrupted_send_is_held_and_the_log_is_told(house: House) -> None:
    """A row that says `sending` at the start was cut off: unknown, because it may have arrived."""
    house.know()
    house.clock.set(NOON)
    house.put(customer(), note())
    house.notifier.prepare()
    house.notifier.read((CUSTOMERS, NOTIFICATIONS), 0)
    [notice] = house.store.due(NOON, 10)
    house.store.claim(notice, house.mail.channel, NOON)
    house.restart()
    house.run()

    assert house.told() == ["unknown:interrupted"]
    assert house.mail.sent == []


def test_an_interrupted_send_is_repeated_where_twice_makes_one(tmp_path: Path) -> None:
    """A channel that makes one message of two is simply called again."""
    channel = FakeChannel(idempotent=True)
    house = House(tmp_path, now=NOON, channels=[channel])
    house.know()
    house.put(customer(), note())
    house.notifier.prepare()
    house.notifier.read((CUSTOMERS, NOTIFICATIONS), 0)
    [notice] = house.store.due(NOON, 10)
    house.store.claim(notice, channel.channel, NOON)
    house.restart()
    house.run()

    assert house.told() == ["sent"]
    assert len(channel.sent) == 1
    house.close()


def test_a_lost_database_says_nothing_twice(house: House) -> None:
    """A notifier without its database hears from the log what has been said before."""
    house.know()
    house.clock.set(NOON)
    house.put(customer(), note())
    house.run()
    house.restart("another.db")
    house.know()
    house.put(note(case="case-2"))
    house.run()

    assert [message.case for message in house.mail.sent] == ["case-1", "case-2"]
    assert len(house.deliveries()) == 2


def test_the_same_notification_twice_on_the_log_is_one_message(house: House) -> None:
    """The log is at-least-once; the id makes it once."""
    house.know()
    house.clock.set(NOON)
    house.put(customer(), note(), note())
    house.run()
    house.put(note())
    house.run()
    assert house.told() == ["sent"]


def test_a_customer_taken_out_of_the_registry_hears_nothing(house: House) -> None:
    """A tombstone on the registry topic counts at once for everything unsent."""
    house.know()
    house.put(customer(), note())
    house.run()
    append_all(house.log, [Outgoing(CUSTOMERS, partition_of("main/c-1", 3), b"main/c-1", None)])
    house.clock.set(MORNING)
    house.run(prepare=False)
    assert house.told() == ["deferred:quiet_hours", "suppressed:unknown_customer"]


def test_an_erased_person_is_not_reached(house: House) -> None:
    """Without a contact point there is no channel; the message ends with that reason."""
    house.know()
    house.put(customer(), note())
    house.run()
    assert house.people.erase("main/c-1")
    house.clock.set(MORNING)
    house.run(prepare=False)
    assert house.told() == ["deferred:quiet_hours", "suppressed:no_channel"]
    found = b"".join(path.read_bytes() for path in house.folder.glob("notifier.db*"))
    assert b"erika@example.org" not in found


def test_what_cannot_be_read_is_kept_with_its_reason(house: House) -> None:
    """A record nobody understands goes to the rejected ones, and the next is read."""
    house.know()
    house.clock.set(NOON)
    append_all(house.log, [Outgoing(NOTIFICATIONS, partition_of("main/c-1", 3), b"main/c-1", b"{", ())])
    house.put(customer(), note())
    house.run()
    assert house.told() == ["sent"]
    [rejection] = [record for record in house.records(REJECTED) if isinstance(record, Rejection)]
    assert rejection.origin_topic == NOTIFICATIONS


def test_a_database_of_another_log_is_refused(house: House) -> None:
    """A place beyond the end of the log means the two do not belong together: better to stop than to skip."""
    house.know()
    house.put(customer())
    house.run()
    house.log.close()
    for path in house.folder.glob("log.db*"):
        path.unlink()
    other = House(house.folder, now=NIGHT)
    with pytest.raises(ConfigError, match="another log"):
        other.notifier.prepare()
    other.close()


def test_everything_ends_exactly_once(house: House) -> None:
    """Each notification has exactly one final delivery, and the counts add up."""
    house.mail.answers = [Outcome.SENT, Outcome.FAILED, Outcome.UNKNOWN, Outcome.LATER]
    house.know()
    house.put(customer(), case_event(CaseKind.CLOSED, Status.CLOSED, seq=1, case="case-3"))
    notes = [note(case=f"case-{n}") for n in range(8)]
    house.put(*notes)
    house.run()
    for _ in range(20):
        house.clock.advance(60 * MINUTE)
        house.run(prepare=False)
    final = [d.notification for d in house.deliveries() if d.state.final]
    assert sorted(final) == sorted(n.id for n in notes)
    assert sum(house.store.counts().values()) == 8


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_consent_withdrawn_at_any_moment_before_the_send_counts(house: House, when: str) -> None:
    """Before the message is decided on, before it is read, or while it waits: nothing is sent after the withdrawal."""
    house.know()
    withdrawn = customer(purposes={"service": False})
    records = {"before": [customer(), withdrawn, note()], "between": [customer(), note(), withdrawn], "after": [customer(), note()]}
    house.put(*records[when])
    house.run()
    if when == "after":
        house.put(withdrawn)
    house.clock.set(MORNING)
    house.run(prepare=False)
    assert house.told()[-1] == "suppressed:no_consent"
    assert house.mail.sent == []


def test_a_question_is_not_asked_once_it_is_answered(house: House) -> None:
    """The night's question for consent is dropped when a person took over."""
    house.know()
    house.put(customer(), case_event(CaseKind.CONSENT_ASKED, Status.PENDING, seq=1), note(Stage.CONSENT))
    house.run()
    house.put(case_event(CaseKind.HANDED_OVER, Status.HELD, seq=2), note())
    house.clock.set(MORNING)
    house.run(prepare=False)
    assert house.told() == ["deferred:quiet_hours", "suppressed:superseded", "sent"]


def test_who_was_told_of_a_fault_is_told_of_its_end(house: House) -> None:
    """Even without a wish to hear of healed faults, a customer is not left with half a story."""
    house.know()
    house.clock.set(NOON)
    house.put(customer(), case_event(CaseKind.HANDED_OVER, Status.HELD, seq=1), note())
    house.run()
    house.put(case_event(CaseKind.RESOLVED, Status.RESOLVED, seq=2), note(Stage.RESOLVED, at=NOON))
    house.run(prepare=False)
    assert [message.subject for message in house.mail.sent] == ["Pumpe 7: zu wenig Druck", "Pumpe 7: erledigt"]
    assert [message.first for message in house.mail.sent] == [True, False]


def test_every_series_starts_at_zero(house: House) -> None:
    """An alert on the first failure needs a rise, and a rise needs a zero."""
    del house
    text = exposition().decode()
    for reason in DeliveryReason:
        assert reason is DeliveryReason.NONE or f'reason="{reason}"' in text
    assert 'vorab_notifications_total{channel="mail",reason="interrupted",state="unknown"}' in text


def test_a_link_opens_the_page_of_its_case(house: House) -> None:
    """The button carries what the customer page needs, signed, for three days."""
    house.know()
    house.clock.set(NOON)
    house.put(customer(), note())
    house.run()
    token = house.mail.sent[0].link.rpartition("/")[2]
    claims = verify(house.options.buttons.secret, token, NOON)
    assert (claims.notification, claims.case, claims.device, claims.customer) == (note().id, "case-1", "main/pump-7", "main/c-1")
    assert claims.expires_at == NOON + 72 * HOUR
    assert "erika" not in house.mail.sent[0].link


def test_the_thread_works_until_it_is_stopped_and_finishes_what_it_began(house: House) -> None:
    """Started and stopped as a service does it."""
    house.know()
    house.clock.set(NOON)
    house.put(customer(), note())
    house.notifier.start()
    wait_until(lambda: house.told() == ["sent"], "the message being sent")
    assert house.notifier.ready() is None
    house.notifier.stop()


def test_a_log_without_topics_is_the_operators_to_mend(tmp_path: Path) -> None:
    """The mistake is told at the start, not by a crash in a thread."""
    house = House(tmp_path)
    house.log.close()
    for path in tmp_path.glob("log.db*"):
        path.unlink()
    house.notifier._log = SqliteLog(tmp_path / "log.db")
    with pytest.raises(ConfigError, match="topic"):
        house.notifier.start()
    house.notifier._log.close()
    house.close()
