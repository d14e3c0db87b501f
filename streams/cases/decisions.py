"""Deciding about the cases of one device: by policy, with consent and a permit, one action at a time; and believing only telemetry."""

from __future__ import annotations

from typing import Final

from streams.care.policy import Bot, Care
from streams.cases import proof, words
from streams.cases.caring import Caring
from streams.cases.facts import Why
from streams.cases.policy import HAND_OVER, OBSERVE, Line, Policy, Remedy
from streams.cases.state import Case, DeviceState, Early, Flight, Phase, Timer, remember
from vorab import ids, topics
from vorab.clock import DAY, Micros
from vorab.processor import Out, Registry
from vorab.records import Action, CaseKind, Permit, PermitState, Recall, Reply, ReplyStatus

LEFT_ALONE: Final = "we have not touched it from afar"
NOT_WISHED: Final = "remote repair is not wished, so somebody has to look at it"

WORKING = frozenset({Phase.PERMIT, Phase.ACTING, Phase.PROVING})
"""Phases in which a case has its device for itself."""


class Decisions(Caring):
    """What is done about the cases of a device."""

    def __init__(self, key: str, state: DeviceState, policy: Policy, registry: Registry, care: Care | None = None) -> None:
        super().__init__(key, state, policy, registry, care)
        self.now: Micros = 0
        """Merged time; only looked at to see that a decision is too old to be sent to a device as it is."""

    def plan(self, case: Case, why: Why) -> None:
        """What to do next, by policy."""
        line = self.line(case)
        remedy = self._policy.remedy(line)
        case.policy = line.line
        case.timers.clear()
        verdict = self.judge(case, why.at)
        if verdict.bot is Bot.MUST_NOT:
            self.hand_over(case, why, self.tried(case, why) if case.attempts else LEFT_ALONE)
        elif line.do == OBSERVE:
            case.phase = Phase.OBSERVING
            if line.observe is not None:
                case.timers[Timer.OBSERVE] = why.at + line.observe
            self.watch(case, why.at)
        elif line.do == HAND_OVER or remedy is None:
            self.hand_over(case, why, "nothing can be done about it from afar")
        elif case.attempts >= line.attempts:
            self.hand_over(case, why, self.tried(case, why) + "; it ran normally for a while, and now it is back")
        elif self._too_often(remedy, why.at):
            self.hand_over(case, why, f"something was done to it {remedy.limits.per_device} times in 24 hours, and that is enough")
        elif why.at < case.opened_at + line.settle:
            case.phase = Phase.WAITING
            case.timers[Timer.NEXT] = case.opened_at + line.settle
            self.watch(case, why.at)
        elif not self.allowed(case, verdict):
            self.ask_approval(case, verdict, why, remedy.command)
            self.watch(case, why.at)
        else:
            self._seek_consent(case, line, remedy, why)

    def _seek_consent(self, case: Case, line: Line, remedy: Remedy, why: Why) -> None:
        consent = self._consent(case, remedy)
        if consent:
            case.phase, case.queued_at = Phase.QUEUED, why.at
            self.watch(case, why.at)
        elif consent is None and case.customer:
            case.phase, case.remedy = Phase.CONSENT, line.do
            case.timers[Timer.CONSENT] = why.at + line.consent_wait
            self.tell(case, CaseKind.CONSENT_ASKED, why, f"May we {remedy.command} it remotely?")
            self.watch(case, why.at)
        else:
            self.hand_over(case, why, "remote repair is not agreed, so somebody has to look at it")

    def _consent(self, case: Case, remedy: Remedy) -> bool | None:
        if not remedy.consent:
            return True
        if case.consented is not None:
            return case.consented
        device = self._registry.device(self.key)
        return device.remote_repair if device else None

    def needs_consent(self, case: Case) -> bool:
        """Whether the customer must have agreed to what is done about a case."""
        remedy = self._policy.remedies.get(case.remedy)
        return remedy is not None and remedy.consent

    def hand_over(self, case: Case, why: Why, tried: str) -> None:
        """A person has to look; the detail is what that person can say first."""
        case.phase = Phase.PERSON
        case.timers.clear()
        self.queue(case, why.at)
        says = self._policy.says.get(case.cause, "")
        detail = words.first_sentence(case, device=self.device, says=says, zone=self.zone(case), at=why.at, tried=tried)
        self.tell(case, CaseKind.HANDED_OVER, why, detail)
        self.watch(case, why.at)

    def tried(self, case: Case, why: Why) -> str:
        """What was done, and when: `we restarted it at 02:14`."""
        remedy = self._policy.remedies.get(case.remedy)
        said = (remedy.said or f"told it to {remedy.command}") if remedy else f"tried {case.remedy}"
        return f"we {said}" + (f" at {words.clock_time(case.acted_at, self.zone(case), why.at)}" if case.acted_at is not None else "")

    def failed(self, case: Case, why: Why, tried: str) -> None:
        """An attempt came to nothing: another one, or a person. If it is clear all the same, it is watched."""
        line = self.line(case)
        case.done_at = None
        case.timers.clear()
        if case.attempts < line.attempts and self._policy.remedy(line) is not None:
            case.phase = Phase.WAITING
            case.timers[Timer.NEXT] = why.at + line.wait
            self.watch(case, why.at)
        elif case.clear_at is not None:
            case.phase = Phase.OBSERVING
            self.watch(case, why.at)
        else:
            self.hand_over(case, why, tried)

    def watch(self, case: Case, at: Micros) -> None:
        """Set the deadlines of its proof anew."""
        proof.watch(self.state, case, self.line(case), at)

    # --------------------------------------------------------------------------------------------- actions

    def _too_often(self, remedy: Remedy, at: Micros) -> bool:
        """Whether as much was done to the device in the last day as may be."""
        return sum(at - DAY < done <= at for done in self.state.acted) >= remedy.limits.per_device

    @property
    def busy(self) -> bool:
        """Whether the device is at something, or about to be; then nothing else is started on it."""
        return self.state.flight is not None or any(case.phase in WORKING for case in self.state.cases)

    def start(self, why: Why) -> None:
        """Ask a permit for the case that waits longest, if the device is free."""
        while not self.busy:
            ready = [case for case in self.state.cases if case.phase is Phase.QUEUED and case.clear_at is None]
            if not ready:
                return
            case = min(ready, key=lambda case: (case.queued_at, case.id))
            line = self.line(case)
            remedy = self._policy.remedy(line)
            if (
                remedy is None
                or case.attempts >= line.attempts
                or self._too_often(remedy, why.at)
                or not self._clear_to_act(case, remedy, why)
            ):
                self.plan(case, why)  # policy, consent or what was done has changed while it waited
            else:
                self._ask(case, line, remedy, why)

    def _clear_to_act(self, case: Case, remedy: Remedy, why: Why) -> bool:
        return bool(self._consent(case, remedy)) and self.allowed(case, self.judge(case, why.at))

    def _ask(self, case: Case, line: Line, remedy: Remedy, why: Why) -> None:
        # A decision about readings that came late, or after an outage, would be out of date before the device hears of it.
        at = self.now if self.now > why.at + remedy.valid // 2 else why.at
        case.asks += 1
        case.action, case.remedy, case.phase = ids.action_id(case.id, line.do, 0, case.asks), line.do, Phase.PERMIT
        case.policy, case.replies = line.line, []
        case.timers.clear()
        self.state.asked = case.action
        remember(self.state.actions, case.action)
        self.tell(case, CaseKind.PERMIT_ASKED, why._replace(at=at))
        permit = Permit(
            id=ids.permit_id(case.action), tenant=self.tenant, device=self.device, state=PermitState.ASKED, action=case.action,
            case=case.id, remedy=line.do, at=at, expires_at=at + remedy.valid,
        )  # fmt: skip
        self.out.append(Out(topics.PERMITS, permit))
        early = self.state.early.pop(case.action, None)
        if early is not None:
            self.answer(Permit.model_validate_json(early.body))

    def answer(self, permit: Permit) -> None:
        """Take the answer to a question for a permit; one that nobody waits for is kept for a day, because on replay it may come first."""
        if permit.action != self.state.asked:
            if permit.action not in self.state.actions:
                self.state.early[permit.action] = Early(permit.model_dump_json().encode(), permit.at + DAY)
            return
        self.state.asked, self.now = "", permit.at
        case = next(case for case in self.state.cases if case.action == permit.action)
        line, remedy, why = self.line(case), self._policy.remedies.get(case.remedy), Why(permit.id, permit.at)
        if permit.state is PermitState.GRANTED and remedy is not None:
            self.tell(case, CaseKind.PERMIT_GRANTED, why, permit.reason)
            self._act(case, permit, remedy, why)
            return
        self.tell(case, CaseKind.PERMIT_REFUSED, why, permit.reason)
        case.refusals += 1
        if case.refusals >= line.asks or remedy is None:
            self.hand_over(case, why, f"we could not {remedy.command if remedy else case.remedy} it: {permit.reason or 'no permit'}")
        else:
            case.phase = Phase.WAITING
            case.timers[Timer.NEXT] = why.at + line.wait
            self.watch(case, why.at)
        self.start(why)

    def _act(self, case: Case, permit: Permit, remedy: Remedy, why: Why) -> None:
        case.attempts += 1
        case.phase, case.acted_at, case.done_at = Phase.ACTING, why.at, None
        remember(self.state.acted, why.at)
        self.state.flight = Flight(case.action, case.id, permit.expires_at + remedy.grace)
        self.tell(case, CaseKind.ACTION_REQUESTED, why, remedy.about)
        action = Action(
            id=case.action, tenant=self.tenant, device=self.device, case=case.id, remedy=case.remedy, attempt=case.asks,
            name=remedy.command, params=dict(remedy.params), at=why.at, not_before=why.at, not_after=permit.expires_at,
            counter=why.at, permit=permit.id,
        )  # fmt: skip
        self.out.append(Out(topics.ACTIONS, action))

    def recall(self, case: Case, why: Why) -> None:
        """Take back the action under way; the device is free when that is answered in its place, or by itself."""
        recall = Recall(
            id=ids.recall_id(case.action), tenant=self.tenant, device=self.device, action=case.action, case=case.id, at=why.at,
            because=why.because,
        )  # fmt: skip
        self.out.append(Out(topics.ACTIONS, recall))

    def reply(self, reply: Reply) -> None:
        """Take what the device says; saying is not proving."""
        flight = self.state.flight
        if flight is not None and flight.action == reply.action and reply.status.final:
            self.state.flight = None
        case = next((case for case in self.state.cases if case.action == reply.action), None)
        why = Why(reply.id, reply.time)
        if case is not None and reply.status not in case.replies and not any(ReplyStatus(said).final for said in case.replies):
            case.replies.append(reply.status)
            if case.phase is Phase.ACTING:
                self._believe(case, reply, why)
            else:
                self.say(case, CaseKind.ACTION_ANSWERED, why, f"late: {words.answered(reply)}")
        self.start(why)

    def _believe(self, case: Case, reply: Reply, why: Why) -> None:
        self.tell(case, CaseKind.ACTION_ANSWERED, why, words.answered(reply))
        if reply.status is ReplyStatus.SUCCEEDED:
            case.phase, case.done_at = Phase.PROVING, why.at
            self.tell(case, CaseKind.PROVING, why, "it says it is done; telemetry has to prove it")
            self.watch(case, why.at)
        elif reply.status.final:
            self.failed(case, why, f"{self.tried(case, why)}; it answered: {words.answered(reply)}")

    def land(self, at: Micros) -> None:
        """The time of the action in flight is up: no answer is waited for any more."""
        flight, self.state.flight = self.state.flight, None
        if flight is None:
            return
        why = Why(flight.case, at, f"{flight.case}@{at}")
        case = next((case for case in self.state.cases if case.id == flight.case), None)
        if case is not None and case.phase is Phase.ACTING:
            self.tell(case, CaseKind.ACTION_TIMED_OUT, why, "it did not answer")
            self.failed(case, why, f"{self.tried(case, why)}; it did not answer")
        self.start(why)
