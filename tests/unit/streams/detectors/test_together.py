"""The detectors of one reading at a time under detect: led, cut, written, restored, told."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.rules.ruleset import RuleSet, parse_rule
from tests.unit.streams.detecting import Host, cuts, reading, rule, shuffled
from tests.unit.streams.detectors.series import T0 as START
from tests.unit.streams.detectors.series import history
from vorab.clock import SECOND
from vorab.frame import Reading

STAGES: list[dict[str, Any]] = [{"above": 25, "clear": 22, "severity": "minor"}, {"above": 30, "severity": "major"}]
RULES = RuleSet(
    [
        rule("rate", signal="t", rise=1, fall=2, per="3 min", within="3 min"),
        rule("flat", signal="t", count=4, **{"for": "3 min"}),
        rule("flat", "flat-long", signal="t", count=6, **{"for": "5 min"}),
        rule("range", signal="t", low=0, jump=8, count=2, of=5, codes={20.0: "not connected"}),
        rule("noise", signal="t", above=1, warm_up=100),
        rule("oscillation", signal="t", warm_up=100, count=2, factor=1.1),
        rule("drift", signal="t", season="none", block="4 min", warm_up="40 min", limit=3),
        rule("dropout", signal="@messages", interval="60 s"),
        rule("counter", signal="t", resets=1, within="5 min"),
        rule("often", signal="@messages", count=3, within="4 min"),
        rule("threshold", "stages", signal="t", stages=STAGES, count=2, of=4),
    ]
)


def night(seed: int) -> list[Reading]:
    """Histories of three devices, in the order of their times; a time is read once."""
    rows, seen = [], set()
    for row in history(seed, 3, 150):
        if (row.slot, row.at) not in seen:
            seen.add((row.slot, row.at))
            rows.append(reading(f"d{row.slot}", (row.at - START) / SECOND, row.value))
    return rows


def told(rows: list[Reading], chance: random.Random, crash: float) -> list[str]:
    """All that is said, with the rules read back from what is kept of them whenever the process died."""
    host = Host(RULES)
    for some in cuts(rows, chance):
        host.frame(some)
        if chance.random() < crash:
            host.crash(RuleSet([parse_rule(each.model_dump_json(by_alias=True)) for each in RULES]))
    return host.told


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6))
def test_cuts_crashes_and_the_order_between_devices_change_nothing(seed: int) -> None:
    """Identical records, ids and bodies."""
    rows, chance = night(seed), random.Random(seed)

    whole = told(rows, random.Random(1), 0.0)

    assert told(shuffled(rows, chance, 4), chance, 0.2) == whole
    assert len(whole) > 10


@pytest.mark.slow
def test_each_of_them_finds_something_and_no_id_is_given_twice() -> None:
    """In ten nights every rule raises, and a symptom that is raised is another one each time."""
    spoken: set[str] = set()
    for seed in range(10):
        host = Host(RULES)
        for some in cuts(night(seed), random.Random(seed)):
            host.frame(some)
        raised = [symptom.id for symptom in host.out if symptom.state.value == "raised"]
        spoken |= {symptom.rule for symptom in host.out}
        assert len(set(raised)) == len(raised)

    assert spoken == set(RULES.by_id)
