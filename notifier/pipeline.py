"""The decision on one message, now: stages with one signature, each of which lets it pass, keeps it, or stops it with a reason.

Pure: everything a stage may look at is in `Facts`, the time included. The order is the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from notifier.brake import AGAIN
from notifier.budget import Contact, free_at, passes, room
from notifier.cases import CaseView, still_true
from notifier.days import quiet_days
from notifier.grouping import carried, first_of
from notifier.habits import WAIT, Advice, Moment, moments
from notifier.preferences import NOBODY, Preferences
from notifier.quiet import rest_until, zone_of
from vorab.clock import Micros
from vorab.records import Channel, Customer, DeliveryReason, Notification, Stage, Urgency


@dataclass(frozen=True, slots=True)
class Facts:
    """All a decision may depend on, as of `now` (µs)."""

    now: Micros
    customer: Customer | None
    preferences: Preferences = NOBODY
    """What counts for the customer, by all layers."""
    case: CaseView | None = None
    told: Collection[tuple[str, Stage]] = ()
    """(notification id, stage) of what has already been said, or may have been, about this case."""
    newer: bool = False
    """Whether something later waits to be said about this case."""
    contacts: Sequence[Contact] = ()
    """What the customer has been told of late, about anything."""
    passing: Sequence[str] = ("safety",)
    """What is said whatever the budget."""
    others: Callable[[], Sequence[Notification]] = tuple
    """What else waits to be said to this customer and could be said now, the budget aside."""
    reachable: Collection[Channel] = ()
    """Channels that are set up and have a contact point of this customer."""
    advise: Callable[[Sequence[Channel], Sequence[Moment]], Advice] | None = None
    """What is known of the hours and channels at which they answer; None: nothing is asked."""
    shadow: bool = False
    braked: bool = False
    """Whether more has been said within an hour than anybody meant to."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message on its way through the stages."""

    note: Notification
    channels: tuple[Channel, ...] = ()
    """In the order the customer likes them."""
    carries: tuple[Notification, ...] = ()
    """What it tells besides."""
    habit: str = ""
    """Why this channel now, where that was learned."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """It will not be said."""

    reason: DeliveryReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Defer:
    """It will be looked at again at `due_at` (µs)."""

    due_at: Micros
    reason: DeliveryReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class After:
    """Another message to the same person goes first, and may carry this one."""

    notification: str


@dataclass(frozen=True, slots=True)
class Send:
    """It is to be said now, on this channel."""

    channel: Channel
    carries: tuple[Notification, ...] = ()


Verdict = Suppress | Defer | After
Decision = Verdict | Send
Step = Callable[[Draft, Facts], Draft | Verdict]


def in_time(draft: Draft, facts: Facts) -> Draft | Verdict:
    """A message past its time helps nobody."""
    if facts.now >= draft.note.expires_at:
        return Suppress(DeliveryReason.EXPIRED, "its time has passed")
    return draft


def true_now(draft: Draft, facts: Facts) -> Draft | Verdict:
    """Only what is still true is said."""
    stage = draft.note.stage
    verdict = still_true(facts.case, stage)
    if verdict is None:
        return Suppress(DeliveryReason.ALREADY_FIXED, "not sent: already fixed")
    if not verdict:
        return Suppress(DeliveryReason.SUPERSEDED, "the case has moved on")
    if facts.newer:
        return Suppress(DeliveryReason.SUPERSEDED, "a later message about this case takes its place")
    return draft


def unsaid(draft: Draft, facts: Facts) -> Draft | Verdict:
    """One thing is said once."""
    if any(stage is draft.note.stage and note != draft.note.id for note, stage in facts.told):
        return Suppress(DeliveryReason.DUPLICATE, "already said about this case")
    return draft


def consented(draft: Draft, facts: Facts) -> Draft | Verdict:
    """A message has a purpose, and the customer has agreed to it."""
    if facts.customer is None:
        return Suppress(DeliveryReason.UNKNOWN_CUSTOMER, "no such customer in the registry")
    if not facts.preferences.purposes.get(draft.note.purpose, False):
        return Suppress(DeliveryReason.NO_CONSENT, f"no consent to {draft.note.purpose} messages")
    return draft


def wished(draft: Draft, facts: Facts) -> Draft | Verdict:
    """Of the end of a fault only those hear who knew of it or wish to."""
    over = draft.note.stage in {Stage.HEALED, Stage.RESOLVED}
    knew = any(said in {Stage.CONSENT, Stage.PERSON_NEEDED, Stage.INCIDENT} for _, said in facts.told)
    if over and not facts.preferences.tell_healed and not knew:
        return Suppress(DeliveryReason.ALREADY_FIXED, "not sent: already fixed")
    return draft


def within_budget(draft: Draft, facts: Facts) -> Draft | Verdict:
    """Nobody is told more often than agreed, however many devices they have."""
    note = draft.note
    if passes(note, facts.passing):
        return draft
    free, why = free_at(facts.preferences.budget, facts.contacts, note, facts.now)
    if free <= facts.now:
        return draft
    if free >= note.expires_at:
        return Suppress(DeliveryReason.BUDGET, f"{why} is used up, and its time ends before there is room")
    return Defer(free, DeliveryReason.BUDGET, f"{why} is used up")


def awake(draft: Draft, facts: Facts) -> Draft | Verdict:
    """Nobody is woken, and quiet days are kept, except where safety is at stake."""
    of = facts.preferences
    if draft.note.urgency is Urgency.SAFETY:
        return draft
    rest = rest_until(facts.now, zone_of(of.time_zone), of.quiet_from, of.quiet_until, quiet_days(of.quiet_days, of.region))
    if rest is None:
        return draft
    ends, day = rest
    if ends >= draft.note.expires_at:
        return Suppress(DeliveryReason.EXPIRED, f"its time ends within {f'a quiet day: {day}' if day else 'the quiet hours'}")
    if day:
        return Defer(ends, DeliveryReason.QUIET_DAY, day)
    return Defer(ends, DeliveryReason.QUIET_HOURS, f"quiet until {of.quiet_until}")


def grouped(draft: Draft, facts: Facts) -> Draft | Verdict:
    """Where more waits than the budget has room for, one message tells of all of it."""
    place = room(facts.preferences.budget, facts.contacts, facts.now)
    if place is None or passes(draft.note, facts.passing):
        return draft
    others = [other for other in facts.others() if not passes(other, facts.passing)]
    if len(others) < place:
        return draft
    first = first_of([draft.note, *others])
    if first.id != draft.note.id:
        return After(first.id)
    return replace(draft, carries=carried(draft.note, others))


def reached(draft: Draft, facts: Facts) -> Draft | Verdict:
    """Through the first channel the customer likes that reaches them; a device they asked to be told on is their latest word."""
    likes = facts.preferences.channels
    liked = likes if Channel.WEB_PUSH in likes else (Channel.WEB_PUSH, *likes)
    channels = tuple(channel for channel in liked if channel in facts.reachable)
    if not channels:
        return Suppress(DeliveryReason.NO_CHANNEL, "no channel reaches the customer")
    return replace(draft, channels=channels)


def unbraked(draft: Draft, facts: Facts) -> Draft | Verdict:
    """When far more is to be said than ever, a person looks first."""
    if not facts.braked or passes(draft.note, facts.passing):
        return draft
    return Defer(min(facts.now + AGAIN, draft.note.expires_at), DeliveryReason.BRAKE, "as many messages within an hour as the brake allows")


def at_their_hour(draft: Draft, facts: Facts) -> Draft | Verdict:
    """Of the channels and hours that are allowed, those at which the customer answers; what concerns safety waits for nothing."""
    if facts.advise is None or draft.note.urgency is Urgency.SAFETY:
        return draft
    until = min(draft.note.at + WAIT, draft.note.expires_at)
    when = moments(facts.now, until, facts.preferences)
    if not when:
        return draft
    best = facts.advise(draft.channels, when)
    if best.at > facts.now:
        return Defer(best.at, DeliveryReason.HABITS, best.why)
    others = (channel for channel in draft.channels if channel is not best.channel)
    return replace(draft, channels=(best.channel, *others), habit=best.why)


def out_loud(draft: Draft, facts: Facts) -> Draft | Verdict:
    """In shadow mode everything is decided and nothing is said."""
    if facts.shadow:
        return Suppress(DeliveryReason.SHADOW, f"would have been sent by {draft.channels[0]}")
    return draft


SAYABLE: Final[tuple[Step, ...]] = (in_time, true_now, unsaid, consented, wished)
"""What has to hold for a message to be worth a place in the budget."""
STAGES: Final[tuple[Step, ...]] = (*SAYABLE, within_budget, awake, grouped, reached, at_their_hour, unbraked, out_loud)


@dataclass(frozen=True, slots=True)
class Trace:
    """A decision and the names of the stages it came through: the answer to "why"."""

    decision: Decision
    stages: tuple[str, ...] = field(default=())
    habit: str = ""
    """Which channel and hour were chosen by what is known of the customer, and why."""


def decide(note: Notification, facts: Facts, stages: tuple[Step, ...] = STAGES) -> Trace:
    """What to do with a message now."""
    draft, passed = Draft(note), []
    for stage in stages:
        passed.append(stage.__name__)
        found = stage(draft, facts)
        if not isinstance(found, Draft):
            chosen = found.detail if isinstance(found, Defer) and found.reason is DeliveryReason.HABITS else draft.habit
            return Trace(found, tuple(passed), chosen)
        draft = found
    return Trace(Send(draft.channels[0], draft.carries), tuple(passed), draft.habit)


def sayable(note: Notification, facts: Facts) -> bool:
    """Whether a message could be said now, the budget and the night aside."""
    draft = Draft(note)
    return all(isinstance(stage(draft, facts), Draft) for stage in SAYABLE)
