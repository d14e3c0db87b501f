"""What a reply can be: its intent, its flags, and who answers it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

from vorab.clock import Micros, iso


class Intent(StrEnum):
    """What a reply wants; exactly one."""

    STATUS = "status"
    CALL_ME = "call_me"
    STOP = "stop"
    HUMAN = "human"
    CONSENT_YES = "consent_yes"
    CONSENT_NO = "consent_no"
    WORKS_AGAIN = "works_again"
    STILL_BROKEN = "still_broken"
    WAS_WRONG = "was_wrong"
    TOO_LATE = "too_late"
    THANKS = "thanks"
    QUESTION = "question"
    MOVE = "move"
    ORDER = "order"
    OTHER = "other"


class Flag(StrEnum):
    """What makes a reply a person's; any of them."""

    ANGER = "anger"
    LAW = "law"
    MONEY = "money"
    REPEATED = "repeated"


class Route(StrEnum):
    """Who answers."""

    BOT = "bot"
    HUMAN = "human"


EFFECTS: Final = frozenset(
    {
        Intent.STOP,
        Intent.CONSENT_YES,
        Intent.CONSENT_NO,
        Intent.CALL_ME,
        Intent.MOVE,
        Intent.ORDER,
        Intent.WORKS_AGAIN,
        Intent.WAS_WRONG,
    }
)
"""Intents that do something: taken wrongly they are worse than not understood."""
PEOPLES: Final = frozenset({Intent.HUMAN, Intent.OTHER})
"""Intents that are never the bot's."""


class Window(NamedTuple):
    """From when to when somebody would like something to happen."""

    start: Micros
    end: Micros


class Understood(NamedTuple):
    """What a reply means, and why."""

    intent: Intent
    confidence: float
    """How sure it is of the intent, from 0 to 1."""
    flags: tuple[Flag, ...]
    route: Route
    wished: Window | None
    """The time that was named, of `call_me` and `move`."""
    why: tuple[str, ...]
    """Words and features that decided, the weightiest first."""

    def plain(self) -> dict[str, Any]:
        """For other programs."""
        return {
            "intent": self.intent,
            "confidence": round(self.confidence, 3),
            "flags": list(self.flags),
            "route": self.route,
            "wished": {"start": iso(self.wished.start), "end": iso(self.wished.end)} if self.wished else None,
            "why": list(self.why),
        }


class Example(NamedTuple):
    """A reply and what it means: what the model learns from, and what an agent's correction becomes."""

    text: str
    language: str
    intent: Intent
    flags: tuple[Flag, ...] = ()
    route: Route = Route.BOT

    def plain(self) -> dict[str, Any]:
        """As it stands in a file of examples."""
        return {**self._asdict(), "flags": list(self.flags)}
