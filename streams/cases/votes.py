"""What people decide together: approvals of what vorab would do, and goodwill. Two approvals are two people."""

from __future__ import annotations

from typing import Final

from streams.care.policy import Bot
from streams.care.state import GiftState
from streams.cases.caring import CUSTOMER
from streams.cases.errands import Errands
from streams.cases.facts import Why
from streams.cases.state import Case, Phase
from vorab import ids
from vorab.records import CaseKind, Command, CommandKind

VOTES: Final = frozenset({CommandKind.APPROVE, CommandKind.DECLINE, CommandKind.APPROVE_GOODWILL, CommandKind.DECLINE_GOODWILL})
ANSWERS: Final = frozenset({CommandKind.GOODWILL_COUNTED, CommandKind.GOODWILL_OVER})
"""What the account of the customer answers."""
ACCOUNT: Final = "account"
"""Who these answers are by; nobody else is believed, and it never votes."""


class Votes(Errands):
    """The cases of a device, and what people have decided about them."""

    def objection(self, case: Case, command: Command) -> str:
        """Why a vote or an answer counts for nothing; empty where it counts."""
        kind, gift, who = command.kind, case.care.gift, name_of(command)
        if kind in ANSWERS:
            waits = gift is not None and gift.state is GiftState.ASKED and gift.asked == command.because and who == ACCOUNT
            return "" if waits else "nobody has asked the account"
        if kind not in VOTES:
            return ""
        if who in {"", CUSTOMER, ACCOUNT}:
            return "it does not say which person decides"
        if kind in {CommandKind.APPROVE, CommandKind.DECLINE}:
            waits, so_far = case.phase is Phase.APPROVAL, case.care.approvals
        else:
            waits, so_far = gift is not None and gift.state is GiftState.PROPOSED, gift.votes if gift else []
        if not waits:
            return "nothing waits for it"
        approves = kind in {CommandKind.APPROVE, CommandKind.APPROVE_GOODWILL}
        return f"{who} has approved already, and somebody else has to" if approves and who in so_far else ""

    def vote(self, case: Case, command: Command, why: Why, said: str) -> None:
        """Count a vote, or take the answer of the account, and go on where it was the last that was needed."""
        match command.kind:
            case CommandKind.APPROVE:
                case.care.approvals.append(name_of(command))
                self.tell(case, CaseKind.APPROVAL_GIVEN, why, said)
                self._approved(case, why)
            case CommandKind.DECLINE:
                self.tell(case, CaseKind.DECLINED, why, said)
                self.hand_over(case, why, "we decided not to do it from afar")
            case CommandKind.APPROVE_GOODWILL | CommandKind.DECLINE_GOODWILL:
                self._goodwill(case, command, why, said)
            case CommandKind.GOODWILL_COUNTED | CommandKind.GOODWILL_OVER:
                self._settle(case, why, command)

    def _approved(self, case: Case, why: Why) -> None:
        verdict = self.judge(case, why.at)
        if verdict.bot is Bot.MUST_NOT or self.allowed(case, verdict):
            self.tell(case, CaseKind.APPROVED, why, " and ".join(case.care.approvals))
            self.plan(case, why)

    def _goodwill(self, case: Case, command: Command, why: Why, said: str) -> None:
        gift = case.care.gift
        if gift is None:
            return
        if command.kind is CommandKind.DECLINE_GOODWILL:
            gift.state = GiftState.DECLINED
            self.tell(case, CaseKind.GOODWILL_DECLINED, why, said)
            return
        gift.votes.append(name_of(command))
        self.tell(case, CaseKind.GOODWILL_APPROVED, why, said)
        if len(gift.votes) >= gift.approvals:
            gift.state, gift.asked = GiftState.ASKED, ids.case_event_id(case.id, CaseKind.GOODWILL_ASKED, why.mark or why.because)
            self.tell(case, CaseKind.GOODWILL_ASKED, why, " and ".join(gift.votes))

    def _settle(self, case: Case, why: Why, command: Command) -> None:
        gift = case.care.gift
        if gift is None:
            return
        counted = command.kind is CommandKind.GOODWILL_COUNTED
        gift.state = GiftState.GRANTED if counted else GiftState.DECLINED
        self.tell(case, CaseKind.GOODWILL_GRANTED if counted else CaseKind.GOODWILL_DECLINED, why, command.detail)


def name_of(command: Command) -> str:
    """Who decides, written one way: `Agent-7 ` is the person `agent-7`."""
    return command.by.strip().casefold()
