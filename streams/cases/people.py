"""What people ask for about a case, done where the state table allows it and refused with a reason where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streams.care.policy import Bot
from streams.cases.decisions import LEFT_ALONE, NOT_WISHED
from streams.cases.facts import Why
from streams.cases.state import REMEMBERED, Case, Phase, Timer, remember
from streams.cases.table import after
from streams.cases.votes import ANSWERS, VOTES, Votes
from streams.cases.words import spoken
from vorab import topics
from vorab.clock import DAY, Micros
from vorab.errors import Reason, Rejected
from vorab.records import CaseKind, Command, CommandKind, Status

MEMORY: Final[Micros] = 7 * DAY
"""How long a case that is over can still be told something; a link to it lives about as long."""

KINDS: Final[Mapping[CommandKind, CaseKind]] = {
    CommandKind.TAKE: CaseKind.TAKEN,
    CommandKind.NOTE: CaseKind.NOTED,
    CommandKind.RESOLVE: CaseKind.RESOLVED,
    CommandKind.CLOSE: CaseKind.CLOSED,
    CommandKind.CONSENT: CaseKind.CONSENT_GIVEN,
    CommandKind.NO_CONSENT: CaseKind.CONSENT_REFUSED,
    CommandKind.CALL: CaseKind.CALL_WISHED,
    CommandKind.FALSE_ALARM: CaseKind.FALSE_ALARM,
    CommandKind.COMPLAINT: CaseKind.NOTED,
    CommandKind.APPROVE: CaseKind.APPROVAL_GIVEN,
    CommandKind.DECLINE: CaseKind.DECLINED,
    CommandKind.APPROVE_GOODWILL: CaseKind.GOODWILL_APPROVED,
    CommandKind.DECLINE_GOODWILL: CaseKind.GOODWILL_DECLINED,
    CommandKind.GOODWILL_COUNTED: CaseKind.GOODWILL_GRANTED,
    CommandKind.GOODWILL_OVER: CaseKind.GOODWILL_DECLINED,
    CommandKind.RIGHT: CaseKind.NOTED,
    CommandKind.USEFUL: CaseKind.NOTED,
    CommandKind.WRONG: CaseKind.NOTED,
    CommandKind.TOO_LATE: CaseKind.NOTED,
}
"""The fact a command makes, where the table allows it."""


ENDS: Final = frozenset({CommandKind.TAKE, CommandKind.RESOLVE, CommandKind.FALSE_ALARM})
"""With these no other machine is to do anything for it any more."""


class People(Votes):
    """The cases of a device, in the hands of people."""

    def command(self, command: Command) -> None:
        """Do what a person asks for, or note why not; nothing where it was done already.

        Raises:
            Rejected: there is no such case.
        """
        case = next((case for case in self.state.cases if case.id == command.case), None)
        if case is None and command.kind is CommandKind.COMPLAINT:
            self.hear(command, command.time)
            return  # it may come before anything was found; the ledger keeps it
        if case is None:
            raise Rejected(Reason.BAD_VALUE, f"there is no case {command.case} on {self.key}, or not any more")
        if command.id in case.commands:
            return
        remember(case.commands, command.id)
        # Recorded time has a clock of its own: there, a person's word counts from where the case stands.
        why = Why(command.id, case.last_at if self.tenant == topics.RECORDED_TENANT else command.time)
        kind = KINDS[command.kind]
        said = " ".join(part for part in (f"{command.by}:" if command.by else "", command.detail) if part)
        new = self.hear(command, why.at)
        if new:
            self.look_again(case, why.at)
        refused = f"the case is {case.status}" if after(case.status, kind) is None else self.objection(case, command)
        if refused:
            self.tell(case, CaseKind.NOTED, why, f"refused: {spoken(command.kind)}, because {refused}; {said}".rstrip("; "))
        elif command.kind in VOTES | ANSWERS:
            self.vote(case, command, why, said)
        else:
            self._obey(case, command.kind, kind, why, said)
        if new:
            self._heard(case, why)
        self.start(why)

    def _obey(self, case: Case, asked: CommandKind, kind: CaseKind, why: Why, said: str) -> None:
        before, phase = case.status, case.phase
        self.call_for(case, asked, why.at)
        self._call_off(case, asked, why)
        if asked is CommandKind.RESOLVE:
            case.healed = False  # a person says so, whatever was proven before
        self.tell(case, kind, why, said)
        match asked:
            case CommandKind.CONSENT:
                case.consented = True
                if case.status is not before:
                    self.plan(case, why)
            case CommandKind.NO_CONSENT:
                self._refused(case, phase, why)
            case CommandKind.CALL:
                case.call_wished = case.phase is not Phase.OVER
                if case.status is Status.HELD:
                    self._leave_to_person(case, why)
                    self.queue(case, why.at)  # and what it promises
            case CommandKind.TAKE:
                case.call_wished = False
                self._leave_to_person(case, why)
            case CommandKind.RESOLVE:
                case.call_wished, case.phase = False, Phase.RESOLVED
                case.timers.clear()
                if case.clear_at is not None:
                    case.timers[Timer.CLOSE] = why.at + self.line(case).close
            case CommandKind.CLOSE:
                self.over(case, why.at)
            case CommandKind.FALSE_ALARM if case.status is Status.CANCELLED and phase is not Phase.OVER:
                self.over(case, why.at)

    def _call_off(self, case: Case, asked: CommandKind, why: Why) -> None:
        if case.phase is Phase.ERRAND and asked in ENDS:
            self.take_back(case, why)

    def _refused(self, case: Case, phase: Phase, why: Why) -> None:
        """The customer says no: what has not begun does not begin; what the device is at, it ends."""
        case.consented = False
        unanswered = phase is Phase.ACTING and not case.replies and self.needs_consent(case)
        if unanswered:
            self.recall(case.action, case.id, why)
        if phase is Phase.ERRAND:
            self.take_back(case, why)
        if unanswered or phase in {Phase.CONSENT, Phase.APPROVAL, Phase.WAITING, Phase.QUEUED, Phase.ERRAND}:
            self.hand_over(case, why, NOT_WISHED)

    def _heard(self, case: Case, why: Why) -> None:
        """A customer has got in touch: what has not begun does not begin where a person must act now."""
        verdict = self.judge(case, why.at)
        self.propose(case, verdict, why)
        if verdict.bot is not Bot.MUST_NOT or case.phase is Phase.OVER:
            return
        case.call_wished = True  # so that it does not end without a person, also where the machine heals meanwhile
        if case.phase is Phase.RESOLVED:
            self.queue(case, why.at, promise=False)
            self.tell(case, CaseKind.CALL_WISHED, why, verdict.line)
            self._leave_to_person(case, why)
            self.queue(case, why.at)
        unanswered = case.phase is Phase.ACTING and not case.replies
        if unanswered:
            self.recall(case.action, case.id, why)
        if case.phase is Phase.ERRAND:
            self.take_back(case, why)
        if unanswered or case.phase in {Phase.OBSERVING, Phase.CONSENT, Phase.APPROVAL, Phase.WAITING, Phase.QUEUED, Phase.ERRAND}:
            self.hand_over(case, why, self.tried(case, why) if case.attempts and not unanswered else LEFT_ALONE)

    def _leave_to_person(self, case: Case, why: Why) -> None:
        case.phase = Phase.PERSON
        case.timers.clear()
        self.watch(case, why.at)

    def over(self, case: Case, at: Micros) -> None:
        """Nothing will be done any more; for a while it is still remembered."""
        case.phase = Phase.OVER
        case.timers.clear()
        case.timers[Timer.FORGET] = at + MEMORY
        over = [case for case in self.state.cases if case.phase is Phase.OVER]
        for old in over[:-REMEMBERED]:
            self.state.cases.remove(old)
