"""The SLA clock: it runs while we are waited for, and stands still while the customer is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from desk.sla import Promise, SlaClock, promises, sla_clock
from desk.words import promise_words, sla_words
from tests.unit.desk.house import NIGHT, House, Story
from vorab.clock import HOUR, MINUTE, SECOND, Micros
from vorab.records import CaseEvent, CaseKind, Contract, Severity, Status


def events(*stages: tuple[Micros, Status], tenant: str = "main") -> list[CaseEvent]:
    """A case that enters these states at these times after its beginning (µs)."""
    return [
        CaseEvent(
            id=f"e{seq}", tenant=tenant, device="pump-1", case="c", kind=CaseKind.NOTED, status=status, at=NIGHT + at, because="x",
            cause="jam", severity=Severity.MAJOR, opened_at=NIGHT, seq=seq,
        )
        for seq, (at, status) in enumerate(stages)
    ]  # fmt: skip


def test_waiting_for_the_customer_stops_the_clock_and_waiting_for_a_person_does_not() -> None:
    """An hour new, two hours with the customer, half an hour until a person takes it, then done."""
    told = events((0, Status.ACKNOWLEDGED), (HOUR, Status.PENDING), (3 * HOUR, Status.HELD), (3 * HOUR + 30 * MINUTE, Status.RESOLVED))
    assert sla_clock(told[:1], NIGHT + 10 * MINUTE) == SlaClock(10 * MINUTE, 0, runs=True)
    assert sla_clock(told[:2], NIGHT + 2 * HOUR) == SlaClock(HOUR, HOUR, runs=False)
    assert sla_clock(told[:3], NIGHT + 3 * HOUR + MINUTE) == SlaClock(HOUR + MINUTE, 2 * HOUR, runs=True)
    assert sla_clock(told, NIGHT + 99 * HOUR) == SlaClock(HOUR + 30 * MINUTE, 2 * HOUR, runs=False)


def test_a_case_that_comes_back_goes_on_where_it_stood() -> None:
    """The time in which it was well is nobody's."""
    told = events((0, Status.IN_PROGRESS), (HOUR, Status.RESOLVED), (5 * HOUR, Status.IN_PROGRESS))
    assert sla_clock(told, NIGHT + 6 * HOUR) == SlaClock(2 * HOUR, 0, runs=True)


def test_recorded_time_keeps_nobody_waiting() -> None:
    """What was recorded years ago is not late by years."""
    told = events((0, Status.ACKNOWLEDGED), (MINUTE, Status.HELD), tenant="recorded")
    assert sla_clock(told, NIGHT + 9_999 * HOUR).ours == MINUTE


STAGES = st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(Status)), min_size=1, max_size=12)


@given(STAGES, st.integers(0, 10_000))
def test_every_second_of_a_case_is_ours_the_customers_or_nobodys(stages: list[tuple[int, Status]], more: int) -> None:
    """Never counted twice, never negative, and what has passed stays as it was."""
    times = sorted(at for at, _ in stages)
    told = events(*((at * SECOND, status) for at, (_, status) in zip(times, stages, strict=True)))
    end = told[-1].at + more * SECOND
    found = sla_clock(told, end)
    assert found.ours >= 0
    assert found.customers >= 0
    assert found.ours + found.customers <= end - told[0].at
    before = sla_clock(told, told[-1].at)
    assert (found.ours - before.ours > 0) == (found.runs and more > 0)


def test_the_page_and_the_api_show_it(house: House, homes: dict[str, Story]) -> None:
    """In words on the page, in seconds for machines."""
    case = homes["asked"].case
    assert "SLA clock" in house.client.get(f"/cases/{case}").text
    sla = house.client.get(f"/api/cases/{case}").json()["sla"]
    assert (sla["ours_s"], sla["runs"]) == (60, False)
    assert sla["customers_s"] > 0


def test_the_clock_in_words() -> None:
    """Short where nothing was waited for."""
    assert sla_words(SlaClock(HOUR, 0, runs=True)) == "SLA clock 60 min"
    assert sla_words(SlaClock(4 * HOUR, 14 * HOUR, runs=False)) == "SLA clock 4 h, stopped; 14 h the customer was waited for"


def test_a_promise_counts_only_time_that_is_ours() -> None:
    """Four hours to respond, eight to repair; two hours in which the customer was waited for count for nobody."""
    contract = Contract(id="main/v", contract="v", response_h=4, repair_h=8)
    told = events((0, Status.ACKNOWLEDGED), (HOUR, Status.PENDING), (3 * HOUR, Status.HELD), (5 * HOUR, Status.IN_PROGRESS))
    told[3] = told[3].model_copy(update={"kind": CaseKind.TAKEN})
    waiting, taken = promises(told[:3], contract, NIGHT + 4 * HOUR), promises(told, contract, NIGHT + 12 * HOUR)
    assert waiting == [Promise("response", 4 * HOUR, 2 * HOUR, open=True), Promise("repair", 8 * HOUR, 6 * HOUR, open=True)]
    assert taken == [Promise("response", 4 * HOUR, HOUR, open=False), Promise("repair", 8 * HOUR, -2 * HOUR, open=True)]
    assert [promise_words(each) for each in waiting] == ["response promised within 4 h: 2 h left", "repair promised within 8 h: 6 h left"]
    assert [promise_words(each) for each in taken] == ["response promised within 4 h: kept", "repair promised within 8 h: 2 h late"]
    assert promises(told, None, NIGHT) == promises(told, Contract(id="main/v", contract="v"), NIGHT) == []
