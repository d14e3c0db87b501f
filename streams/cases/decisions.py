"""Deciding about the cases of one device: by policy, step by step, with consent; and believing only telemetry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

from streams.care.decision import Verdict
from streams.care.policy import Bot, Care
from streams.cases import proof, words
from streams.cases.caring import Caring
from streams.cases.facts import Why
from streams.cases.playbook import SELF, Step, place_of
from streams.cases.policy import HAND_OVER, OBSERVE, Line, Policy, Remedy, fits
from streams.cases.state import Case, DeviceState, Phase, Timer
from vorab.clock import DAY, Micros
from vorab.processor import Registry, remote_repair
from vorab.records import CaseKind, Scalar

LEFT_ALONE: Final = "we have not touched it from afar"
NOT_WISHED: Final = "remote repair is not wished, so somebody has to look at it"

WORKING = frozenset({Phase.PERMIT, Phase.ACTING, Phase.PROVING})
"""Phases in which a case has its device for itself."""

MOST_STEPS: Final = 24
"""Steps taken for one case; a playbook that leads in circles ends with a person."""
LEARNED: Final = 8
"""Sentences that are kept for the person who takes over."""


class Decisions(Caring, ABC):
    """What is done about the cases of a device."""

    def __init__(self, key: str, state: DeviceState, policy: Policy, registry: Registry, care: Care | None = None) -> None:
        super().__init__(key, state, policy, registry, care)
        self.now: Micros = 0
        """Merged time; only looked at to see that a decision is too old to be sent to a device as it is."""

    @abstractmethod
    def send(self, case: Case, step: Step, why: Why) -> None:
        """Take a step on another machine."""

    # ---------------------------------------------------------------------------------------------- policy

    def plan(self, case: Case, why: Why) -> None:
        """What to do next, by policy."""
        line = self.line(case)
        case.policy = line.line
        case.timers.clear()
        verdict = self.judge(case, why.at)
        if verdict.bot is Bot.MUST_NOT:
            self.hand_over(case, why, self.all_tried(case, why) if case.attempts else LEFT_ALONE)
        elif line.do == OBSERVE:
            case.phase = Phase.OBSERVING
            if line.observe is not None:
                case.timers[Timer.OBSERVE] = why.at + line.observe
            self.watch(case, why.at)
        elif line.do == HAND_OVER or not self._policy.steps(line):
            self.hand_over(case, why, "nothing can be done about it from afar")
        else:
            self._follow(case, line, why)

    def _follow(self, case: Case, line: Line, why: Why) -> None:
        if case.plan != line.do:
            case.plan, case.step, case.tries, case.helpers, case.helper = line.do, 0, 0, [], ""
        if why.at < case.opened_at + line.settle:
            case.phase = Phase.WAITING
            case.timers[Timer.NEXT] = case.opened_at + line.settle
            self.watch(case, why.at)
        else:
            self.go_on(case, why)

    # ----------------------------------------------------------------------------------------------- steps

    def step_of(self, case: Case) -> Step | None:
        """The step a case is at; None where its playbook has no such step any more."""
        steps = self._policy.steps(self.line(case))
        return steps[case.step] if case.step < len(steps) else None

    def remedy_of(self, case: Case) -> Remedy | None:
        """The remedy of the step a case is at."""
        step = self.step_of(case)
        return self._policy.remedies.get(step.do) if step is not None else None

    def go_on(self, case: Case, why: Why, *, shown: bool = True) -> None:
        """Take the next step; after the last one a person does.

        What is clear meanwhile is left alone and watched, unless it is known already that nothing shows it (`shown`).
        """
        line = self.line(case)
        if case.plan != line.do:
            self.plan(case, why)  # it is about something else by now
            return
        if case.clear_at is not None and shown:
            case.phase = Phase.OBSERVING
            case.timers[Timer.OBSERVE] = why.at + line.within + line.stays  # what shows nothing by then is for a person
            self.watch(case, why.at)
            return
        while (step := self.step_of(case)) is not None and case.hops < MOST_STEPS:
            if not step.do or case.tries < step.attempts:
                self._take_step(case, step, why)
                return
            self.move(case, case.step + 1)
        self.hand_over(case, why, self.all_tried(case, why))

    @staticmethod
    def move(case: Case, step: int) -> None:
        """Be at another step."""
        case.hops += 1
        case.step, case.tries, case.helpers, case.helper = step, 0, [], ""

    def _take_step(self, case: Case, step: Step, why: Why) -> None:
        remedy = self._policy.remedies.get(step.do)
        case.asking = bool(step.ask)
        if step.hand_over:
            self.learn(case, step.hand_over)
            self.hand_over(case, why, self.all_tried(case, why))
        elif step.wait is not None:
            self.move(case, case.step + 1)
            case.phase = Phase.WAITING
            case.timers[Timer.NEXT] = why.at + step.wait
            self.watch(case, why.at)
        elif remedy is not None and not self.allowed(case, verdict := self.judge(case, why.at)):
            self._ask_people(case, verdict, remedy, why)
        elif step.of != SELF:
            self.send(case, step, why)
        elif remedy is None:
            case.phase, case.queued_at = Phase.QUEUED, why.at  # it is asked something, which needs nobody's consent
            self.watch(case, why.at)
        elif not fits(remedy.models, case.model):
            self.hand_over(case, why, f"it may not be done to a {words.spoken(case.model) or 'machine of unknown model'}")
        elif self.too_often(remedy, why.at):
            self.hand_over(case, why, f"something was done to it {remedy.limits.per_device} times in 24 hours, and that is enough")
        else:
            self._seek_consent(case, step.do, remedy, why)

    def _ask_people(self, case: Case, verdict: Verdict, remedy: Remedy, why: Why) -> None:
        if verdict.bot is Bot.MUST_NOT:
            self.hand_over(case, why, self.all_tried(case, why) if case.learned else LEFT_ALONE)
            return
        self.ask_approval(case, verdict, why, remedy.command)
        self.watch(case, why.at)

    def _seek_consent(self, case: Case, name: str, remedy: Remedy, why: Why) -> None:
        consent = self.consent(case, remedy)
        if consent:
            case.phase, case.queued_at = Phase.QUEUED, why.at
            self.watch(case, why.at)
        elif consent is None and case.customer:
            case.phase, case.remedy = Phase.CONSENT, name
            case.timers[Timer.CONSENT] = why.at + self.line(case).consent_wait
            self.tell(case, CaseKind.CONSENT_ASKED, why, f"May we {remedy.command} it remotely?")
            self.watch(case, why.at)
        else:
            self.hand_over(case, why, "remote repair is not agreed, so somebody has to look at it")

    def consent(self, case: Case, remedy: Remedy) -> bool | None:
        """Whether a remedy may be done to the device; None where nobody was asked."""
        if not remedy.consent:
            return True
        if case.consented is not None:
            return case.consented
        return remote_repair(self._registry, self.key, case.last_at)

    def needs_consent(self, case: Case) -> bool:
        """Whether the customer must have agreed to what is done about a case."""
        remedy = self._policy.remedies.get(case.remedy)
        return not case.asking and remedy is not None and remedy.consent

    # ----------------------------------------------------------------------------------------- what became of it

    def answered(self, case: Case, answer: str, result: Mapping[str, Scalar], why: Why) -> None:
        """A machine has answered a question, or has not: go where that leads."""
        step = self.step_of(case) if case.plan == self.line(case).do else None
        branch = step.lead(answer, result) if step is not None else None
        case.timers.clear()
        if branch is not None and branch.says:
            self.learn(case, branch.says)
            self.tell(case, CaseKind.CONCLUDED, why._replace(mark=f"{why.mark or why.because}:{case.hops}"), branch.says)
        steps = self._policy.steps(self.line(case))
        self.move(case, place_of(steps, case.step, branch.go) if branch is not None else case.step + 1)
        self.go_on(case, why)

    def failed(self, case: Case, why: Why, tried: str, *, shown: bool = True) -> None:
        """An attempt came to nothing: another one, the next step, or a person.

        If it is clear all the same it is watched, unless it is known already that nothing shows it (`shown`).
        """
        line, step = self.line(case), self.step_of(case)
        case.done_at = None
        case.timers.clear()
        self.learn(case, tried)
        if step is not None and case.tries < step.attempts and case.plan == line.do:
            case.helpers.clear()  # whoever was told once may be told again
            case.phase = Phase.WAITING
            case.timers[Timer.NEXT] = why.at + line.wait
            self.watch(case, why.at)
        else:
            self.move(case, case.step + 1)
            self.go_on(case, why, shown=shown)

    @staticmethod
    def learn(case: Case, said: str) -> None:
        """Keep a sentence for the person who takes over."""
        if said not in case.learned:
            case.learned.append(said)
            del case.learned[:-LEARNED]

    def tried(self, case: Case, why: Why) -> str:
        """What was done, and when: `we restarted it at 02:14`."""
        remedy = self._policy.remedies.get(case.remedy)
        said = (remedy.said or f"told it to {remedy.command}") if remedy else f"tried {case.remedy}"
        if case.helper:
            said = f"did {words.spoken(case.remedy)} on {case.helper}"
        return f"we {said}" + (f" at {words.clock_time(case.acted_at, self.zone(case), why.at)}" if case.acted_at is not None else "")

    def all_tried(self, case: Case, why: Why) -> str:
        """Everything that was learned, in one sentence."""
        return "; ".join(case.learned) or (self.tried(case, why) if case.attempts else "nothing can be done about it from afar")

    def hand_over(self, case: Case, why: Why, tried: str) -> None:
        """A person has to look; the detail is what that person can say first."""
        case.phase = Phase.PERSON
        case.timers.clear()
        self.queue(case, why.at)
        says = self._policy.says.get(case.cause, "")
        detail = words.first_sentence(case, device=self.device, says=says, zone=self.zone(case), at=why.at, tried=tried)
        self.tell(case, CaseKind.HANDED_OVER, why, detail)
        self.watch(case, why.at)

    def watch(self, case: Case, at: Micros) -> None:
        """Set the deadlines of its proof anew."""
        proof.watch(self.state, case, self.line(case), at)

    def too_often(self, remedy: Remedy, at: Micros) -> bool:
        """Whether as much was done to the device in the last day as may be."""
        return sum(at - DAY < done <= at for done in self.state.acted) >= remedy.limits.per_device
