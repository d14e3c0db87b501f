"""Which time a row gets: the device's own where it can be believed, the time of arrival where not. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.decoders.rows import END_OF_RECORDINGS, Row
from vorab.clock import DAY, MINUTE, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Quality

OLDEST: Final[Micros] = 7 * DAY
"""A device that was offline for a week may hand in what it kept."""
NEWEST: Final[Micros] = 5 * MINUTE
"""Clocks of devices drift; five minutes ahead is still drift."""

MEASURED: Final = int(Quality.MEASURED)
ARRIVAL: Final = int(Quality.ARRIVAL)
CLAMPED: Final = int(Quality.CLAMPED)
RECORDED: Final = int(Quality.RECORDED)


def settle(row: Row, received_at: Micros, *, recorded: bool) -> tuple[Micros, Micros, int]:
    """`measured_at`, `received_at` and quality of a row.

    Raises:
        Rejected: recorded data without a time of its own, or with one outside 1970 to 2100.
    """
    at = row.at
    if recorded:
        if at is None or row.relative:
            raise Rejected(Reason.BAD_TIME, "recorded data needs a time of its own")
        if not 0 <= at < END_OF_RECORDINGS:
            raise Rejected(Reason.BAD_TIME, "recorded time outside 1970 to 2100")
        return at, at, RECORDED | row.quality
    if at is None:
        return received_at, received_at, ARRIVAL | row.quality
    if not received_at - OLDEST <= at <= received_at + NEWEST:
        return received_at, received_at, CLAMPED | row.quality
    return at, received_at, (ARRIVAL if row.relative else MEASURED) | row.quality


def settle_all(at: NDArray[np.int64] | None, n: int, received_at: Micros) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """`measured_at` and quality of n rows that arrived together, in live time; `at` is None where none of them has a time."""
    if at is None:
        return np.full(n, received_at, np.int64), np.full(n, ARRIVAL, np.uint8)
    good = (at >= received_at - OLDEST) & (at <= received_at + NEWEST)
    if good.all():
        return at, np.full(n, MEASURED, np.uint8)
    return np.where(good, at, received_at), np.where(good, MEASURED, CLAMPED).astype(np.uint8)
