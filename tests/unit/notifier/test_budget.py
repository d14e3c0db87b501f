"""The contact budget: exact in every span, over restarts and workers, however many messages are on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from notifier import pipeline
from notifier.budget import SPANS, Contact, free_at, room
from notifier.channels import Outcome
from notifier.database import ADDED, SCHEMA, Database, contacts, meta
from notifier.preferences import Layer
from notifier.service import Options
from notifier.store import Store
from tests.unit.notifier.house import EVENING, NOON, House, case_event, customer, note
from vorab.bench.budget import Town, months, over_budget
from vorab.clock import DAY, HOUR, SECOND, Micros
from vorab.people import Person
from vorab.records import CaseKind, DeliveryReason, Limit, Notification, Purpose, Stage, Status, Urgency

ONE_A_DAY = (Layer("operator", {Limit.A_DAY: 1, Limit.A_MONTH: 6, Limit.ADVERTISING_A_MONTH: 1}),)


@pytest.fixture
def strict(tmp_path: Path) -> Any:
    """A notifier at noon that may write once a day."""
    made = House(tmp_path, now=NOON, options=Options(senders=1, retry_s=60, layers=ONE_A_DAY))
    made.know(Person("main/c-1", "", "a@example.org"), Person("main/c-2", "", "b@example.org"))
    made.put(customer(), customer("c-2"))
    yield made
    made.close()


def by_case(house: House) -> dict[str, list[str]]:
    """What became of the messages about each case, in order."""
    found: dict[str, list[str]] = {}
    for each, told in zip(house.deliveries(), house.told(), strict=True):
        found.setdefault(each.case, []).append(told)
    return found


def test_the_second_message_of_a_day_waits_until_there_is_room_and_is_looked_at_again(strict: House) -> None:
    """It is kept for exactly as long as the first one counts, and dropped when it is not true any more."""
    strict.put(note(at=NOON), note(case="case-2", at=NOON, name="c-2"))
    strict.run()
    strict.put(note(case="case-3", at=NOON), note(case="case-4", name="c-2", at=NOON))
    strict.clock.advance(HOUR)
    strict.run(prepare=False)
    waits = [each for each in strict.deliveries() if each.reason is DeliveryReason.BUDGET]
    assert [(each.case, each.due_at, each.detail) for each in sorted(waits, key=lambda each: each.case)] == [
        (case, NOON + DAY, "1 a day is used up") for case in ("case-3", "case-4")
    ]

    strict.put(case_event(CaseKind.CLOSED, Status.CLOSED, seq=1, case="case-3"))
    strict.clock.set(NOON + DAY - 1)
    strict.run(prepare=False)
    assert len(strict.mail.sent) == 2
    strict.clock.set(NOON + DAY)
    strict.run(prepare=False)
    assert by_case(strict) == {
        "case-1": ["sent"], "case-2": ["sent"], "case-3": ["deferred:budget", "suppressed:already_fixed"],
        "case-4": ["deferred:budget", "sent"],
    }  # fmt: skip


def test_what_would_come_too_late_is_dropped_at_once(strict: House) -> None:
    """So that a person can act in time."""
    strict.put(note(at=NOON))
    strict.run()
    strict.put(note(case="case-2", at=NOON, expires_at=NOON + DAY))
    strict.run(prepare=False)
    assert sorted(strict.told()) == ["sent", "suppressed:budget"]


def test_what_waits_is_told_in_one_message_when_there_is_room(strict: House) -> None:
    """The message names the others, they end as grouped with its id, and their customer counts as told of them."""
    strict.put(note(at=NOON))
    strict.run()
    others = [
        note(case=f"case-{n}", at=NOON - 9 + n, device=f"pump-{n}", params={"name": f"Pumpe {n}", "model": "heat-pump"}) for n in (2, 3, 4)
    ]
    strict.put(*others)
    strict.run(prepare=False)
    strict.clock.set(NOON + DAY)
    strict.run(prepare=False)

    first, second = strict.mail.sent
    assert "weitere Ihrer Geräte" not in first.text
    assert "Es geht auch um 2 weitere Ihrer Geräte: Wärmepumpe (Pumpe 3)" in second.text
    grouped = [each for each in strict.deliveries() if each.reason is DeliveryReason.GROUPED]
    assert [(each.case, each.detail) for each in grouped] == [(f"case-{n}", f"told in {others[0].id}") for n in (3, 4)]
    strict.put(case_event(CaseKind.RESOLVED, Status.RESOLVED, seq=1, case="case-4"), note(Stage.RESOLVED, case="case-4", at=NOON + DAY))
    strict.run(prepare=False)
    assert strict.told()[-1] == "deferred:budget"


def test_what_a_message_carries_is_free_again_when_it_is_not_taken(strict: House) -> None:
    """Nothing is forgotten with a message that was refused, and what nobody heard does not count."""
    strict.mail.answers = [Outcome.FAILED, Outcome.LATER]
    strict.put(*[note(case=f"case-{n}", at=NOON, device=f"pump-{n}") for n in (1, 2, 3)])
    strict.run()
    strict.clock.advance(120 * SECOND)
    strict.run(prepare=False)
    assert sorted(strict.told()) == ["deferred:unreachable", "failed:refused", "sent", "suppressed:grouped"]
    assert len(strict.mail.sent) == 3


def test_a_question_is_not_carried_and_goes_first(strict: House) -> None:
    """It needs its own page; news can ride on it."""
    strict.put(note(at=NOON), case_event(CaseKind.CONSENT_ASKED, Status.PENDING, seq=1, case="case-2"))
    strict.put(note(Stage.CONSENT, case="case-2", at=NOON, device="pump-8"))
    strict.run()
    assert [(message.case, "weiteres Ihrer Geräte" in message.text) for message in strict.mail.sent] == [("case-2", True)]
    assert sorted(strict.told()) == ["sent", "suppressed:grouped"]


def test_safety_is_said_whatever_the_budget_and_counts(strict: House) -> None:
    """It passes; what follows waits the longer for it."""
    strict.put(note(at=NOON))
    strict.run()
    strict.clock.advance(HOUR)
    strict.put(note(case="case-2", at=NOON, urgency=Urgency.SAFETY))
    strict.run(prepare=False)
    strict.put(note(case="case-3", at=NOON))
    strict.run(prepare=False)
    assert strict.told() == ["sent", "sent", "deferred:budget"]
    assert strict.deliveries()[-1].due_at == NOON + HOUR + DAY


@pytest.mark.parametrize("lost", [False, True])
def test_what_may_have_been_said_counts_after_a_restart_and_without_the_database(strict: House, lost: bool) -> None:
    """Unknown is counted as said, from its own rows or from what the log tells."""
    strict.mail.answers = [Outcome.UNKNOWN]
    strict.put(note(at=NOON))
    strict.run()
    strict.restart("another.db" if lost else "notifier.db")
    strict.know()
    strict.put(note(case="case-2", at=NOON))
    strict.run()
    assert strict.told() == ["unknown:unreachable", "deferred:budget"]


def test_workers_by_share_keep_it_and_so_does_whoever_takes_over(tmp_path: Path) -> None:
    """Two workers with a database each, then one with a third: each person was told once."""
    options = [Options(share=share, senders=2, layers=ONE_A_DAY) for share in ((0, 2), (1, 2), (0, 1))]
    house = House(tmp_path, now=NOON, options=options[0])
    people = [f"c-{n}" for n in range(8)]
    for n, option in enumerate(options):
        house.options = option
        house.restart(f"worker-{n}.db")
        house.know(*(Person(f"main/{name}", "", f"{name}@example.org") for name in people))
        if not n:
            house.put(*(customer(name) for name in people))
            house.put(*(note(case=f"case-{name}-{k}", name=name, at=NOON, device=f"d-{k}") for name in people for k in range(3)))
        if n == 2:
            house.put(*(note(case=f"case-{name}-9", name=name, at=NOON) for name in people))
        house.run()
    assert sorted(message.to.customer for message in house.mail.sent) == [f"main/{name}" for name in people]
    house.close()


def test_a_database_from_before_the_budget_counts_what_it_has_said(tmp_path: Path) -> None:
    """Its schema is raised; a message sent yesterday takes its place."""
    house = House(tmp_path, now=NOON)
    house.know()
    house.put(customer(), note(at=NOON))
    house.run()
    with house.database.begin() as connection:
        for statement in (
            "DROP INDEX notices_carried",
            "ALTER TABLE notices DROP COLUMN carrier",
            "ALTER TABLE outbox DROP COLUMN trace",
            "DROP TABLE contacts",
        ):
            connection.exec_driver_sql(statement)
        connection.execute(sa.update(meta).values(value="1"))
    house.database.close()
    raised = Database(f"sqlite:///{tmp_path / 'notifier.db'}")
    with raised.begin() as connection:
        assert connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).scalar() == str(SCHEMA) == str(max(ADDED))
        assert [(row.customer, row.at) for row in connection.execute(sa.select(contacts))] == [("main/c-1", NOON)]
    raised.close()
    house.log.close()


TIMES = st.lists(st.integers(EVENING - 40 * DAY, EVENING), max_size=12)


@given(TIMES, st.integers(1, 3), st.integers(1, 6), st.lists(st.integers(0, 11)))
def test_there_is_room_exactly_from_the_moment_that_is_told(times: list[Micros], day: int, month: int, adverts: list[int]) -> None:
    """One microsecond earlier a span would hold too many, from then on none does."""
    said = [Contact(f"n-{n}", at, n in adverts) for n, at in enumerate(sorted(times))]
    limits = {Limit.A_DAY: day, Limit.A_MONTH: month, Limit.ADVERTISING_A_MONTH: 1}
    free, why = free_at(limits, said, note(purpose=Purpose.ADVERTISING), EVENING)

    def fits(at: Micros) -> bool:
        counted = {limit: [c for c in said if c.at is not None and c.at > at - SPANS[limit]] for limit in limits}
        counted[Limit.ADVERTISING_A_MONTH] = [c for c in counted[Limit.ADVERTISING_A_MONTH] if c.advertising]
        return all(len(counted[limit]) < most for limit, most in limits.items())

    assert fits(free)
    assert (free == EVENING) == fits(EVENING) == (why == "")
    assert free == EVENING or not fits(free - 1)
    assert room(limits, [*said, Contact("n", None)], EVENING) == max(0, (room(limits, said, EVENING) or 0) - 1)


# ------------------------------------------------------------------------------------------- a small bench, and bad ones

SMALL = {"triggers": 300, "days": 10, "step_h": 2}


def town(**bad: Any) -> Town:
    """A few people who are written to a lot."""
    return months(Town(5, varied=False, **bad), **SMALL)


def test_nobody_is_told_more_than_agreed_and_every_reason_is_accounted_for() -> None:
    """The checks of `vorab bench budget` in small."""
    found = town()
    assert over_budget(found) == []
    assert found.broken_sums == 0
    assert found.ended["unknown"] > 3
    assert sum(found.ended.values()) == found.triggered == SMALL["triggers"]


class OnlySent(Store):
    """Known-bad: what may have been said is not counted."""

    def unknown(self, note: Notification, *of: Any, **more: Any) -> Any:
        """And its place is given back."""
        found = super().unknown(note, *of, **more)
        with self.database.begin() as connection:
            connection.execute(sa.delete(contacts).where(contacts.c.notification == note.id))
        return found


class NoReservation(Store):
    """Known-bad: a message counts once it is sent, not while it is on its way."""

    def _reserve(self, connection: sa.Connection, note: Notification) -> None:
        """Nothing is taken."""

    def _finish(self, note: Notification, *of: Any) -> Any:
        """The place is taken afterwards."""
        with self.database.begin() as connection:
            super()._reserve(connection, note)
            return super()._finish(note, *of)


def per_purpose(draft: pipeline.Draft, facts: pipeline.Facts) -> Any:
    """Known-bad: each purpose has a budget of its own."""
    advertising = draft.note.purpose is Purpose.ADVERTISING
    return pipeline.within_budget(draft, replace(facts, contacts=[c for c in facts.contacts if c.advertising is advertising]))


APART: Sequence[pipeline.Step] = [per_purpose if stage is pipeline.within_budget else stage for stage in pipeline.STAGES]


@pytest.mark.parametrize("bad", [{"store": OnlySent}, {"store": NoReservation}, {"stages": tuple(APART)}], ids=["sent", "late", "apart"])
def test_a_budget_that_does_not_count_all_of_it_is_caught(bad: dict[str, Any]) -> None:
    """Known-bad variants: only sent counts, counted after the send, each purpose by itself."""
    assert over_budget(town(**bad))
