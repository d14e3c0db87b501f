"""The cases of one device: what happens to them when something is found, answered, permitted, asked for, or due.

Pure: it is told things in the order of merged time and answers with records. While a permit is out, all that comes later is held and
taken up when the answer is there, as if that had come at once; so it does not matter how long an answer is on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streams.cases import proof
from streams.cases.facts import Why
from streams.cases.people import People
from streams.cases.policy import OBSERVE
from streams.cases.state import Case, Held, Phase, Seen, Timer, remember
from streams.cases.table import NEW, TRANSITIONS
from streams.cases.words import span
from vorab import ids, topics
from vorab.clock import DAY, Micros
from vorab.errors import Rejected
from vorab.processor import Out
from vorab.records import CaseKind, Command, Errand, Record, Rejection, Reply, Symptom, SymptomState, family_of, type_of


class DeviceCases(People):
    """Everything that happens to the cases of a device."""

    def take(self, record: Symptom | Reply | Command | Errand) -> None:
        """Take a record, or hold it while a permit is out.

        Raises:
            Rejected: a command about a case that is not there.
        """
        if self.state.asked:
            self.state.held.append(Held(type_of(record), record.model_dump_json().encode(), self.now))
        else:
            self._take(record)

    def _take(self, record: Record) -> None:
        match record:
            case Symptom():
                self._symptom(record)
            case Reply():
                self.reply(record)
            case Command():
                self.command(record)
            case Errand():
                self.errand(record)

    def catch_up(self, now: Micros) -> None:
        """Take what was held, and fire what has become due until `now` (merged time) meanwhile."""
        while self.state.held and not self.state.asked:
            self._run(self.state.held[0].now)
            if not self.state.asked:
                held = self.state.held.pop(0)
                self.now = held.now
                record = family_of(held.type).model_validate_json(held.body)
                try:
                    self._take(record)
                except Rejected as error:
                    self._refuse(record, error)
        if not self.state.asked:
            self._run(now)

    def _refuse(self, record: Record, error: Rejected) -> None:
        # Its host has long gone on, so it cannot be told to.
        name = ids.rejection_id(topics.COMMANDS, 0, 0, record.id)
        source, at = topics.COMMANDS, record.time
        rejection = Rejection(id=name, source=source, reason=error.reason, detail=error.detail, device=self.key, at=at, origin_topic=source)
        self.out.append(Out(topics.REJECTED, rejection))

    def _run(self, until: Micros) -> None:
        while (deadline := self.deadline) is not None and deadline < until:
            self.now = deadline
            self.fire()

    # ------------------------------------------------------------------------------------------- symptoms

    def _symptom(self, symptom: Symptom) -> None:
        why = Why(symptom.id, symptom.time)
        if symptom.detector == proof.SILENCE:
            self._hear(symptom)
        match symptom.state:
            case SymptomState.RAISED:
                self._raised(symptom, why)
            case SymptomState.UPDATED:
                self._updated(symptom, why)
            case SymptomState.CLEARED:
                self._cleared(symptom, why)
            case SymptomState.CONFIRMED:
                self._confirmed(symptom, why)
        self.start(why)

    def _hear(self, symptom: Symptom) -> None:
        silent = self.state.silent
        if symptom.state is SymptomState.RAISED and symptom.id not in silent:
            silent.append(symptom.id)
        elif symptom.state is SymptomState.CLEARED and symptom.id in silent:
            silent.remove(symptom.id)
            self.state.spoke_at = max(self.state.spoke_at, symptom.time)
        for case in self.state.cases:
            if case.cause != symptom.cause:
                self.watch(case, symptom.time)

    def _raised(self, symptom: Symptom, why: Why) -> None:
        if any(case.seen(symptom.id) for case in self.state.cases):
            return
        case = next((case for case in self.state.cases if case.cause == symptom.cause and case.phase is not Phase.OVER), None)
        if case is None:
            self._open(symptom, why)
            return
        was_clear = case.clear_at is not None
        proof.add(case, _seen(symptom))
        self.weigh(case)
        if case.phase is Phase.RESOLVED:
            case.done_at = None
            case.care.approvals.clear()
            case.timers.clear()
            self.tell(case, CaseKind.RELAPSED, why, symptom.explanation)
            if case.attempts:
                self.learn(case, self.tried(case, why) + "; it ran normally for a while, and now it is back")
            self.plan(case, why)
        elif case.phase is Phase.PROVING and was_clear:
            self.tell(case, CaseKind.DISPROVED, why, "it said done, and the symptom came back")
            self.failed(case, why, self.tried(case, why) + "; it said it was done, and the symptom came back")
        else:
            self.tell(case, CaseKind.SYMPTOM_ADDED, why, symptom.explanation)
            self._reconsider(case, why)

    def _open(self, symptom: Symptom, why: Why) -> None:
        onset, known = symptom.onset, {case.id for case in self.state.cases}
        while (name := ids.case_id(self.key, symptom.cause, onset)) in known:
            onset += 1  # the onset of a case that is over
        case = Case(
            id=name, cause=symptom.cause, status=TRANSITIONS[NEW, CaseKind.OPENED], phase=Phase.QUEUED, severity=symptom.severity,
            opened_at=why.at, last_at=why.at, symptoms=[_seen(symptom)],
        )  # fmt: skip
        device = self._registry.device(self.key)
        if device is not None:
            case.customer, case.site, case.model, case.name = device.customer, device.site, device.model, device.name
        self.state.cases.append(case)
        remember(self.state.opened, why.at)
        self.weigh(case)
        case.policy = self.line(case).line
        verdict = self.judge(case, why.at)
        self.tell(case, CaseKind.OPENED, why, symptom.explanation)
        self.propose(case, verdict, why)
        self.plan(case, why)

    def _updated(self, symptom: Symptom, why: Why) -> None:
        case, seen = self._find(symptom)
        if case is None or seen is None or case.phase is Phase.RESOLVED:
            return
        before = case.severity
        case.symptoms[case.symptoms.index(seen)] = _seen(symptom)
        self.weigh(case)
        if case.severity.rank < before.rank:
            why = why._replace(mark=f"{symptom.id}:{symptom.severity}")
            self.tell(case, CaseKind.SYMPTOM_ADDED, why, f"now {case.severity}: {symptom.explanation}")
            self._reconsider(case, why)

    def _cleared(self, symptom: Symptom, why: Why) -> None:
        case, seen = self._find(symptom)
        if case is None or seen is None:
            return
        seen.open, seen.proven, seen.cleared_at = False, symptom.proven, why.at
        seen.unread = not symptom.followed
        proof.forget(seen)
        if not any(seen.open for seen in case.symptoms):
            case.clear_at = why.at
        else:
            self.weigh(case)
        self.tell(case, CaseKind.SYMPTOM_CLEARED, why, symptom.explanation)
        self.watch(case, why.at)
        if case.phase is Phase.RESOLVED and case.clear_at is not None:
            case.timers.setdefault(Timer.CLOSE, why.at + self.line(case).close)

    def _confirmed(self, symptom: Symptom, why: Why) -> None:
        for case in self.state.cases:
            asked = case.phase is not Phase.OVER and self.line(case).readings > 0
            # What a device hands in late tells of several moments at once: after that at which it is well, nothing is left to show.
            shown = case.timers.get(Timer.STAYS, symptom.time) < symptom.time
            if asked and not shown and case.seen(symptom.confirms) is not None:
                proof.confirm(self.state, case, symptom)
                self.watch(case, why.at)

    def _find(self, symptom: Symptom) -> tuple[Case | None, Seen | None]:
        for case in self.state.cases:
            seen = case.seen(symptom.id)
            if seen is not None and seen.open and case.phase is not Phase.OVER:
                return case, seen
        return None, None

    def _reconsider(self, case: Case, why: Why) -> None:
        if case.phase is Phase.OBSERVING and self.line(case).do != OBSERVE:
            self.plan(case, why)

    # ------------------------------------------------------------------------------------------- deadlines

    @property
    def deadline(self) -> Micros | None:
        """When something is due next; None while a permit is out, or where nothing is."""
        if self.state.asked:
            return None
        return min((at for at, *_ in self._deadlines()), default=None)

    def fire(self) -> None:
        """Do what is due next."""
        at, _, name, timer = min(self._deadlines())
        if timer == "flight":
            self.land(at)
        elif timer == "early":
            del self.state.early[name]
        elif timer == "job":
            self.job_overdue(name, at)
        elif timer == "history":
            self.state.opened.clear()
            self.state.acted.clear()
            self.state.contacts.clear()
        else:
            self._fire(next(case for case in self.state.cases if case.id == name), Timer(timer), at)

    def _deadlines(self) -> list[tuple[Micros, int, str, str]]:
        # At the same moment: first what proves, then what gives up, in the order of `Timer`.
        found = [(at, ORDER[timer], case.id, timer.value) for case in self.state.cases for timer, at in case.timers.items()]
        if self.state.flight is not None:
            found.append((self.state.flight.until, ORDER[Timer.WITHIN], "", "flight"))
        found += [(at, ORDER[Timer.ERRAND], action, "job") for at, action in self.jobs_due()]
        found += [(early.until, len(ORDER), action, "early") for action, early in self.state.early.items()]
        past = [*self.state.opened[-1:], *self.state.acted[-1:], *(contact.at for contact in self.state.contacts)]
        if past:
            found.append((max(past) + max(self._policy.history.window, self._care.window, DAY), len(ORDER), "", "history"))
        return found

    def _fire(self, case: Case, timer: Timer, at: Micros) -> None:
        del case.timers[timer]
        why = Why(case.id, at, f"{case.id}@{at}")
        match timer:
            case Timer.STAYS:
                self._well(case, why)
            case Timer.WITHIN:
                said = self._unproven(case)
                self.tell(case, CaseKind.DISPROVED, why, f"it said done, and {said}")
                self.failed(case, why, f"{self.tried(case, why)}; it said it was done, and {said}", shown=case.clear_at is None)
            case Timer.ERRAND:
                self.errand_overdue(case, why)
            case Timer.NEXT:
                self.plan(case, why)
            case Timer.CONSENT:
                self.hand_over(case, why, f"we asked whether we may {case.remedy} it remotely, and have no answer")
            case Timer.APPROVAL:
                self.hand_over(case, why, f"nobody has approved it within {span(self._care.approve_within)}")
            case Timer.PROMISE:
                self.promise_missed(case, why)
            case Timer.OBSERVE:
                passed = f"it has not passed by itself in {span(at - case.opened_at)}"
                self.hand_over(case, why, f"{self.all_tried(case, why)}; and nothing shows that it is well" if case.learned else passed)
            case Timer.CLOSE:
                self.tell(case, CaseKind.CLOSED, why)
                self.over(case, at)
            case Timer.FORGET:
                self.state.cases.remove(case)
        self.start(why)

    def _unproven(self, case: Case) -> str:
        if proof.silent(self.state, case):
            return "it fell silent and proved nothing"
        if case.clear_at is not None and proof.clear(case):
            return "its readings are too few or stand still, so they prove nothing"
        return "the symptom is still there"

    def _well(self, case: Case, why: Why) -> None:
        case.healed = case.phase is Phase.PROVING
        case.timers.clear()
        if case.call_wished:
            self.hand_over(case, why, "it runs normally again, and a call is wished")
            return
        line = self.line(case)
        length = f"{span(line.stays)} of normal readings"
        where = f" on {case.helper}" if case.helper and case.healed else ""
        case.phase = Phase.RESOLVED
        case.timers[Timer.CLOSE] = why.at + line.close
        by_itself = "recovered by itself" if not case.attempts else f"recovered, although {case.remedy} was not proven"
        self.tell(case, CaseKind.RESOLVED, why, f"healed by {case.remedy}{where}: {length}" if case.healed else f"{by_itself}: {length}")


ORDER: Final[Mapping[Timer, int]] = {timer: place for place, timer in enumerate(Timer)}


def _seen(symptom: Symptom) -> Seen:
    return Seen(
        id=symptom.id, open=True, severity=symptom.severity, detector=symptom.detector, signal=symptom.signal, unit=symptom.unit,
        value=symptom.value, limit=symptom.limit, onset=symptom.onset, explanation=symptom.explanation,
    )  # fmt: skip
