"""A straight line with fading memory through averages that come one by one, and what it is worth.

Columns of state; times in memories before the newest average, so that all sums stay small. What is further out than a few times the
usual residual is cut; when residuals add up on one side the level has shifted, or the slope, and a new line begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streams.detectors.columns import Slots
from streams.detectors.shape import Floats, Layout, Longs

CUT: Final = 4.0
"""Residuals are cut at so many mean absolute ones: three standard deviations of a normal one."""
SLACK: Final = 1.5
SHIFT: Final = 6.0
"""Residuals add up on either side, less so many mean absolute ones each; so many together are another level, or another slope.
Without a trend that happens once in about a hundred thousand averages, and three that are cut in a row are enough."""
TRUST: Final = 4
"""Averages in a line, and residuals ever, before anything is cut: fewer do not know their own noise, or which way they are going."""
TINY: Final = 1e-12
"""Share of the level that counts as noise: a signal without any would make every slope a certain one."""
UNKNOWN: Final = 1e30
"""Variance of a line through fewer than two points."""
SPEED: Final = 0.05
"""Share of a new residual in their mean size; more while there are fewer than twenty. What is on its way to a shift is not usual."""

LINE: Final[Layout] = {
    "count": "<i4",  # averages in the line
    "newest": "<i8",  # µs, of the newest
    "w": "<f8",  # sums of weights, …
    "ww": "<f8",  # … their squares, …
    "wt": "<f8",  # … and with times and values; values less `origin`
    "wtt": "<f8",
    "wy": "<f8",
    "wty": "<f8",
    "wyy": "<f8",
    "origin": "<f8",
    "usual": "<f8",  # mean size of residuals
    "seen": "<i4",  # residuals ever
    "last": "<f8",  # residual
    "like": "<f8",  # fading sums of residual times the one before, and of squares
    "square": "<f8",
    "high": "<f4",  # what residuals above and …
    "low": "<f4",  # … below add up to
}


@dataclass(frozen=True, slots=True)
class Line:
    """Lines, one per slot asked for. Times in memories after the newest average."""

    count: Longs
    level: Floats
    slope: Floats
    weight: Floats
    middle: Floats
    """Mean time of the averages in it."""
    spread: Floats
    """Of their times, weighted; 0 where there is no line yet."""
    noise: Floats
    """Variance of a single average; so large that it says nothing where there is no line yet."""

    def at(self, ahead: Floats) -> Floats:
        """Where the line is then."""
        return self.level + self.slope * ahead

    def lever(self, ahead: Floats) -> Floats:
        """Variance of the line there, in variances of a single average."""
        spread = np.where(self.spread > 0.0, self.spread, 1.0)
        return 1.0 / np.maximum(self.weight, TINY) + (ahead - self.middle) ** 2 / spread

    def error(self, ahead: Floats) -> Floats:
        """Its standard error there."""
        out: Floats = np.sqrt(self.noise * self.lever(ahead))
        return out

    def slope_error(self) -> Floats:
        """Standard error of the slope."""
        out: Floats = np.sqrt(self._slope_var)
        return out

    @property
    def _slope_var(self) -> Floats:
        return self.noise / np.where(self.spread > 0.0, self.spread, 1.0)

    def reach(self, edge: Floats) -> Floats:
        """When the line is at `edge`; infinite where never."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ahead = (edge - self.level) / self.slope
        return np.where(self.level >= edge, 0.0, np.where(self.slope > 0.0, ahead, np.inf))

    def reaches(self, edge: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Earliest and latest when the band of `z` standard errors around the line is at `edge` (Fieller)."""
        away = self.level - edge
        a = self.slope**2 - z**2 * self._slope_var
        b = 2.0 * (self.slope * away + z**2 * self._slope_var * self.middle)
        c = away**2 - (z * self.error(np.zeros(1))) ** 2
        root = np.sqrt(np.maximum(b * b - 4.0 * a * c, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            one, two = (-b - root) / (2.0 * a), (-b + root) / (2.0 * a)
        sure = (a > 0.0) & (self.slope > 0.0)
        inside = c <= 0.0  # the band holds the edge now
        low = np.where(sure, np.minimum(one, two), np.maximum(one, two))
        low = np.where(inside | (away >= 0.0), 0.0, np.where(low > 0.0, low, np.inf))
        high = np.where(sure, np.maximum(np.maximum(one, two), 0.0), np.inf)
        return low, np.where((away >= 0.0) & ~inside, 0.0, high)


def start_again(of: dict[str, Any], slots: Slots) -> None:
    """Forget the lines of these slots."""
    for name in LINE:
        of[name][slots] = 0


def add(of: dict[str, Any], slots: Slots, at: Longs, values: Floats, memory: Longs) -> Floats:
    """Put one average into each line: times (µs, later than those before), values, memory (µs).

    Per slot 0, or 1 or -1 where the level has shifted up or down and the line was begun again with this average.
    """
    count = of["count"][slots]
    first = count == 0
    of["origin"][slots] = np.where(first, values, of["origin"][slots])
    y = values - of["origin"][slots]
    ahead = np.where(first, 0.0, (at - of["newest"][slots]) / memory)
    known = count >= 2
    line = line_of(of, slots)
    guess = np.where(known, line.at(ahead) - of["origin"][slots], np.where(first, y, of["wy"][slots] / np.maximum(of["w"][slots], TINY)))
    wide = np.where(known, np.sqrt(1.0 + line.lever(ahead)), 1.0)  # a young line is no good prophet, and not surprised to be wrong
    off = (y - guess) / wide
    usual, seen = of["usual"][slots], of["seen"][slots]
    most = CUT * np.maximum(usual, TINY * np.abs(values))
    sure = (seen >= TRUST) & (count >= TRUST)
    out = sure & (np.abs(off) > most)
    cut = np.where(out, np.copysign(most, off), off)
    part = np.where(sure, cut / np.maximum(usual, TINY * np.maximum(np.abs(values), 1.0)), 0.0)
    high, low = (np.maximum(of[name][slots] + sign * part - SLACK, 0.0) for name, sign in (("high", 1.0), ("low", -1.0)))
    of["high"][slots], of["low"][slots] = high, low
    shifted = np.where(high >= SHIFT, 1.0, np.where(low >= SHIFT, -1.0, 0.0))

    fade = np.exp(-ahead)
    w, wt, wy = fade * of["w"][slots], fade * of["wt"][slots], fade * of["wy"][slots]
    of["wtt"][slots] = fade * of["wtt"][slots] - 2.0 * ahead * wt + ahead * ahead * w
    of["wty"][slots] = fade * of["wty"][slots] - ahead * wy
    of["wt"][slots] = wt - ahead * w
    y = guess + cut * wide
    size = np.where(np.maximum(high, low) >= SHIFT / 2.0, usual, np.abs(cut))
    of["w"][slots], of["ww"][slots] = w + 1.0, fade * fade * of["ww"][slots] + 1.0
    of["wy"][slots], of["wyy"][slots] = wy + y, fade * of["wyy"][slots] + y * y
    of["usual"][slots] = np.where(known, usual + np.maximum(SPEED, 1.0 / (seen + 1)) * (size - usual), usual)
    of["like"][slots] = np.where(known, fade * of["like"][slots] + cut * of["last"][slots], 0.0)
    of["square"][slots] = np.where(known, fade * of["square"][slots] + cut * cut, 0.0)
    of["seen"][slots] = seen + known
    of["last"][slots] = np.where(known, cut, 0.0)
    of["count"][slots], of["newest"][slots] = count + 1, at
    moved = np.flatnonzero(shifted)
    if len(moved):
        mine = slots[moved]
        start_again(of, mine)
        of["usual"][mine], of["seen"][mine] = usual[moved], np.minimum(seen[moved], TRUST)
        of["count"][mine], of["newest"][mine], of["origin"][mine] = 1, at[moved], values[moved]
        of["w"][mine] = of["ww"][mine] = 1.0
    return shifted


def line_of(of: dict[str, Any], slots: Slots) -> Line:
    """The lines of these slots; flat, and of no worth, where there are fewer than two averages."""
    w, wt, wtt = of["w"][slots], of["wt"][slots], of["wtt"][slots]
    wy, wty, origin = of["wy"][slots], of["wty"][slots], of["origin"][slots]
    whole = np.maximum(w, TINY)
    middle, mean = wt / whole, wy / whole
    spread = np.maximum(wtt - wt * middle, 0.0)
    drawn = spread > TINY
    slope = np.where(drawn, (wty - wt * mean) / np.where(drawn, spread, 1.0), 0.0)
    rest = np.maximum(of["wyy"][slots] - wy * mean - slope * (wty - wt * mean), 0.0)
    # Residuals that hang together are worth fewer independent ones.
    alike = np.clip(of["like"][slots] / np.maximum(of["square"][slots], np.finfo(float).tiny), 0.0, 0.9)
    worth = whole * whole / np.maximum(of["ww"][slots], TINY) * (1.0 - alike) / (1.0 + alike)
    free = worth - 2.0
    noise = rest / whole * worth / np.maximum(free, 0.5) + (TINY * (mean + origin)) ** 2
    noise = noise * (1.0 + 2.0 / np.maximum(free, 0.5))  # as Student's t is wider than the normal one
    return Line(
        of["count"][slots],
        origin + mean - slope * middle,
        slope,
        w,
        middle,
        np.where(drawn, spread, 0.0),
        np.where(drawn, noise / np.maximum(worth, TINY) * whole, UNKNOWN),
    )
