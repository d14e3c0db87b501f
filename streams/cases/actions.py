"""Acting on the device itself: one thing at a time, with a permit, and what it answers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from streams.cases import words
from streams.cases.decisions import WORKING, Decisions
from streams.cases.facts import Why
from streams.cases.hours import opens
from streams.cases.playbook import Step
from streams.cases.policy import Remedy
from streams.cases.state import Case, Early, Flight, Job, Phase, Timer, remember
from vorab import ids, topics
from vorab.clock import DAY, MINUTE, Micros
from vorab.processor import Out
from vorab.records import Action, CaseKind, Permit, PermitState, Recall, Reply, ReplyStatus, Scalar

ANSWERS: Final = {ReplyStatus.SUCCEEDED: "succeeded", ReplyStatus.FAILED: "failed", ReplyStatus.REJECTED: "rejected"}
"""What a branch calls an answer; all else is none."""
GRACE: Final[Micros] = 2 * MINUTE
"""How long the answer to a question may be on its way."""


class Actions(Decisions):
    """What is done to a device, and what it says."""

    @abstractmethod
    def begin_job(self, job: Job, why: Why) -> None:
        """Do what another machine's case asks of this one; it is under way, or over."""

    @abstractmethod
    def job_permitted(self, permit: Permit, why: Why) -> None:
        """The answer to the question for a permit for a job."""

    @abstractmethod
    def job_answered(self, reply: Reply, why: Why) -> None:
        """The device says something about an action that is no case's of its own."""

    @abstractmethod
    def job_timed_out(self, action: str, why: Why) -> None:
        """The time of an action that is no case's of its own is up."""

    @property
    def busy(self) -> bool:
        """Whether the device is at something, or about to be; then nothing else is started on it."""
        return bool(self.state.asked) or self.state.flight is not None or any(case.phase in WORKING for case in self.state.cases)

    def start(self, why: Why) -> None:
        """Begin what waits longest, if the device is free."""
        while not self.busy:
            for well in [case for case in self.state.cases if case.phase is Phase.QUEUED and case.clear_at is not None]:
                self.go_on(well, why)  # it is well without us, or will have to show that
            ready = [case for case in self.state.cases if case.phase is Phase.QUEUED and case.clear_at is None]
            case = min(ready, key=lambda case: (case.queued_at, case.id), default=None)
            job = next(iter(self.state.jobs), None)
            if job is not None and (case is None or (job.queued_at, job.action) < (case.queued_at, case.id)):
                self.begin_job(job, why)
            elif case is not None:
                self._begin(case, why)
            else:
                return

    def _begin(self, case: Case, why: Why) -> None:
        step, remedy = self.step_of(case), self.remedy_of(case)
        if case.plan != self.line(case).do:
            self.plan(case, why)
            return
        if step is not None and step.ask and case.asking:
            self._put_question(case, step.ask, step.valid, why)
        elif step is None or remedy is None or case.asking or self._not_any_more(case, remedy, step.attempts, why):
            self.plan(case, why)  # policy, consent or what was done has changed while it waited
        elif (opens := self.opens(remedy, at := self.fresh(why, remedy.valid))) != at:
            self._wait_for(case, opens, why)
        elif remedy.dry_run:
            self.hand_over(case, why, f"in a dry run nothing is done; else we would have told it to {remedy.command}")
        else:
            self._ask(case, step.do, remedy, why)

    def opens(self, remedy: Remedy, at: Micros) -> Micros | None:
        """When a remedy may begin on this device, from `at` on; None: never."""
        if remedy.when is None:
            return at
        device = self._registry.device(self.key)
        return opens(remedy.when, device.time_zone if device is not None else "", at)

    def _wait_for(self, case: Case, opens: Micros | None, why: Why) -> None:
        if opens is None:
            self.hand_over(case, why, "it may be done at no hour of the next two weeks")
            return
        case.phase = Phase.WAITING
        case.timers[Timer.NEXT] = opens
        self.watch(case, why.at)

    def _not_any_more(self, case: Case, remedy: Remedy, attempts: int, why: Why) -> bool:
        return (
            case.tries >= attempts
            or self.too_often(remedy, why.at)
            or not (self.consent(case, remedy) and self.allowed(case, self.judge(case, why.at)))
        )

    def fresh(self, why: Why, valid: Micros) -> Micros:
        """The time of a decision: a decision about readings that came late, or after an outage, would be out of date before it arrives."""
        return self.now if self.now > why.at + valid // 2 else why.at

    def under_way(self, action: str) -> Case | None:
        """The case of an action."""
        return next((case for case in self.state.cases if case.action == action), None)

    def _named(self, case: Case, what: str) -> None:
        case.asks += 1
        case.action = ids.action_id(case.id, what, case.step, case.asks)
        case.policy, case.replies = self.line(case).line, []
        case.timers.clear()
        remember(self.state.actions, case.action)

    # --------------------------------------------------------------------------------------------- questions

    def _put_question(self, case: Case, name: str, valid: Micros, why: Why) -> None:
        step = self.step_of(case)
        at = self.fresh(why, valid)
        self._named(case, name)
        case.phase = Phase.ACTING
        self.tell(case, CaseKind.MACHINE_ASKED, why._replace(at=at), words.spoken(name))
        params = self.params_of(step, None) if step is not None else {}
        action = Action(
            id=case.action, tenant=self.tenant, device=self.device, case=case.id, remedy=case.plan, step=case.step, attempt=case.asks,
            name=name, params=params, at=at, not_before=at, not_after=at + valid, counter=at, policy=case.policy,
        )  # fmt: skip
        self.launch(action, GRACE)

    def launch(self, action: Action, grace: Micros) -> None:
        """Have the device do it, and nothing else until its answer or so long after its deadline."""
        self.state.flight = Flight(action.id, action.case, action.not_after + grace)
        self.out.append(Out(topics.ACTIONS, action))

    # ----------------------------------------------------------------------------------------------- permits

    def _ask(self, case: Case, name: str, remedy: Remedy, why: Why) -> None:
        at = self.fresh(why, remedy.valid)
        self._named(case, name)
        case.remedy, case.phase = name, Phase.PERMIT
        self.tell(case, CaseKind.PERMIT_ASKED, why._replace(at=at))
        self.ask_permit(case.action, case.id, name, at, remedy.valid)

    def ask_permit(self, action: str, case: str, remedy: str, at: Micros, valid: Micros) -> None:
        """Ask, and hold everything else until it is answered."""
        self.state.asked = action
        permit = Permit(
            id=ids.permit_id(action), tenant=self.tenant, device=self.device, state=PermitState.ASKED, action=action, case=case,
            remedy=remedy, at=at, expires_at=at + valid,
        )  # fmt: skip
        self.out.append(Out(topics.PERMITS, permit))
        early = self.state.early.pop(action, None)
        if early is not None:
            self.answer(Permit.model_validate_json(early.body))

    def answer(self, permit: Permit) -> None:
        """Take the answer to a question for a permit; one that nobody waits for is kept for a day, because on replay it may come first."""
        if permit.action != self.state.asked:
            if permit.action not in self.state.actions:
                self.state.early[permit.action] = Early(permit.model_dump_json().encode(), permit.at + DAY)
            return
        self.state.asked, self.now = "", permit.at
        case, why = self.under_way(permit.action), Why(permit.id, permit.at)
        if case is None:
            self.job_permitted(permit, why)
        else:
            self._permitted(case, permit, why)
        self.start(why)

    def _permitted(self, case: Case, permit: Permit, why: Why) -> None:
        line, remedy = self.line(case), self._policy.remedies.get(case.remedy)
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

    def _act(self, case: Case, permit: Permit, remedy: Remedy, why: Why) -> None:
        case.attempts += 1
        case.tries += 1
        case.phase, case.acted_at, case.done_at = Phase.ACTING, why.at, None
        self.tell(case, CaseKind.ACTION_REQUESTED, why, remedy.about)
        consent = "needs none" if not remedy.consent else "said so about this case" if case.consented is not None else "the registry"
        step = self.step_of(case)
        told = remedy if step is None else remedy.model_copy(update={"params": self.params_of(step, remedy)})
        self.put(permit, told, case.step, case.asks, why, policy=case.policy, consent=consent)

    def params_of(self, step: Step, remedy: Remedy | None) -> dict[str, Scalar]:
        """What goes with a command: the remedy's parameters, then the step's; `{device}` stands for the machine at fault."""
        given = {**(remedy.params if remedy is not None else {}), **step.params}
        return {name: self.device if value == "{device}" else value for name, value in given.items()}

    def put(self, permit: Permit, remedy: Remedy, step: int, attempt: int, why: Why, *, policy: str, consent: str) -> None:
        """Have the device do what it was permitted."""
        remember(self.state.acted, why.at)
        action = Action(
            id=permit.action, tenant=self.tenant, device=self.device, case=permit.case, remedy=permit.remedy, step=step, attempt=attempt,
            name=remedy.command, params=dict(remedy.params), at=why.at, not_before=why.at, not_after=permit.expires_at,
            counter=why.at, permit=permit.id, policy=policy, consent=consent,
        )  # fmt: skip
        self.launch(action, remedy.grace)

    def recall(self, action: str, case: str, why: Why) -> None:
        """Take back the action under way; the device is free when that is answered in its place, or by itself."""
        recall = Recall(
            id=ids.recall_id(action), tenant=self.tenant, device=self.device, action=action, case=case, at=why.at, because=why.because,
        )  # fmt: skip
        self.out.append(Out(topics.ACTIONS, recall))

    # ----------------------------------------------------------------------------------------------- answers

    def reply(self, reply: Reply) -> None:
        """Take what the device says; saying is not proving."""
        flight = self.state.flight
        if flight is not None and flight.action == reply.action and reply.status.final:
            self.state.flight = None
        case, why = self.under_way(reply.action), Why(reply.id, reply.time)
        if case is None:
            self.job_answered(reply, why)
        elif reply.status not in case.replies and not any(ReplyStatus(said).final for said in case.replies):
            case.replies.append(reply.status)
            if case.phase is Phase.ACTING:
                self._believe(case, reply, why)
            else:
                kind = CaseKind.MACHINE_ANSWERED if case.asking else CaseKind.ACTION_ANSWERED
                self.say(case, kind, why, f"late: {words.answered(reply)}")
        self.start(why)

    def _believe(self, case: Case, reply: Reply, why: Why) -> None:
        if case.asking:
            if reply.status.final:
                self.tell(case, CaseKind.MACHINE_ANSWERED, why, words.answered(reply))
                self.answered(case, ANSWERS.get(reply.status, "none"), {**reply.result, "code": reply.code}, why)
            return
        self.tell(case, CaseKind.ACTION_ANSWERED, why, words.answered(reply))
        if reply.status is ReplyStatus.SUCCEEDED:
            self.prove(case, why)
        elif reply.status.final:
            self.failed(case, why, f"{self.tried(case, why)}; it answered: {words.answered(reply)}")

    def prove(self, case: Case, why: Why) -> None:
        """It says it is done; now telemetry has the word."""
        case.phase, case.done_at = Phase.PROVING, why.at
        self.tell(case, CaseKind.PROVING, why, "it says it is done; telemetry has to prove it")
        self.watch(case, why.at)

    def land(self, at: Micros) -> None:
        """The time of the action in flight is up: no answer is waited for any more."""
        flight, self.state.flight = self.state.flight, None
        if flight is None:
            return
        case, why = self.under_way(flight.action), Why(flight.case, at, f"{flight.case}@{at}")
        if case is None:
            self.job_timed_out(flight.action, why)
        elif case.phase is Phase.ACTING and case.asking:
            self.tell(case, CaseKind.MACHINE_ANSWERED, why, "it did not answer")
            self.answered(case, "none", {}, why)
        elif case.phase is Phase.ACTING:
            self.tell(case, CaseKind.ACTION_TIMED_OUT, why, "it did not answer")
            self.failed(case, why, f"{self.tried(case, why)}; it did not answer")
        self.start(why)
