"""The fleet bench on a small fleet: through the real processor, repeatable, honest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.rules.files import load_rules
from vorab.bench.fleet import RULES, alerts, run
from vorab.bench.fleet_frames import Fleet, frames
from vorab.bench.fleet_match import Alert, figures, match
from vorab.clock import DAY, HOUR, MINUTE
from vorab.fleet.physics.harm import KINDS, Harm, name, plan
from vorab.fleet.physics.simulation import START, Simulation, shares
from vorab.frame import decode, encode

pytestmark = pytest.mark.slow

DEVICES, DAYS = 48, 8
FEW = """rules:
  - {id: offline, title: {en: A, de: A}, cause: offline, detector: silence, after: 100 min}
  - {id: restarts, title: {en: A, de: A}, cause: reboot_loop, detector: often, signal: "@boot", event: rise, count: 3, within: 2 h}
  - {id: behind, title: {en: A, de: A}, cause: clock_skew, detector: threshold, signal: "@lag", above: 600, for: 1 h, count: 10}
  - {id: stuck, title: {en: A, de: A}, cause: stuck, detector: flat, signal: pressure, count: 15}
  - {id: hot, title: {en: A, de: A}, cause: overheating, detector: threshold, signal: "= temperature - 8.9 * current", above: 31, count: 4}
"""


def fleet() -> Simulation:
    """A fleet whose faults all begin on the sixth day: one of each cell, as far as there are devices."""
    late = plan(4, START, 60, shares(2000))
    harms: list[Harm] = []
    for model, n in shares(DEVICES).items():
        seen: set[tuple[str, str]] = set()
        for each in late:
            if each.model == model and (each.kind, each.signal) not in seen and len(seen) < n - 2:
                seen.add((each.kind, each.signal))
                onset = START + 5 * DAY + each.onset % DAY
                index = len(seen)
                end = min(onset + each.end - each.onset, START + DAYS * DAY)
                harms.append(replace(each, index=index, device=name(model, index), onset=onset, end=end))
    return Simulation(4, DEVICES, DAYS, harms=harms)


@pytest.fixture(scope="module")
def small() -> tuple[Simulation, list[Alert]]:
    """A small fleet and what is found on it."""
    simulation = fleet()
    return simulation, alerts(simulation)


def got(simulation: Simulation, found: list[Alert]) -> dict[str, Any]:
    """The figures."""
    return figures([match(simulation.harms, found, devices=DEVICES, start=START, end=simulation.end, period=simulation.period)])


def test_every_cause_of_the_rules_is_a_kind_of_fault_and_the_other_way_round() -> None:
    """And no rule names a device: they know models only."""
    rules = load_rules([RULES])
    assert {rule.cause for rule in rules} == set(KINDS)
    assert all(rule.applies.devices == ("*",) for rule in rules)


def test_frames_hold_every_reading_once_in_the_order_of_arrival() -> None:
    """However they are cut; and they survive the wire."""
    sizes = set()
    for every in (20 * MINUTE, 6 * HOUR):
        rows, last = 0, 0
        for frame in frames(Simulation(4, DEVICES, 2, harms=()), every):
            assert decode(encode(frame)).n == frame.n
            order = np.argsort(np.concatenate([block.row for block in frame.blocks])) if frame.n else np.zeros(0, np.intp)
            received = np.concatenate([block.received_at for block in frame.blocks])[order] if frame.n else np.zeros(0)
            assert (np.diff(received) >= 0).all()
            assert frame.n == 0 or last <= received[0] <= received[-1] < frame.now
            rows, last = rows + frame.n, int(received[-1]) if frame.n else last
        sizes.add(rows)
    assert sizes == {sum(len(batch) for day in Simulation(4, DEVICES, 2, harms=()).batches() for batch in day)}


def test_the_bench_says_the_same_twice_and_however_frames_are_cut(tmp_path: Path) -> None:
    """Same devices, rules and causes; a coarser cut can only make late what a wrong clock hides."""
    few = tmp_path / "few.yaml"
    few.write_text(FEW)
    fine, again, coarse = (alerts(fleet(), few, every=every) for every in (20 * MINUTE, 20 * MINUTE, 2 * HOUR))
    assert fine == again
    assert len(fine) > 5
    assert sorted(each[:3] for each in fine) == sorted(each[:3] for each in coarse)


def test_a_small_fleet_is_understood(small: tuple[Simulation, list[Alert]]) -> None:
    """Nearly all faults are found as what they are, and hardly anything else."""
    figures_now = got(*small)
    assert figures_now["faults"] >= 38
    assert figures_now["recall"] >= 0.9
    assert figures_now["right_kind"] >= 0.9
    assert figures_now["false_alerts"] <= 3


def test_rules_that_mistake_one_for_the_other_are_caught(small: tuple[Simulation, list[Alert]]) -> None:
    """Known bad: with two causes swapped the faults are found still, but as something else."""
    simulation, found = small
    swapped = {"stuck": "noise", "noise": "stuck"}
    wrong = got(simulation, [each._replace(cause=swapped.get(each.cause, each.cause)) for each in found])
    assert wrong["recall"] == got(*small)["recall"]
    assert wrong["right_kind"] < 0.85


def test_rules_that_cry_all_the_time_are_caught(small: tuple[Simulation, list[Alert]]) -> None:
    """Known bad: an alert a day on every device finds everything, as nothing, and is false a hundred times over."""
    simulation, _ = small
    daily = [Alert(key.partition("/")[2], "cry", "spike", START + day * DAY) for key in Fleet(simulation).devices for day in range(DAYS)]
    assert got(simulation, daily)["false_per_device_year"] > 100


def test_without_rules_nothing_is_found_and_the_bench_falls_short(tmp_path: Path) -> None:
    """Known bad: a file with one rule that never fires; fresh seeds are drawn where none is given."""
    idle = tmp_path / "idle.yaml"
    idle.write_text(
        "rules:\n  - {id: never, title: {en: Never, de: Nie}, cause: spike, detector: threshold, signal: pressure, above: 1000}\n"
    )
    bench, matches = run(count=1, devices=12, days=17, rules=idle)
    assert len(matches) == 1
    assert bench["recall"] == 0.0
    assert not bench["ok"]
    assert bench["seeds"][0]["short"]
