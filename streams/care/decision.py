"""Deciding who acts: the strictest line that fits, the queue, the gesture and the advice. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from streams.care.conditions import CaseFacts, Contacts
from streams.care.policy import Bot, Care, Queue
from vorab.records import Customer, Device

STRICT: Final = (Bot.MUST_NOT, Bot.MUST_ASK, Bot.MAY)
NOBODY_SAID_NO: Final = "no line of care fits: vorab may act"


class Proposal(NamedTuple):
    """A gesture of goodwill that is proposed; nothing is given before people approve."""

    line: str
    gesture: str
    cents: int
    currency: str
    approvals: int
    apology: str
    """In the customer's language."""


class Verdict(NamedTuple):
    """Who may act on a case, and by which line."""

    bot: Bot
    line: str
    version: str
    approvals: int = 0
    queue: Queue | None = None
    """Where it waits if it needs a person."""
    skill: str = ""
    goodwill: Proposal | None = None
    advice: str = ""
    """What to do next, and why."""

    @property
    def named(self) -> str:
        """`a medical device is for people (version 3@1a2b3c)`."""
        return f"{self.line} (version {self.version})" if self.version else self.line


def decide(care: Care, case: CaseFacts, device: Device | None, customer: Customer | None, contacts: Contacts) -> Verdict:
    """Who may act: the strictest line that fits, of equals the first; where none fits vorab may."""
    fitting = [rule for rule in care.rules if rule.when.fits(case, device, customer, contacts)]
    rule = min(fitting, key=lambda rule: (STRICT.index(rule.bot), -rule.approvals), default=None)
    skill = rule.skill if rule else ""
    queue = route(care.queues, case, customer, skill)
    advice = next((advice for advice in care.advice if advice.when.fits(case, device, customer, contacts)), None)
    return Verdict(
        bot=rule.bot if rule else Bot.MAY,
        line=rule.line if rule else NOBODY_SAID_NO,
        version=care.version,
        approvals=rule.approvals if rule and rule.bot is Bot.MUST_ASK else 0,
        queue=queue,
        skill=skill or (queue.skills[0] if queue and queue.skills else ""),
        goodwill=propose(care, case, device, customer, contacts),
        advice=f"{advice.do} Because: {advice.line}." if advice else "",
    )


def route(queues: Sequence[Queue], case: CaseFacts, customer: Customer | None, skill: str) -> Queue | None:
    """The queue of a case: one with the skill, that takes such cases, speaks the language, and is open; what cannot be had is left out."""
    fitting = [queue for queue in queues if _takes(queue, case)]
    able = [queue for queue in fitting if skill in queue.skills] or [queue for queue in queues if skill in queue.skills]
    pool = (able if skill else []) or fitting or list(queues)
    language = customer.language if customer else ""
    return min(pool, key=lambda queue: (not _speaks(queue, language), not queue.open_at(case.at)), default=None)


def propose(care: Care, case: CaseFacts, device: Device | None, customer: Customer | None, contacts: Contacts) -> Proposal | None:
    """The first gesture that fits; nobody is given anything where nobody knows to whom."""
    if customer is None:
        return None
    goodwill = care.goodwill
    found = next((gesture for gesture in goodwill.gestures if gesture.when.fits(case, device, customer, contacts)), None)
    if found is None:
        return None
    apology = found.apology.de if customer.language.startswith("de") else found.apology.en
    return Proposal(found.line, found.gesture, round(found.amount * 100), goodwill.currency, found.approvals, apology)


def _takes(queue: Queue, case: CaseFacts) -> bool:
    asked = ((queue.tenant, case.tenant), (queue.model, case.model), (queue.cause, case.cause), (queue.site, case.site))
    return all(any(fnmatchcase(value, pattern) for pattern in patterns) for patterns, value in asked)


def _speaks(queue: Queue, language: str) -> bool:
    return not language or any(fnmatchcase(language, pattern) for pattern in queue.languages)
