"""Quantiles of the beta distribution, and the number between 0 and 1 that is a case's own."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist
from typing import Final

from vorab.rates import beta_below

CLOSE: Final = 1e-6
"""Nobody can tell chances apart that are closer."""
EXACT: Final = 1e-9
STEPS: Final = 80

_normal: Final = NormalDist().inv_cdf


def own_number(*parts: str) -> float:
    """A number strictly between 0 and 1 that looks like chance and is always the same for the same parts."""
    found = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return (int.from_bytes(found[:6], "big") + 0.5) / 2.0**48


def quantile(share: float, a: float, b: float) -> float:
    """The value below which Beta(a, b) has this share of its weight: Newton's steps, kept inside by halving.

    It moves little when the counts move little, so what was proposed does not jump while somebody reads it.
    """
    low, high = 0.0, 1.0
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    # The logarithm of the odds is nearly normal, which is a good place to begin.
    x = 1 / (1 + math.exp(-max(-20.0, min(20.0, math.log(a / b) + _normal(share) * math.sqrt(1 / a + 1 / b)))))
    for _ in range(STEPS):
        over = beta_below(a, b, x, EXACT) - share
        low, high = (low, x) if over > 0 else (x, high)
        slope = math.exp(scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))
        then = x - over / slope if slope > 0 else low
        if not low < then < high:
            then = (low + high) / 2
        if abs(then - x) < CLOSE:
            return then
        x = then
    return x
