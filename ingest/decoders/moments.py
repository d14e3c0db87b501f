"""Times of devices as µs: counted from 1970, or as ISO 8601 with or without a zone. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from ingest.decoders.rows import micros, number
from ingest.decoders.values import number_in
from vorab.clock import SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Quality

PER: Final = {"s": SECOND, "ms": 1_000, "us": 1}
"""µs in a unit."""
ASSUMED: Final = int(Quality.ASSUMED_ZONE)

_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - subtracted from times whose zone has been taken off
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def counted(value: object, unit: str) -> Micros:
    """A number of `unit` (s, ms, us) since 1970, as JSON or as text; raises Rejected (BAD_TIME)."""
    try:
        return micros(number_in("time", value) if isinstance(value, str) else number("time", value), PER[unit])
    except Rejected as error:
        raise Rejected(Reason.BAD_TIME, error.detail) from None


def iso(value: object, zone: ZoneInfo | None) -> tuple[Micros, int]:
    """An ISO 8601 time and its quality.

    A time without a zone is in `zone`, or else assumed to be UTC and marked. Marked as well is an hour that the clocks of the zone pass
    twice or never: which one is meant is a guess.

    Raises:
        Rejected: BAD_TIME.
    """
    if not isinstance(value, str):
        raise Rejected(Reason.BAD_TIME, "the time is not text")
    try:
        found = dt.datetime.fromisoformat(value.strip())
    except ValueError:
        raise Rejected(Reason.BAD_TIME, f"{value[:40]!r} is no ISO 8601 time") from None
    quality, offset = 0, found.utcoffset()
    plain = found.replace(tzinfo=None)
    if offset is None:
        offset, quality = (dt.timedelta(), ASSUMED) if zone is None else _local(plain, zone)
    return (plain - _EPOCH - offset) // _MICROSECOND, quality


def _local(plain: dt.datetime, zone: ZoneInfo) -> tuple[dt.timedelta, int]:
    first, second = (zone.utcoffset(plain.replace(fold=fold, tzinfo=zone)) or dt.timedelta() for fold in (0, 1))
    return first, 0 if first == second else ASSUMED
