"""The decision on one message: every stage, their order, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.cases import CaseView, fold, still_true
from notifier.pipeline import STAGES, After, Decision, Defer, Facts, Send, Suppress, Trace, awake, decide
from notifier.preferences import Layer, from_person, merge
from notifier.quiet import quiet_until, zone_of
from tests.unit.notifier.house import MORNING, NIGHT, NOON, case_event, customer, note
from vorab.clock import DAY, HOUR, Micros
from vorab.records import CaseKind, Channel, Customer, DeliveryReason, Notification, Purpose, Stage, Status, Urgency

OPEN = CaseView("case-1", "main/c-1", Status.HELD, 3, NIGHT)
FIXED = replace(OPEN, status=Status.RESOLVED, healed=True)
ASKING = replace(OPEN, status=Status.PENDING, asked=True)


def facts(now: Micros = NOON, who: Customer | None = None, limits: dict[str, int] | None = None, **changes: Any) -> Facts:
    """An ordinary customer whose mail works, at noon, with an open case."""
    person = who or customer()
    counts = merge([Layer("budget", limits or {}), from_person(person)])
    base: dict[str, Any] = {"customer": person, "preferences": counts, "case": OPEN, "reachable": (Channel.MAIL,), **changes}
    return Facts(now, **base)


def reason(decision: Decision) -> str:
    """The reason of a decision, or the channel."""
    assert not isinstance(decision, After)
    return str(decision.channel if isinstance(decision, Send) else decision.reason)


@pytest.mark.parametrize(
    ("stage", "given_facts", "expected"),
    [
        (Stage.PERSON_NEEDED, facts(), "mail"),
        (Stage.PERSON_NEEDED, facts(NIGHT), "quiet_hours"),
        (Stage.PERSON_NEEDED, facts(case=FIXED), "already_fixed"),
        (Stage.PERSON_NEEDED, facts(NIGHT, case=FIXED), "already_fixed"),
        (Stage.PERSON_NEEDED, facts(case=None), "mail"),
        (Stage.PERSON_NEEDED, facts(newer=True), "superseded"),
        (Stage.PERSON_NEEDED, facts(NIGHT + 3 * DAY), "expired"),
        (Stage.CONSENT, facts(case=ASKING), "mail"),
        (Stage.CONSENT, facts(case=OPEN), "superseded"),
        (Stage.CONSENT, facts(case=FIXED), "already_fixed"),
        (Stage.HEALED, facts(case=FIXED), "already_fixed"),
        (Stage.HEALED, facts(NIGHT, case=FIXED), "already_fixed"),
        (Stage.HEALED, facts(who=customer(tell_healed=True), case=FIXED), "mail"),
        (Stage.HEALED, facts(NIGHT, customer(tell_healed=True), case=FIXED), "quiet_hours"),
        (Stage.HEALED, facts(who=customer(tell_healed=True), case=OPEN), "superseded"),
        (Stage.HEALED, facts(case=FIXED, told=[("other", Stage.CONSENT)]), "mail"),
        (Stage.RESOLVED, facts(case=FIXED, told=[("other", Stage.PERSON_NEEDED)]), "mail"),
        (Stage.RESOLVED, facts(case=FIXED), "already_fixed"),
        (Stage.PERSON_NEEDED, facts(who=customer(purposes={"service": False})), "no_consent"),
        (Stage.PERSON_NEEDED, facts(NIGHT, customer(purposes={})), "no_consent"),
        (Stage.PERSON_NEEDED, Facts(NOON, None, case=OPEN, reachable=(Channel.MAIL,)), "unknown_customer"),
        (Stage.PERSON_NEEDED, facts(reachable=()), "no_channel"),
        (Stage.PERSON_NEEDED, facts(reachable=(Channel.FILE,)), "no_channel"),
        (Stage.PERSON_NEEDED, facts(told=[("other", Stage.PERSON_NEEDED)]), "duplicate"),
        (Stage.PERSON_NEEDED, facts(shadow=True), "shadow"),
        (Stage.PERSON_NEEDED, facts(NIGHT, shadow=True), "quiet_hours"),
    ],
)
def test_each_stage_has_its_reason(stage: Stage, given_facts: Facts, expected: str) -> None:
    """One row, one answer."""
    assert reason(decide(note(stage), given_facts).decision) == expected


def test_the_channel_is_the_first_the_customer_likes_that_reaches_them() -> None:
    """Their order, not ours."""
    who = customer(channels=["file", "mail"])
    assert decide(note(), facts(who=who)).decision == Send(Channel.MAIL)
    assert decide(note(), facts(who=who, reachable=(Channel.MAIL, Channel.FILE))).decision == Send(Channel.FILE)


def test_a_message_that_would_wait_past_its_time_is_not_kept() -> None:
    """What expires before the customer gets up is dropped at once, so that a person can act in time."""
    assert decide(note(expires_at=NIGHT + HOUR), facts(NIGHT)).decision == Suppress(
        DeliveryReason.EXPIRED, "its time ends within the quiet hours"
    )
    assert decide(note(), facts(NIGHT)).decision == Defer(MORNING, DeliveryReason.QUIET_HOURS, "quiet until 07:00")


def test_advertising_needs_its_own_consent() -> None:
    """Consent to service messages is no consent to anything else."""
    advert = note(purpose=Purpose.ADVERTISING)
    assert reason(decide(advert, facts()).decision) == "no_consent"
    assert reason(decide(advert, facts(who=customer(purposes={"service": True, "advertising": True}))).decision) == "mail"


def test_safety_wakes_people_but_does_not_overrule_them() -> None:
    """A message about safety is sent in the night; without consent or a way to the customer it is not."""
    urgent = note(urgency=Urgency.SAFETY)
    assert reason(decide(urgent, facts(NIGHT)).decision) == "mail"
    assert reason(decide(urgent, facts(NIGHT, customer(purposes={}))).decision) == "no_consent"


def test_the_trace_names_the_stages_a_message_came_through() -> None:
    """The answer to why: how far it came."""
    assert decide(note(), facts(NIGHT)).stages == tuple(stage.__name__ for stage in STAGES[: STAGES.index(awake) + 1])
    assert decide(note(), facts()).stages == tuple(stage.__name__ for stage in STAGES)


WHOLE = st.builds(
    facts,
    st.integers(NIGHT - DAY, NIGHT + 4 * DAY),
    st.builds(
        customer,
        time_zone=st.sampled_from(["Europe/Berlin", "Asia/Singapore", "America/New_York"]),
        quiet_from=st.sampled_from(["22:00", "00:00", "12:00", "06:30"]),
        quiet_until=st.sampled_from(["07:00", "00:00", "13:00", "23:00"]),
        tell_healed=st.booleans(),
        purposes=st.dictionaries(st.sampled_from(["service", "advertising"]), st.booleans()),
        channels=st.lists(st.sampled_from(["mail", "file"]), unique=True),
    ),
    case=st.none() | st.builds(replace, st.just(OPEN), status=st.sampled_from(Status), asked=st.booleans()),
    told=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(Stage)), max_size=2),
    newer=st.booleans(),
    reachable=st.lists(st.sampled_from(Channel), unique=True),
    shadow=st.booleans(),
)
NOTES = st.builds(
    note, st.sampled_from(Stage), urgency=st.sampled_from(Urgency), purpose=st.sampled_from(Purpose), expires_at=st.just(NIGHT + 2 * DAY)
)


def wakes(decision: Decision, message: Any, world: Facts) -> bool:
    """Whether a decision sends an ordinary message into a customer's night."""
    who = world.customer
    if not isinstance(decision, Send) or message.urgency is Urgency.SAFETY or who is None:
        return False
    return quiet_until(world.now, zone_of(who.time_zone), who.quiet_from, who.quiet_until) is not None


@given(NOTES, WHOLE)
def test_nobody_is_woken_and_nothing_is_sent_without_consent_or_after_its_time(message: Any, world: Facts) -> None:
    """Whatever comes together, a message that is sent may be sent."""
    decision = decide(message, world).decision
    assert not wakes(decision, message, world)
    if isinstance(decision, Send):
        assert world.customer is not None
        assert world.customer.purposes.get(message.purpose)
        assert decision.channel in world.reachable
        assert decision.channel in world.customer.channels
        assert still_true(world.case, message.stage)
        assert world.now < message.expires_at
        assert not world.shadow
    elif isinstance(decision, Defer):
        assert world.now < decision.due_at < message.expires_at
        assert decision.reason is DeliveryReason.QUIET_HOURS
    else:
        assert isinstance(decision, Suppress)
        assert decision.reason is not DeliveryReason.NONE
        assert decision.detail


def test_a_pipeline_that_forgets_the_night_is_caught() -> None:
    """The known-bad variant without the stage `awake` sends at ten past two, and the property notices."""
    careless = tuple(stage for stage in STAGES if stage is not awake)
    assert wakes(decide(note(), facts(NIGHT), careless).decision, note(), facts(NIGHT))


def test_a_case_is_folded_from_its_events_in_their_order() -> None:
    """Old and repeated events change nothing; times and consent are kept."""
    events = [
        case_event(CaseKind.OPENED, Status.ACKNOWLEDGED, seq=0),
        case_event(CaseKind.CONSENT_ASKED, Status.PENDING, seq=1),
        case_event(CaseKind.CONSENT_GIVEN, Status.IN_PROGRESS, seq=2),
        case_event(CaseKind.ACTION_REQUESTED, Status.IN_PROGRESS, seq=3, at=NIGHT + HOUR, remedy="restart"),
        case_event(CaseKind.RESOLVED, Status.RESOLVED, seq=4, at=NIGHT + 2 * HOUR, healed=True),
    ]
    view = None
    for event in [*events, *events[:3]]:
        view = fold(view, event, "main/c-1")
    assert view is not None
    assert (view.status, view.seq, view.healed, view.asked) == (Status.RESOLVED, 4, True, False)
    assert (view.acted_at, view.remedy, view.healed_at, view.onset) == (NIGHT + HOUR, "restart", NIGHT + 2 * HOUR, NIGHT)
    relapsed = fold(view, case_event(CaseKind.RELAPSED, Status.IN_PROGRESS, seq=5), "main/c-1")
    assert relapsed.open
    assert relapsed.healed_at is None


AGREED: tuple[dict[Purpose, bool], ...] = tuple(
    {purpose: said for purpose, said in zip(Purpose, both, strict=True) if said is not None}
    for both in product((None, False, True), repeat=len(Purpose))
)
"""Everything a person can have said to the purposes: nothing, no, yes."""


def sent_without_consent(decide: Callable[[Notification, Facts], Trace]) -> list[str]:
    """Every stage for every purpose, urgency and consent: what went out for a purpose nobody agreed to."""
    found = []
    for stage, purpose, urgency, agreed in product(Stage, Purpose, Urgency, AGREED):
        who = customer(purposes=agreed, tell_healed=True)
        case = ASKING if stage is Stage.CONSENT else FIXED if stage in {Stage.HEALED, Stage.RESOLVED} else OPEN
        told = [("other", Stage.PERSON_NEEDED)] if stage is Stage.RESOLVED else []
        decision = decide(note(stage, purpose=purpose, urgency=urgency), facts(who=who, case=case, told=told)).decision
        if isinstance(decision, Send) and not agreed.get(purpose, False):
            found.append(f"{stage} for {purpose} with {agreed}")
        if agreed.get(purpose, False):
            assert isinstance(decision, Send), (stage, purpose, agreed, decision)
    return found


def test_nothing_is_said_for_a_purpose_nobody_agreed_to() -> None:
    """Every template for every purpose: consent to service is none to advertising, nor the other way round, also for safety."""
    assert sent_without_consent(decide) == []


def test_a_consent_that_serves_for_every_purpose_is_found() -> None:
    """Known-bad: whoever agreed to something agreed to everything."""

    def lax(message: Notification, found: Facts) -> Trace:
        said = found.customer.purposes if found.customer is not None else {}
        everything = dict.fromkeys(Purpose, any(said.values()))
        who = found.customer.model_copy(update={"purposes": everything}) if found.customer is not None else None
        return decide(message, replace(found, customer=who, preferences=merge([from_person(who)]) if who else found.preferences))

    assert sent_without_consent(lax)
