"""How topics interleave changes nothing: the same records in every order a log allows make the same facts, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streams.cases.processor import Cases
from streams.hosts.merge import Due, Merge
from streams.hosts.registry import Tables
from tests.unit.streams.cases.ward import ASKS, CUSTOMER, DEVICES, POLICY, Ward, clock, written
from vorab import topics
from vorab.clock import Micros
from vorab.processor import Input
from vorab.records import CommandKind, Permit, PermitState, Record, ReplyStatus

Read = tuple[str, Record]


class Recording(Ward):
    """A ward that writes down what it was told, by topic."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Read] = []

    def step(self, topic: str, record: Record, processor: str = "cases") -> None:
        """Write it down and go on."""
        if processor == "cases":
            self.told.append((topic, record))
        super().step(topic, record, processor)


def night() -> Recording:
    """A customer says yes, a machine is restarted and proven: two symptoms, two replies, a permit, a command."""
    ward = Recording()
    symptom = ward.raised("02:00", device=ASKS)
    ward.asked("02:03", CommandKind.CONSENT, device=ASKS)
    ward.now = clock("02:03")
    ward.replied("02:04", ReplyStatus.ACCEPTED)
    ward.replied("02:07", ReplyStatus.SUCCEEDED)
    ward.cleared("02:09", symptom)
    ward.tick("04:00")
    return ward


def orders(lanes: Sequence[Sequence[Read]]) -> Iterator[list[Read]]:
    """Every interleaving that keeps the order within a topic."""
    if not any(lanes):
        yield []
    for place, lane in enumerate(lanes):
        if lane:
            rest = [other[1:] if at == place else other for at, other in enumerate(lanes)]
            for following in orders(rest):
                yield [lane[0], *following]


def replay(order: Sequence[Read], until: Micros, *, live: bool) -> list[Record]:
    """What cases make of it, merged as a host merges; `live` takes records of inputs that do not gate whenever they come."""
    cases = Cases(written(POLICY), Tables(DEVICES, [CUSTOMER]))
    merge: Merge[Record] = Merge(Cases.inputs)
    gating = [each.topic for each in Cases.inputs if each.gating]
    left = sum(topic in gating for topic, _ in order)
    out: list[Record] = []

    def drain() -> None:
        for each in merge.drain(lambda: live or left == 0):
            found = cases.due(each.now) if isinstance(each, Due) else cases.step(each.topic, each.offset, each.payload, each.now)
            out.extend(found_out.record for found_out in found if found_out.topic in {topics.CASES, topics.ACTIONS})

    for offset, (topic, record) in enumerate(order):
        left -= topic in gating
        merge.push(topic, offset, record.time, record)
        drain()
    for topic in gating:
        merge.push(topic, len(order), until, None)
    drain()
    return out


def test_every_interleaving_of_a_replayed_night_tells_the_same_story() -> None:
    """Six records of four topics, in all 60 orders in which the machine answers after the yes: same events and actions, ids and bodies."""
    ward = night()
    lanes = [[read for read in ward.told if read[0] == each.topic] for each in Cases.inputs]
    story = [out.record for out in ward.out if out.topic in {topics.CASES, topics.ACTIONS}]
    assert [len(lane) for lane in lanes] == [2, 2, 1, 1, 0]
    causal = [order for order in orders(lanes) if order.index(lanes[3][0]) < order.index(lanes[1][0])]
    assert len(causal) == 60
    assert all(replay(order, clock("04:00"), live=False) == story for order in causal)


def test_a_permit_may_come_whenever_it_likes() -> None:
    """Also before its question and after everything else, while nobody waits for it."""
    ward = Recording()
    symptom = ward.raised("02:00")
    ward.replied("02:04", ReplyStatus.SUCCEEDED)
    ward.cleared("02:09", symptom)
    ward.tick("04:00")
    lanes = [[read for read in ward.told if read[0] == each.topic] for each in Cases.inputs]
    story = [out.record for out in ward.out if out.topic in {topics.CASES, topics.ACTIONS}]
    assert all(replay(order, clock("04:00"), live=True) == story for order in orders(lanes))


def test_a_merge_that_lets_replies_overtake_is_noticed() -> None:
    """The known-bad variant: were replies not waited for, some order would tell another story."""
    ward = night()
    lanes = [[read for read in ward.told if read[0] == each.topic] for each in Cases.inputs]
    story = [out.record for out in ward.out if out.topic in {topics.CASES, topics.ACTIONS}]
    honest = Cases.inputs
    try:
        Cases.inputs = tuple(Input(each.topic, gating=each.topic == topics.SYMPTOMS) for each in honest)
        assert any(replay(order, clock("04:00"), live=True) != story for order in orders(lanes))
    finally:
        Cases.inputs = honest


def test_the_night_is_the_one_it_says_it_is() -> None:
    """A yes, a permit, a restart, a proof: else the tests above compare nothing with nothing."""
    ward = night()
    assert ward.last.healed
    assert [record.state for _, record in ward.told if isinstance(record, Permit)] == [PermitState.GRANTED]
