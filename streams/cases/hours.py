"""When a remedy may begin: days and hours on the clock where the machine stands."""

from __future__ import annotations

import functools

import numpy as np

from streams.rules.schedule import Schedule, When
from streams.rules.zones import zone_named
from vorab.clock import DAY, MINUTE, Micros

AHEAD: Micros = 15 * DAY
"""Hours that do not come in this time are taken to never come."""


@functools.lru_cache(maxsize=256)
def _schedule(when: str) -> Schedule:
    return Schedule(When.model_validate_json(when))


def opens(when: When, zone: str, at: Micros) -> Micros | None:
    """The first moment from `at` on (µs) that lies within the hours, by the minute; None where none comes."""
    schedule, clocks = _schedule(when.model_dump_json()), zone_named(when.zone_of(zone))
    first = np.array([at])
    if schedule.inside(first, clocks)[0]:
        return at
    minutes = np.arange(at // MINUTE + 1, (at + AHEAD) // MINUTE, dtype=np.int64) * MINUTE
    within = np.flatnonzero(schedule.inside(minutes, clocks))
    return int(minutes[within[0]]) if len(within) else None
