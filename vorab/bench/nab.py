"""The learned detector on the Numenta anomaly benchmark: scores with its shipped settings, cost, and a restart in between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.surprise import Surprise
from streams.detectors.surprise_config import SurpriseConfig
from vorab.bench.nab_score import Floats, Referee, Series, halves, load

AT_LEAST: Final = {"standard": 75.0, "low_fp": 67.0, "own_range": 66.0}
"""The best published score, what the best at few false alarms reaches, and what a detector may lose that is told no range."""
AT_MOST: Final = {"us_per_reading": 0.5, "bytes_per_series": 1024.0}
FIXED_WITHIN: Final = 1.0
"""Points by which the shipped threshold may be worse than the best one for this corpus."""
TOGETHER: Final = 1000
"""Series at least that are judged in one call where cost is measured."""
TIMES: Final = 3


def run(data: Path, config: SurpriseConfig | None = None) -> dict[str, Any]:
    """Scores of the given range (the benchmark hands every detector the lowest and highest value of a file) and of the own one.

    `data` holds `data/` and `labels/` of the benchmark. Halves are scored at the threshold of the whole. Raises OSError or ValueError
    where a file cannot be read.
    """
    config = config or SurpriseConfig()
    corpus = load(data)
    referee, parts = Referee(corpus), halves(corpus)
    given, own = listen(corpus, config, given=True), listen(corpus, config, given=False)
    best = {profile: referee.best(given, profile) for profile in ("standard", "low_fp", "low_fn")}
    own_best = referee.best(own, "standard")
    fixed, own_fixed = (referee.at(scores, "standard", config.margin).score for scores in (given, own))
    half = {name: Referee(corpus, part).at(given, "standard", best["standard"].threshold).score for name, part in parts.items()}
    again = listen(corpus, config, given=False, restart=True)
    spent, size = cost(corpus, config)
    found: dict[str, Any] = {profile: round(one.score, 2) for profile, one in best.items()}
    found |= {
        "own_range": round(own_best.score, 2),
        "half_a": round(half["A"], 2),
        "half_b": round(half["B"], 2),
        "fixed_threshold": round(fixed, 2),
        "own_fixed_threshold": round(own_fixed, 2),
        "us_per_reading": round(spent, 3),
        "bytes_per_series": size,
        "windows": referee.windows,
        "found": best["standard"].found,
        "outside": best["standard"].outside,
        "restart_equal": all(np.array_equal(own[name], again[name]) for name in corpus),
    }
    short = [name for name, least in AT_LEAST.items() if found[name] < least]
    short += [name for name, most in AT_MOST.items() if found[name] > most]
    if best["standard"].score - fixed > FIXED_WITHIN or own_best.score - own_fixed > FIXED_WITHIN:
        short.append("fixed_threshold")
    if not found["restart_equal"]:
        short.append("restart_equal")
    return found | {"bar": AT_LEAST | AT_MOST, "short": short, "ok": not short}


def listen(corpus: Mapping[str, Series], config: SurpriseConfig, *, given: bool, restart: bool = False) -> dict[str, Floats]:
    """Raw scores of every file, all files read side by side; with `restart`, by two detectors, the second taking over half way."""
    names, series = list(corpus), list(corpus.values())
    lengths = np.array([len(one.values) for one in series])
    at, values = _side_by_side(series, int(lengths.max()))
    out = np.zeros(values.shape)
    detector = Surprise(config, len(series))
    if given:
        detector.know(np.arange(len(series)), *_ranges(series))
    slots, until = np.arange(len(series)), int(lengths.min())
    for k in range(len(values)):
        if k >= until:  # a file has ended
            slots = np.flatnonzero(lengths > k)
            until = int(lengths[slots].min())
        if restart and k == int(lengths.min()) // 2:
            state, detector = detector.snapshot(slots), Surprise(config, len(series))
            detector.restore(slots, state)
        out[k, slots] = detector.update(slots, at[k, slots], values[k, slots]).raw
    return {name: out[: lengths[i], i] for i, name in enumerate(names)}


def cost(corpus: Mapping[str, Series], config: SurpriseConfig) -> tuple[float, int]:
    """Microseconds of CPU per reading, its range learned and its first readings included, and bytes of state per series."""
    series = list(corpus.values())
    at, values = _side_by_side(series, min(len(one.values) for one in series))
    copies = -(-TOGETHER // len(series))
    at, values = np.tile(at, copies), np.tile(values, copies)
    slots = np.arange(values.shape[1])
    spent: list[float] = []
    for _ in range(TIMES):
        detector = Surprise(config, len(slots))
        began = time.process_time()
        for k in range(len(values)):
            detector.update(slots, at[k], values[k])
        spent.append(1e6 * (time.process_time() - began) / values.size)
    return float(np.median(spent)), -(-len(detector.snapshot(slots)) // len(slots))


def _ranges(series: list[Series]) -> tuple[Floats, Floats]:
    """The range of each file; one that never moves is left to the detector."""
    low, high = (np.array([bound(one.values) for one in series]) for bound in (np.min, np.max))
    moves = high > low
    return np.where(moves, low, 0.0), np.where(moves, high, 0.0)


def _side_by_side(series: list[Series], n: int) -> tuple[NDArray[np.int64], Floats]:
    at, values = np.zeros((n, len(series)), np.int64), np.zeros((n, len(series)))
    for i, one in enumerate(series):
        at[: len(one.at), i], values[: len(one.values), i] = one.at[:n], one.values[:n]
    return at, values
