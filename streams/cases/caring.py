"""Who may act on a case, by the care file: the verdict, the queue, approvals asked for, contacts remembered, goodwill proposed."""

from __future__ import annotations

from typing import Final

from streams.care.conditions import CaseFacts, Contacts
from streams.care.decision import Verdict, decide
from streams.care.policy import Bot
from streams.care.state import Contact, Gift
from streams.care.words import heard
from streams.cases.facts import Teller, Why
from streams.cases.state import Case, Phase, Timer, remember
from streams.cases.table import after
from streams.cases.words import span
from vorab import topics
from vorab.clock import Micros
from vorab.records import CaseKind, Command, CommandKind, Device, Severity
from vorab.sealing import replaced

CONTACTS: Final = frozenset({CommandKind.COMPLAINT, CommandKind.CALL})
"""What counts as getting in touch; an answer to our own question does not."""
CUSTOMER: Final = "customer"


class Caring(Teller):
    """The cases of a device, and who acts on them."""

    def judge(self, case: Case, at: Micros) -> Verdict:
        """Who may act as things stand at a moment; the case remembers it."""
        facts = CaseFacts(
            tenant=self.tenant, model=case.model, cause=case.cause, detector=case.worst.detector, site=case.site, severity=case.severity,
            remedy=self._about_to(case), at=at, faults=self.faults(case), missed=case.care.missed,
        )  # fmt: skip
        contacts = self._contacts(case, at)
        verdict = decide(self._care, facts, self._registry.device(self.key), self._customer(case), contacts)
        mind = case.care
        mind.bot, mind.line, mind.advice = verdict.bot, verdict.named, verdict.advice
        mind.said, mind.needed = sorted(contacts.said), verdict.approvals
        return verdict

    def _about_to(self, case: Case) -> str:
        line = self.line(case)
        steps = self._policy.steps(line)
        return (steps[case.step].do if case.step < len(steps) and case.plan == line.do else "") or line.do

    def may_be_done_to(self, device: Device, remedy: str, at: Micros) -> bool:
        """Whether the care file lets vorab do this to a machine on which no case of its own asks for it."""
        facts = CaseFacts(
            tenant=self.tenant, model=device.model, cause="", detector="", site=device.site, severity=Severity.MINOR, remedy=remedy, at=at,
            faults=0,
        )  # fmt: skip
        owner = self._registry.customer(topics.key_of(self.tenant, device.customer)) if device.customer else None
        return decide(self._care, facts, device, owner, Contacts()).bot is Bot.MAY

    def queue(self, case: Case, at: Micros, *, promise: bool = True) -> None:
        """Put a case into the queue it belongs to, and keep what this queue promises."""
        verdict = self.judge(case, at)
        if verdict.queue is not None:
            case.care.queue, case.care.skill = verdict.queue.name, verdict.skill
            keeps = promise and not case.care.missed and self.tenant != topics.RECORDED_TENANT
            due = verdict.queue.due(at) if keeps else None
            if due is not None:
                case.timers[Timer.PROMISE] = due

    def look_again(self, case: Case, at: Micros) -> None:
        """A customer got in touch: who may act is another question now, and so is the queue of a case that waits for a person."""
        if case.phase in {Phase.PERSON, Phase.APPROVAL}:
            self.queue(case, at, promise=False)
        else:
            self.judge(case, at)

    def call_for(self, case: Case, asked: CommandKind, at: Micros) -> None:
        """A call is wished: whoever calls is in a queue too."""
        if asked is CommandKind.CALL and case.phase is not Phase.OVER:
            self.queue(case, at, promise=False)

    def allowed(self, case: Case, verdict: Verdict) -> bool:
        """Whether vorab may act now: nobody has to be asked, or everybody who has to be has approved."""
        if verdict.bot is Bot.MUST_ASK:
            return case.care.asked_for == verdict.line and len(case.care.approvals) >= verdict.approvals
        return verdict.bot is Bot.MAY

    def ask_approval(self, case: Case, verdict: Verdict, why: Why, what: str) -> None:
        """Wait until people have approved what would be done; approvals hold for the line that asked for them."""
        mind = case.care
        if mind.asked_for != verdict.line:
            mind.asked_for, mind.approvals = verdict.line, []
        case.phase = Phase.APPROVAL
        self.queue(case, why.at, promise=False)
        case.timers[Timer.APPROVAL] = why.at + self._care.approve_within
        self.tell(case, CaseKind.APPROVAL_ASKED, why, f"May we {what} it? {verdict.named}")

    # -------------------------------------------------------------------------------------------- contacts

    def hear(self, command: Command, at: Micros) -> bool:
        """Remember that a customer got in touch, and what about; whether there is anything new in it."""
        counts = command.kind in CONTACTS
        if not self._care.listens or not (counts or command.by == CUSTOMER):
            return False
        clear = replaced(command.detail, {}, "")  # what stands sealed was looked at where it was written
        said = sorted({*command.doubts, *heard(clear, self._care.words, self._care.negations)})
        if any(contact.id == command.id for contact in self.state.contacts) or not (counts or said):
            return False
        remember(self.state.contacts, Contact(command.id, at, command.case, counts, said))
        return True

    def _contacts(self, case: Case, at: Micros) -> Contacts:
        lately = [contact for contact in self.state.contacts if at - self._care.window < contact.at]
        about = [contact for contact in lately if contact.case in {"", case.id}]
        return Contacts(sum(contact.counts for contact in lately), frozenset(topic for contact in about for topic in contact.said))

    # -------------------------------------------------------------------------------------------- goodwill

    def propose(self, case: Case, verdict: Verdict, why: Why) -> None:
        """Propose what the care file would give; at most once for a case."""
        found = verdict.goodwill
        if found is None or case.care.gift is not None or after(case.status, CaseKind.GOODWILL_PROPOSED) is None:
            return
        case.care.gift = Gift(found.gesture, found.cents, found.currency, found.approvals, found.line)
        self.tell(case, CaseKind.GOODWILL_PROPOSED, why, found.apology)

    def promise_missed(self, case: Case, why: Why) -> None:
        """Nobody has taken it in the time its queue promises."""
        mind = case.care
        mind.missed = True
        promised = next((queue.promise for queue in self._care.queues if queue.name == mind.queue), None)
        verdict = self.judge(case, why.at)
        within = f" within {span(promised)}" if promised is not None else ""
        self.tell(case, CaseKind.NOTED, why, f"a promise was missed: nobody in {mind.queue} has taken it{within}")
        self.propose(case, verdict, why)
