"""What a service desk feels: faults found and alerts a year, over recorded series with labelled windows.

An alert counts where it is raised: inside a labelled window or outside all of them. Years are elapsed time, without the first readings
of each file that the benchmark does not score (and in which nothing is counted). *Real* files are those that were recorded somewhere; the
artificial ones are told apart. The detector `unusual` as it ships, its range learned, no look-ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.detectors.columns import Columns, Runs
from streams.detectors.shape import Change
from streams.detectors.unusual import LAYOUT, Unusual, UnusualRule
from vorab.bench.nab_score import Series, halves, load

YEAR: Final = 365.25 * 86_400e6
"""µs."""
AT_LEAST: Final = {"recall": 0.77}
AT_MOST: Final = {"alerts_per_device_year": 20.0}
CURVE: Final = (0.15, 0.3, 0.6, 0.9, 1.1, 1.5, 2.5)
"""Thresholds of the budget curve, in shipped ones; 1 is beside it."""

Places = Mapping[str, NDArray[np.intp]]
"""File → the readings at which an alert was raised."""


def rule(share: float = 1.0) -> UnusualRule:
    """The rule as shipped, or with a share of its threshold."""
    words = {"id": "unusual", "title": {"en": "Unusual", "de": "Ungewöhnlich"}, "cause": "unusual", "detector": "unusual"}
    shipped = UnusualRule.model_validate(words)
    return shipped if share == 1.0 else shipped.model_copy(update={"threshold": shipped.threshold * share})


def listen(corpus: Mapping[str, Series], given: UnusualRule) -> Places:
    """Where alerts are raised; all files side by side, reading by reading."""
    series = list(corpus.values())
    lengths = np.array([len(one.values) for one in series])
    detector, state = Unusual(given), Columns("unusual", LAYOUT, Unusual.block)
    state.grow(len(series))
    detector.prepare(state, np.arange(len(series)), given, lambda _: None, fresh=True)
    found: list[list[int]] = [[] for _ in series]
    for k in range(int(lengths.max())):
        slots = np.flatnonzero(lengths > k)
        values = np.array([series[slot].values[k] for slot in slots.tolist()])
        at = np.array([series[slot].at[k] for slot in slots.tolist()])
        episodes = detector.update(state, Runs(slots, apart=True), at, values)
        if episodes is not None:
            for slot in slots[episodes.rows[episodes.change == Change.RAISED]].tolist():
                found[slot].append(k)
    return {name: np.array(places, np.intp) for name, places in zip(corpus, found, strict=True)}


def felt(corpus: Mapping[str, Series], alerts: Places, names: Iterable[str]) -> dict[str, Any]:
    """Recall, precision, alerts and false alerts per device-year, and the delay (hours after the window began), of some files."""
    windows = hit = inside = count = 0
    years, delays = 1e-9, list[float]()  # nobody divides by no time at all
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


def run(data: Path) -> dict[str, Any]:
    """The service view of the recorded files, their halves, those with a label, and the budget curve.

    `data` holds `data/` and `labels/` of the benchmark. Raises OSError or ValueError where a file cannot be read.
    """
    corpus = load(data)
    real = [name for name in corpus if name.startswith("real")]
    artificial = [name for name in corpus if not name.startswith("real")]
    alerts = listen(corpus, rule())
    found = {"bench": "service", "files": len(real), **felt(corpus, alerts, real)}
    for half, names in halves(corpus).items():
        found[f"half_{half.lower()}"] = _short(felt(corpus, alerts, [name for name in names if name.startswith("real")]))
    found["labelled_files"] = _short(felt(corpus, alerts, [name for name, one in corpus.items() if one.windows]))
    found["artificial"] = {key: value for key, value in felt(corpus, alerts, artificial).items() if key in {"windows", "found", "alerts"}}
    found["curve"] = [{"share": share, **_short(felt(corpus, listen(corpus, rule(share)), real))} for share in CURVE]
    short = [name for name, least in AT_LEAST.items() if found[name] < least]
    short += [name for name, most in AT_MOST.items() if found[name] > most]
    return {**found, "bar": AT_LEAST | AT_MOST, "short": short, "ok": not short}


def _short(view: Mapping[str, Any]) -> dict[str, Any]:
    return {key: view[key] for key in ("recall", "precision", "alerts_per_device_year", "false_alerts_per_device_year")}
