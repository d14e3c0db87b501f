"""Frames that wait together are stepped as one, and nothing of what comes out is another thing because of it."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streams.detect.processor import Detect, detect_kind
from streams.hosts import instance as module
from streams.hosts.instance import Instance, Layout
from streams.rules.ruleset import RuleSet
from tests.unit.streams.detecting import T0, Registered, rule
from vorab.clock import SECOND, Micros
from vorab.frame import Frame, Reading, encode, pack
from vorab.log import Outgoing
from vorab.processor import Out
from vorab.records import Record
from vorab.topics import COHORTS, READINGS, SYMPTOMS

RULES = RuleSet(
    [
        rule("threshold", "hot", above=90, count=2),
        rule("silence", after="4 s"),
        rule("rate", signal="t", rise=20.0, per="5 s", within="5 s"),
        rule("peer", signal="u", bucket="1 min", peers=4, beyond=2.0, count=1),
    ]
)
CONFIRMED = b"io.vorab.symptom.confirmed.v1"
REGISTRY = Registered(**dict.fromkeys("abcdef", "pump"))


def telemetry(seed: int) -> list[Frame]:
    """Frames of a partition a few milliseconds to a few seconds apart, some rows late, some devices silent for a while."""
    chance = random.Random(seed)
    now, frames = T0, []
    quiet_until = dict.fromkeys("abcdef", 0)
    for _ in range(150):
        now += chance.choice([3_000, 40_000, 400_000, 900_000, 2 * SECOND])
        rows = []
        for _ in range(chance.randrange(4)):
            device = chance.choice("abcdef")
            if chance.random() < 0.05:
                quiet_until[device] = now + 8 * SECOND
            if quiet_until[device] <= now:
                received = now - chance.randrange(2_000)
                measured = received - (chance.randrange(20 * SECOND) if chance.random() < 0.05 else 0)
                values = {"t": chance.choice([70.0, 95.0]), "u": chance.gauss(20, 1)}
                rows.append(Reading(f"main/{device}", measured, received, 0, values))
        frames.append(pack(rows, now))
    return [*frames, Frame(now + 60 * SECOND)]


def told(frames: list[Frame], together: int) -> dict[str, list[Outgoing]]:
    """What an instance says that takes so many frames before it works."""
    one = Instance(detect_kind(RULES), 0, REGISTRY, Layout(lambda _: 1), {})
    outputs: list[Outgoing] = []
    for offset, frame in enumerate(frames):
        one.take(READINGS, offset, encode(frame), ())
        if offset % together == together - 1 or offset == len(frames) - 1:
            outputs += one.work().outputs
    # Ticks with nothing between them are one, however many are told; topics have an order of their own. What confirms a clearing is told
    # when time has come that far, which for frames stepped together is at their end: it keeps its own order.
    confirmed = [each for each in outputs if dict(each.headers).get("ce_type") == CONFIRMED]
    rest = [each for each in outputs if dict(each.headers).get("ce_type") != CONFIRMED]
    return {
        "confirmed": confirmed,
        **{topic: _without_idle([each for each in rest if each.topic == topic]) for topic in (SYMPTOMS, COHORTS)},
    }


def _without_idle(told: list[Outgoing]) -> list[Outgoing]:
    return [each for i, each in enumerate(told) if each.key is not None or (told[i + 1 :] and told[i + 1].key is not None)]


@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 10_000), st.integers(2, 151))
def test_frames_stepped_together_say_what_they_say_one_by_one(seed: int, together: int) -> None:
    """The same symptoms, summaries and ticks, in the same order."""
    frames = telemetry(seed)
    assert told(frames, together) == told(frames, 1)


def test_frames_are_stepped_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is behind makes fewer steps than there are frames."""
    steps: list[int] = []
    step = Detect.step

    def counted(self: Detect, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:
        steps.append(offset)
        return step(self, topic, offset, record, now)

    monkeypatch.setattr(Detect, "step", counted)
    frames = [pack([Reading("main/a", T0 + i * 10_000, T0 + i * 10_000, 0, {"t": 20.0})], T0 + i * 10_000) for i in range(50)]
    told(frames, 50)
    assert len(steps) < 5


def test_frames_stepped_together_across_ticks_and_timers_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: joined whatever lies between them, frames say something else."""
    one_by_one = [told(telemetry(seed), 1) for seed in range(5)]
    monkeypatch.setattr(Detect, "quiet", lambda *_: True)
    monkeypatch.setattr(module, "SECOND", 3_600 * SECOND)
    monkeypatch.setattr(Instance, "_floor", lambda *_: 0)
    assert [told(telemetry(seed), 150) for seed in range(5)] != one_by_one


def test_cohorts_are_part_of_it() -> None:
    """The telemetry above has buckets that end, so their summaries are compared, too."""
    assert told(telemetry(3), 7)[COHORTS]
