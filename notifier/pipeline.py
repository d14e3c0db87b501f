"""The decision on one message, now: stages with one signature, each of which lets it pass, keeps it, or stops it with a reason.

Pure: everything a stage may look at is in `Facts`, the time included. The order is the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from notifier.cases import CaseView, still_true
from notifier.quiet import quiet_until, zone_of
from vorab.clock import Micros
from vorab.records import Channel, Customer, DeliveryReason, Notification, Stage, Urgency


@dataclass(frozen=True, slots=True)
class Facts:
    """All a decision may depend on, as of `now` (µs)."""

    now: Micros
    customer: Customer | None
    case: CaseView | None = None
    told: Collection[tuple[str, Stage]] = ()
    """(notification id, stage) of what has already been said, or may have been, about this case."""
    newer: bool = False
    """Whether something later waits to be said about this case."""
    reachable: Collection[Channel] = ()
    """Channels that are set up and have a contact point of this customer."""
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A message on its way through the stages."""

    note: Notification
    channels: tuple[Channel, ...] = ()
    """In the order the customer likes them."""


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
class Send:
    """It is to be said now, on this channel."""

    channel: Channel


Decision = Suppress | Defer | Send
Step = Callable[[Draft, Facts], Draft | Suppress | Defer]


def in_time(draft: Draft, facts: Facts) -> Draft | Suppress | Defer:
    """A message past its time helps nobody."""
    if facts.now >= draft.note.expires_at:
        return Suppress(DeliveryReason.EXPIRED, "its time has passed")
    return draft


def true_now(draft: Draft, facts: Facts) -> Draft | Suppress | Defer:
    """Only what is still true is said, and of the end of a fault only those hear who knew of it or wish to."""
    stage = draft.note.stage
    verdict = still_true(facts.case, stage)
    if verdict is None:
        return Suppress(DeliveryReason.ALREADY_FIXED, "not sent: already fixed")
    if not verdict:
        return Suppress(DeliveryReason.SUPERSEDED, "the case has moved on")
    if facts.newer:
        return Suppress(DeliveryReason.SUPERSEDED, "a later message about this case takes its place")
    over = stage in {Stage.HEALED, Stage.RESOLVED}
    wished = facts.customer is None or facts.customer.tell_healed
    knew = any(said in {Stage.CONSENT, Stage.PERSON_NEEDED, Stage.INCIDENT} for _, said in facts.told)
    if over and not wished and not knew:
        return Suppress(DeliveryReason.ALREADY_FIXED, "not sent: already fixed")
    return draft


def consented(draft: Draft, facts: Facts) -> Draft | Suppress | Defer:
    """A message has a purpose, and the customer has agreed to it."""
    if facts.customer is None:
        return Suppress(DeliveryReason.UNKNOWN_CUSTOMER, "no such customer in the registry")
    if not facts.customer.purposes.get(draft.note.purpose, False):
        return Suppress(DeliveryReason.NO_CONSENT, f"no consent to {draft.note.purpose} messages")
    return draft


def awake(draft: Draft, facts: Facts) -> Draft | Suppress | Defer:
    """Nobody is woken, except where safety is at stake."""
    customer = facts.customer
    if customer is None or draft.note.urgency is Urgency.SAFETY:
        return draft
    ends = quiet_until(facts.now, zone_of(customer.time_zone), customer.quiet_from, customer.quiet_until)
    if ends is None:
        return draft
    if ends >= draft.note.expires_at:
        return Suppress(DeliveryReason.EXPIRED, "its time ends within the quiet hours")
    return Defer(ends, DeliveryReason.QUIET_HOURS, f"quiet until {customer.quiet_until}")


def unsaid(draft: Draft, facts: Facts) -> Draft | Suppress | Defer:
    """One thing is said once."""
    if any(stage is draft.note.stage and note != draft.note.id for note, stage in facts.told):
        return Suppress(DeliveryReason.DUPLICATE, "already said about this case")
    return draft


def reached(draft: Draft, facts: Facts) -> Draft | Suppress | Defer:
    """Through the first channel the customer likes that reaches them."""
    liked = facts.customer.channels if facts.customer else ()
    channels = tuple(channel for channel in liked if channel in facts.reachable)
    if not channels:
        return Suppress(DeliveryReason.NO_CHANNEL, "no channel reaches the customer")
    return Draft(draft.note, channels)


def out_loud(draft: Draft, facts: Facts) -> Draft | Suppress | Defer:
    """In shadow mode everything is decided and nothing is said."""
    if facts.shadow:
        return Suppress(DeliveryReason.SHADOW, f"would have been sent by {draft.channels[0]}")
    return draft


STAGES: Final[tuple[Step, ...]] = (in_time, true_now, consented, awake, unsaid, reached, out_loud)


@dataclass(frozen=True, slots=True)
class Trace:
    """A decision and the names of the stages it came through: the answer to "why"."""

    decision: Decision
    stages: tuple[str, ...] = field(default=())


def decide(note: Notification, facts: Facts, stages: tuple[Step, ...] = STAGES) -> Trace:
    """What to do with a message now."""
    draft, passed = Draft(note), []
    for stage in stages:
        passed.append(stage.__name__)
        match stage(draft, facts):
            case Draft() as draft:
                continue
            case verdict:
                return Trace(verdict, tuple(passed))
    return Trace(Send(draft.channels[0]), tuple(passed))
