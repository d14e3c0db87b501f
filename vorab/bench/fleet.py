"""How well detection does on a fleet: simulated devices with labelled faults, through the real processor, alert by alert.

One set of rules (`fleet.yaml`, as an operator writes them from data sheets) for all seeds; it knows nothing of the labels.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from vorab.bench.fleet_frames import Fleet, frames
from vorab.bench.fleet_match import Alert, Match, confusion, figures, match, shortcomings
from vorab.clock import MINUTE, Micros
from vorab.fleet.physics.simulation import Simulation
from vorab.records import Symptom, SymptomState
from vorab.topics import READINGS

RULES: Final = Path(__file__).with_name("fleet.yaml")
FRAME: Final[Micros] = 30 * MINUTE
"""Arrivals in one frame. The findings do not depend on it; larger frames take less time."""
DEVICES: Final = 300
DAYS: Final = 28


def alerts(simulation: Simulation, rules: Path = RULES, *, every: Micros = FRAME) -> list[Alert]:
    """Every symptom that the rules raise on the fleet."""
    from streams.detect.processor import Detect  # noqa: PLC0415 - a benchmark of a stage loads it when it runs
    from streams.rules.files import load_rules  # noqa: PLC0415

    detect = Detect(load_rules([rules]), Fleet(simulation))
    out: list[Alert] = []
    before = simulation.start
    for number, frame in enumerate(frames(simulation, every)):
        for said in [*detect.step(READINGS, number, frame, frame.now), *detect.due(frame.now)]:
            record = said.record
            if isinstance(record, Symptom) and record.state is SymptomState.RAISED:
                # Known when the deciding reading was here; what a device's clock says otherwise counts at the end of the frame.
                known = record.detected_at if before < record.detected_at <= frame.now else frame.now
                out.append(Alert(record.device, record.rule, record.cause, known))
        before = frame.now
    return out


def one(seed: int, devices: int = DEVICES, days: int = DAYS, rules: Path = RULES, scale: float = 1.0) -> Match:
    """One fleet, judged."""
    simulation = Simulation(seed, devices, days, scale=scale)
    found = alerts(simulation, rules)
    return match(simulation.harms, found, devices=devices, start=simulation.start, end=simulation.end, period=simulation.period)


def run(
    seeds: Sequence[int] = (),
    count: int = 3,
    devices: int = DEVICES,
    days: int = DAYS,
    rules: Path = RULES,
    scale: float = 1.0,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, Any], list[Match]]:
    """Fleets of these seeds, or of `count` fresh ones: the figures of each and of all, and whether each holds the bar."""
    seeds = list(seeds) or [secrets.randbelow(1_000_000) for _ in range(count)]
    matches: list[Match] = []
    each: list[dict[str, Any]] = []
    began = time.process_time()
    for seed in seeds:
        matches.append(one(seed, devices, days, rules, scale))
        got = figures(matches[-1:])
        each.append({"seed": seed, **got, "short": shortcomings(got)})
        progress(f"seed {seed}: found {got['found']} of {got['faults']}, right kind {got['right_kind']:.1%}, "
                 f"{got['false_per_device_year']} false alerts per device-year")  # fmt: skip
    found = {
        "bench": "fleet",
        "devices": devices,
        "days": days,
        "period_s": 300,
        "scale": scale,
        "seeds": each,
        **figures(matches),
        "confusion": {kind: dict(row) for kind, row in confusion(matches).items()},
        "cpu_s": round(time.process_time() - began, 1),
        "ok": not any(seed["short"] for seed in each),
    }
    return found, matches
