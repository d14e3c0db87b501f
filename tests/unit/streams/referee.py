"""A referee for cases: knows the rules of the game, not how it is played, and cries out when one is broken."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from streams.cases.actions import GRACE
from tests.unit.streams.cases.ward import Ward
from vorab import topics
from vorab.clock import Micros
from vorab.processor import Out
from vorab.records import Action, CaseEvent, CaseKind, Device, Permit, PermitState, Reply, ReplyStatus, Status, Symptom, SymptomState

QUESTIONS = {"self_test"}
"""Commands that change nothing."""
GOODWILL = {kind for kind in CaseKind if kind.startswith("goodwill")}
ENDED = {Status.CLOSED, Status.CANCELLED, Status.REJECTED}


@dataclass
class Referee:
    """Watches one ward; `stays` and `grace` (µs) are the policy's."""

    ward: Ward
    stays: Micros
    grace: Micros
    devices: dict[str, Device] = field(default_factory=dict)
    live: dict[tuple[str, str], str] = field(default_factory=dict)
    """(device, cause) → its one case that is not over."""
    said: dict[str, bool] = field(default_factory=dict)
    """Case → what its customer said about remote repair."""
    granted: set[str] = field(default_factory=set)
    last_action: dict[str, Action] = field(default_factory=dict)
    ended: dict[str, Micros] = field(default_factory=dict)
    """Action → when its device gave a final answer."""
    succeeded: dict[str, Micros] = field(default_factory=dict)
    raised: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """(device, cause) → symptoms that are raised."""
    clear_since: dict[tuple[str, str], Micros] = field(default_factory=dict)
    unproven: set[tuple[str, str]] = field(default_factory=set)
    silent: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    heard_since: dict[str, Micros] = field(default_factory=dict)
    confirmed: dict[str, list[Symptom]] = field(default_factory=lambda: defaultdict(list))
    """Symptom → what was confirmed since it cleared last."""
    cleared: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    readings: int = 0
    """How many have to show that a machine is well."""
    ids: set[str] = field(default_factory=set)
    seen: int = 0
    approvals: int = 0
    """So many people must have approved an action."""
    approved: dict[str, set[str]] = field(default_factory=dict)
    """Case → who has approved, as they said themselves."""

    def hears(self, record: Symptom | Reply) -> None:
        """What the ward is about to be told."""
        if isinstance(record, Reply):
            if record.status.final:
                self.ended.setdefault(record.action, record.at)
            if record.status is ReplyStatus.SUCCEEDED:
                self.succeeded.setdefault(record.action, record.at)
            return
        what = (record.key, record.cause)
        if record.state is SymptomState.CONFIRMED:
            self.confirmed[record.confirms].append(record)
        elif record.state is SymptomState.RAISED:
            self.raised[what].add(record.id)
            self.cleared[what].clear()
            self.unproven.discard(what)
            if record.detector == "silence":
                self.silent[record.key].add(record.id)
        elif record.state is SymptomState.CLEARED:
            self.raised[what].discard(record.id)
            self.cleared[what].add(record.id)
            self.confirmed[record.id].clear()
            self.clear_since[what] = record.time
            if not record.proven:
                self.unproven.add(what)
            if record.detector == "silence":
                self.silent[record.key].discard(record.id)
                self.heard_since[record.key] = record.time

    def judges(self) -> None:
        """Everything the ward has answered since the last time."""
        fresh, self.seen = self.ward.out[self.seen :], len(self.ward.out)
        for out in fresh:
            self._judge(out)

    def _judge(self, out: Out) -> None:
        match out.record:
            case Permit() if out.record.state is PermitState.GRANTED:
                self.granted.add(out.record.action)
            case Action():
                self._action(out.record)
            case CaseEvent() if out.topic == topics.CASES:
                self._event(out.record)

    def _event(self, event: CaseEvent) -> None:
        assert event.id not in self.ids, "a fact was told twice"
        self.ids.add(event.id)
        what = (event.key, event.cause)
        if event.kind is CaseKind.OPENED:
            assert what not in self.live, "a second open case of the same cause"
            self.live[what] = event.case
        assert self.live.get(what, event.case) == event.case or event.kind in {
            CaseKind.NOTED, CaseKind.CALL_WISHED, CaseKind.FALSE_ALARM, *GOODWILL,
        }, "something happened to a case that is over"  # fmt: skip
        if event.status in ENDED and self.live.get(what) == event.case:
            del self.live[what]
        if event.kind is CaseKind.CONSENT_GIVEN:
            self.said[event.case] = True
        elif event.kind is CaseKind.CONSENT_REFUSED:
            self.said[event.case] = False
        elif event.kind is CaseKind.RESOLVED and event.healed:
            self._healed(event)

    def _action(self, action: Action) -> None:
        if action.name not in QUESTIONS:
            assert action.id in self.granted, "an action without a permit"
            consent = self.said.get(action.case, self.devices[action.key].remote_repair)
            assert consent is True, "an action without consent"
            assert len(self.approved.get(action.case, ())) >= self.approvals, "an action without two approvals"
        before = self.last_action.get(action.key)
        if before is not None:
            grace = GRACE if before.name in QUESTIONS else self.grace
            over = before.id in self.ended or action.at >= before.not_after + grace
            assert over, "two actions in flight on one device"
        self.last_action[action.key] = action

    def _healed(self, event: CaseEvent) -> None:
        what = (event.key, event.cause)
        assert event.action in self.succeeded, "healed without a word of the device"
        assert not self.raised[what], "healed although the symptom is there"
        assert what not in self.unproven, "healed by a rule that got used to it"
        assert not self.silent[event.key], "healed in silence"
        since = max(self.clear_since[what], self.succeeded[event.action], self.heard_since.get(event.key, 0))
        assert event.at - since >= self.stays, "healed too early"
        for symptom in self.cleared[what] if self.readings else ():
            newer = [each for each in self.confirmed[symptom] if each.since is not None and each.since >= since]
            assert sum(each.readings for each in newer) >= self.readings, "healed by too few readings"
            assert any(each.changes for each in newer), "healed by a value that stands still"
