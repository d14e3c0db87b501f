"""Errands: what the case of one machine asks of another one. Only where the cases of that one are decided may anything be asked of it.

So the case sends an errand there, and an answer comes back: a refusal at once, `accepted` when the machine is told, then what the
machine said. The other machine does one thing at a time for all who ask; its owner's consent, its own limits and the permit count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streams.cases import words
from streams.cases.actions import ANSWERS, GRACE, Actions
from streams.cases.facts import Why
from streams.cases.playbook import Step
from streams.cases.policy import fits
from streams.cases.state import Case, Job, Phase, Timer, remember
from vorab import ids, topics
from vorab.clock import DAY, Micros
from vorab.processor import Out, remote_repair
from vorab.records import Action, CaseKind, Errand, ErrandState, Permit, PermitState, Reply, ReplyStatus, Scalar

MOST_HELPERS: Final = 3
"""Machines that are asked for one step, one after the other, before it counts as failed."""
MOST_JOBS: Final = 64
"""Errands that may wait for one machine: what is behind a gateway can ask all at once."""
REFUSED: Final = "refused"
"""Code of an answer by vorab: the machine was not told."""


class Errands(Actions):
    """What the cases of a device ask of others, and others of it."""

    # ------------------------------------------------------------------------------------------- for the case

    def send(self, case: Case, step: Step, why: Why) -> None:
        """Ask the next of the machines that a step is about; without one it has come to nothing."""
        others = [device for device in self._registry.related(self.key, step.of) if device.device not in case.helpers]
        remedy = self._policy.remedies.get(step.do)
        if not others or len(case.helpers) >= MOST_HELPERS:
            case.helper = ""
            self._nobody(case, step, why)
            return
        valid, grace = (remedy.valid, remedy.grace) if remedy is not None else (step.valid, GRACE)
        at = self.fresh(why, valid)
        case.helper = others[0].device
        case.helpers.append(case.helper)
        self._named(case, step.ask or step.do)
        case.asking, case.phase = bool(step.ask), Phase.ERRAND
        case.timers[Timer.ERRAND] = at + valid + grace
        about = words.spoken(step.ask or step.do)
        self.tell(case, CaseKind.MACHINE_ASKED, why._replace(at=at), f"{about}, of {others[0].name or case.helper}")
        asked = Errand(
            id=ids.errand_id(case.action, ErrandState.ASKED), tenant=self.tenant, device=self.device, state=ErrandState.ASKED,
            helper=case.helper, case=case.id, action=case.action, remedy=step.do, step=case.step, attempt=case.asks,
            name=step.ask or (remedy.command if remedy is not None else step.do),
            params=self.params_of(step, remedy), policy=case.policy, at=at, not_after=at + valid,
        )  # fmt: skip
        self._tell_errand(asked)
        self.watch(case, at)

    def _nobody(self, case: Case, step: Step, why: Why) -> None:
        said = f"there is no {step.of} to ask" if not case.helpers else f"no {step.of} could do it"
        if step.ask:
            self.learn(case, said)
            self.answered(case, "none", {}, why)
        else:
            case.tries = step.attempts
            self.failed(case, why, said)

    def errand(self, errand: Errand) -> None:
        """Take an errand of another machine's case, or the answer to one of our own."""
        why = Why(errand.id, errand.at)
        match errand.state:
            case ErrandState.ASKED:
                self._take_on(errand, why)
            case ErrandState.RECALLED:
                self._give_up(errand, why)
            case ErrandState.ANSWERED:
                self._hear_of(errand, why)
        self.start(why)

    def _hear_of(self, errand: Errand, why: Why) -> None:
        case = self.under_way(errand.action)
        if case is None or errand.status is None or errand.status in case.replies:
            return
        if any(ReplyStatus(said).final for said in case.replies):
            return
        case.replies.append(errand.status)
        said = words.told(errand)
        if case.phase is not Phase.ERRAND:
            self.say(case, CaseKind.MACHINE_ANSWERED, why, f"late: {said}")
        elif case.asking:
            if errand.status.final:
                self.tell(case, CaseKind.MACHINE_ANSWERED, why, said)
                self.answered(case, ANSWERS.get(errand.status, "none"), {**errand.result, "code": errand.code}, why)
        else:
            self._done_elsewhere(case, errand, said, why)

    def _done_elsewhere(self, case: Case, errand: Errand, said: str, why: Why) -> None:
        step = self.step_of(case)
        if errand.status is ReplyStatus.ACCEPTED:
            case.attempts += 1
            case.tries += 1
            case.remedy, case.acted_at = errand.remedy, why.at
            self.tell(case, CaseKind.ACTION_REQUESTED, why, said)
        elif errand.code == REFUSED and step is not None:
            self.tell(case, CaseKind.MACHINE_ANSWERED, why, said)
            self.learn(case, f"{case.helper} would not: {errand.detail}")
            case.timers.clear()
            self.go_on(case, why)  # the next machine, if it still may be done
        elif errand.status is ReplyStatus.SUCCEEDED:
            self.tell(case, CaseKind.ACTION_ANSWERED, why, said)
            case.timers.clear()
            if self.busy:  # the device itself is at something: that one is believed first
                self.failed(case, why, f"{self.tried(case, why)}, while something else was done to it")
            else:
                self.prove(case, why)
        elif errand.status is not None and errand.status.final:
            self.tell(case, CaseKind.ACTION_ANSWERED, why, said)
            self.failed(case, why, f"{self.tried(case, why)}; it answered: {said}")

    def errand_overdue(self, case: Case, why: Why) -> None:
        """The other machine should have answered by now."""
        self.tell(case, CaseKind.MACHINE_ANSWERED, why, f"{case.helper} did not answer")
        if case.asking:
            self.answered(case, "none", {}, why)
        else:
            self.failed(case, why, f"{case.helper} did not answer")

    def take_back(self, case: Case, why: Why) -> None:
        """The case does not want it any more."""
        errand = Errand(
            id=ids.errand_id(case.action, ErrandState.RECALLED), tenant=self.tenant, device=self.device, state=ErrandState.RECALLED,
            helper=case.helper, case=case.id, action=case.action, name=case.plan, at=why.at, not_after=why.at,
        )  # fmt: skip
        self._tell_errand(errand)

    # ------------------------------------------------------------------------------------ for the other machine

    def _take_on(self, errand: Errand, why: Why) -> None:
        if errand.action in self.state.jobs_known:
            return
        self._know(errand)
        refusal = self._refusal(errand, errand.at) if errand.remedy else ""
        if len(self.state.jobs) >= MOST_JOBS or self.now > errand.not_after:
            refusal = "its time is up" if self.now > errand.not_after else "too many ask for it at once"
        if refusal:
            self._reply_to(errand, ReplyStatus.REJECTED, why, code=REFUSED, detail=refusal)
        else:
            self.state.jobs.append(Job(errand.action, errand.model_dump_json().encode(), why.at, errand.not_after))

    def _know(self, errand: Errand) -> None:
        # As long as its time is not up it may be told again; then it would be refused anyway.
        known = self.state.jobs_known
        for action in [action for action, until in known.items() if until < errand.at]:
            del known[action]
        known[errand.action] = errand.not_after

    def _refusal(self, errand: Errand, at: Micros) -> str:
        device, remedy = self._registry.device(self.key), self._policy.remedies.get(errand.remedy)
        if device is None or remedy is None:
            return "it is not known" if device is None else f"there is no remedy {errand.remedy}"
        agreed = remote_repair(self._registry, self.key, at)
        unasked = agreed is False or (device.customer and agreed is None)
        against = (
            (not fits(remedy.models, device.model), f"it may not be done to a {words.spoken(device.model) or 'machine of unknown model'}"),
            (remedy.consent and unasked, "its owner has not agreed to it"),
            (not self.may_be_done_to(device, errand.remedy, at), "people act on it, not machines"),
            (self.opens(remedy, at) != at, "it may not be done at this hour"),
            (any(case.phase not in {Phase.RESOLVED, Phase.OVER} for case in self.state.cases), "it has a fault of its own"),
            (self.too_often(remedy, at), f"something was done to it {remedy.limits.per_device} times in 24 hours"),
            (remedy.dry_run, "in a dry run nothing is done"),
        )
        return next((reason for holds, reason in against if holds), "")

    def begin_job(self, job: Job, why: Why) -> None:
        """Ask a permit for it, or ask the machine; with a permit refused or time up it is over."""
        errand = Errand.model_validate_json(job.errand)
        remedy = self._policy.remedies.get(errand.remedy)
        at = max(why.at, errand.at)
        refusal = "its time is up" if at > job.not_after else self._refusal(errand, at) if errand.remedy else ""
        if refusal:
            self.state.jobs.remove(job)
            self._reply_to(errand, ReplyStatus.REJECTED, why, code=REFUSED, detail=refusal)
        elif remedy is not None:
            remember(self.state.actions, job.action)
            self.ask_permit(job.action, errand.case, errand.remedy, at, max(1, job.not_after - at))
        else:
            action = Action(
                id=job.action, tenant=self.tenant, device=self.device, case=errand.case, remedy=errand.name, step=errand.step,
                attempt=errand.attempt, name=errand.name, params=errand.params, at=at, not_before=at, not_after=job.not_after, counter=at,
                policy=errand.policy,
            )  # fmt: skip
            self.launch(action, GRACE // 2)

    def job_permitted(self, permit: Permit, why: Why) -> None:
        """Tell the machine, or say why not."""
        job = self._job(permit.action)
        if job is None:
            return
        errand = Errand.model_validate_json(job.errand)
        remedy = self._policy.remedies.get(errand.remedy)
        if permit.state is not PermitState.GRANTED or remedy is None or job.recalled:
            self.state.jobs.remove(job)
            self._reply_to(errand, ReplyStatus.REJECTED, why, code=REFUSED, detail=permit.reason or "no permit")
            return
        device = self._registry.device(self.key)
        consent = "needs none" if not remedy.consent else "the registry" if device is not None and device.customer else "the operator's own"
        told = remedy.model_copy(update={"params": errand.params, "grace": remedy.grace // 2})
        self.put(permit, told, errand.step, errand.attempt, why, policy=errand.policy, consent=consent)
        self._reply_to(errand, ReplyStatus.ACCEPTED, why, detail=f"permit {permit.id}; consent: {consent}")

    def job_answered(self, reply: Reply, why: Why) -> None:
        """Hand on what the machine said at last."""
        job = self._job(reply.action)
        if job is not None and reply.status.final:
            self.state.jobs.remove(job)
            errand = Errand.model_validate_json(job.errand)
            self._reply_to(errand, reply.status, why, code=reply.code, detail=reply.detail, result=reply.result)

    def job_timed_out(self, action: str, why: Why) -> None:
        """It said nothing."""
        job = self._job(action)
        if job is not None:
            self.state.jobs.remove(job)
            self._reply_to(Errand.model_validate_json(job.errand), ReplyStatus.TIMED_OUT, why, detail="it did not answer")

    def jobs_due(self) -> list[tuple[Micros, str]]:
        """When jobs that wait are given up, with their action."""
        flight = self.state.flight.action if self.state.flight is not None else ""
        return [(job.not_after, job.action) for job in self.state.jobs if job.action not in {flight, self.state.asked}]

    def job_overdue(self, action: str, at: Micros) -> None:
        """The machine was never free."""
        job = self._job(action)
        if job is not None:
            self.state.jobs.remove(job)
            errand = Errand.model_validate_json(job.errand)
            self._reply_to(errand, ReplyStatus.EXPIRED, Why(errand.id, at), code=REFUSED, detail="it was busy all the time")

    def _give_up(self, errand: Errand, why: Why) -> None:
        job, flight = self._job(errand.action), self.state.flight
        if job is None:
            self.state.jobs_known[errand.action] = errand.at + DAY  # it may come yet, and is not wanted then
        elif flight is not None and flight.action == job.action:
            self.recall(job.action, errand.case, why)
        elif self.state.asked == job.action:
            job.recalled = True
        else:
            self.state.jobs.remove(job)
            self._reply_to(Errand.model_validate_json(job.errand), ReplyStatus.CANCELLED, why, code=REFUSED, detail="it was taken back")

    def _job(self, action: str) -> Job | None:
        return next((job for job in self.state.jobs if job.action == action), None)

    def _reply_to(
        self, errand: Errand, status: ReplyStatus, why: Why, *, code: str = "", detail: str = "", result: Mapping[str, Scalar] | None = None
    ) -> None:
        answer = errand.model_copy(
            update={
                "id": ids.errand_id(errand.action, f"{ErrandState.ANSWERED}:{status}"), "state": ErrandState.ANSWERED, "status": status,
                "at": why.at, "code": code, "detail": detail, "result": dict(result or {}),
            }
        )  # fmt: skip
        self._tell_errand(answer)

    def _tell_errand(self, errand: Errand) -> None:
        self.out.append(Out(topics.ERRANDS, errand))
