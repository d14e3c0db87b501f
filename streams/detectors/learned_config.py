"""The words and settings of the learned detector; ``docs/learned.md`` tells the method behind them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

DAY_US: Final = 86_400_000_000
LARGEST: Final = 1e100  # readings are cut to this, so that no sum or quotient below can overflow
TOP_SCORE: Final = 1000.0  # more than this says nothing more, and a bounded number is kinder to whoever draws it
RESOLUTION: Final = 1e-9  # the smallest width of a record: a series that was exactly 0 so far has no scale of its own


class Change(IntEnum):
    """What a reading did to the episode of its series."""

    NONE = 0
    RAISED = 1
    CLEARED = 2  # the series came back to where it was
    ADAPTED = 3  # it did not, for so long that this is its new normal: ended, but nothing was healed


@dataclass(frozen=True)
class LearnedConfig:
    """Settings of the detector, counted in readings where the name carries no unit. Chosen once for all kinds of series."""

    speeds: tuple[float, ...] = (1.0, 0.2, 0.03, 0.006)
    """Share of a new reading in each average, the first being the reading itself: a jump shows in the quick ones within
    a quarter of an hour, a series that is merely low for too long shows in the slow ones within a day (5-minute readings)."""
    quick: int = 1
    """Which average tells that the series is back: quick enough to see a recovery soon, calm enough to ignore a lucky reading."""
    step_speed: float = 0.1
    """The same for the size of steps: noise that doubles is seen after about ten readings, one big step is not noise."""
    margin: float = 0.35
    """How far outside its record a memory must be, in widths of that record. Records are broken all the time, by a hair."""
    youth: float = 1.0
    """The margin of a memory that has only just begun to speak is larger by this share, and shrinks as 1/readings:
    so does the chance that the next value of a quiet series breaks its record."""
    settle: int = 100
    """Readings after which records start: averages over less are too jumpy to be anybody's record."""
    warm_up: int = 400
    """No episode before this many readings …"""
    warm_up_us: int = 2 * DAY_US
    """… nor before this time has passed: a device should have shown its day, and shown it twice."""
    lives: float = 12.0
    """A memory speaks after it has lived this many times its own length; a range of fewer independent values is no range."""
    persist: int = 4
    """Readings in a row beyond the margin before an episode is raised: fewer are radio, electrostatics or a door."""
    calm: int = 12
    """Readings in a row back inside before an episode ends: an hour at five minutes."""
    almost: float = 0.1
    """Back inside means: nine tenths of the way back. A large fault is seen to be over at once, a small one needs the slow averages."""
    hold: int = 100
    """Readings after an episode without another one: the same trouble should not call twice in a night."""
    patience: int = 1000
    """Readings after which a run of surprise becomes the new normal, three and a half days at five minutes."""
    doubt: int = 200
    """The same for a run that never reached the margin: so much of it was chance that its onset would mean nothing."""
    learn: float = 0.5
    """Share of what an episode that cleared added to the record: a routine fades after a few times, a fault that comes again
    is told again. A run that was never raised counts in full, and so does one that patience ended."""
    forget: float = 8000.0
    """Readings in which a record fades to 37 % …"""
    forget_us: int = 28 * DAY_US
    """… or the time, whichever is slower: four weekends are remembered whatever the interval of the readings."""
    glitch: float = 3.0
    """A reading further outside the record than this many widths is cut to it; one that comes alone is not believed at all by
    the averages. Sensors say -127 or 65535 now and then, and one such value must not own them for a day."""
    floor: float = 1e-3
    """Smallest width of a record as a share of the value: a series that never moved may move by its last digit."""
    usual_share: float = 0.01
    """Share of readings left out at either end of the usual range: what people read as "normally between"."""
    usual_speed: float = 0.005
    """Step of the two trackers of the usual range, in widths of the record: settles within a day, a few readings do not move it."""

    @property
    def memories(self) -> int:
        """Number of memories: the averages and the steps."""
        return len(self.speeds) + 1
