"""Whether a firmware makes more devices fail than another one, asked again every hour: an e-process, which may be looked at at any time.

Given how many devices failed in an hour, each of them ran the newer firmware with a probability that is known where both are alike:
the newer one's share of the time. So whatever weather, weekend or season does to all devices alike falls out. Against that stands a
firmware that makes more of them fail; the ratio of the likelihoods, multiplied over the hours and averaged over how much worse it may
be, is the *evidence*. Where the newer firmware is not worse, the evidence ever reaches 1/alpha with a probability of at most alpha,
however often it is looked at (Ville 1939). The test by counts given their sum is Lindon and Malek, "Anytime-Valid Inference for
Multinomial Count Data" (NeurIPS 2022), written for rollouts of software; likelihood ratios one after the other are Wald 1945, mixtures
of them Robbins 1970.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

ALPHA: Final = 0.01
"""Of a hundred rollouts without a difference one may be called worse, however long it takes."""
RAISED: Final = 1 / ALPHA
CLEARED: Final = 1.0
"""Evidence at which it is as likely that nothing is worse."""
TOLERATED: Final = 1.25
"""A newer firmware counts as no worse up to so many times: a handful of devices drawn by chance differ by as much."""
WORSE: Final = tuple(TOLERATED * 1.2**step for step in range(1, 13))
"""How many times worse it may be: from one and a half to eleven times. No count that ends a rollout by itself is missed in between."""


class Evidence(msgspec.Struct):
    """What is known of a pair of firmwares, as logarithms of likelihood ratios: one per `WORSE`."""

    logs: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(WORSE))

    def add(self, older: int, newer: int, share: float) -> None:
        """So many failed in an hour in which the newer firmware had this share of the time, above 0 and below 1."""
        odds = share / (1 - share)
        alike = odds * TOLERATED
        for i, worse in enumerate(WORSE):
            other = odds * worse
            # p = odds / (1 + odds) is the probability of a failure to be the newer one's.
            whole = math.log1p(alike) - math.log1p(other)
            self.logs[i] += newer * (math.log(worse / TOLERATED) + whole) + older * whole

    @property
    def value(self) -> float:
        """The evidence: 1 is none."""
        top = max(self.logs)
        return math.exp(min(top, 700.0)) * math.fsum(math.exp(each - top) for each in self.logs) / len(WORSE)
