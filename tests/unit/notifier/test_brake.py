"""The brake: a rule that is wrong writes to a few customers and not to all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from notifier import deciding
from notifier.brake import AGAIN, Brake
from notifier.service import Options
from tests.unit.notifier.house import NOON, FakeChannel, House, customer, note
from vorab.clock import HOUR, MINUTE
from vorab.people import Person
from vorab.records import Urgency

AN_HOUR = 10
CUSTOMERS = 50


@pytest.fixture
def wrong(tmp_path: Path) -> House:
    """Fifty customers, a message to each, and ten that may go out in an hour."""
    house = House(tmp_path, now=NOON, options=Options(senders=4, an_hour=AN_HOUR))
    house.know(*(Person(f"main/c-{n}", "", f"c{n}@example.org") for n in range(CUSTOMERS)))
    house.put(*(customer(f"c-{n}") for n in range(CUSTOMERS)), *(note(case=f"case-{n}", name=f"c-{n}") for n in range(CUSTOMERS)))
    return house


def test_no_more_than_so_many_go_out_in_an_hour_and_the_rest_waits(wrong: House) -> None:
    """Ten are sent, forty wait with a reason, each is looked at again, and the next ten go an hour later."""
    wrong.run()
    assert Counter(wrong.told()) == {"sent": AN_HOUR, "deferred:brake": CUSTOMERS - AN_HOUR}
    assert {delivery.due_at for delivery in wrong.deliveries() if delivery.due_at} == {NOON + AGAIN}
    assert {delivery.decided_by for delivery in wrong.deliveries() if delivery.due_at} == {"unbraked"}
    wrong.clock.advance(HOUR - MINUTE)
    wrong.run(prepare=False)
    assert len(wrong.mail.sent) == AN_HOUR
    wrong.clock.advance(AGAIN)
    wrong.run(prepare=False)
    assert len(wrong.mail.sent) == 2 * AN_HOUR
    wrong.close()


def test_a_restart_does_not_let_the_brake_go(wrong: House) -> None:
    """What was sent before counts."""
    wrong.run()
    wrong.restart()
    wrong.clock.advance(AGAIN)
    wrong.run()
    assert len(wrong.mail.sent) == AN_HOUR
    wrong.close()


def test_safety_is_said_while_the_brake_is_on(wrong: House) -> None:
    """Whatever else waits."""
    wrong.run()
    wrong.put(note(case="fire", name="c-1", urgency=Urgency.SAFETY))
    wrong.run(prepare=False)
    assert [message.case for message in wrong.mail.sent[AN_HOUR:]] == ["fire"]
    wrong.close()


def test_what_waits_goes_out_once_a_person_has_raised_the_limit(wrong: House) -> None:
    """Another limit, a restart, and the rest is said."""
    wrong.run()
    wrong.options = Options(senders=4, an_hour=CUSTOMERS)
    wrong.restart()
    wrong.clock.advance(AGAIN)
    wrong.run()
    assert len(wrong.mail.sent) == CUSTOMERS
    wrong.close()


class Forgets(Brake):
    """Known-bad: counts only what this process has begun."""

    def recall(self, begun: object) -> None:
        """Nothing is taken over."""


class Late(Brake):
    """Known-bad: never counts."""

    def counted(self, now: int) -> None:
        """Nothing."""


@pytest.mark.parametrize("bad", [Forgets, Late])
def test_a_brake_that_does_not_count_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: type[Brake]) -> None:
    """Known-bad variants let more through, at once or after a restart."""
    monkeypatch.setattr(deciding, "Brake", bad)
    house = House(tmp_path, now=NOON, channels=[FakeChannel()], options=Options(senders=4, an_hour=AN_HOUR))
    house.know(*(Person(f"main/c-{n}", "", f"c{n}@example.org") for n in range(CUSTOMERS)))
    house.put(*(customer(f"c-{n}") for n in range(CUSTOMERS)), *(note(case=f"case-{n}", name=f"c-{n}") for n in range(CUSTOMERS)))
    house.run()
    house.restart()
    house.clock.advance(AGAIN)
    house.run()
    assert house.store.counts()["sent"] > AN_HOUR
    house.close()
