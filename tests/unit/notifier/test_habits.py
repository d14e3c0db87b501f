"""Learned hours in the notifier: within what is allowed, never for safety, never more often; kept, shown, forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from notifier.channels import Outcome as Ended
from notifier.habits import WAIT, Advice, Moment, learned, moments
from notifier.pipeline import Defer, Facts, Send, decide
from notifier.preferences import Preferences
from notifier.quiet import rest_until, zone_of
from notifier.service import Options
from tests.unit.notifier.house import MORNING, NIGHT, NOON, House, customer, note
from tests.unit.notifier.test_pipeline import facts
from vorab.clock import DAY, HOUR, Micros
from vorab.habits import Outcome
from vorab.records import Channel, DeliveryReason, Limit, Request, RequestKind, Urgency
from vorab.topics import REQUESTS


def at_hour(hour: int, channel: Channel = Channel.MAIL) -> Facts:
    """Somebody who answers at this hour."""

    def advise(channels: Sequence[Channel], when: Sequence[Moment]) -> Advice:
        best = min(when, key=lambda each: abs(each.hour - hour))
        return Advice(best.at, channel if channel in channels else channels[0], f"{channel.value} at {hour}")

    return facts(reachable=(Channel.MAIL, Channel.SMS), who=customer(channels=["mail", "sms"]), advise=advise)


def test_a_message_waits_for_the_hour_at_which_they_answer_and_says_why() -> None:
    """At noon for somebody who answers at six: kept until six, and the trace names channel, hour and reason."""
    trace = decide(note(at=NOON), at_hour(18))
    assert trace.decision == Defer(NOON + 6 * HOUR, DeliveryReason.HABITS, "mail at 18")
    assert trace.habit == "mail at 18"


def test_at_their_hour_it_goes_out_by_their_channel() -> None:
    """The channel is chosen among those the person likes."""
    trace = decide(note(at=NOON), at_hour(12, Channel.SMS))
    assert (trace.decision, trace.habit) == (Send(Channel.SMS), "sms at 12")


def test_safety_waits_for_no_hour() -> None:
    """What concerns safety is said at once, by the first channel."""
    assert decide(note(at=NOON, urgency=Urgency.SAFETY), at_hour(18, Channel.SMS)).decision == Send(Channel.MAIL)


def test_no_message_waits_longer_than_half_a_day() -> None:
    """Whatever is preferred, a message is out within `WAIT`, and before its time ends."""
    assert all(each.at < NOON + WAIT for each in moments(NOON, NOON + WAIT, Preferences()))
    late = decide(note(at=NOON - WAIT), at_hour(18)).decision
    assert late == Send(Channel.MAIL)


@pytest.mark.parametrize("now", [NIGHT, MORNING, NOON, NOON + 5 * DAY])
def test_no_hour_of_rest_is_ever_offered(now: Micros) -> None:
    """What the learner may choose from lies outside quiet hours and quiet days."""
    of = Preferences(region="DE-BY")
    for each in moments(now, now + 2 * DAY, of):
        assert 7 <= each.hour < 22
        assert rest_until(each.at, zone_of(of.time_zone), of.quiet_from, of.quiet_until, lambda _: "") is None


Layered = Callable[[Preferences, Sequence[Outcome], Micros], Preferences]


def shipped(of: Preferences, mine: Sequence[Outcome], now: Micros) -> Preferences:
    """What the notifier makes of it."""
    return learned({"main/c-1": mine}, {}, now).layered("main/c-1", of, now)


def insisting(of: Preferences, mine: Sequence[Outcome], _now: Micros) -> Preferences:
    """Known bad: who does not read is tried more often."""
    unread = sum(each.answered_at is None for each in mine)
    return Preferences(budget={**of.budget, Limit.A_MONTH: of.budget.get(Limit.A_MONTH, 0) + unread})


def more_often(layered: Layered) -> list[tuple[int, int]]:
    """(messages, limit) at which somebody who never reads may be told more than was agreed, or is not told less after six."""
    found = []
    for messages in range(13):
        mine = [Outcome("mail", 9, weekend=False, at=NOON + i * DAY) for i in range(messages)]
        for most in (1, 2, 6):
            of = layered(Preferences(budget={Limit.A_MONTH: most}), mine, NOON + 60 * DAY)
            less = of.budget[Limit.A_MONTH]
            if less > most or (messages >= 6 and most > 1 and less >= most):
                found.append((messages, most))
    return found


def test_who_never_reads_is_told_less_and_never_more() -> None:
    """After six messages without a sign a month holds half as many; a notifier that insists is caught."""
    assert more_often(shipped) == []
    assert more_often(insisting)


def test_one_answer_ends_the_restraint() -> None:
    """Somebody who answered one of the last messages is told as agreed."""
    mine = [Outcome("mail", 9, weekend=False, at=NOON + i * DAY) for i in range(6)]
    mine[3] = Outcome("mail", 9, weekend=False, at=NOON + 3 * DAY, answered_at=NOON + 3 * DAY + HOUR)
    assert shipped(Preferences(budget={Limit.A_MONTH: 6}), mine, NOON + 60 * DAY).budget[Limit.A_MONTH] == 6


def learning(folder: Path) -> House:
    """A house whose notifier learns, and a customer it has written to once."""
    house = House(folder, now=NOON, options=Options(senders=1, habits=True))
    house.log.create({REQUESTS: 3})
    house.know()
    house.put(customer(own=["language"]), note(at=NOON))
    for _ in range(14):
        house.run()
        house.clock.advance(HOUR)
    assert len(house.people.habits("main/c-1")) == 1
    return house


def test_a_button_that_is_pressed_counts_as_an_answer_and_erasing_forgets_it(tmp_path: Path) -> None:
    """What is kept can be read by row; it is gone with the person, and by itself where somebody asks for that."""
    house = learning(tmp_path)
    [row] = house.people.habits("main/c-1")
    assert (row["channel"], row["answered_at"], row["facts"]) == ("mail", None, "language:de model:heat-pump")
    at = house.clock.now()
    of = {"customer": "c-1", "case": "case-1", "device": "pump-7", "notification": row["notification"]}
    house.put(Request.model_validate({"id": "r-1", "kind": RequestKind.CALL_ME, "at": at, **of}))
    house.run()
    assert house.people.habits("main/c-1")[0]["answered_at"] == at
    house.people.erase("main/c-1")
    assert house.people.habits("main/c-1") == []


def test_what_is_kept_can_be_forgotten_alone(tmp_path: Path) -> None:
    """A reset leaves the person and says how many messages it was."""
    house = learning(tmp_path)
    assert (house.people.reset_habits("main/c-1"), house.people.habits("main/c-1")) == (1, [])


def test_nothing_is_kept_where_it_is_off(tmp_path: Path) -> None:
    """By default nobody's habits are looked at, and a message goes out at once."""
    house = House(tmp_path, now=NOON)
    house.know()
    house.put(customer(), note(at=NOON))
    house.run()
    assert house.people.habits("main/c-1") == []
    assert len(house.mail.sent) == 1


def test_what_was_not_said_teaches_nothing(tmp_path: Path) -> None:
    """A message that the provider refused is no message without an answer."""
    house = House(tmp_path, now=NOON, options=Options(senders=1, habits=True))
    house.log.create({REQUESTS: 3})
    house.mail.answers = [Ended.FAILED] * 3
    house.know()
    house.put(customer(), note(at=NOON))
    for _ in range(14):
        house.run()
        house.clock.advance(HOUR)
    assert house.people.habits("main/c-1") == []
