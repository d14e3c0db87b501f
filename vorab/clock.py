"""Time: integer microseconds UTC inside, ISO 8601 outside, and the only place that asks the machine what time it is.

Processors never see a clock; the rims (ingest, notifier, desk, hosts) are handed a `Clock`.
"""

from __future__ import annotations

import functools
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from vorab.errors import ConfigError

Micros = int
"""Microseconds since 1970-01-01T00:00Z."""

SECOND: Final[Micros] = 1_000_000
MINUTE: Final[Micros] = 60 * SECOND
HOUR: Final[Micros] = 60 * MINUTE
DAY: Final[Micros] = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE: Final = timedelta(microseconds=1)


def to_micros(moment: datetime) -> Micros:
    """An aware datetime as µs; exact, without floating point."""
    return (moment - _EPOCH) // _ONE


def to_datetime(at: Micros) -> datetime:
    """µs as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=at)


def iso(at: Micros) -> str:
    """µs as `2026-11-23T22:00:00.000000Z`, the one spelling used on the log."""
    seconds, micros = divmod(at, SECOND)
    return f"{_second(seconds)}.{micros:06d}Z"


@functools.lru_cache(maxsize=8192)
def _second(seconds: int) -> str:
    # Readings of many devices share their seconds: what is asked for again costs a third.
    return to_datetime(seconds * SECOND).isoformat(timespec="seconds").removesuffix("+00:00")


def parse_iso(text: str) -> Micros:
    """ISO 8601 with a zone as µs; raises ValueError where the zone is missing."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"no time zone in {text!r}"
        raise ValueError(msg)
    return to_micros(moment)


class Clock(Protocol):
    """What a rim is handed instead of the machine's clock."""

    speed: float
    """Seconds of this clock per second on the wall."""

    def now(self) -> Micros:
        """The time, µs UTC."""

    def wall(self, at: Micros) -> Micros:
        """When it is, was or will be `at` on this clock, as wall time in µs."""

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds on the wall."""


class SystemClock:
    """The machine's own clock."""

    speed = 1.0

    def now(self) -> Micros:
        """The time, µs UTC."""
        return time.time_ns() // 1000

    def wall(self, at: Micros) -> Micros:
        """The same."""
        return at

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class StoryClock:
    """A clock that starts at `start` when the wall says `origin` and runs `speed` times as fast: one night in a minute."""

    def __init__(self, start: Micros, speed: float, origin: Micros) -> None:
        self.start, self.speed, self.origin = start, speed, origin

    def now(self) -> Micros:
        """Story time, µs."""
        return self.start + int((time.time_ns() // 1000 - self.origin) * self.speed)

    def wall(self, at: Micros) -> Micros:
        """The wall time of a moment in the story, µs."""
        return self.origin + int((at - self.start) / self.speed)

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds on the wall."""
        time.sleep(seconds)

    @property
    def spec(self) -> str:
        """The text that `clock_from` turns into this clock again, in another process."""
        return f"{iso(self.start)}@{self.speed:g}/{self.origin / SECOND:.6f}"


class ManualClock:
    """A clock that tests move by hand."""

    speed = 1.0

    def __init__(self, now: Micros = 0) -> None:
        self._now = now
        self._moved = threading.Condition()

    def now(self) -> Micros:
        """The time it was set to."""
        return self._now

    def wall(self, at: Micros) -> Micros:
        """The same."""
        return at

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.advance(int(seconds * SECOND))

    def advance(self, by: Micros) -> None:
        """Move the clock forward by so many µs."""
        with self._moved:
            self._now += by
            self._moved.notify_all()

    def set(self, to: Micros) -> None:
        """Set the clock."""
        with self._moved:
            self._now = to
            self._moved.notify_all()


def clock_from(spec: str) -> Clock:
    """The clock a setting names: empty is the machine's, `START@SPEED/ORIGIN` a story clock.

    Raises:
        ConfigError: where the text is neither.
    """
    if not spec:
        return SystemClock()
    try:
        start, _, rest = spec.partition("@")
        speed, _, origin = rest.partition("/")
        return StoryClock(parse_iso(start), float(speed), int(float(origin) * SECOND))
    except ValueError as error:
        msg = f"clock {spec!r} is not START@SPEED/ORIGIN: {error}"
        raise ConfigError(msg, key="clock", hint="for example 2026-11-23T22:00:00+01:00@570/1795467600") from error
