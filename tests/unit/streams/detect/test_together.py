"""What the judge adds to the detectors: computed signals, several signals together, hours, and what comes and goes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from streams.detectors.flap import Damping
from streams.rules.ruleset import RuleSet
from tests.unit.streams.detecting import T0, Host, cuts, rule
from vorab.clock import HOUR, MINUTE, SECOND
from vorab.frame import Reading

DAY_BEGINS = T0 - T0 % (24 * HOUR) + 24 * HOUR
"""Midnight UTC after T0."""


def row(device: str, at_us: int, **values: float) -> Reading:
    """A reading of several signals."""
    return Reading(f"main/{device}", at_us, at_us, 0, dict(values), {})


def told(rules: RuleSet, rows: list[Reading], seed: int) -> list[str]:
    """All that was said, with random cuts and a crash after some of them."""
    chance, host = random.Random(seed), Host(rules)
    for some in cuts(rows, chance):
        host.frame(some)
        if chance.random() < 0.2:
            host.crash()
    return host.told


def states(host: Host) -> list[tuple[str, str]]:
    """Rule and state of all that was said."""
    return [(symptom.rule, str(symptom.state)) for symptom in host.out]


def test_a_computed_signal_is_judged_like_a_measured_one() -> None:
    """Supply and return come in messages of their own; the difference is judged with the last value of each, and has evidence."""
    rules = RuleSet([rule("threshold", "spread", signal="= supply - back", above=10.0, count=2)])
    host = Host(rules)
    for minute in range(6):
        host.frame([row("a", T0 + minute * MINUTE, supply=40.0 + 2 * minute)])
        host.frame([row("a", T0 + minute * MINUTE + SECOND, back=33.0)])

    [raised] = host.out
    assert (raised.signal, raised.value, raised.onset) == ("= supply - back", 11.0, T0 + 2 * MINUTE)
    assert [point.value for point in raised.evidence][-2:] == [11.0, 11.0]


def test_a_computed_signal_does_not_live_on_old_values() -> None:
    """What was said ten minutes ago is no part of a difference of now."""
    host = Host(RuleSet([rule("threshold", "spread", signal="= supply - back", above=10.0)]))
    host.frame([row("a", T0, back=0.0)])
    host.frame([row("a", T0 + 10 * MINUTE, supply=90.0)])

    assert not host.out


def test_a_computed_signal_that_is_no_number_is_refused() -> None:
    """A condition belongs into an expression rule."""
    with pytest.raises(ValueError, match="not a number"):
        rule("threshold", signal="= supply > back", above=1.0)


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_crashes_change_nothing(seed: int) -> None:
    """Computed signals, expressions, hours and damping remember across frames and restarts what they need."""
    rules = RuleSet(
        [
            rule("threshold", "spread", signal="= supply - back", above=10.0, count=2, flap={"times": 3, "within": "1 h"}),
            rule("expression", "both", expression="supply > 45 && back < 40", count=2),
            rule("threshold", "night", signal="supply", above=48.0, when={"hours": "22:00-06:00", "zone": "Europe/Berlin"}),
        ]
    )
    chance = random.Random(seed)
    rows: list[Reading] = []
    for step in range(400):
        for device in ("a", "b"):
            values: dict[str, Any] = {}
            if chance.random() < 0.8:
                values["supply"] = chance.uniform(38, 52)
            if chance.random() < 0.8:
                values["back"] = chance.uniform(33, 42)
            if values:
                rows.append(row(device, T0 + step * 4 * MINUTE, **values))

    whole = told(rules, rows, seed)
    assert len(whole) > 20
    assert told(rules, rows, seed + 100) == whole


def test_a_rule_with_hours_is_silent_outside_them_and_ends_with_them() -> None:
    """Hot from 20:00 to 08:00 by the clock of Berlin, a rule for 22:00 to 06:00: raised at 22:00, ended at 06:00 without proof."""
    host = Host(RuleSet([rule("threshold", "night", signal="supply", above=48.0, when={"hours": "22:00-06:00", "zone": "Europe/Berlin"})]))
    ten_pm = DAY_BEGINS + 21 * HOUR  # November: an hour ahead of UTC
    for quarter in range(-8, 44):
        host.frame([row("a", ten_pm + quarter * 15 * MINUTE, supply=50.0)])

    raised, ended = host.out
    assert (raised.onset, raised.state) == (ten_pm, "raised")
    assert (ended.cleared_at, ended.proven, ended.id) == (ten_pm + 8 * HOUR, False, raised.id)


def test_what_comes_and_goes_is_told_once() -> None:
    """Twelve quick episodes: three are told, the third says that it comes and goes, and it ends when that has become rare."""
    host = Host(RuleSet([rule("threshold", "hot", signal="supply", above=48.0, flap={"times": 3, "within": "30 min"})]))
    for step in range(24):
        host.frame([row("a", T0 + step * MINUTE, supply=50.0 if step % 2 == 0 else 40.0)])
    assert states(host) == [("hot", "raised"), ("hot", "cleared"), ("hot", "raised"), ("hot", "cleared"), ("hot", "raised")]
    assert "comes and goes" in host.out[-1].explanation

    for step in range(24, 200):
        host.frame([row("a", T0 + step * MINUTE, supply=40.0)])
    assert states(host)[5:] == [("hot", "cleared")]
    assert host.out[-1].id == host.out[-2].id


def test_without_damping_every_episode_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: a filter that holds nothing."""
    monkeypatch.setattr(Damping, "filter", lambda _self, _runs, _at, episodes: episodes)
    host = Host(RuleSet([rule("threshold", "hot", signal="supply", above=48.0, flap={"times": 3, "within": "30 min"})]))
    for step in range(24):
        host.frame([row("a", T0 + step * MINUTE, supply=50.0 if step % 2 == 0 else 40.0)])

    assert len(host.out) == 24


def test_a_held_symptom_ends_with_its_rule() -> None:
    """A rule is withdrawn while what it raised is held between two episodes: the open symptom is ended, not forgotten."""
    host = Host(RuleSet([rule("threshold", "hot", signal="supply", above=48.0, flap={"times": 2, "within": "1 h"})]))
    for step in range(6):
        host.frame([row("a", T0 + step * MINUTE, supply=50.0 if step % 2 == 0 else 40.0)])
    assert host.out[-1].state == "raised"

    host.crash(rules=RuleSet([rule("threshold", "other", signal="back", above=1.0)]))
    [ended] = host.tick(600)
    assert (ended.id, ended.state, ended.proven) == (host.out[-2].id, "cleared", False)
