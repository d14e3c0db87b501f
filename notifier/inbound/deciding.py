"""What is done about a reply: one table of doubts, any of which makes it a person's, and one of what vorab does where there is none. Pure.

No doubt, one answer; one doubt, a person, and the customer hears so once. Nothing here asks a question: whatever is unclear is for people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from notifier.cases import CaseView
from notifier.inbound.finding import PROVEN, Proof
from vorab.records import HandedTo
from vorab.understanding import Intent, Route, Understood


class Effect(StrEnum):
    """What a reply changes."""

    NONE = ""
    STOP = "stop"
    CALL = "call"
    CONSENT = "consent"
    NO_CONSENT = "no_consent"
    WORKS_AGAIN = "works_again"
    STILL_BROKEN = "still_broken"
    WAS_WRONG = "was_wrong"
    TOO_LATE = "too_late"


class Says(StrEnum):
    """The written answers; each is a template of that name."""

    NOTHING = ""
    STATE_OF_DEVICE = "state_of_device"
    CALL_WISHED = "call_wished"
    STOPPED = "stopped"
    CONSENT_TAKEN = "consent_taken"
    CONSENT_REFUSED = "consent_refused"
    WORKS_AGAIN = "works_again"
    STILL_BROKEN = "still_broken"
    WAS_WRONG = "was_wrong"
    TOO_LATE = "too_late"
    ARTICLE = "article"
    PERSON_WILL_ANSWER = "person_will_answer"
    PRIVATELY = "privately"
    LINKED = "linked"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows."""

    automated: frozenset[str] = frozenset(Intent)
    """Intents that vorab may answer."""
    answers_a_day: int = 4
    """Most automatic answers to one customer, whatever they write."""
    replies_a_day: int = 3
    """From this reply of a customer within a day on, a person answers."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All a decision may depend on."""

    understood: Understood
    proof: Proof
    case: CaseView | None = None
    automatic: str = ""
    public: bool = False
    linked: bool = False
    """It only shows whose account it is from."""
    edited: bool = False
    """It replaces what was answered already."""
    article: bool = False
    """A knowledge article about such a case fits the question."""
    vulnerable: bool = False
    registered: bool = True
    """The registry knows the customer."""
    with_person: bool = False
    """A person has this conversation, and has not answered yet."""
    replies: int = 0
    """How often the customer has written in the last day, before this."""
    answers: int = 0
    """How often vorab has answered them in the last day."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done: at most one effect, at most one answer."""

    handed_to: HandedTo
    says: Says = Says.NOTHING
    effect: Effect = Effect.NONE
    doubts: tuple[str, ...] = ()
    ignored: str = ""
    """Why it is no reply at all: a machine wrote it."""


@dataclass(frozen=True, slots=True)
class Line:
    """What vorab does about an intent."""

    says: Says
    effect: Effect = Effect.NONE
    needs: Callable[[Situation], bool] = lambda _: True
    """Whether it makes sense as things stand."""
    lacks: str = ""
    """The doubt where it does not."""


def _has_case(of: Situation) -> bool:
    return of.case is not None


def _is_open(of: Situation) -> bool:
    return of.case is not None and of.case.open


def _was_asked(of: Situation) -> bool:
    return of.case is not None and of.case.open and of.case.asked


def _fits_an_article(of: Situation) -> bool:
    return of.case is not None and of.article


TABLE: Final[Mapping[Intent, Line]] = {
    Intent.STATUS: Line(Says.STATE_OF_DEVICE, Effect.NONE, _has_case, "no case"),
    Intent.CALL_ME: Line(Says.CALL_WISHED, Effect.CALL, _is_open, "no open case"),
    Intent.STOP: Line(Says.STOPPED, Effect.STOP),
    Intent.CONSENT_YES: Line(Says.CONSENT_TAKEN, Effect.CONSENT, _was_asked, "nothing was asked"),
    Intent.CONSENT_NO: Line(Says.CONSENT_REFUSED, Effect.NO_CONSENT, _was_asked, "nothing was asked"),
    Intent.WORKS_AGAIN: Line(Says.WORKS_AGAIN, Effect.WORKS_AGAIN, _has_case, "no case"),
    Intent.STILL_BROKEN: Line(Says.STILL_BROKEN, Effect.STILL_BROKEN, _is_open, "broken although the case is over"),
    Intent.WAS_WRONG: Line(Says.WAS_WRONG, Effect.WAS_WRONG, _has_case, "no case"),
    Intent.TOO_LATE: Line(Says.TOO_LATE, Effect.TOO_LATE, _has_case, "no case"),
    Intent.QUESTION: Line(Says.ARTICLE, Effect.NONE, _fits_an_article, "no article answers it"),
    Intent.THANKS: Line(Says.NOTHING),
}
"""What is not in it (`human`, `other`, `move`, `order`) is always a person's."""

DOUBTS: Final[tuple[tuple[str, Callable[[Situation], bool]], ...]] = (
    ("nobody knows who wrote it", lambda of: of.proof is Proof.NOBODY),
    ("from another address", lambda of: of.proof is Proof.STRANGER),
    ("public", lambda of: of.public),
    ("changed after it was answered", lambda of: of.edited),
    ("asks for a person", lambda of: of.understood.intent is Intent.HUMAN),
    (
        "not understood",
        lambda of: of.understood.route is not Route.BOT and of.understood.intent is not Intent.HUMAN and not of.understood.flags,
    ),
    ("not automated", lambda of: of.understood.intent not in TABLE or of.understood.intent.value not in of.limits.automated),
    ("a person has this conversation", lambda of: of.with_person and not _simple(of)),
    ("writes often", lambda of: of.replies + 1 >= of.limits.replies_a_day and not _simple(of)),
    ("answered often", lambda of: of.answers >= of.limits.answers_a_day and not _simple(of)),
    ("not in the registry", lambda of: not of.registered),
    ("people act for this customer", lambda of: of.vulnerable and not _simple(of)),
    ("a person must act", lambda of: of.case is not None and of.case.bot == "must_not" and not _simple(of)),
    ("proven by the address alone", lambda of: _effect(of) is not Effect.NONE and of.proof not in PROVEN),
)


def _simple(of: Situation) -> bool:
    """Who wants no more messages, or only thanks, is not to wait for a person."""
    return of.understood.intent in {Intent.STOP, Intent.THANKS}


def _effect(of: Situation) -> Effect:
    line = TABLE.get(of.understood.intent)
    return line.effect if line is not None else Effect.NONE


def doubts_of(of: Situation) -> tuple[str, ...]:
    """Why a person answers; none where vorab does."""
    found = [*of.understood.flags, *(name for name, there in DOUBTS if there(of))]
    line = TABLE.get(of.understood.intent)
    if line is not None and not line.needs(of):
        found.append(line.lacks)
    return tuple(str(each) for each in found)


def decide(of: Situation) -> Decision:
    """What is done about a reply."""
    if of.automatic:
        return Decision(HandedTo.VORAB, ignored=of.automatic)
    if of.linked and not of.public:
        return Decision(HandedTo.VORAB, Says.LINKED)
    doubts = doubts_of(of)
    if not doubts:
        line = TABLE[of.understood.intent]
        says = line.says if of.answers < of.limits.answers_a_day else Says.NOTHING
        return Decision(HandedTo.VORAB, says, line.effect)
    return Decision(HandedTo.PERSON, _promise(of), doubts=doubts)


def _promise(of: Situation) -> Says:
    """That a person answers is said once, where it reaches the customer and nobody else."""
    if of.with_person or of.edited or of.answers >= of.limits.answers_a_day:
        return Says.NOTHING
    if of.public:
        return Says.PRIVATELY
    return Says.NOTHING if of.proof in {Proof.STRANGER, Proof.NOBODY} else Says.PERSON_WILL_ANSWER
