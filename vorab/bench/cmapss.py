"""How early, and how surely, a failure is announced: engines run until they failed, each judged by what other engines taught.

The data are NASA's simulated turbofans, set FD001: 100 engines, one row of 21 sensors per flight, until failure. No sensor has a limit.
So half of the engines teach three things, and the other half is judged; then the other way round:

1. *which way wear goes*: the direction in the space of sensors in which engines before their failure differ most from the same engines
   when new, in units of their noise (R. A. Fisher, *The use of multiple measurements in taxonomic problems*, 1936);
2. *the limit*: how far along it engines were when they failed, in the median;
3. *what a line is worth here*: how long engines really lived when the line said so many flights. From that comes the interval told
   (split conformal prediction: V. Vovk and others, *Algorithmic Learning in a Random World*, 2005).

An engine's own past is all that is used of it: its first 30 flights say what is new, every flight is one reading of one signal (wear, as
its logarithm, because wear grows by shares), and the detector that ships, `trend`, raises the alarm. A day stands for a flight.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from vorab.clock import DAY
from vorab.errors import ConfigError

if TYPE_CHECKING:
    from streams.detectors.trend import TrendRule

Floats = NDArray[np.float64]

NEW: Final = 30
"""Flights that show an engine when it is new."""
WORN: Final = 15
"""Flights before failure that show wear."""
AT_LAST: Final = 5
"""Flights before failure whose mean wear is where an engine failed."""
SETTINGS: Final = {"within": "80 d", "memory": "40 d", "step": "1 d", "steps": 40, "confidence": 0.95}
"""Of the rule: a day is a flight."""
BINS: Final = 6
TAIL: Final = 0.06
"""Share of the teachers' statements left out at either end of the interval: 88 % are meant to be covered, 80 % are asked for."""
USEFUL: Final = (10, 125)
"""Flights before failure between which an alarm is of use."""
NOTHING_KNOWN: Final = np.array([0.0, 0.0, np.inf])
BAR: Final[dict[str, float]] = {"useful": 0.95, "late": 0, "covered": 0.80}


@dataclass(frozen=True, slots=True)
class Flights:
    """What the detector said during the flights of one engine."""

    life: int
    alarm: int
    """Flights before failure at the first alarm; -1 never."""
    left: Floats
    """Per statement (each flight while the alarm is on): flights left in truth, and by the line."""
    said: Floats


def engines(folder: Path) -> list[Floats]:
    """The sensors of each engine, (flights, 21), from `train_FD001.txt` or the same compressed."""
    for name in ("train_FD001.txt.gz", "cmapss/train_FD001.txt.gz", "train_FD001.txt", "cmapss/train_FD001.txt"):
        file = folder / name
        if file.is_file():
            with gzip.open(file, "rt") if name.endswith(".gz") else file.open() as lines:
                rows = np.loadtxt(lines)
            return [rows[rows[:, 0] == unit, 5:] for unit in np.unique(rows[:, 0])]
    raise ConfigError(f"{folder} has no train_FD001.txt.gz; it is the C-MAPSS turbofan set of NASA's prognostics data repository")


def direction(teachers: Sequence[Floats]) -> Floats:
    """Weights of the sensors; along them an engine's noise is 1."""
    changes = [each - each[:NEW].mean(axis=0) for each in teachers]
    new, worn = np.concatenate([each[:NEW] for each in changes]), np.concatenate([each[-WORN:] for each in changes])
    alive = new.std(axis=0) > 1e-9
    weights = np.zeros(len(alive))
    noise = np.cov(new[:, alive].T)
    found = np.linalg.solve(noise + 1e-6 * np.diag(np.diag(noise)), (worn.mean(axis=0) - new.mean(axis=0))[alive])
    weights[alive] = found / np.sqrt(found @ noise @ found)
    return weights


def wear(engine: Floats, weights: Floats) -> Floats:
    """Logarithm of how worn an engine is at each flight; about 0 when new. The first 30 flights are read when they are over."""
    worn: Floats = (engine - engine[:NEW].mean(axis=0)) @ weights
    return np.log1p(np.maximum(worn, -0.5))


def watch(signals: Sequence[Floats], limit: float) -> list[Flights]:
    """Lead the signal of each engine, flight by flight, through the detector; all engines side by side."""
    from streams.detectors.columns import Columns, Runs  # noqa: PLC0415 - a benchmark of a stage loads it when it runs
    from streams.detectors.shape import Change  # noqa: PLC0415
    from streams.detectors.trend import LAYOUT, Trend, forecast  # noqa: PLC0415

    rule = _rule(limit)
    detector, state, count = Trend(rule), Columns("trend", LAYOUT, Trend.block), len(signals)
    state.grow(count)
    detector.prepare(state, np.arange(count), rule, lambda _: limit, fresh=True)
    lives = np.array([len(signal) for signal in signals])
    alarm = np.full(count, -1)
    left: list[list[float]] = [[] for _ in signals]
    said: list[list[float]] = [[] for _ in signals]
    for flight in range(int(lives.max())):
        slots = np.flatnonzero(lives > flight)
        values = np.array([signals[slot][flight] for slot in slots.tolist()])
        at = np.full(len(slots), (flight + 1) * DAY)
        episodes = detector.update(state, Runs(slots, apart=True), at, values)
        if episodes is not None:
            first = slots[episodes.rows[episodes.change == Change.RAISED]]
            first = first[alarm[first] < 0]
            alarm[first] = lives[first] - 1 - flight
        days = forecast(state.of, slots, at)[0] / 86_400
        for slot, on, line in zip(slots.tolist(), state.of["active"][slots].tolist(), days.tolist(), strict=True):
            if on:
                left[slot].append(float(lives[slot] - 1 - flight))
                said[slot].append(line)
    each = zip(lives.tolist(), alarm.tolist(), left, said, strict=True)
    return [Flights(life, first, np.array(truth), np.array(lines)) for life, first, truth, lines in each]


def _rule(limit: float) -> TrendRule:
    from streams.detectors.trend import TrendRule  # noqa: PLC0415

    words = {"id": "wear", "title": {"en": "Wear", "de": "Verschleiß"}, "cause": "wear", "detector": "trend", "signal": "wear"}
    return TrendRule.model_validate({**words, "above": limit, **SETTINGS})


@dataclass(frozen=True, slots=True)
class Table:
    """What engines really had left when the line said so much: per bin of what was said the lowest, middle and highest."""

    edges: Floats
    low: Floats
    middle: Floats
    high: Floats

    def told(self, said: Floats) -> tuple[Floats, Floats, Floats]:
        """Lowest, likeliest and highest number of flights left, per statement."""
        at = np.searchsorted(self.edges, said)
        return self.low[at], self.middle[at], self.high[at]


def calibrate(taught: Sequence[Flights]) -> Table:
    """Bins of equal size of what the line said, and quantiles of the truth in each."""
    said, left = np.concatenate([each.said for each in taught]), np.concatenate([each.left for each in taught])
    edges = np.quantile(said, np.linspace(0, 1, BINS + 1)[1:-1], method="nearest") if len(said) else np.zeros(0)
    at = np.searchsorted(edges, said)
    mine = [left[at == number] for number in range(len(edges) + 1)]
    columns = np.array([np.quantile(some, [TAIL, 0.5, 1 - TAIL]) if len(some) else NOTHING_KNOWN for some in mine])
    return Table(edges, *columns.T)


def judge(engines: Sequence[Floats], teachers: Sequence[Floats]) -> tuple[list[Flights], Floats]:
    """What is said of engines after others taught: their flights, and per statement truth, lowest, likeliest, highest (4, n)."""
    weights = direction(teachers)
    known = [wear(each, weights) for each in teachers]
    limit = float(np.median([each[-AT_LAST:].mean() for each in known]))
    table = calibrate(watch(known, limit))
    flights = watch([wear(each, weights) for each in engines], limit)
    said = np.concatenate([each.said for each in flights])
    return flights, np.stack([np.concatenate([each.left for each in flights]), *table.told(said)])


def run(data: Path) -> dict[str, Any]:
    """Both halves, each judged by the other: lead of the alarms, and how far the time left is to be trusted."""
    every = engines(data)
    half = len(every) // 2
    halves = [judge(every[:half], every[half:]), judge(every[half:], every[:half])]
    flights = [each for found, _ in halves for each in found]
    alarm = np.array([each.alarm for each in flights])
    if not sum(len(each.left) for each in flights):
        return {"bench": "cmapss", "engines": len(every), "useful": 0, "late": len(every), "statements": 0, "bar": BAR, "ok": False}
    left, low, middle, high = np.concatenate([statements for _, statements in halves], axis=1)
    covered, last = (left >= low) & (left <= high), left <= 30
    first = np.cumsum([0, *(len(each.left) for each in flights)])[:-1][[len(each.left) > 0 for each in flights]]
    useful, late, share = int(((alarm >= USEFUL[0]) & (alarm <= USEFUL[1])).sum()), int((alarm < USEFUL[0]).sum()), float(covered.mean())
    return {
        "bench": "cmapss",
        "engines": len(every),
        "useful": useful,
        "late": late,
        "early": int((alarm > USEFUL[1]).sum()),
        "lead_median": float(np.median(alarm)),
        "lead_min": int(alarm.min()),
        "lead_max": int(alarm.max()),
        "statements": len(left),
        "covered": round(share, 3),
        "covered_halves": [round(float(((one[0] >= one[1]) & (one[0] <= one[3])).mean()), 3) for _, one in halves],
        "covered_at_alarm": round(float(covered[first].mean()), 3),
        "covered_last_30": round(float(covered[last].mean()), 3),
        "width_median": round(float(np.median(high - low)), 1),
        "width_last_30": round(float(np.median((high - low)[last])), 1),
        "error_mean": round(float(np.abs(middle - left).mean()), 1),
        "left_median": round(float(np.median(left)), 1),
        "bar": BAR,
        "ok": useful >= BAR["useful"] * len(every) and late <= BAR["late"] and share >= BAR["covered"],
    }
