"""What a case remembers of who may act, who approved, and what is given; and what a device remembers of contacts."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from vorab.clock import Micros


class GiftState(StrEnum):
    """How far a gesture of goodwill is."""

    PROPOSED = "proposed"
    ASKED = "asked"
    """People have approved; the customer's account counts it against the yearly cap."""
    GRANTED = "granted"
    DECLINED = "declined"


class Gift(msgspec.Struct):
    """A gesture of goodwill; at most one per case."""

    gesture: str
    cents: int
    currency: str
    approvals: int
    line: str
    state: GiftState = GiftState.PROPOSED
    votes: list[str] = []
    asked: str = ""
    """Id of the event that asked the account; its answer names it."""


class Contact(msgspec.Struct):
    """A customer got in touch, or answered with words; the words themselves are not kept."""

    id: str
    at: Micros
    case: str
    """Empty: about the device."""
    counts: bool
    said: list[str] = []


class Mind(msgspec.Struct):
    """What is known of who acts on a case."""

    bot: str = ""
    line: str = ""
    queue: str = ""
    skill: str = ""
    advice: str = ""
    said: list[str] = []
    asked_for: str = ""
    """The line approval is asked for; approvals hold for this line alone."""
    approvals: list[str] = []
    needed: int = 0
    missed: bool = False
    gift: Gift | None = None

    def fields(self) -> dict[str, Any]:
        """What every event of the case says of it."""
        found: dict[str, Any] = {
            "bot": self.bot, "care": self.line, "queue": self.queue, "skill": self.skill, "advice": self.advice,
            "said": tuple(self.said), "approvals": tuple(self.approvals), "approvals_needed": self.needed,
        }  # fmt: skip
        if self.gift is not None:
            gift = self.gift
            found |= {"goodwill": gift.state, "gesture": gift.gesture, "amount_cents": gift.cents, "currency": gift.currency}
            found |= {"goodwill_approvals": tuple(gift.votes), "goodwill_needed": gift.approvals}
        return found
