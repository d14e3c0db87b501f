"""What a service desk feels: faults found and alerts a year, over recorded series with labelled windows.

An alert counts where it is raised: inside a labelled window or outside all of them. Years are elapsed time, without the first readings
of each file that the benchmark does not score (and in which nothing is counted). *Real* files are those that were recorded somewhere; the
artificial ones are told apart. One shipped configuration, its range learned, no look-ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.second_stage import SecondStage, StageConfig
from streams.detectors.surprise import Surprise
from streams.detectors.surprise_config import SurpriseConfig
from vorab.bench.nab_score import Floats, Series, halves, load

YEAR: Final = 365.25 * 86_400e6
"""µs."""
AT_LEAST: Final = {"recall": 0.77}
AT_MOST: Final = {"alerts_per_device_year": 20.0}
CURVE: Final = (0.2, 0.3, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.5, 2.0, 3.0)
"""Thresholds of the budget curve, in shipped ones."""

Places = Mapping[str, NDArray[np.intp]]
"""File → the readings at which an alert was raised."""


def surprises(corpus: Mapping[str, Series], config: SurpriseConfig | None = None) -> list[tuple[NDArray[np.intp], Floats, Floats]]:
    """Reading by reading, all files side by side: slots that have one, their values, and by which share surprise beat its record."""
    series = list(corpus.values())
    lengths = np.array([len(one.values) for one in series])
    detector = Surprise(config, len(series))
    out = []
    for k in range(int(lengths.max())):
        slots = np.flatnonzero(lengths > k)
        values = np.array([series[slot].values[k] for slot in slots.tolist()])
        at = np.array([series[slot].at[k] for slot in slots.tolist()])
        out.append((slots, values, detector.update(slots, at, values).ratio))
    return out


def listen(corpus: Mapping[str, Series], readings: Iterable[tuple[NDArray[np.intp], Floats, Floats]], config: StageConfig) -> Places:
    """Where the second stage raises alerts."""
    names = list(corpus)
    stage = SecondStage(config, len(names))
    found: list[list[int]] = [[] for _ in names]
    for k, (slots, values, surprise) in enumerate(readings):
        for slot in slots[stage.update(slots, values, surprise).raised].tolist():
            found[slot].append(k)
    return {name: np.array(places, np.intp) for name, places in zip(names, found, strict=True)}


def felt(corpus: Mapping[str, Series], alerts: Places, names: Iterable[str]) -> dict[str, Any]:
    """Recall, precision, alerts and false alerts per device-year, and the delay (hours after the window began), of some files."""
    windows = hit = inside = count = 0
    years, delays = 0.0, list[float]()
    for name in names:
        one, start = corpus[name], corpus[name].probation
        places = alerts[name][alerts[name] >= start]
        years += float(one.at[-1] - one.at[start]) / YEAR
        windows, count = windows + len(one.windows), count + len(places)
        for first, last in one.windows:
            mine = places[(places >= first) & (places <= last)]
            inside += len(mine)
            if len(mine):
                hit += 1
                delays.append(float(one.at[mine[0]] - one.at[first]) / 3_600e6)
    return {
        "windows": windows,
        "found": hit,
        "alerts": count,
        "recall": round(hit / max(windows, 1), 3),
        "precision": round(inside / max(count, 1), 3),
        "device_years": round(years, 2),
        "alerts_per_device_year": round(count / years, 1),
        "false_alerts_per_device_year": round((count - inside) / years, 1),
        "delay_h_median": round(float(np.median(delays)), 1) if delays else None,
    }


def run(data: Path, config: StageConfig | None = None) -> dict[str, Any]:
    """The service view of the recorded files, their halves, those with a label, and the budget curve.

    `data` holds `data/` and `labels/` of the benchmark. Raises OSError or ValueError where a file cannot be read.
    """
    config = config or StageConfig()
    corpus = load(data)
    readings = surprises(corpus)
    real = [name for name in corpus if name.startswith("real")]
    alerts = listen(corpus, readings, config)
    found = {"bench": "service", "files": len(real), **felt(corpus, alerts, real)}
    short_of = ("recall", "precision", "alerts_per_device_year", "false_alerts_per_device_year")
    for half, names in halves(corpus).items():
        part = felt(corpus, alerts, [name for name in names if name in set(real)])
        found[f"half_{half.lower()}"] = {key: part[key] for key in short_of}
    labelled = felt(corpus, alerts, [name for name, one in corpus.items() if one.windows])
    found["labelled_files"] = {key: labelled[key] for key in ("windows", *short_of)}
    artificial = [name for name in corpus if name not in set(real)]
    found["artificial"] = {key: value for key, value in felt(corpus, alerts, artificial).items() if key in {"windows", "found", "alerts"}}
    found["curve"] = [_point(corpus, readings, real, config, share) for share in CURVE]
    short = [name for name, least in AT_LEAST.items() if found[name] < least]
    short += [name for name, most in AT_MOST.items() if found[name] > most]
    return {**found, "bar": AT_LEAST | AT_MOST, "short": short, "ok": not short}


def _point(corpus: Mapping[str, Series], readings: Iterable[Any], names: list[str], config: StageConfig, share: float) -> dict[str, float]:
    threshold = config.threshold * share
    part = felt(corpus, listen(corpus, readings, replace(config, threshold=threshold)), names)
    keys = ("alerts_per_device_year", "recall", "precision")
    return {"threshold": round(threshold, 2), **{key: part[key] for key in keys}}
