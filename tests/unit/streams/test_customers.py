"""Customers: what there is to say about a night, and what customers ask for."""

from __future__ import annotations

import pytest

from streams.customers import Customers
from tests.unit.streams.cases.ward import ASKS, HEAT_PUMP, POLICY, REFUSES, Ward, clock, written
from vorab import ids, topics
from vorab.clock import HOUR, MINUTE, iso
from vorab.errors import Rejected
from vorab.records import CommandKind, ReplyStatus, Request, RequestKind, Stage, Tick


@pytest.fixture(params=[False, True], ids=["steady", "restarted after every record"])
def ward(request: pytest.FixtureRequest) -> Ward:
    """A ward that has forgotten nothing."""
    return Ward(forgetful=request.param)


def stages(ward: Ward) -> list[Stage]:
    """What there was to say."""
    return [note.stage for note in ward.notifications]


def test_a_fault_healed_in_the_night_can_be_told_with_all_its_times(ward: Ward) -> None:
    """Reported 02:10, restarted 02:10, normal since 02:19: the notifier decides whether anybody wants to hear it."""
    symptom = ward.raised("02:10")
    ward.replied("02:14", ReplyStatus.SUCCEEDED)
    ward.cleared("02:19", symptom)
    ward.tick("03:10")

    [note] = ward.notifications
    assert (note.stage, note.key, note.at, note.because) == (Stage.HEALED, "main/c-1", clock("02:31"), ward.events[-2].id)
    assert note.params == {
        "name": "Heat pump 12", "model": "heat-pump", "cause": "low_pressure", "signal": "pressure", "value": 0.82, "unit": "bar",
        "limit": 1.0, "onset": iso(clock("02:10")), "acted_at": iso(clock("02:10")), "healed_at": iso(clock("02:19")), "remedy": "restart",
    }  # fmt: skip
    assert note.id == ids.notification_id("main/c-1", note.case, Stage.HEALED)


def test_a_case_for_a_person_is_told_and_its_end_too(ward: Ward) -> None:
    """Handed over at 03:00, gone by 05:12: the notifier drops the first and, if it was not sent, the second."""
    symptom = ward.raised("03:00", device=REFUSES)
    ward.cleared("05:00", symptom)
    ward.tick("06:00")
    assert [(note.stage, note.at) for note in ward.notifications] == [
        (Stage.PERSON_NEEDED, clock("03:00")),
        (Stage.RESOLVED, clock("05:12")),
    ]


def test_consent_is_asked_with_how_long_the_machine_stands_still(ward: Ward) -> None:
    """The question says what a yes means."""
    ward.raised("02:00", device=ASKS)
    [note] = ward.notifications
    assert note.stage is Stage.CONSENT
    assert note.params["duration_s"] == 120
    assert note.expires_at == clock("02:00") + 12 * HOUR


def test_what_passes_by_itself_is_news_for_those_who_wish_to_hear_it(ward: Ward) -> None:
    """Nobody had been told, so it is the same news as a heal, without the restart."""
    silence = ward.raised("02:15", "silent", detector="silence", onset=clock("02:09"))
    ward.cleared("02:20", silence)
    ward.tick("02:45")
    [note] = ward.notifications
    assert note.stage is Stage.HEALED
    assert "acted_at" not in note.params


def test_one_thing_is_said_once(ward: Ward) -> None:
    """A relapse hands the case over again; the customer has one message of each kind."""
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:08", symptom)
    again = ward.raised("02:40")
    ward.cleared("03:00", again)
    ward.tick("03:20")
    ward.raised("03:30")
    assert stages(ward) == [Stage.HEALED, Stage.PERSON_NEEDED, Stage.RESOLVED]
    assert len({note.id for note in ward.notifications}) == 3


def test_an_event_twice_is_heard_once(ward: Ward) -> None:
    """Events that are delivered again change nothing."""
    ward.raised("02:00", device=REFUSES)
    event = ward.events[-1]
    ward.step(topics.CASES_BY_CUSTOMER, event, "customers")
    assert stages(ward) == [Stage.PERSON_NEEDED]


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (RequestKind.WAS_WRONG, CommandKind.FALSE_ALARM),
        (RequestKind.CALL_ME, CommandKind.CALL),
        (RequestKind.CONSENT, CommandKind.CONSENT),
        (RequestKind.NO_CONSENT, CommandKind.NO_CONSENT),
    ],
)
def test_a_request_becomes_a_command_to_the_case(ward: Ward, asked: RequestKind, made: CommandKind) -> None:
    """What a customer clicks goes to the device's case, with where it came from, once per click."""
    ward.raised("02:00", device=ASKS)
    case = ward.events[-1].case
    request = Request(id="r-1", customer="c-1", kind=asked, case=case, device=ASKS.device, at=clock("07:00"))
    ward.step(topics.REQUESTS, request, "customers")
    ward.step(topics.REQUESTS, request, "customers")
    first, second = ward.commands
    assert first == second
    assert (first.kind, first.case, first.key, first.at, first.because, first.by) == (
        made, case, ASKS.key, clock("07:00"), "r-1", "customer",
    )  # fmt: skip


def test_what_a_customer_wrote_goes_on_with_the_wish(ward: Ward) -> None:
    """A record of an earlier version: the case hears what it is about."""
    ward.raised("02:00", device=ASKS)
    case = ward.events[-1].case
    request = Request(
        id="r-1", customer="c-1", kind=RequestKind.CALL_ME, case=case, device=ASKS.device, at=clock("07:00"), text="I am upset"
    )
    ward.step(topics.REQUESTS, request, "customers")
    assert [command.detail for command in ward.commands] == ["I am upset"]


def test_what_a_customer_wrote_goes_on_sealed_and_what_it_is_about_beside_it(ward: Ward) -> None:
    """No stage reads the words."""
    ward.raised("02:00", device=ASKS)
    sealed = "A" * 60
    request = Request(
        id="r-1", customer="c-1", kind=RequestKind.CALL_ME, case=ward.events[-1].case, device=ASKS.device, at=clock("07:00"), said=sealed,
        doubts=("anger",),
    )  # fmt: skip
    ward.step(topics.REQUESTS, request, "customers")
    assert [(command.detail, command.doubts) for command in ward.commands] == [(f"sealed:{sealed}", ("anger",))]


def test_nobody_asks_about_the_device_of_another_case(ward: Ward) -> None:
    """A request that names another device than its case is about is refused."""
    ward.raised("02:00", device=ASKS)
    request = Request(
        id="r-1", customer="c-1", kind=RequestKind.CALL_ME, case=ward.events[-1].case, device=HEAT_PUMP.device, at=clock("07:00")
    )
    with pytest.raises(Rejected, match="is not about hp-12"):
        ward.step(topics.REQUESTS, request, "customers")


def test_cases_that_are_over_are_forgotten_after_a_day() -> None:
    """What is closed leaves no trace once another case is closed a day later."""
    ward = Ward()
    for at in ("02:00", "2+02:00"):
        start = clock(at)
        symptom = ward.raised(start)
        ward.cleared(start + 5 * MINUTE, symptom)
        ward.replied(start + 6 * MINUTE, ReplyStatus.SUCCEEDED)
        ward.tick(start + 3 * HOUR)
    first, second = dict.fromkeys(event.case for event in ward.events)
    blocks = ward.processors["customers"].dirty()
    assert blocks[first] == b""
    assert blocks[second]


def test_what_is_neither_event_nor_request_is_rejected() -> None:
    """Something else on a topic is refused and changes nothing."""
    with pytest.raises(Rejected):
        list(Customers(written(POLICY)).step(topics.REQUESTS, 0, Tick(id="t", at=1), 1))
