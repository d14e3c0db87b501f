"""Score of an anomaly detector on the Numenta anomaly benchmark: our own reading of its published rules.

Every labelled anomaly has a window. The earliest report in a window earns by its place, up to 1 at the first reading of the window; a
window without a report costs the weight of a miss; a report outside costs up to the weight of a false alarm, less when it comes shortly
after a window. The first 15 % of a file, at most 750 readings, do not count. One threshold serves the whole corpus, the best one for the
profile. 0 is a detector that never speaks, 100 a perfect one.

Sources: A. Lavin, S. Ahmad, *Evaluating real-time anomaly detection algorithms* (2015), arXiv:1510.03336; S. Ahmad and others,
Neurocomputing 262 (2017), doi:10.1016/j.neucom.2017.04.070. `python -m vorab.bench.nab_score DATA RESULTS` scores what other detectors
said, laid out as the benchmark publishes it (RESULTS/<detector>/<group>/<detector>_<file>.csv); with the benchmark's `thresholds.json`
behind it, at the published thresholds, which gives the published scores; without, at the best ones, which now and then beat them.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Half = Literal["A", "B"]

PROBATION: Final = 0.15
PROBATION_MOST: Final = 750
STEEP: Final = 5.0
FAR: Final = 3.0
"""Window widths behind a window from which on a false alarm costs in full."""


class Profile(NamedTuple):
    """Weights: what a report at the very start of a window earns, what a miss costs, what a false alarm costs at most."""

    found: float
    missed: float
    false: float


PROFILES: Final[Mapping[str, Profile]] = {
    "standard": Profile(1.0, 1.0, 0.11),
    "low_fp": Profile(1.0, 1.0, 0.22),
    "low_fn": Profile(1.0, 2.0, 0.11),
}

PUBLISHED: Final = {"standard": "standard", "low_fp": "reward_low_FP_rate", "low_fn": "reward_low_FN_rate"}
"""What the benchmark calls its profiles."""


@dataclass(frozen=True, slots=True)
class Series:
    """One file: times (µs, the clock of the file read as UTC), values, and its windows as (first, last) reading."""

    at: Longs
    values: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """How many first readings do not count."""
        return min(int(PROBATION * len(self.values)), PROBATION_MOST)


@dataclass(frozen=True, slots=True)
class Scored:
    """A score, the threshold it was reached with (a report is a score at or above it), and what was found with it."""

    score: float
    threshold: float
    found: int
    outside: int


def load(folder: Path) -> dict[str, Series]:
    """The corpus: `data/<group>/<file>.csv` (or .csv.gz) and `labels/combined_windows.json`.

    Raises OSError where a file is missing, ValueError where one cannot be read.
    """
    labels: dict[str, list[list[str]]] = json.loads((folder / "labels" / "combined_windows.json").read_bytes())
    return {name: _series(folder / "data" / name, labels[name]) for name in sorted(labels)}


def halves(names: Iterable[str]) -> dict[Half, list[str]]:
    """The files in two halves: even and odd places by name within each group."""
    out: dict[Half, list[str]] = {"A": [], "B": []}
    places: dict[str, int] = {}
    for name in sorted(names):
        group = name.partition("/")[0]
        places[group] = places.get(group, 0) + 1
        out["A" if places[group] % 2 else "B"].append(name)
    return out


class Referee:
    """Scores for some of the files of a corpus; files without any window have no score, which is told as 0."""

    def __init__(self, corpus: Mapping[str, Series], names: Iterable[str] | None = None) -> None:
        self.names: Sequence[str] = sorted(corpus if names is None else names)
        self._from = {name: corpus[name].probation for name in self.names}
        window, gain, self.windows = [], [], 0
        for name in self.names:
            one = corpus[name]
            places, gains = _gains(len(one.values), one.windows)
            window.append(np.where(places >= 0, places + self.windows, -1)[one.probation :])
            gain.append(gains[one.probation :])
            self.windows += len(one.windows)
        self._window: Longs = np.concatenate(window)
        self._gain: Floats = np.concatenate(gain)

    def best(self, scores: Mapping[str, Floats], profile: str) -> Scored:
        """With the threshold that suits this profile best. `scores`: per file one number a reading, larger is stranger."""
        curve = self._curve(scores, PROFILES[profile])
        return self._scored(curve, int(curve[1].argmax()), PROFILES[profile])

    def at(self, scores: Mapping[str, Floats], profile: str, threshold: float) -> Scored:
        """With this threshold."""
        curve = self._curve(scores, PROFILES[profile])
        return self._scored(curve, int(np.count_nonzero(curve[0] >= threshold)) - 1, PROFILES[profile])

    def _scored(self, curve: tuple[Floats, Floats, Longs, Longs], place: int, weights: Profile) -> Scored:
        thresholds, totals, found, outside = curve
        null, perfect = -weights.missed * self.windows, weights.found * self.windows
        score = 100.0 * (float(totals[place]) - null) / (perfect - null) if self.windows else 0.0
        return Scored(score, float(thresholds[place]), int(found[place]), int(outside[place]))

    def _curve(self, scores: Mapping[str, Floats], weights: Profile) -> tuple[Floats, Floats, Longs, Longs]:
        """Threshold, total, windows found and reports outside, from the strictest threshold down, the first of which reports nothing."""
        said = np.concatenate([np.asarray(scores[name], np.float64)[self._from[name] :] for name in self.names])
        if len(said) != len(self._gain):
            raise ValueError(f"{len(said)} scores for {len(self._gain)} readings")
        order = np.argsort(-said, kind="stable")
        said, window, gain = said[order], self._window[order], self._gain[order]
        step = np.where(window < 0, weights.false * gain, 0.0)
        first = np.zeros(len(said), np.int64)
        for number in range(self.windows):  # what the best report so far earns, as readings are reported one after the other
            rows = np.flatnonzero(window == number)
            earned = np.maximum.accumulate(np.maximum(weights.found * gain[rows], -weights.missed))
            step[rows] = np.diff(earned, prepend=-weights.missed)
            first[rows[:1]] = 1
        last = np.flatnonzero(np.append(np.diff(said) != 0.0, True))  # equal scores are reported together
        totals = np.cumsum(step)[last] - weights.missed * self.windows
        return (
            np.append(np.inf, said[last]),
            np.append(-weights.missed * self.windows, totals),
            np.append(0, np.cumsum(first)[last]),
            np.append(0, np.cumsum(window < 0)[last]),
        )


def _gains(n: int, windows: Sequence[tuple[int, int]]) -> tuple[Longs, Floats]:
    """Per reading the number of its window, -1 outside, and what a report earns (1 at most) or costs (-1 at most)."""
    window, gain = np.full(n, -1, np.int64), np.full(n, -1.0)
    top = _sigmoid(np.array([-1.0]))[0]
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        window[first : last + 1] = number
        gain[first : last + 1] = _sigmoid(-np.arange(width, 0, -1) / width) / top
        until = windows[number + 1][0] if number + 1 < len(windows) else n
        behind = np.arange(1, until - last) / max(width - 1, 1)
        gain[last + 1 : until] = np.where(behind > FAR, -1.0, _sigmoid(behind))
    return window, gain


def _sigmoid(y: Floats) -> Floats:
    """From almost 1 at -1 (the start of a window) over 0 at 0 (its end) to -1 far behind it."""
    return np.asarray(2.0 / (1.0 + np.exp(STEEP * np.minimum(y, FAR))) - 1.0)


def _series(path: Path, labels: Sequence[Sequence[str]]) -> Series:
    rows = _rows(path)
    at = np.array([_micros(row["timestamp"]) for row in rows], np.int64)
    values = np.array([float(row["value"]) for row in rows])
    times: dict[int, int] = {}
    for place, time in enumerate(at.tolist()):
        times.setdefault(time, place)  # where a clock was set back, the first reading with a time is meant
    try:
        return Series(at, values, tuple((times[_micros(first)], times[_micros(last)]) for first, last in labels))
    except KeyError:
        raise ValueError(f"{path}: a window begins or ends where there is no reading") from None


def _rows(path: Path) -> list[dict[str, str]]:
    packed = path.with_name(path.name + ".gz")
    with gzip.open(packed, "rt", encoding="utf-8", newline="") if packed.exists() else path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _micros(text: str) -> int:
    return int(datetime.fromisoformat(text.strip()).replace(tzinfo=UTC).timestamp()) * 1_000_000


def _published(folder: Path, names: Iterable[str]) -> dict[str, Floats]:
    tag = folder.name
    return {
        name: np.array([float(row["anomaly_score"]) for row in _rows(folder / Path(name).parent / f"{tag}_{Path(name).name}")])
        for name in names
    }


def main(data: Path, results: Path, thresholds: Path | None = None) -> None:
    """One JSON line per detector that has results: its three scores."""
    corpus = load(data)
    referee = Referee(corpus)
    published = {} if thresholds is None else json.loads(thresholds.read_bytes())
    for folder in sorted(each for each in results.iterdir() if each.is_dir()):
        scores, found = _published(folder, corpus), {}
        for profile, name in PUBLISHED.items():
            threshold = published.get(folder.name, {}).get(name, {}).get("threshold")
            scored = referee.best(scores, profile) if threshold is None else referee.at(scores, profile, threshold)
            found[profile] = round(scored.score, 4)
        sys.stdout.write(json.dumps({"detector": folder.name, **found}) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
