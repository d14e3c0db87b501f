"""How often the alarm during a rollout is wrong, and how soon it is right: simulated rollouts of ten days, looked at every hour."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from vorab.rates import rate_ratio

STAGES: Final = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.5, 0.5, 0.75, 0.9)
"""Share of devices that run the newer firmware, day by day."""
A_DAY: Final = 100.0
"""Devices affected a day where nothing is worse: a fleet of two thousand of which each has a bad day in three weeks."""
BARS: Final = {"false_alarms": 0.01, "doublings_found": 0.95}


def hours(seed: int, worse: float, a_day: float = A_DAY) -> Iterator[tuple[int, int, float]]:
    """A rollout: affected under the older and the newer firmware, hour by hour, and the newer one's share."""
    chance = np.random.default_rng(seed)
    share = np.repeat(STAGES, 24)
    # Weather and weekends: what all devices have in common goes up and down.
    level = a_day / 24 * np.repeat(chance.gamma(4, 0.25, len(STAGES)), 24)
    older, newer = chance.poisson(level * (1 - share)), chance.poisson(level * share * worse)
    return zip(older.tolist(), newer.tolist(), share.tolist(), strict=True)


def called(seed: int, worse: float) -> int | None:
    """The hour at which a rollout is called worse, if ever."""
    from streams.rollout_evidence import RAISED, Evidence  # noqa: PLC0415 - a benchmark of a stage loads it when it runs

    evidence = Evidence()
    for i, hour in enumerate(hours(seed, worse)):
        evidence.add(*hour)
        if evidence.value >= RAISED:
            return i
    return None


def called_naively(seed: int, worse: float, alpha: float) -> bool:
    """The comparison of `vorab firmware compare`, exact for one look, made every day and believed each time: known to be wrong."""
    counts, days = [0, 0], [0.0, 0.0]
    for i, (older, newer, share) in enumerate(hours(seed, worse)):
        counts, days = [counts[0] + older, counts[1] + newer], [days[0] + (1 - share) * 40, days[1] + share * 40]
        if i % 24 == 23 and (ratio := rate_ratio(counts[0], days[0], counts[1], days[1])).p < 2 * alpha and ratio.ratio > 1:
            return True
    return False


def run(rollouts: int = 1_000) -> dict[str, Any]:
    """So many without a difference, and as many of a firmware that makes twice as many devices fail."""
    from streams.rollout_evidence import ALPHA, TOLERATED  # noqa: PLC0415 - see `called`

    false_alarms = sum(called(seed, 1.0) is not None for seed in range(rollouts))
    at_the_limit = sum(called(seed, TOLERATED) is not None for seed in range(rollouts))
    found = [hour for seed in range(rollouts) if (hour := called(seed, 2.0)) is not None]
    naive = sum(called_naively(seed, 1.0, ALPHA) for seed in range(rollouts // 5))
    return {
        "bench": "rollouts",
        "rollouts": rollouts,
        "days": len(STAGES),
        "affected_a_day": A_DAY,
        "false_alarms": false_alarms,
        f"false_alarms_at_{TOLERATED}": at_the_limit,
        "doublings_found": len(found),
        "median_days_until_found": round(statistics.median(found) / 24, 1) if found else None,
        "median_share_of_devices_then": STAGES[int(statistics.median(found)) // 24] if found else None,
        "naive_false_alarms_of_a_fifth": naive,
        "bars": BARS,
        "ok": max(false_alarms, at_the_limit) <= BARS["false_alarms"] * rollouts and len(found) >= BARS["doublings_found"] * rollouts,
    }
