"""Rollouts: a newer firmware that makes more devices fail is called so once, one that does not hardly ever, however often one looks."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.firmwares import DETECTOR, GRACE, LONG, SHARDS, Firmwares
from streams.rollout_evidence import ALPHA, TOLERATED, Evidence
from streams.rollouts import Rollouts, device_of
from vorab.bench.rollouts import called, called_naively
from vorab.clock import DAY, HOUR, MINUTE, Micros
from vorab.errors import Rejected
from vorab.processor import Processor
from vorab.records import Device, Facts, FirmwareUse, Record, Severity, Symptom, SymptomState, Tick, from_wire, to_wire
from vorab.topics import DEVICES, FACTS, FIRMWARES, ID, SYMPTOMS

T0: Final[Micros] = 1_795_003_200_000_000 // DAY * DAY
PARTITIONS: Final = 3

# ------------------------------------------------------------------------------------------------- the test by itself


def test_hardly_any_rollout_without_a_difference_is_called_worse() -> None:
    """At most one of a hundred, with a thousand rollouts of ten days looked at every hour; even at the limit of what is tolerated."""
    assert sum(called(seed, 1.0) is not None for seed in range(1_000)) <= 1_000 * ALPHA
    assert sum(called(seed, TOLERATED) is not None for seed in range(500)) <= 500 * ALPHA


def test_a_doubling_is_called() -> None:
    """Nineteen of twenty rollouts of a firmware that makes twice as many devices fail."""
    assert sum(called(seed, 2.0) is not None for seed in range(200)) >= 190


def test_looking_again_and_again_at_a_test_for_one_look_is_caught() -> None:
    """Known bad: it calls several times as many rollouts worse as it claims to."""
    assert sum(called_naively(seed, 1.0, ALPHA) for seed in range(200)) > 2 * 200 * ALPHA


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0.01, 0.99), st.floats(0.2, TOLERATED))
@settings(max_examples=100, deadline=None)
def test_evidence_is_not_expected_to_grow_where_nothing_is_worse(older: int, newer: int, share: float, worse: float) -> None:
    """After any past, the mean over the next failure is at most what it was: what the promise rests on."""
    before, after = Evidence(), []
    before.add(older, newer, share)
    for side in ((1, 0), (0, 1)):
        evidence = Evidence(list(before.logs))
        evidence.add(*side, share)
        after.append(evidence.value)
    newers = share * worse / (share * worse + 1 - share)
    assert (1 - newers) * after[0] + newers * after[1] <= before.value * (1 + 1e-9)


# ------------------------------------------------------------------------------------------------------- the processors


def facts(device: str, firmware: str, at: Micros, model: str = "pump") -> Facts:
    """A device says what it runs."""
    return Facts(id=f"main/{device}", device=device, model=model, firmware=firmware, at=at)


def symptom(device: str, at: Micros, **more: Any) -> Symptom:
    """Something is wrong with it."""
    about = {"rule": "r", "rule_version": "1", "detector": "threshold", "cause": "c", "severity": Severity.MAJOR, **more}
    return Symptom(id=f"{device}-{at}", device=device, state=SymptomState.RAISED, onset=at, detected_at=at, **about)


def story(worse: float, days: int = 8, devices: int = 300, back: bool = False, seed: int = 3) -> list[tuple[Micros, Record]]:
    """Devices move from 4.2.0 to 4.2.1, a tenth of them each day from the second on, and fail; at the end all may be moved back."""
    chance = random.Random(seed)
    out: list[tuple[Micros, Record]] = [(T0 - DAY, facts(f"d{i}", "4.2.0", T0 - DAY)) for i in range(devices)]
    moved = 0
    for day in range(days):
        for i in range(moved, min(devices, moved + (devices // 10 if day else 0))):
            at = T0 + day * DAY + chance.randrange(2 * HOUR)
            out += [(at, facts(f"d{i}", "4.2.1", at)), (at + HOUR, facts(f"d{i}", "4.2.1", at + HOUR))]
            moved = i + 1
        for i in range(devices):
            if chance.random() < 0.2 * (worse if i < moved else 1.0):
                at = T0 + day * DAY + 2 * HOUR + chance.randrange(22 * HOUR)
                out += [(at + j * MINUTE, symptom(f"d{i}", at + j * MINUTE)) for j in range(chance.choice([1, 1, 5]))]
    if back:
        at = T0 + days * DAY
        out += [(at + i, facts(f"d{i}", "4.2.0", at + i)) for i in range(moved)]
    return sorted(out, key=lambda each: each[0])


class Fleet:
    """Partitions of firmwares and one place for rollouts; hours wait, come in any order between partitions, and come twice."""

    def __init__(self, seed: int = 0) -> None:
        self.chance = random.Random(seed)
        self.shuffled = bool(seed)
        self.firmwares = [Firmwares(i) for i in range(PARTITIONS)]
        self.rollouts = Rollouts()
        self.state: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS + 1)]
        self.waiting: list[list[FirmwareUse]] = [[] for _ in range(PARTITIONS)]
        self.hours: list[FirmwareUse] = []
        self.out: list[Symptom] = []

    def play(self, records: list[tuple[Micros, Record]], until: Micros) -> Fleet:
        """Tell a story, time going on by ten minutes."""
        rest = list(records)
        for now in range(T0, until, 10 * MINUTE):
            due = [record for at, record in rest if at < now]
            rest = rest[len(due) :]
            self._tell(due)
            for partition, processor in enumerate(self.firmwares):
                for out in processor.due(now):
                    assert isinstance(out.record, FirmwareUse)
                    self.waiting[partition].append(_through_the_wire(out.record))
            self._deliver(whole=not self.shuffled)
            if self.shuffled and self.chance.random() < 0.02:
                self._crash()
        self._deliver(whole=True)
        return self

    def _tell(self, due: list[Record]) -> None:
        """Each device's in order, devices in any; symptoms twice now and then, as after a crash of detect."""
        if self.shuffled:
            devices = sorted({record.key for record in due})
            self.chance.shuffle(devices)
            due = [record for key in devices for record in due if record.key == key]
        for record in due:
            partition = int(record.key.removeprefix("main/d")) % PARTITIONS
            topic = SYMPTOMS if isinstance(record, Symptom) else DEVICES if isinstance(record, Device) else FACTS
            for _ in range(2 if self.shuffled and self.chance.random() < 0.1 else 1):
                list(self.firmwares[partition].step(topic, 0, record, 0))

    def _deliver(self, *, whole: bool) -> None:
        while any(self.waiting):
            if not whole and self.chance.random() < 0.4 and max(map(len, self.waiting)) < 3:
                return
            partition = self.chance.choice([i for i, waiting in enumerate(self.waiting) if waiting])
            hour = self.waiting[partition].pop(0)
            self.hours.append(hour)
            for _ in range(2 if self.shuffled and self.chance.random() < 0.1 else 1):
                for out in self.rollouts.step(FIRMWARES, 0, hour, 0):
                    assert isinstance(out.record, Symptom)
                    self.out.append(_through_the_wire(out.record))

    def _crash(self) -> None:
        """All write what changed, die and come back."""
        old: list[Processor] = [*self.firmwares, self.rollouts]
        for state, processor in zip(self.state, old, strict=True):
            state.update(processor.dirty())
        self.firmwares, self.rollouts = [Firmwares(i) for i in range(PARTITIONS)], Rollouts()
        fresh: list[Processor] = [*self.firmwares, self.rollouts]
        for state, processor in zip(self.state, fresh, strict=True):
            processor.restore(state)


def _through_the_wire(record: Any) -> Any:
    _, value, headers = to_wire(record, "urn:test")
    return from_wire(value, headers)


@pytest.fixture(scope="module")
def bad() -> Fleet:
    """A rollout of a firmware under which three times as many devices fail, taken back after eight days."""
    return Fleet().play(story(3.0, back=True), T0 + 9 * DAY)


def test_a_bad_firmware_is_raised_once_and_cleared_when_nobody_runs_it_any_more(bad: Fleet) -> None:
    """With both rates, an interval, and the way there as evidence."""
    raised, cleared = bad.out
    assert (raised.state, cleared.state) == (SymptomState.RAISED, SymptomState.CLEARED)
    assert raised.id == cleared.id
    assert (raised.device, raised.detector, raised.cause) == ("firmware:pump:4.2.1", DETECTOR, "firmware")
    assert T0 + DAY <= raised.onset < raised.detected_at < T0 + 8 * DAY
    assert raised.value is not None
    assert raised.low is not None
    assert raised.value > raised.low > 1
    assert len(raised.evidence) > 5
    assert "4.2.1 makes more devices of the model pump fail than 4.2.0" in raised.explanation
    assert cleared.cleared_at is not None
    assert T0 + 8 * DAY < cleared.cleared_at <= T0 + 8 * DAY + 2 * HOUR
    assert (cleared.proven, cleared.explanation) == (False, "Nobody runs it any more.")


def test_a_good_firmware_is_not_raised() -> None:
    """The same rollout without a difference."""
    assert Fleet().play(story(1.0), T0 + 9 * DAY).out == []


@pytest.mark.parametrize("seed", range(1, 4))
def test_order_repeats_and_crashes_change_nothing(bad: Fleet, seed: int) -> None:
    """Devices in any order, hours of partitions in any order, things told twice, processors that die: the same symptoms, word by word."""
    other = Fleet(seed).play(story(3.0, back=True), T0 + 9 * DAY)
    assert [each.model_dump() for each in other.out] == [each.model_dump() for each in bad.out]
    assert {each.id: each for each in other.hours} == {each.id: each for each in bad.hours}


def test_evidence_that_goes_away_clears_it() -> None:
    """The newer firmware failed at first, and then did not for long: it is no worse by now, and readings have shown it."""
    rollouts, found = Rollouts(), list[Symptom]()
    for hour in range(600):
        affected = (1, 6) if hour < 20 else (6, 1)
        start = T0 + hour * LONG
        lines = [{"firmware": "1", "devices": 9, "ran": 9 * LONG, "affected": affected[0]}]
        lines += [{"firmware": "2", "devices": 9, "ran": 9 * LONG, "affected": affected[1], "moved_from": {"1": 3} if not hour else {}}]
        use = {"id": f"{hour}", "model": "m", "partition": 0, "start": start, "end": start + LONG, "lines": lines, "at": start + LONG}
        found += [out.record for out in rollouts.step(FIRMWARES, 0, FirmwareUse.model_validate(use), 0) if isinstance(out.record, Symptom)]
    assert [each.state for each in found] == [SymptomState.RAISED, SymptomState.CLEARED]
    assert found[1].proven
    assert "no worse than 1 by now" in found[1].explanation


def test_hours_are_exact() -> None:
    """Time under each firmware, moves, one affected device a day however often it fails; the registry goes before the device."""
    processor = Firmwares(0)
    list(processor.due(T0 + GRACE))
    for record in (
        facts("a", "1", T0 - DAY), facts("b", "1", T0 - DAY), facts("c", "9", T0 - DAY),
        Device(id="main/c", device="c", model="pump", firmware="1", at=T0 - DAY), facts("c", "9", T0 + 5),
        facts("a", "2", T0 + 20 * MINUTE),
        symptom("a", T0 + MINUTE), symptom("a", T0 + 2 * MINUTE), symptom("a", T0 + 30 * MINUTE), symptom("nobody", T0 + MINUTE),
        symptom("b", T0 + MINUTE, detector=DETECTOR), symptom("c", T0 - 1),
    ):  # fmt: skip
        list(processor.step(FACTS, 0, record, 0))
    (out,) = processor.due(T0 + LONG + GRACE)
    assert isinstance(out.record, FirmwareUse)
    found = {line.firmware: (line.devices, line.ran // MINUTE, line.affected, line.moved_from) for line in out.record.lines}
    assert found == {"1": (2, 140, 1, {}), "2": (1, 40, 1, {"1": 1})}
    list(processor.step(SYMPTOMS, 0, symptom("a", T0 + 70 * MINUTE), 0))
    (out,) = processor.due(T0 + 2 * LONG + GRACE)
    assert isinstance(out.record, FirmwareUse)
    assert {line.firmware: (line.ran // MINUTE, line.affected) for line in out.record.lines} == {"1": (120, 0), "2": (60, 0)}


def test_state_stands_in_small_blocks() -> None:
    """A change writes the block of its device and no other."""
    processor = Firmwares(0)
    for i in range(1_000):
        list(processor.step(FACTS, 0, facts(f"d{i}", "1", T0), 0))
    assert len(processor.dirty()) == SHARDS
    list(processor.step(FACTS, 0, facts("d7", "2", T0 + 1), 0))
    assert len(processor.dirty()) == 1
    assert processor.dirty() == {}


def test_a_rollout_has_a_name_that_is_an_id() -> None:
    """Whatever people call models and versions, and different ones stay different."""
    assert device_of("pump", "4.2.1") == "firmware:pump:4.2.1"
    odd = [device_of("heat pump", "v1/β"), device_of("heat_pump", "v1/γ"), device_of("", "1" * 200)]
    assert len(set(odd)) == 3
    assert all(ID.fullmatch(name) for name in odd)


def test_what_does_not_belong_there_is_refused() -> None:
    """Neither takes what it does not know."""
    for processor in (Firmwares(0), Rollouts()):
        with pytest.raises(Rejected):
            list(processor.step("x", 0, Tick(id="t", at=1), 0))
