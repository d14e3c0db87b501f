"""Cohorts across partitions: summaries go out, baselines come back, and who is odd is told whatever the order and the crashes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.cohorts import Cohorts
from streams.detect.processor import Detect, detect_kind
from streams.detectors.columns import Columns, Slots
from streams.detectors.peer import Peer, PeerRule
from streams.detectors.shape import Episodes
from streams.peers import Baseline, baseline_of, rank_of, sample_of
from streams.rules.ruleset import RuleSet
from tests.unit.streams.detecting import Registered, rule
from vorab.clock import MINUTE, SECOND, Micros
from vorab.errors import Rejected
from vorab.frame import Reading, decode, encode, pack
from vorab.processor import Out, Processor
from vorab.records import Cohort, CohortKind, Record, Symptom, Tick
from vorab.topics import COHORTS, READINGS, SYMPTOMS

LONG = 15 * MINUTE
T0 = 1_795_000_500 * SECOND // LONG * LONG
PARTITIONS = 3
DEVICES = [f"p{i}" for i in range(24)]


def peers(**more: Any) -> RuleSet:
    """One rule."""
    return RuleSet([rule("peer", signal="t", count=1, **more)])


class Fleet:
    """Three partitions of detect and one place for cohorts; what cohorts and detect tell each other waits for a bucket or so."""

    def __init__(self, rules: RuleSet, chance: random.Random | None = None, registry: Registered | None = None) -> None:
        self.rules, self.registry = rules, registry or Registered(**dict.fromkeys(DEVICES, "pump"))
        self.chance = chance or random.Random(0)
        self.detects = [Detect(rules, self.registry, partition=i) for i in range(PARTITIONS)]
        self.cohorts = Cohorts()
        self.state: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS + 1)]
        self.out: list[Symptom] = []
        self.log: list[Cohort] = []
        self._waiting: list[tuple[int, Cohort]] = []

    def frame(self, rows: Sequence[Reading], now: Micros) -> None:
        """Readings to the partitions of their devices, then time."""
        for partition, detect in enumerate(self.detects):
            mine = [row for row in rows if DEVICES.index(row.device.removeprefix("main/")) % PARTITIONS == partition]
            frame = decode(encode(pack(mine, now)))
            self._take([*detect.step(READINGS, 0, frame, now), *detect.due(now)])
        self.deliver()

    def deliver(self, *, whole: bool = False) -> None:
        """Some of what waits arrives, each partition's in its order; twice now and then."""
        newest = max((record.start for record in self.log), default=0)
        while self._waiting and (whole or min(record.start for _, record in self._waiting) < newest - LONG or self.chance.random() < 0.7):
            places = list({place: None for place, _ in self._waiting})
            place = self.chance.choice(places)
            entry = next(each for each in self._waiting if each[0] == place)
            self._waiting.remove(entry)
            for _ in range(self.chance.choice([1, 1, 2])):
                target: Any = self.cohorts if place < 0 else self.detects[place]
                self._take(target.step(COHORTS, 0, entry[1], 0))

    def crash(self) -> None:
        """All write what changed, die and come back."""
        old: list[Processor] = [*self.detects, self.cohorts]
        for i, processor in enumerate(old):
            self.state[i].update(processor.dirty())
        self.detects = [Detect(self.rules, self.registry, partition=i) for i in range(PARTITIONS)]
        self.cohorts = Cohorts()
        fresh: list[Processor] = [*self.detects, self.cohorts]
        for state, processor in zip(self.state, fresh, strict=True):
            processor.restore({name: block for name, block in state.items() if block})

    def _take(self, outs: Iterable[Out]) -> None:
        for out in outs:
            if isinstance(out.record, Symptom):
                assert out.topic == SYMPTOMS
                self.out.append(out.record)
                continue
            assert isinstance(out.record, Cohort)
            assert out.topic == COHORTS
            self.log.append(out.record)
            # A summary goes by its key; a baseline to the partition that asked.
            if out.record.kind is CohortKind.SUMMARY:
                assert out.partition is None
                self._waiting.append((-1, out.record))
            else:
                assert out.partition is not None
                self._waiting.append((out.partition, out.record))

    @property
    def told(self) -> list[str]:
        """Every symptom as a body, in an order that does not depend on when it was said."""
        return sorted(symptom.model_dump_json() for symptom in self.out)


def readings(buckets: int, odd: dict[str, tuple[int, int]], seed: int = 1) -> list[Reading]:
    """A reading every five minutes from all; some are fifteen higher from one bucket up to another."""
    chance = random.Random(seed)
    offset = {name: chance.gauss(0, 1) for name in DEVICES}
    out = []
    for minute in range(0, buckets * 15, 5):
        for name in DEVICES:
            first, last = odd.get(name, (buckets, buckets))
            at = T0 + minute * MINUTE
            value = 20 + offset[name] + chance.gauss(0, 0.1) + 15 * (first <= minute // 15 < last)
            out.append(Reading(f"main/{name}", at, at, 0, {"t": value}, {}, None, None))
    return out


def expected(rows: Sequence[Reading], which: PeerRule) -> list[tuple[Any, ...]]:
    """The oracle: the whole fleet in one place, bucket by bucket."""
    found: list[tuple[Any, ...]] = []
    raised: dict[str, int] = {}
    last = max(row.measured_at for row in rows) // LONG
    for bucket in range(T0 // LONG, last + 1):
        seen: dict[str, list[float]] = {}
        for row in rows:
            if row.measured_at // LONG == bucket:
                seen.setdefault(row.device, []).append(float(row.values["t"]))
        means = {name: sum(values) / len(values) for name, values in seen.items()}
        level, spread, devices = baseline_of(sample_of([rank_of(name) for name in means], list(means.values())))
        for name, mean in means.items():
            score = abs(mean - level) / spread
            if devices >= which.peers and score > which.beyond and name not in raised:
                raised[name] = bucket * LONG
                found.append(("raised", name, bucket * LONG, (bucket + 1) * LONG, None))
            elif score < which.beyond / 2 and name in raised:
                found.append(("cleared", name, raised[name], raised.pop(name) + LONG, (bucket + 1) * LONG))
    return sorted(found, key=str)


def run(rules: RuleSet, rows: Sequence[Reading], chance: random.Random, crashes: int = 0) -> Fleet:
    """In frames of some minutes, then an hour of ticks."""
    fleet = Fleet(rules, chance)
    times = sorted({row.measured_at for row in rows})
    cuts = sorted({0, len(times), *range(0, len(times), 6), *(chance.randrange(len(times)) for _ in range(30))})
    dies = {chance.randrange(len(cuts)) for _ in range(crashes)}
    for i, (first, end) in enumerate(pairwise(cuts)):
        mine = set(times[first:end])
        fleet.frame([row for row in rows if row.measured_at in mine], times[end - 1])
        if i in dies:
            fleet.crash()
    for minute in range(5, 65, 5):
        fleet.frame([], times[-1] + minute * MINUTE)
        fleet.deliver(whole=True)
    return fleet


ODD = {"p3": (4, 7), "p10": (6, 8)}


@settings(max_examples=8)
@given(st.integers(0, 10_000))
def test_a_fleet_in_three_partitions_is_judged_as_in_one_place(seed: int) -> None:
    """Frames, the order and delay of summaries and baselines, repeats, crashes of all: the same symptoms, down to the body."""
    rows, rules, chance = readings(12, ODD), peers(), random.Random(seed)
    fleet = run(rules, rows, chance, crashes=chance.choice([0, 1, 3]))
    [which] = rules
    assert isinstance(which, PeerRule)

    found = [(s.state.value, s.key, s.onset, s.detected_at, s.cleared_at) for s in fleet.out]
    assert sorted(found, key=str) == expected(rows, which)
    assert fleet.told == run(rules, rows, random.Random(seed + 1)).told


def test_the_symptom_says_what_the_others_do() -> None:
    """With the averages it was decided on as evidence."""
    fleet = run(peers(unit="Cel"), readings(8, {"p3": (4, 6)}), random.Random(1))
    raised = min(fleet.out, key=lambda symptom: symptom.time)

    assert (raised.device, raised.signal, raised.unit, raised.onset) == ("p3", "t", "Cel", T0 + 4 * LONG)
    assert raised.explanation.startswith("t averages 3")
    assert "over 15 min; on 24 devices of the same model it is" in raised.explanation
    assert [point.at for point in raised.evidence] == [T0 + i * LONG for i in (2, 3, 4, 5)]
    assert raised.evidence[-1].value == raised.value
    assert (raised.low or 0) < 20 < (raised.high or 0) < (raised.value or 0)


def test_a_model_with_few_devices_and_a_device_nobody_knows_are_not_judged() -> None:
    """Nor are they compared with another model's."""
    models = {name: "pump" if i < 4 else "fan" for i, name in enumerate(DEVICES)}
    registry = Registered(**models)
    del registry.devices["main/p20"]
    fleet = Fleet(peers(), registry=registry)
    for row_at in range(12):
        rows = [row for row in readings(12, {"p1": (3, 9), "p20": (3, 9)}) if row.measured_at // LONG == T0 // LONG + row_at]
        fleet.frame(rows, rows[-1].measured_at)
    fleet.frame([], T0 + 15 * LONG)
    fleet.deliver(whole=True)

    assert fleet.out == []
    assert {record.cohort for record in fleet.log} == {"peer:pump", "peer:fan"}
    assert {record.devices for record in fleet.log if record.kind is CohortKind.BASELINE and record.cohort == "peer:fan"} == {19}


def test_a_partition_that_died_holds_nobody_up() -> None:
    """The bucket it did not tell of is answered when somebody tells of one eight further on; what it tells then is too late."""
    cohorts = Cohorts()

    def summary(partition: int, bucket: int, value: float = 1.0) -> list[Record]:
        start = T0 + bucket * LONG
        record = Cohort(
            id="x", cohort="r:pump", kind=CohortKind.SUMMARY, rule="r", start=start, end=start + LONG, partition=partition,
            devices=1, ranks=(partition,), values=(value,), at=start + LONG,
        )  # fmt: skip
        return [out.record for out in cohorts.step(COHORTS, 0, record, 0)]

    def told(partition: int, bucket: int) -> list[tuple[int, int, int]]:
        found = [record for record in summary(partition, bucket) if isinstance(record, Cohort)]
        return [((record.start - T0) // LONG, record.partition, record.devices) for record in found]

    assert told(0, 0) == told(1, 0) == told(0, 1) == []
    assert told(0, 2) == [(0, 0, 2), (0, 1, 2)]  # the first bucket is told when somebody is two ahead
    assert [told(0, bucket) for bucket in range(3, 9)] == [[]] * 6
    assert told(0, 9) == [(1, 0, 1)]  # the one that died is waited for, for eight
    assert told(0, 10) == [(bucket, 0, 1) for bucket in (2,)]
    assert told(1, 1) == []  # too late, but it is back
    assert told(1, 12) == [(bucket, 0, 1) for bucket in range(3, 11)]
    assert told(0, 12) == [(12, 0, 2), (12, 1, 2)]
    assert told(0, 12) == told(1, 2) == []


def test_only_detect_with_such_a_rule_listens_to_cohorts() -> None:
    """And what is no cohort is refused."""
    assert [each.topic for each in detect_kind(RuleSet([])).inputs] == [READINGS]
    assert [(each.topic, each.gating) for each in detect_kind(peers()).inputs] == [(READINGS, True), (COHORTS, False)]
    with pytest.raises(Rejected):
        list(Cohorts().step(COHORTS, 0, Tick(id="x", at=0), 0))


def test_a_baseline_that_comes_again_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two odd buckets in a row are needed. Known-bad: a detector that judges a bucket twice when it is told twice needs one."""
    rows, rules = readings(6, {"p3": (4, 5)}), RuleSet([rule("peer", signal="t", count=2)])
    assert run(rules, rows, random.Random(3)).out == []

    judge = Peer.judge

    def forgetful(self: Peer, state: Columns, slots: Slots, bucket: int, baseline: Baseline) -> Episodes | None:
        state.of["judged"][slots] = 0
        return judge(self, state, slots, bucket, baseline)

    monkeypatch.setattr(Peer, "judge", forgetful)
    assert any(run(rules, rows, random.Random(seed)).out for seed in range(5))
