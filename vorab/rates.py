"""Rates of rare events and their ratio with exact 95 % intervals: Garwood 1936, Clopper & Pearson 1934, Przyborowski & Wilenski 1940. Pure.

Two counts are compared by the condition that their sum is given: then the first is binomial, whatever the rates are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

TAIL: Final = 0.025
"""What is left out at either end."""
_TINY: Final = 1e-300
_EPS: Final = 1e-15
_STEPS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as often."""

    ratio: float
    """Infinite where only the second has any; NaN where neither has."""
    low: float
    high: float
    p: float
    """Twice the smaller tail of the binomial, at most 1: below 0.05 exactly where the interval leaves 1 out."""


def mean_interval(count: int) -> tuple[float, float]:
    """The means of a Poisson distribution between which 95 % lie, for what was counted (Garwood)."""
    low = 0.0 if count == 0 else _solve(lambda mean: _gamma(count, mean) - TAIL, 0.0, float(count))
    top = count + 10.0 * math.sqrt(count + 1) + 10.0
    return low, _solve(lambda mean: _gamma(count + 1, mean) - (1 - TAIL), float(count), top)


def rate_ratio(first: int, first_days: float, second: int, second_days: float) -> Ratio:
    """The second rate over the first; the exposures are above 0."""
    both = first + second
    if both == 0:
        return Ratio(math.nan, 0.0, math.inf, 1.0)
    ratio = math.inf if first == 0 else (second / second_days) / (first / first_days)
    even = second_days / (first_days + second_days)
    low = 0.0 if second == 0 else _solve(lambda p: beta_below(second, first + 1, p) - TAIL, 0.0, 1.0)
    high = 1.0 if first == 0 else _solve(lambda p: beta_below(second + 1, first, p) - (1 - TAIL), 0.0, 1.0)
    at_least = 1.0 if second == 0 else beta_below(second, first + 1, even)
    at_most = 1.0 if first == 0 else 1 - beta_below(second + 1, first, even)

    def odds(p: float) -> float:
        return math.inf if p >= 1 else p / (1 - p) * first_days / second_days

    return Ratio(ratio, odds(low), odds(high), min(1.0, 2 * min(at_least, at_most)))


def _solve(rises: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises is 0, by halving."""
    for _ in range(200):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        low, high = (middle, high) if rises(middle) < 0 else (low, middle)
    return (low + high) / 2


def _gamma(a: float, x: float) -> float:
    """The regularised lower incomplete gamma function P(a, x): series or continued fraction (Lentz)."""
    if x <= 0:
        return 0.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for n in range(1, _STEPS):
            term *= x / (a + n)
            total += term
            if term < total * _EPS:
                break
        return min(1.0, total * scale)
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    h = d
    for n in range(1, _STEPS):
        an = -n * (n - a)
        b += 2
        d = 1 / _away(an * d + b)
        c = _away(b + an / c)
        h *= d * c
        if abs(d * c - 1) < _EPS:
            break
    return max(0.0, 1 - scale * h)


def beta_below(a: float, b: float, x: float, eps: float = _EPS) -> float:
    """The regularised incomplete beta function I_x(a, b): continued fraction (Lentz), to about `eps`."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_below(b, a, 1 - x, eps)
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or _TINY)
    h = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / ((1 + even * d) or _TINY), (1 + even / c) or _TINY
        h *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / ((1 + odd * d) or _TINY), (1 + odd / c) or _TINY
        h *= d * c
        if abs(d * c - 1) < eps:
            break
    return min(1.0, scale * h)


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
